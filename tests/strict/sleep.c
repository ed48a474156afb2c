/* Cases: sleeping, and waiting for signals and for asynchronous I/O. */
#include "cases.h"

#include <aio.h>
#include <pthread.h>
#include <signal.h>
#include <sys/select.h>
#include <threads.h>

static const struct timespec an_instant = {0, 1000};

CASE(sleep, zero)
{
    NOW(sleep(0));
}

CASE(usleep, some)
{
    NOW(usleep(1));
}

CASE(usleep, zero)
{
    NOW(usleep(0));
}

CASE(nanosleep, some)
{
    NOW(nanosleep(&an_instant, NULL));
}

CASE(nanosleep, zero)
{
    NOW(nanosleep(&none, NULL));
}

CASE(nanosleep, by_number)
{
    NOW(syscall(SYS_nanosleep, &an_instant, NULL));
}

CASE(nanosleep, zero_by_number)
{
    NOW(syscall(SYS_nanosleep, &none, NULL));
}

CASE(thrd_sleep, some)
{
    NOW(thrd_sleep(&an_instant, NULL));
}

CASE(thrd_sleep, zero)
{
    NOW(thrd_sleep(&none, NULL));
}

CASE(clock_nanosleep, some)
{
    NOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &an_instant, NULL));
}

CASE(clock_nanosleep, zero)
{
    NOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &none, NULL));
}

CASE(clock_nanosleep, until_the_past)
{
    NOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &long_ago, NULL));
}

/* What Python's time.sleep(0) comes to: it was over a moment before the call. */
CASE(clock_nanosleep, until_now)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    NOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL));
}

CASE(clock_nanosleep, until_the_past_by_number)
{
    NOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &long_ago, NULL));
}

/* ---- signals ----------------------------------------------------------------------------------*/

static void nothing(int number)
{
    (void)number;
}

static sigset_t usr1, nobody;

/* SIGUSR1 is blocked, and has come already. */
static void make_signal(bool pending)
{
    struct sigaction action = {.sa_handler = nothing};
    sigemptyset(&nobody);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    MUST(sigaction(SIGUSR1, &action, NULL) == 0);
    MUST(pthread_sigmask(SIG_BLOCK, &usr1, NULL) == 0);
    if (pending)
        MUST(pthread_kill(pthread_self(), SIGUSR1) == 0);
}

CASE(sigwait, pending)
{
    int number;
    make_signal(true);
    NOW(sigwait(&usr1, &number));
}

CASE(sigwaitinfo, pending)
{
    make_signal(true);
    NOW(sigwaitinfo(&usr1, NULL));
}

CASE(sigtimedwait, pending)
{
    make_signal(true);
    NOW(sigtimedwait(&usr1, NULL, &a_while));
}

CASE(sigtimedwait, for_ever)
{
    make_signal(true);
    NOW(sigtimedwait(&usr1, NULL, NULL));
}

CASE(sigtimedwait, zero)
{
    make_signal(false);
    NOW(sigtimedwait(&usr1, NULL, &none));
}

CASE(sigtimedwait, zero_by_number)
{
    make_signal(false);
    NOW(syscall(SYS_rt_sigtimedwait, &usr1, NULL, &none, 8L));
}

CASE(sigsuspend, pending)
{
    make_signal(true);
    NOW(sigsuspend(&nobody));
}

static void interrupt(void *thread)
{
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
}

static void be_interrupted(void)
{
    static pthread_t self;
    self = pthread_self();
    make_signal(false);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    when_asleep(interrupt, &self);
}

CASE(pause, interrupted)
{
    be_interrupted();
    NOW(pause());
}

CASE(sleep, interrupted)
{
    be_interrupted();
    NOW(sleep(600));
}

CASE(clock_nanosleep, until_later)
{
    struct timespec later = after(CLOCK_REALTIME, 600);
    be_interrupted();
    NOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &later, NULL));
}

/* ---- asynchronous I/O -------------------------------------------------------------------------*/

static char received[8];
static struct aiocb request;

/* A read that ends at once, and has ended. */
static const struct aiocb *make_request(void)
{
    request = (struct aiocb){
        .aio_fildes = make_file("content", 0), .aio_buf = received, .aio_nbytes = sizeof(received)};
    MUST(aio_read(&request) == 0);
    return &request;
}

CASE(aio_suspend, done)
{
    const struct aiocb *list[] = {make_request()};
    NOW(aio_suspend(list, 1, &a_while));
}

CASE(aio_suspend, for_ever)
{
    const struct aiocb *list[] = {make_request()};
    NOW(aio_suspend(list, 1, NULL));
}

CASE(aio_suspend, zero)
{
    const struct aiocb *list[] = {make_request()};
    NOW(aio_suspend(list, 1, &none));
}

CASE(lio_listio, wait)
{
    struct aiocb one = {.aio_fildes = make_file("content", 0),
                        .aio_buf = received,
                        .aio_nbytes = sizeof(received),
                        .aio_lio_opcode = LIO_READ},
                 *list[] = {&one};
    NOW(lio_listio(LIO_WAIT, list, 1, NULL));
}

CASE(lio_listio, nowait)
{
    static struct aiocb one;
    struct aiocb *list[] = {&one};
    one = (struct aiocb){.aio_fildes = make_file("content", 0),
                         .aio_buf = received,
                         .aio_nbytes = sizeof(received),
                         .aio_lio_opcode = LIO_READ};
    NOW(lio_listio(LIO_NOWAIT, list, 1, NULL));
    MUST(aio_suspend((const struct aiocb *const *)list, 1, NULL) == 0);
}
