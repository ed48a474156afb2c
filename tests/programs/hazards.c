/* What has bitten tools like this one: each hazard is a small program that checks its own
 * behaviour, prints "ok" and ends with 0 when it is undisturbed. The loop is as in loop_epoll.c. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STALL_MS = 100 };

static int epfd, wake_ends[2], empty[2];
static const char *argument;

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno);              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* One iteration of the loop. */
static void turn(void)
{
    struct epoll_event event;
    char byte = 0;
    MUST(write(wake_ends[1], &byte, 1) == 1);
    MUST(epoll_wait(epfd, &event, 1, -1) == 1);
    MUST(read(wake_ends[0], &byte, 1) == 1);
}

static void open_loop(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    MUST(pipe2(wake_ends, O_CLOEXEC | O_NONBLOCK) == 0);
    MUST(pipe2(empty, O_CLOEXEC) == 0);
    MUST((epfd = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    MUST(epoll_ctl(epfd, EPOLL_CTL_ADD, wake_ends[0], &event) == 0);
    turn();
    turn();
}

static void stall(void)
{
    usleep(STALL_MS * 1000); /* STALL */
}

/* 4: the mode of open() is read only where there is one; fcntl and ioctl take words and pointers.
 */
static void variadics(void)
{
    char name[4096];
    struct stat st;
    int bytes = -1, fd;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    umask(0);
    snprintf(name, sizeof(name), "%s/created", argument);
    MUST((fd = open(name, O_CREAT | O_RDWR, 0640)) >= 0);
    MUST(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0640);
    MUST(fcntl(fd, F_SETLK, &lock) == 0);
    MUST(close(fd) == 0);
    MUST((fd = openat(AT_FDCWD, argument, O_TMPFILE | O_RDWR, 0604)) >= 0);
    MUST(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0604);
    MUST(fcntl(fd, F_GETFL) & O_RDWR);
    MUST(close(fd) == 0);
    MUST((fd = open(name, O_RDONLY)) >= 0);
    MUST(close(fd) == 0);
    MUST(write(empty[1], "abc", 3) == 3);
    MUST(ioctl(empty[0], FIONREAD, &bytes) == 0 && bytes == 3);
    MUST(syscall(SYS_read, empty[0], name, (size_t)3) == 3 && memcmp(name, "abc", 3) == 0);
    void *page = (void *)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
    MUST(page != MAP_FAILED);
}

/* 6: a signal handler jumps out of a blocking call; the next stall is still found. */
static sigjmp_buf out;

static void jump_out(int signal_number)
{
    (void)signal_number;
    siglongjmp(out, 1);
}

static void longjmps(void)
{
    char byte;
    struct itimerspec soon = {.it_value = {0, 30 * 1000000}};
    timer_t timer;
    signal(SIGALRM, jump_out);
    MUST(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0);
    if (sigsetjmp(out, 1) == 0) {
        MUST(timer_settime(timer, 0, &soon, NULL) == 0);
        MUST(read(empty[0], &byte, 1) == 1); /* never */
        exit(9);
    }
    turn();
    stall();
    turn();
}

/* 6: a thread is cancelled inside a call, with its loop running; its cleanup handler runs. */
static atomic_bool reading, cleaned;

static void on_cancel(void *unused)
{
    (void)unused;
    cleaned = true;
}

static void *read_for_ever(void *unused)
{
    char byte;
    open_loop();
    pthread_cleanup_push(on_cancel, NULL);
    reading = true;
    MUST(read(empty[0], &byte, 1) == 1); /* never */
    pthread_cleanup_pop(0);
    return unused;
}

static void cancels(void)
{
    pthread_t thread;
    void *result;
    struct timespec t = {0, 50 * 1000000};
    MUST(pthread_create(&thread, NULL, read_for_ever, NULL) == 0);
    while (!reading) {
        sched_yield();
    }
    nanosleep(&t, NULL);
    MUST(pthread_cancel(thread) == 0);
    MUST(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && cleaned);
}

/* 7: the child runs a loop of its own, and both of them go on. */
static void forks(void)
{
    int status;
    pid_t pid;
    stall();
    MUST((pid = fork()) >= 0);
    if (pid == 0) {
        close(epfd);
        open_loop();
        stall();
        turn();
        _exit(7);
    }
    MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    turn();
}

/* 7: a vforked child shares the parent's memory until it execs. */
static void vforks(void)
{
    int status;
    for (volatile int i = 0; i < 20; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(9);
        }
        MUST(waitpid(pid, &status, 0) == pid && status == 0);
        turn();
    }
    stall();
    turn();
}

/* 8: a daemon closes every descriptor; the numbers come back, in order, as the program's own. */
static void closes_all(void)
{
    int fd;
    stall();
    turn();
    MUST(close_range(3, ~0U, 0) == 0);
    for (int expected = 3; expected < 10; expected++) {
        MUST((fd = open("/dev/null", O_RDONLY)) == expected);
    }
    MUST(close_range(3, ~0U, 0) == 0);
    open_loop();
    stall();
    turn();
}

/* 8: no descriptor of ours in the program's table. */
static int open_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    MUST(dir);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

static void descriptors(void)
{
    int before = open_descriptors(), fd;
    open_loop();
    stall();
    turn();
    stall();
    turn();
    MUST(open_descriptors() - before == 5);
    MUST((fd = dup(0)) == epfd + 1);
    close(fd);
}

/* 9: errno is what the call left, and stays where the call succeeds. */
static void errnos(void)
{
    char byte;
    MUST(close(42) == -1 && errno == EBADF);
    errno = ENOTTY;
    stall();
    MUST(errno == ENOTTY);
    MUST(read(-1, &byte, 1) == -1 && errno == EBADF);
    MUST(read(wake_ends[0], &byte, 1) == -1 && errno == EAGAIN);
    errno = EXDEV;
    turn();
    MUST(errno == EXDEV);
    MUST(open("/nonexistent", O_RDONLY) == -1 && errno == ENOENT);
    errno = 0;
    MUST(poll(NULL, 0, 30) == 0 && errno == 0);
}

/* 9: a stall must not interrupt anything: no EINTR, the sleep is as long as was asked for. */
static atomic_bool interrupted;

static void uninterrupted(void)
{
    struct timespec start, end, t = {0, 250 * 1000000};
    clock_gettime(CLOCK_MONOTONIC, &start);
    interrupted = nanosleep(&t, NULL) != 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ms =
        (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6;
    MUST(!interrupted && ms >= 250);
    turn();
}

/* 8: threads with the smallest of stacks run loops, and stall. */
static void *small_loop(void *unused)
{
    struct epoll_event event;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    epoll_wait(fd, &event, 1, 1);
    stall();
    epoll_wait(fd, &event, 1, 1);
    close(fd);
    return unused;
}

static void small_stacks(void)
{
    pthread_attr_t attributes;
    pthread_t threads[4];
    MUST(pthread_attr_init(&attributes) == 0);
    MUST(pthread_attr_setstacksize(&attributes, 16 * 1024) == 0);
    for (int i = 0; i < 4; i++) {
        MUST(pthread_create(&threads[i], &attributes, small_loop, NULL) == 0);
    }
    for (int i = 0; i < 4; i++) {
        MUST(pthread_join(threads[i], NULL) == 0);
    }
}

/* 8: no thread can be had: nothing is recorded, and nothing else happens. */
static void no_threads(void)
{
    struct rlimit none = {0, 0};
    MUST(setrlimit(RLIMIT_NPROC, &none) == 0);
    MUST(geteuid() == 0 ? setresuid(65534, 65534, 65534) == 0 : true);
    open_loop();
    stall();
    turn();
}

/* 11: a file size limit must not kill the program, nor a disk that is full. */
static void no_files(void)
{
    struct rlimit none = {0, 0};
    MUST(setrlimit(RLIMIT_FSIZE, &none) == 0);
    open_loop();
    stall();
    turn();
    stall();
    turn();
}

static const struct {
    const char *name;
    void (*run)(void);
    bool bare; /* opens the loop itself */
} hazards[] = {
    {"variadics", variadics, false},
    {"longjmp", longjmps, false},
    {"cancel", cancels, true},
    {"fork", forks, false},
    {"vfork", vforks, false},
    {"close_all", closes_all, false},
    {"descriptors", descriptors, true},
    {"errno", errnos, false},
    {"uninterrupted", uninterrupted, false},
    {"small_stacks", small_stacks, false},
    {"no_threads", no_threads, true},
    {"no_files", no_files, true},
};

int main(int argc, char **argv)
{
    argument = argc > 2 ? argv[2] : "/tmp";
    for (size_t i = 0; argc > 1 && i < sizeof(hazards) / sizeof(hazards[0]); i++) {
        if (strcmp(hazards[i].name, argv[1]) == 0) {
            if (!hazards[i].bare) {
                open_loop();
            }
            hazards[i].run();
            return write(1, "ok\n", 3) == 3 ? 0 : 1;
        }
    }
    fprintf(stderr, "hazards: no such hazard\n");
    return 2;
}
