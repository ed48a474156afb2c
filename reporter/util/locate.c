/* See locate.h. */
#define _GNU_SOURCE
#include "locate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define LIBRARY "libstalltrace.so"

#ifndef STALLTRACE_LIBDIR
#define STALLTRACE_LIBDIR "/usr/local/lib"
#endif

char *locate_library(void)
{
    static const char *const relative[] = {
        "/.libs/" LIBRARY,  "/shim/.libs/" LIBRARY, "/" LIBRARY,
        "/../lib/" LIBRARY, "/../lib64/" LIBRARY,   "/../lib/x86_64-linux-gnu/" LIBRARY,
    };
    char exe[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (len > 0)
        exe[len] = '\0';
    else /* /proc is not mounted */
        len = realpath((const char *)getauxval(AT_EXECFN), exe) != NULL;
    if (len > 0) {
        *strrchr(exe, '/') = '\0';
        for (size_t i = 0; i < COUNT_OF(relative); i++) {
            char *candidate = mem_printf("%s%s", exe, relative[i]);
            char *path = realpath(candidate, NULL);
            free(candidate);
            if (path != NULL)
                return path;
        }
    }
    return realpath(STALLTRACE_LIBDIR "/" LIBRARY, NULL);
}

static int can_run(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == EACCES ? -EACCES : -ENOENT;
    if (!S_ISREG(st.st_mode) || access(path, X_OK) != 0)
        return -EACCES;
    return 0;
}

int locate_command(const char *command)
{
    if (command[0] == '\0')
        return -ENOENT;
    if (strchr(command, '/') != NULL)
        return can_run(command);
    const char *path = getenv("PATH");
    if (path == NULL)
        path = "/bin:/usr/bin"; /* what execvp does */
    int result = -ENOENT;
    for (;;) {
        size_t len = strcspn(path, ":");
        char *candidate =
            len == 0 ? mem_printf("./%s", command) : mem_printf("%.*s/%s", (int)len, path, command);
        int one = can_run(candidate);
        free(candidate);
        if (one == 0)
            return 0;
        if (one == -EACCES)
            result = -EACCES;
        if (path[len] == '\0')
            return result;
        path += len + 1;
    }
}
