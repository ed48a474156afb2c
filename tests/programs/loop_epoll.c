/* A bare epoll loop: a timer ticks every 5 ms, and the third tick runs the scenario that the
 * command line names. Lines that must be found are marked STALL:scenario. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TICKS = 20, TICK_MS = 5, STALL_MS = 300 };

static int epfd, timer;
static const char *argument;

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void open_loop(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct itimerspec every = {{0, TICK_MS * 1000000}, {0, TICK_MS * 1000000}};
    epfd = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(epfd, EPOLL_CTL_ADD, timer, &event);
}

static void turn(int ticks, void (*scenario)(void))
{
    for (int i = 0; i < ticks; i++) {
        struct epoll_event event;
        uint64_t expired;
        while (epoll_wait(epfd, &event, 1, -1) < 0 && errno == EINTR) {
        }
        if (read(timer, &expired, sizeof(expired)) < 0 && errno != EAGAIN) {
            exit(99);
        }
        if (i == 2 && scenario) {
            scenario();
        }
    }
}

static void nothing(void)
{
}

static void sleeps(void)
{
    usleep(STALL_MS * 1000); /* STALL:sleep */
}

/* A thread that does `act` after 300 ms, for the calls that wait for somebody. */
static int pipe_ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static atomic_int held;

static void *write_later(void *unused)
{
    (void)unused;
    pause_ms(STALL_MS);
    return write(pipe_ends[1], "x", 1) == 1 ? NULL : &epfd;
}

static void *post_later(void *unused)
{
    pause_ms(STALL_MS);
    sem_post(&semaphore);
    return unused;
}

static void *signal_later(void *unused)
{
    pause_ms(STALL_MS);
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    return unused;
}

static void *hold(void *unused)
{
    pthread_setname_np(pthread_self(), "holder");
    pthread_mutex_lock(&mutex);
    held = 1;
    pause_ms(STALL_MS);
    pthread_mutex_unlock(&mutex);
    return unused;
}

static pthread_t start(void *(*body)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL) != 0) {
        exit(98);
    }
    return thread;
}

static void reads(void)
{
    char byte;
    pthread_t thread = start(write_later);
    if (read(pipe_ends[0], &byte, 1) != 1) { /* STALL:read */
        exit(97);
    }
    pthread_join(thread, NULL);
}

static void polls(void)
{
    struct pollfd one = {pipe_ends[0], POLLIN, 0};
    poll(&one, 1, STALL_MS); /* STALL:poll */
}

static void locks(void)
{
    pthread_t thread = start(hold);
    while (!held) {
        sched_yield();
    }
    pthread_mutex_lock(&mutex); /* STALL:mutex */
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
}

static void conds(void)
{
    pthread_mutex_lock(&mutex);
    pthread_t thread = start(signal_later);
    pthread_cond_wait(&cond, &mutex); /* STALL:cond */
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
}

static void semaphores(void)
{
    sem_init(&semaphore, 0, 0);
    pthread_t thread = start(post_later);
    sem_wait(&semaphore); /* STALL:sem */
    pthread_join(thread, NULL);
}

static void joins(void)
{
    pthread_t thread = start(write_later);
    pthread_join(thread, NULL); /* STALL:join */
}

static void waits(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause_ms(STALL_MS);
        _exit(0);
    }
    waitpid(pid, NULL, 0); /* STALL:waitpid */
}

static void systems(void)
{
    if (system("sleep 0.3") != 0) { /* STALL:system */
        exit(96);
    }
}

static void nests(void)
{
    struct epoll_event event;
    int other = epoll_create1(EPOLL_CLOEXEC);
    epoll_wait(other, &event, 1, STALL_MS); /* STALL:nested */
    close(other);
}

static void raws(void)
{
    struct timespec t = {0, STALL_MS * 1000000};
    int word = 0;
    syscall(SYS_futex, &word, 0, 0, &t, NULL, 0); /* STALL:futex */
}

