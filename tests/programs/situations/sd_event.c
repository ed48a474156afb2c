/* sd-event, the loop of systemd's services: a timer's callback that waits for a child. */
#include <stdlib.h>
#include <systemd/sd-event.h>

static int on_timer(sd_event_source *source, uint64_t usec, void *unused)
{
    (void)usec, (void)unused;
    if (system("exec sleep 0.3") != 0) { /* STALL */
        return -1;
    }
    return sd_event_exit(sd_event_source_get_event(source), 0);
}

int main(void)
{
    sd_event *event;
    sd_event_source *timer;
    if (sd_event_new(&event) < 0 ||
        sd_event_add_time_relative(event, &timer, CLOCK_MONOTONIC, 20000, 0, on_timer, NULL) < 0) {
        return 9;
    }
    int result = sd_event_loop(event);
    sd_event_source_unref(timer);
    sd_event_unref(event);
    return result < 0 ? 9 : result;
}
