/* What the processes of a run could write nowhere else: see common/run_page.h. */
#ifndef STALLTRACE_COMMANDS_RUN_PAGE_H
#define STALLTRACE_COMMANDS_RUN_PAGE_H

#include <stdbool.h>

#include "model/model.h"

struct st_run_page;

/* Makes the page and the run's id, which nobody can guess; `outer`: that of the run that this one
 * is in, or NULL. *page is NULL where there can be none. The id is the caller's to free. */
char *run_page_make(struct st_run_page **page, const char *outer, bool shared);

/* Once the processes are gone: writes a trace into the directory for each that has none, or where
 * that cannot be done (or the directory is NULL), adds the loss to the model. */
void run_page_finish(struct st_run_page *page, struct model *model, const char *directory,
                     const char *id);
/* Once the model has all traces: that no process has loaded the probe is a loss, too. */
void run_page_check(const struct st_run_page *page, struct model *model);

#endif
