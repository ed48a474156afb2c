/* Cases: pipes, events, queues and semaphores between processes; terminals. */
#include "cases.h"

#include <mqueue.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>

static char buffer[16];
static struct iovec iov = {buffer, 4};

/* ---- pipes ------------------------------------------------------------------------------------*/

#define WITH_PIPE(call, situation, flags, ...)                                                     \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int *fds = make_pipe(flags, "content");                                                    \
        NOW(__VA_ARGS__);                                                                          \
    }
WITH_PIPE(read, pipe_with_data, BLOCKING, (void)!read(fds[0], buffer, 4))
WITH_PIPE(read, nonblocking_pipe, NONBLOCKING, (void)!read(fds[0], buffer, 4))
WITH_PIPE(read, pipe_by_number, BLOCKING, syscall(SYS_read, fds[0], buffer, 4))
WITH_PIPE(read, nothing_from_pipe, BLOCKING, (void)!read(fds[0], buffer, 0))
WITH_PIPE(readv, pipe, BLOCKING, (void)!readv(fds[0], &iov, 1))
WITH_PIPE(readv, nonblocking_pipe, NONBLOCKING, (void)!readv(fds[0], &iov, 1))
WITH_PIPE(write, pipe_with_room, BLOCKING, (void)!write(fds[1], buffer, 4))
WITH_PIPE(write, nonblocking_pipe, NONBLOCKING, (void)!write(fds[1], buffer, 4))
WITH_PIPE(write, full_nonblocking_pipe, NONBLOCKING,
          MUST(write(fds[1], calloc(1, 1 << 20), 1 << 20) > 0))
WITH_PIPE(vmsplice, pipe, BLOCKING, vmsplice(fds[1], &iov, 1, 0))
/* It heeds its own flag, and not the descriptor's. */
WITH_PIPE(vmsplice, nonblocking_pipe, NONBLOCKING, vmsplice(fds[1], &iov, 1, 0))
WITH_PIPE(vmsplice, nonblock, BLOCKING, vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK))
WITH_PIPE(close, pipe, BLOCKING, close(fds[1]))

#define BETWEEN(call, situation, from, to, ...)                                                    \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int in = make_pipe(from, "content")[0], out = make_pipe(to, NULL)[1];                      \
        NOW(__VA_ARGS__);                                                                          \
    }
BETWEEN(splice, pipes, BLOCKING, BLOCKING, splice(in, NULL, out, NULL, 4, 0))
BETWEEN(splice, pipes_nonblock, BLOCKING, BLOCKING,
        splice(in, NULL, out, NULL, 4, SPLICE_F_NONBLOCK))
/* Between pipes, either one's flag is the flag of both. */
BETWEEN(splice, nonblocking_in, NONBLOCKING, BLOCKING, splice(in, NULL, out, NULL, 4, 0))
BETWEEN(splice, nonblocking_out, BLOCKING, NONBLOCKING, splice(in, NULL, out, NULL, 4, 0))
BETWEEN(tee, pipes, BLOCKING, BLOCKING, tee(in, out, 4, 0))
BETWEEN(tee, pipes_nonblock, BLOCKING, BLOCKING, tee(in, out, 4, SPLICE_F_NONBLOCK))
BETWEEN(tee, nonblocking_in, NONBLOCKING, BLOCKING, tee(in, out, 4, 0))

/* The pipe is what may wait here, and not the socket. */
CASE(splice, nonblocking_socket_to_pipe)
{
    int in = make_tcp(NONBLOCKING, "content")[0], out = make_pipe(BLOCKING, NULL)[1];
    NOW(splice(in, NULL, out, NULL, 4, 0));
}

/* ---- descriptors of events --------------------------------------------------------------------*/

static int event(int flags)
{
    int fd = eventfd(1, EFD_CLOEXEC | flags);
    MUST(fd >= 0);
    return fd;
}

static int expired_timer(int flags)
{
    static const struct itimerspec at_once = {.it_value = {0, 1}};
    struct itimerspec left = {.it_value = {0, 1}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | flags);
    MUST(fd >= 0 && timerfd_settime(fd, 0, &at_once, NULL) == 0);
    while (left.it_value.tv_nsec)
        timerfd_gettime(fd, &left);
    return fd;
}

