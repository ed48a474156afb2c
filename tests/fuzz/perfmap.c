/* The agent's reader of /tmp/perf-PID.map, of a map that grows and is written anew, and what the
 * reporter makes of its names. The first eight bytes are the address that is asked for. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/stack/perfmap.h"
#include "stacks/stackview.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void reset_interned(void);

static struct st_shared shared;
struct st_shared *st_shared = &shared;

static char path[64];

static volatile uint64_t asked;

static void remove_map(void)
{
    unlink(path);
}

static void ask(uint64_t pc)
{
    char name[512] = "";
    if (!st_perfmap_name(pc, name, sizeof(name)))
        return;
    if (strnlen(name, sizeof(name)) == sizeof(name))
        abort();
    struct frame frame = {0};
    name_jit_frame(&frame, intern(name));
}

static bool wants_all(uint64_t start, uint64_t size)
{
    return start + size > 0;
}

static void take(uint64_t start, uint64_t size, const char *name)
{
    if (size == 0 || start == 0 || strnlen(name, 512) == 512)
        asked = start;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t pc;
    if (size < sizeof(pc))
        return 0;
    memcpy(&pc, data, sizeof(pc));
    data += sizeof(pc);
    size -= sizeof(pc);
    if (!path[0]) {
        snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
        atexit(remove_map);
    }
    st_perfmap_reset();
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size / 2) < 0)
        abort();
    ask(pc);
    if (write(fd, data + size / 2, size - size / 2) < 0)
        abort();
    st_perfmap_news(false, wants_all, take);
    ask(pc);
    ask(pc + 0x1000);
    if (ftruncate(fd, (off_t)(size / 3)) != 0)
        abort();
    ask(pc);
    st_perfmap_news(true, wants_all, take);
    close(fd);
    reset_interned();
    return 0;
}
