/* The loop waits with ppoll, poll or select on {its epoll descriptor, an eventfd}, as EventMachine
 * does with EM.epoll; a handler waits for a silent TCP peer in the same function for 400 ms. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int loop, wake_up;
static char how;

static int wait_for(int fd, int ms)
{
    struct pollfd fds[2] = {{fd, POLLIN, 0}, {wake_up, POLLIN, 0}};
    if (how == 's') {
        fd_set set;
        struct timeval time = {0, ms * 1000};
        FD_ZERO(&set);
        FD_SET(fd, &set);
        FD_SET(wake_up, &set);
        return select((fd > wake_up ? fd : wake_up) + 1, &set, NULL, NULL,
                      &time); /* STALL:select */
    }
    if (how == 'p') {
        struct timespec time = {0, ms * 1000000L};
        return ppoll(fds, 2, &time, NULL); /* STALL:ppoll */
    }
    return poll(fds, 2, ms); /* STALL:poll */
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    how = argc > 1 && !strcmp(argv[1], "select")  ? 's'
          : argc > 1 && !strcmp(argv[1], "ppoll") ? 'p'
                                                  : 0;
    int listener = socket(AF_INET, SOCK_STREAM, 0), peer = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&address, sizeof(address)) || listen(listener, 5) ||
        getsockname(listener, (void *)&address, &len) || connect(peer, (void *)&address, len))
        return 9;
    loop = epoll_create1(0);
    wake_up = eventfd(0, 0);
    for (int i = 0; i < 30; i++)
        wait_for(loop, 50);
    wait_for(peer, 400);
    for (int i = 0; i < 5; i++)
        wait_for(loop, 50);
    return 0;
}
