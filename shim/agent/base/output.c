/* See output.h. Another user may own what lies above the directory, and put links in its place
 * while this process is root: nothing is changed but what was just made here, through its
 * descriptor, and what is opened is the same that was looked at. */
#include "output.h"

#include "agent/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static long raw_open(long at, const char *path, int flags, unsigned mode)
{
    long fd = syscall(SYS_openat, at, path, flags | O_CLOEXEC, mode);
    return fd < 0 ? -errno : fd;
}

/* The mode that was asked for, where the umask has taken something of it. */
static void set_mode(long fd, unsigned mode, unsigned type)
{
    struct stat st;
    if (syscall(SYS_fstat, fd, &st) == 0 && (st.st_mode & S_IFMT) == type &&
        st.st_uid == geteuid() && (st.st_mode & 07777 & ~mode) == 0 && (st.st_mode & 07777) != mode)
        syscall(SYS_fchmod, fd, mode);
}

/* Makes the directory, in one above it that is looked up once. Returns it, open. */
static long make_directory(const char *path)
{
    unsigned mode = st_shared->settings->shared ? 01733 : 0700;
    char above[sizeof(st_shared->settings->output)];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (!slash || n + 2 > sizeof(above) || !slash[1])
        return -ENOENT;
    memcpy(above, path, n ? n : 1);
    above[n ? n : 1] = 0;
    long parent = raw_open(AT_FDCWD, above, O_PATH | O_DIRECTORY, 0);
    if (parent < 0)
        return parent;
    bool made = syscall(SYS_mkdirat, parent, slash + 1, mode) == 0;
    int error = errno;
    long fd = !made && error != EEXIST
                  ? -error
                  : raw_open(parent, slash + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd == -EACCES) /* others may write there, not read */
        fd = raw_open(parent, slash + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
    else if (fd >= 0 && made)
        set_mode(fd, mode, S_IFDIR);
    syscall(SYS_close, parent);
    return fd;
}

int st_output_open(const char *directory, const char *name, bool again)
{
    long at = raw_open(AT_FDCWD, directory, O_PATH | O_DIRECTORY, 0);
    if (at == -ENOENT && !again)
        at = make_directory(directory);
    if (at < 0)
        return (int)at;
    int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | (again ? 0 : O_CREAT | O_EXCL);
    long fd = raw_open(at, name, flags, 0600);
    syscall(SYS_close, at);
    if (fd >= 0 && !again)
        set_mode(fd, 0600, S_IFREG);
    return (int)fd;
}

uint64_t st_output_used(const char *directory)
{
    struct entry {
        uint64_t ino, off;
        unsigned short length;
        unsigned char type;
        char name[];
    };
    _Alignas(8) char bytes[4096];
    uint64_t sum = 0;
    long n, at = raw_open(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0);
    while (at >= 0 && (n = syscall(SYS_getdents64, at, bytes, sizeof(bytes))) > 0)
        for (long i = 0; i < n;) {
            const struct entry *e = (const void *)(bytes + i);
            size_t len = strlen(e->name);
            struct stat st;
            if (len > 6 && !strcmp(e->name + len - 6, ".jsonl") &&
                syscall(SYS_newfstatat, at, e->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                sum += (uint64_t)st.st_size;
            i += e->length;
        }
    if (at >= 0)
        syscall(SYS_close, at);
    return sum;
}
