/* Cases: sockets. */
#include "cases.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static char buffer[16];

/* ---- making connections -----------------------------------------------------------------------*/

#define CONNECTS(situation, type, address)                                                         \
    CASE(connect, situation)                                                                       \
    {                                                                                              \
        struct sockaddr_in to = address;                                                           \
        int fd = socket(AF_INET, type, 0);                                                         \
        NOW(connect(fd, (struct sockaddr *)&to, sizeof(to)));                                      \
    }

/* Where somebody listens, and the handshake is over before connect returns. */
static struct sockaddr_in here(void)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    MUST(getsockname(make_listener(0, false), (struct sockaddr *)&address, &len) == 0);
    return address;
}

CONNECTS(blocking, SOCK_STREAM, here())
CONNECTS(nonblocking, SOCK_STREAM | SOCK_NONBLOCK, here())
/* It only sets the address to send to. */
CONNECTS(datagram, SOCK_DGRAM, here())

CASE(connect, by_number)
{
    struct sockaddr_in to = here();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    NOW(syscall(SYS_connect, fd, &to, sizeof(to)));
}

CASE(connect, unix_stream)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", make_path("socket"));
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(bind(listener, (struct sockaddr *)&to, sizeof(to)) == 0 && listen(listener, 1) == 0);
    NOW(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

CASE(connect, disconnect)
{
    struct sockaddr none_at_all = {.sa_family = AF_UNSPEC};
    int fd = make_tcp(BLOCKING, NULL)[0];
    NOW(connect(fd, &none_at_all, sizeof(none_at_all)));
}

#define ACCEPTS(call, situation, flags, ...)                                                       \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int listener = make_listener(flags, true);                                                 \
        NOW(__VA_ARGS__);                                                                          \
    }
ACCEPTS(accept, blocking, BLOCKING, accept(listener, NULL, NULL))
ACCEPTS(accept, nonblocking, NONBLOCKING, accept(listener, NULL, NULL))
ACCEPTS(accept4, blocking, BLOCKING, accept4(listener, NULL, NULL, 0))
ACCEPTS(accept4, nonblocking, NONBLOCKING, accept4(listener, NULL, NULL, 0))
/* The flag is for the connection that it makes. */
ACCEPTS(accept4, for_nonblocking, BLOCKING, accept4(listener, NULL, NULL, SOCK_NONBLOCK))
ACCEPTS(accept4, by_number, BLOCKING, syscall(SYS_accept4, listener, NULL, NULL, 0))

/* ---- receiving: what has come already
 * ----------------------------------------------------------*/

static struct msghdr *message(void)
{
    static struct iovec iov = {buffer, sizeof(buffer)};
    static struct msghdr m;
    m = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
    return &m;
}

static struct mmsghdr *messages(void)
{
    static struct mmsghdr m;
    m.msg_hdr = *message();
    return &m;
}

#define TCP(call, situation, flags, ...)                                                           \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int fd = make_tcp(flags, "0123456789abcdef")[0];                                           \
        NOW(__VA_ARGS__);                                                                          \
    }
