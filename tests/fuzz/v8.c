/* Where V8's interpreter is, read from the memory of any process that may be: a[] is what its frame
 * holds, the text /proc/self/maps and, behind its last newline, the name that the perf map has. */
#define _GNU_SOURCE
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/lang/python.h"
#include "agent/lang/v8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    struct image image;
    if (!image_load(&image, data, size))
        return 0;
    if (fd < 0) {
        fd = memfd_create("maps", MFD_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        st_py_maps_path = path;
    }
    if (ftruncate(fd, 0) != 0 ||
        pwrite(fd, image.text, image.text_len, 0) != (ssize_t)image.text_len)
        abort();
    const char *newline = memrchr(image.text, '\n', image.text_len);
    const char *begin = newline ? newline + 1 : image.text;
    char *symbol = strndup(begin, (size_t)(image.text + image.text_len - begin));
    struct st_v8_frame frame = {image.a[0], image.a[1], image.a[2]};
    int32_t function, bytecode, offset;
    st_v8_reset();
    if (symbol && st_v8_words(&function, &bytecode, &offset)) {
        struct st_v8_place place = st_v8_place(&frame);
        st_v8_is_in(&place, symbol);
    }
    free(symbol);
    return 0;
}
