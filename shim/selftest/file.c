/* Bodies: reads, writes and files. */
#include "selftest.h"

#include <string.h>

static const char text[] = "abcdefgh";

/* ---- of any kind ------------------------------------------------------------------------------*/

TEST(read, HANGS)
{
    int fds[2];
    char buf[16] = "";
    make_pipe(t, fds);
    write_later(t, fds[1], text);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[0], buf, sizeof(buf)));
    digest_text(t, buf);
}

TEST(__read_chk, HANGS)
{
    int fds[2];
    char buf[16] = "";
    make_socketpair(t, SOCK_STREAM, fds);
    write_later(t, fds[1], text);
    expect(t, ST_NET, "unix socket (unnamed)");
    CALLED(t, call(fds[0], buf, 8, sizeof(buf)));
    digest_text(t, buf);
}

TEST(readv, HANGS)
{
    int fds[2];
    char a[4] = "", b[16] = "";
    struct iovec iov[] = {{a, 3}, {b, 8}};
    make_pipe(t, fds);
    write_later(t, fds[1], text);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[0], iov, 2));
    digest_text(t, a);
    digest_text(t, b);
}

TEST(write, HANGS)
{
    int fds[2];
    make_pipe(t, fds);
    fill(fds[1]);
    drain_later(t, fds[0]);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[1], text, 8));
}

TEST(writev, HANGS)
{
    int fds[2];
    char a[] = "abc", b[] = "defgh";
    struct iovec iov[] = {{a, 3}, {b, 5}};
    make_pipe(t, fds);
    fill(fds[1]);
    drain_later(t, fds[0]);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[1], iov, 2));
}

/* ---- at a place: a regular file, which nothing here can make slow
 * ------------------------------*/

static int open_text(struct trial *t)
{
    int fd = make_open_file(t, text);
    expect(t, ST_FILE, "%s", path_of(t));
    return fd;
}

TEST(pread, QUICK)
{
    char buf[16] = "";
    int fd = open_text(t);
    CALLED(t, call(fd, buf, 4, 2));
    digest_text(t, buf);
}

TEST(__pread_chk, QUICK)
{
    char buf[16] = "";
    int fd = open_text(t);
    CALLED(t, call(fd, buf, 4, 2, sizeof(buf)));
    digest_text(t, buf);
}

TEST(pwrite, QUICK)
{
    char buf[16] = "";
    int fd = open_text(t);
    CALLED(t, call(fd, "XY", 2, 3));
    NEED(t, pread(fd, buf, sizeof(buf), 0) == 8);
    digest_text(t, buf);
}

/* ---- open: of a FIFO, which waits for the other side
 * -------------------------------------------*/

struct other_side {
    struct trial *t;
    const char *path;
};

static void open_for_writing(void *argument)
{
    struct other_side *o = argument;
    keep_fd(o->t, open(o->path, O_WRONLY | O_CLOEXEC));
}

static const char *fifo_opened_later(struct trial *t)
{
    struct other_side *o = keep_memory(t, malloc(sizeof(*o)));
    o->t = t;
    o->path = make_path(t, "fifo");
    if (mkfifo(o->path, 0600) != 0)
        fail(t, "mkfifo: %s", strerror(errno));
    release_by(t, open_for_writing, o);
    expect(t, ST_FILE, "%s", o->path);
    return o->path;
}

TEST(open, HANGS)
{
    const char *path = fifo_opened_later(t);
    int fd = keep_fd(t, CALLED(t, call(path, O_RDONLY | O_CLOEXEC)));
    result_is_fd(t);
    digest_number(t, fcntl(fd, F_GETFD));
}

TEST(openat, HANGS)
{
    const char *path = fifo_opened_later(t);
    int fd = keep_fd(t, CALLED(t, call(AT_FDCWD, path, O_RDONLY | O_CLOEXEC)));
    result_is_fd(t);
    digest_number(t, fcntl(fd, F_GETFD));
}

#define CHECKED_OPEN(symbol, ...)                                                                  \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        const char *path = fifo_opened_later(t);                                                   \
        int fd = keep_fd(t, CALLED(t, call(__VA_ARGS__, O_RDONLY | O_CLOEXEC)));                   \
        result_is_fd(t);                                                                           \
        digest_number(t, fcntl(fd, F_GETFD));                                                      \
    }
CHECKED_OPEN(__open_2, path)
CHECKED_OPEN(__open64_2, path)
CHECKED_OPEN(__openat_2, AT_FDCWD, path)
CHECKED_OPEN(__openat64_2, AT_FDCWD, path)

/* ---- to the disk, and locks on files ----------------------------------------------------------*/

TEST(fsync, QUICK)
{
    int fd = make_open_file(t, text);
    expect(t, ST_SYNC, "%s", path_of(t));
    CALLED(t, call(fd));
}

TEST(fdatasync, QUICK)
{
    int fd = make_open_file(t, text);
    expect(t, ST_SYNC, "%s", path_of(t));
    CALLED(t, call(fd));
}

static void unlock_file(void *fd)
{
    flock(*(int *)fd, LOCK_UN);
}

TEST(flock, HANGS)
{
    int fd = make_open_file(t, text);
    int other = keep_fd(t, open(path_of(t), O_RDWR | O_CLOEXEC));
    NEED(t, flock(other, LOCK_EX) == 0);
    release_by(t, unlock_file, &other);
    expect(t, ST_LOCK, "%s", path_of(t));
    CALLED(t, call(fd, LOCK_EX));
}
