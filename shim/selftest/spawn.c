/* Bodies: making processes. */
#include "selftest.h"

enum { STATUS = 7 };

static void digest_status(struct trial *t, pid_t pid)
{
    int status = 0;
    if (pid > 0 && waitpid(pid, &status, 0) == pid)
        digest_number(t, WEXITSTATUS(status));
}

/* The child leaves at once; what it has of the trial is a copy. */
#define FORK(symbol, ...)                                                                          \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        int master = -1;                                                                           \
        call_begins(t);                                                                            \
        errno = ERRNO_BEFORE;                                                                      \
        pid_t pid = call(__VA_ARGS__);                                                             \
        if (pid == 0)                                                                              \
            _exit(STATUS);                                                                         \
        call_ended(t, pid > 0, ERRNO_BEFORE);                                                      \
        digest_status(t, pid);                                                                     \
        if (master >= 0)                                                                           \
            close(master);                                                                         \
    }
FORK(fork)
FORK(forkpty, &master, NULL, NULL, NULL)

/* What calls it ends inside the call: it is reported as one that hangs. Its child goes on. */
TEST(daemon, QUICK)
{
    IN_CHILD(t, call(1, 1));
}

extern char **environ;

#define SPAWN(symbol, file)                                                                        \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        pid_t pid = -1;                                                                            \
        char *const argv[] = {"sh", "-c", "exit 7", NULL};                                         \
        expect(t, ST_PROCESS, "%s", file);                                                         \
        CALLED(t, call(&pid, file, NULL, NULL, argv, environ));                                    \
        digest_status(t, pid);                                                                     \
    }
SPAWN(posix_spawn, "/bin/sh")
SPAWN(posix_spawnp, "sh")

/* They give what is no program to the shell. */
#define OLD_SPAWN(symbol)                                                                          \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        pid_t pid = -1;                                                                            \
        const char *script = make_file(t, "script", "exit 7\n");                                   \
        char *const argv[] = {(char *)(uintptr_t)script, NULL};                                    \
        NEED(t, chmod(script, 0700) == 0);                                                         \
        expect(t, ST_PROCESS, "%s", script);                                                       \
        int r = CALLED(t, call(&pid, script, NULL, NULL, argv, environ));                          \
        NEED(t, r == 0);                                                                           \
        digest_status(t, pid);                                                                     \
    }
OLD_SPAWN(posix_spawn_2_2_5)
OLD_SPAWN(posix_spawnp_2_2_5)

TEST(popen, QUICK)
{
    expect(t, ST_PROCESS, "exit 7");
    FILE *f = CALLED(t, call("exit 7", "r"));
    if (f)
        digest_number(t, WEXITSTATUS(pclose(f)));
}

TEST(pclose, TIMED)
{
    FILE *f = popen("sleep 0.1; exit 7", "r");
    NEED(t, f != NULL);
    CALLED(t, call(f));
}

TEST(wordexp, QUICK)
{
    wordexp_t words = {0};
    expect(t, ST_PROCESS, "a $(echo b)");
    CALLED(t, call("a $(echo b)", &words, 0));
    digest_number(t, (long long)words.we_wordc);
    digest_text(t, words.we_wordc > 1 ? words.we_wordv[1] : "none");
    wordfree(&words);
}
