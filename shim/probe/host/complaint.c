/* What is said where this process cannot be recorded, or a setting is bad: one line on stderr, from
 * a process that runs a loop; and to the run that the process belongs to. */
#include "host.h"

#include "common/run_page.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/shm.h>
#include <sys/syscall.h>

/* ---- the run ---- */

/* A run inside another one belongs to that, too. */
enum { RUNS = 4 };
static struct st_run_page *runs[RUNS];
static uint32_t numbers[RUNS]; /* of their segments */

/* `id` is one run's: a number that nobody can guess, '-', and the page's. */
static struct st_run_page *attach(const char *id, size_t len, uint32_t *segment_number)
{
    struct st_run_page *page;
    const char *dash = memchr(id, '-', len);
    uint32_t number = 0;
    if (!dash || len >= sizeof(page->id))
        return NULL;
    for (const char *p = dash + 1; p < id + len; p++) {
        int digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;
        if (digit < 0)
            return NULL;
        number = number << 4 | (uint32_t)digit;
    }
    long at = ST_RAW(SYS_shmat, number, NULL, 0, 0);
    if (at < 0 && at > -4096)
        return NULL;
    page = (void *)(uintptr_t)at;
    struct shmid_ds segment;
    if (ST_RAW(SYS_shmctl, number, IPC_STAT, &segment, 0) == 0 &&
        segment.shm_segsz >= sizeof(*page) && !memcmp(page->id, id, len) && !page->id[len]) {
        *segment_number = number;
        return page;
    }
    ST_RAW(SYS_shmdt, page, 0, 0, 0);
    return NULL;
}

/* Now, while it can be had: the process may change its user, or take a filter. Stays attached. */
void st_runs_attach(void)
{
    int n = 0;
    for (const char *id = st_settings.run; *id && n < RUNS;) {
        size_t len = strcspn(id, ".");
        if ((runs[n] = attach(id, len, &numbers[n])))
            atomic_fetch_add(&runs[n++]->loaded, 1);
        id += len + (id[len] == '.');
    }
}

void st_runs_give(uid_t user)
{
    for (int i = 0; i < RUNS && runs[i]; i++) {
        struct shmid_ds segment;
        if (ST_RAW(SYS_shmctl, numbers[i], IPC_STAT, &segment, 0) != 0)
            continue;
        segment.shm_perm.uid = user;
        ST_RAW(SYS_shmctl, numbers[i], IPC_SET, &segment, 0);
    }
}

static void copy(char *to, size_t size, const char *from)
{
    size_t n = strnlen(from, size - 1);
    memcpy(to, from, n);
    to[n] = 0;
}

void st_tell_runs(const char *why)
{
    static pid_t told; /* the first reason is the one to mend */
    pid_t self = (pid_t)ST_RAW(SYS_getpid, 0, 0, 0, 0);
    if (told == self)
        return;
    told = self;
    char exe[sizeof(runs[0]->untraced[0].exe)];
    long n = ST_RAW(SYS_readlink, "/proc/self/exe", exe, sizeof(exe) - 1, 0);
    if (n <= 0) {
        copy(exe, sizeof(exe), st_shared.argv_len ? st_shared.argv : "unknown");
        n = (long)strlen(exe);
    }
    exe[n] = 0;
    for (int i = 0; i < RUNS && runs[i]; i++) {
        uint32_t at = atomic_fetch_add(&runs[i]->claimed, 1);
        if (at >= ST_RUN_PAGE_UNTRACED)
            continue;
        struct st_untraced *u = &runs[i]->untraced[at];
        u->pid = self;
        copy(u->exe, sizeof(u->exe), exe);
        copy(u->why, sizeof(u->why), why);
        atomic_store(&u->ready, 1);
    }
}

/* ---- the directory ---- */

static size_t add_number(char *text, size_t n, uint64_t value)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        text[n++] = digits[--count];
    return n;
}

