/* The objects that stacks lie in: found by address without the loader's lock, written to the trace
 * the first time. */
#include "agent/agent.h"
#include "agent/base/kernel.h"
#include "agent/base/json.h"
#include "agent/base/memory.h"
#include "agent/watch/running.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

enum { MAX_MODULES = 512 };

static struct st_module modules[MAX_MODULES];
static uint32_t count, numbers; /* known, and written */

void st_modules_reset(void)
{
    count = numbers = 0;
}

/* The build-id out of the notes of the object whose ELF header is at `start`; its length, 0 where
 * it has none. */
static size_t build_id(uint64_t start, uint64_t base, uint8_t *id, size_t size)
{
    ElfW(Ehdr) elf;
    ElfW(Phdr) segment;
    uint8_t notes[1024];
    if (st_mem_read(start, &elf, sizeof(elf)) < 0 || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0)
        return 0;
    for (int i = 0; i < elf.e_phnum && i < 64; i++) {
        uint64_t at = start + elf.e_phoff + (uint64_t)i * sizeof(segment);
        if (st_mem_read(at, &segment, sizeof(segment)) < 0)
            return 0;
        if (segment.p_type != PT_NOTE)
            continue;
        size_t n = segment.p_memsz < sizeof(notes) ? segment.p_memsz : sizeof(notes);
        if (st_mem_read(base + segment.p_vaddr, notes, n) < 0)
            continue;
        for (size_t p = 0; p + sizeof(ElfW(Nhdr)) <= n;) {
            ElfW(Nhdr) note;
            memcpy(&note, notes + p, sizeof(note));
            size_t name = p + sizeof(note), data = name + ((note.n_namesz + 3) & ~3u);
            if (data + note.n_descsz > n)
                break;
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
                !memcmp(notes + name, "GNU", 4) && note.n_descsz <= size) {
                memcpy(id, notes + data, note.n_descsz);
                return note.n_descsz;
            }
            p = data + ((note.n_descsz + 3) & ~3u);
        }
    }
    return 0;
}

static void module_path(uint64_t name_at, char *path, size_t size)
{
    if (name_at == 0 || st_mem_read_string(name_at, path, size) < 0)
        path[0] = 0;
    if (!path[0]) { /* the executable has no name here, and neither has a static-PIE */
        st_own_exe(path, size);
    } else if (!strcmp(path, "linux-vdso.so.1")) {
        strcpy(path, "[vdso]");
    }
}

static bool record(const struct st_module *m, const char *path, uint64_t start)
{
    uint8_t id[64];
    char text[129];
    size_t n = build_id(start, m->base, id, sizeof(id));
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = "0123456789abcdef"[id[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[id[i] & 15];
    }
    js_begin("module");
    js_number("module", m->id);
    js_string("path", path);
    js_hex("base", m->base);
    if (n)
        js_string_n("build_id", text, 2 * n);
    return js_end();
}

const struct st_module *st_module_at(uint64_t pc)
{
    struct dl_find_object object;
    struct link_map map;
    char path[4096];
    if (_dl_find_object((void *)pc, &object) < 0 ||
        st_mem_read((uintptr_t)object.dlfo_link_map, &map, sizeof(map)) < 0)
        return NULL;
    uint64_t lo = (uintptr_t)object.dlfo_map_start, hi = (uintptr_t)object.dlfo_map_end;
    for (uint32_t i = 0; i < count; i++)
        if (modules[i].base == map.l_addr && modules[i].lo == lo && modules[i].hi == hi)
            return &modules[i];
    if (count == MAX_MODULES)
        return NULL;
    struct st_module *m = &modules[count++];
    *m = (struct st_module){.base = map.l_addr, .lo = lo, .hi = hi};
    module_path((uintptr_t)map.l_name, path, sizeof(path));
    m->name_at = (uintptr_t)map.l_name;
    st_running_learn(m, path);
    return m;
}

bool st_module_write(uint64_t pc)
{
    char path[4096];
    struct st_module *m = (struct st_module *)(uintptr_t)st_module_at(pc);
    if (!m || m->written)
        return true;
    module_path(m->name_at, path, sizeof(path));
    m->id = numbers + 1;
    m->written = record(m, path, m->lo);
    numbers += m->written;
    return m->written;
}
