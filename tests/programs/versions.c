/* A program that was linked long ago: it asks for versions of functions that libc keeps for the
 * likes of it, and that behave differently from today's. The first argument says which one it
 * calls, in a loop's callback; the second is a FIFO, to wait for. It prints what only the old
 * version would have said. Built by the test, once as it is, and once without any versions
 * (UNVERSIONED), for which the loader takes the oldest. */
#define _GNU_SOURCE
#include <aio.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef UNVERSIONED
__asm__(".symver realpath, realpath@GLIBC_2.2.5\n"
        ".symver glob, glob@GLIBC_2.2.5\n"
        ".symver nftw, nftw@GLIBC_2.2.5\n"
        ".symver posix_spawn, posix_spawn@GLIBC_2.2.5\n"
        ".symver posix_spawnp, posix_spawnp@GLIBC_2.2.5\n"
        ".symver pthread_cond_init, pthread_cond_init@GLIBC_2.2.5\n"
        ".symver pthread_cond_signal, pthread_cond_signal@GLIBC_2.2.5\n"
        ".symver pthread_cond_wait, pthread_cond_wait@GLIBC_2.2.5\n"
        ".symver pthread_cond_timedwait, pthread_cond_timedwait@GLIBC_2.2.5\n"
        ".symver pthread_cond_destroy, pthread_cond_destroy@GLIBC_2.2.5\n"
        ".symver _IO_vfscanf, _IO_vfscanf@GLIBC_2.2.5\n"
        ".symver lio_listio, lio_listio@" LIO_VERSION "\n"
        ".symver quick_exit, quick_exit@GLIBC_2.10\n");
#endif
int _IO_vfscanf(FILE *stream, const char *format, va_list list, int *error);
int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *module);
extern char **environ;

enum { WAIT_MS = 150 };

static const char *fifo;
static int ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;

static void nap(void)
{
    struct timespec t = {0, WAIT_MS * 1000000};
    nanosleep(&t, NULL); // STALL:nap
}

/* Whatever the call waits for. */
static void *let_go(void *unused)
{
    (void)unused;
    nap();
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    if (write(ends[1], "4711\n", 5) != 5)
        abort();
    if (fifo)
        close(open(fifo, O_WRONLY | O_CLOEXEC));
    return NULL;
}

/* ---- one function for each call ---------------------------------------------------------------*/

static void call_realpath(void)
{
    char *path = realpath("/usr/bin/..", NULL); // STALL:realpath
    printf("%s, %s\n", path ? path : "nothing", strerror(errno));
}

static int asked;

static int ask(const char *path, struct stat *st)
{
    asked++;
    nap();
    return stat(path, st);
}

static int do_not_ask(const char *path, struct stat *st)
{
    puts("asked of the link");
    return lstat(path, st);
}

static void *open_directory(const char *path)
{
    return opendir(path);
}

static struct dirent *read_directory(void *dir)
{
    return readdir(dir);
}

static void close_directory(void *dir)
{
    closedir(dir);
}

static void call_glob(void)
{
    glob_t found = {.gl_opendir = open_directory,
                    .gl_readdir = read_directory,
                    .gl_closedir = close_directory,
                    .gl_stat = ask,
                    .gl_lstat = do_not_ask};
    int r = glob("/etc/passwd", GLOB_ALTDIRFUNC, NULL, &found); // STALL:glob
    printf("%d, asked %d\n", r, asked);
}

static int visit(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)path, (void)st, (void)kind, (void)place;
    nap();
    return 7;
}

static void call_nftw(void)
{
    int r = nftw("/etc", visit, 4, 1 << 20); // STALL:nftw
    printf("%d\n", r);
}

/* A file that is no program, whose start waits for the FIFO. */
static void spawn(int (*call)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                              const posix_spawnattr_t *, char *const *, char *const *))
{
    char script[4096];
    char *const argv[] = {script, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int status = -1;
    snprintf(script, sizeof(script), "%s.script", fifo);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 5, fifo, O_RDONLY, 0);
    int r = call(&pid, script, &actions, NULL, argv, environ); // STALL:spawn
    if (r == 0)
        waitpid(pid, &status, 0);
    printf("%s, %d\n", strerror(r), WEXITSTATUS(status));
}

