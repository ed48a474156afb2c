/* libuv: a repeating timer, one of whose callbacks reads synchronously from a pipe that stays
 * empty for 300 ms. libuv's pool works meanwhile, which is nobody's stall. */
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

static int pipe_ends[2], ticks, stall;
static uv_thread_t writer;

static void write_later(void *unused)
{
    struct timespec t = {0, 300 * 1000000};
    (void)unused;
    nanosleep(&t, NULL);
    if (write(pipe_ends[1], "x", 1) != 1) {
        _exit(9);
    }
}

static void read_synchronously(uv_loop_t *loop)
{
    char byte;
    uv_buf_t buf = uv_buf_init(&byte, 1);
    uv_fs_t request;
    uv_thread_create(&writer, write_later, NULL);
    uv_fs_read(loop, &request, pipe_ends[0], &buf, 1, -1, NULL); /* STALL */
    uv_fs_req_cleanup(&request);
}

static void on_tick(uv_timer_t *timer)
{
    if (++ticks == 3 && stall) {
        read_synchronously(timer->loop);
    }
    if (ticks == 20) {
        uv_close((uv_handle_t *)timer, NULL);
    }
}

static void work(uv_work_t *request)
{
    (void)request;
    usleep(100000);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t timer;
    uv_work_t request;

    stall = argc > 1 && strcmp(argv[1], "stall") == 0;
    if (pipe(pipe_ends) != 0) {
        return 9;
    }
    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, on_tick, 5, 5);
    uv_queue_work(loop, &request, work, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    if (stall) {
        uv_thread_join(&writer);
    }
    return uv_loop_close(loop);
}
