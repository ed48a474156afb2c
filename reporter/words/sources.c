/* See sources.h. */
#define _GNU_SOURCE
#include "sources.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/files.h"

enum { LARGEST = 16 << 20 };

struct sources {
    struct root {
        char *path; /* absolute, resolved, without a slash at its end: "" is the root itself */
        int fd;
    } * roots;
    size_t count, cap;
    const char *outside;
};

static void add_root(struct sources *sources, const char *path)
{
    char *real = realpath(path, NULL);
    int fd = real != NULL ? open(real, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        free(real);
        return;
    }
    if (strcmp(real, "/") == 0)
        real[0] = '\0';
    GROW(sources->roots, sources->count, sources->cap);
    sources->roots[sources->count++] = (struct root){real, fd};
}

static bool holds_git(const char *directory)
{
    char *path = mem_printf("%s/.git", directory);
    struct stat st;
    bool there = lstat(path, &st) == 0;
    free(path);
    return there;
}

static void add_project(struct sources *sources)
{
    char *at = realpath(".", NULL);
    while (at != NULL && at[0] != '\0' && !holds_git(at))
        *strrchr(at, '/') = '\0';
    if (at != NULL && at[0] != '\0')
        add_root(sources, at);
    free(at);
}

struct sources *sources_new(const char *root, const struct app_dirs *app_dirs)
{
    struct sources *sources = mem_calloc(1, sizeof(*sources));
    if (root != NULL)
        add_root(sources, root);
    else
        add_project(sources);
    add_root(sources, ".");
    for (size_t i = 0; app_dirs != NULL && i < app_dirs->count; i++)
        add_root(sources, app_dirs->paths[i]);
    return sources;
}

/* What follows the root in the path; NULL where it is not below it. */
static const char *below(const struct root *root, const char *file)
{
    size_t len = strlen(root->path);
    return strncmp(file, root->path, len) == 0 && file[len] == '/' && file[len + 1] != '\0'
               ? file + len + 1
               : NULL;
}

int sources_open(struct sources *sources, const char *file)
{
    bool inside = false;
    if (file[0] != '/' || strlen(file) >= PATH_MAX)
        return -1;
    /* where the links in it lead, which is what would be read */
    char *real = realpath(file, NULL);
    for (size_t i = 0; i < sources->count; i++) {
        const struct root *root = &sources->roots[i];
        const char *rest = below(root, real != NULL ? real : file);
        inside = inside || rest != NULL;
        int fd = rest != NULL ? open_regular_below(root->fd, rest, LARGEST) : -1;
        if (fd >= 0) {
            free(real);
            return fd;
        }
    }
    free(real);
    if (!inside && sources->outside == NULL)
        sources->outside = file;
    return -1;
}

const char *sources_outside(const struct sources *sources)
{
    return sources->outside;
}

void sources_free(struct sources *sources)
{
    for (size_t i = 0; sources != NULL && i < sources->count; i++) {
        free(sources->roots[i].path);
        close(sources->roots[i].fd);
    }
    if (sources != NULL)
        free(sources->roots);
    free(sources);
}