void st_leave_mark(void)
{
    char exe[256], name[256 + 48];
    long len = ST_RAW(SYS_readlink, "/proc/self/exe", exe, sizeof(exe) - 1, 0);
    exe[len > 0 ? len : 0] = 0;
    const char *last = strrchr(exe, '/');
    if (runs[0])
        return; /* the run knows, and can say more */
    size_t n = 0;
    for (const char *p = last && last[1] ? last + 1 : "unknown"; *p && n < 200; p++)
        name[n++] = *p == ' ' ? '_' : *p;
    name[n++] = '.';
    n = add_number(name, n, (uint64_t)ST_RAW(SYS_getpid, 0, 0, 0, 0));
    name[n++] = '.';
    n = add_number(name, n, st_shared.start_real_ns / 1000000);
    memcpy(name + n, ".jsonl", sizeof(".jsonl"));
    long at = ST_RAW(SYS_openat, AT_FDCWD, st_settings.output, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    long fd = at < 0 ? at
                     : ST_RAW(SYS_openat, at, name,
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        ST_RAW(SYS_close, fd, 0, 0, 0);
    if (at >= 0)
        ST_RAW(SYS_close, at, 0, 0, 0);
}

/* ---- stderr ---- */

static struct stat first_stderr; /* as it was at the start; st_mode 0: there was none */

void st_stderr_note(void)
{
    if (ST_RAW(SYS_fstat, 2, &first_stderr, 0, 0) != 0)
        first_stderr.st_mode = 0;
}

/* A program may have closed it, and opened something of its own there. */
static bool is_for_people(void)
{
    struct stat st;
    char terminal[64];
    if (ST_RAW(SYS_fstat, 2, &st, 0, 0) != 0 || st.st_mode != first_stderr.st_mode ||
        st.st_dev != first_stderr.st_dev || st.st_ino != first_stderr.st_ino)
        return false;
    return S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) ||
           (S_ISCHR(st.st_mode) && ST_RAW(SYS_ioctl, 2, TCGETS, terminal, 0) == 0);
}

/* The signal of a write that failed is this thread's alone; signals are blocked. */
static void drop_signal(int number)
{
    const uint64_t set = 1ull << (number - 1);
    const struct timespec now = {0, 0};
    ST_RAW(SYS_rt_sigtimedwait, &set, NULL, &now, sizeof(set));
}

/* With select, since poll takes no descriptor where the limit of open files is 0. */
static bool takes_more(void)
{
    uint64_t set[FD_SETSIZE / 64] = {1 << 2};
    struct timeval now = {0, 0};
    return st_raw6(SYS_select, 3, 0, (long)set, 0, (long)&now, 0) == 1;
}

static void write_line(const char *line, size_t n)
{
    uint64_t pending = 0;
    /* One that nobody reads from must not hold this thread up. */
    if (!is_for_people() || !takes_more())
        return;
    ST_RAW(SYS_rt_sigpending, &pending, sizeof(pending), 0, 0);
    long r = ST_RAW(SYS_write, 2, line, n, 0);
    int number = r == -EPIPE ? SIGPIPE : r == -EFBIG ? SIGXFSZ : 0;
    if (number && !(pending & 1ull << (number - 1)))
        drop_signal(number);
}

/* It is one line, whatever a path or a setting's value holds. */
static size_t add(char *line, size_t size, size_t n, const char *text)
{
    for (; *text && n < size; text++)
        line[n++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
    return n;
}

/* ---- once ---- */

static _Atomic bool said_here;
static _Atomic bool *said = &said_here;

/* Workers of one master say it once between them: from the first fork on they share the word. */
void st_share_complaint(void)
{
    const long flags = MAP_SHARED | MAP_ANONYMOUS;
    if (said != &said_here)
        return;
    long at = st_raw6(SYS_mmap, 0, sizeof(*said), PROT_READ | PROT_WRITE, flags, -1, 0);
    if (at < 0 && at > -4096)
        return;
    said = (_Atomic bool *)(uintptr_t)at;
    atomic_store(said, atomic_load(&said_here));
}

void st_complain(const char *const *parts)
{
    char line[4096 + 1024];
    const size_t size = sizeof(line) - 1;
    static const char what[] = "nothing is recorded: ";
    if (!parts && !st_settings.bad[0])
        return;
    bool again = atomic_exchange(said, true);
    size_t n = add(line, size, 0, "stalltrace: "), why = n;
    if (parts) {
        n = add(line, size, n, what);
        why = n;
    }
    for (int i = 0; parts && parts[i]; i++) /* room is left for what comes after a path */
        n = add(line, n + 3000 < size ? n + 3000 : size, n, parts[i]);
    line[n] = 0;
    if (parts)
        st_tell_runs(line + why - (sizeof(what) - 1));
    if (st_settings.bad[0]) {
        n = add(line, size, n, parts ? "; " : "");
        n = add(line, size, n, st_settings.bad);
    }
    line[n++] = '\n';
    if (!again && !st_settings.quiet)
        write_line(line, n);
}
