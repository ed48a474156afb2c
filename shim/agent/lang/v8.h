/* Where V8's interpreter is in a function, which no perf map knows. */
#ifndef STALLTRACE_V8_H
#define STALLTRACE_V8_H

#include <stdbool.h>
#include <stdint.h>

/* The words of a frame of V8's interpreter that say what it runs. */
struct st_v8_frame {
    uint64_t function, bytecode, offset;
};

struct st_v8_place {
    uint64_t script; /* the address of its name */
    uint32_t line;   /* 0: not known */
};

/* Where these words lie, relative to the frame pointer; false: the process has no V8 that we know.
 */
bool st_v8_words(int32_t *function, int32_t *bytecode, int32_t *offset);
/* The place that they stand for. Whatever they are: reads that cannot fault, and nothing is
 * believed that does not fit together. */
struct st_v8_place st_v8_place(const struct st_v8_frame *frame);
/* Is it in the function that the perf map calls so, `JS:~name /srv/app.js:12:5`? */
bool st_v8_is_in(const struct st_v8_place *place, const char *symbol);
void st_v8_reset(void);

#endif
