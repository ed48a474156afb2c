/* A signal arrives while a thread is blocked, in every call that can block: with SA_RESTART and
 * without, the call does what signal(7) says, as it does without us. */
#include "hostile.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

/* What a call does when a handler has run: it goes on, or fails with EINTR. */
enum then { ALWAYS_EINTR, RESTARTS, NEVER_EINTR };

static int empty_pipe[2], full_pipe[2], full_socket[2], empty_socket[2], timed_socket[2];
static int listener, queue, sems, flock_fd, flock_holder;
static char fifo[4200], lock_file[4200];
static sem_t semaphore;
static pid_t child;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static char bytes[1 << 16];
static struct iovec vector = {bytes, sizeof(bytes)};

static struct timespec in_a_while(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += 1000;
    return t;
}

#define CALL(name, expression)                                                                     \
    static long call_##name(void)                                                                  \
    {                                                                                              \
        return (long)(expression);                                                                 \
    }
CALL(read, read(empty_pipe[0], bytes, 1))
CALL(readv, readv(empty_pipe[0], &vector, 1))
CALL(write, write(full_pipe[1], bytes, 1))
CALL(writev, writev(full_pipe[1], &vector, 1))
CALL(recv, recv(empty_socket[0], bytes, 1, 0))
CALL(recvfrom, recvfrom(empty_socket[0], bytes, 1, 0, NULL, NULL))
CALL(recv_timed, recv(timed_socket[0], bytes, 1, 0))
CALL(send, send(full_socket[1], bytes, 1, 0))
CALL(accept, accept(listener, NULL, NULL))
CALL(accept4, accept4(listener, NULL, NULL, 0))
CALL(sleep, sleep(1000) ? (errno = EINTR, -1) : 0)
CALL(usleep, usleep(900000000))
CALL(sem_wait, sem_wait(&semaphore))
CALL(waitpid, waitpid(child, NULL, 0))
CALL(wait, wait(NULL))
CALL(open_fifo, open(fifo, O_RDONLY))
CALL(pause, pause())
CALL(flock, flock(flock_fd, LOCK_EX))
CALL(syscall_read, syscall(SYS_read, empty_pipe[0], bytes, 1))
CALL(poll, poll(&(struct pollfd){empty_pipe[0], POLLIN, 0}, 1, 100000))
CALL(ppoll, ppoll(&(struct pollfd){empty_pipe[0], POLLIN, 0}, 1, NULL, NULL))
CALL(poll_none, poll(NULL, 0, 100000))

static long call_recvmsg(void)
{
    struct msghdr m = {.msg_iov = &vector, .msg_iovlen = 1};
    return recvmsg(empty_socket[0], &m, 0);
}

static long call_sendmsg(void)
{
    struct iovec one = {bytes, 1};
    struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1};
    return sendmsg(full_socket[1], &m, 0);
}

static long call_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(empty_pipe[0], &set);
    return select(empty_pipe[0] + 1, &set, NULL, NULL, NULL);
}

static long call_pselect(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(empty_pipe[0], &set);
    return pselect(empty_pipe[0] + 1, &set, NULL, NULL, NULL, NULL);
}

static long epoll(int pwait)
{
    struct epoll_event e;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    long r = pwait ? epoll_pwait(fd, &e, 1, 100000, NULL) : epoll_wait(fd, &e, 1, -1);
    int error = errno;
    close(fd);
    errno = error;
    return r;
}
CALL(epoll_wait, epoll(0))
CALL(epoll_pwait, epoll(1))

static long call_nanosleep(void)
{
    struct timespec t = {1000, 0}, rest = {0, 0};
    long r = nanosleep(&t, &rest);
    MUST(r == 0 || (rest.tv_sec >= 990 && rest.tv_sec <= 1000));
    return r;
}

static long call_clock_nanosleep(void)
{
    struct timespec t = {1000, 0};
    int r = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
    errno = r;
    return r ? -1 : 0;
}

static long call_sem_timedwait(void)
{
    struct timespec t = in_a_while();
    return sem_timedwait(&semaphore, &t);
}

static long call_waitid(void)
{
    siginfo_t info;
    return waitid(P_PID, (id_t)child, &info, WEXITED);
}

static long call_setlkw(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(lock_file, O_RDWR | O_CLOEXEC);
    long r = fcntl(fd, F_SETLKW, &lock);
    int error = errno;
    close(fd);
    errno = error;
    return r;
}

static long call_msgrcv(void)
{
    struct {
        long type;
        char text[8];
    } message;
    return msgrcv(queue, &message, sizeof(message.text), 0, 0);
}

static long call_semop(void)
{
    struct sembuf down = {0, -1, 0};
    return semop(sems, &down, 1);
}

