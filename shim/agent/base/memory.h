/* Reading the process's own memory without ever faulting on it. */
#ifndef STALLTRACE_MEMORY_H
#define STALLTRACE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Copies `len` bytes at `addr`. 0, or -EFAULT where not all of them are mapped. Only on the agent's
 * thread, and on the app's during stalltrace_agent_init. */
int st_mem_read(uint64_t addr, void *buf, size_t len);

/* As much as is mapped, from `addr` up; returns how much. */
size_t st_mem_read_some(uint64_t addr, void *buf, size_t len);

/* The same as st_mem_read through a small cache of pages, for the many small reads of an unwind.
 * What it holds is forgotten by st_mem_forget: between two unwinds the program may have changed it.
 */
int st_mem_read_cached(uint64_t addr, void *buf, size_t len);
void st_mem_forget(void);

/* A C string; cut at `size`. 0 or -EFAULT. */
int st_mem_read_string(uint64_t addr, char *buf, size_t size);

#endif
