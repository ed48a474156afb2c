#include "formats.h"
void format_text(struct strbuf *out, const struct model *model,
                 const struct format_options *options)
{
    (void)options;
    sb_addf(out, "%zu findings\n", model->count);
}
