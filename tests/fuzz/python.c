/* Python's frames and tasks, read from the memory of any process that may be: a[] is pthread_t and
 * tid, the text the process's /proc/self/maps. */
#define _GNU_SOURCE
#include "image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/lang/python.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_maps(const struct image *image)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("maps", MFD_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        st_py_maps_path = path;
    }
    if (ftruncate(fd, 0) != 0 ||
        pwrite(fd, image->text, image->text_len, 0) != (ssize_t)image->text_len)
        abort();
}

/* Whatever it is, it ends within its room. */
static void ends_within(const char *text, size_t size)
{
    if (strnlen(text, size) == size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image;
    static struct st_py_layout layout;
    struct st_py_raw raw[128];
    if (!image_load(&image, data, size))
        return 0;
    set_maps(&image);
    memset(&layout, 0, sizeof(layout));
    if (st_py_detect(&layout) != 0)
        return 0;
    uint64_t tstate = st_py_tstate_of(&layout, image.a[0], (int)image.a[1]);
    st_py_is_tstate(&layout, image.a[2]);
    int count = st_py_walk_other(&layout, tstate ? tstate : image.a[2], raw, 128);
    for (int i = 0; i < count; i++) {
        struct st_py_name name;
        if (st_py_resolve(&layout, &raw[i], &name) == 0) {
            ends_within(name.function, sizeof(name.function));
            ends_within(name.file, sizeof(name.file));
            if (name.line < 0)
                abort();
        }
    }
    struct st_py_task task;
    if (count > 0 && st_py_task(&layout, tstate, raw, count, &task) == 0) {
        ends_within(task.name, sizeof(task.name));
        ends_within(task.coroutine, sizeof(task.coroutine));
    }
    return 0;
}
