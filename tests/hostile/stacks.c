/* Stacks that are not where a stack is expected: coroutines, signal stacks, the smallest ones. */
#include "hostile.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <ucontext.h>

enum { PAGE = 4096, STACK = 64 * 1024, ROUNDS = 40 };

static ucontext_t outside, inside;
static int ends[2];

/* A stack with pages on both sides that cannot be touched. */
static char *guarded_stack(size_t size)
{
    char *p = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(p != MAP_FAILED);
    MUST(mprotect(p + PAGE, size, PROT_READ | PROT_WRITE) == 0);
    return p + PAGE;
}

static void coroutine(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        char byte;
        hostile_stall(i % 8 ? 1 : 30);
        MUST(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1);
        MUST(swapcontext(&inside, &outside) == 0);
    }
    hostile_stall(15);
}

static void run_coroutine(void)
{
    int loop = hostile_loop();
    MUST(pipe(ends) == 0);
    MUST(getcontext(&inside) == 0);
    inside.uc_stack.ss_sp = guarded_stack(STACK);
    inside.uc_stack.ss_size = STACK;
    inside.uc_link = &outside;
    makecontext(&inside, coroutine, 0);
    for (int i = 0; i <= ROUNDS; i++) {
        MUST(swapcontext(&outside, &inside) == 0);
        hostile_turn(loop);
        hostile_stall(1);
    }
}

static void *run_coroutine_thread(void *unused)
{
    run_coroutine();
    return unused;
}

/* Blocking calls on a coroutine's stack, on the main thread and on one whose stack lies near. */
static void coroutines(void)
{
    run_coroutine();
}

static void coroutines_on_a_thread(void)
{
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, run_coroutine_thread, NULL) == 0);
    MUST(pthread_join(thread, NULL) == 0);
}

/* A coroutine's stack right above the thread's own, and one right below. */
static void *run_neighbours(void *unused)
{
    run_coroutine();
    return unused;
}

static void neighbouring_stacks(void)
{
    enum { WHOLE = 1024 * 1024 };
    char *area = guarded_stack(WHOLE);
    pthread_attr_t attributes;
    pthread_t thread;
    MUST(mprotect(area + WHOLE / 2, PAGE, PROT_NONE) == 0);
    MUST(pthread_attr_init(&attributes) == 0);
    MUST(pthread_attr_setstack(&attributes, area, WHOLE / 2) == 0);
    MUST(pthread_create(&thread, &attributes, run_neighbours, NULL) == 0);
    MUST(pthread_join(thread, NULL) == 0);
}

/* The thread's stack is changed by hand and then given back to the system: nothing may read where
 * it was. */
static void coroutine_is_unmapped(void)
{
    int loop = hostile_loop();
    MUST(pipe(ends) == 0);
    for (int i = 0; i < 40; i++) {
        char *stack = guarded_stack(STACK);
        MUST(getcontext(&inside) == 0);
        inside.uc_stack.ss_sp = stack;
        inside.uc_stack.ss_size = STACK;
        inside.uc_link = NULL;
        makecontext(&inside, coroutine, 0);
        MUST(swapcontext(&outside, &inside) == 0);
        MUST(munmap(stack - PAGE, STACK + 2 * PAGE) == 0); /* in the middle of its life */
        hostile_turn(loop);
    }
}

/* A handler on a signal stack of the least size makes calls while a call is blocked. */
static volatile sig_atomic_t handled;

static void on_signal(int number)
{
    char byte;
    int error = errno;
    (void)number;
    MUST(write(ends[1], "y", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'y');
    struct timespec t = {0, 2000000};
    nanosleep(&t, NULL);
    handled++;
    errno = error;
}

static void signal_stack_of(size_t size)
{
    stack_t stack = {.ss_sp = guarded_stack((size + PAGE - 1) / PAGE * PAGE), .ss_size = size};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    struct itimerspec often = {{0, 7000000}, {0, 7000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t timer;
    int loop = hostile_loop();
    MUST(pipe(ends) == 0);
    MUST(sigaltstack(&stack, NULL) == 0);
    MUST(sigaction(SIGUSR1, &action, NULL) == 0);
    MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    MUST(timer_settime(timer, 0, &often, NULL) == 0);
    while (handled < 40) {
        struct epoll_event e;
        epoll_wait(loop, &e, 1, 3);
        hostile_stall(12);
        for (volatile int i = 0; i < 1000000; i++) /* and while none is */
            ;
    }
    MUST(timer_delete(timer) == 0);
}

static void signal_stack(void)
{
    signal_stack_of((size_t)sysconf(_SC_SIGSTKSZ));
}

static void least_signal_stack(void)
{
    /* Room for the registers twice: the loader saves them, too, when it binds a function's symbol.
     */
    signal_stack_of(2 * (size_t)sysconf(_SC_MINSIGSTKSZ));
}

/* The smallest stacks that a thread may have; one in four of the threads stalls. */
static void *on_small_stack(void *number)
{
    int loop = hostile_loop();
    if ((uintptr_t)number % 4 == 0)
        hostile_stall(15);
    else
        usleep(1);
    hostile_turn(loop);
    close(loop);
    return number;
}

static void small_stacks(void)
{
    pthread_attr_t attributes;
    MUST(pthread_attr_init(&attributes) == 0);
    MUST(pthread_attr_setstacksize(&attributes, 16 * 1024) == 0);
    for (uintptr_t i = 0; i < 200; i += 4) {
        pthread_t threads[4];
        for (uintptr_t k = 0; k < 4; k++)
            MUST(pthread_create(&threads[k], &attributes, on_small_stack, (void *)(i + k)) == 0);
        for (int k = 0; k < 4; k++)
            MUST(pthread_join(threads[k], NULL) == 0);
    }
}

/* Without randomised addresses, what is mapped lies close under the main thread's stack. */
static void coroutines_close_to_the_main_stack(void)
{
    int now = personality(0xffffffff);
    MUST(now != -1);
    if (!(now & ADDR_NO_RANDOMIZE)) {
        char path[4096];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
        MUST(n > 0);
        path[n] = 0;
        if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) == -1)
            SKIP("personality is not allowed");
        execl(path, path, "coroutines_close_to_the_main_stack", (char *)NULL);
        MUST(!"exec");
    }
    run_coroutine();
}

static const struct hostile_case cases[] = {
    {"coroutines", coroutines},
    {"coroutines_on_a_thread", coroutines_on_a_thread},
    {"coroutines_close_to_the_main_stack", coroutines_close_to_the_main_stack},
    {"neighbouring_stacks", neighbouring_stacks},
    {"coroutine_is_unmapped", coroutine_is_unmapped},
    {"signal_stack", signal_stack},
    {"least_signal_stack", least_signal_stack},
    {"small_stacks", small_stacks},
};
HOSTILE_MAIN(cases)
