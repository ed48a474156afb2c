/* Filters that kill: whoever makes a system call that the program did not make ends it. The filters
 * are installed with the raw interface, and allow what their case needs and nothing else. */
#include "hostile.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { MAX_RULES = 64 };

enum how { BY_PRCTL, BY_SYSCALL, ALL_THREADS };

/* Allows these system calls (ending with -1), and kills the process for any other. */
static void filter(enum how how, const int *allowed)
{
    struct sock_filter code[2 * MAX_RULES + 8];
    unsigned short n = 0;
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (; *allowed >= 0; allowed++) {
        code[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)*allowed, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {n, code};
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (how == BY_PRCTL)
        MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
    else
        MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                     how == ALL_THREADS ? SECCOMP_FILTER_FLAG_TSYNC : 0, &program) == 0);
}

/* What a loop needs that sleeps, reads and writes. */
#define LOOP                                                                                       \
    SYS_epoll_create1, SYS_epoll_wait, SYS_clock_nanosleep, SYS_read, SYS_write, SYS_close,        \
        SYS_exit, SYS_exit_group, SYS_rt_sigreturn

static int ends[2];

static void stall_a_few_times(int loop)
{
    char byte;
    for (int i = 0; i < 6; i++) {
        hostile_stall(12);
        hostile_turn(loop);
        MUST(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1);
        usleep(50);
    }
}

/* On the loop's own thread, which is the only one: after it has run, and before it does. */
static void one_thread(enum how how)
{
    static const int allowed[] = {LOOP, -1};
    MUST(pipe(ends) == 0);
    int loop = hostile_loop();
    hostile_stall(15);
    hostile_turn(loop);
    filter(how, allowed);
    stall_a_few_times(loop);
}

static void by_prctl(void)
{
    one_thread(BY_PRCTL);
}

static void by_syscall(void)
{
    one_thread(BY_SYSCALL);
}

static void on_all_threads(void)
{
    one_thread(ALL_THREADS);
}

static void loop_after(enum how how)
{
    static const int allowed[] = {LOOP, -1};
    MUST(pipe(ends) == 0);
    filter(how, allowed);
    stall_a_few_times(hostile_loop());
}

static void loop_after_filter(void)
{
    loop_after(BY_PRCTL);
}

static void loop_after_filter_on_all_threads(void)
{
    loop_after(ALL_THREADS);
}

/* One thread has a filter, and then a loop; another has a loop and none; both stall. */
static void *filtered_loop(void *unused)
{
    static const int allowed[] = {LOOP, SYS_madvise, SYS_munmap, SYS_futex, SYS_rt_sigprocmask, -1};
    filter(BY_SYSCALL, allowed);
    stall_a_few_times(hostile_loop());
    return unused;
}

static void one_of_two_threads(void)
{
    pthread_t thread;
    MUST(pipe(ends) == 0);
    int loop = hostile_loop();
    MUST(pthread_create(&thread, NULL, filtered_loop, NULL) == 0);
    for (int i = 0; i < 10; i++) {
        hostile_stall(12);
        hostile_turn(loop);
    }
    MUST(pthread_join(thread, NULL) == 0);
}

/* A filter for all threads, installed by one while another one's call hangs. */
static atomic_bool hanging;

static void *hang(void *unused)
{
    int loop = hostile_loop();
    atomic_store(&hanging, 1); /* a thread that starts makes calls that the filter forbids */
    hostile_stall(120);
    hostile_turn(loop);
    close(loop);
    return unused;
}

static void all_threads_while_one_hangs(void)
{
    static const int allowed[] = {LOOP, SYS_madvise, SYS_munmap, SYS_futex, SYS_rt_sigprocmask, -1};
    pthread_t thread;
    MUST(pipe(ends) == 0);
    MUST(pthread_create(&thread, NULL, hang, NULL) == 0);
    while (!atomic_load(&hanging))
        hostile_stall(1);
    hostile_stall(30);
    filter(ALL_THREADS, allowed);
    stall_a_few_times(hostile_loop());
    MUST(pthread_join(thread, NULL) == 0);
}

