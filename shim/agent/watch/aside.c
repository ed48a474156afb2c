/* Waits of a tagged thread that had no home yet: its loop's own first wait, or a call that blocked
 * it before. What comes next tells; until then they are kept aside. And loops that poll: what for?
 */
#include "agent/agent.h"
#include "agent/base/kernel.h"
#include "agent/base/rows.h"

#include <string.h>

enum { ASIDE = 16, DETAIL = 256 };

static struct aside {
    uint32_t slot, generation; /* generation 0: free */
    uint64_t site;
    struct st_stall stall;
    struct st_py_task task;
    char detail[DETAIL];
} asides[ASIDE];

struct polled {
    uint32_t generation, looks;
    uint8_t home;
};
ST_ROWS(polled, struct polled)

void st_aside_reset(void)
{
    memset(asides, 0, sizeof(asides));
    st_rows_clear(&polled_rows, sizeof(struct polled));
}

bool st_keep_aside(const struct st_capture *c, const struct st_stack *stack,
                   const struct st_stall *stall)
{
    for (int i = 0; i < ASIDE; i++) {
        struct aside *a = &asides[i];
        if (a->generation)
            continue;
        *a = (struct aside){.slot = c->slot,
                            .generation = c->generation,
                            .site = stack->count ? stack->frames[0].pc : 0,
                            .stall = *stall};
        if (stall->task)
            a->task = *stall->task;
        strncpy(a->detail, stall->detail ? stall->detail : "", DETAIL - 1);
        a->stall.detail = a->detail;
        a->stall.task = &a->task;
        a->stall.held = NULL;
        return true;
    }
    return false;
}

/* Is it known by now what the thread's own wait is? Of a thread that never waits again nothing is.
 */
static bool is_known(const struct aside *a, const struct st_slot *s)
{
    return s->generation != a->generation || s->home != ST_HOME_NONE ||
           atomic_load(&s->state) != ST_SLOT_LIVE;
}

static bool was_its_own(const struct aside *a, const struct st_slot *s)
{
    return s->generation != a->generation ||
           ((s->home == ST_HOME_POLL || s->home == ST_HOME_SELECT) && s->home_site == a->site);
}

void st_look_at_asides(void)
{
    for (int i = 0; i < ASIDE; i++) {
        struct aside *a = &asides[i];
        const struct st_slot *s = st_slot_at(st_shared, a->slot);
        if (!a->generation || !is_known(a, s))
            continue;
        if (!was_its_own(a, s))
            st_report_stall(&a->stall);
        a->generation = 0;
    }
}

/* Is one of the descriptors that the loop polls an epoll fd? Then it is known by that. */
void st_look_at_polled(uint32_t index)
{
    enum { LOOKS = 20 };
    struct st_slot *s = st_slot_at(st_shared, index);
    if (s->home != ST_HOME_POLL && s->home != ST_HOME_SELECT)
        return;
    if (polled_at(index)->generation != s->generation || polled_at(index)->home != s->home) {
        polled_at(index)->generation = s->generation;
        polled_at(index)->home = s->home;
        polled_at(index)->looks = 0;
    }
    if (polled_at(index)->looks == LOOKS)
        return;
    polled_at(index)->looks++;
    for (int i = 0; i < ST_HOME_POLLED; i++) {
        int fd = *(volatile int *)&s->home_polled[i];
        if (fd < 0 || !st_is_epoll(s->tid, fd))
            continue;
        atomic_store(&s->next_home, (uint32_t)fd + 1);
        polled_at(index)->looks = LOOKS;
        return;
    }
}
