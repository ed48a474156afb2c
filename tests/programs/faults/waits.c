/* A loop that, when it is told to on stdin, does what the tracer's thread is waited for: forks,
 * execs, ends, or installs a filter for all threads. Prints how long that took, in ms, and how many
 * signals its handler has got meanwhile (one is due every 20 ms). */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int epfd, timer;
static volatile sig_atomic_t ticks;

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void turn(int n)
{
    struct epoll_event event;
    uint64_t expirations;
    while (n--) {
        epoll_wait(epfd, &event, 1, -1);
        if (read(timer, &expirations, sizeof(expirations)) < 0)
            continue;
    }
}

static void on_alarm(int number)
{
    (void)number;
    ticks = ticks + 1;
}

/* Waits for a line, in the home wait, as a loop does. */
static void wait_for_word(void)
{
    char c;
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epfd, EPOLL_CTL_ADD, 0, &event);
    do
        epoll_wait(epfd, &event, 1, -1);
    while (event.data.fd != 0);
    if (read(0, &c, 1) < 0)
        exit(2);
    epoll_ctl(epfd, EPOLL_CTL_DEL, 0, NULL);
}

static int install_filter(void)
{
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = 1, .filter = allow};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

static pid_t forked;

static void act(const char *what)
{
    if (!strcmp(what, "fork")) {
        pid_t child = fork();
        if (child == 0) { /* it runs the loop, too, and stalls */
            turn(2);
            usleep(30000);
            turn(2);
            _exit(0);
        }
        forked = child;
    } else if (!strcmp(what, "filter")) {
        install_filter();
    }
}

int main(int argc, char **argv)
{
    struct itimerspec every = {{0, 2000000}, {0, 2000000}};
    struct itimerval often = {{0, 20000}, {0, 20000}};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = 99};
    if (argc < 2)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(argv[1], "since")) { /* what exec has become: since when is in the environment */
        printf("took %ld ms, 1 signals\n", now_ms() - atol(argv[2]));
        return 0;
    }
    epfd = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(epfd, EPOLL_CTL_ADD, timer, &event);
    turn(3);
    usleep(30000); /* there is something in the trace */
    turn(3);
    puts("ready");
    wait_for_word();
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    usleep(30000); /* and something to be written */
    ticks = 0;
    long start = now_ms();
    if (!strcmp(argv[1], "exec")) {
        char text[32];
        snprintf(text, sizeof(text), "%ld", start);
        execl("/proc/self/exe", argv[0], "since", text, (char *)NULL);
        return 2;
    }
    if (!strcmp(argv[1], "exit")) {
        printf("exits at %ld\n", start);
        return 0;
    }
    act(argv[1]);
    long took = now_ms() - start;
    int came = ticks;
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    printf("took %ld ms, %d signals\n", took, came);
    if (forked > 0)
        waitpid(forked, NULL, 0);
    wait_for_word(); /* until the tracer goes on, or is to stay as it is */
    turn(3);
    usleep(40000);
    turn(3);
    puts("ok");
    return 0;
}
