/* Running python_stack.py under an interpreter, and reading what it says of its own stack. */
#ifndef STALLTRACE_PYTHON_CHILD_H
#define STALLTRACE_PYTHON_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { CHILD_FRAMES = 4096, INTERPRETERS = 64 };

struct child_frame {
    char *function, *file;
    int line, entry;
};

struct child {
    pid_t pid;
    int input; /* it goes on when this is closed */
    FILE *output;
    uint64_t pthread;
    pid_t tid, target; /* the thread that blocks, and its process: `pid` or a child of it */
    int count;
    struct child_frame frames[CHILD_FRAMES];
};

/* The interpreters to test with: STALLTRACE_TEST_PYTHONS (paths separated by colons), or
 * /usr/bin/python3.* and pyenv's. Returns how many. */
int child_interpreters(char *paths[INTERPRETERS]);

/* Minor version of an interpreter, from its name. */
int child_minor(const char *python);

/* Whether st_py_detect should know it. */
bool child_supported(const char *python);

/* Starts `python python_stack.py scenario [library]` and reads its own account of its stack. Fails
 * the test where there is none. */
void child_start(struct child *child, const char *python, const char *scenario,
                 const char *library);

/* Reads frames up to END into `frames`; returns how many, negative where the output ended. */
int child_read(struct child *child, struct child_frame *frames);

void child_free(struct child_frame *frames, int count);

/* Lets it end, and returns its wait status. */
int child_end(struct child *child);

#endif
