/* Walks the scopes around an address: each inlined subroutine is a frame of its own, and says where
 * it was called, which is the position of the frame outside it.
 *
 * dwarf_getscopes walks the whole compile unit for each address (half a millisecond in CPython's
 * evaluation loop); so functions are indexed once a unit, and only one of them is descended into.
 */
#include "inlines.h"

#include <dwarf.h>
#include <limits.h>
#include <stdlib.h>

/* A contiguous piece of a function (a hot/cold split has two). */
struct piece {
    Dwarf_Addr low, high;
    Dwarf_Die function;
};

struct unit {
    struct piece *pieces; /* sorted by address */
    size_t count, cap;
    Dwarf_Files *files; /* for DW_AT_call_file; NULL where there are none */
    size_t file_count;
    const char *directory; /* where it was compiled, absolute; or NULL */
};

static void index_function(struct unit *unit, Dwarf_Die *die)
{
    Dwarf_Addr base = 0, low = 0, high = 0;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(die, offset, &base, &low, &high)) > 0) {
        GROW(unit->pieces, unit->count, unit->cap);
        unit->pieces[unit->count++] = (struct piece){.low = low, .high = high, .function = *die};
    }
}

/* Functions stand at the top, in namespaces (C++, Rust) or in types. */
static void index_scope(struct unit *unit, Dwarf_Die *scope, unsigned int depth)
{
    enum { DEEPEST = 64 };
    Dwarf_Die die;
    if (depth > DEEPEST || dwarf_child(scope, &die) != 0)
        return;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_subprogram:
            index_function(unit, &die);
            index_scope(unit, &die, depth + 1); /* GNU C's nested functions */
            break;
        case DW_TAG_namespace:
        case DW_TAG_module:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
        case DW_TAG_union_type:
        case DW_TAG_enumeration_type:
        case DW_TAG_lexical_block:
            index_scope(unit, &die, depth + 1);
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
}

static int by_low(const void *left, const void *right)
{
    const struct piece *a = left, *b = right;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return a->high > b->high ? -1 : a->high < b->high;
}

static struct unit *unit_of(struct inlines *inlines, Dwarf_Die *die)
{
    uint64_t key = dwarf_dieoffset(die) + 1;
    struct unit *unit = map_get(&inlines->units, key);
    if (unit != NULL)
        return unit;
    unit = mem_calloc(1, sizeof(*unit));
    map_put(&inlines->units, key, unit);
    index_scope(unit, die, 0);
    if (unit->count > 0)
        qsort(unit->pieces, unit->count, sizeof(unit->pieces[0]), by_low);
    if (dwarf_getsrcfiles(die, &unit->files, &unit->file_count) != 0)
        unit->files = NULL;
    Dwarf_Attribute attr;
    const char *directory = dwarf_formstring(dwarf_attr(die, DW_AT_comp_dir, &attr));
    unit->directory = directory != NULL && directory[0] == '/' ? directory : NULL;
    return unit;
}

/* libdw puts the directory of the compilation before the names of DWARF 5 only. cargo compiles each
 * crate in its own directory, so without that all have the same src/lib.rs. */
static const char *full_name(const struct unit *unit, const char *name)
{
    if (name == NULL || name[0] == '/' || name[0] == '<' || unit->directory == NULL)
        return name == NULL ? NULL : intern(name);
    char *full = mem_printf("%s/%s", unit->directory, name);
    const char *result = intern(full);
    free(full);
    return result;
}

static const struct piece *find_piece(const struct unit *unit, Dwarf_Addr address)
{
    size_t low = 0, high = unit->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (unit->pieces[middle].low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < unit->pieces[low - 1].high ? &unit->pieces[low - 1] : NULL;
}

static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    const char *name = NULL;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) != NULL ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr) != NULL)
        name = dwarf_formstring(&attr);
    if (name == NULL && dwarf_attr_integrate(die, DW_AT_name, &attr) != NULL)
        name = dwarf_formstring(&attr);
    return name == NULL ? NULL : function_name(name);
}

