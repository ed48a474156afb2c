/* What the doctor's parts share: the diagnosis, a list of statements, and the parts that make them.
 * doctor.c has the command and prints; doctor_program.c finds and judges COMMAND; doctor_elf.c
 * reads ELF files; doctor_machine.c asks the machine; doctor_selftest.c runs the self-test. */
#ifndef STALLTRACE_DOCTOR_H
#define STALLTRACE_DOCTOR_H

#include "util/util.h"

enum verdict {
    FINE,   /* as it should be */
    HINT,   /* worth knowing; changes nothing */
    PARTLY, /* something will not be seen */
    NEVER,  /* cannot be traced */
};

struct statement {
    enum verdict verdict;
    const char *code; /* short, stable: for scripts */
    char *text;
};

struct diagnosis {
    struct statement *statements;
    size_t count, cap;
    enum verdict worst;
    char *library; /* libstalltrace.so; NULL: not found */
    char *program; /* the file that the kernel will load for COMMAND; NULL: no COMMAND */
    /* the self-test */
    bool tested;
    size_t rows, seen, while_hanging;
    struct row_problem {
        const char *symbol;
        char *problem;
    } * problems;
    size_t problem_count, problem_cap;
    const char **absent; /* rows that this libc lacks */
    size_t absent_count, absent_cap;
};

void state(struct diagnosis *d, enum verdict verdict, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* 0; or a negative errno after a complaint: there is no such command. */
int diagnose_program(struct diagnosis *d, const char *command);
void diagnose_machine(struct diagnosis *d, const char *output);
/* 0, or a negative errno after a complaint where it could not be run at all. */
int diagnose_selftest(struct diagnosis *d);

/* ---- ELF files --------------------------------------------------------------------------------*/

struct names {
    const char **list; /* interned */
    size_t count, cap;
};

struct elf_facts {
    bool elf, for_this_machine, has_segments, has_dynamic, go;
    unsigned bits;
    const char *machine, *interpreter; /* of PT_INTERP, or NULL */
    struct names needed, undefined;
};

/* The file of a command, as execvp looks for it; to be freed. NULL: there is none. */
char *doctor_find_command(const char *command);

/* Reads what there is to know. 0 or a negative errno; a file that is not ELF is `elf` = false. */
int elf_read(struct elf_facts *facts, const char *path);
void elf_free(struct elf_facts *facts);
/* Does the file define one of these dynamic symbols? (`wanted` ends with NULL) */
bool elf_defines(const char *path, const char *const *wanted);
/* Adds the dynamic functions that the file defines to `names`. */
void elf_defined(const char *path, struct names *names);
bool elf_contains(const char *path, const char *const *texts);

void names_add(struct names *names, const char *name);
bool names_have(const struct names *names, const char *name);

/* doctor_runtime.c: `libraries` are the paths of what the program loads at start-up. */
void judge_runtime(struct diagnosis *d, const struct elf_facts *facts, const char *path,
                   const struct names *libraries);

/* Functions of libc that can block, sorted (doctor_names.c). */
extern const char *const blocking_names[];
extern const size_t blocking_name_count;

/* Runs `argv` with `env` (NULL: ours), gives what it wrote to stdout, to be freed. Returns its exit
 * status (128 + n for a signal), or a negative errno. */
int run_quietly(char *const argv[], char *const env[], char **output);

#endif
