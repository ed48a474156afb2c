/* See jsmaps.h. */
#define _GNU_SOURCE
#include "jsmaps.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stacks/stackview.h"

struct jsmaps {
    struct timespec begun;
};

struct jsmaps *jsmaps_begin(void)
{
    const char *others = getenv("NODE_OPTIONS");
    bool alone = others == NULL || others[0] == '\0';
    bool maps_wanted = !alone && strstr(others, "--perf-basic-prof") != NULL;
    bool frames_wanted = !alone && strstr(others, "--interpreted-frames-native-stack") != NULL;
    if (!maps_wanted || !frames_wanted) {
        const char *added = maps_wanted     ? "--interpreted-frames-native-stack"
                            : frames_wanted ? "--perf-basic-prof"
                                            : NODE_JS_OPTIONS;
        char *all = alone ? mem_strdup(added) : mem_printf("%s %s", others, added);
        setenv("NODE_OPTIONS", all, 1);
        free(all);
    }
    if (maps_wanted)
        return NULL;
    struct jsmaps *jsmaps = mem_calloc(1, sizeof(*jsmaps));
    clock_gettime(CLOCK_REALTIME_COARSE, &jsmaps->begun);
    return jsmaps;
}

/* The pid in `node.123.1795248291877.jsonl`; 0 where there is none. */
static long pid_of(const char *name)
{
    if (!ends_with(name, ".jsonl"))
        return 0;
    /* From the right, since a program's name may have dots: extension, start, pid. */
    const char *end = name + strlen(name) - strlen(".jsonl");
    for (int part = 0; part < 2; part++) {
        const char *start = end;
        while (start > name && start[-1] >= '0' && start[-1] <= '9')
            start--;
        if (start == end || start == name || start[-1] != '.')
            return 0;
        if (part == 1)
            return strtol(start, NULL, 10);
        end = start - 1;
    }
    return 0;
}

/* Directories are everybody's: only a file of ours that was written during this run goes. */
static void remove_if_ours(const struct jsmaps *jsmaps, int dir_fd, const char *name)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        st.st_uid == geteuid() &&
        (st.st_mtim.tv_sec > jsmaps->begun.tv_sec || (st.st_mtim.tv_sec == jsmaps->begun.tv_sec &&
                                                      st.st_mtim.tv_nsec >= jsmaps->begun.tv_nsec)))
        (void)unlinkat(dir_fd, name, 0);
}

static void remove_map(const struct jsmaps *jsmaps, long pid)
{
    char *path = mem_printf("/tmp/perf-%ld.map", pid);
    remove_if_ours(jsmaps, AT_FDCWD, path);
    free(path);
}

/* With the map V8 begins a log for each of the process's isolates, which says nothing:
 * isolate-0x1a5f5d50-123-v8.log, where the process is started. */
static void remove_logs(const struct jsmaps *jsmaps, long pid)
{
    char *end = mem_printf("-%ld-v8.log", pid);
    DIR *dir = opendir(".");
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (starts_with(entry->d_name, "isolate-0x") && ends_with(entry->d_name, end))
            remove_if_ours(jsmaps, dirfd(dir), entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    free(end);
}

void jsmaps_clean(struct jsmaps *jsmaps, const char *directory)
{
    if (jsmaps == NULL)
        return;
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        long pid = pid_of(entry->d_name);
        if (pid > 0) {
            remove_map(jsmaps, pid);
            remove_logs(jsmaps, pid);
        }
    }
    if (dir != NULL)
        closedir(dir);
    free(jsmaps);
}
