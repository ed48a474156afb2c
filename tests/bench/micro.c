/* What one thing costs a loop's thread; scripts/bench runs it, plain and preloaded.
 *
 *     micro read|mutex [loop]  ns a call; with `loop` the thread has run an event loop before
 *     micro turn               ns an empty turn of a loop: the system call, what libc adds,
 *                              what two time stamps in the loop add; and two stamps alone
 *     micro echo               ns a message that a loop of nonblocking sockets sends back
 *     micro long SECONDS       an iteration that computes: ns of CPU a step, then each signal
 *     micro idle SECONDS       percent of a core that a loop takes which has nothing to do
 *
 * Figures are medians of several batches, one line each. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { BATCHES = 21, CALLS = 20000, MESSAGES = 500 };
enum { SHORT_BATCHES = 1001, TURNS = 100 };

static int zero;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int epfd;

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now_ns(void)
{
    return seconds_of(CLOCK_MONOTONIC) * 1e9;
}

static int must(int r)
{
    if (r < 0) {
        perror("micro");
        exit(1);
    }
    return r;
}

/* ---- batches ---- */

static void read_zero(void)
{
    char byte;
    for (int i = 0; i < CALLS; i++) {
        if (read(zero, &byte, 1) != 1) {
            abort();
        }
    }
}

