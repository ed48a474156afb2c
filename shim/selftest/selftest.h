/* What the self-test's files share: the rows of calls.def with their types, the trial of one row,
 * and the fixtures that the bodies use.
 *
 * How to write a body. Each row of calls.def has one, in the file of its family:
 *
 *     TEST(read, HANGS)
 *     {
 *         int fds[2];
 *         char buf[8] = "";
 *         make_pipe(t, fds);
 *         write_later(t, fds[1], "abcd");          // the helper that ends the wait
 *         expect(t, ST_IPC, "pipe");               // class and detail, as the trace will say them
 *         CALLED(t, call(fds[0], buf, sizeof(buf)));
 *         digest_data(t, buf, 4);                  // output parameters
 *     }
 *
 * `t` is the trial, `call` the function under test: the symbol of the row exactly, found by dlsym,
 * with the row's type. A row that is an ALIAS runs the body of what it stands for, with its own
 * function. Rules:
 *
 * - The call is made inside CALLED (CALLED_VOID, IN_CHILD), once, and succeeds. CALLED's value is
 *   the call's. What is set up outside of it is never a finding.
 * - Kinds: SUPPORT is never a finding (rule NONE). QUICK cannot be made to wait here. TIMED waits
 *   by itself for WAIT_MS. HANGS waits for ever unless a helper ends it: release_by(t, function,
 *   argument), or write_later. The helper acts when the thread has been asleep in the call for
 *   WAIT_MS, or under --hang when the caller says so. Whatever a call can be made to wait for: make
 *   it wait.
 * - Result, errno and digest are compared between runs with and without the preload: nothing in
 *   them may depend on pids, ports, addresses or time. Where the result does, overwrite it with
 *   result_is(t, …) afterwards. A pointer's result is 1 or 0 already.
 * - fail(t, …) says why a row failed; NEED(t, condition) fails with the condition's text and
 *   returns from the body. Fixtures (make_…) fail by themselves, and are undone after the body. */
#ifndef STALLTRACE_SELFTEST_H
#define STALLTRACE_SELFTEST_H

#include "probe/wrap/real.h"
#include "stalltrace.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 20, ERRNO_BEFORE = 77 };

enum kind { SUPPORT, QUICK, TIMED, HANGS };

typedef void function(void);
struct trial;

struct test {
    enum kind kind;
    void (*body)(struct trial *t, function *f);
};

struct row {
    const char *symbol; /* of the row: what the tests call it */
    const char *linked; /* what is called: "syscall" for a row that is a number */
    const char *name;
    const char *version;
    int class; /* enum st_class; ST_CLASS_SLOTS for an alias: it is the other row's */
    int rule;
    int alias_of; /* enum st_call_id, or -1 */
    bool old;     /* of this version and no other */
    const struct test *test;
};

extern const struct row rows[ST_CALL_COUNT];

/* ---- types and bodies -------------------------------------------------------------------------*/

#define CALL(symbol, name, version, class, rule, result, parameters, ...)                          \
    typedef result fn_##symbol parameters;                                                         \
    extern const struct test test_##symbol SELFTEST_MAY_MISS;
#define BODY     CALL
#define VARIADIC CALL
#define NUMBER(symbol, class, rule)                                                                \
    typedef long fn_##symbol(long number, ...);                                                    \
    extern const struct test test_##symbol SELFTEST_MAY_MISS;
#define ALIAS(symbol, of)
#ifdef SELFTEST_ALLOW_MISSING
#define SELFTEST_MAY_MISS __attribute__((weak))
#else
#define SELFTEST_MAY_MISS
#endif
#include "probe/calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS

#define TEST(symbol, kind)                                                                         \
    static void typed_##symbol(struct trial *t, fn_##symbol *call);                                \
    static void body_##symbol(struct trial *t, function *f)                                        \
    {                                                                                              \
        typed_##symbol(t, (fn_##symbol *)f);                                                       \
    }                                                                                              \
    const struct test test_##symbol = {kind, body_##symbol};                                       \
    static void typed_##symbol(struct trial *t, fn_##symbol *call)

/* ---- the call ---------------------------------------------------------------------------------*/

void call_begins(struct trial *t);
void call_ended(struct trial *t, long result, int error);

