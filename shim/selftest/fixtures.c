/* What bodies need around them: descriptors, files, children. Everything that is made here is
 * undone after the body, whatever became of it. */
#include "trial.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

int keep_fd(struct trial *t, int fd)
{
    if (fd < 0)
        fail(t, "no descriptor: %s", strerror(errno));
    else if (t->fd_count < MAX_KEPT)
        t->fds[t->fd_count++] = fd; /* atomic: a helper may keep one, too */
    return fd;
}

void drop_fd(struct trial *t, int fd)
{
    for (int i = 0; i < t->fd_count; i++)
        if (t->fds[i] == fd) {
            t->fds[i] = -1;
            close(fd);
        }
}

void *keep_memory(struct trial *t, void *memory)
{
    if (!memory)
        fail(t, "no memory");
    else if (t->memory_count < MAX_KEPT)
        t->memory[t->memory_count++] = memory;
    return memory;
}

void make_pipe(struct trial *t, int fds[2])
{
    fds[0] = fds[1] = -1;
    if (pipe2(fds, O_CLOEXEC) != 0)
        fail(t, "pipe2: %s", strerror(errno));
    keep_fd(t, fds[0]);
    keep_fd(t, fds[1]);
}

void make_socketpair(struct trial *t, int type, int fds[2])
{
    fds[0] = fds[1] = -1;
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0)
        fail(t, "socketpair: %s", strerror(errno));
    keep_fd(t, fds[0]);
    keep_fd(t, fds[1]);
}

int make_listener(struct trial *t, struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = keep_fd(t, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (bind(fd, (struct sockaddr *)address, len) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &len) != 0)
        fail(t, "no listener: %s", strerror(errno));
    return fd;
}

void make_tcp_pair(struct trial *t, int fds[2])
{
    struct sockaddr_in address;
    int listener = make_listener(t, &address);
    fds[0] = keep_fd(t, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fds[0], (struct sockaddr *)&address, sizeof(address)) != 0)
        fail(t, "connect: %s", strerror(errno));
    fds[1] = keep_fd(t, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

void fill(int fd)
{
    static const char zeros[4096];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, zeros, sizeof(zeros)) > 0)
        ;
    while (write(fd, zeros, 1) > 0)
        ;
    fcntl(fd, F_SETFL, flags);
}

const char *make_path(struct trial *t, const char *name)
{
    if (!t->directory[0]) {
        const char *tmp = getenv("TMPDIR");
        snprintf(t->directory, sizeof(t->directory), "%s/selftest.XXXXXX",
                 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
        if (!mkdtemp(t->directory))
            fail(t, "%s: %s", t->directory, strerror(errno));
    }
    char *path = t->paths[t->path_count % 8];
    snprintf(path, sizeof(t->paths[0]), "%s/%s", t->directory, name);
    if (t->path_count++ >= 8)
        fail(t, "too many paths");
    return path;
}

const char *path_of(const struct trial *t)
{
    return t->path_count ? t->paths[(t->path_count - 1) % 8] : "";
}

const char *make_file(struct trial *t, const char *name, const char *content)
{
    const char *path = make_path(t, name);
    size_t n = strlen(content);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, content, n) != (ssize_t)n)
        fail(t, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return path;
}

int make_open_file(struct trial *t, const char *content)
{
    return keep_fd(t, open(make_file(t, "file", content), O_RDWR | O_CLOEXEC));
}

struct child *make_child(struct trial *t, int status, bool waits)
{
    static struct child none = {-1, -1};
    int go[2];
    char byte;
    if (t->child_count == MAX_CHILDREN) {
        fail(t, "too many children");
        return &none;
    }
    struct child *c = &t->children[t->child_count];
    make_pipe(t, go);
    c->go = go[1];
    c->pid = fork();
    if (c->pid == 0) {
        if (waits && read(go[0], &byte, 1) < 0)
            status = 97;
        _exit(status);
    }
    if (c->pid < 0)
        fail(t, "fork: %s", strerror(errno));
    else
        t->child_count++;
    return c;
}

void let_go(void *child)
{
    struct child *c = child;
    if (write(c->go, "", 1) < 0)
        kill(c->pid, SIGKILL);
}

const struct timespec *in_ms(struct timespec *t, clockid_t clock, long ms)
{
    clock_gettime(clock, t);
    t->tv_sec += ms / 1000;
    t->tv_nsec += ms % 1000 * 1000000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_sec++;
        t->tv_nsec -= 1000000000;
    }
    return t;
}

pid_t own_tid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

/* One directory deep: whatever the body made in it goes, too. */
static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(dirfd(directory), entry->d_name, 0) != 0)
            unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
    if (directory)
        closedir(directory);
    rmdir(path);
}

void undo_fixtures(struct trial *t)
{
    for (int i = 0; i < t->helper_count; i++)
        pthread_join(t->helpers[i].thread, NULL);
    for (int i = 0; i < t->child_count; i++)
        if (waitpid(t->children[i].pid, NULL, WNOHANG) == 0) {
            kill(t->children[i].pid, SIGKILL);
            waitpid(t->children[i].pid, NULL, 0);
        }
    for (int i = 0; i < t->fd_count; i++)
        if (t->fds[i] >= 0)
            close(t->fds[i]);
    for (int i = 0; i < t->memory_count; i++)
        free(t->memory[i]);
    if (t->directory[0])
        remove_directory(t->directory);
}
