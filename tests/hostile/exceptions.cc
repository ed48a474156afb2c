// C++ exceptions: thrown through wrapped calls from their callbacks, thrown by a signal handler out
// of a blocked call, caught below a wrapped call; and as fast as ever, by the unwinder of libgcc_s.
#include "hostile.h"

#include <atomic>
#include <csignal>
#include <dlfcn.h>
#include <ftw.h>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

struct Guard {
    int *count;
    explicit Guard(int *c) : count(c)
    {
    }
    ~Guard()
    {
        usleep(10); // a wrapped call while the stack unwinds
        ++*count;
    }
};

// ---- through ----

static int throws(const char *, const struct stat *, int)
{
    throw std::runtime_error("nftw");
}

static ssize_t read_throws(void *, char *, size_t)
{
    throw std::runtime_error("cookie");
}

// What comes out of a call whose callback throws, or "" where libc does not let it through.
template <typename F> static std::string out_of(F call)
{
    int guarded = 0;
    try {
        Guard guard(&guarded);
        call();
    } catch (const std::runtime_error &e) {
        MUST(guarded == 1);
        return e.what();
    }
    return "";
}

static void from_callbacks()
{
    int loop = hostile_loop();
    for (int i = 0; i < 200; i++) {
        MUST(out_of([] { ftw("/proc/self", throws, 4); }) == "nftw");
        hostile_turn(loop);
        usleep(1);
        if (i % 50 == 0) {
            hostile_stall(11); // still measured
            hostile_turn(loop);
        }
    }
}

static void from_a_cookie()
{
    int loop = hostile_loop();
    for (int i = 0; i < 100; i++) {
        cookie_io_functions_t functions = {};
        functions.read = read_throws;
        FILE *f = fopencookie(nullptr, "r", functions);
        MUST(f);
        MUST(out_of([f] { fgetc_unlocked(f); }) == "cookie");
        char buffer[16];
        MUST(out_of([f, &buffer] { fread_unlocked(buffer, 1, sizeof(buffer), f); }) == "cookie");
        hostile_turn(loop);
        hostile_stall(i % 50 ? 1 : 11);
        hostile_turn(loop);
    }
}

// A handler throws out of a blocked call (-fnon-call-exceptions): its frames are unwound.
static int pipe_ends[2];

static void handler_throws(int)
{
    throw std::runtime_error("signal");
}

static void from_a_signal_handler()
{
    struct sigaction action = {};
    struct sigevent event = {};
    struct itimerspec soon = {};
    timer_t timer;
    sigset_t set;
    int loop = hostile_loop();
    MUST(pipe(pipe_ends) == 0);
    action.sa_handler = handler_throws;
    action.sa_flags = SA_NODEFER;
    MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    sigemptyset(&set);
    for (int i = 0; i < 40; i++) {
        soon.it_value.tv_nsec = (i % 2 ? 3 : 14) * 1000000;
        MUST(timer_settime(timer, 0, &soon, nullptr) == 0);
        std::string what = out_of([] {
            char byte;
            MUST(read(pipe_ends[0], &byte, 1) == 1);
        });
        MUST(what == "signal");
        hostile_turn(loop);
        hostile_stall(1);
    }
    MUST(timer_delete(timer) == 0);
}

// ---- below, and fast ----

static void thrower(int depth)
{
    int unused = 0;
    Guard *none = nullptr;
    (void)none, (void)unused;
    if (depth == 0)
        throw std::runtime_error("deep");
    thrower(depth - 1);
    __asm__ volatile("");
}

static double a_million()
{
    double start = hostile_ms();
    for (int i = 0; i < 20000; i++) {
        try {
            thrower(8);
        } catch (const std::runtime_error &) {
        }
    }
    return hostile_ms() - start;
}

// The unwinder is libgcc_s's before and after the agent is loaded, and no slower with it.
static void as_fast_as_ever()
{
    Dl_info before, after;
    void *raise = dlsym(RTLD_DEFAULT, "_Unwind_RaiseException");
    MUST(raise && dladdr(raise, &before));
    double plain = a_million();
    int loop = hostile_loop();
    hostile_stall(12);
    hostile_turn(loop);
    MUST(dladdr(dlsym(RTLD_DEFAULT, "_Unwind_RaiseException"), &after));
    MUST(strcmp(before.dli_fname, after.dli_fname) == 0 && strstr(after.dli_fname, "libgcc_s"));
    double with = a_million();
    for (int i = 0; i < 4 && with > plain * 1.5; i++) {
        plain = plain > with ? plain : a_million();
        with = a_million();
    }
    if (with > plain * 2 + 20)
        dprintf(2, "%.0f ms, and %.0f ms with a loop\n", plain, with);
    MUST(with <= plain * 2 + 20);
}

// Exceptions on one thread while the agent unwinds another one.
static void while_another_is_unwound()
{
    std::atomic<bool> done(false);
    std::thread loops([&done] {
        int loop = hostile_loop();
        while (!done) {
            hostile_stall(11);
            hostile_turn(loop);
        }
        close(loop);
    });
    for (int i = 0; i < 20; i++)
        a_million();
    done = true;
    loops.join();
}

// std::thread's end, and a forced unwind (pthread_exit) through C++ frames with destructors.
static int destroyed;

static void *leaves(void *)
{
    int loop = hostile_loop();
    Guard one(&destroyed);
    hostile_stall(11);
    hostile_turn(loop);
    Guard two(&destroyed);
    pthread_exit(nullptr);
}

static void forced_unwind()
{
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        MUST(pthread_create(&thread, nullptr, leaves, nullptr) == 0);
        MUST(pthread_join(thread, nullptr) == 0);
    }
    MUST(destroyed == 100);
}

static const struct hostile_case cases[] = {
    {"from_callbacks", from_callbacks},
    {"from_a_cookie", from_a_cookie},
    {"from_a_signal_handler", from_a_signal_handler},
    {"as_fast_as_ever", as_fast_as_ever},
    {"while_another_is_unwound", while_another_is_unwound},
    {"forced_unwind", forced_unwind},
};
HOSTILE_MAIN(cases)
