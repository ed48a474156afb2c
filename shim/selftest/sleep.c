/* Bodies: sleeps. They wait by themselves. */
#include "selftest.h"

#include <string.h>

TEST(sleep, TIMED)
{
    expect(t, ST_SLEEP, "1 s");
    CALLED(t, call(1));
}

TEST(usleep, TIMED)
{
    expect(t, ST_SLEEP, "%d ms", WAIT_MS);
    CALLED(t, call(WAIT_MS * 1000));
}

TEST(nanosleep, TIMED)
{
    struct timespec wanted = {0, WAIT_MS * 1000000}, rest = {7, 7};
    expect(t, ST_SLEEP, "%d ms", WAIT_MS);
    CALLED(t, call(&wanted, &rest));
    digest_number(t, rest.tv_sec);
}

TEST(clock_nanosleep, TIMED)
{
    struct timespec until;
    in_ms(&until, CLOCK_MONOTONIC, WAIT_MS + 1);
    expect(t, ST_SLEEP, "~ ms");
    CALLED(t, call(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
}
