/* Threads in numbers: storms of short lives, loops among them, two loops at once, keys and names,
 * identities that must reach every thread, and the promises for a process of one thread. */
#include "hostile.h"

#include <dirent.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { STORM = 10000, AT_ONCE = 16 };

static void *short_life(void *number)
{
    if ((uintptr_t)number % 4 == 0) {
        int loop = hostile_loop();
        if ((uintptr_t)number % 64 == 0)
            hostile_stall(11);
        hostile_turn(loop);
        if ((uintptr_t)number % 8 == 0) /* some leave it open */
            close(loop);
        else
            syscall(SYS_close, loop);
    }
    return number;
}

static void storm(void)
{
    pthread_t threads[AT_ONCE];
    int loop = hostile_loop();
    for (uintptr_t i = 0; i < STORM; i += AT_ONCE) {
        for (uintptr_t k = 0; k < AT_ONCE; k++)
            MUST(pthread_create(&threads[k], NULL, short_life, (void *)(i + k)) == 0);
        for (uintptr_t k = 0; k < AT_ONCE; k++) {
            void *result;
            MUST(pthread_join(threads[k], &result) == 0 && result == (void *)(i + k));
        }
        hostile_turn(loop);
    }
    hostile_stall(15); /* still recorded */
    hostile_turn(loop);
}

/* More loops at a time than there are slots for. */
static pthread_barrier_t barrier;

static void *one_of_many(void *unused)
{
    int loop = hostile_loop();
    pthread_barrier_wait(&barrier);
    hostile_stall(11);
    hostile_turn(loop);
    pthread_barrier_wait(&barrier);
    close(loop);
    return unused;
}

static void many_loops(void)
{
    enum { MANY = 400 };
    static pthread_t threads[MANY];
    pthread_attr_t attributes;
    MUST(pthread_attr_init(&attributes) == 0);
    MUST(pthread_attr_setstacksize(&attributes, 64 * 1024) == 0);
    MUST(pthread_barrier_init(&barrier, NULL, MANY) == 0);
    for (int i = 0; i < MANY; i++)
        MUST(pthread_create(&threads[i], &attributes, one_of_many, NULL) == 0);
    for (int i = 0; i < MANY; i++)
        MUST(pthread_join(threads[i], NULL) == 0);
}

/* Two loops that wake each other through pipes, and stall in turn. */
static int there[2], back[2];

static void *second_loop(void *unused)
{
    struct epoll_event e = {.events = EPOLLIN};
    char byte;
    int loop = hostile_loop();
    MUST(epoll_ctl(loop, EPOLL_CTL_ADD, there[0], &e) == 0);
    for (int i = 0; i < 60; i++) {
        MUST(epoll_wait(loop, &e, 1, -1) == 1);
        MUST(read(there[0], &byte, 1) == 1);
        if (i % 20 == 0)
            hostile_stall(12);
        MUST(write(back[1], &byte, 1) == 1);
    }
    close(loop);
    return unused;
}

static void two_loops(void)
{
    struct epoll_event e = {.events = EPOLLIN};
    pthread_t thread;
    char byte = 'a';
    int loop = hostile_loop();
    MUST(pipe(there) == 0 && pipe(back) == 0);
    MUST(epoll_ctl(loop, EPOLL_CTL_ADD, back[0], &e) == 0);
    MUST(pthread_create(&thread, NULL, second_loop, NULL) == 0);
    for (int i = 0; i < 60; i++) {
        MUST(write(there[1], &byte, 1) == 1);
        MUST(epoll_wait(loop, &e, 1, -1) == 1);
        MUST(read(back[0], &byte, 1) == 1 && byte == 'a');
        if (i % 20 == 10)
            hostile_stall(12);
    }
    MUST(pthread_join(thread, NULL) == 0);
}

/* Destructors of a thread's own data run after its loop's end, and make calls, and run loops. */
static pthread_key_t key;
static atomic_int destroyed;

static void destroy(void *value)
{
    int loop = hostile_loop();
    usleep(100);
    hostile_turn(loop);
    close(loop);
    destroyed++;
    if ((uintptr_t)value < 3)
        MUST(pthread_setspecific(key, (void *)((uintptr_t)value + 1)) == 0);
}

static void *with_data(void *unused)
{
    MUST(pthread_setspecific(key, (void *)1) == 0);
    int loop = hostile_loop();
    hostile_stall(11);
    hostile_turn(loop);
    return unused;
}

static void destructors(void)
{
    pthread_t thread;
    MUST(pthread_key_create(&key, destroy) == 0);
    for (int i = 0; i < 50; i++) {
        MUST(pthread_create(&thread, NULL, with_data, NULL) == 0);
        MUST(pthread_join(thread, NULL) == 0);
    }
    MUST(destroyed == 150);
}

/* All the keys that a process may have are the program's, but one. */
static void keys(void)
{
    pthread_key_t k;
    int count = 0, loop = hostile_loop();
    while (count < PTHREAD_KEYS_MAX && pthread_key_create(&k, NULL) == 0)
        count++;
    MUST(count >= PTHREAD_KEYS_MAX - 2);
    hostile_turn(loop);
}

/* New ids reach every thread of the program's (and ours). */
static atomic_int phase;

