/* The memory of a process as it was recorded: what the agent's readers of other memory read here.
 * An image is
 *
 *     uint64_t a[4], uint32_t length of a text, the text, then regions to the end:
 *     uint64_t address, uint32_t length, its bytes
 *
 * in the machine's byte order; what a[] and the text are is each target's own affair. record.c
 * makes them. */
#ifndef TESTS_FUZZ_IMAGE_H
#define TESTS_FUZZ_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image {
    uint64_t a[4];
    const char *text;
    size_t text_len;
};

/* What the functions of shim/agent/base/memory.h read from now on. False: too short to be an image.
 */
bool image_load(struct image *image, const uint8_t *data, size_t size);

#endif