static int pending_signal(int flags)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR2);
    return signalfd(-1, &set, SFD_CLOEXEC | flags);
}

static int changed_file(int flags)
{
    const char *path = make_path("watched");
    int watch = inotify_init1(IN_CLOEXEC | flags);
    MUST(close(open(path, O_CREAT | O_WRONLY, 0600)) == 0);
    MUST(inotify_add_watch(watch, path, IN_OPEN) >= 0);
    close(open(path, O_RDONLY));
    return watch;
}

static char large[4096];
static eventfd_t value;
#define WITH_EVENT(call, situation, event, ...)                                                    \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int fd = event;                                                                            \
        NOW(__VA_ARGS__);                                                                          \
    }
#define READS(situation, event) WITH_EVENT(read, situation, event, (void)!read(fd, large, 4096))
READS(eventfd, event(BLOCKING))
READS(nonblocking_eventfd, event(NONBLOCKING))
READS(timerfd, expired_timer(BLOCKING))
READS(nonblocking_timerfd, expired_timer(NONBLOCKING))
READS(signalfd, pending_signal(BLOCKING))
READS(nonblocking_signalfd, pending_signal(NONBLOCKING))
READS(inotify, changed_file(BLOCKING))
READS(nonblocking_inotify, changed_file(NONBLOCKING))
WITH_EVENT(eventfd_read, blocking, event(BLOCKING), eventfd_read(fd, &value))
WITH_EVENT(eventfd_read, nonblocking, event(NONBLOCKING), eventfd_read(fd, &value))
/* An event is full after 2⁶⁴ wake-ups. */
WITH_EVENT(eventfd_write, blocking, event(BLOCKING), eventfd_write(fd, 1))
WITH_EVENT(write, eventfd, event(BLOCKING), MUST(write(fd, &(uint64_t){1}, 8) == 8))

/* ---- System V ---------------------------------------------------------------------------------*/

struct letter {
    long type;
    char text[4];
};

static int queue(void)
{
    struct letter letter = {1, "abc"};
    int id = msgget(IPC_PRIVATE, 0600);
    MUST(id >= 0 && msgsnd(id, &letter, sizeof(letter.text), 0) == 0);
    return id;
}

#define WITH_QUEUE(call, situation, ...)                                                           \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        struct letter letter = {1, "def"};                                                         \
        int id = queue();                                                                          \
        NOW(__VA_ARGS__);                                                                          \
        msgctl(id, IPC_RMID, NULL);                                                                \
    }
WITH_QUEUE(msgrcv, blocking, (void)!msgrcv(id, &letter, sizeof(letter.text), 0, 0))
WITH_QUEUE(msgrcv, nowait, (void)!msgrcv(id, &letter, sizeof(letter.text), 0, IPC_NOWAIT))
WITH_QUEUE(msgsnd, blocking, msgsnd(id, &letter, sizeof(letter.text), 0))
WITH_QUEUE(msgsnd, nowait, msgsnd(id, &letter, sizeof(letter.text), IPC_NOWAIT))

static int semaphore(void)
{
    struct sembuf two = {0, 2, 0};
    int id = semget(IPC_PRIVATE, 1, 0600);
    MUST(id >= 0 && semop(id, &two, 1) == 0);
    return id;
}

#define WITH_SEMAPHORE(call, situation, operation, ...)                                            \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        struct sembuf one = operation;                                                             \
        int id = semaphore();                                                                      \
        NOW(__VA_ARGS__);                                                                          \
        semctl(id, 0, IPC_RMID);                                                                   \
    }
#define WITH(...) __VA_ARGS__
WITH_SEMAPHORE(semop, take, WITH({0, -1, 0}), semop(id, &one, 1))
WITH_SEMAPHORE(semop, give, WITH({0, 1, 0}), semop(id, &one, 1))
WITH_SEMAPHORE(semop, nowait, WITH({0, -1, IPC_NOWAIT}), semop(id, &one, 1))
WITH_SEMAPHORE(semop, by_number, WITH({0, -1, 0}), syscall(SYS_semop, id, &one, 1L))
WITH_SEMAPHORE(semtimedop, timeout, WITH({0, -1, 0}), semtimedop(id, &one, 1, &a_while))
WITH_SEMAPHORE(semtimedop, for_ever, WITH({0, -1, 0}), semtimedop(id, &one, 1, NULL))
WITH_SEMAPHORE(semtimedop, zero, WITH({0, -1, 0}), semtimedop(id, &one, 1, &none))
WITH_SEMAPHORE(semtimedop, zero_by_number, WITH({0, -1, 0}),
               syscall(SYS_semtimedop, id, &one, 1L, &none))

