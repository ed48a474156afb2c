/* Bodies: moving data between descriptors, and what else is done to the contents of files. */
#include "selftest.h"

static const char text[] = "abcdefgh";

/* ---- many messages ----------------------------------------------------------------------------*/

#define MESSAGES(array, buffers)                                                                   \
    struct iovec iov[2] = {{buffers[0], 4}, {buffers[1], 4}};                                      \
    struct mmsghdr array[2] = {{.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1}},                 \
                               {.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1}}}

TEST(recvmmsg, HANGS)
{
    int fds[2];
    char buffers[2][8] = {"", ""};
    MESSAGES(messages, buffers);
    make_socketpair(t, SOCK_DGRAM, fds);
    write_later(t, fds[1], "abcd");
    CALLED(t, call(fds[0], messages, 1, 0, NULL));
    digest_text(t, buffers[0]);
}

TEST(sendmmsg, HANGS)
{
    int fds[2];
    char buffers[2][8] = {"abcd", "efgh"};
    MESSAGES(messages, buffers);
    make_socketpair(t, SOCK_STREAM, fds);
    fill(fds[1]);
    drain_later(t, fds[0]);
    CALLED(t, call(fds[1], messages, 2, 0));
}

/* ---- from descriptor to descriptor ------------------------------------------------------------*/

TEST(sendfile, HANGS)
{
    int fds[2], from = make_open_file(t, text);
    make_socketpair(t, SOCK_STREAM, fds);
    fill(fds[1]);
    drain_later(t, fds[0]);
    expect(t, ST_NET, "unix socket (unnamed)");
    CALLED(t, call(fds[1], from, NULL, 8));
}

TEST(splice, HANGS)
{
    int in[2], out[2];
    make_pipe(t, in);
    make_pipe(t, out);
    write_later(t, in[1], text);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(in[0], NULL, out[1], NULL, 8, 0));
}

TEST(tee, HANGS)
{
    int in[2], out[2];
    make_pipe(t, in);
    make_pipe(t, out);
    write_later(t, in[1], text);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(in[0], out[1], 8, 0));
}

TEST(vmsplice, HANGS)
{
    int fds[2];
    char data[] = "abcdefgh";
    struct iovec iov = {data, 8};
    make_pipe(t, fds);
    fill(fds[1]);
    drain_later(t, fds[0]);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[1], &iov, 1, 0));
}

