/* What the files of the text report share. */
#ifndef STALLTRACE_TEXT_H
#define STALLTRACE_TEXT_H

#include "words/excerpt.h"
#include "model/model.h"

struct text {
    struct strbuf *out;
    const struct palette *palette;
    bool full;
    const struct model *model;
    struct sources *sources; /* NULL: none are quoted */
};

/* `  = `: the beginning of a note under a finding. */
void text_note(const struct text *t);
/* The notes about where an iteration was and where its time went (text_iteration.c). */
void text_iteration(const struct text *t, const struct profile *profile);
/* The stack with what nobody wants to read folded (text_stack.c). */
void text_stack(const struct text *t, const struct stack_view *view);
/* A bar of `width` columns, filled to `part` of `whole`. */
void text_bar(struct strbuf *out, uint64_t part, uint64_t whole, int width);

#endif
