/* `stack:a>…>b` of a suppression rule: is there such a path in a stack? */
#include <stdlib.h>
#include <string.h>

#include "suppress.h"

/* Interpreters and glue stand between two functions of which one calls the other. */
static bool is_between(const struct frame *frame)
{
    return frame->noise || frame->origin == ORIGIN_RUNTIME;
}

/* From where the steps up to here end (`from`, by frame) to where the next one does. Frames are
 * innermost first, steps outermost first. */
static bool advance(const struct stack_view *view, const struct step *step, const bool *from,
                    bool *to)
{
    bool open = false, any = false; /* may the frame be called by one of `from`? */
    for (size_t i = view->count; i-- > 0;) {
        const struct frame *frame = &view->frames[i];
        to[i] = open && function_is_like(frame, step->pattern);
        any = any || to[i];
        open = from[i] || (open && (step->after_gap || is_between(frame)));
    }
    return any;
}

bool stack_has_steps(const struct stack_view *view, const struct step *steps, size_t count)
{
    if (view->count == 0)
        return false;
    bool *from = mem_calloc(view->count, sizeof(*from)), *to = mem_calloc(view->count, sizeof(*to));
    bool any = false;
    for (size_t i = 0; i < view->count; i++) {
        from[i] = function_is_like(&view->frames[i], steps[0].pattern);
        any = any || from[i];
    }
    for (size_t k = 1; any && k < count; k++) {
        any = advance(view, &steps[k], from, to);
        bool *other = from;
        from = to;
        to = other;
    }
    free(from);
    free(to);
    return any;
}
