/* libev: a timer callback that waits for a child. */
#include <ev.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int ticks, stall;

static void wait_for_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        usleep(300000);
        _exit(0);
    }
    waitpid(pid, NULL, 0); /* STALL */
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    if (++ticks == 3 && stall) {
        wait_for_child();
    }
    if (ticks == 20) {
        ev_timer_stop(loop, timer);
        ev_break(loop, EVBREAK_ALL);
    }
}

int main(int argc, char **argv)
{
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL);
    ev_timer timer;

    stall = argc > 1 && strcmp(argv[1], "stall") == 0;
    if (!loop) {
        return 9;
    }
    ev_timer_init(&timer, on_tick, 0.005, 0.005);
    ev_timer_start(loop, &timer);
    ev_run(loop, 0);
    ev_loop_destroy(loop);
    return 0;
}
