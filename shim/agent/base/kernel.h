/* What the kernel tells about a thread of this process, out of /proc and the cgroup. */
#ifndef STALLTRACE_KERNEL_H
#define STALLTRACE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Time on a processor and time spent waiting for one, in ns. 0, or -ENOENT where the kernel keeps
 * no such figures. */
int st_schedstat(pid_t tid, uint64_t *running, uint64_t *waiting);

/* The letter of the thread's state (R, S, D, T, t, …); 0: it is gone. */
char st_thread_state(pid_t tid);

/* A thread's signals, a bit each (that of number n is bit n - 1). */
struct st_signals {
    uint64_t pending, blocked, ignored, caught;
    bool traced; /* a debugger would stop it at each */
};
/* 0, or -ENOENT. */
int st_thread_signals(pid_t tid, struct st_signals *out);

/* False where the process's descriptor has O_NONBLOCK; true also where that cannot be told. */
bool st_fd_blocks(int fd);

/* What the kernel tells about the process's epoll fd (the text of its fdinfo); its length. */
long st_epoll_info(pid_t tid, int fd, char *text, size_t size);
/* Is that descriptor of the process an epoll fd? */
bool st_is_epoll(pid_t tid, int fd);
uint64_t st_hexadecimal(const char *text);
/* Is one of these the inode of a socket that listens? */
bool st_any_listens(const uint64_t *inodes, int n);

/* What a sleeping thread sleeps in. */
struct st_sleep {
    char syscall[32]; /* its name where known, else its number; empty: not in one (a page fault) */
    char wchan[64];   /* the kernel function; empty: not told */
    uint64_t sp, pc;  /* 0: not told */
};
int st_sleeping_in(pid_t tid, struct st_sleep *out);

/* The path of the program, and its length; empty where it is not known. */
size_t st_own_exe(char *path, size_t size);

/* Takes the user, group and supplementary groups of that thread for the calling one. */
void st_follow_ids(pid_t tid);

/* ns for which the cgroup's quota has kept the process from running, in all; 0 where there is none.
 */
uint64_t st_throttled_ns(void);

#endif
