/* GLib: a main loop that waits with poll() on more than one descriptor, the way a desktop program
 * does; one of its timeouts sleeps. */
#include <glib.h>
#include <string.h>
#include <unistd.h>

static GMainLoop *loop;
static int pipe_ends[2], ticks, stall, private, dialog;

static gboolean on_end(gpointer done)
{
    *(gboolean *)done = TRUE;
    return G_SOURCE_REMOVE;
}

/* As a synchronous call of GDBus waits for its answer: in a context of its own, or (a dialog) in
 * the main one. */
__attribute__((noinline)) static void wait_in(GMainContext *context)
{
    gboolean done = FALSE;
    char frames_between[4096];
    GSource *source = g_timeout_source_new(300);
    __asm__ volatile("" : : "r"(frames_between) : "memory");
    g_source_set_callback(source, on_end, &done, NULL);
    g_source_attach(source, context);
    while (!done) {
        g_main_context_iteration(context, TRUE); /* STALL:private */
    }
    g_source_unref(source);
}

static gboolean on_tick(gpointer unused)
{
    (void)unused;
    if (++ticks == 15 && stall) {
        g_usleep(300000); /* STALL */
    }
    if (ticks == 15 && private) {
        GMainContext *context = g_main_context_new();
        wait_in(context);
        g_main_context_unref(context);
    }
    if (ticks == 15 && dialog) {
        wait_in(NULL);
    }
    if (ticks == 40) {
        g_main_loop_quit(loop);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_input(GIOChannel *channel, GIOCondition condition, gpointer unused)
{
    (void)channel, (void)condition, (void)unused;
    return TRUE;
}

int main(int argc, char **argv)
{
    GIOChannel *channel = NULL;
    stall = argc > 1 && strcmp(argv[1], "stall") == 0;
    private = argc > 1 && strcmp(argv[1], "private") == 0;
    dialog = argc > 1 && strcmp(argv[1], "dialog") == 0;
    if (pipe(pipe_ends) != 0) {
        return 9;
    }
    if (argc < 3) { /* else: timeouts alone, and poll() of GLib's own descriptor */
        channel = g_io_channel_unix_new(pipe_ends[0]);
        g_io_add_watch(channel, G_IO_IN, on_input, NULL);
    }
    loop = g_main_loop_new(NULL, FALSE);
    g_timeout_add(5, on_tick, NULL);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    if (channel) {
        g_io_channel_unref(channel);
    }
    return 0;
}
