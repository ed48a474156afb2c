/* The stand-in for the agent's memory reads: see python_memory.h. */
#define _GNU_SOURCE
#include "python_memory.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

pid_t test_target;

int st_mem_read(uint64_t addr, void *buf, size_t len)
{
    struct iovec local = {buf, len};
    struct iovec remote = {(void *)(uintptr_t)addr, len};
    ssize_t got = process_vm_readv(test_target ? test_target : getpid(), &local, 1, &remote, 1, 0);

    return got == (ssize_t)len ? 0 : -EFAULT;
}
