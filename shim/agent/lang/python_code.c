/* What a Python code object says about a frame: its function, its file, and the line of an
 * instruction. */
#include "python.h"

#include <errno.h>
#include <string.h>

#include "agent/base/memory.h"

enum {
    CODE_MAX = 1 << 28, /* bytes of code; what is above is garbage */
    WINDOW = 64,        /* characters read at once */
};

/* A freed object keeps its type, but the allocator's free list runs through its first word: a
 * pointer above 4 GiB, or 0. A live one has its refcount there; immortal ones (3.12) 2^32 - 1. From
 * 3.14 flags are in the upper 16 bits, where a pointer has none. */
int st_py_is(const struct st_py_layout *layout, const unsigned char *head, uint64_t type)
{
    uint64_t refcount = st_py_word(head, 0);

    if (layout->version >= 0x030e0000) {
        refcount &= UINT64_MAX >> 16;
    }
    if (refcount == 0 || refcount > UINT32_MAX || st_py_word(head, layout->object_type) != type) {
        return -EINVAL;
    }
    return 0;
}

int64_t st_py_bytes_size(const struct st_py_layout *layout, uint64_t object)
{
    unsigned char head[ST_PY_TEXT_HEAD];
    uint64_t size;
    int rc = st_py_plausible(object) ? st_mem_read(object, head, layout->bytes_data) : -EFAULT;

    if (rc != 0) {
        return rc;
    }
    size = st_py_word(head, layout->var_size);
    if (st_py_is(layout, head, layout->bytes_type) != 0 || size > CODE_MAX) {
        return -EINVAL;
    }
    return (int64_t)size;
}

/* Encodes a code point; a lone surrogate (a file name's byte that was no UTF-8) and NUL become
 * U+FFFD. Returns the number of bytes. */
static size_t encode(uint32_t point, unsigned char out[4])
{
    if (point == 0 || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff) {
        point = 0xfffd;
    }
    if (point < 0x80) {
        out[0] = (unsigned char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (unsigned char)(0xc0 | point >> 6);
        out[1] = (unsigned char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (unsigned char)(0xe0 | point >> 12);
        out[1] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (unsigned char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (unsigned char)(0xf0 | point >> 18);
    out[1] = (unsigned char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (unsigned char)(0x80 | (point & 0x3f));
    return 4;
}

/* Copies `length` characters of `width` bytes at `addr`; "…" marks what did not fit. */
static int copy_text(uint64_t addr, uint64_t length, unsigned width, char *out, size_t size)
{
    static const char ellipsis[] = "…";
    unsigned char window[WINDOW * 4];
    size_t used = 0, cut = 0; /* up to `cut` there is room for the mark after it */

    for (uint64_t i = 0; i < length; i++) {
        unsigned char bytes[4];
        uint32_t point = 0; /* little-endian, like the machine */
        size_t n;
        if (i % WINDOW == 0) {
            size_t left = (size_t)(length - i < WINDOW ? length - i : WINDOW);
            int rc = st_mem_read(addr + i * width, window, left * width);
            if (rc != 0) {
                return rc;
            }
        }
        memcpy(&point, window + i % WINDOW * width, width);
        n = encode(point, bytes);
        if (used + n >= size) {
            memcpy(out + cut, ellipsis, sizeof(ellipsis));
            return 0;
        }
        memcpy(out + used, bytes, n);
        used += n;
        if (used + sizeof(ellipsis) <= size) {
            cut = used;
        }
    }
    out[used] = '\0';
    return 0;
}

/* PEP 393: a compact string's characters, of 1, 2 or 4 bytes, follow its head. The other sort
 * (3.11 and older, made by old C interfaces only) is given up. */
int st_py_text(const struct st_py_layout *layout, uint64_t object, char *out, size_t size)
{
    unsigned char head[ST_PY_TEXT_HEAD];
    uint64_t length;
    uint32_t state;
    unsigned width, compact, ascii;
    int rc = st_py_plausible(object) ? st_mem_read(object, head, layout->str_ascii_data) : -EFAULT;

    if (rc != 0) {
        return rc;
    }
    length = st_py_word(head, layout->str_length);
    memcpy(&state, head + layout->str_state, sizeof(state));
    width = state >> 2 & 7;
    compact = state >> 5 & 1;
    ascii = state >> 6 & 1;
    if (st_py_is(layout, head, layout->str_type) != 0 || length > INT64_MAX || !compact ||
        (width != 1 && width != 2 && width != 4) || (ascii && width != 1)) {
        return -EINVAL;
    }
    return copy_text(object + (ascii ? layout->str_ascii_data : layout->str_data), length, width,
                     out, size);
}

/* The byte offset of the frame's instruction in its code, below 0 for a frame that has not begun;
 * -EINVAL in `rc` where it is not in the code. */
static int64_t instruction(const struct st_py_layout *layout, const struct st_py_raw *raw,
                           const unsigned char *head, int *rc)
{
    int64_t offset, size;

    if (layout->version >= 0x030b0000) {
        /* The code, of 2-byte units, is the object's own variable part. */
        offset = (int64_t)(raw->instr - (raw->code + layout->code_instructions));
        size = (int64_t)st_py_word(head, layout->var_size);
        size = size < 0 || size > CODE_MAX ? -EINVAL : size * 2;
    } else {
        offset = (int64_t)raw->instr;
        if (layout->version >= 0x030a0000 && offset > 0) {
            offset *= 2; /* 3.10 counts units */
        }
        size = st_py_bytes_size(layout, st_py_word(head, layout->code_instructions));
    }
    /* Before its first instruction prev_instr (3.11) is one unit before the code, f_lasti -1. */
    *rc = size < 0 || offset < -2 || offset >= size || (offset > 0 && offset & 1) ? -EINVAL : 0;
    return offset;
}

static int read_head(void *ctx, uint64_t addr, void *buf, size_t len)
{
    (void)ctx;
    memcpy(buf, (const void *)(uintptr_t)addr, len);
    return 0;
}

int st_py_resolve(const struct st_py_layout *layout, const struct st_py_raw *raw,
                  struct st_py_name *name)
{
    _Alignas(8) unsigned char head[ST_PY_CODE_HEAD];
    int32_t first_line;
    int64_t offset;
    int rc;

    if (layout->version == 0 || !st_py_plausible(raw->code)) {
        return -EFAULT;
    }
    rc = st_mem_read(raw->code, head, layout->code_lines + sizeof(uint64_t));
    if (rc != 0) {
        return rc;
    }
    rc = st_py_is(layout, head, layout->code_type);
    if (rc != 0) {
        return rc;
    }
    if (raw->check != 0 &&
        raw->check != st_py_check(layout, (uint64_t)(uintptr_t)head, read_head, NULL)) {
        return -ESTALE; /* that code object is gone, and this is another */
    }
    offset = instruction(layout, raw, head, &rc);
    if (rc != 0) {
        return rc;
    }
    rc = st_py_text(layout, st_py_word(head, layout->code_name), name->function,
                    sizeof(name->function));
    if (rc != 0) {
        return rc;
    }
    rc =
        st_py_text(layout, st_py_word(head, layout->code_filename), name->file, sizeof(name->file));
    if (rc != 0) {
        return rc;
    }
    memcpy(&first_line, head + layout->code_firstlineno, sizeof(first_line));
    name->line = st_py_line(layout, st_py_word(head, layout->code_lines), first_line, offset);
    if (name->line == 0 &&
        st_py_word(head, layout->code_name) == st_py_word(head, layout->code_filename)) {
        return -ENOENT; /* code that no compiler made: its file is its name, the very object */
    }
    return name->line < 0 ? name->line : 0;
}
