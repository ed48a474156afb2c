/* What cases need around their call. Nothing is given back: the process ends soon. */
#include "cases.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <sys/socket.h>
#include <termios.h>

static int *new_pair(void)
{
    int *fds = calloc(2, sizeof(*fds));
    MUST(fds);
    return fds;
}

void set_nonblocking(int fd)
{
    MUST(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

static void put(int fd, const char *content)
{
    if (content)
        MUST(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
}

int *make_pipe(int flags, const char *content)
{
    int *fds = new_pair();
    MUST(pipe2(fds, O_CLOEXEC | flags) == 0);
    put(fds[1], content);
    return fds;
}

int *make_pair(int type, int flags, const char *content)
{
    int *fds = new_pair();
    MUST(socketpair(AF_UNIX, type | SOCK_CLOEXEC | flags, 0, fds) == 0);
    put(fds[1], content);
    return fds;
}

/* On this host, at a port of the kernel's choice. */
static int listen_at(struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(fd, (struct sockaddr *)address, len) == 0 && listen(fd, 4) == 0 &&
         getsockname(fd, (struct sockaddr *)address, &len) == 0);
    return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0);
    return fd;
}

int make_listener(int flags, bool with_client)
{
    struct sockaddr_in address;
    int fd = listen_at(&address);
    if (with_client)
        connect_to(&address);
    if (flags)
        set_nonblocking(fd);
    return fd;
}

int *make_tcp(int flags, const char *content)
{
    struct sockaddr_in address;
    int *fds = new_pair(), listener = listen_at(&address);
    fds[0] = connect_to(&address);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    MUST(fds[1] >= 0);
    close(listener);
    put(fds[1], content);
    for (int i = 0; flags && i < 2; i++)
        set_nonblocking(fds[i]);
    return fds;
}

/* In the directory that the tests have given. */
const char *make_path(const char *name)
{
    static int count;
    char *path;
    MUST(asprintf(&path, "%s.%d.%d", name, getpid(), count++) > 0);
    return path;
}

int make_file(const char *content, int flags)
{
    const char *path = make_path("file");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0);
    put(fd, content);
    close(fd);
    fd = open(path, O_RDWR | O_CLOEXEC | flags);
    MUST(fd >= 0);
    return fd;
}

int *make_terminal(int flags, const char *typed)
{
    int *fds = new_pair();
    MUST(openpty(&fds[0], &fds[1], NULL, NULL, NULL) == 0);
    put(fds[0], typed);
    for (int i = 0; flags && i < 2; i++)
        set_nonblocking(fds[i]);
    return fds;
}

void fill(int fd)
{
    static const char zeros[4096];
    int flags = fcntl(fd, F_GETFL);
    MUST(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
    while (write(fd, zeros, sizeof(zeros)) > 0)
        ;
    while (write(fd, zeros, 1) > 0)
        ;
    MUST(fcntl(fd, F_SETFL, flags) == 0);
}

struct timespec after(clockid_t clock, int seconds)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += seconds;
    return t;
}

/* ---- other threads ----------------------------------------------------------------------------*/

struct helper {
    pid_t tid; /* of the thread that is watched */
    clockid_t cpu;
    void (*release)(void *);
    void *argument;
};

/* The state and the time (in clock ticks) of a thread. */
static bool is_asleep(pid_t tid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
    close(fd);
    const char *end = n > 0 ? strrchr(line, ')') : NULL;
    return end && end[2] == 'S';
}

static void *release_sleeper(void *data)
{
    struct helper *h = data;
    while (!is_asleep(h->tid))
        sched_yield();
    h->release(h->argument);
    return NULL;
}

static long cpu_ms(clockid_t clock)
{
    struct timespec t = {0, 0};
    clock_gettime(clock, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *release_spinner(void *data)
{
    struct helper *h = data;
    for (long start = cpu_ms(h->cpu); cpu_ms(h->cpu) - start < 20;)
        sched_yield();
    h->release(h->argument);
    return NULL;
}

static void help(void *(*routine)(void *), void (*release)(void *), void *argument)
{
    struct helper *h = malloc(sizeof(*h));
    pthread_t thread;
    MUST(h);
    *h = (struct helper){.tid = gettid(), .release = release, .argument = argument};
    MUST(pthread_getcpuclockid(pthread_self(), &h->cpu) == 0);
    MUST(pthread_create(&thread, NULL, routine, h) == 0);
}

void when_asleep(void (*release)(void *), void *argument)
{
    help(release_sleeper, release, argument);
}

void when_spinning(void (*release)(void *), void *argument)
{
    help(release_spinner, release, argument);
}

struct sleeper {
    pid_t tid;
    void *(*routine)(void *);
    void *argument;
};

static void *sleeper(void *data)
{
    struct sleeper *s = data;
    __atomic_store_n(&s->tid, gettid(), __ATOMIC_RELEASE);
    return s->routine(s->argument);
}

void start_sleeper(void *(*routine)(void *), void *argument)
{
    struct sleeper *s = calloc(1, sizeof(*s));
    pthread_t thread;
    pid_t tid;
    MUST(s);
    s->routine = routine;
    s->argument = argument;
    MUST(pthread_create(&thread, NULL, sleeper, s) == 0);
    while ((tid = __atomic_load_n(&s->tid, __ATOMIC_ACQUIRE)) == 0 || !is_asleep(tid))
        sched_yield();
}
