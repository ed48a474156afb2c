/* libuv: a one-shot timer whose callback sleeps. The loop has not waited yet when it is set. */
#include <time.h>
#include <uv.h>

static void on_timer(uv_timer_t *timer)
{
    struct timespec t = {0, 300 * 1000000};
    nanosleep(&t, NULL); /* STALL */
    uv_close((uv_handle_t *)timer, NULL);
}

int main(void)
{
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, on_timer, 20, 0);
    uv_run(loop, UV_RUN_DEFAULT);
    return uv_loop_close(loop);
}
