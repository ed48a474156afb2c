/* Losses: what is known to have happened and is not in the trace. Each kind has its count, which
 * the trace holds as soon as there is room for it. Nothing else lives here. */
#include "agent.h"
#include "json.h"
#include "text.h"

#include <string.h>

enum { KINDS = 16 };

static struct loss {
    char code[32], message[256];
    uint64_t count, written;
} losses[KINDS];

static void write_loss(struct loss *l)
{
    js_begin("loss");
    js_string("code", l->code);
    js_string("message", l->message);
    js_number("count", l->count);
    if (js_end())
        l->written = l->count;
}

static void copy(char *to, size_t size, const char *from)
{
    struct st_text t = {to, size, 0};
    to[0] = 0;
    st_text_add(&t, from);
}

void st_record_loss(const char *code, const char *message, uint64_t count)
{
    for (int i = 0; i < KINDS && count; i++) {
        struct loss *l = &losses[i];
        bool is_new = !l->code[0];
        if (is_new) {
            copy(l->code, sizeof(l->code), code);
            copy(l->message, sizeof(l->message), message);
        } else if (strncmp(l->code, code, sizeof(l->code) - 1) != 0) {
            continue;
        }
        l->count += count;
        if (is_new)
            write_loss(l); /* the process may be killed */
        return;
    }
}

void st_losses_write(void)
{
    for (int i = 0; i < KINDS && losses[i].code[0]; i++)
        if (losses[i].count != losses[i].written)
            write_loss(&losses[i]);
}

void st_losses_reset(void)
{
    memset(losses, 0, sizeof(losses));
}
