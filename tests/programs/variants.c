/* The same calls under the names that fortified, large-file and old programs import. The tests
 * compile it with different flags; the first argument says which call blocks. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int ends[2];
static const char *path;
static volatile size_t five = 5;

static void *write_later(void *unused)
{
    struct timespec t = {0, 150 * 1000000};
    int fd = ends[1];
    nanosleep(&t, NULL);
    if (path) {
        fd = open(path, O_WRONLY);
    }
    return write(fd, "0123456789", 10) == 10 ? unused : (void *)&ends;
}

/* Sizes that the compiler cannot know, so that it must ask for the check. */
static int call(const char *name, size_t size)
{
    char buf[16];
    struct pollfd fds[2] = {{ends[0], POLLIN, 0}, {ends[0], POLLIN, 0}};
    struct iovec v = {buf, 5};
    struct msghdr message = {.msg_iov = &v, .msg_iovlen = 1};

    // clang-format off
    if (strcmp(name, "read") == 0) return read(ends[0], buf, size) <= 0; // STALL:read
    if (strcmp(name, "readv") == 0) return readv(ends[0], &v, 1) <= 0; // STALL:readv
    if (strcmp(name, "recv") == 0) return recv(ends[0], buf, size, 0) <= 0; // STALL:recv
    if (strcmp(name, "recvfrom") == 0) return recvfrom(ends[0], buf, size, 0, NULL, NULL) <= 0; // STALL:recvfrom
    if (strcmp(name, "recvmsg") == 0) return recvmsg(ends[0], &message, 0) <= 0; // STALL:recvmsg
    if (strcmp(name, "poll") == 0) return poll(fds, size - 4, -1) <= 0; // STALL:poll
    if (strcmp(name, "open") == 0) return open(path, (int)size - 5) < 0; // STALL:open
    // clang-format on
    return 9;
}

int main(int argc, char **argv)
{
    struct epoll_event event = {.events = EPOLLIN};
    int loop = epoll_create1(EPOLL_CLOEXEC), ready = eventfd(1, EFD_CLOEXEC), failed;
    pthread_t thread;

    if (argc < 2 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        return 8;
    }
    path = argc > 2 ? argv[2] : NULL;
    epoll_ctl(loop, EPOLL_CTL_ADD, ready, &event);
    epoll_wait(loop, &event, 1, -1);
    if (pthread_create(&thread, NULL, write_later, NULL) != 0) {
        return 7;
    }
    failed = call(argv[1], five);
    epoll_wait(loop, &event, 1, -1);
    close(loop);
    pthread_join(thread, NULL);
    return failed;
}
