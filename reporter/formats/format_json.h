/* Parts of `report --format json`. */
#ifndef STALLTRACE_FORMAT_JSON_H
#define STALLTRACE_FORMAT_JSON_H

#include "model/baseline.h"
#include "model/iteration.h"
#include "util/json_writer.h"
#include "stacks/stackview.h"

/* The members of a stack, in an object that has begun. */
void json_stack(struct json_writer *w, const struct stack_view *view);
/* The members that say what it waited for, beside the words. */
void json_wait(struct json_writer *w, const char *kind, const struct holder *holder);
/* The member `baseline` of the report. */
void json_baseline(struct json_writer *w, const struct model *model);
/* The members that only iterations have. */
void json_profile(struct json_writer *w, const struct profile *profile);

#endif
