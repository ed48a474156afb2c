/* Signals for the process, and what the program sees of signals at all: who gets them, its own
 * handler for faults, dispositions and masks, and storms of them. */
#include "hostile.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

/* All the program's threads block it: it stays pending, and sigwait or a signalfd gets it. A thread
 * that has not blocked it (ours) would have taken it. */
static void for_the_process(void)
{
    sigset_t set, pending;
    struct signalfd_siginfo info;
    int number, loop = hostile_loop();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGPROF);
    MUST(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    hostile_stall(15);
    hostile_turn(loop);
    for (int i = 0; i < 50; i++) {
        MUST(kill(getpid(), SIGUSR2) == 0);
        MUST(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR2) == 1);
        usleep(50);
        MUST(sigwait(&set, &number) == 0 && number == SIGUSR2);
    }
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    MUST(fd >= 0);
    for (int i = 0; i < 50; i++) {
        MUST(kill(getpid(), SIGTERM) == 0);
        MUST(read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGTERM);
    }
    hostile_turn(loop);
}

/* A handler of the program's own for SIGSEGV, in the middle of calls; it is the program's alone,
 * and is called for the program's faults alone. */
static volatile sig_atomic_t faults;

static void on_fault(int number, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    (void)number;
    MUST(info->si_addr == (void *)16);
    c->uc_mcontext.gregs[REG_RAX] = (long long)(uintptr_t)&faults;
    faults++;
    usleep(10);
}

static void segv_handler(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, now;
    int loop = hostile_loop();
    MUST(sigaction(SIGSEGV, &action, NULL) == 0);
    MUST(sigaction(SIGBUS, &action, NULL) == 0);
    for (int i = 0; i < 100; i++) {
        long value;
        __asm__ volatile("movq (%1), %0" : "=r"(value) : "a"(16L));
        hostile_stall(i % 10 ? 1 : 11);
        hostile_turn(loop);
    }
    MUST(faults == 100);
    MUST(sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_sigaction == on_fault);
}

/* What the program sees of dispositions and masks is what it has set, and a child inherits it. */
static void dispositions(void)
{
    int loop = hostile_loop();
    sigset_t mask;
    hostile_stall(30);
    hostile_turn(loop);
    hostile_stall(150); /* a long iteration */
    hostile_turn(loop);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) != 0)
            continue; /* 32 and 33 are libc's */
        if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)
            dprintf(2, "signal %d has a handler\n", number);
        MUST(action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN);
    }
    MUST(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
    for (int number = 1; number < NSIG; number++)
        MUST(sigismember(&mask, number) != 1);
}

static atomic_int handled;

static void on_signal(int number)
{
    int error = errno;
    (void)number;
    usleep(10); /* a wrapped call inside a wrapped call */
    handled++;
    errno = error;
}

/* Signals as fast as they come, through every kind of call, for two seconds. */
static atomic_bool done;

static void *busy_loop(void *unused)
{
    char byte;
    int loop = hostile_loop(), ends[2];
    MUST(pipe2(ends, O_NONBLOCK) == 0);
    while (!done) {
        struct timespec t = {0, 300000};
        struct epoll_event e;
        nanosleep(&t, NULL);
        epoll_wait(loop, &e, 1, 0);
        MUST(write(ends[1], "z", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'z');
        MUST(read(ends[0], &byte, 1) == -1 && errno == EAGAIN);
        poll(NULL, 0, 1);
    }
    return unused;
}

static void storm(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t threads[2];
    double end = hostile_ms() + 2000;
    MUST(sigaction(SIGUSR1, &action, NULL) == 0);
    for (int i = 0; i < 2; i++)
        MUST(pthread_create(&threads[i], NULL, busy_loop, NULL) == 0);
    while (hostile_ms() < end) {
        for (int i = 0; i < 2; i++)
            MUST(pthread_kill(threads[i], SIGUSR1) == 0);
        usleep(100);
    }
    done = true;
    for (int i = 0; i < 2; i++)
        MUST(pthread_join(threads[i], NULL) == 0);
}

/* A handler that makes wrapped calls, and even runs a loop, while the thread becomes a loop thread:
 * libuv's handler reads and writes a pipe, and SIGCHLD comes when it likes. */
static int other_loop;

static void on_tick(int number)
{
    struct epoll_event e;
    int error = errno;
    (void)number;
    epoll_wait(other_loop, &e, 1, 0);
    usleep(1);
    handled++;
    errno = error;
}

static void at_the_start(void)
{
    const struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    other_loop = epoll_create1(EPOLL_CLOEXEC);
    MUST(other_loop >= 0 && sigaction(SIGALRM, &action, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            setitimer(ITIMER_REAL, &often, NULL);
            int loop = hostile_loop();
            while (handled < 10)
                hostile_turn(loop);
            setitimer(ITIMER_REAL, &never, NULL);
            exit(0);
        }
        MUST(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
}

/* Forks that are interrupted by forks: the program has one thread, so the handler may. */
static void on_tick_fork(int number)
{
    int error = errno, status;
    (void)number;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    MUST(child > 0 && waitpid(child, &status, 0) == child);
    handled++;
    errno = error;
}

static void forks_in_forks(void)
{
    struct sigaction action = {.sa_handler = on_tick_fork, .sa_flags = SA_RESTART};
    int loop = hostile_loop(), status;
    MUST(sigaction(SIGALRM, &action, NULL) == 0);
    for (int i = 0; i < 300; i++) {
        /* one signal each: a fork that a signal interrupts begins anew */
        const struct itimerval once = {{0, 0}, {0, 20 + i % 100 * 10}};
        const int before = handled;
        hostile_turn(loop);
        setitimer(ITIMER_REAL, &once, NULL);
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        MUST(child > 0 && waitpid(child, &status, 0) == child && status == 0);
        while (handled == before)
            hostile_turn(loop);
    }
}

static const struct hostile_case cases[] = {
    {"for_the_process", for_the_process}, {"segv_handler", segv_handler},
    {"dispositions", dispositions},       {"storm", storm},
    {"at_the_start", at_the_start},       {"forks_in_forks", forks_in_forks},
};
HOSTILE_MAIN(cases)
