/* The dynamic loader: constructors that block and fork under its lock, objects that come and go
 * while stacks that went through them are unwound, and who a caller of dlopen is. */
#include "hostile.h"

#include <dlfcn.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>

static char plugin[4200];

static void find_plugin(void)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    MUST(n > 0);
    self[n] = 0;
    snprintf(plugin, sizeof(plugin), "%s/plugin.so", dirname(self));
    if (access(plugin, R_OK) != 0)
        SKIP("plugin.so is not beside the program");
}

static void open_with(const char *what)
{
    find_plugin();
    MUST(setenv("PLUGIN", what, 1) == 0);
    void *handle = dlopen(plugin, RTLD_NOW);
    if (!handle)
        dprintf(2, "%s\n", dlerror());
    MUST(handle);
    MUST(dlclose(handle) == 0);
}

static void constructor_stalls(void)
{
    int loop = hostile_loop();
    open_with("stall,bye");
    hostile_turn(loop);
}

/* The first loop of the process runs under the loader's lock: the agent cannot be loaded. */
static void constructor_runs_a_loop(void)
{
    open_with("loop");
    int loop = hostile_loop();
    hostile_stall(15); /* recorded, at the latest */
    hostile_turn(loop);
}

static void constructor_forks(void)
{
    int loop = hostile_loop();
    hostile_stall(12);
    open_with("fork");
    hostile_turn(loop);
}

static void constructor_runs_a_loop_and_forks(void)
{
    double start = hostile_ms();
    open_with("loop,fork");
    MUST(hostile_ms() - start < 8000);
}

static void status_of(const char *what, int expected)
{
    int status;
    double start = hostile_ms();
    pid_t pid = fork();
    if (pid == 0) {
        open_with(what);
        _exit(9);
    }
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
    MUST(status == expected << 8);
    MUST(hostile_ms() - start < 8000);
}

static void constructor_runs_a_loop_and_exits(void)
{
    status_of("loop,exit", 21);
    status_of("loop,_quit", 22);
    status_of("loop,keeps,exit", 21);
}

/* One thread stalls below an object that another one closes and opens, at the same place. */
static atomic_bool done;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *opens_and_closes(void *unused)
{
    while (!done) {
        pthread_mutex_lock(&mutex);
        void *handle = dlopen(plugin, RTLD_NOW);
        MUST(handle && dlclose(handle) == 0);
        pthread_mutex_unlock(&mutex);
        usleep(200);
    }
    return unused;
}

static void open_and_close_while_unwinding(void)
{
    pthread_t threads[2];
    find_plugin();
    unsetenv("PLUGIN");
    int loop = hostile_loop();
    for (int i = 0; i < 2; i++)
        MUST(pthread_create(&threads[i], NULL, opens_and_closes, NULL) == 0);
    for (int i = 0; i < 150; i++) {
        void *handle = dlopen(plugin, RTLD_NOW);
        MUST(handle);
        void (*calls)(long) = (void (*)(long))dlsym(handle, "plugin_calls");
        MUST(calls);
        calls(i % 3 ? 1 : 11);
        MUST(dlclose(handle) == 0); /* the agent may unwind the copy only now */
        hostile_turn(loop);
    }
    done = true;
    for (int i = 0; i < 2; i++)
        MUST(pthread_join(threads[i], NULL) == 0);
}

/* A handle by a bare name is looked for as the caller's RUNPATH says: ours has none. */
static void who_calls(void)
{
    int loop = hostile_loop();
    find_plugin();
    unsetenv("PLUGIN");
    void *handle = dlopen("plugin.so", RTLD_NOW); /* linked with -rpath $ORIGIN */
    if (!handle)
        dprintf(2, "%s\n", dlerror());
    MUST(handle);
    MUST(dlopen("nothing-of-that-name.so", RTLD_NOW) == NULL);
    MUST(strstr(dlerror(), "nothing-of-that-name.so") != NULL && dlerror() == NULL);
    MUST(dlclose(handle) == 0);
    hostile_turn(loop);
}

/* dlerror is the caller's: starting an agent leaves it alone. */
static void dlerror_is_kept(void)
{
    MUST(dlopen("/nonexistent.so", RTLD_NOW) == NULL);
    int loop = hostile_loop();
    hostile_stall(12);
    hostile_turn(loop);
    const char *error = dlerror();
    MUST(error && strstr(error, "/nonexistent.so"));
    MUST(dlsym(RTLD_DEFAULT, "no_such_symbol") == NULL && dlerror() != NULL);
    /* nothing of ours, nor of what we use, is in the global scope */
    MUST(dlsym(RTLD_DEFAULT, "unw_step") == NULL && dlsym(RTLD_DEFAULT, "_ULx86_64_step") == NULL);
}

static const struct hostile_case cases[] = {
    {"constructor_stalls", constructor_stalls},
    {"constructor_runs_a_loop", constructor_runs_a_loop},
    {"constructor_forks", constructor_forks},
    {"constructor_runs_a_loop_and_forks", constructor_runs_a_loop_and_forks},
    {"constructor_runs_a_loop_and_exits", constructor_runs_a_loop_and_exits},
    {"open_and_close_while_unwinding", open_and_close_while_unwinding},
    {"who_calls", who_calls},
    {"dlerror_is_kept", dlerror_is_kept},
};
HOSTILE_MAIN(cases)