static int number_of(Dwarf_Die *die, unsigned int attribute)
{
    Dwarf_Attribute attr;
    Dwarf_Word value = 0;
    if (dwarf_formudata(dwarf_attr(die, attribute, &attr), &value) != 0 || value > INT_MAX)
        return 0;
    return (int)value;
}

static const char *call_file(Dwarf_Die *die, const struct unit *unit)
{
    size_t index = (size_t)number_of(die, DW_AT_call_file);
    if (unit->files == NULL || index >= unit->file_count)
        return NULL;
    return full_name(unit, dwarf_filesrc(unit->files, index, NULL, NULL));
}

/* The compile unit that holds the address. libdw finds it by .debug_aranges, which clang and rustc
 * leave out: then each unit's own ranges are asked. */
static Dwarf_Die *unit_at(Dwfl_Module *mod, Dwarf_Addr address, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(mod, address, bias);
    if (unit != NULL)
        return unit;
    while ((unit = dwfl_module_nextcu(mod, unit, bias)) != NULL)
        if (dwarf_haspc(unit, address - *bias) > 0)
            return unit;
    return NULL;
}

static struct position line_at(const struct unit *unit, Dwarf_Die *die, Dwarf_Addr address)
{
    struct position position = {0};
    int line = 0;
    Dwarf_Line *source = dwarf_getsrc_die(die, address);
    const char *file = source == NULL ? NULL : dwarf_linesrc(source, NULL, NULL);
    if (file != NULL && dwarf_lineno(source, &line) == 0) {
        position.file = full_name(unit, file);
        position.line = line;
    }
    return position;
}

enum { MOST_INLINED = 128 };

/* The child scope of `scope` that holds the address. */
static bool descend(Dwarf_Die *scope, Dwarf_Addr address)
{
    Dwarf_Die die;
    if (dwarf_child(scope, &die) != 0)
        return false;
    do {
        int tag = dwarf_tag(&die);
        if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
            dwarf_haspc(&die, address) > 0) {
            *scope = die;
            return true;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
}

/* The function and what is inlined into it at the address, outermost first. */
static size_t find_scopes(const Dwarf_Die *function, Dwarf_Addr address,
                          Dwarf_Die scopes[MOST_INLINED])
{
    size_t count = 0;
    Dwarf_Die scope = *function;
    scopes[count++] = scope;
    while (count < MOST_INLINED && descend(&scope, address)) {
        if (dwarf_tag(&scope) == DW_TAG_inlined_subroutine)
            scopes[count++] = scope;
    }
    return count;
}

struct positions *inlines_find(struct inlines *inlines, Dwfl_Module *mod, Dwarf_Addr address)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit_die = unit_at(mod, address, &bias);
    if (unit_die == NULL)
        return NULL;
    const struct unit *unit = unit_of(inlines, unit_die);
    const struct piece *piece = find_piece(unit, address - bias);
    if (piece == NULL)
        return NULL;
    Dwarf_Die scopes[MOST_INLINED];
    size_t count = find_scopes(&piece->function, address - bias, scopes);
    struct positions *found = mem_calloc(1, sizeof(*found) + count * sizeof(found->at[0]));
    struct position next = line_at(unit, unit_die, address - bias);
    for (size_t i = count; i-- > 0;) {
        next.function = name_of(&scopes[i]);
        found->at[found->count++] = next;
        next = (struct position){.file = call_file(&scopes[i], unit),
                                 .line = number_of(&scopes[i], DW_AT_call_line)};
    }
    return found;
}

static void free_unit(void *value)
{
    struct unit *unit = value;
    free(unit->pieces);
    free(unit);
}

void inlines_free(struct inlines *inlines)
{
    map_free(&inlines->units, free_unit);
}