/* ---- POSIX queues -----------------------------------------------------------------------------*/

static mqd_t letters(int flags)
{
    struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = sizeof(buffer)};
    char name[64];
    snprintf(name, sizeof(name), "/strict.%d", getpid());
    mqd_t q = mq_open(name, O_RDWR | O_CREAT | flags, 0600, &attributes);
    mq_unlink(name);
    if (q >= 0)
        MUST(mq_send(q, "abc", 3, 0) == 0);
    return q;
}

#define WITH_LETTERS(call, situation, flags, ...)                                                  \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        mqd_t q = letters(flags);                                                                  \
        if (q < 0)                                                                                 \
            CANNOT("there are no message queues");                                                 \
        NOW(__VA_ARGS__);                                                                          \
        mq_close(q);                                                                               \
    }
WITH_LETTERS(mq_receive, blocking, BLOCKING, (void)!mq_receive(q, buffer, sizeof(buffer), NULL))
WITH_LETTERS(mq_receive, nonblocking, NONBLOCKING,
             (void)!mq_receive(q, buffer, sizeof(buffer), NULL))
WITH_LETTERS(mq_send, blocking, BLOCKING, mq_send(q, "abc", 3, 0))
WITH_LETTERS(mq_send, nonblocking, NONBLOCKING, mq_send(q, "abc", 3, 0))
WITH_LETTERS(mq_timedreceive, until_later, BLOCKING,
             (void)!mq_timedreceive(q, buffer, sizeof(buffer), NULL,
                                    (struct timespec[]){after(CLOCK_REALTIME, 600)}))
WITH_LETTERS(mq_timedreceive, until_the_past, BLOCKING,
             (void)!mq_timedreceive(q, buffer, sizeof(buffer), NULL, &long_ago))
WITH_LETTERS(mq_timedsend, until_the_past, BLOCKING, mq_timedsend(q, "abc", 3, 0, &long_ago))

/* ---- terminals --------------------------------------------------------------------------------*/

static struct termios mode;
#define WITH_TERMINAL(call, situation, flags, ...)                                                 \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int fd = make_terminal(flags, "typed\n")[1];                                               \
        tcgetattr(fd, &mode);                                                                      \
        NOW(__VA_ARGS__);                                                                          \
    }
WITH_TERMINAL(read, terminal, BLOCKING, (void)!read(fd, buffer, 4))
WITH_TERMINAL(read, nonblocking_terminal, NONBLOCKING, (void)!read(fd, buffer, 4))
WITH_TERMINAL(write, terminal, BLOCKING, (void)!write(fd, buffer, 4))
WITH_TERMINAL(write, nonblocking_terminal, NONBLOCKING, (void)!write(fd, buffer, 4))
WITH_TERMINAL(tcdrain, any, BLOCKING, tcdrain(fd))
WITH_TERMINAL(tcsetattr, drain, BLOCKING, tcsetattr(fd, TCSADRAIN, &mode))
WITH_TERMINAL(tcsetattr, flush, BLOCKING, tcsetattr(fd, TCSAFLUSH, &mode))
WITH_TERMINAL(tcsetattr, now, BLOCKING, tcsetattr(fd, TCSANOW, &mode))
WITH_TERMINAL(tcflush, input, BLOCKING, tcflush(fd, TCIFLUSH))
WITH_TERMINAL(ioctl, drain, BLOCKING, ioctl(fd, TCSBRK, 1))
WITH_TERMINAL(ioctl, drain_by_number, BLOCKING, syscall(SYS_ioctl, fd, TCSBRK, 1))
WITH_TERMINAL(ioctl, size, BLOCKING, ioctl(fd, TIOCGWINSZ, large))
WITH_TERMINAL(ioctl, mode, BLOCKING, ioctl(fd, TCGETS, large))

CASE(ioctl, bytes_of_a_socket)
{
    int fd = make_tcp(BLOCKING, "content")[0], n;
    NOW(ioctl(fd, FIONREAD, &n));
}
