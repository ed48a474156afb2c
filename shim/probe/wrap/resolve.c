/* Finds libc's own functions behind our wrappers.
 *
 * Not with dlsym: it may allocate, and the allocator may be the one whose initialisation called us
 * (jemalloc opens files in its constructor); it takes the loader's lock; and which of several
 * versions it returns has changed between glibc releases. The tables in memory are simple: this
 * walks the objects that come after ours in the order of loading, as RTLD_NEXT does, and reads
 * their symbol tables. No locks, no allocation, safe in a signal handler and before any constructor
 * ran.
 *
 * Only objects that are loaded at start-up are searched; those are never unloaded. */
#include "probe/probe.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

enum { MAX_OBJECTS = 128 };

/* Not libc's: a sanitizer's runtime intercepts those, and calls us before it has found what is
 * behind its own interceptors. */
static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* The file's name in a path: what follows the last slash. */
static const char *base_name(const char *path)
{
    const char *base = path;
    for (; *path; path++)
        if (*path == '/')
            base = path + 1;
    return base;
}

struct object {
    uintptr_t base;
    const ElfW(Sym) * symbols;
    const char *strings;
    const uint32_t *gnu_hash;
    const uint32_t *sysv_hash;
    const ElfW(Half) * versions;
    const ElfW(Verdef) * definitions;
};

static struct object objects[MAX_OBJECTS];
static _Atomic int object_count; /* 0: not yet read */
static int libc_index = -1;

static const void *at(uintptr_t base, ElfW(Addr) value)
{
    /* glibc relocates the dynamic section in place, except where it is read-only (the vDSO). */
    return (const void *)(value < base ? base + value : value);
}

static void read_object(struct object *o, const struct link_map *map)
{
    o->base = map->l_addr;
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        const void *p = at(map->l_addr, d->d_un.d_ptr);
        switch (d->d_tag) {
        case DT_SYMTAB:
            o->symbols = p;
            break;
        case DT_STRTAB:
            o->strings = p;
            break;
        case DT_GNU_HASH:
            o->gnu_hash = p;
            break;
        case DT_HASH:
            o->sysv_hash = p;
            break;
        case DT_VERSYM:
            o->versions = p;
            break;
        case DT_VERDEF:
            o->definitions = p;
            break;
        default:
            break;
        }
    }
}

/* Reads the list of objects after ours. Runs once, normally in the first wrapped call or our
 * constructor, when the process has one thread; were two threads to run it, they would write the
 * same values. */
static int read_objects(void)
{
    int n = 0;
    Dl_info info;
    const struct link_map *map = NULL;
    if (!dladdr1((const void *)objects, &info, (void **)&map, RTLD_DL_LINKMAP))
        map = NULL;
    for (map = map ? map->l_next : NULL; map && n < MAX_OBJECTS; map = map->l_next) {
        struct object o = {0};
        read_object(&o, map);
        if (!o.symbols || !o.strings || !(o.gnu_hash || o.sysv_hash))
            continue;
        if (map->l_name && same(base_name(map->l_name), "libc.so.6"))
            libc_index = n;
        objects[n++] = o;
    }
    atomic_store_explicit(&object_count, n, memory_order_release);
    return n;
}

static const char *version_name(const struct object *o, unsigned index)
{
    const char *p = (const char *)o->definitions;
    while (p) {
        const ElfW(Verdef) *def = (const void *)p;
        if ((def->vd_ndx & 0x7fff) == index) {
            const ElfW(Verdaux) *aux = (const void *)(p + def->vd_aux);
            return o->strings + aux->vda_name;
        }
        if (!def->vd_next)
            break;
        p += def->vd_next;
    }
    return NULL;
}

/* Without a version asked for, the default one (not hidden); an object without versions (another
 * preload) serves any. */
static bool version_fits(const struct object *o, uint32_t symbol, const char *version)
{
    if (!o->versions)
        return true;
    unsigned v = o->versions[symbol];
    unsigned index = v & 0x7fff;
    if (!version)
        return !(v & 0x8000);
    if (index <= 1 || !o->definitions)
        return !(v & 0x8000);
    const char *name = version_name(o, index);
    return name && same(name, version);
}

static void *symbol_fits(const struct object *o, uint32_t i, const char *name, const char *version)
{
    const ElfW(Sym) *s = &o->symbols[i];
    if (s->st_shndx == SHN_UNDEF || !same(o->strings + s->st_name, name))
        return NULL;
    unsigned type = ELF64_ST_TYPE(s->st_info);
    if ((type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE && type != STT_OBJECT) ||
        !version_fits(o, i, version))
        return NULL;
    uintptr_t address = o->base + s->st_value;
    if (type == STT_GNU_IFUNC)
        return ((void *(*)(void))address)();
    return (void *)address;
}

static void *find_gnu(const struct object *o, const char *name, const char *version)
{
    const uint32_t *h = o->gnu_hash;
    uint32_t buckets = h[0], first = h[1], words = h[2], shift = h[3];
    const ElfW(Addr) *bloom = (const void *)(h + 4);
    const uint32_t *bucket = (const void *)(bloom + words);
    const uint32_t *chain = bucket + buckets;
    uint32_t hash = 5381;
    for (const unsigned char *c = (const void *)name; *c; c++)
        hash = hash * 33 + *c;
    ElfW(Addr) word = bloom[(hash / 64) % words];
    if (!buckets || !(word >> (hash % 64) & word >> ((hash >> shift) % 64) & 1))
        return NULL;
    uint32_t i = bucket[hash % buckets];
    if (i < first)
        return NULL;
    for (;; i++) {
        uint32_t h2 = chain[i - first];
        if ((h2 | 1) == (hash | 1)) {
            void *p = symbol_fits(o, i, name, version);
            if (p)
                return p;
        }
        if (h2 & 1)
            return NULL;
    }
}

static void *find_in(const struct object *o, const char *name, const char *version)
{
    if (o->gnu_hash)
        return find_gnu(o, name, version);
    /* An old-style table: its chain count is the number of symbols. */
    for (uint32_t i = 1; i < o->sysv_hash[1]; i++) {
        void *p = symbol_fits(o, i, name, version);
        if (p)
            return p;
    }
    return NULL;
}

void *st_resolve(const char *name, const char *version)
{
    int n = atomic_load_explicit(&object_count, memory_order_acquire);
    if (!n)
        n = read_objects();
    for (int i = 0; i < n; i++) {
        void *p = find_in(&objects[i], name, version);
        if (p)
            return p;
    }
    return NULL;
}

/* A function of this object, and its size in bytes. */
void *st_resolve_in(const struct link_map *map, const char *name, size_t *size)
{
    struct object o = {0};
    read_object(&o, map);
    if (!o.symbols || !o.strings || !(o.gnu_hash || o.sysv_hash))
        return NULL;
    char *p = find_in(&o, name, NULL);
    *size = 0;
    if (!p)
        return NULL;
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    if (dladdr1(p, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol)
        *size = symbol->st_size;
    return p;
}

void *st_resolve_libc(const char *name)
{
    if (!atomic_load_explicit(&object_count, memory_order_acquire))
        read_objects();
    return libc_index < 0 ? NULL : find_in(&objects[libc_index], name, NULL);
}
