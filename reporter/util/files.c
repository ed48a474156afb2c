/* See files.h. */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

static int checked(int fd, off_t largest)
{
    struct stat st;
    int error = 0;
    if (fstat(fd, &st) != 0)
        error = errno;
    else if (S_ISDIR(st.st_mode))
        error = EISDIR;
    else if (!S_ISREG(st.st_mode))
        error = ESPIPE;
    else if (st.st_size > largest)
        error = EFBIG;
    if (error == 0)
        return fd;
    close(fd);
    return -error;
}

/* A device may do something when it is opened, or a FIFO's writer go on: so the path alone is
 * looked at before. What it has become meanwhile is seen afterwards. */
int open_regular(const char *path, off_t largest)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -ESPIPE;
    int fd = open(path, FLAGS);
    return fd < 0 ? -errno : checked(fd, largest);
}

int open_regular_below(int dir_fd, const char *path, off_t largest)
{
    const struct open_how how = {.flags = FLAGS,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    struct stat st;
    if (fstatat(dir_fd, path, &st, 0) == 0 && !S_ISREG(st.st_mode))
        return -ESPIPE;
    int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
    return fd < 0 ? -errno : checked(fd, largest);
}

const char *why_not_opened(int error)
{
    error = error < 0 ? -error : error;
    if (error == ESPIPE)
        return "is no regular file";
    return error == EFBIG ? "is too large" : strerror(error);
}
