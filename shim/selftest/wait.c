/* Bodies: waits for descriptors. The loop's home is another epoll fd, so these are calls. */
#include "selftest.h"

#include <string.h>

/* A pipe that becomes readable while the call waits. */
static struct pollfd readable_later(struct trial *t)
{
    int fds[2];
    make_pipe(t, fds);
    write_later(t, fds[1], "x");
    expect(t, ST_WAIT, "no timeout");
    return (struct pollfd){.fd = fds[0], .events = POLLIN};
}

TEST(poll, HANGS)
{
    struct pollfd p = readable_later(t);
    expect(t, ST_WAIT, "pipe");
    CALLED(t, call(&p, 1, -1));
    digest_number(t, p.revents);
}

TEST(__poll_chk, HANGS)
{
    struct pollfd p = readable_later(t);
    expect(t, ST_WAIT, "pipe");
    CALLED(t, call(&p, 1, -1, sizeof(p)));
    digest_number(t, p.revents);
}

TEST(ppoll, HANGS)
{
    struct pollfd p = readable_later(t);
    expect(t, ST_WAIT, "pipe");
    CALLED(t, call(&p, 1, NULL, NULL));
    digest_number(t, p.revents);
}

TEST(__ppoll_chk, HANGS)
{
    struct pollfd p = readable_later(t);
    expect(t, ST_WAIT, "pipe");
    CALLED(t, call(&p, 1, NULL, NULL, sizeof(p)));
    digest_number(t, p.revents);
}

TEST(select, HANGS)
{
    struct pollfd p = readable_later(t);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(p.fd, &in);
    CALLED(t, call(p.fd + 1, &in, NULL, NULL, NULL));
    digest_number(t, FD_ISSET(p.fd, &in));
}

TEST(pselect, HANGS)
{
    struct pollfd p = readable_later(t);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(p.fd, &in);
    CALLED(t, call(p.fd + 1, &in, NULL, NULL, NULL, NULL));
    digest_number(t, FD_ISSET(p.fd, &in));
}

/* An epoll fd that watches such a pipe. */
static int epoll_later(struct trial *t)
{
    struct pollfd p = readable_later(t);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 42};
    int epfd = keep_fd(t, epoll_create1(EPOLL_CLOEXEC));
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, p.fd, &event) != 0)
        fail(t, "epoll_ctl: %s", strerror(errno));
    return epfd;
}

TEST(epoll_wait, HANGS)
{
    struct epoll_event event = {0};
    int epfd = epoll_later(t);
    CALLED(t, call(epfd, &event, 1, -1));
    digest_number(t, (long long)event.data.u64);
}

TEST(epoll_pwait, HANGS)
{
    struct epoll_event event = {0};
    int epfd = epoll_later(t);
    CALLED(t, call(epfd, &event, 1, -1, NULL));
    digest_number(t, (long long)event.data.u64);
}

TEST(epoll_pwait2, HANGS)
{
    struct epoll_event event = {0};
    int epfd = epoll_later(t);
    CALLED(t, call(epfd, &event, 1, NULL, NULL));
    digest_number(t, (long long)event.data.u64);
}
