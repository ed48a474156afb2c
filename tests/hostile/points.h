/* The blocking calls that cancel.c cancels, and leaves by a jump: each of `points` blocks until
 * then. prepare() makes what they block on. */
#ifndef HOSTILE_POINTS_H
#define HOSTILE_POINTS_H

#include "hostile.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

static int empty_pipe[2], full_pipe[2], sockets[2], listener;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static pthread_t sleeper;
static pid_t child;
static int queue;
static char fifo[4200], lock_file[4200];

/* Each blocks until it is cancelled. */
static void in_read(void)
{
    char byte;
    MUST(read(empty_pipe[0], &byte, 1) == 1);
}

static void in_readv(void)
{
    char byte;
    struct iovec v = {&byte, 1};
    MUST(readv(empty_pipe[0], &v, 1) == 1);
}

static void in_write(void)
{
    static char bytes[1 << 20];
    for (;;)
        MUST(write(full_pipe[1], bytes, sizeof(bytes)) > 0);
}

static void in_writev(void)
{
    static char bytes[1 << 20];
    struct iovec v = {bytes, sizeof(bytes)};
    for (;;)
        MUST(writev(full_pipe[1], &v, 1) > 0);
}

static void in_recv(void)
{
    char byte;
    MUST(recv(sockets[0], &byte, 1, 0) == 1);
}

static void in_recvfrom(void)
{
    char byte;
    MUST(recvfrom(sockets[0], &byte, 1, 0, NULL, NULL) == 1);
}

static void in_recvmsg(void)
{
    char byte;
    struct iovec v = {&byte, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    MUST(recvmsg(sockets[0], &m, 0) == 1);
}

static void in_send(void)
{
    static char bytes[1 << 20];
    for (;;)
        MUST(send(sockets[1], bytes, sizeof(bytes), 0) > 0);
}

static void in_sendmsg(void)
{
    static char bytes[1 << 20];
    struct iovec v = {bytes, sizeof(bytes)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    for (;;)
        MUST(sendmsg(sockets[1], &m, 0) > 0);
}

static void in_accept(void)
{
    MUST(accept(listener, NULL, NULL) >= 0);
}

static void in_accept4(void)
{
    MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0);
}

static void in_poll(void)
{
    struct pollfd p = {empty_pipe[0], POLLIN, 0};
    MUST(poll(&p, 1, -1) == 1);
}

static void in_ppoll(void)
{
    struct pollfd p = {empty_pipe[0], POLLIN, 0};
    MUST(ppoll(&p, 1, NULL, NULL) == 1);
}

static void in_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(empty_pipe[0], &set);
    MUST(select(empty_pipe[0] + 1, &set, NULL, NULL, NULL) == 1);
}

static void in_pselect(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(empty_pipe[0], &set);
    MUST(pselect(empty_pipe[0] + 1, &set, NULL, NULL, NULL, NULL) == 1);
}

static void in_epoll_wait(void)
{
    struct epoll_event e;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    MUST(epoll_wait(fd, &e, 1, -1) == 1);
}

static void in_epoll_pwait(void)
{
    struct epoll_event e;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    MUST(epoll_pwait(fd, &e, 1, -1, NULL) == 1);
}

static void in_sleep(void)
{
    MUST(sleep(1000) == 1);
}

static void in_usleep(void)
{
    MUST(usleep(900000000) == 1);
}

static void in_nanosleep(void)
{
    struct timespec t = {1000, 0};
    MUST(nanosleep(&t, NULL) == 1);
}

static void in_clock_nanosleep(void)
{
    struct timespec t = {1000, 0};
    MUST(clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL) == 1);
}

static void unlock_mutex(void *unused)
{
    (void)unused;
    MUST(pthread_mutex_unlock(&mutex) == 0); /* the wait has taken it again */
}

static void in_cond_wait(void)
{
    MUST(pthread_mutex_lock(&mutex) == 0);
    pthread_cleanup_push(unlock_mutex, NULL);
    for (;;)
        MUST(pthread_cond_wait(&cond, &mutex) == 0);
    pthread_cleanup_pop(0);
}

static void in_cond_timedwait(void)
{
    struct timespec t;
    MUST(clock_gettime(CLOCK_REALTIME, &t) == 0);
    t.tv_sec += 1000;
    MUST(pthread_mutex_lock(&mutex) == 0);
    pthread_cleanup_push(unlock_mutex, NULL);
    for (;;)
        MUST(pthread_cond_timedwait(&cond, &mutex, &t) == 0);
    pthread_cleanup_pop(0);
}

static void in_sem_wait(void)
{
    MUST(sem_wait(&semaphore) == 1);
}

static void in_sem_timedwait(void)
{
    struct timespec t;
    MUST(clock_gettime(CLOCK_REALTIME, &t) == 0);
    t.tv_sec += 1000;
    MUST(sem_timedwait(&semaphore, &t) == 1);
}

