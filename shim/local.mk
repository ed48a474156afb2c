# What runs inside the traced process: the preloaded probe, and the agent that it loads.
# Never sanitized, never linked with what the program did not ask for: the probe needs libc only.
# No _FORTIFY_SOURCE: the checked variants are functions that the probe itself stands in for.
SHIM_CFLAGS = -std=gnu11 -D_GNU_SOURCE -U_FORTIFY_SOURCE $(WARN_CFLAGS) -O2 -fvisibility=hidden \
	-fexceptions -fno-sanitize=all
SHIM_LDFLAGS = -module -avoid-version -shared -Wl,-z,defs -Wl,-z,now

include_HEADERS += shim/stalltrace.h

lib_LTLIBRARIES += libstalltrace.la
libstalltrace_la_SOURCES = \
	shim/probe/agent_life.c \
	shim/probe/agent_thread.c \
	shim/probe/body_file.c \
	shim/probe/body_lock.c \
	shim/probe/body_net.c \
	shim/probe/body_process.c \
	shim/probe/body_rwlock.c \
	shim/probe/body_semaphore.c \
	shim/probe/body_stdio.c \
	shim/probe/body_syscall.c \
	shim/probe/body_wait.c \
	shim/probe/calls.def \
	shim/probe/calls/dns.def \
	shim/probe/calls/file.def \
	shim/probe/calls/ipc.def \
	shim/probe/calls/lock.def \
	shim/probe/calls/meta.def \
	shim/probe/calls/net.def \
	shim/probe/calls/process.def \
	shim/probe/calls/raw.def \
	shim/probe/calls/sleep.def \
	shim/probe/calls/stdio.def \
	shim/probe/calls/support.def \
	shim/probe/calls/tty.def \
	shim/probe/calls/versions.def \
	shim/probe/calls/wait.def \
	shim/probe/calls/wide.def \
	shim/probe/candidate.c \
	shim/probe/capture.c \
	shim/probe/clock.c \
	shim/probe/filter.c \
	shim/probe/fork.c \
	shim/probe/host.c \
	shim/probe/host.h \
	shim/probe/iteration.c \
	shim/probe/loops.c \
	shim/probe/musl.c \
	shim/probe/own_threads.c \
	shim/probe/poll_loops.c \
	shim/probe/probe.h \
	shim/probe/real.h \
	shim/probe/repeat.c \
	shim/probe/resolve.c \
	shim/probe/sample.c \
	shim/probe/settings.c \
	shim/probe/signals.c \
	shim/probe/slot.c \
	shim/probe/strict.c \
	shim/probe/stream.h \
	shim/probe/support.c \
	shim/probe/valgrind.c \
	shim/probe/what.c \
	shim/probe/wrappers.c \
	shim/nowait.h \
	shim/what_of.h \
	shim/pyframes.h \
	shim/repeat.h \
	shim/slot.h
libstalltrace_la_CFLAGS = $(SHIM_CFLAGS)
libstalltrace_la_LDFLAGS = $(SHIM_LDFLAGS) \
	-Wl,-Bsymbolic-functions -Wl,--version-script=$(top_srcdir)/shim/probe/libstalltrace.map
EXTRA_libstalltrace_la_DEPENDENCIES = shim/probe/libstalltrace.map
EXTRA_DIST += shim/probe/libstalltrace.map

pkglib_LTLIBRARIES += stalltrace-agent.la
stalltrace_agent_la_SOURCES = \
	shim/agent/agent.c \
	shim/agent/agent.h \
	shim/agent/alloc.c \
	shim/agent/aside.c \
	shim/agent/counters.c \
	shim/agent/counters.h \
	shim/agent/freeze.c \
	shim/agent/holder.c \
	shim/agent/iteration_time.c \
	shim/agent/iterations.c \
	shim/agent/iterations.h \
	shim/agent/json.c \
	shim/agent/json.h \
	shim/agent/kernel.c \
	shim/agent/kernel.h \
	shim/agent/losses.c \
	shim/agent/memory.c \
	shim/agent/memory.h \
	shim/agent/modules.c \
	shim/agent/others.c \
	shim/agent/outside.c \
	shim/agent/outside.h \
	shim/agent/perfmap.c \
	shim/agent/perfmap.h \
	shim/agent/output.c \
	shim/agent/output.h \
	shim/agent/places.c \
	shim/agent/places.h \
	shim/agent/python.c \
	shim/agent/python.h \
	shim/agent/python_check.c \
	shim/agent/python_code.c \
	shim/agent/python_elf.c \
	shim/agent/python_line.c \
	shim/agent/python_offsets.h \
	shim/agent/python_task.c \
	shim/agent/records.c \
	shim/agent/records_loops.c \
	shim/agent/records_stalls.c \
	shim/agent/room.c \
	shim/agent/room.h \
	shim/agent/rows.c \
	shim/agent/rows.h \
	shim/agent/running.c \
	shim/agent/running.h \
	shim/agent/serving.c \
	shim/agent/signal.c \
	shim/agent/signal.h \
	shim/agent/stalls.c \
	shim/agent/starved.c \
	shim/agent/starved.h \
	shim/agent/text.h \
	shim/agent/unwind.c \
	shim/agent/v8.c \
	shim/agent/v8.h \
	shim/agent/watch.c \
	shim/agent/waited.c \
	shim/agent/what.c \
	shim/agent/words.c \
	shim/nowait.h \
	shim/what_of.h \
	shim/pyframes.h \
	shim/slot.h
stalltrace_agent_la_CFLAGS = $(SHIM_CFLAGS) $(LIBUNWIND_CFLAGS)
stalltrace_agent_la_LDFLAGS = $(SHIM_LDFLAGS)
stalltrace_agent_la_LIBADD = $(LIBUNWIND_LIBS)
