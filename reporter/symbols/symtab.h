/* A module's function symbols, sorted: dwfl_module_addrinfo scans all of them for each address,
 * which takes milliseconds in a binary the size of node. */
#ifndef STALLTRACE_SYMTAB_H
#define STALLTRACE_SYMTAB_H

#include <elfutils/libdwfl.h>

#include "util/util.h"

struct symtab {
    struct symtab_entry *entries;
    size_t count, cap;
    bool loaded;
};

/* The linkage name of the function at `address` (libdwfl's addresses), or NULL. Belongs to `mod`.
 */
const char *symtab_find(struct symtab *table, Dwfl_Module *mod, GElf_Addr address);
void symtab_free(struct symtab *table);

#endif