static void in_join(void)
{
    MUST(pthread_join(sleeper, NULL) == 1);
}

static void in_waitpid(void)
{
    MUST(waitpid(child, NULL, 0) == 1);
}

static void in_wait(void)
{
    MUST(wait(NULL) == 1);
}

static void in_waitid(void)
{
    siginfo_t info;
    MUST(waitid(P_PID, (id_t)child, &info, WEXITED) == 1);
}

static void in_open(void)
{
    MUST(open(fifo, O_RDONLY) == -2);
}

static void in_setlkw(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(lock_file, O_RDWR | O_CLOEXEC);
    MUST(fd >= 0);
    MUST(fcntl(fd, F_SETLKW, &lock) == -2);
}

static void in_sigwait(void)
{
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    MUST(sigwait(&set, &number) == -2);
}

static void in_sigsuspend(void)
{
    sigset_t set;
    sigemptyset(&set);
    MUST(sigsuspend(&set) == -2);
}

static void in_pause(void)
{
    MUST(pause() == -2);
}

static void in_msgrcv(void)
{
    struct {
        long type;
        char text[8];
    } message;
    MUST(msgrcv(queue, &message, sizeof(message.text), 0, 0) == -2);
}

static void in_fgetc(void)
{
    FILE *f = fdopen(dup(empty_pipe[0]), "r");
    MUST(f);
    MUST(fgetc(f) == -2);
}

static void in_system(void)
{
    MUST(system("exec sleep 1000") == -2);
}

static const struct point {
    const char *name;
    void (*block)(void);
} points[] = {
    {"read", in_read},
    {"readv", in_readv},
    {"write", in_write},
    {"writev", in_writev},
    {"recv", in_recv},
    {"recvfrom", in_recvfrom},
    {"recvmsg", in_recvmsg},
    {"send", in_send},
    {"sendmsg", in_sendmsg},
    {"accept", in_accept},
    {"accept4", in_accept4},
    {"poll", in_poll},
    {"ppoll", in_ppoll},
    {"select", in_select},
    {"pselect", in_pselect},
    {"epoll_wait", in_epoll_wait},
    {"epoll_pwait", in_epoll_pwait},
    {"sleep", in_sleep},
    {"usleep", in_usleep},
    {"nanosleep", in_nanosleep},
    {"clock_nanosleep", in_clock_nanosleep},
    {"pthread_cond_wait", in_cond_wait},
    {"pthread_cond_timedwait", in_cond_timedwait},
    {"sem_wait", in_sem_wait},
    {"sem_timedwait", in_sem_timedwait},
    {"pthread_join", in_join},
    {"waitpid", in_waitpid},
    {"wait", in_wait},
    {"waitid", in_waitid},
    {"open", in_open},
    {"fcntl", in_setlkw},
    {"sigwait", in_sigwait},
    {"sigsuspend", in_sigsuspend},
    {"pause", in_pause},
    {"msgrcv", in_msgrcv},
    {"fgetc", in_fgetc},
    {"system", in_system},
};
enum { POINTS = sizeof(points) / sizeof(points[0]) };

/* ---- what they block on ---- */

static void *sleep_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void prepare(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    static struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int ready[2];
    char byte;
    snprintf(fifo, sizeof(fifo), "%s/fifo.%d", hostile_argument, getpid());
    snprintf(lock_file, sizeof(lock_file), "%s/lock.%d", hostile_argument, getpid());
    MUST(mkfifo(fifo, 0600) == 0);
    MUST(pipe2(empty_pipe, O_CLOEXEC) == 0 && pipe2(full_pipe, O_CLOEXEC) == 0);
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
    MUST((listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
    MUST(bind(listener, (struct sockaddr *)&name, sizeof(sa_family_t)) == 0);
    MUST(listen(listener, 1) == 0);
    MUST(sem_init(&semaphore, 0, 0) == 0);
    MUST((queue = msgget(IPC_PRIVATE, 0600)) >= 0);
    MUST(pthread_create(&sleeper, NULL, sleep_for_ever, NULL) == 0);
    MUST(pipe(ready) == 0);
    child = fork();
    MUST(child >= 0);
    if (child == 0) { /* it lives as long as we do, and holds a lock */
        int fd = open(lock_file, O_RDWR | O_CREAT, 0600);
        MUST(fcntl(fd, F_SETLK, &lock) == 0);
        MUST(write(ready[1], "r", 1) == 1);
        close(full_pipe[1]), close(full_pipe[0]);
        for (;;)
            pause();
    }
    MUST(read(ready[0], &byte, 1) == 1);
    close(ready[0]), close(ready[1]);
}

static void tidy_up(void)
{
    unlink(fifo);
    unlink(lock_file);
    msgctl(queue, IPC_RMID, NULL);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

#endif
