/* Runs the cases that its arguments name, each in an iteration of its own; without arguments it
 * lists them. */
#include "cases.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum {
    FEW = 8,        /* cases, for which captures are free at any time */
    WATCHDOG = 100, /* seconds */
};

static struct strict_case *cases;

void add_case(struct strict_case *c)
{
    c->next = cases;
    cases = c;
}

static const struct strict_case *find_case(const char *call, const char *situation)
{
    for (const struct strict_case *c = cases; c; c = c->next)
        if (strcmp(c->call, call) == 0 && strcmp(c->situation, situation) == 0)
            return c;
    fprintf(stderr, "no case %s %s\n", call, situation);
    exit(2);
}

int main(int argc, char **argv)
{
    struct epoll_event event = {.events = EPOLLIN};
    /* it serves from the beginning: nothing here is start-up */
    MUST(listen(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 1) == 0);
    int home = epoll_create1(EPOLL_CLOEXEC), ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    MUST(epoll_ctl(home, EPOLL_CTL_ADD, ready, &event) == 0);
    alarm(WATCHDOG);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 1)
        for (const struct strict_case *c = cases; c; c = c->next)
            printf("%s %s\n", c->call, c->situation);
    for (int i = 1; i + 1 < argc; i += 2) {
        const struct strict_case *c = find_case(argv[i], argv[i + 1]);
        MUST(epoll_wait(home, &event, 1, -1) == 1);
        STALLTRACE_ALLOW_BEGIN(ALLOWED);
        c->run();
        if (i / 2 % FEW == 0)
            STALLTRACE_FLUSH();
        STALLTRACE_ALLOW_END();
    }
    return 0;
}