TCP(read, blocking_socket, BLOCKING, (void)!read(fd, buffer, 4))
TCP(read, nonblocking_socket, NONBLOCKING, (void)!read(fd, buffer, 4))
TCP(read, blocking_socket_by_number, BLOCKING, syscall(SYS_read, fd, buffer, 4))
TCP(read, nonblocking_socket_by_number, NONBLOCKING, syscall(SYS_read, fd, buffer, 4))
TCP(readv, blocking_socket, BLOCKING, (void)!readv(fd, message()->msg_iov, 1))
TCP(readv, nonblocking_socket, NONBLOCKING, (void)!readv(fd, message()->msg_iov, 1))
TCP(recv, blocking, BLOCKING, recv(fd, buffer, 4, 0))
TCP(recv, waitall, BLOCKING, recv(fd, buffer, sizeof(buffer), MSG_WAITALL))
TCP(recv, peek, BLOCKING, recv(fd, buffer, 4, MSG_PEEK))
TCP(recv, nonblocking, NONBLOCKING, recv(fd, buffer, 4, 0))
TCP(recv, nonblocking_waitall, NONBLOCKING, recv(fd, buffer, 4, MSG_WAITALL))
TCP(recv, dontwait, BLOCKING, recv(fd, buffer, 4, MSG_DONTWAIT))
TCP(recv, dontwait_waitall, BLOCKING, recv(fd, buffer, 4, MSG_DONTWAIT | MSG_WAITALL))
/* What is urgent is there or not. */
TCP(recv, urgent, BLOCKING, recv(fd, buffer, 1, MSG_OOB))
TCP(recvfrom, blocking, BLOCKING, recvfrom(fd, buffer, 4, 0, NULL, NULL))
TCP(recvfrom, dontwait, BLOCKING, recvfrom(fd, buffer, 4, MSG_DONTWAIT, NULL, NULL))
TCP(recvfrom, by_number, BLOCKING, syscall(SYS_recvfrom, fd, buffer, 4, 0, NULL, NULL))
TCP(recvfrom, dontwait_by_number, BLOCKING,
    syscall(SYS_recvfrom, fd, buffer, 4, MSG_DONTWAIT, NULL, NULL))
TCP(recvmsg, blocking, BLOCKING, recvmsg(fd, message(), 0))
TCP(recvmsg, dontwait, BLOCKING, recvmsg(fd, message(), MSG_DONTWAIT))
TCP(recvmsg, nonblocking, NONBLOCKING, recvmsg(fd, message(), 0))
TCP(recvmsg, errqueue, BLOCKING, recvmsg(fd, message(), MSG_ERRQUEUE))
TCP(recvmmsg, blocking, BLOCKING, recvmmsg(fd, messages(), 1, 0, NULL))
/* Its timeout is only looked at after a message has come. */
TCP(recvmmsg, zero, BLOCKING, recvmmsg(fd, messages(), 1, 0, (struct timespec[]){{0, 0}}))
TCP(recvmmsg, waitforone, BLOCKING, recvmmsg(fd, messages(), 1, MSG_WAITFORONE, NULL))
TCP(recvmmsg, dontwait, BLOCKING, recvmmsg(fd, messages(), 1, MSG_DONTWAIT, NULL))
TCP(recvmmsg, nonblocking, NONBLOCKING, recvmmsg(fd, messages(), 1, 0, NULL))

CASE(recv, unix_errqueue) /* this kind of socket has none, and receives what it gets */
{
    int fd = make_pair(SOCK_STREAM, BLOCKING, "content")[0];
    NOW(recv(fd, buffer, 4, MSG_ERRQUEUE));
}

CASE(recv, datagram)
{
    int fd = make_pair(SOCK_DGRAM, BLOCKING, "content")[0];
    NOW(recv(fd, buffer, 4, 0));
}

/* ---- sending: there is room ------------------------------------------------------------------*/

TCP(write, blocking_socket, BLOCKING, (void)!write(fd, buffer, 4))
TCP(write, nonblocking_socket, NONBLOCKING, (void)!write(fd, buffer, 4))
TCP(writev, blocking_socket, BLOCKING, (void)!writev(fd, message()->msg_iov, 1))
TCP(writev, nonblocking_socket, NONBLOCKING, (void)!writev(fd, message()->msg_iov, 1))
TCP(send, blocking, BLOCKING, send(fd, buffer, 4, 0))
TCP(send, nosignal, BLOCKING, send(fd, buffer, 4, MSG_NOSIGNAL))
TCP(send, urgent, BLOCKING, send(fd, buffer, 1, MSG_OOB))
TCP(send, nonblocking, NONBLOCKING, send(fd, buffer, 4, 0))
TCP(send, dontwait, BLOCKING, send(fd, buffer, 4, MSG_DONTWAIT))
TCP(sendto, blocking, BLOCKING, sendto(fd, buffer, 4, 0, NULL, 0))
TCP(sendto, dontwait, BLOCKING, sendto(fd, buffer, 4, MSG_DONTWAIT, NULL, 0))
TCP(sendmsg, blocking, BLOCKING, sendmsg(fd, message(), 0))
TCP(sendmsg, dontwait, BLOCKING, sendmsg(fd, message(), MSG_DONTWAIT))
TCP(sendmsg, dontwait_by_number, BLOCKING, syscall(SYS_sendmsg, fd, message(), MSG_DONTWAIT))
TCP(sendmmsg, blocking, BLOCKING, sendmmsg(fd, messages(), 1, 0))
TCP(sendmmsg, dontwait, BLOCKING, sendmmsg(fd, messages(), 1, MSG_DONTWAIT))
TCP(sendmmsg, nonblocking, NONBLOCKING, sendmmsg(fd, messages(), 1, 0))

