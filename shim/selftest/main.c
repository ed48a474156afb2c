/* stalltrace-selftest: calls every function that the probe stands in for, so that a run with the
 * preload can be compared with one without, and with the trace. `stalltrace doctor` and the tests
 * run it. Each row is tried on a thread of its own that is a loop thread for the time being; that
 * thread's name, "row N", is what tells the rows apart in the trace.
 *
 *   --list             one line a row: symbol, name, class, kind, rule, number
 *   --run [SYMBOL…]    one line a row: symbol, result, errno, digest (or: FAIL reason; absent)
 *   --details [SYMBOL…] the same, with a line `expect SYMBOL CLASS DETAIL` before it where the body
 *                      knows what the trace will say
 *   --hang SYMBOL…     the same again, and each call waits until a byte comes on stdin
 *   --owners           one line a row: symbol, and the file that serves it in this process */
#include "trial.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_S = 10, HANG_PATIENCE_S = 120 };

static bool hang_mode, details_mode;

const char *const class_names[] = {
#define CLASS(upper, lower) #lower,
#include "common/classes.def"
#undef CLASS
    "fd"};

/* ---- what a row is ----------------------------------------------------------------------------*/

static const struct row *base_of(const struct row *r)
{
    return r->alias_of >= 0 ? &rows[r->alias_of] : r;
}

static const char *kind_name(const struct row *r)
{
    static const char *const names[] = {"support", "quick", "timed", "hangs"};
    return r->test ? names[r->test->kind] : "untested";
}

static void *find_in(void *handle, const struct row *r)
{
    void *p = NULL;
    if (base_of(r)->version)
        p = dlvsym(handle, r->linked, base_of(r)->version);
    if (r->old)
        return p;
    if (!p)
        p = dlsym(handle, r->linked);
    /* Functions that nothing new can be linked with any more have only this. */
    if (!p)
        p = dlvsym(handle, r->linked, "GLIBC_2.2.5");
    return p;
}

/* Does libc itself have it? The preloaded object always does. */
static bool in_libc(const struct row *r)
{
    static const char *const files[] = {"libc.so.6",       "libpthread.so.0", "librt.so.1",
                                        "libresolv.so.2",  "libanl.so.1",     "libdl.so.2",
                                        "libutil.so.1",    "libm.so.6",       "libcrypt.so.1",
                                        "libnss_dns.so.2", "libnsl.so.1"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        /* only what is there already: another library would change what is tested */
        void *handle = dlopen(files[i], RTLD_LAZY | RTLD_NOLOAD);
        bool found = handle && find_in(handle, r);
        if (handle)
            dlclose(handle);
        if (found)
            return true;
    }
    return false;
}

/* ---- one row ----------------------------------------------------------------------------------*/

struct running {
    struct trial trial;
    function *call;
    int home;
};

/* The loop's own wait, so that no wait of a body's is taken for it. It also brings the agent back
 * after a fork. */
static void visit_home(const struct running *r)
{
    struct epoll_event event;
    epoll_wait(r->home, &event, 1, 0);
}

static void *try_row(void *argument)
{
    struct running *r = argument;
    struct trial *t = &r->trial;
    char name[16];
    t->tid = own_tid();
    snprintf(name, sizeof(name), "row %d", t->index);
    pthread_setname_np(pthread_self(), name);
    r->home = epoll_create1(EPOLL_CLOEXEC);
    STALLTRACE_LOOP_BEGIN(NULL);
    visit_home(r);
    STALLTRACE_FLUSH(); /* the trace knows the loop by its name now, whatever the body does to it */
    STALLTRACE_ALLOW_BEGIN("selftest");
    t->row->test->body(t, r->call);
    if (!t->called)
        fail(t, "the body did not make its call");
    undo_fixtures(t);
    STALLTRACE_ALLOW_END();
    visit_home(r);
    STALLTRACE_FLUSH(); /* captures are few */
    STALLTRACE_LOOP_END();
    close(r->home);
    return NULL;
}

