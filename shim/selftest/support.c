/* Bodies: what tagging, fork and exit need. None of these is a finding; result and errno have to be
 * libc's. What changes the process, or ends it, is done in a child that runs a loop. */
#include "selftest.h"

#include <sys/prctl.h>
#include <sys/un.h>

enum { STATUS = 7, NOBODY = 65534 };

/* The name that the thread has: it is how the trace's reader knows the row. */
TEST(pthread_setname_np, SUPPORT)
{
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof(name));
    CALLED(t, call(pthread_self(), name));
    digest_number(t, call(pthread_self(), "a name that is much too long"));
}

TEST(prctl, SUPPORT)
{
    char name[16] = "", again[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof(name));
    CALLED(t, call(PR_SET_NAME, name));
    digest_number(t, call(PR_GET_NAME, again));
    digest_number(t, strcmp(name, again));
}

TEST(sem_init, SUPPORT)
{
    sem_t sem;
    int value = 0;
    CALLED(t, call(&sem, 0, 3));
    sem_getvalue(&sem, &value);
    digest_number(t, value);
    digest_number(t, call(&sem, 0, (unsigned)-1));
    digest_number(t, errno);
}

TEST(sem_trywait, SUPPORT)
{
    sem_t sem;
    sem_init(&sem, 0, 1);
    CALLED(t, call(&sem));
    digest_number(t, call(&sem));
    digest_number(t, errno);
}

TEST(sem_post, SUPPORT)
{
    sem_t sem;
    int value = 0;
    sem_init(&sem, 0, 1);
    CALLED(t, call(&sem));
    sem_getvalue(&sem, &value);
    digest_number(t, value);
}

