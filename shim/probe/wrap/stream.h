/* What can be seen of a stream from outside: whether its buffer already holds the answer, and where
 * in the buffer it is. The same fields that libc's own getc_unlocked and putc_unlocked macros look
 * at, so they are part of glibc's ABI; those of wide streams lie behind _wide_data, in an order
 * that has not changed since 2.2 (libio.h). Nothing here is a call. */
#ifndef STALLTRACE_STREAM_H
#define STALLTRACE_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* The program's stdin, for the probe: its library exports another symbol of that name (musl.c),
 * which a plain reference would mean. */
FILE *st_stdin(void);

/* args[2] of ST_RULE_STREAM: which way the data goes and, of what is written, how much it is (where
 * that is known) or the string itself. */
enum { ST_STREAM_READ, ST_STREAM_WRITE, ST_STREAM_FLUSH, ST_STREAM_STRING };
#define ST_STREAM_LINE      ((uintptr_t)1 << 63)
#define ST_WRITES(n)        (((uintptr_t)(n) + 1) << 2 | ST_STREAM_WRITE) /* -1: not known */
#define ST_WRITES_STRING(s) ((uintptr_t)(s) << 2 | ST_STREAM_STRING)
#define ST_WRITES_LINE(s)   (ST_WRITES_STRING(s) | ST_STREAM_LINE)

struct st_wide {
    wchar_t *read_ptr, *read_end, *read_base;
    wchar_t *write_base, *write_ptr, *write_end;
};

static inline bool st_is_wide(const FILE *f)
{
    return f->_mode > 0;
}

static inline const struct st_wide *st_wide_of(const FILE *f)
{
    return (const struct st_wide *)f->_wide_data;
}

/* Streams in memory, and those of fopencookie, have none; the former leave the field as it was. */
static inline bool st_stream_has_file(const FILE *f)
{
    enum { IS_FILEBUF = 0x2000 };
    return f->_flags & IS_FILEBUF && f->_fileno >= 0;
}

/* Another thread has the stream's lock, and may be waiting in a read while it does. */
static inline bool st_stream_locked(const FILE *f)
{
    enum { USER_LOCK = 0x8000 };
    const struct {
        int lock, count;
        const void *owner;
    } *lock = (const void *)f->_lock;
    if (f->_flags & USER_LOCK || !lock || __atomic_load_n(&lock->lock, __ATOMIC_RELAXED) == 0)
        return false;
    return (uintptr_t)__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != st_pthread_self();
}

static inline bool st_has_input(const FILE *f)
{
    return f->_IO_read_ptr < f->_IO_read_end;
}

/* Of a line-buffered or unbuffered stream the end is where the pointer is: never room. */
static inline bool st_has_room(const FILE *f)
{
    return f->_IO_write_ptr < f->_IO_write_end;
}

static inline bool st_has_wide_input(const FILE *f)
{
    return st_is_wide(f) && st_wide_of(f)->read_ptr < st_wide_of(f)->read_end;
}

static inline bool st_has_wide_room(const FILE *f)
{
    return st_is_wide(f) && st_wide_of(f)->write_ptr < st_wide_of(f)->write_end;
}

/* ---- what is kept with a call: strict mode compares it afterwards
 * -------------------------------*/

static inline uintptr_t st_where_reading(const FILE *f)
{
    const void *now, *end;
    if (st_is_wide(f)) {
        now = st_wide_of(f)->read_ptr;
        end = st_wide_of(f)->read_end;
    } else {
        now = f->_IO_read_ptr;
        end = f->_IO_read_end;
    }
    return (uintptr_t)now | (uintptr_t)end << 48;
}

/* Where reading goes on in the buffer, and the low half of where that ends; 0 where it is empty. */
static inline uintptr_t st_unread(const FILE *f)
{
    bool any = st_is_wide(f) ? st_has_wide_input(f) : st_has_input(f);
    return any ? st_where_reading(f) : 0;
}

/* How much is in the buffer that has not been written out. */
static inline uintptr_t st_unwritten(const FILE *f)
{
    if (st_is_wide(f))
        return (uintptr_t)(st_wide_of(f)->write_ptr - st_wide_of(f)->write_base) +
               (uintptr_t)(f->_IO_write_ptr - f->_IO_write_base);
    return (uintptr_t)(f->_IO_write_ptr - f->_IO_write_base);
}

bool st_any_unwritten(void);
bool st_closing_writes(const FILE *f);

/* The same, also of all streams (NULL). */
static inline uintptr_t st_pending(const FILE *f)
{
    return f ? st_unwritten(f) : st_any_unwritten();
}

/* How much was written, by args[2]; -1: not known. */
static inline uintptr_t st_written(const FILE *f, uintptr_t direction)
{
    const char *s = (const char *)((direction & ~ST_STREAM_LINE) >> 2);
    if ((direction & 3) == ST_STREAM_WRITE)
        return (direction >> 2) - 1;
    /* the call has read it a moment ago */
    return (st_is_wide(f) ? wcslen((const wchar_t *)(const void *)s) : strlen(s)) +
           (direction & ST_STREAM_LINE ? 1 : 0);
}

/* Has a call that began at `before` gone past the buffer, to the descriptor? */
static inline bool st_stream_went_out(const FILE *f, uintptr_t before, uintptr_t direction)
{
    const uintptr_t position = ((uintptr_t)1 << 48) - 1;
    uintptr_t now, n;
    switch (direction & 3) {
    case ST_STREAM_READ:
        /* when it is filled anew, it ends elsewhere, or reading starts over */
        now = st_where_reading(f);
        return before == 0 || (now & position) < (before & position) || now >> 48 != before >> 48;
    case ST_STREAM_FLUSH:
        return before != 0 && st_unwritten(f) == 0;
    default:
        now = st_unwritten(f);
        n = st_written(f, direction);
        return n == (uintptr_t)-1 ? now < before || now == 0 : now != before + n;
    }
}

#endif
