/* Finding an exported symbol in the objects that are mapped into the process, from the process's
 * own memory: the loader's functions take its lock, which a thread stuck in dlopen holds. */
#include "python.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/memory.h"

const char *st_py_maps_path = "/proc/self/maps";

enum {
    PROGRAM_HEADERS_MAX = 64,
    DYNAMIC_MAX = 256,
    CHAIN_MAX = 4096, /* symbols in one hash chain; a real one has a handful */
    LINE_MAX_LENGTH = 512,
};

/* The loader of glibc turns the addresses in the dynamic section into absolute ones, others do
 * not. */
static uint64_t absolute(uint64_t bias, uint64_t value)
{
    return value < bias ? value + bias : value;
}

static int read_dynamic(struct st_py_module *module, uint64_t addr)
{
    for (int i = 0; i < DYNAMIC_MAX; i++, addr += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        int rc = st_mem_read(addr, &entry, sizeof(entry));
        if (rc != 0) {
            return rc;
        }
        switch (entry.d_tag) {
        case DT_SYMTAB:
            module->symbols = absolute(module->bias, entry.d_un.d_ptr);
            break;
        case DT_STRTAB:
            module->strings = absolute(module->bias, entry.d_un.d_ptr);
            break;
        case DT_GNU_HASH:
            module->hash = absolute(module->bias, entry.d_un.d_ptr);
            break;
        case DT_NULL:
            return module->symbols && module->strings && module->hash ? 0 : -ENOEXEC;
        default:
            break;
        }
    }
    return -ENOEXEC;
}

/* Fills `module` from the object whose first page is mapped at `start`. */
int st_py_module_at(struct st_py_module *module, uint64_t start)
{
    Elf64_Ehdr header;
    uint64_t dynamic = 0;
    bool placed = false;
    int rc = st_mem_read(start, &header, sizeof(header));

    memset(module, 0, sizeof(*module));
    if (rc != 0) {
        return rc;
    }
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        (header.e_type != ET_DYN && header.e_type != ET_EXEC) ||
        header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > PROGRAM_HEADERS_MAX) {
        return -ENOEXEC;
    }
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        rc = st_mem_read(start + header.e_phoff + i * sizeof(segment), &segment, sizeof(segment));
        if (rc != 0) {
            return rc;
        }
        if (segment.p_type == PT_LOAD && segment.p_offset == 0 && !placed) {
            module->bias = start - segment.p_vaddr;
            placed = true;
        } else if (segment.p_type == PT_DYNAMIC) {
            dynamic = segment.p_vaddr;
        }
    }
    if (!placed || dynamic == 0) {
        return -ENOEXEC;
    }
    return read_dynamic(module, module->bias + dynamic);
}

/* One line of the list of mappings, e.g. "7f8ea000-7f8eb000 r--p 00000000 fe:01 1234   /lib/x.so".
 * True where an object may begin at the mapping: readable, the file's first byte, no device (to
 * read a device's memory is to talk to it). */
static bool may_be_module(const char *line, uint64_t *start)
{
    const char *p = line;
    const char *path = strchr(line, '/');

    *start = 0;
    for (; *p != '-'; p++) {
        unsigned digit = (unsigned char)*p;
        if (digit >= '0' && digit <= '9') {
            digit -= '0';
        } else if (digit >= 'a' && digit <= 'f') {
            digit -= 'a' - 10;
        } else {
            return false;
        }
        *start = *start << 4 | digit;
    }
    p = strchr(p, ' ');
    if (p == NULL || path == NULL || strncmp(path, "/dev/", 5) == 0) {
        return false;
    }
    return p[1] == 'r' && strncmp(p + 5, " 00000000 ", 10) == 0;
}

static int visit_line(const char *line, int (*visit)(void *ctx, const struct st_py_module *module),
                      void *ctx)
{
    struct st_py_module module;
    uint64_t start;

    if (may_be_module(line, &start) && st_py_module_at(&module, start) == 0) {
        return visit(ctx, &module);
    }
    return 0;
}

