/* Reading the process's own memory without ever faulting on it: the kernel copies, and says so
 * where it cannot. Where process_vm_readv is not allowed (a seccomp policy of a container), write
 * to a pipe does the same; the agent's descriptors are its own, so nobody else can get at that
 * pipe. */
#include "memory.h"

#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

enum { PAGE = 4096, CACHE_PAGES = 128 };

static struct {
    uint64_t page; /* its address; 0: empty */
    bool bad;
    uint8_t bytes[PAGE];
} cache[CACHE_PAGES];

static int pipe_fds[2] = {-1, -1};
static pid_t pipe_owner;
static bool no_vm_readv;

static int read_by_pipe(uint64_t addr, void *buf, size_t len)
{
    if (pipe_fds[0] < 0 || pipe_owner != gettid()) {
        if (syscall(SYS_pipe2, pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
            return -EFAULT;
        pipe_owner = gettid();
    }
    for (size_t done = 0; done < len;) {
        size_t n = len - done > PAGE ? PAGE : len - done;
        long w = syscall(SYS_write, pipe_fds[1], (const void *)(uintptr_t)(addr + done), n);
        if (w <= 0)
            return -EFAULT;
        if (syscall(SYS_read, pipe_fds[0], (char *)buf + done, (size_t)w) != w)
            return -EFAULT;
        done += (size_t)w;
    }
    return 0;
}

int st_mem_read(uint64_t addr, void *buf, size_t len)
{
    if (addr < PAGE || addr + len < addr)
        return -EFAULT;
    if (!no_vm_readv) {
        struct iovec local = {buf, len}, remote = {(void *)(uintptr_t)addr, len};
        long r = syscall(SYS_process_vm_readv, getpid(), &local, 1L, &remote, 1L, 0L);
        if (r == (long)len)
            return 0;
        if (r >= 0 || (errno != ENOSYS && errno != EPERM))
            return -EFAULT;
        no_vm_readv = true;
    }
    return read_by_pipe(addr, buf, len);
}

size_t st_mem_read_some(uint64_t addr, void *buf, size_t len)
{
    if (st_mem_read(addr, buf, len) == 0)
        return len;
    size_t done = 0;
    while (done < len) {
        size_t n = PAGE - (addr + done) % PAGE;
        if (n > len - done)
            n = len - done;
        if (st_mem_read(addr + done, (char *)buf + done, n) < 0)
            break;
        done += n;
    }
    return done;
}

int st_mem_read_cached(uint64_t addr, void *buf, size_t len)
{
    while (len) {
        uint64_t page = addr & ~(uint64_t)(PAGE - 1);
        unsigned i = (unsigned)(page / PAGE) % CACHE_PAGES;
        if (cache[i].page != page) {
            cache[i].bad = st_mem_read(page, cache[i].bytes, PAGE) < 0;
            cache[i].page = page;
        }
        if (cache[i].bad)
            return -EFAULT;
        size_t n = PAGE - addr % PAGE;
        if (n > len)
            n = len;
        memcpy(buf, cache[i].bytes + addr % PAGE, n);
        addr += n;
        buf = (char *)buf + n;
        len -= n;
    }
    return 0;
}

void st_mem_forget(void)
{
    for (unsigned i = 0; i < CACHE_PAGES; i++)
        cache[i].page = 0;
}

int st_mem_read_string(uint64_t addr, char *buf, size_t size)
{
    size_t got = st_mem_read_some(addr, buf, size - 1);
    buf[got] = 0;
    return got || size == 1 ? 0 : -EFAULT;
}
