/* Epoll loops that wait in more than one place. `nested`: a callback runs a loop of its own and
 * waits there 40 times, for 20 ms each, as Node's execSync does for a child that writes 40 lines.
 * `polled`: the loop's epoll fd is waited for with poll(), and its events are then fetched, as Ruby
 * does for EventMachine. `asked`: the first to be asked for events is a library's own epoll fd (as
 * libinput's or that of libmount's monitor), which the loop then waits for within its own, and asks
 * again whenever it turns. `driven`: the same, but the library is asked first where the stack is
 * less deep than where the loop waits. */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TURNS = 12, INNER_WAITS = 40, INNER_MS = 20, TURN_MS = 15 };

__attribute__((noinline)) static void callback(void)
{
    char frames_between[4096];
    struct epoll_event event;
    __asm__ volatile("" : : "r"(frames_between) : "memory");
    int inner = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < INNER_WAITS; i++) {
        epoll_wait(inner, &event, 1, INNER_MS); /* STALL */
    }
    close(inner);
}

__attribute__((noinline)) static void ask(int library)
{
    struct epoll_event event;
    for (int i = 0; i < INNER_WAITS; i++) {
        epoll_wait(library, &event, 1, 0);
    }
}

__attribute__((noinline)) static void wait_deeper(int loop)
{
    char frames_between[4096];
    struct epoll_event event;
    __asm__ volatile("" : : "r"(frames_between) : "memory");
    epoll_wait(loop, &event, 1, TURN_MS);
}

/* libmount's: added to the loop's own, and asked before that is first waited for. */
static void drive(int library)
{
    struct epoll_event event = {.events = EPOLLIN};
    epoll_wait(library, &event, 1, 0);
    int loop = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(loop, EPOLL_CTL_ADD, library, &event);
    for (int i = 0; i < TURNS; i++) {
        wait_deeper(loop);
        ask(library);
    }
}

int main(int argc, char **argv)
{
    int nested = argc > 1 && strcmp(argv[1], "nested") == 0;
    int polled = argc > 1 && strcmp(argv[1], "polled") == 0;
    int asked = argc > 1 && strcmp(argv[1], "asked") == 0;
    struct epoll_event event;
    int library = epoll_create1(EPOLL_CLOEXEC);
    if (argc > 1 && strcmp(argv[1], "driven") == 0) {
        drive(library);
        return 0;
    }
    if (asked)
        epoll_wait(library, &event, 1, 0);
    int loop = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < TURNS; i++) {
        if (polled) {
            struct pollfd fd = {loop, POLLIN, 0};
            poll(&fd, 1, TURN_MS);
        }
        epoll_wait(loop, &event, 1, polled ? 0 : TURN_MS);
        if (asked) {
            ask(library);
        }
        if (nested && i == TURNS / 2) {
            callback();
        }
    }
    close(loop);
    return 0;
}