/* Where /proc is not mounted: the loader's own list, which may change meanwhile. */
static int each_loaded(int (*visit)(void *ctx, const struct st_py_module *module), void *ctx)
{
    enum { OBJECTS_MAX = 4096 };
    uint64_t at = (uintptr_t)_r_debug.r_map;
    int rc = 0;

    for (int i = 0; i < OBJECTS_MAX && at != 0 && rc == 0; i++) {
        struct st_py_module module = {0};
        struct link_map map;
        if (st_mem_read(at, &map, sizeof(map)) != 0) {
            return -EFAULT;
        }
        module.bias = map.l_addr;
        if (read_dynamic(&module, (uintptr_t)map.l_ld) == 0) {
            rc = visit(ctx, &module);
        }
        at = (uintptr_t)map.l_next;
    }
    return rc;
}

int st_py_each_module(int (*visit)(void *ctx, const struct st_py_module *module), void *ctx)
{
    char buffer[4096], line[LINE_MAX_LENGTH];
    size_t length = 0; /* of the line so far; what is over its end is cut off: only a path */
    int rc = 0;
    int fd = open(st_py_maps_path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return errno == ENOENT ? each_loaded(visit, ctx) : -errno;
    }
    while (rc == 0) {
        ssize_t got = read(fd, buffer, sizeof(buffer));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            rc = got < 0 ? -errno : 0;
            break;
        }
        for (ssize_t i = 0; i < got && rc == 0; i++) {
            if (buffer[i] != '\n') {
                if (length < sizeof(line) - 1) {
                    line[length++] = buffer[i];
                }
                continue;
            }
            line[length] = '\0';
            length = 0;
            rc = visit_line(line, visit, ctx);
        }
    }
    close(fd);
    return rc;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++) {
        hash = hash * 33 + (unsigned char)*name;
    }
    return hash;
}

/* The address of symbol number `index`, where it is defined and has that name; else 0. */
static uint64_t symbol_at(const struct st_py_module *module, uint32_t index, const char *name,
                          uint64_t *bytes)
{
    Elf64_Sym symbol;
    char found[128];
    size_t size = strlen(name) + 1;

    if (size > sizeof(found) ||
        st_mem_read(module->symbols + index * sizeof(symbol), &symbol, sizeof(symbol)) != 0 ||
        symbol.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol.st_info) == STT_TLS ||
        st_mem_read(module->strings + symbol.st_name, found, size) != 0 ||
        memcmp(found, name, size) != 0) {
        return 0;
    }
    *bytes = symbol.st_size;
    return module->bias + symbol.st_value;
}

/* The table: four words; a Bloom filter of 64-bit words; buckets; hashes, whose lowest bit ends a
 * chain. */
uint64_t st_py_symbol_sized(const struct st_py_module *module, const char *name, uint64_t *size)
{
    struct {
        uint32_t buckets, first, filter, shift;
    } table;
    uint64_t filter, word, buckets;
    uint32_t hash = gnu_hash(name);
    uint32_t index;

    if (st_mem_read(module->hash, &table, sizeof(table)) != 0 || table.buckets == 0 ||
        table.filter == 0) {
        return 0;
    }
    filter = module->hash + sizeof(table);
    buckets = filter + table.filter * sizeof(uint64_t);
    if (st_mem_read(filter + hash / 64 % table.filter * 8, &word, sizeof(word)) != 0 ||
        !(word >> hash % 64 & word >> (hash >> (table.shift & 31)) % 64 & 1) ||
        st_mem_read(buckets + hash % table.buckets * 4, &index, sizeof(index)) != 0 ||
        index < table.first) {
        return 0;
    }
    for (int i = 0; i < CHAIN_MAX; i++, index++) {
        uint32_t chained;
        uint64_t addr = buckets + ((uint64_t)table.buckets + index - table.first) * 4;
        if (st_mem_read(addr, &chained, sizeof(chained)) != 0) {
            return 0;
        }
        if ((chained | 1) == (hash | 1)) {
            addr = symbol_at(module, index, name, size);
            if (addr != 0) {
                return addr;
            }
        }
        if (chained & 1) {
            return 0;
        }
    }
    return 0;
}

uint64_t st_py_symbol(const struct st_py_module *module, const char *name)
{
    uint64_t size;
    return st_py_symbol_sized(module, name, &size);
}
