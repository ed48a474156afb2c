/* What can be seen of a stream from outside: whether its buffer already holds the answer, and where
 * in the buffer it is. The same fields that libc's own getc_unlocked and putc_unlocked macros look
 * at, so they are part of glibc's ABI; those of wide streams lie behind _wide_data, in an order
 * that has not changed since 2.2 (libio.h). Nothing here is a call. */
#ifndef STALLTRACE_STREAM_H
#define STALLTRACE_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <wchar.h>

/* The program's stdin, for the probe: its library exports another symbol of that name (musl.c),
 * which a plain reference would mean. */
FILE *st_stdin(void);

/* args[2] of ST_RULE_STREAM */
enum { ST_STREAM_READ, ST_STREAM_WRITE, ST_STREAM_FLUSH };

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

/* Another thread has the stream's lock, and may be waiting in a read while it does. */
static inline bool st_stream_locked(const FILE *f)
{
    enum { USER_LOCK = 0x8000 };
    return !(f->_flags & USER_LOCK) && f->_lock &&
           __atomic_load_n((const int *)f->_lock, __ATOMIC_RELAXED) != 0;
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

/* ---- positions, kept with a call: strict mode compares them afterwards ------------------------*/

/* Where reading goes on in the buffer; 0 where the buffer is empty. */
static inline uintptr_t st_unread(const FILE *f)
{
    if (st_is_wide(f))
        return st_has_wide_input(f) ? (uintptr_t)st_wide_of(f)->read_ptr : 0;
    return st_has_input(f) ? (uintptr_t)f->_IO_read_ptr : 0;
}

/* Where writing goes on in the buffer; 0 where there is none yet. */
static inline uintptr_t st_unwritten(const FILE *f)
{
    return st_is_wide(f) ? (uintptr_t)st_wide_of(f)->write_ptr : (uintptr_t)f->_IO_write_ptr;
}

/* Is there anything to be written out? Of all streams (NULL) nobody knows. */
static inline uintptr_t st_pending(const FILE *f)
{
    if (!f)
        return 1;
    return f->_IO_write_ptr > f->_IO_write_base ||
           (st_is_wide(f) && st_wide_of(f)->write_ptr > st_wide_of(f)->write_base);
}

/* Has a call that began at `before` gone past the buffer, to the descriptor? */
static inline bool st_stream_went_out(const FILE *f, uintptr_t before, uintptr_t direction)
{
    uintptr_t now, base;
    switch (direction) {
    case ST_STREAM_READ:
        now = st_is_wide(f) ? (uintptr_t)st_wide_of(f)->read_ptr : (uintptr_t)f->_IO_read_ptr;
        return before == 0 || now <= before; /* it was filled anew: reading starts over */
    case ST_STREAM_WRITE:
        now = st_unwritten(f);
        base = st_is_wide(f) ? (uintptr_t)st_wide_of(f)->write_base : (uintptr_t)f->_IO_write_base;
        return now <= before || now <= base; /* it was emptied */
    default:
        return before != 0;
    }
}

#endif
