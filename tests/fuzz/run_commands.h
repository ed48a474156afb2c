/* The commands on a trace, as a user types them, within the fuzzer's process. */
#ifndef TESTS_FUZZ_RUN_COMMANDS_H
#define TESTS_FUZZ_RUN_COMMANDS_H

#include <stddef.h>
#include <stdint.h>

/* A file of a directory that is removed at the end. */
const char *file_path(const char *name);
void write_file(const char *path, const void *data, size_t size);

/* Arguments end with NULL. */
void run_command(int (*command)(int argc, char **argv), ...);
void forget_command(void);

#endif
