/* Functions and lines at an address from DWARF, inlined ones included. */
#ifndef STALLTRACE_INLINES_H
#define STALLTRACE_INLINES_H

#include <elfutils/libdwfl.h>

#include "symbols.h"

/* What was indexed of a module so far. Zero-initialised is empty. */
struct inlines {
    struct map units; /* offset of the compile unit's DIE + 1 → struct unit */
};

/* NULL where the module has no DWARF for the address. The caller frees the answer. */
struct positions *inlines_find(struct inlines *inlines, Dwfl_Module *mod, Dwarf_Addr address);
void inlines_free(struct inlines *inlines);

#endif
