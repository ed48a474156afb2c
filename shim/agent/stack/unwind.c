/* Unwinds a copied stack with libunwind. Its accessors read the stack out of the copy, and unwind
 * tables out of memory by reads that cannot fault; where code has no tables (JIT-compiled code)
 * libunwind follows the frame pointers. */
#include "agent/agent.h"
#include "agent/base/memory.h"
#include "arch/unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

struct copied {
    const uint64_t *regs;
    uint64_t base;
    const uint8_t *bytes;
    uint32_t len;
    bool beyond; /* the unwind wanted what was not copied */
};

static unw_addr_space_t space;

/* .eh_frame_hdr as every linker writes it: version 1, table of sorted (address, FDE) pairs relative
 * to its own start. */
struct frame_header {
    uint8_t version, eh_frame_encoding, count_encoding, table_encoding;
    int32_t eh_frame;
    uint32_t count;
};

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *info, int need,
                          void *argument)
{
    struct dl_find_object object;
    struct frame_header header;
    if (_dl_find_object((void *)ip, &object) < 0 || !object.dlfo_eh_frame)
        return -UNW_ENOINFO;
    uint64_t at = (uintptr_t)object.dlfo_eh_frame;
    if (st_mem_read_cached(at, &header, sizeof(header)) < 0 || header.version != 1 ||
        header.count_encoding != 0x03 || header.table_encoding != 0x3b)
        return -UNW_ENOINFO;
    unw_dyn_info_t table;
    memset(&table, 0, sizeof(table));
    table.format = UNW_INFO_FORMAT_REMOTE_TABLE;
    table.start_ip = (uintptr_t)object.dlfo_map_start;
    table.end_ip = (uintptr_t)object.dlfo_map_end;
    table.u.rti.segbase = at;
    table.u.rti.table_data = at + sizeof(header);
    table.u.rti.table_len = header.count * 8 / sizeof(unw_word_t);
    return st_search_unwind_table(as, ip, &table, info, need, argument);
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *info, void *argument)
{
    (void)as, (void)info, (void)argument;
}

static int get_dyn_info_list(unw_addr_space_t as, unw_word_t *list, void *argument)
{
    (void)as, (void)list, (void)argument;
    return -UNW_ENOINFO;
}

static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *value, int write,
                      void *argument)
{
    struct copied *c = argument;
    (void)as;
    st_progress();
    if (write)
        return -UNW_EINVAL;
    if (addr >= c->base && addr - c->base < c->len) {
        if (addr - c->base + sizeof(*value) > c->len) {
            c->beyond = true;
            return -UNW_EINVAL;
        }
        memcpy(value, c->bytes + (addr - c->base), sizeof(*value));
        return 0;
    }
    if (st_mem_read_cached(addr, value, sizeof(*value)) < 0)
        return -UNW_EINVAL;
    return 0;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t number, unw_word_t *value, int write,
                      void *argument)
{
    struct copied *c = argument;
    int ours = st_unwind_register(number);
    (void)as;
    if (write)
        return -UNW_EREADONLYREG;
    if (ours < 0) {
        *value = 0; /* a register that a call does not preserve */
        return 0;
    }
    *value = c->regs[ours];
    return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t number, unw_fpreg_t *value, int write,
                        void *argument)
{
    (void)as, (void)number, (void)value, (void)write, (void)argument;
    return -UNW_EBADREG;
}

static int resume(unw_addr_space_t as, unw_cursor_t *cursor, void *argument)
{
    (void)as, (void)cursor, (void)argument;
    return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t as, unw_word_t ip, char *name, size_t size,
                         unw_word_t *offset, void *argument)
{
    (void)as, (void)ip, (void)name, (void)size, (void)offset, (void)argument;
    return -UNW_ENOINFO;
}

/* Code that lies in no object may be JavaScript's: what its frame says. */
static struct st_v8_place find_place(unw_cursor_t *cursor, uint64_t pc, struct copied *copied)
{
    struct st_v8_place none = {0, 0};
    int32_t function, bytecode, offset;
    unw_word_t fp;
    struct st_v8_frame frame;
    if (st_module_at(pc) || !st_v8_words(&function, &bytecode, &offset) ||
        unw_get_reg(cursor, ST_UNWIND_FP, &fp) < 0 ||
        access_mem(space, fp + (uint64_t)function, &frame.function, 0, copied) < 0 ||
        access_mem(space, fp + (uint64_t)bytecode, &frame.bytecode, 0, copied) < 0 ||
        access_mem(space, fp + (uint64_t)offset, &frame.offset, 0, copied) < 0)
        return none;
    return st_v8_place(&frame);
}

int st_unwind_init(void)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = get_dyn_info_list,
        .access_mem = access_mem,
        .access_reg = access_reg,
        .access_fpreg = access_fpreg,
        .resume = resume,
        .get_proc_name = get_proc_name,
    };
    if (space)
        return 0;
    space = unw_create_addr_space(&accessors, 0);
    if (!space)
        return -ENOMEM;
    unw_set_caching_policy(space, UNW_CACHE_NONE); /* objects come and go */
    return 0;
}

void st_unwind(const uint64_t *regs, uint64_t base, const uint8_t *bytes, uint32_t len,
               struct st_stack *out)
{
    struct copied copied = {.regs = regs, .base = base, .bytes = bytes, .len = len};
    unw_cursor_t cursor;
    unw_word_t pc, sp, last_sp = 0;
    bool exact = true; /* of the frame that comes next */
    out->count = 0;
    out->truncated = out->broken = false;
    st_mem_forget();
    if (unw_init_remote(&cursor, space, &copied) < 0)
        return;
    for (;;) {
        if (unw_get_reg(&cursor, UNW_REG_IP, &pc) < 0 || pc == 0)
            break;
        unw_get_reg(&cursor, UNW_REG_SP, &sp);
        if (pc < st_shared->probe_lo || pc >= st_shared->probe_hi) {
            if (out->count == ST_MAX_FRAMES) {
                out->truncated = true;
                break;
            }
            out->frames[out->count++] = (struct st_frame){
                .pc = pc, .exact = exact, .place = find_place(&cursor, pc, &copied), .sp = sp};
        }
        exact = unw_is_signal_frame(&cursor) > 0;
        int step = unw_step(&cursor);
        if (step <= 0) {
            out->broken = step < 0;
            break;
        }
        if (sp == last_sp && out->count > 1 && out->frames[out->count - 1].pc == pc)
            break; /* tables that lead nowhere */
        last_sp = sp;
    }
    if (copied.beyond) {
        out->truncated = true;
        out->broken = false;
    } else if (out->count && !st_module_at(out->frames[out->count - 1].pc)) {
        out->broken = true; /* no thread begins in code that lies in no object */
    }
}
