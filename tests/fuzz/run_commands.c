/* See run_commands.h. */
#define _GNU_SOURCE
#include "run_commands.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void reset_interned(void);

static char directory[64];
static char *files[8];

static void remove_directory(void)
{
    for (size_t i = 0; i < 8 && files[i] != NULL; i++)
        unlink(files[i]);
    rmdir(directory);
}

const char *file_path(const char *name)
{
    if (!directory[0]) {
        snprintf(directory, sizeof(directory), "/tmp/stalltrace-fuzz-XXXXXX");
        if (mkdtemp(directory) == NULL || chdir(directory) != 0)
            abort();
        atexit(remove_directory);
    }
    for (size_t i = 0; i < 8; i++) {
        if (files[i] == NULL && asprintf(&files[i], "%s/%s", directory, name) < 0)
            abort();
        if (strcmp(files[i] + strlen(directory) + 1, name) == 0)
            return files[i];
    }
    abort();
}

void write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
}

void run_command(int (*command)(int argc, char **argv), ...)
{
    char *argv[16] = {"stalltrace"};
    int argc = 1;
    va_list args;
    va_start(args, command);
    for (char *arg; argc < 15 && (arg = va_arg(args, char *)) != NULL;)
        argv[argc++] = arg;
    va_end(args);
    optind = 0; /* GNU's getopt begins anew */
    int status = command(argc, argv);
    fflush(stdout);
    if (status < 0 || status > 3)
        abort();
}

void forget_command(void)
{
    reset_interned();
}