static void print_outcome(const struct trial *t)
{
    if (t->failed)
        printf("%s FAIL %s\n", t->row->symbol, t->reason);
    else if (t->skipped)
        printf("%s absent %s\n", t->row->symbol, t->reason);
    else
        printf("%s %ld %d %s\n", t->row->symbol, t->result, t->error,
               t->digest[0] ? t->digest : "-");
    fflush(stdout);
}

static bool join(pthread_t thread)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += hang_mode ? HANG_PATIENCE_S : PATIENCE_S;
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

/* Returns false where it failed. */
static bool run_row(int index)
{
    const struct row *row = &rows[index];
    if (!in_libc(row)) {
        printf("%s absent\n", row->symbol);
        return true;
    }
    /* Never freed where its thread hangs. */
    struct running *r = calloc(1, sizeof(*r));
    void *found = find_in(RTLD_DEFAULT, row);
    pthread_t thread;
    if (!row->test || !r || !found) {
        printf("%s FAIL %s\n", row->symbol, row->test ? "not found" : "has no body");
        free(r);
        return false;
    }
    memcpy(&r->call, &found, sizeof(found));
    r->trial.row = row;
    r->trial.index = index;
    r->trial.hang = hang_mode;
    r->trial.details = details_mode;
    r->trial.class = base_of(row)->class;
    if (pthread_create(&thread, NULL, try_row, r) != 0) {
        printf("%s FAIL no thread\n", row->symbol);
        free(r);
        return false;
    }
    if (!join(thread)) {
        printf("%s FAIL hangs\n", row->symbol);
        fflush(stdout);
        return false; /* that thread stays where it is */
    }
    print_outcome(&r->trial);
    bool ok = !r->trial.failed;
    free(r);
    return ok;
}

/* ---- all of them ------------------------------------------------------------------------------*/

static int find_row(const char *symbol)
{
    for (int i = 0; i < ST_CALL_COUNT; i++)
        if (!strcmp(rows[i].symbol, symbol))
            return i;
    fprintf(stderr, "stalltrace-selftest: %s: no such row\n", symbol);
    exit(2);
}

static int run_rows(char **symbols)
{
    bool ok = true;
    if (*symbols) {
        for (; *symbols; symbols++)
            ok &= run_row(find_row(*symbols));
    } else {
        for (int i = 0; i < ST_CALL_COUNT; i++)
            ok &= run_row(i);
    }
    return ok ? 0 : 1;
}

static void list(void)
{
    for (int i = 0; i < ST_CALL_COUNT; i++) {
        const struct row *r = &rows[i];
        printf("%s %s %s %s %d %d\n", r->symbol, base_of(r)->name, class_names[base_of(r)->class],
               kind_name(r), base_of(r)->rule, i);
    }
}

static void owners(void)
{
    for (int i = 0; i < ST_CALL_COUNT; i++) {
        Dl_info info;
        void *found = in_libc(&rows[i]) ? find_in(RTLD_DEFAULT, &rows[i]) : NULL;
        printf("%s %s\n", rows[i].symbol,
               found && dladdr(found, &info) && info.dli_fname ? info.dli_fname : "absent");
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    signal(SIGPIPE, SIG_IGN);
    if (!strcmp(mode, "--list")) {
        list();
    } else if (!strcmp(mode, "--owners")) {
        owners();
    } else if (!strcmp(mode, "--run")) {
        return run_rows(argv + 2);
    } else if (!strcmp(mode, "--details")) {
        details_mode = true;
        return run_rows(argv + 2);
    } else if (!strcmp(mode, "--hang") && argc > 2) {
        hang_mode = details_mode = true;
        return run_rows(argv + 2);
    } else {
        fputs(
            "usage: stalltrace-selftest --list | --owners | --run [SYMBOL...] | --hang SYMBOL...\n",
            stderr);
        return 2;
    }
    return 0;
}
