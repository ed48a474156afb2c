/* fork, from where it hurts: from many threads while stalls are being recorded, with a cancellation
 * pending, in a signal handler, in a constructor that runs under the loader's lock. */
#include "hostile.h"

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { FORKERS = 4, CHILD_DEADLINE = 20 };

extern char **environ;
static atomic_int forks_left;
static atomic_bool done;

/* A child that hangs is ended by its alarm, and that is seen. */
static void child_lives(int depth)
{
    alarm(CHILD_DEADLINE);
    char *p = malloc(100);
    MUST(p);
    free(p);
    struct timespec t = {0, 1000};
    nanosleep(&t, NULL);
    if (depth % 64 == 1) { /* some run a loop of their own, and stall */
        int loop = hostile_loop();
        hostile_stall(11);
        hostile_turn(loop);
    }
    if (depth % 64 == 2) /* some have children of their own */
        if (fork() == 0)
            _exit(0);
    _exit(3);
}

static void fork_one(int number)
{
    int status;
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0)
        child_lives(number);
    pid_t r;
    while ((r = waitpid(pid, &status, 0)) == -1 && errno == EINTR)
        ;
    MUST(r == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 3) {
        dprintf(2, "a child ended with status %#x\n", (unsigned)status);
        _exit(1);
    }
}

static void *forker(void *unused)
{
    int number;
    while ((number = atomic_fetch_sub(&forks_left, 1)) > 0)
        fork_one(number);
    return unused;
}

static void *staller(void *unused)
{
    int loop = hostile_loop();
    while (!done) {
        hostile_stall(11);
        hostile_turn(loop);
        usleep(1);
    }
    close(loop);
    return unused;
}

/* `count` forks from a few threads, while two loops stall all the time. */
static void storm(int count)
{
    pthread_t forkers[FORKERS], stallers[2];
    forks_left = count;
    for (int i = 0; i < 2; i++)
        MUST(pthread_create(&stallers[i], NULL, staller, NULL) == 0);
    for (int i = 0; i < FORKERS; i++)
        MUST(pthread_create(&forkers[i], NULL, forker, NULL) == 0);
    for (int i = 0; i < FORKERS; i++)
        MUST(pthread_join(forkers[i], NULL) == 0);
    done = true;
    for (int i = 0; i < 2; i++)
        MUST(pthread_join(stallers[i], NULL) == 0);
}

static void storm_of_10000(void)
{
    storm(10000);
}

static void storm_of_500(void)
{
    storm(500);
}

/* fork is no cancellation point: a thread that is to be cancelled forks, and goes on forking. */
static void *fork_while_cancelled(void *unused)
{
    int loop = hostile_loop(), status;
    hostile_stall(12);
    hostile_turn(loop);
    MUST(pthread_cancel(pthread_self()) == 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(4);
    MUST(pid > 0);
    MUST(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL) == 0);
    MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 4);
    return unused;
}

static void pending_cancel(void)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        void *result = &thread;
        MUST(pthread_create(&thread, NULL, fork_while_cancelled, NULL) == 0);
        MUST(pthread_join(thread, &result) == 0 && result == NULL);
        fork_one(0);
    }
}

/* A handler forks, whatever its thread is doing, fork included. */
static volatile sig_atomic_t forked_in_handler;

static void on_signal(int number)
{
    int error = errno, status;
    (void)number;
    pid_t pid = _Fork();
    if (pid == 0)
        _exit(5);
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 5 << 8);
    forked_in_handler++;
    errno = error;
}

static void in_a_handler(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct itimerspec often = {{0, 3000000}, {0, 3000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t timer;
    int loop = hostile_loop();
    MUST(sigaction(SIGUSR1, &action, NULL) == 0);
    MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    MUST(timer_settime(timer, 0, &often, NULL) == 0);
    for (int i = 0; i < 60 || forked_in_handler < 60; i++) {
        fork_one(0);
        hostile_stall(2);
        struct epoll_event e;
        epoll_wait(loop, &e, 1, 1);
    }
    MUST(timer_delete(timer) == 0);
}

/* vfork: the child shares the memory, makes calls, and execs or exits. */
static void vforks(void)
{
    int loop = hostile_loop();
    for (volatile int i = 0; i < 300; i++) {
        int status;
        pid_t pid = vfork();
        if (pid == 0) {
            close(0);
            int fd = open("/dev/null", O_RDONLY);
            if (fd != 0)
                _exit(9);
            struct timespec t = {0, 1000};
            nanosleep(&t, NULL);
            if (i % 2)
                _exit(6);
            execl("/bin/sh", "sh", "-c", "exit 6", (char *)NULL);
            _exit(9);
        }
        MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 6 << 8);
        if (i % 10 == 0)
            hostile_stall(11);
        hostile_turn(loop);
    }
    hostile_stall(15);
}

static void spawns(void)
{
    int loop = hostile_loop();
    char *const argv[] = {"sh", "-c", "exit 8", NULL};
    for (int i = 0; i < 200; i++) {
        int status;
        pid_t pid;
        posix_spawn_file_actions_t actions;
        MUST(posix_spawn_file_actions_init(&actions) == 0);
        MUST(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0);
        MUST(posix_spawn_file_actions_addclose(&actions, loop) == 0);
        MUST(posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ) == 0);
        MUST(waitpid(pid, &status, 0) == pid && status == 8 << 8);
        MUST(posix_spawn_file_actions_destroy(&actions) == 0);
        MUST(system("exit 7") == 7 << 8);
        hostile_turn(loop);
    }
}