TEST(copy_file_range, QUICK)
{
    int in = make_open_file(t, text);
    int out = keep_fd(t, open(make_path(t, "copy"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    CALLED(t, call(in, NULL, out, NULL, 8, 0));
}

TEST(eventfd_read, HANGS)
{
    eventfd_t value = 0;
    int fd = keep_fd(t, eventfd(0, EFD_CLOEXEC));
    write_later(t, fd, (const char[]){"\1\1\1\1\1\1\1\1"});
    expect(t, ST_IPC, "eventfd");
    CALLED(t, call(fd, &value));
    digest_number(t, (long long)value);
}

static void read_event(void *fd)
{
    eventfd_t value;
    eventfd_read(*(int *)fd, &value);
}

TEST(eventfd_write, HANGS)
{
    static int fd;
    fd = keep_fd(t, eventfd(0, EFD_CLOEXEC));
    NEED(t, eventfd_write(fd, UINT64_MAX - 1) == 0);
    release_by(t, read_event, &fd);
    expect(t, ST_IPC, "eventfd");
    CALLED(t, call(fd, 1));
}

/* ---- at a place -------------------------------------------------------------------------------*/

#define VECTORED(symbol, ...)                                                                      \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        char a[8] = "123", b[8] = "4567";                                                          \
        struct iovec iov[] = {{a, 3}, {b, 4}};                                                     \
        int fd = make_open_file(t, text);                                                          \
        expect(t, ST_FILE, "%s", path_of_subject(fd));                                             \
        CALLED(t, call(fd, iov, 2, 1, ##__VA_ARGS__));                                             \
        digest_text(t, a);                                                                         \
        digest_text(t, b);                                                                         \
    }

static const char *path_of_subject(int fd)
{
    static char path[512];
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = 0;
    return path;
}

VECTORED(preadv)
VECTORED(pwritev)
VECTORED(preadv2, 0)
VECTORED(pwritev2, 0)

#define OF_CLASS(symbol, class, ...)                                                               \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        int fd = make_open_file(t, text);                                                          \
        expect(t, class, "%s", path_of_subject(fd));                                               \
        CALLED(t, call(__VA_ARGS__));                                                              \
    }
#define ON_FD(symbol, ...) OF_CLASS(symbol, ST_FILE, __VA_ARGS__)
ON_FD(fallocate, fd, 0, 0, 100)
ON_FD(posix_fallocate, fd, 0, 100)
ON_FD(readahead, fd, 0, 8)
ON_FD(posix_fadvise, fd, 0, 8, POSIX_FADV_DONTNEED)
ON_FD(ftruncate, fd, 4)
OF_CLASS(syncfs, ST_SYNC, fd)
OF_CLASS(sync_file_range, ST_SYNC, fd, 0, 8, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)

TEST(truncate, QUICK)
{
    const char *path = make_file(t, "file", text);
    expect(t, ST_FILE, "%s", path);
    CALLED(t, call(path, 4));
}

static void open_other_end(void *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    usleep(1000);
    close(fd);
}

TEST(creat, HANGS)
{
    const char *path = make_path(t, "fifo");
    NEED(t, mkfifo(path, 0600) == 0);
    release_by(t, open_other_end, (void *)(uintptr_t)path);
    expect(t, ST_FILE, "%s", path);
    result_is(t, keep_fd(t, CALLED(t, call(path, 0600))) >= 0);
}

TEST(open_by_handle_at, QUICK)
{
    char space[256] = "";
    struct file_handle *handle = (struct file_handle *)space;
    CALLED(t, call(-1, handle, O_RDONLY));
}

#define TEMPORARY(symbol, suffix, ...)                                                             \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        char path[512];                                                                            \
        snprintf(path, sizeof(path), "%sXXXXXX" suffix, make_path(t, "tmp"));                      \
        result_is(t, keep_fd(t, CALLED(t, call(path, ##__VA_ARGS__))) >= 0);                       \
    }
TEMPORARY(mkstemp, "")
TEMPORARY(mkostemp, "", O_CLOEXEC)
TEMPORARY(mkstemps, ".x", 2)
TEMPORARY(mkostemps, ".x", 2, O_CLOEXEC)

static const char *shm_name(void)
{
    static char name[64];
    snprintf(name, sizeof(name), "/stalltrace-selftest-%d", (int)getpid());
    return name;
}

TEST(shm_open, QUICK)
{
    expect(t, ST_FILE, "%s", shm_name());
    result_is(t, keep_fd(t, CALLED(t, call(shm_name(), O_RDWR | O_CREAT, 0600))) >= 0);
    shm_unlink(shm_name());
}

TEST(shm_unlink, QUICK)
{
    keep_fd(t, shm_open(shm_name(), O_RDWR | O_CREAT, 0600));
    expect(t, ST_FILE, "%s", shm_name());
    CALLED(t, call(shm_name()));
}

/* ---- memory and randomness --------------------------------------------------------------------*/

#define OWN_MEMORY(symbol)                                                                         \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        char a[8] = "abcd", b[8] = "";                                                             \
        struct iovec mine = {a, 4}, theirs = {b, 4};                                               \
        CALLED(t, call(getpid(), &mine, 1, &theirs, 1, 0));                                        \
        digest_text(t, a);                                                                         \
        digest_text(t, b);                                                                         \
    }
OWN_MEMORY(process_vm_readv)
OWN_MEMORY(process_vm_writev)

TEST(mmap, QUICK)
{
    int fd = make_open_file(t, text);
    expect(t, ST_FILE, "%s", path_of_subject(fd));
    char *p = CALLED(t, call(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0));
    NEED(t, p != MAP_FAILED);
    digest_data(t, p, 8);
    munmap(p, 4096);
}

static char page[4096] __attribute__((aligned(4096)));

#define QUICKLY(symbol, ...)                                                                       \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        char buf[16];                                                                              \
        (void)buf;                                                                                 \
        CALLED(t, call(__VA_ARGS__));                                                              \
    }
QUICKLY(mlock, page, sizeof(page))
QUICKLY(mlock2, page, sizeof(page), 0)
QUICKLY(mlockall, 0)
QUICKLY(getrandom, buf, sizeof(buf), 0)
QUICKLY(getentropy, buf, sizeof(buf))

TEST(msync, QUICK)
{
    int fd = make_open_file(t, text);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    NEED(t, p != MAP_FAILED);
    p[0] = 'z';
    CALLED(t, call(p, 4096, MS_SYNC));
    munmap(p, 4096);
}

TEST(sync, QUICK)
{
    CALLED_VOID(t, call());
}

/* ---- commands ---------------------------------------------------------------------------------*/

static void free_record(void *fd)
{
    struct flock lock = {.l_type = F_UNLCK};
    fcntl(*(int *)fd, F_OFD_SETLK, &lock);
}

/* A lock of a record that another open file has. */
static int held_record(struct trial *t)
{
    static int other;
    struct flock lock = {.l_type = F_WRLCK};
    const char *path = make_file(t, "file", text);
    other = keep_fd(t, open(path, O_RDWR | O_CLOEXEC));
    if (fcntl(other, F_OFD_SETLK, &lock) != 0)
        fail(t, "F_OFD_SETLK: %s", strerror(errno));
    release_by(t, free_record, &other);
    expect(t, ST_LOCK, "%s", path);
    return keep_fd(t, open(path, O_RDWR | O_CLOEXEC));
}

TEST(fcntl, HANGS)
{
    struct flock lock = {.l_type = F_WRLCK};
    int fd = held_record(t);
    CALLED(t, call(fd, F_SETLKW, &lock));
}

TEST(lockf, HANGS)
{
    int fd = held_record(t);
    CALLED(t, call(fd, F_LOCK, 0));
}

TEST(ioctl, QUICK)
{
    int fds[2], n = 0;
    make_pipe(t, fds);
    NEED(t, write(fds[1], text, 8) == 8);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[0], FIONREAD, &n));
    digest_number(t, n);
}

/* ---- logins on other hosts: an address that is not of the family asked for --------------------*/

#define REMOTE(symbol, ...)                                                                        \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        char name[] = "::1", *host = name;                                                         \
        FILE *before = stderr;                                                                     \
        stderr = fopen("/dev/null", "w");                                                          \
        CALLED(t, call(&host, __VA_ARGS__));                                                       \
        fclose(stderr);                                                                            \
        stderr = before;                                                                           \
    }
REMOTE(rcmd, htons(9), "a", "b", "c", NULL)
REMOTE(rcmd_af, htons(9), "a", "b", "c", NULL, AF_INET)
REMOTE(rexec, htons(9), "a", "b", "c", NULL)
REMOTE(rexec_af, htons(9), "a", "b", "c", NULL, AF_INET)
