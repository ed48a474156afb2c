/* Every way in which a process or its threads can end, with a loop thread hanging meanwhile: it
 * ends, as it would have, with the status it would have had; and what was recorded is not lost.
 * Each way is a child; the parent looks at how it ended. */
#include "hostile.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static atomic_bool hanging;
static int told[2];

static void *hang(void *unused)
{
    int loop = hostile_loop();
    hanging = true;
    hostile_stall(40);
    hostile_turn(loop);
    hostile_stall(60000);
    return unused;
}

/* One stall that is over, and one on another thread that is not. */
static void hang_elsewhere(void)
{
    pthread_t thread;
    int loop = hostile_loop();
    hostile_stall(15);
    hostile_turn(loop);
    MUST(pthread_create(&thread, NULL, hang, NULL) == 0);
    while (!hanging)
        sched_yield();
    hostile_stall(100);
    hostile_turn(loop);
}

static void at_exit(void)
{
    MUST(write(told[1], "a", 1) == 1);
    usleep(100);
}

/* Runs `end` in a child, and says how that ended. `handlers`: it runs its atexit handlers. */
static void ends_with(void (*end)(void), int expected, bool handlers)
{
    char byte;
    int status;
    double start = hostile_ms();
    MUST(pipe2(told, O_CLOEXEC) == 0);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        alarm(30);
        signal(SIGPIPE, SIG_DFL);
        end();
        _exit(99);
    }
    close(told[1]);
    MUST(waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status) && WCOREDUMP(status))
        status &= ~0x80;
    if (status != expected) {
        dprintf(2, "ended with %#x, not %#x\n", (unsigned)status, (unsigned)expected);
        _exit(1);
    }
    MUST((read(told[0], &byte, 1) == 1) == handlers);
    MUST(hostile_ms() - start < 10000);
}

static void by_exit_(void)
{
    MUST(atexit(at_exit) == 0);
    hang_elsewhere();
    exit(11);
}

static void *exit_now(void *unused)
{
    exit(12);
    return unused;
}

static void by_exit_elsewhere(void)
{
    pthread_t thread;
    MUST(atexit(at_exit) == 0);
    int loop = hostile_loop();
    MUST(pthread_create(&thread, NULL, exit_now, NULL) == 0);
    hostile_stall(60000); /* the main thread's loop hangs */
    hostile_turn(loop);
}

static void by__exit_(void)
{
    MUST(atexit(at_exit) == 0);
    hang_elsewhere();
    _exit(13);
}

static void by_quick_exit_(void)
{
    MUST(at_quick_exit(at_exit) == 0);
    hang_elsewhere();
    quick_exit(14);
}

static void by_abort_(void)
{
    hang_elsewhere();
    abort();
}

static void by_sigkill(void)
{
    hang_elsewhere();
    kill(getpid(), SIGKILL);
    pause();
}

static void by_sigterm(void)
{
    hang_elsewhere();
    raise(SIGTERM);
}

static void by_sigsegv(void)
{
    hang_elsewhere();
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 0;
}

static void by_exit_group(void)
{
    hang_elsewhere();
    syscall(SYS_exit_group, 15);
}

static void by_exec(void)
{
    hang_elsewhere();
    execl("/bin/sh", "sh", "-c", "exit 16", (char *)NULL);
}

static void *exec_now(void *unused)
{
    execl("/bin/sh", "sh", "-c", "exit 17", (char *)NULL);
    return unused;
}

static void by_exec_elsewhere(void)
{
    pthread_t thread;
    int loop = hostile_loop();
    MUST(pthread_create(&thread, NULL, exec_now, NULL) == 0);
    hostile_stall(60000);
    hostile_turn(loop);
}

/* The process ends when its last thread does, wherever main() has gone. */
static void *last(void *unused)
{
    int loop = hostile_loop();
    hostile_stall(30);
    hostile_turn(loop);
    close(loop);
    return unused;
}

static void by_its_last_thread(void)
{
    pthread_t thread;
    MUST(atexit(at_exit) == 0);
    int loop = hostile_loop();
    hostile_stall(15);
    hostile_turn(loop);
    MUST(pthread_create(&thread, NULL, last, NULL) == 0);
    pthread_exit(NULL);
}

static void by_its_only_thread(void)
{
    MUST(atexit(at_exit) == 0);
    int loop = hostile_loop();
    hostile_stall(15);
    hostile_turn(loop);
    pthread_exit(NULL);
}

/* The kernel's exit, of a process whose other threads are none. */
static void by_sys_exit(void)
{
    int loop = hostile_loop();
    hostile_stall(15);
    hostile_turn(loop);
    syscall(SYS_exit, 18);
}

/* main() returns while a loop thread hangs: what follows is exit(). And handlers that fork or run
 * a loop again. */
static void loop_at_exit(void)
{
    int loop = hostile_loop(), status;
    hostile_stall(12);
    hostile_turn(loop);
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    MUST(waitpid(pid, &status, 0) == pid && status == 3 << 8);
    MUST(write(told[1], "a", 1) == 1);
}

static void with_a_loop_at_exit(void)
{
    MUST(atexit(loop_at_exit) == 0);
    hang_elsewhere();
    exit(19);
}

#define WAY(way, status, handlers)                                                                 \
    static void way(void)                                                                          \
    {                                                                                              \
        ends_with(by_##way, status, handlers);                                                     \
    }
static void by_loop_at_exit_(void)
{
    with_a_loop_at_exit();
}
WAY(exit_elsewhere, 12 << 8, true)
WAY(_exit_, 13 << 8, false)
WAY(quick_exit_, 14 << 8, true)
WAY(abort_, SIGABRT, false)
WAY(sigkill, SIGKILL, false)
WAY(sigterm, SIGTERM, false)
WAY(sigsegv, SIGSEGV, false)
WAY(exit_group, 15 << 8, false)
WAY(exec, 16 << 8, false)
WAY(exec_elsewhere, 17 << 8, false)
WAY(its_last_thread, 0, true)
WAY(its_only_thread, 0, true)
WAY(sys_exit, 18 << 8, false)
WAY(loop_at_exit_, 19 << 8, true)
WAY(exit_, 11 << 8, true)

static const struct hostile_case cases[] = {
    {"exit", exit_},
    {"exit_elsewhere", exit_elsewhere},
    {"_exit", _exit_},
    {"quick_exit", quick_exit_},
    {"abort", abort_},
    {"sigkill", sigkill},
    {"sigterm", sigterm},
    {"sigsegv", sigsegv},
    {"exit_group", exit_group},
    {"exec", exec},
    {"exec_elsewhere", exec_elsewhere},
    {"its_last_thread", its_last_thread},
    {"its_only_thread", its_only_thread},
    {"sys_exit", sys_exit},
    {"loop_at_exit", loop_at_exit_},
};
HOSTILE_MAIN(cases)
