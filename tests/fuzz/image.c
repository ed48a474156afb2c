/* See image.h. Defines what shim/agent/base/memory.c defines, so that no memory but the image's is
 * read.
 */
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/memory.h"

enum { REGIONS = 1 << 14 };

static struct region {
    uint64_t addr;
    uint32_t len;
    const uint8_t *bytes;
} regions[REGIONS];
static size_t count;

static int by_address(const void *a, const void *b)
{
    const struct region *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

static bool take(const uint8_t **at, const uint8_t *end, void *to, size_t len)
{
    if ((size_t)(end - *at) < len)
        return false;
    memcpy(to, *at, len);
    *at += len;
    return true;
}

bool image_load(struct image *image, const uint8_t *data, size_t size)
{
    const uint8_t *at = data, *end = data + size;
    uint32_t text_len;
    if (!take(&at, end, image->a, sizeof(image->a)) || !take(&at, end, &text_len, 4) ||
        (size_t)(end - at) < text_len)
        return false;
    image->text = (const char *)at;
    image->text_len = text_len;
    at += text_len;
    for (count = 0; count < REGIONS; count++) {
        struct region *r = &regions[count];
        if (!take(&at, end, &r->addr, 8) || !take(&at, end, &r->len, 4))
            break;
        if (r->len > (size_t)(end - at))
            r->len = (uint32_t)(end - at);
        r->bytes = at;
        at += r->len;
    }
    qsort(regions, count, sizeof(regions[0]), by_address);
    return true;
}

size_t st_mem_read_some(uint64_t addr, void *buf, size_t len)
{
    size_t done = 0;
    size_t low = 0, high = count; /* the last region that begins at `addr` or before */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (regions[middle].addr <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = low ? low - 1 : 0; i < count && done < len; i++) {
        const struct region *r = &regions[i];
        uint64_t from = addr + done - r->addr;
        if (r->addr > addr + done || from >= r->len)
            break;
        size_t n = r->len - from < len - done ? (size_t)(r->len - from) : len - done;
        memcpy((char *)buf + done, r->bytes + from, n);
        done += n;
    }
    return done;
}

int st_mem_read(uint64_t addr, void *buf, size_t len)
{
    return st_mem_read_some(addr, buf, len) == len ? 0 : -EFAULT;
}

int st_mem_read_cached(uint64_t addr, void *buf, size_t len)
{
    return st_mem_read(addr, buf, len);
}

void st_mem_forget(void)
{
}

int st_mem_read_string(uint64_t addr, char *buf, size_t size)
{
    size_t got = st_mem_read_some(addr, buf, size - 1);
    buf[got] = 0;
    return got ? 0 : -EFAULT;
}
