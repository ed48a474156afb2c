/* A stand-in for the agent's st_mem_read that reads any process of ours, so that the code which
 * reads Python from within can be run against one that stands still. */
#ifndef STALLTRACE_PYTHON_MEMORY_H
#define STALLTRACE_PYTHON_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

extern pid_t test_target; /* whose memory; 0: our own */

/* The declaration of shim/agent/base/memory.h, whose definition this one takes the place of. */
int st_mem_read(uint64_t addr, void *buf, size_t len);

#endif