/* A daemon: two forks, a session of its own, all descriptors closed and opened anew. */
static void daemonises(void)
{
    int done_ends[2], status;
    char byte = 0;
    MUST(pipe(done_ends) == 0);
    hostile_stall(11);
    pid_t pid = fork();
    if (pid == 0) {
        MUST(setsid() > 0);
        if (fork() != 0)
            _exit(0);
        MUST(chdir("/") == 0);
        for (int fd = 0; fd < 1024; fd++)
            if (fd != done_ends[1])
                close(fd);
        for (int fd = 0; fd < 3; fd++)
            MUST(open("/dev/null", O_RDWR) == fd);
        int loop = hostile_loop();
        MUST(loop == 3 || (done_ends[1] == 3 && loop == 4));
        hostile_stall(20);
        hostile_turn(loop);
        MUST(daemon(0, 0) == 0);
        loop = hostile_loop();
        hostile_stall(20);
        hostile_turn(loop);
        MUST(write(done_ends[1], "d", 1) == 1);
        _exit(0);
    }
    close(done_ends[1]);
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
    MUST(read(done_ends[0], &byte, 1) == 1 && byte == 'd');
}

/* The fork of a thread whose loop hangs: the child is not in a loop, and can begin one. */
static void of_a_hanging_loop(void)
{
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, staller, NULL) == 0);
    hostile_stall(30);
    for (int i = 0; i < 50; i++)
        fork_one(64 * 3 + 1);
    done = true;
    MUST(pthread_join(thread, NULL) == 0);
}

static int in_a_borrowed_room(void *path)
{
    int r = chroot(path);
    _exit(r == 0 && chdir("/") == 0 ? 5 : 6);
}

/* As Chromium enters its sandbox: a child that shares the memory, with zeros for thread-local
 * storage. */
static void without_storage(void)
{
    static char stack[64 * 1024], storage[32 * 1024];
    static char empty[] = "/proc/self/fdinfo/";
    int status;
    if (geteuid() != 0)
        SKIP("only root may call chroot");
    pid_t pid = clone(in_a_borrowed_room, stack + sizeof(stack),
                      CLONE_VM | CLONE_VFORK | CLONE_SETTLS | SIGCHLD, empty, NULL,
                      storage + sizeof(storage) / 2, NULL);
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 5);
}

/* The same beside a loop that is watched. */
static void without_storage_beside_a_loop(void)
{
    int loop = hostile_loop();
    hostile_stall(12);
    without_storage();
    hostile_turn(loop);
}

/* A child that was made past libc's hooks goes on as a process of its own: it forks, runs programs,
 * changes its ids and ends, though the watcher's thread that its memory speaks of is not there. */
static void past_the_hooks(void)
{
    int loop = hostile_loop(), status;
    hostile_stall(12);
    hostile_turn(loop);
    for (int what = 0; what < 5; what++) {
        pid_t pid = what % 2 ? _Fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) {
            if (what < 2)
                fork_one(0);
            MUST(what != 2 || system("exit 7") == 7 << 8);
            MUST(what != 3 || unshare(CLONE_FS) == 0);
            hostile_stall(2);
            hostile_turn(loop);
            exit(5);
        }
        MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 5 << 8);
        hostile_turn(loop);
    }
}

/* The watcher is away for a fork, and the next to make a call is the child of a vfork: it comes
 * back in the parent, not there. */
static void vforks_after_a_fork(void)
{
    int loop = hostile_loop(), ends[2];
    MUST(pipe(ends) == 0);
    for (volatile int i = 0; i < 20; i++) {
        int status;
        pid_t first = fork(), pid;
        if (first == 0)
            _exit(4);
        if ((pid = vfork()) == 0) {
            struct stat tasks; /* as a directory it has a link for each of them, and two more */
            char byte;
            if (write(ends[1], "v", 1) != 1 || read(ends[0], &byte, 1) != 1 ||
                stat("/proc/self/task", &tasks) != 0)
                _exit(9);
            _exit((int)tasks.st_nlink);
        }
        MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 3 << 8);
        MUST(waitpid(first, &status, 0) == first && status == 4 << 8);
        hostile_stall(12);
        hostile_turn(loop);
    }
}

static const struct hostile_case cases[] = {
    {"storm_of_500", storm_of_500},
    {"storm_of_10000", storm_of_10000},
    {"pending_cancel", pending_cancel},
    {"in_a_handler", in_a_handler},
    {"vforks", vforks},
    {"vforks_after_a_fork", vforks_after_a_fork},
    {"past_the_hooks", past_the_hooks},
    {"spawns", spawns},
    {"daemonises", daemonises},
    {"of_a_hanging_loop", of_a_hanging_loop},
    {"without_storage", without_storage},
    {"without_storage_beside_a_loop", without_storage_beside_a_loop},
};
HOSTILE_MAIN(cases)
