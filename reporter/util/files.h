/* Opening files that others have a say in: their paths are in a trace, or on the command line. What
 * is opened is a regular file of bounded size, and opening it never waits. */
#ifndef STALLTRACE_FILES_H
#define STALLTRACE_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* No program and no library is larger, with all of its debug information. */
#define LARGEST_PROGRAM ((off_t)8 << 30)

/* Opens a regular file that is not larger than `largest` bytes, to be read. Returns a descriptor,
 * or a negative errno: -EISDIR for a directory, -ESPIPE for what is no file (a FIFO, a device),
 * -EFBIG. Files of /proc and the like, which hold what they do not say, are of 0 bytes. */
int open_regular(const char *path, off_t largest);
/* The same below the directory `dir_fd`, whatever links there are. */
int open_regular_below(int dir_fd, const char *path, off_t largest);
/* `is no regular file`, `is larger than 16 MB`; else what strerror says. In a buffer of its own. */
const char *why_not_opened(int error);

#endif
