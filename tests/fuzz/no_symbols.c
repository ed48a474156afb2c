/* A symboliser that knows a name for every address: files that a trace names are not opened here.
 */
#include <string.h>

#include "symbols/symbols.h"

struct symbols *symbols_new(bool debuginfod, void (*warn)(const char *message))
{
    (void)debuginfod;
    (void)warn;
    return NULL;
}

const struct positions *symbols_find(struct symbols *symbols, const struct module *module,
                                     uint64_t vaddr)
{
    static const char *const names[] = {
        NULL,    "main", "nanosleep", "_PyEval_EvalFrameDefault", "std::vector<int>::push_back",
        "uv_run"};
    static _Alignas(
        struct positions) char room[sizeof(struct positions) + 2 * sizeof(struct position)];
    struct positions *found = (void *)room;
    (void)symbols;
    (void)module;
    memset(room, 0, sizeof(room));
    found->count = 1 + vaddr % 2;
    for (size_t i = 0; i < found->count; i++) {
        const char *name = names[(vaddr + i) % COUNT_OF(names)];
        found->at[i].function = name != NULL ? intern(name) : NULL;
        found->at[i].file = vaddr % 3 == 0 ? intern("/srv/app.c") : NULL;
        found->at[i].line = found->at[i].file != NULL ? (int)(vaddr % 1000) : 0;
    }
    return found;
}

void symbols_free(struct symbols *symbols)
{
    (void)symbols;
}
