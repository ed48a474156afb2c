/* Where the Python thread stands that holds what a loop waits for. It may run meanwhile: what is
 * said of it is read twice, and left out where the two differ. */
#include "agent.h"

#include <string.h>

#include "python.h"
#include "text.h"

enum { FRAMES = 24 };

static bool is_library(const char *file)
{
    const char *lib = strstr(file, "/lib/python3");
    return file[0] == '<' || (lib && !strstr(lib, "-packages/"));
}

/* The innermost frame that is not the standard library's, else the innermost. False: there is none,
 * or it cannot be read. */
static bool find_place(uint64_t tstate, struct st_py_raw *at, struct st_py_name *name)
{
    static struct st_py_raw raw[FRAMES];
    const struct st_py_layout *py = &st_shared->py;
    int n = st_py_walk_other(py, tstate, raw, FRAMES);
    for (int i = 0; i < n; i++) {
        if (st_py_resolve(py, &raw[i], name) < 0)
            return false;
        *at = raw[i];
        if (!is_library(name->file))
            return true;
    }
    return n > 0 && st_py_resolve(py, &raw[0], name) == 0 && (*at = raw[0], true);
}

void st_add_holder(const struct st_what *what, const struct st_call *call, char *detail,
                   size_t size)
{
    static struct st_py_name names[2];
    struct st_py_raw at[2];
    uint64_t thread;
    pid_t tid = st_holder_of(what, call, &thread);
    uint64_t tstate = tid ? st_py_tstate_of(&st_shared->py, thread, tid) : 0;
    if (!tstate)
        return;
    for (int i = 0; i < 2; i++)
        if (!find_place(tstate, &at[i], &names[i]))
            return;
    if (at[0].frame != at[1].frame || at[0].code != at[1].code ||
        strcmp(names[0].function, names[1].function) != 0)
        return;
    struct st_text t = {detail, size, strlen(detail)};
    st_text_add(&t, " at ");
    st_text_add(&t, names[1].file);
    if (names[1].line > 0) {
        st_text_char(&t, ':');
        st_text_number(&t, (uint64_t)names[1].line, 10, 1);
    }
    st_text_add(&t, " in ");
    st_text_add(&t, names[1].function);
}
