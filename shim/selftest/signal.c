/* Bodies: waiting for signals, and for asynchronous I/O. */
#include "selftest.h"

static void nothing(int number)
{
    (void)number;
}

static void send_signal(void *thread)
{
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
}

/* SIGUSR1 comes to this thread once it waits; `set` has it alone, `others` all but it. */
static void make_signal(struct trial *t, sigset_t *set, sigset_t *none, bool blocked)
{
    static pthread_t self;
    struct sigaction action = {.sa_handler = nothing};
    self = pthread_self();
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(none);
    sigemptyset(set);
    sigaddset(set, SIGUSR1);
    pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, set, NULL);
    release_by(t, send_signal, &self);
}

#define SIGNAL(symbol, blocked, detail, ...)                                                       \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        sigset_t set, none;                                                                        \
        siginfo_t info = {0};                                                                      \
        int number = 0;                                                                            \
        struct timespec far_off = {600, 0};                                                        \
        (void)info, (void)number, (void)far_off;                                                   \
        make_signal(t, &set, &none, blocked);                                                      \
        expect(t, ST_WAIT, detail);                                                                \
        CALLED(t, call(__VA_ARGS__));                                                              \
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);                                                  \
        digest_number(t, number);                                                                  \
        digest_number(t, info.si_signo);                                                           \
    }
SIGNAL(pause, false, "no timeout")
SIGNAL(sigwait, true, "no timeout", &set, &number)
SIGNAL(sigwaitinfo, true, "no timeout", &set, &info)
SIGNAL(sigtimedwait, true, "600 s", &set, &info, &far_off)
SIGNAL(sigsuspend, true, "no timeout", &none)
SIGNAL(sigpause, true, "no timeout", 0)
SIGNAL(__sigpause, true, "no timeout", 0, 0)
SIGNAL(__xpg_sigpause, true, "no timeout", SIGUSR1)

/* ---- asynchronous I/O -------------------------------------------------------------------------*/

static struct aiocb request;
static char received[8];

static void set_request(int fd)
{
    memset(received, 0, sizeof(received));
    request = (struct aiocb){
        .aio_fildes = fd, .aio_buf = received, .aio_nbytes = 4, .aio_lio_opcode = LIO_READ};
}

static void make_request(struct trial *t)
{
    int fds[2];
    make_pipe(t, fds);
    set_request(fds[0]);
    write_later(t, fds[1], "abcd");
}

TEST(aio_suspend, HANGS)
{
    const struct aiocb *list[] = {&request};
    make_request(t);
    NEED(t, aio_read(&request) == 0);
    expect(t, ST_WAIT, "no timeout");
    CALLED(t, call(list, 1, NULL));
    digest_text(t, received);
}

TEST(lio_listio, HANGS)
{
    struct aiocb *list[] = {&request};
    make_request(t);
    expect(t, ST_WAIT, "no timeout");
    CALLED(t, call(LIO_WAIT, list, 1, NULL));
    digest_text(t, received);
}

#define LIO_LISTIO_2_4(symbol)                                                                     \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        struct aiocb *list[] = {&request};                                                         \
        make_request(t);                                                                           \
        expect(t, ST_WAIT, "no timeout");                                                          \
        CALLED(t, call(LIO_WAIT, list, 1, NULL));                                                  \
        digest_text(t, received);                                                                  \
    }
LIO_LISTIO_2_4(lio_listio_2_4)
LIO_LISTIO_2_4(lio_listio64_2_4)

/* The oldest does not wait, whatever it is told. */
#define LIO_LISTIO_2_2_5(symbol)                                                                   \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        struct aiocb *list[] = {&request};                                                         \
        int fds[2];                                                                                \
        make_pipe(t, fds);                                                                         \
        set_request(fds[0]);                                                                       \
        CALLED(t, call(LIO_WAIT, list, 1, NULL));                                                  \
        NEED(t, aio_error(&request) == EINPROGRESS);                                               \
        NEED(t, write(fds[1], "abcd", 4) == 4);                                                    \
        NEED(t, aio_suspend((const struct aiocb *const *)list, 1, NULL) == 0);                     \
        digest_text(t, received);                                                                  \
    }
LIO_LISTIO_2_2_5(lio_listio_2_2_5)
LIO_LISTIO_2_2_5(lio_listio64_2_2_5)

/* ---- C11's sleep ------------------------------------------------------------------------------*/

TEST(thrd_sleep, TIMED)
{
    struct timespec wanted = {0, WAIT_MS * 1000000};
    expect(t, ST_SLEEP, "%d ms", WAIT_MS);
    CALLED(t, call(&wanted, NULL));
}
