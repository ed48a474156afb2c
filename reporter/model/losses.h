/* What is known to be missing in a recording. Where anything is, "clean" cannot be said. */
#ifndef STALLTRACE_LOSSES_H
#define STALLTRACE_LOSSES_H

#include "model.h"

struct loss_list {
    struct loss *items;
    size_t count, cap;
};

/* Adds what is missing in this trace: what it says itself, and what its reader has found. */
void losses_of_trace(struct loss_list *list, const struct trace *trace);
/* Of all traces, and of those that could not be read: equal ones are added up. */
void losses_of_model(struct loss_list *list, const struct model *model);
void losses_free(struct loss_list *list);
bool has_losses(const struct model *model);

/* Is it a notice that tells of a loss? Those are in the lists, too. */
bool is_loss_notice(const char *code);

/* A loss that belongs to no trace in the model. */
void model_add_loss(struct model *model, const char *code, const char *message, uint64_t count);

/* A file of a directory could not be read as a trace: a loss where it is one (`ours`), or has a
 * trace's name. */
void note_unread(struct model *model, const char *path, const char *problem, bool ours);

/* One line each, with the process that it is about. */
void describe_losses(struct strbuf *out, const struct model *model, const char *prefix);

#endif
