/* Where files are that belong to the command: the preloaded object, and the program to run. */
#ifndef STALLTRACE_LOCATE_H
#define STALLTRACE_LOCATE_H

/* The absolute path of libstalltrace.so, to be freed; NULL where there is none. Looked for in the
 * build directory that this command was built in, then relative to where it is installed, then
 * where it was configured to be. */
char *locate_library(void);

/* Would execvp find the command? 0, -ENOENT, or -EACCES where there is one that cannot be run. */
int locate_command(const char *command);

#endif