/* ---- moving -----------------------------------------------------------------------------------*/

#define MOVES(call, situation, from, to, ...)                                                      \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int in = from, out = to;                                                                   \
        NOW(__VA_ARGS__);                                                                          \
    }
#define SOCKET(flags) make_tcp(flags, "content")[0]
#define FULL_PIPE     make_pipe(BLOCKING, "content")[0]
#define EMPTY_PIPE    make_pipe(BLOCKING, NULL)[1]
MOVES(sendfile, to_blocking_socket, make_file("content", 0), SOCKET(BLOCKING),
      sendfile(out, in, NULL, 4))
MOVES(splice, to_blocking_socket, FULL_PIPE, SOCKET(BLOCKING), splice(in, NULL, out, NULL, 4, 0))
MOVES(splice, from_blocking_socket, SOCKET(BLOCKING), EMPTY_PIPE, splice(in, NULL, out, NULL, 4, 0))
/* The flag is for the pipe alone. */
MOVES(splice, to_blocking_socket_nonblock, FULL_PIPE, SOCKET(BLOCKING),
      splice(in, NULL, out, NULL, 4, SPLICE_F_NONBLOCK))
MOVES(splice, from_blocking_socket_nonblock, SOCKET(BLOCKING), EMPTY_PIPE,
      splice(in, NULL, out, NULL, 4, SPLICE_F_NONBLOCK))
MOVES(splice, to_nonblocking_socket_nonblock, FULL_PIPE, SOCKET(NONBLOCKING),
      splice(in, NULL, out, NULL, 4, SPLICE_F_NONBLOCK))
MOVES(splice, from_nonblocking_socket_nonblock, SOCKET(NONBLOCKING), EMPTY_PIPE,
      splice(in, NULL, out, NULL, 4, SPLICE_F_NONBLOCK))
MOVES(splice, all_nonblocking, SOCKET(NONBLOCKING), make_pipe(NONBLOCKING, NULL)[1],
      splice(in, NULL, out, NULL, 4, 0))

/* ---- closing ----------------------------------------------------------------------------------*/

static void linger(int fd, int seconds)
{
    struct linger l = {1, seconds};
    MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0);
}

TCP(close, plain_socket, BLOCKING, close(fd))
TCP(close, lingering, BLOCKING, (linger(fd, 1), close(fd)))
/* A lingering close waits whatever the descriptor's flags say. */
TCP(close, lingering_nonblocking, NONBLOCKING, (linger(fd, 1), close(fd)))
TCP(close, abortive, BLOCKING, (linger(fd, 0), close(fd)))

CASE(close, lingering_listener)
{
    int fd = make_listener(BLOCKING, false);
    linger(fd, 1);
    NOW(close(fd));
}

CASE(close, lingering_unix)
{
    int fd = make_pair(SOCK_STREAM, BLOCKING, NULL)[0];
    linger(fd, 1);
    NOW(close(fd));
}

CASE(close, lingering_unconnected)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    linger(fd, 1);
    NOW(close(fd));
}