TEST(setsockopt, SUPPORT)
{
    int fds[2];
    const struct linger patience = {.l_onoff = 1, .l_linger = 1}, none = {.l_onoff = 0};
    struct linger kept = {0, 0};
    socklen_t len = sizeof(kept);
    make_socketpair(t, SOCK_STREAM, fds);
    CALLED(t, call(fds[0], SOL_SOCKET, SO_LINGER, &patience, sizeof(patience)));
    NEED(t, getsockopt(fds[0], SOL_SOCKET, SO_LINGER, &kept, &len) == 0);
    digest_number(t, kept.l_onoff == 1 && kept.l_linger == 1);
    digest_number(t, call(fds[0], SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
    digest_number(t, call(fds[0], SOL_SOCKET, SO_LINGER, NULL, sizeof(none)));
    digest_number(t, errno);
    digest_number(t, call(-1, SOL_SOCKET, SO_LINGER, &patience, sizeof(patience)));
    digest_number(t, errno);
}

/* ---- the end of the process -------------------------------------------------------------------*/

TEST(_exit, SUPPORT)
{
    IN_CHILD_VOID(t, call(STATUS));
}

TEST(_Exit, SUPPORT)
{
    IN_CHILD_VOID(t, call(STATUS));
}

TEST(quick_exit, SUPPORT)
{
    IN_CHILD_VOID(t, call(STATUS));
}

/* Ends the child before its exit handlers would, and does nothing in the parent. */
static void destroy(void *parent)
{
    if (getpid() != *(pid_t *)parent)
        _exit(STATUS + 1);
}

TEST(quick_exit_2_10, SUPPORT)
{
    extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
    extern void *__dso_handle;
    static pid_t parent;
    parent = getpid();
    NEED(t, __cxa_thread_atexit_impl(destroy, &parent, &__dso_handle) == 0);
    IN_CHILD_VOID(t, call(STATUS));
}

/* ---- another program --------------------------------------------------------------------------*/

static char *const shell[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"exit $((3 + 4))"}, NULL};

TEST(execve, SUPPORT)
{
    IN_CHILD(t, call("/bin/sh", shell, environ));
}

TEST(execv, SUPPORT)
{
    IN_CHILD(t, call("/bin/sh", shell));
}

TEST(execvp, SUPPORT)
{
    IN_CHILD(t, call("sh", shell));
}

TEST(execvpe, SUPPORT)
{
    IN_CHILD(t, call("sh", shell, environ));
}

TEST(execl, SUPPORT)
{
    IN_CHILD(t, call("/bin/sh", "sh", "-c", "exit $((3 + 4))", (char *)NULL));
}

TEST(execlp, SUPPORT)
{
    IN_CHILD(t, call("sh", "sh", "-c", "exit $((3 + 4))", (char *)NULL));
}

TEST(execle, SUPPORT)
{
    IN_CHILD(t, call("/bin/sh", "sh", "-c", "exit $((3 + 4))", (char *)NULL, environ));
}

TEST(fexecve, SUPPORT)
{
    int fd = keep_fd(t, open("/bin/sh", O_RDONLY | O_CLOEXEC));
    IN_CHILD(t, call(fd, shell, environ));
}

/* ---- other rights: those of nobody where that is allowed, else one's own
 * -----------------------*/

static uid_t other_uid(void)
{
    return geteuid() == 0 ? NOBODY : getuid();
}

static gid_t other_gid(void)
{
    return geteuid() == 0 ? NOBODY : getgid();
}

TEST(setuid, SUPPORT)
{
    IN_CHILD(t, call(other_uid()));
}

TEST(setgid, SUPPORT)
{
    IN_CHILD(t, call(other_gid()));
}

TEST(seteuid, SUPPORT)
{
    IN_CHILD(t, call(other_uid()));
}

TEST(setegid, SUPPORT)
{
    IN_CHILD(t, call(other_gid()));
}

TEST(setreuid, SUPPORT)
{
    IN_CHILD(t, call(other_uid(), other_uid()));
}

TEST(setregid, SUPPORT)
{
    IN_CHILD(t, call(other_gid(), other_gid()));
}

TEST(setresuid, SUPPORT)
{
    IN_CHILD(t, call(other_uid(), other_uid(), other_uid()));
}

TEST(setresgid, SUPPORT)
{
    IN_CHILD(t, call(other_gid(), other_gid(), other_gid()));
}

TEST(setgroups, SUPPORT)
{
    gid_t groups[] = {NOBODY, 1};
    IN_CHILD(t, call(2, groups));
}

TEST(initgroups, SUPPORT)
{
    IN_CHILD(t, call("root", 0));
}

TEST(epoll_create, SUPPORT)
{
    IN_CHILD(t, call(0));
}

TEST(listen, SUPPORT)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX}; /* a name of the kernel's choice */
    int fd = keep_fd(t, socket(AF_UNIX, SOCK_STREAM, 0));
    NEED(t, bind(fd, (void *)&address, sizeof(address.sun_family)) == 0);
    CALLED(t, call(fd, 1));
    digest_number(t, call(-1, 1));
    digest_number(t, errno);
}

TEST(epoll_create1, SUPPORT)
{
    IN_CHILD(t, call(-1));
}

TEST(epoll_ctl, SUPPORT)
{
    struct epoll_event event = {.events = EPOLLIN};
    int outer = keep_fd(t, epoll_create1(EPOLL_CLOEXEC));
    int inner = keep_fd(t, epoll_create1(EPOLL_CLOEXEC));
    CALLED(t, call(outer, EPOLL_CTL_ADD, inner, &event));
    digest_number(t, call(outer, EPOLL_CTL_ADD, inner, &event));
    digest_number(t, errno);
    digest_number(t, call(inner, EPOLL_CTL_ADD, outer, &event));
    digest_number(t, errno);
    digest_number(t, call(outer, EPOLL_CTL_DEL, inner, NULL));
}

TEST(chroot, SUPPORT)
{
    IN_CHILD(t, call("/"));
}

TEST(unshare, SUPPORT)
{
    IN_CHILD(t, call(CLONE_FS));
}

