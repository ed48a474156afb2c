/* GLib: the main loop reads what a tool wrote, although it has not written anything yet. The loop
 * waits with poll() on more than one descriptor, as soon as anything but a timeout is watched. The
 * line on stdin ends the wait. */
#include <glib.h>
#include <stdio.h>
#include <unistd.h>

static GMainLoop *loop;
static int tool[2], ticks;

static gpointer wait_for_line(gpointer unused)
{
    char line[16];
    (void)unused;
    if (fgets(line, sizeof(line), stdin) == NULL || write(tool[1], "done\n", 5) != 5) {
        _exit(9);
    }
    return NULL;
}

static gboolean read_answer(gpointer unused)
{
    char answer[16];
    (void)unused;
    if (++ticks < 20) {
        return G_SOURCE_CONTINUE;
    }
    ssize_t length = read(tool[0], answer, sizeof(answer)); /* STALL */
    printf("read %zd bytes\n", length);
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static gboolean on_answer(GIOChannel *channel, GIOCondition condition, gpointer unused)
{
    (void)channel, (void)condition, (void)unused;
    return G_SOURCE_CONTINUE;
}

int main(void)
{
    if (pipe(tool) != 0) {
        return 9;
    }
    GIOChannel *channel = g_io_channel_unix_new(tool[0]);
    g_io_add_watch(channel, G_IO_IN, on_answer, NULL);
    GThread *user = g_thread_new("user", wait_for_line, NULL);
    loop = g_main_loop_new(NULL, FALSE);
    g_timeout_add(2, read_answer, NULL);
    g_main_loop_run(loop);
    g_thread_join(user);
    g_main_loop_unref(loop);
    g_io_channel_unref(channel);
    return 0;
}
