/* The symboliser: which file holds a module's code (build-id, separate debug files, the vDSO) and
 * what is at an address of it. Inlined functions are in inlines.c. */
#define _GNU_SOURCE
#include "symbols.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/files.h"
#include "inlines.h"
#include "symtab.h"

/* One ELF file. Several traces that name the same path and build-id share it. */
struct image {
    Dwfl *dwfl;
    Dwfl_Module *mod; /* NULL: no usable file; addresses stay addresses */
    Dwarf_Addr bias;  /* what libdwfl adds to the file's addresses */
    struct symtab symtab;
    struct inlines inlines;
    struct map cache; /* vaddr → struct positions */
};

struct symbols {
    struct map images; /* hash of path and build-id → struct image */
    void (*warn)(const char *message);
};

/* Where separate debug files are looked for; NULL: elfutils' default, ":.debug:/usr/lib/debug".
 * What lies beside a module of somebody else's is his as well, and might be a FIFO. */
static char system_debug[] = "/usr/lib/debug";
static char *anywhere, *system_alone = system_debug;

static const Dwfl_Callbacks own_callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = &anywhere,
};
static const Dwfl_Callbacks foreign_callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = &system_alone,
};

static const Dwfl_Callbacks *callbacks_for(int fd)
{
    struct stat st;
    bool ours = fstat(fd, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid());
    return ours ? &own_callbacks : &foreign_callbacks;
}

struct symbols *symbols_new(bool debuginfod, void (*warn)(const char *message))
{
    if (!debuginfod)
        unsetenv("DEBUGINFOD_URLS");
    struct symbols *symbols = mem_calloc(1, sizeof(*symbols));
    symbols->warn = warn;
    return symbols;
}

static void warn_about(struct symbols *symbols, const char *path, const char *what)
{
    if (symbols->warn == NULL)
        return;
    char *message = mem_printf("%s: %s", path, what);
    symbols->warn(message);
    free(message);
}

/* Reports `fd` (consumed) as the image's only module. */
static bool load(struct image *image, const char *path, int fd)
{
    if (fd < 0)
        return false;
    image->dwfl = dwfl_begin(callbacks_for(fd));
    if (image->dwfl != NULL) {
        dwfl_report_begin(image->dwfl);
        image->mod = dwfl_report_offline(image->dwfl, base_name(path), path, fd);
        dwfl_report_end(image->dwfl, NULL, NULL);
    }
    GElf_Addr bias = 0;
    if (image->mod != NULL && dwfl_module_getelf(image->mod, &bias) != NULL) {
        image->bias = bias;
        return true;
    }
    if (image->mod == NULL)
        close(fd); /* libdwfl takes the descriptor over only with the module */
    if (image->dwfl != NULL)
        dwfl_end(image->dwfl);
    image->dwfl = NULL;
    image->mod = NULL;
    return false;
}

static bool has_build_id(const struct image *image, const char *expected)
{
    const unsigned char *bits = NULL;
    GElf_Addr where = 0;
    int len = dwfl_module_build_id(image->mod, &bits, &where);
    if (len <= 0 || bits == NULL)
        return false;
    struct strbuf hex = {0};
    for (int i = 0; i < len; i++)
        sb_addf(&hex, "%02x", bits[i]);
    bool same = strcasecmp(hex.data, expected) == 0;
    sb_free(&hex);
    return same;
}

static void unload(struct image *image)
{
    if (image->dwfl != NULL)
        dwfl_end(image->dwfl);
    image->dwfl = NULL;
    image->mod = NULL;
}

/* The debug file that distributions keep under the build-id: right whatever happened to `path`. */
static bool load_by_build_id(struct image *image, const char *build_id)
{
    if (build_id == NULL || strlen(build_id) < 4 ||
        strspn(build_id, "0123456789abcdefABCDEF") != strlen(build_id))
        return false;
    char *path = mem_printf("/usr/lib/debug/.build-id/%.2s/%s.debug", build_id, build_id + 2);
    bool loaded = load(image, path, open_regular(path, LARGEST_PROGRAM));
    free(path);
    return loaded;
}

/* The vDSO is no file; this process has the same one unless the kernel has changed. */
static int vdso_as_file(void)
{
    uintptr_t start = (uintptr_t)getauxval(AT_SYSINFO_EHDR);
    if (start == 0)
        return -1;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)start;
    size_t size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
    int fd = memfd_create("vdso", MFD_CLOEXEC);
    if (fd >= 0 && write_all(fd, (const char *)start, size) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void find_image(struct symbols *symbols, struct image *image, const struct module *module)
{
    if (strcmp(module->path, "[vdso]") == 0) {
        if (load(image, module->path, vdso_as_file()) && module->build_id != NULL &&
            !has_build_id(image, module->build_id))
            unload(image);
        return;
    }
    int fd = open_regular(module->path, LARGEST_PROGRAM);
    int open_error = fd < 0 ? -fd : 0;
    if (load(image, module->path, fd)) {
        if (module->build_id == NULL || has_build_id(image, module->build_id))
            return;
        unload(image);
        if (load_by_build_id(image, module->build_id))
            return;
        warn_about(symbols, module->path,
                   "has changed since the recording; its frames are shown as offsets: keep the "
                   "binary that ran, or install its debug symbols");
        return;
    }
    if (load_by_build_id(image, module->build_id))
        return;
    if (open_error != 0) {
        char *what = mem_printf("%s; its frames are shown as offsets: report on the machine "
                                "that recorded",
                                why_not_opened(open_error));
        warn_about(symbols, module->path, what);
        free(what);
    } else {
        warn_about(symbols, module->path, "is no ELF file; its frames are shown as offsets");
    }
}

static struct image *image_of(struct symbols *symbols, const struct module *module)
{
    uint64_t key = hash_bytes(HASH_SEED, module->path, strlen(module->path) + 1);
    if (module->build_id != NULL)
        key = hash_bytes(key, module->build_id, strlen(module->build_id));
    struct image *image = map_get(&symbols->images, key);
    if (image == NULL) {
        image = mem_calloc(1, sizeof(*image));
        map_put(&symbols->images, key, image);
        find_image(symbols, image, module);
    }
    return image;
}

static struct positions *look_up(struct image *image, uint64_t vaddr)
{
    struct positions *found = NULL;
    if (image->mod != NULL) {
        Dwarf_Addr address = vaddr + image->bias;
        found = inlines_find(&image->inlines, image->mod, address);
        if (found == NULL) {
            const char *name = symtab_find(&image->symtab, image->mod, address);
            found = mem_calloc(1, sizeof(*found) + sizeof(found->at[0]));
            found->count = 1;
            if (name != NULL)
                found->at[0].function = function_name(name);
        }
    }
    if (found == NULL) {
        found = mem_calloc(1, sizeof(*found) + sizeof(found->at[0]));
        found->count = 1;
    }
    return found;
}

const struct positions *symbols_find(struct symbols *symbols, const struct module *module,
                                     uint64_t vaddr)
{
    struct image *image = image_of(symbols, module);
    struct positions *found = map_get(&image->cache, vaddr);
    if (found == NULL) {
        found = look_up(image, vaddr);
        map_put(&image->cache, vaddr, found);
    }
    return found;
}

static void free_image(void *value)
{
    struct image *image = value;
    unload(image);
    map_free(&image->cache, free);
    symtab_free(&image->symtab);
    inlines_free(&image->inlines);
    free(image);
}

void symbols_free(struct symbols *symbols)
{
    if (symbols == NULL)
        return;
    map_free(&symbols->images, free_image);
    free(symbols);
}
