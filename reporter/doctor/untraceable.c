/* Programs that a preload cannot reach, or must not touch: `run` says so before it starts one. The
 * whole examination is doctor's. */
#define _GNU_SOURCE
#include "untraceable.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "util/util.h"

const char *untraceable(const char *command, bool *harmful)
{
    struct elf_facts facts;
    struct stat st;
    const char *why = NULL;
    char *path = doctor_find_command(command);
    *harmful = false;
    if (path == NULL || elf_read(&facts, path) < 0) {
        free(path);
        return NULL;
    }
    if (!facts.elf) {
        why = NULL; /* a script: its interpreter is the program */
    } else if (!facts.for_this_machine) {
        /* its loader would complain on the program's own stderr */
        *harmful = true;
        why = facts.bits == 32 ? "a 32-bit program" : "a program for another machine";
    } else if (facts.interpreter != NULL && strstr(facts.interpreter, "ld-musl") != NULL) {
        why = "linked with musl libc";
    } else if (facts.interpreter == NULL && facts.has_segments) {
        why = facts.go ? "a static Go program" : "a static program";
    } else if (stat(path, &st) == 0 && ((st.st_mode & S_ISUID && st.st_uid != geteuid()) ||
                                        (st.st_mode & S_ISGID && st.st_gid != getegid()))) {
        why = "a setuid or setgid program, for which preloads are ignored";
    }
    elf_free(&facts);
    free(path);
    return why;
}
