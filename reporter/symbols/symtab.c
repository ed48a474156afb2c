/* See symtab.h. */
#include "symtab.h"

#include <stdlib.h>
#include <string.h>

struct symtab_entry {
    GElf_Addr start;
    GElf_Addr end; /* of the function, or of all functions that begin before it (see below) */
    const char *name;
    GElf_Addr size;
    unsigned char rank; /* among symbols of one address: global before weak before local */
};

static unsigned char rank_of(const GElf_Sym *symbol)
{
    switch (GELF_ST_BIND(symbol->st_info)) {
    case STB_GLOBAL:
        return 0;
    case STB_WEAK:
        return 1;
    default:
        return 2;
    }
}

static int by_start(const void *left, const void *right)
{
    const struct symtab_entry *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    size_t len_a = strlen(a->name), len_b = strlen(b->name);
    if (len_a != len_b) /* `read` before `__read` */
        return len_a < len_b ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void add_symbol(struct symtab *table, Dwfl_Module *mod, int index)
{
    GElf_Sym symbol;
    GElf_Addr address = 0;
    const char *name = dwfl_module_getsym_info(mod, index, &symbol, &address, NULL, NULL, NULL);
    if (name == NULL || name[0] == '\0' || symbol.st_shndx == SHN_UNDEF)
        return;
    unsigned char type = GELF_ST_TYPE(symbol.st_info);
    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
        return;
    /* Assembler leaves size-less labels inside functions; those of a section are no functions. */
    if (type == STT_NOTYPE && (symbol.st_size == 0 || GELF_ST_BIND(symbol.st_info) == STB_LOCAL))
        return;
    GROW(table->entries, table->count, table->cap);
    table->entries[table->count++] = (struct symtab_entry){.start = address,
                                                           .end = address + symbol.st_size,
                                                           .size = symbol.st_size,
                                                           .name = name,
                                                           .rank = rank_of(&symbol)};
}

static void load_symbols(struct symtab *table, Dwfl_Module *mod)
{
    table->loaded = true;
    int count = dwfl_module_getsymtab(mod);
    for (int i = 1; i < count; i++)
        add_symbol(table, mod, i);
    if (table->count == 0)
        return;
    qsort(table->entries, table->count, sizeof(table->entries[0]), by_start);
    /* `end` becomes the furthest end so far, so that a search backwards knows when to stop. */
    for (size_t i = 1; i < table->count; i++) {
        if (table->entries[i].end < table->entries[i - 1].end)
            table->entries[i].end = table->entries[i - 1].end;
    }
}

/* The number of entries that begin at or before `address`. */
static size_t count_up_to(const struct symtab *table, GElf_Addr address)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->entries[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *symtab_find(struct symtab *table, Dwfl_Module *mod, GElf_Addr address)
{
    if (!table->loaded)
        load_symbols(table, mod);
    const struct symtab_entry *best = NULL;
    for (size_t i = count_up_to(table, address); i-- > 0;) {
        const struct symtab_entry *entry = &table->entries[i];
        if (best != NULL && entry->start != best->start)
            break;
        /* Sorted by rank within one address, so going backwards the last match is the best. A
         * function without a size (written in assembler) reaches to the next one. */
        if (address < entry->start + entry->size ||
            (entry->size == 0 && i + 1 == count_up_to(table, address)))
            best = entry;
        else if (best == NULL && address >= entry->end)
            break;
    }
    return best == NULL ? NULL : best->name;
}

void symtab_free(struct symtab *table)
{
    free(table->entries);
    *table = (struct symtab){0};
}
