/* Reads ELF files for the doctor: what kind of program it is, what it links and imports. */
#define _GNU_SOURCE
#include "doctor.h"
#include "util/files.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void names_add(struct names *names, const char *name)
{
    GROW(names->list, names->count, names->cap);
    names->list[names->count++] = intern(name);
}

bool names_have(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

static Elf *open_elf(const char *path, int *fd)
{
    elf_version(EV_CURRENT);
    *fd = open_regular(path, LARGEST_PROGRAM);
    return *fd < 0 ? NULL : elf_begin(*fd, ELF_C_READ_MMAP, NULL);
}

static void close_elf(Elf *elf, int fd)
{
    elf_end(elf);
    if (fd >= 0)
        close(fd);
}

/* ---- headers ----------------------------------------------------------------------------------*/

static const char *machine_name(unsigned machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86-64";
    case EM_386:
        return "x86";
    case EM_AARCH64:
        return "ARM64";
    case EM_ARM:
        return "ARM";
    case EM_RISCV:
        return "RISC-V";
    case EM_PPC64:
        return "POWER";
    case EM_S390:
        return "s390";
    default:
        return "another machine";
    }
}

static void read_segments(struct elf_facts *facts, Elf *elf)
{
    size_t count = 0, size = 0;
    const char *file = elf_rawfile(elf, &size);
    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(elf, (int)i, &segment) == NULL)
            continue;
        if (segment.p_type == PT_LOAD && segment.p_offset <= size &&
            segment.p_filesz <= size - segment.p_offset)
            facts->has_segments = true;
        if (segment.p_type == PT_DYNAMIC)
            facts->has_dynamic = true;
        if (segment.p_type == PT_INTERP && segment.p_filesz > 0 && segment.p_offset < size &&
            segment.p_filesz <= size - segment.p_offset &&
            file[segment.p_offset + segment.p_filesz - 1] == '\0')
            facts->interpreter = intern(file + segment.p_offset);
    }
}

/* ---- sections ---------------------------------------------------------------------------------*/

static void read_needed(struct elf_facts *facts, Elf *elf, Elf_Scn *section,
                        const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data != NULL && header->sh_entsize != 0 ? data->d_size / header->sh_entsize : 0;
    for (size_t i = 0; i < count; i++) {
        GElf_Dyn entry;
        if (gelf_getdyn(data, (int)i, &entry) == NULL || entry.d_tag != DT_NEEDED)
            continue;
        const char *name = elf_strptr(elf, header->sh_link, (size_t)entry.d_un.d_val);
        if (name != NULL)
            names_add(&facts->needed, name);
    }
}

/* Calls `each` with the name of every dynamic function, defined or not, until it returns true. */
static bool each_symbol(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
                        bool (*each)(void *ctx, const char *name, bool defined), void *ctx)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data != NULL && header->sh_entsize != 0 ? data->d_size / header->sh_entsize : 0;
    for (size_t i = 1; i < count; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(data, (int)i, &symbol) == NULL)
            continue;
        unsigned type = GELF_ST_TYPE(symbol.st_info);
        if (type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC)
            continue;
        const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (name != NULL && name[0] != '\0' && each(ctx, name, symbol.st_shndx != SHN_UNDEF))
            return true;
    }
    return false;
}

static bool add_undefined(void *ctx, const char *name, bool defined)
{
    struct elf_facts *facts = ctx;
    if (!defined)
        names_add(&facts->undefined, name);
    return false;
}

static void read_sections(struct elf_facts *facts, Elf *elf)
{
    size_t names;
    Elf_Scn *section = NULL;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return;
    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == NULL)
            continue;
        const char *name = elf_strptr(elf, names, header.sh_name);
        if (name != NULL &&
            (strcmp(name, ".go.buildinfo") == 0 || strcmp(name, ".note.go.buildid") == 0))
            facts->go = true;
        if (header.sh_type == SHT_DYNAMIC)
            read_needed(facts, elf, section, &header);
        if (header.sh_type == SHT_DYNSYM)
            each_symbol(elf, section, &header, add_undefined, facts);
    }
}

int elf_read(struct elf_facts *facts, const char *path)
{
    int fd;
    GElf_Ehdr header;
    *facts = (struct elf_facts){0};
    errno = 0;
    Elf *elf = open_elf(path, &fd);
    if (fd < 0)
        return -errno;
    if (elf != NULL && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) != NULL) {
        facts->elf = true;
        facts->bits = gelf_getclass(elf) == ELFCLASS64 ? 64 : 32;
        facts->machine = machine_name(header.e_machine);
        facts->for_this_machine = facts->bits == 64 && header.e_machine == EM_X86_64;
        read_segments(facts, elf);
        read_sections(facts, elf);
    }
    close_elf(elf, fd);
    return 0;
}

void elf_free(struct elf_facts *facts)
{
    free(facts->needed.list);
    free(facts->undefined.list);
}

/* ---- what a file defines ----------------------------------------------------------------------*/

static bool each_of_file(const char *path, bool (*each)(void *, const char *, bool), void *ctx)
{
    int fd;
    bool found = false;
    Elf *elf = open_elf(path, &fd);
    Elf_Scn *section = NULL;
    while (elf != NULL && !found && (section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) != NULL && header.sh_type == SHT_DYNSYM)
            found = each_symbol(elf, section, &header, each, ctx);
    }
    close_elf(elf, fd);
    return found;
}

static bool is_wanted(void *ctx, const char *name, bool defined)
{
    const char *const *wanted = ctx;
    for (; defined && *wanted != NULL; wanted++)
        if (strcmp(name, *wanted) == 0)
            return true;
    return false;
}

bool elf_defines(const char *path, const char *const *wanted)
{
    return each_of_file(path, is_wanted, (void *)(uintptr_t)wanted);
}

static bool add_defined(void *ctx, const char *name, bool defined)
{
    if (defined)
        names_add(ctx, name);
    return false;
}

void elf_defined(const char *path, struct names *names)
{
    each_of_file(path, add_defined, names);
}

/* Does one of the texts stand anywhere in the file? */
bool elf_contains(const char *path, const char *const *texts)
{
    struct stat st;
    bool found = false;
    int fd = open_regular(path, LARGEST_PROGRAM);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        size_t size = (size_t)st.st_size;
        void *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        for (; file != MAP_FAILED && !found && *texts != NULL; texts++)
            found = memmem(file, size, *texts, strlen(*texts)) != NULL;
        if (file != MAP_FAILED)
            munmap(file, size);
    }
    if (fd >= 0)
        close(fd);
    return found;
}
