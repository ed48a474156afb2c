/* Which file COMMAND stands for, and whether the preload can reach it. */
#define _GNU_SOURCE
#include "doctor.h"
#include "util/files.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/locate.h"

/* ---- which file -------------------------------------------------------------------------------*/

/* As execvp looks for it; to be freed. NULL: there is none. */
char *doctor_find_command(const char *command)
{
    if (strchr(command, '/') != NULL)
        return mem_strdup(command);
    const char *path = getenv("PATH");
    if (path == NULL)
        path = "/bin:/usr/bin"; /* what execvp does */
    for (;; path++) {
        size_t len = strcspn(path, ":");
        char *candidate =
            len == 0 ? mem_printf("./%s", command) : mem_printf("%.*s/%s", (int)len, path, command);
        if (locate_command(candidate) == 0)
            return candidate;
        free(candidate);
        path += len;
        if (*path == '\0')
            return NULL;
    }
}

/* The first line of a script, without `#!`, to be freed; NULL where the file is none. */
static char *script_line(const char *path)
{
    char head[512];
    int fd = open_regular(path, LARGEST_PROGRAM);
    ssize_t len = fd < 0 ? -1 : read(fd, head, sizeof(head) - 1);
    if (fd >= 0)
        close(fd);
    if (len < 2 || head[0] != '#' || head[1] != '!')
        return NULL;
    head[len] = '\0';
    head[strcspn(head, "\n")] = '\0';
    return mem_strdup(head + 2 + strspn(head + 2, " \t"));
}

/* `env -S -i A=1 python3 -u` → python3; cuts `words` up. */
static char *command_of_env(char *words)
{
    for (char *save, *word = strtok_r(words, " \t", &save); word != NULL;
         word = strtok_r(NULL, " \t", &save))
        if (word[0] != '-' && strchr(word, '=') == NULL)
            return word;
    return NULL;
}

static bool is_shell(const char *path)
{
    static const char *const shells[] = {"sh", "bash", "dash", "zsh", "ksh", "busybox"};
    for (size_t i = 0; i < COUNT_OF(shells); i++)
        if (strcmp(base_name(path), shells[i]) == 0)
            return true;
    return false;
}

static void say_no_interpreter(struct diagnosis *d, const char *path, const char *word)
{
    if (word == NULL || word[0] == '\0')
        state(d, NEVER, "interpreter", "%s is a script whose first line names no interpreter",
              path);
    else if (ends_with(word, "\r"))
        state(
            d, NEVER, "interpreter",
            "%s is a script whose first line ends as lines do on Windows (CR LF): the system looks "
            "for an interpreter with that name",
            path);
    else
        state(d, NEVER, "interpreter", "%s is a script whose interpreter is not there: %s", path,
              word);
}

/* From a script to the program that runs it. Returns the file to examine, to be freed, or NULL
 * after saying what is wrong. */
static char *follow_scripts(struct diagnosis *d, char *path)
{
    enum { DEEPEST = 4 };
    for (int depth = 0; depth < DEEPEST; depth++) {
        char *line = script_line(path);
        if (line == NULL)
            return path;
        size_t len = strcspn(line, " \t");
        char *rest = line[len] != '\0' ? line + len + 1 : line + len;
        line[len] = '\0';
        char *word = strcmp(base_name(line), "env") == 0 ? command_of_env(rest) : line;
        char *next = word != NULL ? doctor_find_command(word) : NULL;
        if (next == NULL || locate_command(next) != 0) {
            say_no_interpreter(d, path, word);
            free(line);
            free(next);
            free(path);
            return NULL;
        }
        state(d, FINE, "script", "%s is a script: %s runs it, and is what is traced", path, next);
        if (is_shell(next))
            state(
                d, HINT, "shell",
                "the programs that a shell script starts are traced, too: to look at one of them, "
                "name it (stalltrace doctor PROGRAM)");
        free(line);
        free(path);
        path = next;
    }
    state(d, NEVER, "interpreter", "%s: scripts that run scripts, too deep", path);
    free(path);
    return NULL;
}

/* Neither ELF nor a script with #!: the kernel refuses it, and execvp hands it to the shell. */
static void judge_unknown(struct diagnosis *d, const char *path)
{
    char head[1024];
    int fd = open_regular(path, LARGEST_PROGRAM);
    ssize_t len = fd < 0 ? 0 : read(fd, head, sizeof(head));
    if (fd >= 0)
        close(fd);
    if (len > 0 && memchr(head, '\0', (size_t)len) != NULL)
        state(d, NEVER, "format", "%s is no program that Linux can execute", path);
    else
        state(d, HINT, "script", "%s has no #! line: the shell (/bin/sh) runs it as a script",
              path);
}

