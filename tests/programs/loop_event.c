/* libevent: an event loop whose timer calls a synchronous DNS-like helper that polls for 300 ms. */
#include <event2/event.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static struct event_base *base;
static int pipe_ends[2], ticks, stall;

static void ask_and_wait(void)
{
    struct pollfd answer = {pipe_ends[0], POLLIN, 0};
    poll(&answer, 1, 300); /* STALL */
}

static void on_tick(evutil_socket_t fd, short what, void *unused)
{
    (void)fd, (void)what, (void)unused;
    if (++ticks == 3 && stall) {
        ask_and_wait();
    }
    if (ticks == 20) {
        event_base_loopbreak(base);
    }
}

int main(int argc, char **argv)
{
    struct timeval every = {0, 5000};
    struct event *timer;

    stall = argc > 1 && strcmp(argv[1], "stall") == 0;
    base = event_base_new();
    if (!base || pipe(pipe_ends) != 0) {
        return 9;
    }
    timer = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    event_add(timer, &every);
    event_base_dispatch(base);
    event_free(timer);
    event_base_free(base);
    return 0;
}
