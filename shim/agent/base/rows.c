/* See rows.h. Pages that nobody has touched cost nothing. */
#include "rows.h"

#include "agent/agent.h"

#include <string.h>
#include <sys/mman.h>

void *st_row(struct st_rows *rows, size_t size, uint32_t index)
{
    if (index < ST_FIRST_ROWS)
        return rows->first + index * size;
    void **segment = &rows->segments[index / ST_SEGMENT % ST_SEGMENTS];
    if (!*segment) {
        long p = syscall(SYS_mmap, NULL, size * ST_SEGMENT, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == -1)
            return rows->first + ST_FIRST_ROWS * size;
        *segment = (void *)p;
    }
    return (char *)*segment + index % ST_SEGMENT * size;
}

void st_rows_clear(struct st_rows *rows, size_t size)
{
    memset(rows->first, 0, (ST_FIRST_ROWS + 1) * size);
    for (int i = 0; i < ST_SEGMENTS; i++)
        if (rows->segments[i])
            /* private and anonymous: they read as zero again */
            if (syscall(SYS_madvise, rows->segments[i], size * ST_SEGMENT, MADV_DONTNEED) != 0)
                memset(rows->segments[i], 0, size * ST_SEGMENT);
}
