/* What the machine, or the container, allows: the preload itself, seccomp, reading memory, the
 * output directory, the kernel. */
#define _GNU_SOURCE
#include "doctor.h"

#include <cpuid.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/exit_status.h"

extern char **environ;

/* ---- our own parts ----------------------------------------------------------------------------*/

/* Where the preloaded object looks for it. */
static char *find_agent(const char *library)
{
    static const char *const names[] = {"stalltrace-agent.so", "stalltrace/stalltrace-agent.so"};
    int directory = (int)(strrchr(library, '/') - library);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = mem_printf("%.*s/%s", directory, library, names[i]);
        if (access(path, R_OK) == 0)
            return path;
        free(path);
    }
    return access(STALLTRACE_PKGLIBDIR "/stalltrace-agent.so", R_OK) == 0
               ? mem_strdup(STALLTRACE_PKGLIBDIR "/stalltrace-agent.so")
               : NULL;
}

/* In a child: what it loads is not to stay in this process. NULL where it can be loaded. */
static char *load_problem(const char *path)
{
    char message[512] = "";
    int fds[2];
    if (pipe(fds) != 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0) {
        const char *problem = dlopen(path, RTLD_NOW | RTLD_LOCAL) == NULL ? dlerror() : NULL;
        ssize_t ignored = problem != NULL ? write(fds[1], problem, strlen(problem)) : 0;
        (void)ignored;
        _exit(0);
    }
    close(fds[1]);
    ssize_t len = read(fds[0], message, sizeof(message) - 1);
    close(fds[0]);
    waitpid(pid, NULL, 0);
    return len > 0 ? mem_strdup(message) : NULL;
}

static void judge_parts(struct diagnosis *d)
{
    if (d->library == NULL) {
        state(d, NEVER, "preload", "libstalltrace.so is not there: is stalltrace fully installed?");
        return;
    }
    char *agent = find_agent(d->library);
    char *problem = agent != NULL ? load_problem(agent) : NULL;
    if (agent == NULL)
        state(d, NEVER, "agent",
              "stalltrace-agent.so is not there: is stalltrace fully installed?");
    else if (problem != NULL)
        state(d, NEVER, "agent", "stalltrace-agent.so cannot be loaded: %s", problem);
    else
        state(d, FINE, "parts", "stalltrace's own parts are there and can be loaded: %s, %s",
              d->library, base_name(agent));
    free(problem);
    free(agent);
}

/* ---- what is allowed --------------------------------------------------------------------------*/

/* A number from /proc/self/status, -1 where it is not there. */
static int status_number(const char *name)
{
    char line[256];
    int value = -1;
    size_t len = strlen(name);
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            value = atoi(line + len + 1);
    if (file != NULL)
        fclose(file);
    return value;
}

static void judge_seccomp(struct diagnosis *d)
{
    int mode = status_number("Seccomp");
    if (mode == 2)
        state(
            d, HINT, "seccomp",
            "a seccomp filter is in force here (as in a container): the self-test shows whether it "
            "lets stalltrace work");
    else if (mode == 0)
        state(d, FINE, "seccomp", "no seccomp filter is in force");
    if (status_number("NoNewPrivs") == 1)
        state(d, HINT, "no-new-privs", "setuid programs do not get other rights here (NoNewPrivs)");
}

/* The agent reads the memory of its own process in this way, and only that. */
static void judge_memory(struct diagnosis *d)
{
    char from[] = "abc", to[sizeof(from)] = "";
    struct iovec local = {to, sizeof(to)}, remote = {from, sizeof(from)};
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)sizeof(from))
        state(d, FINE, "memory", "a process may read its own memory with process_vm_readv");
    else
        state(d, PARTLY, "memory",
              "process_vm_readv is forbidden here (%s; a container's seccomp profile?): stacks of "
              "calls that still hang cannot be read",
              strerror(errno));
}

static void judge_output(struct diagnosis *d, const char *output)
{
    struct stat st;
    bool there = stat(output, &st) == 0;
    char *parent = mem_strdup(output);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        strcpy(parent, ".");
    else
        slash[slash == parent] = '\0';
    if (there && !S_ISDIR(st.st_mode))
        state(d, NEVER, "output", "the output directory cannot be made: %s is a file", output);
    else if (access(there ? output : parent, W_OK | X_OK) == 0)
        state(d, FINE, "output", "the output directory can be written: %s", output);
    else
        state(d, NEVER, "output",
              "the output directory cannot be written: %s (%s); choose another with -o", output,
              strerror(errno));
    free(parent);
}

/* ---- the kernel and the processor -------------------------------------------------------------*/

static bool has_system_call(long number)
{
    errno = 0;
    syscall(number, -1, -1, -1, 0, 0, 0);
    return errno != ENOSYS;
}

static void judge_kernel(struct diagnosis *d)
{
    struct utsname name;
    uname(&name);
    /* arguments that are refused: close_range with flags that there are not */
    bool close_range_there = has_system_call(SYS_close_range);
    bool getfd_there = has_system_call(SYS_pidfd_getfd);
    if (close_range_there && getfd_there)
        state(d, FINE, "kernel", "Linux %s has what stalltrace makes use of", name.release);
    else
        state(d, HINT, "kernel", "Linux %s (or its seccomp filter) lacks %s%s%s: %s", name.release,
              close_range_there ? "" : "close_range (5.9)",
              close_range_there || getfd_there ? "" : " and ",
              getfd_there ? "" : "pidfd_getfd (5.6)",
              getfd_there ? "the trace's descriptor is one of the program's"
                          : "the peer of a socket is not named while a call hangs");
}

static void judge_clock(struct diagnosis *d)
{
    unsigned a, b, c, features = 0;
    if (__get_cpuid(0x80000007, &a, &b, &c, &features) && features & 1u << 8)
        state(d, FINE, "clock",
              "the processor's clock (TSC) runs evenly: a watched call costs "
              "some 25 ns");
    else
        state(d, HINT, "clock",
              "the processor's clock (TSC) is not said to run evenly: the slower clock_gettime is "
              "used");
}

void diagnose_machine(struct diagnosis *d, const char *output)
{
    judge_parts(d);
    judge_output(d, output);
    judge_seccomp(d);
    judge_memory(d);
    judge_kernel(d);
    judge_clock(d);
}

/* ---- running something ------------------------------------------------------------------------*/

int run_quietly(char *const argv[], char *const env[], char **output)
{
    struct strbuf text = {0};
    posix_spawn_file_actions_t actions;
    int fds[2], status = 0;
    pid_t pid;
    char buffer[4096];
    if (pipe(fds) != 0)
        return -errno;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1 /* O_WRONLY */, 0);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    int error = posix_spawn(&pid, argv[0], &actions, NULL, argv, env != NULL ? env : environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    for (ssize_t len; error == 0 && (len = read(fds[0], buffer, sizeof(buffer))) > 0;)
        sb_addn(&text, buffer, (size_t)len);
    close(fds[0]);
    if (error != 0)
        return -error;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *output = text.data != NULL ? text.data : mem_strdup("");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
