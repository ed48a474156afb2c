/* The trial of one row, as its runner sees it. The bodies do not include this. */
#ifndef STALLTRACE_TRIAL_H
#define STALLTRACE_TRIAL_H

#include "selftest.h"

enum { MAX_KEPT = 32, MAX_HELPERS = 4, MAX_CHILDREN = 4 };

struct helper {
    pthread_t thread;
    struct trial *trial;
    pid_t tid;
    sem_t ready; /* it holds what it is to hold */
    void (*hold)(void *);
    void (*action)(void *);
    void *argument;
    int fd;
    const char *text;
};

struct trial {
    const struct row *row;
    int index;
    bool hang, details;
    pid_t tid;
    _Atomic int calling; /* the thread is inside the call */

    bool called, failed, skipped;
    long result;
    int error;
    uint64_t elapsed_ns, began_ns;
    char digest[256], reason[256];
    int class; /* as the trace should have it */
    char detail[256];

    /* fixtures */
    int fds[MAX_KEPT];
    _Atomic int fd_count;
    void *memory[MAX_KEPT];
    int memory_count;
    struct helper helpers[MAX_HELPERS];
    int helper_count;
    struct child children[MAX_CHILDREN];
    int child_count;
    char directory[64];
    char paths[8][128];
    int path_count;

    pid_t forked; /* IN_CHILD */
    int answer[2];
};

/* "sleep" … and "fd", by enum st_class. */
extern const char *const class_names[];

void undo_fixtures(struct trial *t);
uint64_t now_ns(void);

#endif