static void *show_ids(void *unused)
{
    while (phase == 0)
        sched_yield();
    MUST(syscall(SYS_getuid) == 65534 && syscall(SYS_geteuid) == 65534);
    MUST(syscall(SYS_getgid) == 65533);
    return unused;
}

static int tasks(bool check_ids)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *d;
    int count = 0;
    MUST(dir);
    while ((d = readdir(dir)) != NULL) {
        char path[300], line[200];
        if (d->d_name[0] == '.')
            continue;
        count++;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", d->d_name);
        FILE *f = check_ids ? fopen(path, "r") : NULL;
        unsigned id[4];
        while (f && fgets(line, sizeof(line), f))
            if (sscanf(line, "Uid:\t%u\t%u\t%u\t%u", &id[0], &id[1], &id[2], &id[3]) == 4)
                MUST(id[0] == 65534 && id[1] == 65534 && id[2] == 65534);
        if (f)
            fclose(f);
    }
    closedir(dir);
    return count;
}

static void ids(void)
{
    pthread_t thread;
    if (geteuid() != 0)
        SKIP("not root");
    int loop = hostile_loop();
    hostile_stall(11);
    hostile_turn(loop);
    MUST(pthread_create(&thread, NULL, show_ids, NULL) == 0);
    MUST(setgroups(0, NULL) == 0 && setgid(65533) == 0 && setuid(65534) == 0);
    phase = 1;
    MUST(pthread_join(thread, NULL) == 0);
    tasks(true);
    hostile_stall(11);
    hostile_turn(loop);
    MUST(setuid(0) == -1 && errno == EPERM);
}

static void ids_of_one_thread(void)
{
    if (geteuid() != 0)
        SKIP("not root");
    int loop = hostile_loop();
    hostile_stall(11);
    hostile_turn(loop);
    MUST(setresgid(65533, 65533, 65533) == 0 && setresuid(65534, 65534, 65534) == 0);
    tasks(true);
    hostile_stall(11);
    hostile_turn(loop);
}

/* Capabilities that are kept are one thread's own: no other one (ours) must be asked to do what it
 * could not; glibc ends a program where the threads disagree. */
static void kept_capabilities(void)
{
    if (geteuid() != 0)
        SKIP("not root");
    int loop = hostile_loop();
    hostile_stall(11);
    hostile_turn(loop);
    MUST(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
    MUST(setresuid(65534, 65534, 65534) == 0);
    struct {
        unsigned version;
        int pid;
    } header = {0x20080522, 0};
    unsigned data[6];
    MUST(syscall(SYS_capget, &header, data) == 0);
    data[0] = data[1]; /* the permitted ones are the effective ones again */
    data[3] = data[4];
    MUST(syscall(SYS_capset, &header, data) == 0);
    MUST(setresgid(65533, 65533, 65533) == 0);
    MUST(setgroups(0, NULL) == 0);
    hostile_stall(11);
    hostile_turn(loop);
}

/* The kernel wants one thread for these. */
static void namespaces(void)
{
    int loop = hostile_loop(), status;
    hostile_stall(12);
    hostile_turn(loop);
    pid_t pid = fork();
    if (pid == 0) {
        loop = hostile_loop();
        hostile_stall(12);
        hostile_turn(loop);
        if (unshare(CLONE_NEWUSER) != 0)
            _exit(errno == EPERM ? HOSTILE_SKIPPED : 1);
        hostile_turn(loop);
        hostile_stall(12);
        MUST(unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) == 0 || errno == EPERM);
        MUST(unshare(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND) == 0);
        int own = open("/proc/self/ns/uts", O_RDONLY);
        MUST(own >= 0);
        hostile_turn(loop);
        hostile_stall(12);
        setns(own, 0);
        hostile_turn(loop);
        _exit(3);
    }
    MUST(waitpid(pid, &status, 0) == pid);
    if (status == HOSTILE_SKIPPED << 8)
        SKIP("user namespaces are not allowed");
    MUST(status == 3 << 8);
}

/* Memory that is locked, and all that comes: also what we map. */
static void locked_memory(void)
{
    struct rlimit limit = {8 << 20, 8 << 20};
    MUST(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0 && errno != ENOMEM && errno != EPERM)
        MUST(!"mlockall");
    int loop = hostile_loop();
    hostile_stall(12);
    hostile_turn(loop);
}

/* Realtime scheduling: our thread must not be in the way. */
static void realtime(void)
{
    struct sched_param p = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &p) != 0)
        SKIP("no realtime scheduling");
    int loop = hostile_loop();
    for (int i = 0; i < 5; i++) {
        hostile_stall(12);
        hostile_turn(loop);
    }
}

/* Loops that are over before anybody has looked at them: each the only one of its process. */
static void one_after_another(void)
{
    int status;
    for (int i = 0; i < 200; i++) {
        pid_t child = fork();
        if (child == 0) {
            close(hostile_loop());
            exit(0);
        }
        MUST(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
}

static const struct hostile_case cases[] = {
    {"storm", storm},
    {"many_loops", many_loops},
    {"two_loops", two_loops},
    {"one_after_another", one_after_another},
    {"destructors", destructors},
    {"keys", keys},
    {"ids", ids},
    {"ids_of_one_thread", ids_of_one_thread},
    {"kept_capabilities", kept_capabilities},
    {"namespaces", namespaces},
    {"locked_memory", locked_memory},
    {"realtime", realtime},
};
HOSTILE_MAIN(cases)