static void call_posix_spawn(void)
{
    spawn(posix_spawn);
}

static void call_posix_spawnp(void)
{
    spawn(posix_spawnp);
}

/* The old condition variable is one word. */
static void print_words(int r)
{
    const unsigned long *words = (const unsigned long *)&cond;
    printf("%d, %s, %s\n", r, words[0] ? "a pointer" : "nothing",
           words[1] || words[2] || words[3] || words[4] || words[5] ? "and more" : "and no more");
}

static void call_pthread_cond_wait(void)
{
    pthread_mutex_lock(&mutex);
    int r = pthread_cond_wait(&cond, &mutex); // STALL:pthread_cond_wait
    pthread_mutex_unlock(&mutex);
    print_words(r);
    pthread_cond_destroy(&cond);
}

static void call_pthread_cond_timedwait(void)
{
    struct timespec until = {time(NULL) + 1000, 0};
    pthread_mutex_lock(&mutex);
    int r = pthread_cond_timedwait(&cond, &mutex, &until); // STALL:pthread_cond_timedwait
    pthread_mutex_unlock(&mutex);
    print_words(r);
}

static int scan(int *error, FILE *stream, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int r = _IO_vfscanf(stream, format, list, error); // STALL:vfscanf
    va_end(list);
    return r;
}

static void call_vfscanf(void)
{
    int number = 0, error = -1;
    FILE *stream = fdopen(ends[0], "r");
    int r = scan(&error, stream, "%d", &number);
    printf("%d, %d, error %d\n", r, number, error);
}

static void call_lio_listio(void)
{
    char buf[8] = "";
    struct aiocb request = {
        .aio_fildes = ends[0], .aio_buf = buf, .aio_nbytes = 5, .aio_lio_opcode = LIO_READ};
    struct aiocb *list[] = {&request};
    const struct aiocb *const finished[] = {&request};
    int r = lio_listio(LIO_WAIT, list, 1, NULL); // STALL:lio_listio
    printf("%d, %s", r, aio_error(&request) == EINPROGRESS ? "did not wait, " : "");
    while (aio_error(&request) == EINPROGRESS)
        aio_suspend(finished, 1, NULL);
    printf("%s", buf);
}

static void destroy(void *object)
{
    (void)object;
    puts("destroyed");
    fflush(stdout);
}

static void call_quick_exit(void)
{
    static char object;
    __cxa_thread_atexit_impl(destroy, &object, &object);
    nap();
    quick_exit(7);
}

static const struct {
    const char *name;
    void (*call)(void);
} calls[] = {
    {"realpath", call_realpath},
    {"glob", call_glob},
    {"nftw", call_nftw},
    {"posix_spawn", call_posix_spawn},
    {"posix_spawnp", call_posix_spawnp},
    {"pthread_cond_wait", call_pthread_cond_wait},
    {"pthread_cond_timedwait", call_pthread_cond_timedwait},
    {"vfscanf", call_vfscanf},
    {"lio_listio", call_lio_listio},
    {"quick_exit", call_quick_exit},
};

int main(int argc, char **argv)
{
    struct epoll_event event;
    int loop = epoll_create1(EPOLL_CLOEXEC);
    pthread_t thread;

    if (argc < 2 || pipe(ends) != 0)
        return 9;
    fifo = argc > 2 ? argv[2] : NULL;
    pthread_cond_init(&cond, NULL);
    epoll_wait(loop, &event, 1, 0);
    if (pthread_create(&thread, NULL, let_go, NULL) != 0)
        return 8;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (strcmp(calls[i].name, argv[1]) == 0)
            calls[i].call();
    epoll_wait(loop, &event, 1, 0);
    fflush(stdout);
    pthread_join(thread, NULL);
    return 0;
}
