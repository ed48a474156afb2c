/* See jsmaps.h. */
#define _GNU_SOURCE
#include "jsmaps.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stackview.h"

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

/* /tmp is everybody's: only a file of ours that this run's process wrote goes. */
static void remove_map(const struct jsmaps *jsmaps, long pid)
{
    struct stat st;
    char *path = mem_printf("/tmp/perf-%ld.map", pid);
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        (st.st_mtim.tv_sec > jsmaps->begun.tv_sec || (st.st_mtim.tv_sec == jsmaps->begun.tv_sec &&
                                                      st.st_mtim.tv_nsec >= jsmaps->begun.tv_nsec)))
        (void)unlink(path);
    free(path);
}

void jsmaps_clean(struct jsmaps *jsmaps, const char *directory)
{
    if (jsmaps == NULL)
        return;
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        long pid = pid_of(entry->d_name);
        if (pid > 0)
            remove_map(jsmaps, pid);
    }
    if (dir != NULL)
        closedir(dir);
    free(jsmaps);
}
