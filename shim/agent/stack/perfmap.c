/* Names of code made at run time, out of /tmp/perf-PID.map: V8, the JVM, .NET, LuaJIT and Python's
 * trampolines write it, a line "start size name" for each piece of code, in hexadecimal. Most only
 * let it grow; what is new is read when a name is asked for, and of several pieces at one address
 * the latest counts. The JVM writes it anew each time it is asked to: what has been read no longer
 * stands there then, and all of it is read again. */
#include "perfmap.h"

#include "agent/agent.h"
#include "agent/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A process with more code than this has its oldest pieces forgotten. */
enum { MAX_PIECES = 1 << 19, BLOCK = 64 * 1024, MOST_AT_ONCE = 64 << 20, MOST_AT_END = 4 << 20 };

struct piece {
    uint64_t start;
    uint32_t size, length; /* of the code; of the name */
    uint64_t name_at;      /* offset in the file */
};

static struct piece *pieces; /* mapped when the first map is found; pages are used as they fill */
static uint64_t count;       /* pieces seen; the ring holds the latest MAX_PIECES */
static uint64_t read_to;     /* offset of the first line that is not read yet */
static uint64_t inode;
static uint64_t shown;    /* pieces of those that st_perfmap_news has gone through */
static struct stat as_of; /* the file, when it did so */
static char last[64]; /* what lies before read_to: as much of it as there is, at the end of this */
static size_t last_length;

void st_perfmap_reset(void)
{
    count = read_to = inode = last_length = shown = 0;
    memset(&as_of, 0, sizeof(as_of));
}

/* Anybody may have put something else there: only a regular file of ours or root's is read. */
static bool is_ours(int fd)
{
    struct stat st;
    return syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode) &&
           (st.st_uid == 0 || st.st_uid == geteuid() || st.st_uid == getuid());
}

static int open_map(void)
{
    char path[64] = "";
    struct st_text t = {path, sizeof(path), 0};
    st_text_add(&t, "/tmp/perf-");
    st_text_number(&t, (uint64_t)getpid(), 10, 1);
    st_text_add(&t, ".map");
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
                          O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
    if (fd >= 0 && !is_ours(fd)) {
        syscall(SYS_close, fd);
        return -1;
    }
    return fd;
}

static const char *hex(const char *p, const char *end, uint64_t *v)
{
    *v = 0;
    if (end - p > 2 && p[0] == '0' && p[1] == 'x')
        p += 2;
    for (; p < end; p++) {
        unsigned d = *p >= '0' && *p <= '9'   ? (unsigned)(*p - '0')
                     : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a' + 10)
                     : *p >= 'A' && *p <= 'F' ? (unsigned)(*p - 'A' + 10)
                                              : 99;
        if (d > 15)
            break;
        *v = *v << 4 | d;
    }
    return p;
}

static void take_line(const char *line, const char *end, uint64_t at)
{
    uint64_t start, size;
    const char *p = hex(line, end, &start);
    if (p == end || *p != ' ')
        return;
    p = hex(p + 1, end, &size);
    if (p == end || *p != ' ' || !size || size > UINT32_MAX)
        return;
    p++;
    pieces[count++ % MAX_PIECES] = (struct piece){.start = start,
                                                  .size = (uint32_t)size,
                                                  .length = (uint32_t)(end - p),
                                                  .name_at = at + (uint64_t)(p - line)};
}

/* Forgets what was read where it is no longer the same file. One that was written anew has other
 * pieces there. */
static void check_same(int fd)
{
    char now[sizeof(last)];
    struct stat st;
    if (syscall(SYS_fstat, fd, &st) < 0)
        return;
    bool same =
        st.st_ino == inode && (uint64_t)st.st_size >= read_to &&
        (!last_length ||
         (syscall(SYS_pread64, fd, now, last_length, read_to - last_length) == (long)last_length &&
          memcmp(now, last + sizeof(last) - last_length, last_length) == 0));
    if (!same)
        st_perfmap_reset();
    inode = st.st_ino;
}

static void keep_last(const char *end, size_t length)
{
    last_length = length < sizeof(last) ? length : sizeof(last);
    memcpy(last + sizeof(last) - last_length, end - last_length, last_length);
}