static void lock_and_unlock(void)
{
    for (int i = 0; i < CALLS; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

/* The counter where the kernel trusts it, else the clock: as the probe does. */
static bool tsc;
static inline uint64_t stamp(void)
{
    return __builtin_expect(tsc, 1) ? __rdtsc() : (uint64_t)now_ns();
}

static void choose_stamp(void)
{
    char name[8] = "";
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY);
    if (fd >= 0) {
        tsc = read(fd, name, 3) == 3 && strcmp(name, "tsc") == 0;
        close(fd);
    }
}

/* Past libc, so that it costs the same whatever is preloaded. */
static void raw_turn(void)
{
    struct epoll_event event;
    for (int i = 0; i < TURNS; i++) {
        long r = SYS_epoll_wait;
        register long timeout __asm__("r10") = 0;
        __asm__ volatile("syscall"
                         : "+a"(r)
                         : "D"((long)epfd), "S"(&event), "d"(1L), "r"(timeout)
                         : "rcx", "r11", "memory");
    }
}

static void turn(void)
{
    struct epoll_event event;
    for (int i = 0; i < TURNS; i++) {
        epoll_wait(epfd, &event, 1, 0);
    }
}

static void stamped_turn(void)
{
    static volatile uint64_t waited;
    struct epoll_event event;
    for (int i = 0; i < TURNS; i++) {
        uint64_t before = stamp();
        epoll_wait(epfd, &event, 1, 0);
        waited = stamp() - before;
    }
    (void)waited;
}

static void two_stamps(void)
{
    static volatile uint64_t between;
    for (int i = 0; i < TURNS; i++) {
        uint64_t before = stamp();
        between = stamp() - before;
    }
    (void)between;
}

/* ---- echo: a client and a server, of one loop ---- */

static int client, server;

static void connect_pair(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    must(bind(listener, (struct sockaddr *)&address, length));
    must(listen(listener, 1));
    must(getsockname(listener, (struct sockaddr *)&address, &length));
    client = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    must(connect(client, (struct sockaddr *)&address, length));
    server = must(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    must(fcntl(client, F_SETFL, O_NONBLOCK));
    /* a batch begins with a message to a side that owes an acknowledgement */
    int on = 1;
    must(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    must(setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    close(listener);
    struct epoll_event event = {.events = EPOLLIN};
    event.data.fd = client;
    must(epoll_ctl(epfd, EPOLL_CTL_ADD, client, &event));
    event.data.fd = server;
    must(epoll_ctl(epfd, EPOLL_CTL_ADD, server, &event));
}

static void echo(void)
{
    char message[64] = "";
    struct epoll_event event;
    must((int)send(client, message, sizeof(message), 0));
    for (int back = 0; back < MESSAGES;) {
        if (must(epoll_wait(epfd, &event, 1, -1)) != 1) {
            continue;
        }
        /* whoever has got it sends it to the other */
        must((int)recv(event.data.fd, message, sizeof(message), 0));
        must((int)send(event.data.fd, message, sizeof(message), 0));
        back += event.data.fd == client;
    }
    /* one more is on its way to the server: it ends there, so that the next batch begins afresh */
    while (epoll_wait(epfd, &event, 1, -1) != 1) {
    }
    must((int)recv(event.data.fd, message, sizeof(message), 0));
}

/* ---- medians ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), by_value);
    return values[count / 2];
}

static double time_of(void (*batch)(void), int times)
{
    double start = now_ns();
    batch();
    return (now_ns() - start) / times;
}

static void print_batches(void (*batch)(void), int times)
{
    double took[BATCHES];
    batch(); /* caches */
    for (int i = 0; i < BATCHES; i++) {
        took[i] = time_of(batch, times);
    }
    printf("%.3f\n", median(took, BATCHES));
}

/* Short batches take turns: what else the machine does is the same for one and the next. */
static void print_turns(void)
{
    enum { SYSTEM_CALL, LIBC, STAMPS_ADDED, STAMPS_ALONE, FIGURES };
    static double ns[FIGURES][SHORT_BATCHES];
    for (int i = 0; i < SHORT_BATCHES; i++) {
        double system_call = time_of(raw_turn, TURNS);
        double bare = time_of(turn, TURNS);
        ns[SYSTEM_CALL][i] = system_call;
        ns[LIBC][i] = bare - system_call;
        ns[STAMPS_ADDED][i] = time_of(stamped_turn, TURNS) - bare;
        ns[STAMPS_ALONE][i] = time_of(two_stamps, TURNS);
    }
    for (int figure = 0; figure < FIGURES; figure++) {
        printf("%.3f\n", median(ns[figure], SHORT_BATCHES));
    }
}

/* ---- a long iteration ---- */

/* The sampling signal runs on the alternative stack, and leaves its trace there: so a gap between
 * two steps that a signal made is told from one that the machine made. */
enum { SIGNAL_STACK = 64 * 1024, FRAME = 4096, STACK_IN_USE = 16 * 1024, GAPS = 10000 };
static unsigned char signal_stack[SIGNAL_STACK], clean[FRAME];

static bool signal_came(void)
{
    unsigned char *top = signal_stack + SIGNAL_STACK - FRAME;
    if (memcmp(top, clean, FRAME) == 0) {
        return false;
    }
    memcpy(top, clean, FRAME);
    return true;
}

static __attribute__((noinline)) void compute(double seconds)
{
    enum { NOTICED_NS = 1000 };
    static double gaps[GAPS];
    const clockid_t cpu = CLOCK_THREAD_CPUTIME_ID; /* what another process takes does not count */
    volatile char in_use[STACK_IN_USE];            /* what a sample copies */
    memset((char *)(uintptr_t)in_use, 1, sizeof(in_use));
    uint64_t steps = 0;
    int signals = 0;
    double end = now_ns() + seconds * 1e9, start = seconds_of(cpu) * 1e9, last = start;
    while (now_ns() < end) {
        double now = seconds_of(cpu) * 1e9;
        if (now - last > NOTICED_NS && signal_came() && signals < GAPS) {
            gaps[signals++] = now - last;
            now = seconds_of(cpu) * 1e9;
        }
        last = now;
        steps++;
    }
    printf("%.1f\n", (last - start) / (double)steps);
    for (int i = 0; i < signals; i++) {
        printf("%.0f\n", gaps[i]);
    }
}

static void long_iteration(double seconds)
{
    stack_t stack = {.ss_sp = signal_stack, .ss_size = SIGNAL_STACK};
    struct epoll_event event;
    memset(clean, 0xa5, sizeof(clean));
    must(sigaltstack(&stack, NULL));
    signal_came();
    compute(seconds);
    epoll_wait(epfd, &event, 1, 0);
}

static void idle(double seconds)
{
    enum { EVERY_MS = 100 };
    struct epoll_event event;
    double start = now_ns(), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    while (now_ns() - start < seconds * 1e9) {
        epoll_wait(epfd, &event, 1, EVERY_MS);
    }
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%.5f\n", 100 * cpu / ((now_ns() - start) / 1e9));
}

/* ---- */

/* Leaves the thread inside an iteration, where its calls are watched. */
static void run_a_loop(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    epfd = must(epoll_create1(EPOLL_CLOEXEC));
    int ready = must(eventfd(1, EFD_CLOEXEC));
    must(epoll_ctl(epfd, EPOLL_CTL_ADD, ready, &event));
    for (int i = 0; i < 3; i++) {
        epoll_wait(epfd, &event, 1, -1);
        usleep(1000); /* the watcher settles */
    }
    close(ready);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *how = argc > 2 ? argv[2] : "";
    bool calls = strcmp(what, "read") == 0 || strcmp(what, "mutex") == 0;

    zero = must(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    choose_stamp();
    if (!calls || strcmp(how, "loop") == 0) {
        run_a_loop();
    }
    if (calls) {
        print_batches(*what == 'm' ? lock_and_unlock : read_zero, CALLS);
    } else if (strcmp(what, "turn") == 0) {
        print_turns();
    } else if (strcmp(what, "echo") == 0) {
        connect_pair();
        print_batches(echo, MESSAGES);
    } else if (strcmp(what, "long") == 0) {
        long_iteration(atof(how));
    } else if (strcmp(what, "idle") == 0) {
        idle(atof(how));
    } else {
        fputs("usage: micro read|mutex|turn|echo|long|idle [loop|SECONDS]\n", stderr);
        return 2;
    }
    return 0;
}
