/* See late_names.h. A name is right only while the code is the same, and addresses are used again.
 * So what stood at the address when the stack was written must stand there still, and all that the
 * map says of the address must be one name: where it names two, nobody knows which of them the
 * stack was in, and the frame stays without. Once named, it keeps its name whatever comes later. */
#include "late_names.h"

#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/memory.h"
#include "agent/stack/perfmap.h"

#include <string.h>

/* As many frames are remembered; of more, the rest stays as it is. */
enum { FRAMES = 1024, NAME = 512, CODE = 64, IN_A_RECORD = 32 };

struct late {
    uint64_t pc, at, code; /* a hash of what stands around it */
    uint32_t since;        /* the first stack that it is in */
    uint32_t name;         /* in the names; 0: not known yet */
    bool dropped;
};

static struct late frames[FRAMES];   /* in the order of `at` */
static char names[FRAMES + 1][NAME]; /* of one look; the first is none */
static uint32_t count, named, last_stack;
static uint64_t next_ns; /* no look before */

void st_late_names_reset(void)
{
    count = named = last_stack = 0;
    next_ns = 0;
}

/* Of the bytes from `at` - CODE to `at` + CODE, as far as they are in its page and there. */
static uint64_t code_at(uint64_t at)
{
    enum { PAGE = 4096 };
    uint8_t code[2 * CODE];
    uint64_t page = at & ~(uint64_t)(PAGE - 1), from = at - page < CODE ? page : at - CODE;
    size_t length = at + CODE > page + PAGE ? page + PAGE - from : at + CODE - from;
    uint64_t hash = 0xcbf29ce484222325u;
    if (st_mem_read(from, code, length) < 0)
        return 0;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ code[i]) * 0x100000001b3u;
    return hash | 1;
}

/* The first that is at or above the address. */
static uint32_t first_from(uint64_t at)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (frames[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void st_late_name(uint64_t pc, uint64_t at, uint32_t stack)
{
    uint64_t code = code_at(at);
    uint32_t i = first_from(at);
    last_stack = stack;
    while (i < count && frames[i].at == at && frames[i].pc != pc)
        i++;
    bool known = i < count && frames[i].at == at;
    if (!code || (known && frames[i].code == code) || (!known && count == FRAMES))
        return;
    if (!known) {
        memmove(&frames[i + 1], &frames[i], (count - i) * sizeof(frames[0]));
        count++;
    }
    /* other code at the same address: what the map says from now on is not of the stacks before */
    frames[i] = (struct late){.pc = pc, .at = at, .code = code, .since = stack};
}

static bool is_wanted(uint64_t start, uint64_t size)
{
    uint32_t i = first_from(start);
    return i < count && frames[i].at - start < size;
}

static void take(uint64_t start, uint64_t size, const char *name)
{
    for (uint32_t i = first_from(start); i < count && frames[i].at - start < size; i++) {
        struct late *f = &frames[i];
        if (f->name && strcmp(names[f->name], name) != 0)
            f->dropped = true;
        if (f->name)
            continue;
        f->name = ++named;
        strncpy(names[named], name, NAME - 1);
    }
}

static void add_name(const struct late *f)
{
    js_open(NULL, '{');
    js_hex("pc", f->pc);
    js_string("name", names[f->name]);
    js_number("since", f->since);
    js_close('}');
}

static void write_names(void)
{
    uint32_t written = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct late *f = &frames[i];
        f->dropped = f->name && (f->dropped || code_at(f->at) != f->code);
        if (!f->name || f->dropped)
            continue;
        if (written % IN_A_RECORD == 0) {
            js_begin("names");
            js_number("stack", last_stack);
            js_open("names", '[');
        }
        add_name(f);
        if (++written % IN_A_RECORD == 0) {
            js_close(']');
            js_end();
        }
    }
    if (written % IN_A_RECORD != 0) {
        js_close(']');
        js_end();
    }
}

/* What has its name, or will never have one, need not be remembered. */
static void forget_settled(void)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!frames[i].name)
            frames[kept++] = frames[i];
    count = kept;
    named = 0;
}

void st_late_names_look(bool ends)
{
    enum { GAP_NS = 50000000 };
    uint64_t now = st_since_start_ns(st_ticks_now());
    if (count == 0 || (!ends && now < next_ns))
        return;
    next_ns = now + GAP_NS;
    st_perfmap_news(ends, is_wanted, take);
    if (!named)
        return;
    write_names();
    forget_settled();
}
