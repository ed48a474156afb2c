/* Bodies: calls by number. */
#include "selftest.h"

#include <linux/futex.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Itself it is never a finding: what it calls is, under that name. */
TEST(syscall, SUPPORT)
{
    int fds[2];
    char buf[16] = "";
    make_pipe(t, fds);
    write_later(t, fds[1], "abcdefgh");
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(SYS_read, fds[0], buf, sizeof(buf)));
    digest_text(t, buf);
}

static void wake(void *word)
{
    atomic_store((_Atomic int *)word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

TEST(futex, HANGS)
{
    _Atomic int word = 0;
    release_by(t, wake, &word);
    CALLED(t, call(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
}

TEST(futex_waitv, HANGS)
{
    _Atomic int word = 0;
    struct futex_waitv wait = {.uaddr = (uintptr_t)&word, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG};
    release_by(t, wake, &word);
    CALLED(t, call(SYS_futex_waitv, &wait, 1, 0, NULL, 0));
}

/* ---- the kernel's own asynchronous I/O --------------------------------------------------------*/

TEST(io_getevents, TIMED)
{
    unsigned long context = 0;
    struct timespec limit = {0, WAIT_MS * 1000000};
    char events[64];
    NEED(t, syscall(SYS_io_setup, 4, &context) == 0);
    CALLED(t, call(SYS_io_getevents, context, 1, 1, events, &limit));
    syscall(SYS_io_destroy, context);
}

/* ---- io_uring ---------------------------------------------------------------------------------*/

/* Submits one read of `fd` without waiting for it. 0 or -1 with errno. */
static int submit_read(int ring, const struct io_uring_params *p, int fd, char *buf, unsigned n)
{
    const int rw = PROT_READ | PROT_WRITE;
    size_t sq_size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
    size_t sqes_size = p->sq_entries * sizeof(struct io_uring_sqe);
    char *sq = mmap(NULL, sq_size, rw, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *sqes = mmap(NULL, sqes_size, rw, MAP_SHARED, ring, IORING_OFF_SQES);
    if (sq == MAP_FAILED || (void *)sqes == MAP_FAILED)
        return -1;
    sqes[0] =
        (struct io_uring_sqe){.opcode = IORING_OP_READ, .fd = fd, .addr = (uintptr_t)buf, .len = n};
    *(unsigned *)(void *)(sq + p->sq_off.array) = 0;
    __atomic_store_n((unsigned *)(void *)(sq + p->sq_off.tail), 1, __ATOMIC_RELEASE);
    long r = syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0);
    munmap(sq, sq_size);
    munmap(sqes, sqes_size);
    return r == 1 ? 0 : -1;
}

TEST(io_uring_enter, HANGS)
{
    struct io_uring_params p = {0};
    int fds[2];
    char *buf = keep_memory(t, calloc(1, 16));
    int ring = (int)syscall(SYS_io_uring_setup, 4, &p);
    if (ring < 0) {
        skip(t, "io_uring_setup");
        return;
    }
    keep_fd(t, ring);
    make_pipe(t, fds);
    NEED(t, submit_read(ring, &p, fds[0], buf, 8) == 0);
    write_later(t, fds[1], "abcdefgh");
    CALLED(t, call(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
    digest_text(t, buf);
}
