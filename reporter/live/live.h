/* Follows the traces of running processes and prints findings as they happen. */
#ifndef STALLTRACE_LIVE_H
#define STALLTRACE_LIVE_H

#include "model/model.h"

struct live;

/* Follows the traces in `directory` into `model`. `print`: write live lines to stderr. Only those
 * of `run` (NULL: all) that this user or root owns, or (shared) anybody. Returns NULL where the
 * directory cannot be opened. */
struct live *live_start(const char *directory, struct model *model, bool print, const char *run,
                        bool shared);
/* Becomes readable when a trace has grown; -1 where inotify is not to be had. */
int live_fd(const struct live *live);
/* Milliseconds after which live_read is to be called even so; -1: never. */
int live_timeout(const struct live *live);
/* Reads what is new. `all`: in every file, whatever the kernel announced. */
void live_read(struct live *live, bool all);
/* Reads the rest and hands the traces over to the model. */
void live_finish(struct live *live);

#endif