static long call_sigtimedwait(void)
{
    sigset_t set;
    struct timespec t = {1000, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    return sigtimedwait(&set, NULL, &t);
}

static long call_cond_wait(void)
{
    MUST(pthread_mutex_lock(&mutex) == 0);
    long r = pthread_cond_wait(&cond, &mutex); /* spurious returns are allowed, EINTR is not */
    MUST(r == 0 && pthread_mutex_unlock(&mutex) == 0);
    return 0;
}

static long call_mutex_lock(void)
{
    long r = pthread_mutex_lock(&held);
    MUST(r == 0 && pthread_mutex_unlock(&held) == 0);
    return 0;
}

static const struct blocking {
    const char *name;
    long (*call)(void);
    enum then then;
} calls[] = {
    {"read", call_read, RESTARTS},
    {"readv", call_readv, RESTARTS},
    {"write", call_write, RESTARTS},
    {"writev", call_writev, RESTARTS},
    {"recv", call_recv, RESTARTS},
    {"recvfrom", call_recvfrom, RESTARTS},
    {"recvmsg", call_recvmsg, RESTARTS},
    {"recv with SO_RCVTIMEO", call_recv_timed, ALWAYS_EINTR},
    {"send", call_send, RESTARTS},
    {"sendmsg", call_sendmsg, RESTARTS},
    {"accept", call_accept, RESTARTS},
    {"accept4", call_accept4, RESTARTS},
    {"poll", call_poll, ALWAYS_EINTR},
    {"ppoll", call_ppoll, ALWAYS_EINTR},
    {"poll of nothing", call_poll_none, ALWAYS_EINTR},
    {"select", call_select, ALWAYS_EINTR},
    {"pselect", call_pselect, ALWAYS_EINTR},
    {"epoll_wait", call_epoll_wait, ALWAYS_EINTR},
    {"epoll_pwait", call_epoll_pwait, ALWAYS_EINTR},
    {"sleep", call_sleep, ALWAYS_EINTR},
    {"usleep", call_usleep, ALWAYS_EINTR},
    {"nanosleep", call_nanosleep, ALWAYS_EINTR},
    {"clock_nanosleep", call_clock_nanosleep, ALWAYS_EINTR},
    {"sem_wait", call_sem_wait, RESTARTS},
    {"sem_timedwait", call_sem_timedwait, ALWAYS_EINTR},
    {"waitpid", call_waitpid, RESTARTS},
    {"wait", call_wait, RESTARTS},
    {"waitid", call_waitid, RESTARTS},
    {"open of a FIFO", call_open_fifo, RESTARTS},
    {"fcntl(F_SETLKW)", call_setlkw, RESTARTS},
    {"flock", call_flock, RESTARTS},
    {"msgrcv", call_msgrcv, ALWAYS_EINTR},
    {"semop", call_semop, ALWAYS_EINTR},
    {"sigtimedwait", call_sigtimedwait, ALWAYS_EINTR},
    {"pause", call_pause, ALWAYS_EINTR},
    {"syscall(SYS_read)", call_syscall_read, RESTARTS},
    {"pthread_cond_wait", call_cond_wait, NEVER_EINTR},
    {"pthread_mutex_lock", call_mutex_lock, NEVER_EINTR},
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void prepare(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    static struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct timeval timeout = {1000, 0};
    int ready[2];
    snprintf(fifo, sizeof(fifo), "%s/fifo.%d", hostile_argument, getpid());
    snprintf(lock_file, sizeof(lock_file), "%s/lock.%d", hostile_argument, getpid());
    MUST(mkfifo(fifo, 0600) == 0);
    MUST(pipe2(empty_pipe, O_CLOEXEC) == 0);
    MUST(pipe2(full_pipe, O_CLOEXEC | O_NONBLOCK) == 0);
    while (write(full_pipe[1], bytes, sizeof(bytes)) > 0)
        ;
    MUST(fcntl(full_pipe[1], F_SETFL, 0) == 0);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, empty_socket) == 0);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, timed_socket) == 0);
    MUST(setsockopt(timed_socket[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, full_socket) == 0);
    while (send(full_socket[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    while (send(full_socket[1], bytes, 1, MSG_DONTWAIT) > 0)
        ;
    MUST((listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
    MUST(bind(listener, (struct sockaddr *)&name, sizeof(sa_family_t)) == 0);
    MUST(listen(listener, 1) == 0);
    MUST(sem_init(&semaphore, 0, 0) == 0);
    MUST((queue = msgget(IPC_PRIVATE, 0600)) >= 0);
    MUST((sems = semget(IPC_PRIVATE, 1, 0600)) >= 0);
    MUST((flock_fd = open(lock_file, O_RDWR | O_CREAT, 0600)) >= 0);
    MUST((flock_holder = open(lock_file, O_RDWR)) >= 0 && flock(flock_holder, LOCK_EX) == 0);
    MUST(pipe(ready) == 0);
    child = fork();
    MUST(child >= 0);
    if (child == 0) { /* it lives as long as we do, and holds locks */
        int fd = open(lock_file, O_RDWR);
        alarm(HOSTILE_DEADLINE);
        MUST(fcntl(fd, F_SETLK, &lock) == 0);
        MUST(write(ready[1], "r", 1) == 1);
        for (;;)
            pause();
    }
    MUST(read(ready[0], bytes, 1) == 1);
    close(ready[0]), close(ready[1]);
}

static void tidy_up(void)
{
    unlink(fifo);
    unlink(lock_file);
    msgctl(queue, IPC_RMID, NULL);
    semctl(sems, 0, IPC_RMID);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* ---- one thread blocks, the other sends it signals ---- */

static atomic_int handled, state; /* 1: about to block, 2: it returned */
static atomic_long result;
static atomic_int error_of;

static void on_signal(int number)
{
    int error = errno;
    (void)number;
    usleep(10); /* a wrapped call inside a wrapped call */
    handled++;
    errno = error;
}

static void *block(void *call)
{
    int loop = hostile_loop();
    hostile_turn(loop);
    state = 1;
    errno = 0;
    long r = ((const struct blocking *)call)->call();
    error_of = errno;
    result = r;
    state = 2;
    hostile_turn(loop);
    close(loop);
    return NULL;
}

/* Sends until the handler has run: a signal that comes before the call blocks must not count. */
static void send_signal(const char *name, pthread_t thread, int after_ms)
{
    int before = handled;
    hostile_stall(after_ms);
    MUST(pthread_kill(thread, SIGUSR1) == 0);
    for (int i = 0; handled == before; i++) {
        if (state == 2 || i > 5000) {
            dprintf(2, "%s returned %ld (%s) before the signal\n", name, (long)result,
                    strerror(error_of));
            _exit(1);
        }
        hostile_stall(1);
    }
}

static void try_call(const struct blocking *c, bool restart, int after_ms)
{
    pthread_t thread;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0};
    bool ends = c->then == ALWAYS_EINTR || (c->then == RESTARTS && !restart);
    MUST(sigaction(SIGUSR1, &action, NULL) == 0);
    if (c->call == call_mutex_lock)
        MUST(pthread_mutex_lock(&held) == 0);
    state = 0;
    MUST(pthread_create(&thread, NULL, block, (void *)(uintptr_t)c) == 0);
    while (state != 1)
        sched_yield();
    send_signal(c->name, thread, after_ms);
    if (!ends) { /* it goes on: signals more do not matter, and then it is cancelled or let go */
        send_signal(c->name, thread, 2);
        hostile_stall(4);
        if (state == 2 && c->then != NEVER_EINTR) {
            dprintf(2, "%s returned %ld (%s)\n", c->name, (long)result, strerror(error_of));
            _exit(1);
        }
        if (c->call == call_mutex_lock)
            MUST(pthread_mutex_unlock(&held) == 0);
        else if (c->call == call_cond_wait)
            MUST(pthread_cond_signal(&cond) == 0);
        else if (c->call == call_flock) /* no cancellation point */
            MUST(flock(flock_holder, LOCK_UN) == 0);
        else if (c->call == call_syscall_read) /* nor this */
            MUST(write(empty_pipe[1], bytes, 1) == 1);
        else
            MUST(pthread_cancel(thread) == 0);
        MUST(pthread_join(thread, NULL) == 0);
        if (c->call == call_flock)
            MUST(flock(flock_fd, LOCK_UN) == 0 && flock(flock_holder, LOCK_EX) == 0);
        return;
    }
    for (int i = 0; state != 2; i++) {
        if (i > 3000) {
            dprintf(2, "%s went on after a signal%s\n", c->name, restart ? " (SA_RESTART)" : "");
            _exit(1);
        }
        hostile_stall(1);
    }
    MUST(pthread_join(thread, NULL) == 0);
    if (result != -1 || error_of != EINTR) {
        dprintf(2, "%s returned %ld (%s)\n", c->name, (long)result, strerror(error_of));
        _exit(1);
    }
}

static void try_all(bool restart)
{
    prepare();
    for (int i = 0; i < CALLS; i++) {
        try_call(&calls[i], restart, 5);
        try_call(&calls[i], restart, 25); /* reported while it hung */
    }
    tidy_up();
}

static void restarting(void)
{
    try_all(true);
}

static void interrupting(void)
{
    try_all(false);
}

static const struct hostile_case cases[] = {
    {"restarting", restarting},
    {"interrupting", interrupting},
};
HOSTILE_MAIN(cases)
