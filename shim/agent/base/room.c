/* See room.h. Of the greatest size, a sixteenth is for the last words, an eighth before that for
 * stacks of new places, and figures take an eighth at most. What is promised counts as written. */
#include "room.h"

#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

enum { FINAL_SHARE = 12, LAST_SHARE = 16, PLACES_SHARE = 8, FIGURES_SHARE = 8, AGE_SHARE = 16 };
enum { DISK_KEEP = 8192, FINAL_BYTES = 320 /* a loss and the end */ };
#define SECOND_NS 1000000000ull

static uint64_t limit; /* 0: none */
static uint64_t written, figures, kept;
static int64_t promised;
static uint64_t refused;
static int refused_error;
static bool last_figures, cannot_keep, disk_is_full, by_ulimit, heeds_promises;
static enum st_worth worth, worth_of_stacks;

void room_limit(uint64_t bytes)
{
    struct rlimit files;
    limit = bytes;
    by_ulimit = false;
    /* beyond that the kernel would cut a record, and send a signal */
    if (syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &files) == 0 &&
        files.rlim_cur != RLIM_INFINITY &&
        (limit == 0 || files.rlim_cur < limit + limit / FINAL_SHARE)) {
        limit = files.rlim_cur - files.rlim_cur / (FINAL_SHARE + 1);
        by_ulimit = true;
    }
}

bool room_is_too_small(void)
{
    enum { LEAST = 8192 }; /* the first record, the loop's, a stack, and what was lost */
    return by_ulimit && limit < LEAST;
}

void room_reset(void)
{
    written = figures = kept = refused = 0;
    promised = 0;
    last_figures = cannot_keep = disk_is_full = false;
}

static bool is_one_of(const char *type, const char *const *types, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(types[i], type))
            return true;
    return false;
}

void room_begin(const char *type)
{
    static const char *const final[] = {"process", "loss", "end"};
    static const char *const last[] = {"notice", "dropped", "serving"};
    static const char *const figure[] = {"stats", "more", "stall_still", "starved"};
    static const char *const stacks[] = {"module", "stack"};
    /* The last figures of loops must not take the room of counts, for which it was promised. */
    heeds_promises = !strcmp(type, "stats") || !strcmp(type, "stall_still");
    if (is_one_of(type, final, sizeof(final) / sizeof(final[0])))
        worth = ST_WORTH_FINAL;
    else if (is_one_of(type, last, sizeof(last) / sizeof(last[0])))
        worth = ST_WORTH_LAST;
    else if (is_one_of(type, figure, sizeof(figure) / sizeof(figure[0])))
        worth = ST_WORTH_FIGURES;
    else if (is_one_of(type, stacks, sizeof(stacks) / sizeof(stacks[0])))
        worth = worth_of_stacks;
    else
        worth = ST_WORTH_REPEATED;
}

void room_worth(enum st_worth to)
{
    worth = to;
}

void room_worth_of_stacks(enum st_worth to)
{
    worth_of_stacks = to;
}

static bool fits(enum st_worth of, size_t length)
{
    if (!limit || written == 0)
        return true;
    uint64_t used = written + (uint64_t)promised + length, last = limit / LAST_SHARE;
    switch (of) {
    case ST_WORTH_FINAL:
        return written + length <= limit + limit / FINAL_SHARE;
    case ST_WORTH_LAST:
        return written + length <= limit &&
               written + length + FINAL_BYTES <= limit + limit / FINAL_SHARE;
    case ST_WORTH_PLACE:
        return used <= limit - last;
    case ST_WORTH_FIGURES:
        if (figures + length > limit / FIGURES_SHARE)
            return false;
        break;
    case ST_WORTH_REPEATED:
        break;
    }
    return used <= limit - last - limit / PLACES_SHARE;
}

bool room_for_stacks(size_t length)
{
    /* on a full disk a new place waits for room */
    return fits(worth_of_stacks, length) && !(disk_is_full && worth_of_stacks != ST_WORTH_PLACE);
}

bool room_for(size_t length)
{
    enum st_worth of = worth == ST_WORTH_FIGURES && last_figures ? ST_WORTH_LAST : worth;
    if (of == ST_WORTH_LAST && heeds_promises)
        length += (size_t)promised;
    return fits(of, length) && !(disk_is_full && of > ST_WORTH_LAST);
}

void room_taken(size_t length)
{
    written += length;
    if (worth == ST_WORTH_FIGURES)
        figures += length;
}

bool room_promise(int64_t bytes)
{
    if (bytes > 0 && !fits(ST_WORTH_PLACE, (size_t)bytes))
        return false;
    promised = promised + bytes > 0 ? promised + bytes : 0;
    return true;
}

void room_last_figures(bool last)
{
    last_figures = last;
}

bool room_is_last(void)
{
    return last_figures;
}

const char *room_way_out(void)
{
    return by_ulimit ? "raise the greatest size of a file (ulimit -f), or --threshold"
                     : "raise --max-trace-size, or --threshold";
}

/* In a long life ever more seldom, so that a year's figures are a few hundred records of each loop;
 * with many loops, or a small trace, when the age has grown by half. */
uint64_t room_figures_gap_ns(uint64_t age_ns)
{
    uint64_t gap = age_ns / (limit && figures > limit / FIGURES_SHARE / 2 ? 2 : AGE_SHARE);
    return gap > SECOND_NS ? gap : SECOND_NS;
}

void room_refused(int error)
{
    refused++;
    refused_error = error;
    disk_is_full = disk_is_full || error == ENOSPC || error == EDQUOT;
}

uint64_t room_take_refused(int *error)
{
    uint64_t n = refused;
    *error = refused_error;
    refused = 0;
    return n;
}

bool room_disk_is_full(void)
{
    return disk_is_full;
}

bool room_is_of_place(void)
{
    return worth == ST_WORTH_PLACE;
}

/* The blocks behind the end are the file's already: on a full disk the last words find them. Where
 * the file system cannot do that, a write that is refused tells. */
bool room_keep(int fd)
{
    enum { KEEP_SIZE = 1, AGAIN_NS = 50000000 };
    static uint64_t asked;
    uint64_t now = st_ticks_now();
    if (cannot_keep && !disk_is_full)
        return true;
    if (!disk_is_full && written + DISK_KEEP / 2 <= kept)
        return true;
    if (disk_is_full && st_ticks_to_ns(now - asked) < AGAIN_NS)
        return false;
    if (atomic_load(st_shared->filtered)) {
        disk_is_full = false;
        return cannot_keep = true;
    }
    asked = now;
    long r = syscall(SYS_fallocate, fd, KEEP_SIZE, 0, written + DISK_KEEP);
    if (r == 0)
        kept = written + DISK_KEEP;
    int error = r < 0 ? errno : 0;
    disk_is_full = error == ENOSPC || error == EDQUOT;
    cannot_keep = error && !disk_is_full;
    return !disk_is_full;
}
