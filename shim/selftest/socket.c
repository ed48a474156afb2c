/* Bodies: sockets. */
#include "selftest.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

static const char text[] = "abcdefgh";

/* ---- connect and accept -----------------------------------------------------------------------*/

static void accept_one(void *listener)
{
    close(accept4(*(int *)listener, NULL, NULL, SOCK_CLOEXEC));
}

/* A local socket whose backlog is full: connect waits for an accept. */
TEST(connect, HANGS)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sockaddr *a = (const struct sockaddr *)&address;
    int listener = keep_fd(t, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int first = keep_fd(t, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int second = keep_fd(t, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    strcpy(address.sun_path, make_path(t, "s"));
    NEED(t, bind(listener, a, sizeof(address)) == 0 && listen(listener, 0) == 0);
    NEED(t, connect(first, a, sizeof(address)) == 0);
    release_by(t, accept_one, &listener);
    expect(t, ST_NET, "unix %s", address.sun_path);
    CALLED(t, call(second, a, sizeof(address)));
}

static void connect_to(void *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, address, sizeof(struct sockaddr_in)) == 0)
        close(fd);
}

/* A listener to which somebody connects while the call waits. */
static int connected_later(struct trial *t, struct sockaddr_in *address)
{
    int fd = make_listener(t, address);
    release_by(t, connect_to, address);
    expect(t, ST_NET, "tcp 127.0.0.1:%d (own address)", ntohs(address->sin_port));
    return fd;
}

TEST(accept, HANGS)
{
    struct sockaddr_in address, peer = {0};
    socklen_t len = sizeof(peer);
    int fd = connected_later(t, &address);
    keep_fd(t, CALLED(t, call(fd, (struct sockaddr *)&peer, &len)));
    result_is_fd(t);
    digest_number(t, peer.sin_family);
    digest_number(t, len);
}

TEST(accept4, HANGS)
{
    struct sockaddr_in address, peer = {0};
    socklen_t len = sizeof(peer);
    int fd = connected_later(t, &address);
    int got = keep_fd(t, CALLED(t, call(fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC)));
    result_is_fd(t);
    digest_number(t, peer.sin_family);
    digest_number(t, fcntl(got, F_GETFD));
}

/* ---- receiving --------------------------------------------------------------------------------*/

static void expect_peer(struct trial *t, int fd)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0)
        expect(t, ST_NET, "tcp 127.0.0.1:%d", ntohs(peer.sin_port));
}

/* A connection over which `text` comes while the call waits. */
static int received_later(struct trial *t)
{
    int fds[2];
    make_tcp_pair(t, fds);
    write_later(t, fds[1], text);
    expect_peer(t, fds[0]);
    return fds[0];
}

TEST(recv, HANGS)
{
    char buf[16] = "";
    int fd = received_later(t);
    CALLED(t, call(fd, buf, 8, MSG_WAITALL));
    digest_text(t, buf);
}

TEST(__recv_chk, HANGS)
{
    char buf[16] = "";
    int fd = received_later(t);
    CALLED(t, call(fd, buf, 8, sizeof(buf), MSG_WAITALL));
    digest_text(t, buf);
}

TEST(recvfrom, HANGS)
{
    char buf[16] = "";
    int fd = received_later(t);
    CALLED(t, call(fd, buf, 8, MSG_WAITALL, NULL, NULL));
    digest_text(t, buf);
}

TEST(__recvfrom_chk, HANGS)
{
    char buf[16] = "";
    int fd = received_later(t);
    CALLED(t, call(fd, buf, 8, sizeof(buf), MSG_WAITALL, NULL, NULL));
    digest_text(t, buf);
}

TEST(recvmsg, HANGS)
{
    char buf[16] = "";
    struct iovec iov = {buf, 8};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    int fd = received_later(t);
    CALLED(t, call(fd, &message, MSG_WAITALL));
    digest_text(t, buf);
    digest_number(t, message.msg_flags);
}

/* ---- sending ----------------------------------------------------------------------------------*/

/* A connection that takes nothing more until its peer reads. */
static int sent_later(struct trial *t)
{
    int fds[2];
    make_socketpair(t, SOCK_STREAM, fds);
    fill(fds[0]);
    drain_later(t, fds[1]);
    expect(t, ST_NET, "unix socket (unnamed)");
    return fds[0];
}

TEST(send, HANGS)
{
    int fd = sent_later(t);
    CALLED(t, call(fd, text, 8, MSG_NOSIGNAL));
}

TEST(sendto, HANGS)
{
    int fd = sent_later(t);
    CALLED(t, call(fd, text, 8, MSG_NOSIGNAL, NULL, 0));
}

TEST(sendmsg, HANGS)
{
    char buf[] = "abcdefgh";
    struct iovec iov = {buf, 8};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    int fd = sent_later(t);
    CALLED(t, call(fd, &message, MSG_NOSIGNAL));
}

/* ---- closing ----------------------------------------------------------------------------------*/

/* A connection that is to deliver what it has (SO_LINGER) to a peer that takes nothing: its close
 * waits. */
TEST(close, HANGS)
{
    int fds[2];
    const struct linger patience = {.l_onoff = 1, .l_linger = 600};
    make_tcp_pair(t, fds);
    int fd = dup(fds[0]);
    drop_fd(t, fds[0]);
    NEED(t, setsockopt(fd, SOL_SOCKET, SO_LINGER, &patience, sizeof(patience)) == 0);
    fill(fd);
    drain_later(t, fds[1]);
    expect_peer(t, fd);
    CALLED(t, call(fd));
    digest_number(t, fcntl(fd, F_GETFD));
    digest_number(t, call(fd)); /* it is closed already */
    digest_number(t, errno);
}