TEST(setns, SUPPORT)
{
    int fd = keep_fd(t, open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
    IN_CHILD(t, call(fd, CLONE_NEWUTS));
}

/* ---- signals: what a program sets and asks of two that a sample may use
 * ------------------------*/

static void handler(int number)
{
    (void)number;
}

TEST(sigaction, SUPPORT)
{
    struct sigaction ours = {.sa_handler = handler}, none = {.sa_handler = SIG_DFL}, old;
    memset(&old, 1, sizeof(old));
    CALLED(t, call(SIGURG, &ours, &old));
    digest_number(t, old.sa_handler == SIG_DFL);
    digest_number(t, call(SIGURG, &none, &old));
    digest_number(t, old.sa_handler == handler);
    digest_number(t, call(SIGUSR2, NULL, &old));
    digest_number(t, call(-1, NULL, &old));
    digest_number(t, errno);
}

#define SETS_HANDLER(symbol)                                                                       \
    TEST(symbol, SUPPORT)                                                                          \
    {                                                                                              \
        sighandler_t was = CALLED(t, call(SIGURG, handler));                                       \
        digest_number(t, was == SIG_DFL);                                                          \
        digest_number(t, call(SIGURG, SIG_DFL) == handler);                                        \
        digest_number(t, call(SIGUSR2, SIG_DFL) == SIG_DFL);                                       \
        digest_number(t, call(-1, SIG_DFL) == SIG_ERR);                                            \
        digest_number(t, errno);                                                                   \
    }
SETS_HANDLER(signal)
SETS_HANDLER(__sysv_signal)
SETS_HANDLER(sigset)

TEST(sigignore, SUPPORT)
{
    CALLED(t, call(SIGWINCH));
    digest_number(t, signal(SIGWINCH, SIG_DFL) == SIG_IGN);
    digest_number(t, call(SIGUSR2));
    digest_number(t, signal(SIGUSR2, SIG_DFL) == SIG_IGN);
    digest_number(t, call(-1));
}

TEST(siginterrupt, SUPPORT)
{
    struct sigaction now;
    signal(SIGURG, handler);
    CALLED(t, call(SIGURG, 1));
    sigaction(SIGURG, NULL, &now);
    digest_number(t, now.sa_flags & SA_RESTART);
    signal(SIGURG, SIG_DFL);
    digest_number(t, call(-1, 1));
}

TEST(sigaltstack, SUPPORT)
{
    static char bytes[64 * 1024];
    const stack_t stack = {.ss_sp = bytes, .ss_size = sizeof(bytes)},
                  none = {.ss_flags = SS_DISABLE};
    stack_t before, old;
    call(NULL, &before);
    CALLED(t, call(&stack, NULL));
    digest_number(t, call(&none, &old));
    digest_number(t, old.ss_size == sizeof(bytes));
    call(&before, NULL);
    digest_number(t, call((const stack_t *)8, NULL));
}

static ucontext_t here;
static int sum;

static void add(int a, int b, int c, int d, int e, int f, int g)
{
    sum = a + b + c + d + e + f + g;
}

TEST(makecontext, SUPPORT)
{
    static char bytes[64 * 1024];
    static ucontext_t there;
    getcontext(&there);
    there.uc_stack = (stack_t){.ss_sp = bytes, .ss_size = sizeof(bytes)};
    there.uc_link = &here;
    CALLED_VOID(t, call(&there, (void (*)(void))add, 7, 1, 2, 3, 4, 5, 6, 7));
    swapcontext(&here, &there);
    digest_number(t, sum);
}

/* ---- jumps ------------------------------------------------------------------------------------*/

/* In a function of its own, whose locals the jump cannot clobber. */
static __attribute__((noinline)) int jump(fn_longjmp *call, int value)
{
    jmp_buf env;
    int came_with = setjmp(env);
    if (came_with == 0)
        call(env, value);
    return came_with;
}

TEST(longjmp, SUPPORT)
{
    CALLED(t, jump(call, 5));
    digest_number(t, jump(call, 0));
}

TEST(__longjmp_chk, SUPPORT)
{
    CALLED(t, jump(call, 5));
    digest_number(t, jump(call, 0));
}