static void locks_file(void)
{
    int mine = open(argument, O_RDWR | O_CREAT, 0600), theirs[2];
    char byte;
    if (pipe(theirs) != 0) {
        exit(95);
    }
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(argument, O_RDWR);
        flock(fd, LOCK_EX);
        if (write(theirs[1], "x", 1) != 1) {
            _exit(1);
        }
        pause_ms(STALL_MS);
        _exit(0);
    }
    if (read(theirs[0], &byte, 1) != 1) {
        exit(94);
    }
    flock(mine, LOCK_EX); /* STALL:flock */
    waitpid(pid, NULL, 0);
}

/* Under the default threshold. */
static void under(void)
{
    pause_ms(2);
}

static void sleeps_often(void)
{
    for (int i = 0; i < 100; i++) {
        pause_ms(12);
    }
}

static void *sleep_as_worker(void *unused)
{
    pause_ms(STALL_MS);
    return unused;
}

static pthread_t worker;

static void hires(void)
{
    worker = start(sleep_as_worker);
}

static void loops_after_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        close(epfd);
        close(timer);
        open_loop();
        turn(4, NULL);
        usleep(STALL_MS * 1000); /* STALL:fork */
        turn(4, NULL);
        _exit(0);
    }
}

static void sleeps_and_dies(void)
{
    sleeps();
    kill(getpid(), SIGKILL);
}

static void sleeps_and_quits(void)
{
    sleeps();
    _exit(0);
}

static void sleeps_and_aborts(void)
{
    sleeps();
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void sleeps_and_execs(void)
{
    sleeps();
    execl("/proc/self/exe", "loop_epoll", "sleep", (char *)NULL);
}

static void hangs(void)
{
    char byte;
    if (read(pipe_ends[0], &byte, 1) != 1) { /* STALL:hang */
        exit(93);
    }
}

static void looks_up(void)
{
    struct addrinfo *list = NULL;
    if (getaddrinfo("localhost", "80", NULL, &list) == 0) { /* STALL:dns */
        freeaddrinfo(list);
    }
}

/* A storm of calls in one place, and in the midst of it one somewhere else. */
static void read_byte(void)
{
    char byte;
    if (write(pipe_ends[1], "x", 1) != 1 || read(pipe_ends[0], &byte, 1) != 1) {
        exit(99);
    }
}

static __attribute__((noinline)) void reads_once(void)
{
    char byte;
    if (write(pipe_ends[1], "x", 1) != 1 || read(pipe_ends[0], &byte, 1) != 1) { /* STALL:once */
        exit(98);
    }
}

static void reads_often(void)
{
    for (int i = 0; i < 20000; i++) {
        read_byte(); /* STALL:often */
        if (i == 10000) {
            reads_once();
        }
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"clean", nothing},
    {"sleep", sleeps},
    {"read", reads},
    {"poll", polls},
    {"mutex", locks},
    {"cond", conds},
    {"sem", semaphores},
    {"join", joins},
    {"waitpid", waits},
    {"system", systems},
    {"nested", nests},
    {"futex", raws},
    {"flock", locks_file},
    {"under", under},
    {"worker", hires},
    {"fork", loops_after_fork},
    {"kill", sleeps_and_dies},
    {"_exit", sleeps_and_quits},
    {"abort", sleeps_and_aborts},
    {"exec", sleeps_and_execs},
    {"hang", hangs},
    {"dns", looks_up},
    {"after", nothing},
    {"before", nothing},
    {"many", sleeps_often},
    {"storm", reads_often},
};

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "clean";
    void (*scenario)(void) = NULL;
    argument = argc > 2 ? argv[2] : NULL;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (strcmp(scenarios[i].name, name) == 0) {
            scenario = scenarios[i].run;
        }
    }
    if (!scenario || pipe2(pipe_ends, O_CLOEXEC) != 0) {
        fprintf(stderr, "loop_epoll: no scenario %s\n", name);
        return 2;
    }
    if (strcmp(name, "before") == 0) {
        pause_ms(STALL_MS); /* no loop yet */
    }
    open_loop();
    turn(TICKS, scenario);
    close(epfd);
    if (worker) {
        pthread_join(worker, NULL);
    }
    if (strcmp(name, "after") == 0) {
        pause_ms(STALL_MS); /* no loop any more */
    }
    while (waitpid(-1, NULL, 0) > 0) {
    }
    return 0;
}