/* The strict mode of seccomp: read, write, exit and sigreturn, and nothing else. */
static void strict_mode(void)
{
    int status;
    MUST(pipe(ends) == 0);
    int loop = hostile_loop();
    hostile_stall(15);
    hostile_turn(loop);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        loop = hostile_loop();
        MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0);
        for (int i = 0; i < 5; i++)
            MUST(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1);
        syscall(SYS_exit, 0);
    }
    MUST(waitpid(pid, &status, 0) == pid);
    if (status != 0) {
        dprintf(2, "child: %#x\n", (unsigned)status);
        _exit(1);
    }
}

/* It forks under the filter; the child runs a loop, and both end. */
static void forks_under_a_filter(void)
{
    static const int allowed[] = {LOOP, SYS_clone, SYS_wait4, SYS_set_robust_list, SYS_gettid, -1};
    int status;
    MUST(pipe(ends) == 0);
    int loop = hostile_loop();
    hostile_stall(15);
    hostile_turn(loop);
    filter(BY_PRCTL, allowed);
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            stall_a_few_times(hostile_loop());
            _exit(3);
        }
        MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
        if (status != 3 << 8) {
            dprintf(2, "child: %#x\n", (unsigned)status);
            _exit(1);
        }
        stall_a_few_times(loop);
    }
}

/* Privileges go after the filter, and another program comes after that. */
static void setuid_and_exec_under_a_filter(void)
{
    static const int allowed[] = {LOOP,          SYS_clone,  SYS_wait4,  SYS_set_robust_list,
                                  SYS_gettid,    SYS_setuid, SYS_execve, SYS_setresuid,
                                  SYS_setgroups, SYS_setgid, -1};
    int status;
    if (geteuid() != 0)
        SKIP("not root");
    MUST(pipe(ends) == 0);
    int loop = hostile_loop();
    hostile_stall(15);
    hostile_turn(loop);
    pid_t pid = fork();
    if (pid == 0) {
        filter(BY_PRCTL, allowed);
        MUST(setgid(65534) == 0 && setuid(65534) == 0);
        stall_a_few_times(hostile_loop());
        execl("/nonexistent", "nonexistent", (char *)NULL);
        MUST(errno == ENOENT);
        _exit(3);
    }
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (status != 3 << 8) {
        dprintf(2, "child: %#x\n", (unsigned)status);
        _exit(1);
    }
    hostile_turn(loop);
}

/* Asking what the kernel can do installs nothing (libseccomp asks when it is loaded): what comes
 * after is traced. */
static void asks_only(void)
{
    unsigned action = SECCOMP_RET_KILL_PROCESS;
    int loop = hostile_loop();
    MUST(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
    MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, NULL) == -1 &&
         errno == EFAULT);
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1 && errno == EFAULT);
    MUST(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0);
    hostile_stall(15); /* must be recorded */
    hostile_turn(loop);
}

/* Nor does asking give the program a second thread: Chromium's zygote asks, and ends itself if it
 * is not alone. */
static void asks_alone(void)
{
    struct stat before, tasks; /* as a directory it has a link for each of them */
    MUST(stat("/proc/self/task", &before) == 0);
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1 && errno == EFAULT);
    MUST(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1);
    MUST(stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink == before.st_nlink);
}

static const struct hostile_case cases[] = {
    {"by_prctl", by_prctl},
    {"by_syscall", by_syscall},
    {"on_all_threads", on_all_threads},
    {"loop_after_filter", loop_after_filter},
    {"loop_after_filter_on_all_threads", loop_after_filter_on_all_threads},
    {"one_of_two_threads", one_of_two_threads},
    {"all_threads_while_one_hangs", all_threads_while_one_hangs},
    {"strict_mode", strict_mode},
    {"forks_under_a_filter", forks_under_a_filter},
    {"setuid_and_exec_under_a_filter", setuid_and_exec_under_a_filter},
    {"asks_only", asks_only},
    {"asks_alone", asks_alone},
};
HOSTILE_MAIN(cases)
