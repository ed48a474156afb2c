/* What loader.c opens: a constructor that runs a loop, stalls and forks under the loader's lock. */
#include "hostile.h"

#include <sys/wait.h>

static int wants(const char *what)
{
    const char *set = getenv("PLUGIN");
    return set && strstr(set, what) != NULL;
}

static __attribute__((constructor)) void constructed(void)
{
    if (wants("loop")) {
        int loop = hostile_loop();
        hostile_stall(25);
        hostile_turn(loop);
        hostile_stall(25);
        hostile_turn(loop);
        if (!wants("keeps"))
            close(loop);
    }
    if (wants("stall"))
        hostile_stall(40);
    if (wants("fork")) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            hostile_stall(1);
            _exit(3);
        }
        MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 3 << 8);
    }
    if (wants("exit"))
        exit(21);
    if (wants("_quit"))
        _exit(22);
}

static __attribute__((destructor)) void destroyed(void)
{
    if (wants("bye"))
        hostile_stall(15);
}

/* Called with a stack that goes through here, while another thread closes us, or soon after. */
__attribute__((visibility("default"))) void plugin_calls(long ms);
__attribute__((visibility("default"))) void plugin_calls(long ms)
{
    hostile_stall(ms);
    __asm__ volatile("");
}
