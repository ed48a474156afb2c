/* From an address in a module to functions, files and lines, through elfutils. Offline: works from
 * the files that the trace names, checked by build-id, and from separate debug information. */
#ifndef STALLTRACE_SYMBOLS_H
#define STALLTRACE_SYMBOLS_H

#include "trace/trace.h"

/* One function at an address. Where functions were inlined there are several, innermost first. */
struct position {
    const char *function; /* demangled; NULL where nothing names it */
    const char *file;     /* or NULL */
    int line;             /* 0 where unknown */
};

struct positions {
    size_t count; /* at least 1 */
    struct position at[];
};

struct symbols;

/* `debuginfod` keeps DEBUGINFOD_URLS; otherwise elfutils never goes to the network. `warn` is
 * called once for each module whose file cannot be used, with a whole sentence. */
struct symbols *symbols_new(bool debuginfod, void (*warn)(const char *message));
/* What is at `vaddr` (an address of the ELF file, load bias taken off). The answer is cached and
 * belongs to `symbols`; its strings are interned. Never NULL. */
const struct positions *symbols_find(struct symbols *symbols, const struct module *module,
                                     uint64_t vaddr);
void symbols_free(struct symbols *symbols);

/* A function's name for people: demangled, without parameters, hash and compiler's clone suffix
 * (`.constprop.0`, `.cold`). Interned. */
const char *function_name(const char *linkage_name);

/* The length of the arguments of a template or a generic that begin at `at`, a `<` in `name`; 0:
 * they do not. */
size_t arguments_len(const char *name, const char *at);

#endif