static void read_news(int fd, bool ends)
{
    static char block[BLOCK];
    check_same(fd);
    /* so much in one go; while somebody waits for this thread to end no more at all, but for the
     * last look */
    for (uint64_t most = read_to + (ends ? MOST_AT_END : MOST_AT_ONCE);
         read_to < most && (ends || !atomic_load(&st_shared->stop));) {
        long n = syscall(SYS_pread64, fd, block, sizeof(block), read_to);
        if (n <= 0)
            return;
        const char *p = block, *all = block + n, *newline;
        while ((newline = memchr(p, '\n', (size_t)(all - p))) != NULL) {
            take_line(p, newline, read_to + (uint64_t)(p - block));
            p = newline + 1;
        }
        if (p == block)
            return; /* a line that is not finished yet, or is none */
        keep_last(p, (size_t)(p - block));
        read_to += (uint64_t)(p - block);
    }
}

/* Copies the piece's name; false where its line no longer says that this piece is there. */
static bool copy_name(int fd, const struct piece *m, char *out, size_t size)
{
    enum { NUMBERS = 48 };
    char before[NUMBERS];
    size_t n = m->name_at < NUMBERS ? m->name_at : NUMBERS;
    uint64_t start, length;
    if (syscall(SYS_pread64, fd, before, n, m->name_at - n) != (long)n)
        return false;
    const char *end = before + n, *line = end;
    while (line > before && line[-1] != '\n')
        line--;
    const char *p = hex(line, end, &start);
    if (p == end || *p != ' ')
        return false;
    p = hex(p + 1, end, &length);
    if (p + 1 != end || *p != ' ' || start != m->start || length != m->size)
        return false;
    n = m->length < size - 1 ? m->length : size - 1;
    long r = syscall(SYS_pread64, fd, out, n, m->name_at);
    out[r > 0 ? r : 0] = 0;
    return r > 0;
}

/* The latest piece that the code belongs to. */
static const struct piece *find(uint64_t pc)
{
    uint64_t held = count < MAX_PIECES ? count : MAX_PIECES;
    for (uint64_t i = 1; i <= held; i++) {
        const struct piece *m = &pieces[(count - i) % MAX_PIECES];
        if (pc - m->start < m->size)
            return m;
    }
    return NULL;
}

static bool have_pieces(void)
{
    if (!pieces) {
        void *p = mmap(NULL, sizeof(struct piece) * MAX_PIECES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        pieces = p == MAP_FAILED ? NULL : p;
    }
    return pieces != NULL;
}

bool st_perfmap_name(uint64_t pc, char *out, size_t size)
{
    int fd = open_map();
    bool found = false;
    if (fd < 0)
        return false;
    /* where it was written anew since it was read: once more */
    for (int i = 0; have_pieces() && !found && i < 2; i++) {
        read_news(fd, false);
        const struct piece *m = find(pc);
        if (!m)
            break;
        found = copy_name(fd, m, out, size);
        if (!found)
            st_perfmap_reset();
    }
    syscall(SYS_close, fd);
    return found;
}

/* Has it been written to since the last time? */
static bool is_news(int fd)
{
    struct stat now, then = as_of;
    if (syscall(SYS_fstat, fd, &now) < 0)
        return false;
    as_of = now;
    return now.st_ino != then.st_ino || now.st_size != then.st_size ||
           now.st_mtim.tv_sec != then.st_mtim.tv_sec || now.st_mtim.tv_nsec != then.st_mtim.tv_nsec;
}

void st_perfmap_news(bool ends, bool (*wanted)(uint64_t start, uint64_t size),
                     void (*take)(uint64_t start, uint64_t size, const char *name))
{
    static char name[512];
    int fd = open_map();
    if (fd < 0)
        return;
    bool news = is_news(fd) || ends;
    if (news && have_pieces()) {
        struct stat now = as_of;
        read_news(fd, ends);
        as_of = now; /* forgotten where it was written anew */
        if (count > MAX_PIECES && shown < count - MAX_PIECES)
            shown = count - MAX_PIECES;
        while (shown < count) {
            const struct piece *m = &pieces[shown++ % MAX_PIECES];
            if (wanted(m->start, m->size) && copy_name(fd, m, name, sizeof(name)))
                take(m->start, m->size, name);
        }
    }
    syscall(SYS_close, fd);
}
