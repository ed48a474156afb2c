/* Bodies: reads, writes and files. */
#include "selftest.h"

#include <string.h>

static const char text[] = "abcdefgh";

/* ---- of any kind ------------------------------------------------------------------------------*/

TEST(read, HANGS)
{
    int fds[2];
    char buf[16] = "";
    make_pipe(t, fds);
    write_later(t, fds[1], text);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[0], buf, sizeof(buf)));
    digest_text(t, buf);
}

TEST(__read_chk, HANGS)
{
    int fds[2];
    char buf[16] = "";
    make_socketpair(t, SOCK_STREAM, fds);
    write_later(t, fds[1], text);
    expect(t, ST_NET, "unix socket (unnamed)");
    CALLED(t, call(fds[0], buf, 8, sizeof(buf)));
    digest_text(t, buf);
}

TEST(readv, HANGS)
{
    int fds[2];
    char a[4] = "", b[16] = "";
    struct iovec iov[] = {{a, 3}, {b, 8}};
    make_pipe(t, fds);
    write_later(t, fds[1], text);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[0], iov, 2));
    digest_text(t, a);
    digest_text(t, b);
}

TEST(write, HANGS)
{
    int fds[2];
    make_pipe(t, fds);
    fill(fds[1]);
    drain_later(t, fds[0]);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[1], text, 8));
}

TEST(writev, HANGS)
{
    int fds[2];
    char a[] = "abc", b[] = "defgh";
    struct iovec iov[] = {{a, 3}, {b, 5}};
    make_pipe(t, fds);
    fill(fds[1]);
    drain_later(t, fds[0]);
    expect(t, ST_IPC, "pipe");
    CALLED(t, call(fds[1], iov, 2));
}
