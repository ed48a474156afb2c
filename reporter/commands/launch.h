/* Starts the program and waits for it, passing signals on. */
#ifndef STALLTRACE_LAUNCH_H
#define STALLTRACE_LAUNCH_H

#include <sys/types.h>

struct launch {
    pid_t pid;
    int signal_fd;
};

/* Starts `argv` (NULL-terminated) with the environment as it is. From then on, signals
 * wait in `signal_fd`. Returns 0, or the negative errno with which execvp failed. */
int launch_start(struct launch *launch, char **argv);
/* After `signal_fd` became readable: forwards signals, reaps. Returns the program's exit status
 * (128 + n for a signal) once it has ended, else -1. */
int launch_handle(struct launch *launch);

#endif