/* ---- what the kernel will do with it ----------------------------------------------------------*/

/* Secure execution (AT_SECURE): the loader ignores LD_PRELOAD. */
static void judge_rights(struct diagnosis *d, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return;
    bool set_id = (st.st_mode & S_ISUID) != 0;
    bool set_group = (st.st_mode & S_ISGID) != 0 && (st.st_mode & S_IXGRP) != 0;
    const char *what = set_id && set_group ? "setuid and setgid" : set_id ? "setuid" : "setgid";
    bool changes = (set_id && st.st_uid != getuid()) || (set_group && st.st_gid != getgid());
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        changes = false;
    if ((set_id || set_group) && changes)
        state(d, NEVER, "setuid",
              "it is a %s program: the system ignores LD_PRELOAD for it. Trace it as the user that "
              "it becomes (uid %u), or trace a copy without the bit",
              what, (unsigned)st.st_uid);
    else if (set_id || set_group)
        state(
            d, HINT, "setuid",
            "it is a %s program: it can be traced as the user you are now; for others, the system "
            "ignores LD_PRELOAD",
            what);
    if (getxattr(path, "security.capability", NULL, 0) <= 0)
        return;
    if (getuid() != 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        state(d, NEVER, "capabilities",
              "it has file capabilities (getcap %s): the system ignores LD_PRELOAD for it. Trace a "
              "copy without them, or as root",
              path);
    else
        state(d, HINT, "capabilities",
              "it has file capabilities: for users other than root, the system ignores LD_PRELOAD");
}

static bool is_loader_of_glibc(const char *interpreter)
{
    return starts_with(base_name(interpreter), "ld-linux");
}

/* How it is linked decides whether a preloaded object is loaded at all. */
static void judge_linking(struct diagnosis *d, const struct elf_facts *f)
{
    if (!f->has_segments) {
        state(d, NEVER, "damaged", "it is no complete program file: nothing in it can be loaded");
    } else if (!f->for_this_machine) {
        state(d, NEVER, "machine",
              "it is a %u-bit program for %s; stalltrace traces 64-bit programs for x86-64",
              f->bits, f->machine);
    } else if (f->interpreter == NULL && f->go) {
        state(
            d, NEVER, "go",
            "it is a static Go program: it makes its system calls itself and loads no library, so "
            "there is nothing to preload into (Go's goroutines do not block an event loop anyway)");
    } else if (f->interpreter == NULL) {
        state(d, NEVER, "static",
              "it is a %s program: it loads no shared libraries, so it cannot load ours. Link it "
              "dynamically (without -static)",
              f->has_dynamic ? "static-PIE" : "static");
    } else if (strstr(f->interpreter, "ld-musl") != NULL) {
        state(
            d, NEVER, "musl",
            "it is linked with musl libc (%s, as on Alpine); stalltrace is built for glibc. Use a "
            "Debian, Ubuntu or Fedora image",
            f->interpreter);
    } else if (!is_loader_of_glibc(f->interpreter)) {
        state(d, NEVER, "loader", "it is loaded by %s, which is not glibc's loader",
              f->interpreter);
    } else {
        state(d, FINE, "dynamic",
              "it is a dynamically linked 64-bit program: the preload is loaded");
        state(d, FINE, "libc", "glibc %s (loader %s)", gnu_get_libc_version(), f->interpreter);
        if (f->go)
            state(d, PARTLY, "go",
                  "it is a Go program with C code (cgo): only what its C code calls is seen, since "
                  "Go "
                  "makes its own system calls");
    }
}

/* ---- what it links ----------------------------------------------------------------------------*/

/* The shared objects that it loads at start-up, as its loader lists them. */
static void list_libraries(const struct elf_facts *f, const char *path, struct names *libraries)
{
    char *argv[] = {(char *)(uintptr_t)f->interpreter, (char[]){"--list"}, (char *)(uintptr_t)path,
                    NULL};
    char *output = NULL;
    if (run_quietly(argv, NULL, &output) == 0)
        for (char *save, *line = strtok_r(output, "\n", &save); line != NULL;
             line = strtok_r(NULL, "\n", &save)) {
            char *file = strstr(line, "=> /");
            if (file == NULL)
                continue;
            file += 3;
            file[strcspn(file, " ")] = '\0';
            names_add(libraries, file);
        }
    free(output);
}

/* What belongs to libc: its own calls inside are not imports of the program's. */
static bool is_of_libc(const char *path)
{
    static const char *const names[] = {"libc.so",    "ld-linux",  "libpthread.so", "librt.so",
                                        "libdl.so",   "libm.so",   "libresolv.so",  "libutil.so",
                                        "libanl.so",  "libnsl.so", "libnss_",       "libstdc++.so",
                                        "libgcc_s.so"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (starts_with(base_name(path), names[i]))
            return true;
    return false;
}

static void add_missing(struct names *missing, const struct elf_facts *f,
                        const struct names *covered)
{
    for (size_t i = 0; i < blocking_name_count; i++)
        if (names_have(&f->undefined, blocking_names[i]) &&
            !names_have(covered, blocking_names[i]) && !names_have(missing, blocking_names[i]))
            names_add(missing, blocking_names[i]);
}

/* Functions that can block, that the program or a library of it imports, and that the preload does
 * not stand in for. */
static void judge_imports(struct diagnosis *d, const struct elf_facts *program,
                          const struct names *libraries)
{
    struct names covered = {0}, missing = {0};
    size_t examined = 1;
    if (d->library == NULL)
        return;
    elf_defined(d->library, &covered);
    add_missing(&missing, program, &covered);
    for (size_t i = 0; i < libraries->count; i++) {
        struct elf_facts f;
        if (is_of_libc(libraries->list[i]) || elf_read(&f, libraries->list[i]) != 0)
            continue;
        add_missing(&missing, &f, &covered);
        elf_free(&f);
        examined++;
    }
    if (missing.count == 0) {
        state(d, FINE, "imports",
              "every blocking function that it or its libraries import (%zu file%s) is watched",
              examined, examined == 1 ? "" : "s");
    } else {
        struct strbuf list = {0};
        for (size_t i = 0; i < missing.count; i++)
            sb_addf(&list, "%s%s", i > 0 ? ", " : "", missing.list[i]);
        state(d, HINT, "imports",
              "missing interposition: %zu function%s that it or its libraries import can block and "
              "%s not watched: %s",
              missing.count, missing.count == 1 ? "" : "s", missing.count == 1 ? "is" : "are",
              list.data);
        sb_free(&list);
    }
    free(covered.list);
    free(missing.list);
}

static void judge_raw_calls(struct diagnosis *d, const struct elf_facts *f,
                            const struct names *libraries)
{
    bool uring = false;
    for (size_t i = 0; i < libraries->count; i++)
        uring = uring || starts_with(base_name(libraries->list[i]), "liburing");
    if (names_have(&f->undefined, "syscall"))
        state(d, HINT, "syscall",
              "it makes system calls by number with syscall(): those that wait are watched, too");
    if (uring)
        state(
            d, HINT, "uring",
            "it links liburing, which enters the kernel by itself: waits for io_uring are not seen "
            "as calls, but as iterations that take too long");
}

/* ---- all of it --------------------------------------------------------------------------------*/

int diagnose_program(struct diagnosis *d, const char *command)
{
    int result = locate_command(command);
    char *path = result == 0 ? doctor_find_command(command) : NULL;
    if (path == NULL) {
        complain(result == -EACCES ? "doctor: %s: is there, but cannot be executed"
                                   : "doctor: %s: command not found",
                 command);
        return result != 0 ? result : -ENOENT;
    }
    d->program = path = follow_scripts(d, path);
    if (path == NULL)
        return 0;
    struct elf_facts f;
    result = elf_read(&f, path);
    if (result != 0) {
        state(d, PARTLY, "unreadable", "%s cannot be read (%s): what it is cannot be said", path,
              strerror(-result));
        return 0;
    }
    if (!f.elf) {
        judge_unknown(d, path);
        return 0;
    }
    judge_linking(d, &f);
    judge_rights(d, path);
    if (d->worst != NEVER) {
        struct names libraries = {0};
        list_libraries(&f, path, &libraries);
        judge_runtime(d, &f, path, &libraries);
        judge_imports(d, &f, &libraries);
        judge_raw_calls(d, &f, &libraries);
        free(libraries.list);
    }
    elf_free(&f);
    return 0;
}
