/* What the command says by its exit status; and where traces are looked for by default. */
#ifndef STALLTRACE_EXIT_STATUS_H
#define STALLTRACE_EXIT_STATUS_H

enum exit_status {
    EXIT_CLEAN = 0,
    EXIT_FINDINGS = 1,
    EXIT_ERROR = 2,   /* usage, or something of ours failed */
    EXIT_NOTHING = 3, /* nothing recorded, or no event loop seen */
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,
};

#define DEFAULT_OUTPUT "stalltrace.out"

#endif
