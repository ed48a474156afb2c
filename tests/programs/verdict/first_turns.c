/* What a loop that is written by hand does in its first turns, before it can be known for one. The
 * first argument says how it waits, the second what it does there. The stalls are long: before the
 * loop is known nobody looks at what its thread had of a CPU. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int ready, other, quiet[2];
static bool selects;

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void wait_once(void)
{
    if (selects) {
        fd_set in;
        FD_ZERO(&in);
        FD_SET(ready, &in);
        FD_SET(other, &in);
        select((ready > other ? ready : other) + 1, &in, NULL, NULL, NULL);
    } else {
        struct pollfd fds[] = {{ready, POLLIN, 0}, {other, POLLIN, 0}};
        poll(fds, 2, -1);
    }
}

/* A blocking client: it waits for its answer, which does not come. */
static void ask(void)
{
    struct pollfd answer = {quiet[0], POLLIN, 0};
    poll(&answer, 1, 500); /* STALL:asks */
}

static void turn(const char *what, int n)
{
    if (strcmp(what, "sleeps") == 0 && n == 2) {
        pause_ms(500);
    } else if (strcmp(what, "asks") == 0 && n == 1) {
        ask();
    } else if (strcmp(what, "often") == 0 && n < 7) {
        pause_ms(300);
    } else if (strcmp(what, "late") == 0 && n == 10) {
        pause_ms(500);
    } else if (strcmp(what, "forks") == 0 && n == 3) {
        pause_ms(500);
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        return 2;
    }
    const char *what = argv[2];
    selects = strcmp(argv[1], "select") == 0;
    ready = eventfd(1, EFD_CLOEXEC);
    other = eventfd(0, EFD_CLOEXEC);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, quiet) != 0) {
        return 3;
    }
    if (strcmp(what, "before") == 0) {
        pause_ms(500); /* nobody waits yet */
    }
    int turns = strcmp(what, "few") == 0 ? 5 : 14;
    for (int i = 0; i < turns; i++) {
        wait_once();
        turn(turns == 5 ? "often" : what, i);
    }
    if (strcmp(what, "done") == 0) { /* another begins, which is none: the first is over */
        close(ready);
        close(other);
        pause_ms(500);
    }
    return 0;
}
