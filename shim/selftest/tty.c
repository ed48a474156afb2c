/* Bodies: terminals, and the files that say who is logged in: those are the trial's own, or are
 * written by a child that may not. */
#include "selftest.h"

#include <stdlib.h>

static int make_tty(struct trial *t)
{
    int master, slave;
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0)
        fail(t, "openpty: %s", strerror(errno));
    keep_fd(t, master);
    expect(t, ST_TTY, "%s", ttyname(slave));
    return keep_fd(t, slave);
}

#define ON_TTY(symbol, ...)                                                                        \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        int fd = make_tty(t);                                                                      \
        CALLED(t, call(__VA_ARGS__));                                                              \
    }
ON_TTY(tcdrain, fd)
ON_TTY(tcsendbreak, fd, 0)
ON_TTY(tcflush, fd, TCIOFLUSH)
ON_TTY(tcflow, fd, TCOON)

TEST(tcsetattr, QUICK)
{
    struct termios settings;
    int fd = make_tty(t);
    NEED(t, tcgetattr(fd, &settings) == 0);
    CALLED(t, call(fd, TCSADRAIN, &settings));
}

#define NAMED(symbol, ...)                                                                         \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        char name[64] = "";                                                                        \
        int master, fd;                                                                            \
        NEED(t, openpty(&master, &fd, NULL, NULL, NULL) == 0);                                     \
        keep_fd(t, master);                                                                        \
        keep_fd(t, fd);                                                                            \
        CALLED(t, call(__VA_ARGS__));                                                              \
        (void)name;                                                                                \
    }
NAMED(ttyname, fd)
NAMED(ttyname_r, fd, name, sizeof(name))
NAMED(__ttyname_r_chk, fd, name, 32, sizeof(name))

TEST(openpty, QUICK)
{
    int master = -1, slave = -1;
    CALLED(t, call(&master, &slave, NULL, NULL, NULL));
    keep_fd(t, master);
    keep_fd(t, slave);
}

/* Without a terminal of its own it reads the standard input. */
TEST(getpass, QUICK)
{
    int fds[2];
    FILE *in = stdin, *err = stderr;
    make_pipe(t, fds);
    NEED(t, write(fds[1], "secret\n", 7) == 7);
    stdin = fdopen(dup(fds[0]), "r");
    stderr = fopen("/dev/null", "w");
    expect(t, ST_TTY, "say: ");
    IN_CHILD(t, (setsid(), strcmp(call("say: "), "secret") == 0));
    fclose(stdin);
    fclose(stderr);
    stdin = in;
    stderr = err;
}

/* ---- who is logged in -------------------------------------------------------------------------*/

static struct utmp entry = {
    .ut_type = USER_PROCESS, .ut_line = "pts/none", .ut_id = "none", .ut_user = "nobody"};
static struct utmpx entryx = {
    .ut_type = USER_PROCESS, .ut_line = "pts/none", .ut_id = "none", .ut_user = "nobody"};

static const char *own_utmp(struct trial *t)
{
    const char *path = make_path(t, "utmp");
    int fd = creat(path, 0600);
    if (fd < 0 || write(fd, &entry, sizeof(entry)) != sizeof(entry))
        fail(t, "%s: %s", path, strerror(errno));
    close(fd);
    utmpname(path);
    setutent();
    return path;
}

static void usual_utmp(void)
{
    endutent();
    utmpname(_PATH_UTMP);
}

#define LOGGED(symbol, ...)                                                                        \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        own_utmp(t);                                                                               \
        CALLED(t, call(__VA_ARGS__));                                                              \
        usual_utmp();                                                                              \
    }
#define LOGGED_R(symbol, ...)                                                                      \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        struct utmp space, *found = NULL;                                                          \
        own_utmp(t);                                                                               \
        CALLED(t, call(__VA_ARGS__));                                                              \
        digest_text(t, found ? found->ut_user : "none");                                           \
        usual_utmp();                                                                              \
    }
LOGGED(getutent)
LOGGED(getutid, &entry)
LOGGED(getutline, &entry)
LOGGED(getutxent)
LOGGED(getutxid, &entryx)
LOGGED(getutxline, &entryx)
LOGGED(pututline, &entry)
LOGGED(pututxline, &entryx)
LOGGED_R(getutent_r, &space, &found)
LOGGED_R(getutid_r, &entry, &space, &found)
LOGGED_R(getutline_r, &entry, &space, &found)

TEST(updwtmp, QUICK)
{
    const char *path = own_utmp(t);
    expect(t, ST_TTY, "%s", path);
    CALLED_VOID(t, call(path, &entry));
    usual_utmp();
}

TEST(updwtmpx, QUICK)
{
    const char *path = own_utmp(t);
    expect(t, ST_TTY, "%s", path);
    CALLED_VOID(t, call(path, &entryx));
    usual_utmp();
}

static int powerless(void)
{
    return setgid(65534) + setuid(65534);
}

TEST(login, QUICK)
{
    IN_CHILD_VOID(t, (powerless(), call(&entry)));
}

TEST(logout, QUICK)
{
    IN_CHILD(t, (powerless(), call("pts/none")));
}

TEST(logwtmp, QUICK)
{
    IN_CHILD_VOID(t, (powerless(), call("pts/none", "nobody", "")));
}

#define WHO(symbol, ...)                                                                           \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        char name[64] = "";                                                                        \
        (void)name;                                                                                \
        CALLED(t, call(__VA_ARGS__));                                                              \
    }
WHO(getlogin)
WHO(getlogin_r, name, sizeof(name))
WHO(__getlogin_r_chk, name, 32, sizeof(name))
