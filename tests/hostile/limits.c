/* What may be missing: descriptors, disk, memory, threads, the directory of the traces, the root,
 * the privileges. */
#include "hostile.h"

#include <dirent.h>
#include <poll.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void stalls(int loop)
{
    for (int i = 0; i < 5; i++) {
        hostile_stall(12);
        hostile_turn(loop);
        usleep(10);
    }
}

static void limit(int what, rlim_t value)
{
    struct rlimit l;
    MUST(getrlimit(what, &l) == 0);
    l.rlim_cur = value;
    MUST(setrlimit(what, &l) == 0);
}

/* ---- descriptors ---- */

static int lowest(void)
{
    int fd = dup(0);
    MUST(fd >= 0);
    close(fd);
    return fd;
}

static void numbers_are_the_programs(void)
{
    int first = lowest();
    MUST(first == 3);
    int loop = hostile_loop();
    MUST(loop == first);
    stalls(loop);
    MUST(lowest() == first + 1);
    MUST(close(loop) == 0);
    MUST(lowest() == first);
}

/* Closes every descriptor and makes pipes of the same numbers: what is read from them is what was
 * written, whatever is being recorded. */
static void close_all(void (*close_them)(void))
{
    int loop = hostile_loop(), pipes[40][2];
    stalls(loop);
    for (int round = 0; round < 3; round++) {
        close_them();
        MUST(lowest() == 3);
        for (int i = 0; i < 40; i++) {
            MUST(pipe(pipes[i]) == 0 && pipes[i][0] == 3 + 2 * i && pipes[i][1] == 4 + 2 * i);
            MUST(write(pipes[i][1], &i, sizeof(i)) == sizeof(i));
        }
        loop = hostile_loop();
        MUST(loop == 83);
        stalls(loop);
        for (int i = 0; i < 40; i++) {
            int value = -1, more = 0;
            struct pollfd p = {pipes[i][0], POLLIN, 0};
            MUST(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
            MUST(read(pipes[i][0], &value, sizeof(value)) == sizeof(value) && value == i);
            MUST(fcntl(pipes[i][0], F_SETFL, O_NONBLOCK) == 0);
            MUST(read(pipes[i][0], &more, 1) == -1 && errno == EAGAIN);
        }
        stalls(loop);
    }
}

static void with_close_range(void)
{
    MUST(close_range(3, ~0u, 0) == 0);
}

static void with_closefrom(void)
{
    closefrom(3);
}

static void with_close(void)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
}

static void with_proc(void)
{
    int found[1024], n = 0;
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *d;
    MUST(dir);
    while (n < 1024 && (d = readdir(dir)) != NULL)
        if (atoi(d->d_name) >= 3 && atoi(d->d_name) != dirfd(dir))
            found[n++] = atoi(d->d_name);
    closedir(dir);
    while (n > 0)
        MUST(close(found[--n]) == 0);
}

static void by_close_range(void)
{
    close_all(with_close_range);
}

static void by_closefrom(void)
{
    close_all(with_closefrom);
}

static void by_close(void)
{
    close_all(with_close);
}

static void by_proc(void)
{
    close_all(with_proc);
}

static void close_range_unshares(void)
{
    int loop = hostile_loop();
    stalls(loop);
    MUST(close_range(3, ~0u, CLOSE_RANGE_UNSHARE) == 0);
    MUST(lowest() == 3);
    stalls(hostile_loop());
}

static void few_descriptors(void)
{
    limit(RLIMIT_NOFILE, 6);
    int loop = hostile_loop();
    stalls(loop);
    MUST(dup(0) == loop + 1 && dup(0) == loop + 2 && dup(0) == -1 && errno == EMFILE);
    stalls(loop);
}

static void no_descriptors(void)
{
    int loop = epoll_create1(EPOLL_CLOEXEC);
    limit(RLIMIT_NOFILE, 0);
    hostile_turn(loop);
    stalls(loop);
    MUST(dup(0) == -1);
}

/* ---- disk: the second argument is the directory of the traces, if there is one ---- */

static void no_file_size(void)
{
    limit(RLIMIT_FSIZE, 0);
    stalls(hostile_loop());
}

static void little_file_size(void)
{
    limit(RLIMIT_FSIZE, 1000);
    stalls(hostile_loop());
    limit(RLIMIT_FSIZE, RLIM_INFINITY);
    stalls(hostile_loop());
}

/* The program's own writes over the limit are signalled as ever. */
static volatile sig_atomic_t too_large;

static void on_xfsz(int number)
{
    (void)number;
    too_large++;
}

static void own_file_size(void)
{
    char name[4200];
    static char bytes[8192];
    snprintf(name, sizeof(name), "%s/large.%d", hostile_argument, getpid());
    signal(SIGXFSZ, on_xfsz);
    limit(RLIMIT_FSIZE, 4096);
    int loop = hostile_loop();
    stalls(loop);
    MUST(too_large == 0);
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    MUST(fd >= 0 && unlink(name) == 0);
    MUST(write(fd, bytes, sizeof(bytes)) == 4096);
    MUST(write(fd, bytes, 1) == -1 && errno == EFBIG && too_large == 1);
    stalls(loop);
    MUST(too_large == 1);
}

static const char *traces(void)
{
    const char *dir = getenv("STALLTRACE_OUTPUT");
    return dir ? dir : "/nonexistent";
}

