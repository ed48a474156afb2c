/* Losses: what is known to have happened and is not in the trace. Each kind has its count, which
 * the trace holds as soon as there is room for it. Nothing else lives here. */
#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/room.h"
#include "agent/base/text.h"

#include <string.h>

enum { KINDS = 16 };

static struct loss {
    char code[32], message[512];
    uint64_t count, written;
} losses[KINDS];

static void write_loss(struct loss *l)
{
    js_begin("loss");
    js_string("code", l->code);
    js_string("message", l->message);
    js_number("count", l->count);
    if (l->written && !room_is_last())
        room_worth(ST_WORTH_FIGURES);
    if (js_end())
        l->written = l->count;
}

static void copy(char *to, size_t size, const char *from)
{
    struct st_text t = {to, size, 0};
    if (!strcmp(to, from))
        return;
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
        } else if (strncmp(l->code, code, sizeof(l->code) - 1) != 0) {
            continue;
        }
        l->count += count;
        copy(l->message, sizeof(l->message), message);
        if (is_new)
            write_loss(l); /* the process may be killed */
        return;
    }
}

/* By call: those that came first, and all others together. */
enum { UNPLACED = 12 };
static struct {
    const char *call;
    uint64_t count;
} unplaced[UNPLACED];

static void say_unplaced(char *message, size_t size)
{
    struct st_text t = {message, size, 0};
    st_text_add(&t, "stalls of new places, whose stacks had no room in the trace (");
    for (int i = 0; i < UNPLACED && unplaced[i].count; i++) {
        st_text_add(&t, i ? ", " : "");
        st_text_add(&t, unplaced[i].call);
        st_text_char(&t, ' ');
        st_text_number(&t, unplaced[i].count, 10, 1);
    }
    st_text_add(&t, "): ");
    st_text_add(&t, room_way_out());
}

void st_count_unplaced(const char *call, uint64_t count)
{
    char message[512];
    int i = 0;
    while (i < UNPLACED - 1 && unplaced[i].count && unplaced[i].call != call)
        i++;
    unplaced[i].call = i < UNPLACED - 1 ? call : "others";
    unplaced[i].count += count;
    say_unplaced(message, sizeof(message));
    st_record_loss("trace-full", message, count);
}

static void note_refused(void)
{
    char message[256];
    int error;
    uint64_t count = room_take_refused(&error);
    struct st_text t = {message, sizeof(message), 0};
    if (!count)
        return;
    st_text_add(&t, "records that could not be written (");
    st_text_add(&t, strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error");
    st_text_add(&t, "): make room, or choose another output directory");
    st_record_loss("write", message, count);
}

void st_losses_write(void)
{
    note_refused();
    for (int i = 0; i < KINDS && losses[i].code[0]; i++)
        if (losses[i].count != losses[i].written)
            write_loss(&losses[i]);
}

const char *st_losses_unwritten(void)
{
    for (int i = 0; i < KINDS && losses[i].code[0]; i++)
        if (losses[i].count && !losses[i].written)
            return losses[i].message;
    return NULL;
}

void st_losses_reset(void)
{
    memset(losses, 0, sizeof(losses));
    memset(unplaced, 0, sizeof(unplaced));
}
