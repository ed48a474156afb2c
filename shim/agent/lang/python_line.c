/* Line tables of Python code objects: from an instruction to its line. Three formats: lnotab up to
 * 3.9, PEP 626's from 3.10, and the location table from 3.11 (Objects/locations.md, PEP 657). */
#include "python.h"

#include <errno.h>

#include "agent/base/memory.h"

/* A bytes object, read through a small window. */
struct table {
    uint64_t next, end;
    uint32_t have, at;
    int failed; /* negative errno: what was taken since is worth nothing */
    unsigned char window[128];
};

static bool more(const struct table *table)
{
    return table->failed == 0 && (table->at < table->have || table->next < table->end);
}

/* The next byte, without taking it. */
static unsigned peek(struct table *table)
{
    if (!more(table)) {
        if (table->failed == 0) {
            table->failed = -EINVAL; /* the table ends in the middle of an entry */
        }
        return 0;
    }
    if (table->at == table->have) {
        uint64_t left = table->end - table->next;
        table->have = left < sizeof(table->window) ? (uint32_t)left : sizeof(table->window);
        table->at = 0;
        table->failed = st_mem_read(table->next, table->window, table->have);
        table->next += table->have;
        if (table->failed != 0) {
            return 0;
        }
    }
    return table->window[table->at];
}

static unsigned take(struct table *table)
{
    unsigned byte = peek(table);
    table->at++;
    return byte;
}

/* Six bits a byte, lowest first; bit 6 says that more follow. */
static uint32_t take_varint(struct table *table)
{
    uint32_t value = 0;
    unsigned byte, shift = 0;

    do {
        byte = take(table);
        if (shift < 32) {
            value |= (byte & 63) << shift;
        }
        shift += 6;
    } while (byte & 64);
    return value;
}

static int32_t take_signed_varint(struct table *table)
{
    uint32_t value = take_varint(table);
    int32_t magnitude = (int32_t)(value >> 1);
    return value & 1 ? -magnitude : magnitude;
}

/* What a decoder found, if nothing failed on the way. */
static int checked(const struct table *table, int64_t line)
{
    if (table->failed != 0) {
        return table->failed;
    }
    return line >= 0 && line <= INT32_MAX ? (int)line : -EINVAL;
}

/* 3.11 on. An entry's first byte has bit 7 set, and says its kind and how many units of code it
 * covers; columns follow, which are skipped. */
static int location_line(struct table *table, int64_t line, int64_t offset)
{
    enum {
        SHORT_LAST = 9,
        ONE_LINE_0 = 10,
        ONE_LINE_2 = 12,
        NO_COLUMNS = 13,
        LONG = 14,
        NONE = 15
    };
    int64_t end = 0;

    while (more(table)) {
        unsigned first = take(table);
        unsigned kind = first >> 3 & 15;
        if (!(first & 128)) {
            return -EINVAL;
        }
        end += ((first & 7) + 1) * 2;
        if (kind == NO_COLUMNS || kind == LONG) {
            line += take_signed_varint(table);
        } else if (kind >= ONE_LINE_0 && kind <= ONE_LINE_2) {
            line += kind - ONE_LINE_0;
        }
        if (end > offset) {
            return checked(table, kind == NONE ? 0 : line);
        }
        while (more(table) && !(peek(table) & 128)) {
            take(table);
        }
    }
    return checked(table, -EINVAL);
}

/* 3.10: pairs of how many bytes of code and how many lines further; -128 lines: no line. */
static int range_line(struct table *table, int64_t line, int64_t offset)
{
    int64_t end = 0;

    while (more(table)) {
        int delta;
        end += take(table);
        delta = (int8_t)take(table);
        if (delta != -128) {
            line += delta;
        }
        if (end > offset) {
            return checked(table, delta == -128 ? 0 : line);
        }
    }
    return checked(table, -EINVAL);
}

/* Up to 3.9: pairs too, but the lines of a pair apply from its end on. */
static int lnotab_line(struct table *table, int64_t line, int64_t offset)
{
    int64_t start = 0;

    while (more(table)) {
        start += take(table);
        if (start > offset) {
            break;
        }
        line += (int8_t)take(table);
    }
    return checked(table, line);
}

int st_py_line(const struct st_py_layout *layout, uint64_t table, int first_line, int64_t offset)
{
    struct table reader = {0};
    int64_t size;

    if (first_line < 0) {
        return -EINVAL;
    }
    if (offset < 0) {
        return first_line;
    }
    size = st_py_bytes_size(layout, table);
    if (size < 0) {
        return (int)size;
    }
    reader.next = table + layout->bytes_data;
    reader.end = reader.next + (uint64_t)size;
    if (layout->version >= 0x030b0000) {
        return location_line(&reader, first_line, offset);
    }
    if (layout->version >= 0x030a0000) {
        return range_line(&reader, first_line, offset);
    }
    return lnotab_line(&reader, first_line, offset);
}
