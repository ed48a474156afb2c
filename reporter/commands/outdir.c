/* See outdir.h. */
#define _GNU_SOURCE
#include "outdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/util.h"

enum contents { MISSING, EMPTY, TRACES, SOMETHING_ELSE };

/* What `path` is, or a negative errno. Symbolic links are not followed: what they lead to was not
 * made by us. */
static int contents_of(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? (int)MISSING : -errno;
    if (!S_ISDIR(st.st_mode))
        return SOMETHING_ELSE;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -errno;
    enum contents contents = EMPTY;
    const struct dirent *entry;
    while (contents != SOMETHING_ELSE && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        bool is_trace = ends_with(entry->d_name, ".jsonl") &&
                        fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISREG(st.st_mode);
        contents = is_trace ? TRACES : SOMETHING_ELSE;
    }
    closedir(dir);
    return (int)contents;
}

/* Deletes a directory that holds traces only; the check was contents_of's, and nothing but .jsonl
 * files is unlinked even if it has changed since. */
static int remove_traces(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -errno;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (ends_with(entry->d_name, ".jsonl"))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    return rmdir(path) == 0 ? 0 : -errno;
}

static int refuse(const char *path)
{
    complain("%s: is not a directory of traces; it stays as it is: move it away, or choose "
             "another with -o DIR",
             path);
    return -EEXIST;
}

static int cannot(const char *path, int error)
{
    complain("%s: cannot be made: %s; the program runs without a recording: choose another with "
             "-o DIR",
             path, strerror(-error));
    return error;
}

static int move_away(const char *path)
{
    char *old = mem_printf("%s.old", path);
    int what = contents_of(old);
    int result = what < 0 ? cannot(old, what) : 0;
    if (what == SOMETHING_ELSE)
        result = refuse(old);
    else if (what == EMPTY || what == TRACES)
        result = remove_traces(old);
    if (result == 0 && rename(path, old) != 0)
        result = -errno;
    if (result < 0 && result != -EEXIST && what >= 0)
        (void)cannot(old, result);
    free(old);
    return result;
}

/* A failure shows when the directory itself cannot be made. */
static void make_parents(const char *path)
{
    char *parent = mem_strdup(path);
    for (char *slash = strchr(parent + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(parent, 0777);
        *slash = '/';
    }
    free(parent);
}

/* For its user alone, or (shared) for all to write into; whatever the umask says, and without a
 * chmod, which would follow what has taken its place. */
static int make(const char *path, bool shared)
{
    make_parents(path);
    mode_t before = umask(0);
    int result = mkdir(path, shared ? 01733 : 0700) == 0 ? 0 : -errno;
    umask(before);
    return result < 0 ? cannot(path, result) : 0;
}

/* Marks the directory as one where a run is at work, until this process ends. False: another one
 * is. Where it cannot be marked nobody knows. */
static bool mark(const char *path)
{
    static int marked = -1;
    if (marked >= 0)
        close(marked);
    marked = -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0) {
        marked = fd;
        return true;
    }
    bool others = errno == EWOULDBLOCK;
    close(fd);
    return !others;
}

static bool is_anothers(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_uid != 0 && st.st_uid != geteuid();
}

static int use(const char *path)
{
    return access(path, W_OK | X_OK) == 0 ? 0 : cannot(path, -errno);
}

int outdir_prepare(const char *path, bool shared)
{
    int what = contents_of(path);
    if (what == -EACCES && is_anothers(path))
        return use(path); /* it may be written to, not read */
    if (what < 0)
        return cannot(path, what);
    if (what == SOMETHING_ELSE)
        return refuse(path);
    if (what != MISSING && !mark(path)) {
        complain("%s: another run is at work there: its traces stay, and do not count here; choose "
                 "another with -o DIR",
                 path);
        return use(path);
    }
    if (what == EMPTY || (what == TRACES && is_anothers(path)))
        return use(path);
    int result = what == TRACES ? move_away(path) : 0;
    if (result == 0)
        result = make(path, shared);
    if (result == 0)
        (void)mark(path);
    return result;
}
