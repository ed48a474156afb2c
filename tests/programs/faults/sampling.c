/* Loops that compute for long, in states in which a signal sent to them would do harm: nearly no
 * stack left, on a stack of their own making, or while they change what a signal does. Each checks
 * itself, prints "ok" and ends with 0; what is spoilt ends with 3, or by a signal. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { GUARD = 64 * 1024, FILL = 0xA5, CANDIDATES = 2 };

static const int candidates[CANDIDATES] = {SIGURG, SIGWINCH};
static int epfd, timer;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void spin(double seconds)
{
    double start = now();
    while (now() - start < seconds)
        ;
}

static void make_loop(void)
{
    struct itimerspec every = {{0, 2000000}, {0, 2000000}};
    struct epoll_event event = {.events = EPOLLIN};
    epfd = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(epfd, EPOLL_CTL_ADD, timer, &event);
}

static void turn(void)
{
    struct epoll_event event;
    uint64_t expirations;
    epoll_wait(epfd, &event, 1, -1);
    if (read(timer, &expirations, sizeof(expirations)) < 0)
        return;
}

static void finish(const char *spoilt)
{
    turn();
    puts(spoilt ? spoilt : "ok");
    exit(spoilt ? 3 : 0);
}

/* Memory with a guard area below it that shows whether anything was written there. */
static unsigned char *guarded(size_t size)
{
    unsigned char *memory = mmap(NULL, GUARD + size + GUARD, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, FILL, GUARD + size);
    return memory + GUARD;
}

static const char *check(const unsigned char *memory)
{
    for (size_t i = 1; i <= GUARD; i++)
        if (memory[-(ptrdiff_t)i] != FILL)
            return "something was written below a stack";
    return NULL;
}

/* ---- stacks ---- */

static void altstack(long size)
{
    unsigned char *memory = guarded((size_t)size);
    stack_t stack = {.ss_sp = memory, .ss_size = (size_t)size};
    if (sigaltstack(&stack, NULL) != 0)
        finish(NULL); /* this processor's registers need more */
    turn();
    spin(.3);
    finish(check(memory));
}

static void on_usr1(int number)
{
    (void)number;
    spin(.3);
}

/* In a handler on a signal stack that is just large enough for it. */
static void in_handler(long size)
{
    unsigned char *memory = guarded((size_t)size);
    stack_t stack = {.ss_sp = memory, .ss_size = (size_t)size};
    struct sigaction action = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
    if (sigaltstack(&stack, NULL) != 0)
        finish(NULL);
    sigaction(SIGUSR1, &action, NULL);
    turn();
    raise(SIGUSR1);
    finish(check(memory));
}

static ucontext_t outside, inside;

static void compute(void)
{
    spin(.3);
    swapcontext(&inside, &outside);
}

static void context(long size)
{
    unsigned char *memory = guarded((size_t)size);
    getcontext(&inside);
    inside.uc_stack = (stack_t){.ss_sp = memory, .ss_size = (size_t)size};
    makecontext(&inside, compute, 0);
    turn();
    swapcontext(&outside, &inside);
    finish(check(memory));
}

static uintptr_t lowest;

static __attribute__((noinline)) int fill(void)
{
    volatile char bytes[256];
    bytes[0] = 1;
    if ((uintptr_t)__builtin_frame_address(0) > lowest + 320)
        return fill() + bytes[0];
    spin(.3);
    return bytes[0];
}

static void *on_small_stack(void *left)
{
    pthread_attr_t attributes;
    void *base;
    size_t size;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &base, &size);
    lowest = (uintptr_t)base + (uintptr_t)left;
    make_loop();
    turn();
    turn();
    fill();
    finish(NULL);
    return NULL;
}

/* `left` bytes of a thread's stack are left while it computes. */
static void edge(long left)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    pthread_create(&thread, &attributes, on_small_stack, (void *)left);
    pthread_join(thread, NULL);
}

/* ---- dispositions: `rounds` iterations of 20 ms each ---- */

static volatile sig_atomic_t came;

static void on_signal(int number)
{
    (void)number;
    came = came + 1;
}

/* As daemons do at their start or restart. */
static void to_default(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        double start = now();
        turn();
        while (now() - start < .02)
            for (int number = 1; number < NSIG; number++)
                signal(number, SIG_DFL);
    }
    finish(NULL);
}

static void save_and_restore(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        double start = now();
        turn();
        while (now() - start < .02)
            for (int k = 0; k < CANDIDATES; k++) {
                struct sigaction none = {.sa_handler = SIG_DFL}, was;
                sigaction(candidates[k], NULL, &was);
                if (was.sa_handler != SIG_DFL)
                    finish("a handler of somebody else's is there");
                sigaction(candidates[k], &none, NULL);
                sigaction(candidates[k], &was, NULL);
            }
    }
    finish(NULL);
}

/* A handler of the program's own never gets a signal that nobody has sent. */
static void own_handler(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        double start = now();
        turn();
        while (now() - start < .02)
            for (int k = 0; k < CANDIDATES; k++) {
                struct sigaction ours = {.sa_handler = on_signal}, none = {.sa_handler = SIG_DFL};
                sigaction(candidates[k], &ours, NULL);
                spin(20e-6);
                sigaction(candidates[k], &none, NULL);
            }
    }
    finish(came ? "a signal came that nobody has sent" : NULL);
}

/* Nor is one pending for it that it could wait for. */
static void blocked(long rounds)
{
    sigset_t both, pending;
    sigemptyset(&both);
    for (int k = 0; k < CANDIDATES; k++)
        sigaddset(&both, candidates[k]);
    for (long i = 0; i < rounds; i++) {
        double start = now();
        turn();
        while (now() - start < .02) {
            const struct timespec at_once = {0, 0};
            pthread_sigmask(SIG_BLOCK, &both, NULL);
            sigpending(&pending);
            if (sigtimedwait(&both, NULL, &at_once) > 0)
                finish("a signal was pending that nobody has sent");
            pthread_sigmask(SIG_UNBLOCK, &both, NULL);
            spin(20e-6);
        }
    }
    finish(NULL);
}

/* Both are the program's: there is none for a sample. */
static void both_used(long rounds)
{
    struct sigaction ours = {.sa_handler = on_signal};
    for (int k = 0; k < CANDIDATES; k++)
        sigaction(candidates[k], &ours, NULL);
    for (long i = 0; i < rounds; i++) {
        turn();
        spin(.05);
    }
    finish(came ? "a signal came that nobody has sent" : NULL);
}

static void calm(long milliseconds)
{
    turn();
    spin((double)milliseconds / 1e3);
    finish(NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(long number);
    } cases[] = {
        {"altstack", altstack},       {"in_handler", in_handler},
        {"context", context},         {"edge", edge},
        {"to_default", to_default},   {"save_and_restore", save_and_restore},
        {"own_handler", own_handler}, {"blocked", blocked},
        {"both_used", both_used},     {"calm", calm},
    };
    if (argc != 3)
        return 2;
    make_loop();
    if (strcmp(argv[1], "edge") != 0) /* else the other thread is the only loop */
        turn();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (!strcmp(argv[1], cases[i].name))
            cases[i].run(atol(argv[2]));
    return 2;
}
