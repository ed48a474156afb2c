/* See launch.h. Signals are read from a descriptor, so that one poll() waits for the program's end
 * and for its trace to grow, and nothing happens in handlers. */
#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/util.h"

static const int forwarded[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

/* What the program must find as the caller left it. */
struct signal_state {
    sigset_t mask;
    struct sigaction child, pipe, size;
};

static void take_signals(struct launch *launch, struct signal_state *before)
{
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    for (size_t i = 0; i < COUNT_OF(forwarded); i++)
        sigaddset(&watched, forwarded[i]);
    sigprocmask(SIG_BLOCK, &watched, &before->mask);
    struct sigaction normal = {.sa_handler = SIG_DFL};
    /* An inherited SIG_IGN would discard the program's exit status. */
    sigaction(SIGCHLD, &normal, &before->child);
    /* Nobody may read our stderr any more, or files may not grow: that must not end us before the
     * program ends. */
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignored, &before->pipe);
    sigaction(SIGXFSZ, &ignored, &before->size);
    launch->signal_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void give_back_signals(const struct signal_state *before)
{
    sigaction(SIGCHLD, &before->child, NULL);
    sigaction(SIGPIPE, &before->pipe, NULL);
    sigaction(SIGXFSZ, &before->size, NULL);
    sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

static _Noreturn void become(char **argv, int error_fd, const struct signal_state *before)
{
    give_back_signals(before);
    execvp(argv[0], argv);
    int error = errno;
    ssize_t ignored = write(error_fd, &error, sizeof(error));
    (void)ignored;
    _exit(127);
}

int launch_start(struct launch *launch, char **argv)
{
    struct signal_state before;
    int error_pipe[2], error = 0;
    if (pipe2(error_pipe, O_CLOEXEC) != 0)
        return -errno;
    take_signals(launch, &before);
    launch->pid = fork();
    if (launch->pid == 0)
        become(argv, error_pipe[1], &before);
    if (launch->pid < 0)
        error = errno;
    close(error_pipe[1]);
    ssize_t got = 0;
    /* End of file: execvp succeeded and closed the other end. */
    while (launch->pid > 0 && (got = read(error_pipe[0], &error, sizeof(error))) < 0 &&
           errno == EINTR)
        ;
    close(error_pipe[0]);
    if (error == 0 && launch->signal_fd >= 0)
        return 0;
    if (launch->pid > 0 && got > 0)
        waitpid(launch->pid, NULL, 0);
    give_back_signals(&before);
    if (launch->signal_fd >= 0)
        close(launch->signal_fd);
    return error != 0 ? -error : -EMFILE;
}

static int reap(struct launch *launch)
{
    int result = -1, status;
    pid_t pid;
    /* All children: as a container's first process we inherit orphans. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == launch->pid)
            result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return result;
}

int launch_handle(struct launch *launch)
{
    struct signalfd_siginfo info;
    int result = -1;
    while (read(launch->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            int status = reap(launch);
            result = status >= 0 ? status : result;
        } else if (info.ssi_code != SI_KERNEL && result < 0) {
            /* What the kernel sends (Ctrl-C, a hang-up) goes to the whole group already; whether it
             * ends anything is the program's affair. */
            kill(launch->pid, (int)info.ssi_signo);
        }
    }
    return result;
}
