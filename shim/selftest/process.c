/* Bodies: waits for other processes. */
#include "selftest.h"

enum { STATUS = 7 };

static struct child *ends_later(struct trial *t)
{
    struct child *child = make_child(t, STATUS, true);
    release_by(t, let_go, child);
    return child;
}

TEST(wait, HANGS)
{
    int status = 0;
    struct child *child = ends_later(t);
    expect(t, ST_PROCESS, "any child");
    result_is(t, CALLED(t, call(&status)) == child->pid);
    digest_number(t, WEXITSTATUS(status));
}

TEST(waitpid, HANGS)
{
    int status = 0;
    struct child *child = ends_later(t);
    expect(t, ST_PROCESS, "pid %d", (int)child->pid);
    result_is(t, CALLED(t, call(child->pid, &status, 0)) == child->pid);
    digest_number(t, WEXITSTATUS(status));
}

TEST(waitid, HANGS)
{
    siginfo_t info = {0};
    struct child *child = ends_later(t);
    expect(t, ST_PROCESS, "pid %d", (int)child->pid);
    CALLED(t, call(P_PID, (id_t)child->pid, &info, WEXITED));
    digest_number(t, info.si_pid == child->pid);
    digest_number(t, info.si_status);
}

TEST(wait3, HANGS)
{
    int status = 0;
    struct rusage usage = {.ru_nswap = -1};
    struct child *child = ends_later(t);
    expect(t, ST_PROCESS, "any child");
    result_is(t, CALLED(t, call(&status, 0, &usage)) == child->pid);
    digest_number(t, WEXITSTATUS(status));
    digest_number(t, usage.ru_nswap);
}

TEST(wait4, HANGS)
{
    int status = 0;
    struct rusage usage = {.ru_nswap = -1};
    struct child *child = ends_later(t);
    expect(t, ST_PROCESS, "pid %d", (int)child->pid);
    result_is(t, CALLED(t, call(child->pid, &status, 0, &usage)) == child->pid);
    digest_number(t, WEXITSTATUS(status));
    digest_number(t, usage.ru_nswap);
}

static void open_and_close(void *path)
{
    close(open(path, O_WRONLY | O_CLOEXEC));
}

/* A shell that waits for the other side of a FIFO. */
TEST(system, HANGS)
{
    char command[256], fifo[128];
    snprintf(fifo, sizeof(fifo), "%s", make_path(t, "fifo"));
    NEED(t, mkfifo(fifo, 0600) == 0);
    snprintf(command, sizeof(command), ": < %s; exit %d", fifo, STATUS);
    release_by(t, open_and_close, fifo);
    expect(t, ST_PROCESS, "%s", command);
    int status = CALLED(t, call(command));
    digest_number(t, WEXITSTATUS(status));
}
