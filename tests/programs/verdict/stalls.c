/* Loops whose long calls and iterations are hard to tell apart, or to end: one mode an argument. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int loop;
static sigjmp_buf out;

static double clock_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void compute(double seconds)
{
    double end = clock_of(CLOCK_MONOTONIC) + seconds;
    while (clock_of(CLOCK_MONOTONIC) < end) {
    }
}

/* Of CPU time: on a busy machine it takes longer, and that is the machine's time. */
static void work(double seconds)
{
    double end = clock_of(CLOCK_THREAD_CPUTIME_ID) + seconds;
    while (clock_of(CLOCK_THREAD_CPUTIME_ID) < end) {
    }
}

static void pause_for(double seconds)
{
    struct timespec t = {0, (long)(seconds * 1e9)};
    nanosleep(&t, NULL);
}

static void turn(int times, int milliseconds)
{
    struct epoll_event event;
    for (int i = 0; i < times; i++)
        epoll_wait(loop, &event, 1, milliseconds);
}

/* The iteration is over its threshold when its call is not a finding yet; then the call is one, and
 * what is left of the iteration is under the threshold. */
static void found_late(void)
{
    work(0.097);
    pause_for(0.06);
}

static void *last_of_thread(void *how)
{
    loop = epoll_create1(0);
    turn(5, 10);
    work(0.2);
    if (how) /* past libc, without its end of a thread */
        syscall(SYS_exit, 0);
    return NULL;
}

static void thread_ends(void *how)
{
    pthread_t thread;
    pthread_create(&thread, NULL, last_of_thread, how);
    if (how)
        pause_for(0.6);
    else
        pthread_join(thread, NULL);
    compute(1);
}

static atomic_bool closed;

/* When the main thread has computed for 0.2 s. */
static void *close_loop(void *clock)
{
    while (clock_of(*(clockid_t *)clock) < 0.2)
        pause_for(0.005);
    close(loop);
    closed = true;
    return NULL;
}

/* Another thread closes the loop in the middle of an iteration. */
static void closed_by_other(void)
{
    pthread_t thread;
    clockid_t clock;
    turn(5, 10);
    pthread_getcpuclockid(pthread_self(), &clock);
    pthread_create(&thread, NULL, close_loop, &clock);
    while (!closed)
        work(0.001);
    pthread_join(thread, NULL);
    compute(1);
}

static void at_threshold(int n)
{
    for (int i = 0; i < n; i++) {
        turn(1, 1);
        compute(0.1 + 0.0015 * i / n);
    }
}

/* Long iterations right after each other, and short ones after long ones. */
static void dense(int n)
{
    turn(5, 1);
    for (int i = 0; i < n; i++) {
        work(0.105 + 0.065 * i / n);
        turn(1, 1);
        work(0.012);
        turn(1, 0);
    }
    turn(20, 20);
}

/* Calls that wait for nothing: on a busy machine a thread loses its CPU in one now and then. */
static void short_calls(int seconds)
{
    FILE *f = fopen("/proc/self/exe", "r");
    double end = clock_of(CLOCK_MONOTONIC) + seconds;
    while (clock_of(CLOCK_MONOTONIC) < end) {
        turn(1, 1);
        for (int i = 0; i < 20000; i++)
            ftello(f);
    }
}

static void jump(int number)
{
    (void)number;
    siglongjmp(out, 1);
}

/* A handler jumps out of the home wait: the next iteration begins there, not where the last one
 * did. */
static void jumps(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = jump;
    sigaction(SIGALRM, &action, NULL);
    turn(5, 10);
    for (volatile int i = 0; i < 3; i++) {
        alarm(1);
        if (!sigsetjmp(out, 1))
            turn(1, 5000);
        compute(0.02);
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    int n = argc > 2 ? atoi(argv[2]) : 0;
    if (!strcmp(mode, "thread-ends")) {
        thread_ends(NULL);
        return 0;
    }
    if (!strcmp(mode, "thread-exits")) {
        thread_ends(argv);
        return 0;
    }
    loop = epoll_create1(0);
    turn(5, 10);
    if (!strcmp(mode, "found-late")) {
        found_late();
    } else if (!strcmp(mode, "closes")) {
        work(0.2);
        close(loop);
        compute(1);
    } else if (!strcmp(mode, "closed-by-other")) {
        closed_by_other();
    } else if (!strcmp(mode, "at-threshold")) {
        at_threshold(n);
    } else if (!strcmp(mode, "dense")) {
        dense(n);
    } else if (!strcmp(mode, "short")) {
        short_calls(n);
    } else if (!strcmp(mode, "jumps")) {
        jumps();
    } else if (!strcmp(mode, "exits")) {
        work(0.2);
        exit(0);
    }
    turn(20, 20);
    return 0;
}