#define CALLED(t, expression)                                                                      \
    __extension__({                                                                                \
        call_begins(t);                                                                            \
        errno = ERRNO_BEFORE;                                                                      \
        __auto_type called_ = (expression);                                                        \
        int called_error_ = errno;                                                                 \
        /* 5: a pointer, whose value differs from run to run */                                    \
        call_ended(t,                                                                              \
                   __builtin_classify_type(called_) == 5 ? (long)(called_ != 0) : (long)called_,   \
                   called_error_);                                                                 \
        called_;                                                                                   \
    })

#define CALLED_VOID(t, expression)                                                                 \
    do {                                                                                           \
        call_begins(t);                                                                            \
        errno = ERRNO_BEFORE;                                                                      \
        expression;                                                                                \
        int called_error_ = errno;                                                                 \
        call_ended(t, 0, called_error_);                                                           \
    } while (0)

/* Makes the call in a forked child that runs a loop of its own. Result and errno are the child's
 * call's if it returned, else its exit status and -1. */
#define IN_CHILD(t, expression)                                                                    \
    do {                                                                                           \
        if (child_begins(t)) {                                                                     \
            errno = ERRNO_BEFORE;                                                                  \
            long called_ = (long)(expression);                                                     \
            int called_error_ = errno;                                                             \
            child_returned(t, called_, called_error_);                                             \
        }                                                                                          \
        child_ended(t);                                                                            \
    } while (0)
#define IN_CHILD_VOID(t, expression) IN_CHILD(t, ((expression), 0))

bool child_begins(struct trial *t);
_Noreturn void child_returned(struct trial *t, long result, int error);
void child_ended(struct trial *t);

/* ---- what a body says -------------------------------------------------------------------------*/

void fail(struct trial *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define NEED(t, condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail(t, "%s:%d: %s (%s)", __FILE__, __LINE__, #condition, strerror(errno));            \
            return;                                                                                \
        }                                                                                          \
    } while (0)
void result_is(struct trial *t, long result);
void result_is_fd(struct trial *t); /* whose number depends on what the helper has open */
void digest_data(struct trial *t, const void *data, size_t n);
void digest_text(struct trial *t, const char *text);
void digest_number(struct trial *t, long long value);
bool hangs(const struct trial *t); /* until somebody has seen that it does: --hang */
/* This machine does not allow it: neither passed nor failed. With errno. */
void skip(struct trial *t, const char *reason);
/* What the trace will say of this row: its class, and the detail. A detail that begins with ~ need
 * only be a part of it; ST_FD stands for any class that a descriptor can have. Before the call. */
void expect(struct trial *t, int class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- what ends a wait -------------------------------------------------------------------------*/

/* Runs on a thread of its own once the call has waited long enough. */
void release_by(struct trial *t, void (*action)(void *), void *argument);
/* The same thread runs hold(argument) first, and has when this returns. Its tid. */
pid_t hold_until(struct trial *t, void (*hold)(void *), void (*let)(void *), void *argument);
void write_later(struct trial *t, int fd, const char *text);
void drain_later(struct trial *t, int fd); /* reads all there is, so that a writer goes on */

/* ---- fixtures: undone after the body ----------------------------------------------------------*/

int keep_fd(struct trial *t, int fd);             /* closes it afterwards; -1 is a failure */
void drop_fd(struct trial *t, int fd);            /* closes it now */
void *keep_memory(struct trial *t, void *memory); /* frees it afterwards; NULL is a failure */
void make_pipe(struct trial *t, int fds[2]);
void make_socketpair(struct trial *t, int type, int fds[2]);
void make_tcp_pair(struct trial *t, int fds[2]);
int make_listener(struct trial *t, struct sockaddr_in *address); /* on 127.0.0.1 */
void fill(int fd); /* writes until nothing more fits; the descriptor stays blocking */
/* A path in the trial's own directory (made by the first call), the same in every run. */
const char *make_path(struct trial *t, const char *name);
const char *make_file(struct trial *t, const char *name, const char *content);
int make_open_file(struct trial *t, const char *content); /* read and write, at its start */
const char *path_of(const struct trial *t); /* what make_path or make_file made last */
/* A child that ends with `status` when it is released (call release_by(t, let_go, child)), or at
 * once. It is killed and reaped afterwards if it is still there. */
struct child {
    pid_t pid;
    int go; /* a byte here ends it */
};
struct child *make_child(struct trial *t, int status, bool waits);
void let_go(void *child);
const struct timespec *in_ms(struct timespec *t, clockid_t clock, long ms); /* from now */
pid_t own_tid(void);

#endif