static void disk_is_full(void)
{
    mkdir(traces(), 0777);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        (access(traces(), F_OK) == 0 &&
         mount("none", traces(), "tmpfs", 0, "size=4k,nr_inodes=10") != 0))
        SKIP("mounting is not allowed");
    int loop = hostile_loop();
    for (int i = 0; i < 10; i++)
        stalls(loop);
}

static void directory_is_read_only(void)
{
    mkdir(traces(), 0777);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        (access(traces(), F_OK) == 0 && mount("none", traces(), "tmpfs", MS_RDONLY, NULL) != 0))
        SKIP("mounting is not allowed");
    stalls(hostile_loop());
}

static void directory_vanishes(void)
{
    char moved[4200];
    rmdir(traces());
    stalls(hostile_loop());
    snprintf(moved, sizeof(moved), "%s.gone", traces());
    int r = rename(traces(), moved);
    stalls(hostile_loop());
    if (r == 0)
        rename(moved, traces());
    pid_t pid = fork();
    if (pid == 0) {
        stalls(hostile_loop());
        _exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

static void chroots(void)
{
    char root[4200];
    if (geteuid() != 0)
        SKIP("not root");
    snprintf(root, sizeof(root), "%s/root.%d", hostile_argument, getpid());
    MUST(mkdir(root, 0755) == 0);
    int before = lowest();
    MUST(chroot(root) == 0 && chdir("/") == 0);
    MUST(setgid(65534) == 0 && setuid(65534) == 0);
    MUST(lowest() == before);
    stalls(hostile_loop());
    MUST(open("/etc/passwd", O_RDONLY) == -1 && errno == ENOENT);
}

static void chroots_later(void)
{
    char root[4200];
    if (geteuid() != 0)
        SKIP("not root");
    snprintf(root, sizeof(root), "%s/root2.%d", hostile_argument, getpid());
    MUST(mkdir(root, 0755) == 0);
    int loop = hostile_loop(), status;
    stalls(loop);
    MUST(chroot(root) == 0 && chdir("/") == 0);
    MUST(setgid(65534) == 0 && setuid(65534) == 0);
    stalls(loop);
    pid_t pid = fork();
    if (pid == 0) {
        stalls(hostile_loop());
        _exit(0);
    }
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

/* ---- memory and threads ---- */

static void *nothing(void *unused)
{
    return unused;
}

static void no_threads(void)
{
    pthread_t thread;
    struct rlimit none = {0, 0};
    MUST(setrlimit(RLIMIT_NPROC, &none) == 0);
    if (geteuid() == 0)
        MUST(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    stalls(hostile_loop());
    MUST(pthread_create(&thread, NULL, nothing, NULL) == EAGAIN);
    MUST(fork() == -1 && errno == EAGAIN);
    stalls(hostile_loop());
}

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    MUST(f && fscanf(f, "%zu", &pages) == 1);
    fclose(f);
    return pages * 4096;
}

/* Too little for an agent, from the start on; and all of it given back at the end. */
static void no_memory(void)
{
    size_t now = address_space();
    limit(RLIMIT_AS, now + 4096 * 10);
    int loop = hostile_loop();
    stalls(loop);
    limit(RLIMIT_AS, RLIM_INFINITY);
    stalls(loop);
}

static void little_memory(void)
{
    limit(RLIMIT_AS, address_space() + (3 << 20));
    int loop = hostile_loop();
    stalls(loop);
    void *volatile p = malloc(100 << 20); /* or the compiler may leave it out */
    MUST(!p && errno == ENOMEM);
    p = malloc(64 << 10);
    MUST(p);
    stalls(loop);
    free(p);
}

static void small_main_stack(void)
{
    limit(RLIMIT_STACK, 128 << 10);
    int loop = hostile_loop();
    stalls(loop);
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 4", (char *)NULL);
        _exit(9);
    }
    MUST(waitpid(pid, &status, 0) == pid && status == 4 << 8);
}

static void unlimited_stack(void)
{
    struct rlimit l;
    MUST(getrlimit(RLIMIT_STACK, &l) == 0);
    if (l.rlim_max != RLIM_INFINITY)
        SKIP("the stack's limit is fixed");
    limit(RLIMIT_STACK, RLIM_INFINITY);
    stalls(hostile_loop());
}

static const struct hostile_case cases[] = {
    {"numbers_are_the_programs", numbers_are_the_programs},
    {"close_range", by_close_range},
    {"closefrom", by_closefrom},
    {"close", by_close},
    {"close_by_proc", by_proc},
    {"close_range_unshares", close_range_unshares},
    {"few_descriptors", few_descriptors},
    {"no_descriptors", no_descriptors},
    {"no_file_size", no_file_size},
    {"little_file_size", little_file_size},
    {"own_file_size", own_file_size},
    {"disk_is_full", disk_is_full},
    {"directory_is_read_only", directory_is_read_only},
    {"directory_vanishes", directory_vanishes},
    {"chroots", chroots},
    {"chroots_later", chroots_later},
    {"no_threads", no_threads},
    {"no_memory", no_memory},
    {"little_memory", little_memory},
    {"small_main_stack", small_main_stack},
    {"unlimited_stack", unlimited_stack},
};
HOSTILE_MAIN(cases)
