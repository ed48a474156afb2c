/* Threads that are cancelled inside blocking calls, calls that a handler jumps out of, and threads
 * that end by pthread_exit: the thread has a loop, its cleanup handlers run, and the lock it waited
 * with is as it must be. */
#include "hostile.h"
#include "points.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

/* ---- cancelling ---- */

static atomic_int state; /* 1: about to block, 2: cleaned up */
static int kind;

static void on_cleanup(void *unused)
{
    (void)unused;
    /* blocking calls in a cleanup handler are calls like any other */
    usleep(100);
    state = 2;
}

static void *block(void *point)
{
    int loop = hostile_loop();
    hostile_turn(loop);
    MUST(pthread_setcanceltype(kind, NULL) == 0);
    pthread_cleanup_push(on_cleanup, NULL);
    state = 1;
    ((const struct point *)point)->block();
    MUST(!"reached");
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancel(const struct point *point, int after_ms)
{
    pthread_t thread;
    void *result;
    state = 0;
    MUST(pthread_create(&thread, NULL, block, (void *)(uintptr_t)point) == 0);
    while (state != 1)
        sched_yield();
    if (after_ms)
        hostile_stall(after_ms);
    MUST(pthread_cancel(thread) == 0);
    MUST(pthread_join(thread, &result) == 0);
    if (result != PTHREAD_CANCELED || state != 2) {
        dprintf(2, "%s: not cancelled as it should be (state %d)\n", point->name, state);
        _exit(1);
    }
    MUST(pthread_mutex_trylock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
}

static void cancel_all(int type)
{
    int loop = hostile_loop();
    kind = type;
    prepare();
    for (int i = 0; i < POINTS; i++) {
        cancel(&points[i], 25); /* reported while it hung */
        cancel(&points[i], 3);
        cancel(&points[i], 0); /* before or after it has begun */
        hostile_turn(loop);
    }
    tidy_up();
}

static void deferred(void)
{
    cancel_all(PTHREAD_CANCEL_DEFERRED);
}

/* At any instruction, the wrapper's own included. Only calls that may be left so. */
static void asynchronous(void)
{
    static const char *const safe[] = {"nanosleep", "pause", "read", "poll", "clock_nanosleep"};
    kind = PTHREAD_CANCEL_ASYNCHRONOUS;
    prepare();
    for (int i = 0; i < POINTS; i++)
        for (size_t k = 0; k < sizeof(safe) / sizeof(safe[0]); k++)
            if (!strcmp(points[i].name, safe[k]))
                for (int n = 0; n < 30; n++)
                    cancel(&points[i], n % 3);
    tidy_up();
}

/* A cancellation that is pending acts in the call although it would not block. */
static void *pending_thread(void *point)
{
    int loop = hostile_loop();
    hostile_turn(loop);
    pthread_cleanup_push(on_cleanup, NULL);
    MUST(pthread_cancel(pthread_self()) == 0);
    state = 1;
    ((const struct point *)point)->block();
    MUST(!"reached");
    pthread_cleanup_pop(0);
    return NULL;
}

static void pending(void)
{
    prepare();
    for (int i = 0; i < POINTS; i++) {
        pthread_t thread;
        void *result;
        state = 0;
        MUST(pthread_create(&thread, NULL, pending_thread, (void *)(uintptr_t)&points[i]) == 0);
        MUST(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && state == 2);
    }
    tidy_up();
}

/* pthread_exit in a handler, out of a blocked call. */
static void leave_thread(int number)
{
    (void)number;
    pthread_exit((void *)7);
}

static void exits_in_a_handler(void)
{
    struct sigaction action = {.sa_handler = leave_thread};
    MUST(sigaction(SIGUSR1, &action, NULL) == 0);
    kind = PTHREAD_CANCEL_DEFERRED;
    prepare();
    for (int i = 0; i < POINTS; i++) {
        pthread_t thread;
        void *result;
        if (!strcmp(points[i].name, "system") || !strcmp(points[i].name, "fgetc"))
            continue; /* they hold a lock of libc's */
        state = 0;
        MUST(pthread_create(&thread, NULL, block, (void *)(uintptr_t)&points[i]) == 0);
        while (state != 1)
            sched_yield();
        hostile_stall(i % 2 ? 15 : 3);
        MUST(pthread_kill(thread, SIGUSR1) == 0);
        MUST(pthread_join(thread, &result) == 0 && result == (void *)7 && state == 2);
        if (!strncmp(points[i].name, "pthread_cond", 12))
            pthread_mutex_init(&mutex, NULL);
    }
    tidy_up();
}

/* ---- jumping ---- */

static _Thread_local sigjmp_buf jump_target;

static void jump(int number)
{
    (void)number;
    siglongjmp(jump_target, 1);
}

static void *jump_out_of(void *point)
{
    int loop = hostile_loop();
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(jump_target, 1) == 0) {
            state = 1;
            ((const struct point *)point)->block();
            MUST(!"reached");
        }
        hostile_turn(loop);
        usleep(10);
        hostile_stall(11); /* still seen */
        state = 3;
    }
    state = 4;
    return NULL;
}

static void jumps(void)
{
    struct sigaction action = {.sa_handler = jump};
    MUST(sigaction(SIGUSR1, &action, NULL) == 0);
    prepare();
    for (int i = 0; i < POINTS; i++) {
        pthread_t thread;
        if (!strcmp(points[i].name, "system") || !strcmp(points[i].name, "fgetc") ||
            !strncmp(points[i].name, "pthread_cond", 12))
            continue;
        state = 0;
        MUST(pthread_create(&thread, NULL, jump_out_of, (void *)(uintptr_t)&points[i]) == 0);
        while (state != 4) {
            while (state != 1 && state != 4)
                sched_yield();
            if (state == 4)
                break;
            hostile_stall(i % 2 ? 15 : 3);
            state = 2;
            MUST(pthread_kill(thread, SIGUSR1) == 0);
            while (state == 2)
                sched_yield();
        }
        MUST(pthread_join(thread, NULL) == 0);
    }
    tidy_up();
}

static const struct hostile_case cases[] = {
    {"deferred", deferred}, {"asynchronous", asynchronous},
    {"pending", pending},   {"exits_in_a_handler", exits_in_a_handler},
    {"jumps", jumps},
};
HOSTILE_MAIN(cases)
