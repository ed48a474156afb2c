/* Time. The time stamp counter where the kernel itself trusts it (12 ns against 21), else the
 * monotonic clock straight from libc, past whatever a preload such as libfaketime makes of it. */
#include "probe/probe.h"

#include <sys/syscall.h>
#include <fcntl.h>

bool st_tsc;
static int (*libc_gettime)(clockid_t, struct timespec *);

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (libc_gettime)
        libc_gettime(clock, &t);
    else
        ST_RAW(SYS_clock_gettime, clock, &t, 0, 0);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t st_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* At start-up: only the first of the two readings that tell how fast the counter runs. */
void st_clock_init(void)
{
    libc_gettime = (int (*)(clockid_t, struct timespec *))st_resolve_libc("clock_gettime");
    st_shared.start_mono_ns = read_clock(CLOCK_MONOTONIC);
    st_shared.start_ticks = st_counter();
    st_shared.start_real_ns = read_clock(CLOCK_REALTIME);
}

/* The kernel uses the counter as its own clock only where it runs at one rate on all processors. */
static bool kernel_trusts_counter(void)
{
    if (!st_counter_is_steady())
        return false;
    char name[8] = {0};
    long fd = ST_RAW(SYS_openat, AT_FDCWD,
                     "/sys/devices/system/clocksource/clocksource0/current_clocksource",
                     O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return true; /* no /sys in a container: the processor's word has to do */
    ST_RAW(SYS_read, fd, name, sizeof(name) - 1, 0);
    ST_RAW(SYS_close, fd, 0, 0, 0);
    return !__builtin_memcmp(name, ST_COUNTER_NAME, sizeof(ST_COUNTER_NAME) - 1);
}

/* When the first loop appears. The two clocks were read together at start-up; read together again,
 * they give the rate. A microsecond of doubt in each reading makes 2 ms enough for one in a
 * thousand. */
void st_clock_calibrate(void)
{
    enum { ENOUGH_NS = 2000000 };
    if (!kernel_trusts_counter()) {
        st_tsc = false;
        st_shared.start_ticks = st_shared.start_mono_ns;
        st_shared.ns_per_tick = 1;
        return;
    }
    uint64_t ns, ticks;
    do {
        ns = read_clock(CLOCK_MONOTONIC) - st_shared.start_mono_ns;
        ticks = st_counter() - st_shared.start_ticks;
    } while (ns < ENOUGH_NS);
    st_shared.ns_per_tick = (double)ns / (double)ticks;
    st_tsc = true;
}
