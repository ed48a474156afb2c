# What runs inside the traced process: the preloaded probe, and the agent that it loads.
# Never sanitized, never linked with what the program did not ask for: the probe needs libc only.
# No _FORTIFY_SOURCE: the checked variants are functions that the probe itself stands in for.
SHIM_CFLAGS = -std=gnu11 -D_GNU_SOURCE -U_FORTIFY_SOURCE $(WARN_CFLAGS) -O2 -fvisibility=hidden \
	-fexceptions -fno-sanitize=all
SHIM_LDFLAGS = -module -avoid-version -shared -Wl,-z,defs -Wl,-z,now

include_HEADERS += shim/stalltrace.h

lib_LTLIBRARIES += libstalltrace.la
libstalltrace_la_SOURCES = \
	shim/arch/arch.h \
	shim/arch/context.h \
	shim/arch/none/context.h \
	shim/arch/x86_64/context.h \
	shim/arch/stubs.h \
	shim/arch/none/arch.h \
	shim/arch/none/stubs.h \
	shim/arch/x86_64/arch.h \
	shim/arch/x86_64/stubs.h \
	shim/contract/nowait.h \
	shim/contract/pyframes.h \
	shim/contract/repeat.h \
	shim/contract/slot.h \
	shim/contract/what_of.h \
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
	shim/probe/host/agent_life.c \
	shim/probe/host/agent_thread.c \
	shim/probe/host/clock.c \
	shim/probe/host/complaint.c \
	shim/probe/host/filter.c \
	shim/probe/host/fork.c \
	shim/probe/host/host.c \
	shim/probe/host/host.h \
	shim/probe/host/settings.c \
	shim/probe/host/signals.c \
	shim/probe/host/valgrind.c \
	shim/probe/loops/candidate.c \
	shim/probe/loops/iteration.c \
	shim/probe/loops/loops.c \
	shim/probe/loops/own_threads.c \
	shim/probe/loops/perhaps.c \
	shim/probe/loops/poll_loops.c \
	shim/probe/probe.h \
	shim/probe/record/capture.c \
	shim/probe/record/repeat.c \
	shim/probe/record/sample.c \
	shim/probe/record/slot.c \
	shim/probe/record/strict.c \
	shim/probe/record/what.c \
	shim/probe/wrap/body_file.c \
	shim/probe/wrap/body_lock.c \
	shim/probe/wrap/body_net.c \
	shim/probe/wrap/body_process.c \
	shim/probe/wrap/body_rwlock.c \
	shim/probe/wrap/body_semaphore.c \
	shim/probe/wrap/body_stdio.c \
	shim/probe/wrap/body_syscall.c \
	shim/probe/wrap/body_wait.c \
	shim/probe/wrap/musl.c \
	shim/probe/wrap/real.h \
	shim/probe/wrap/resolve.c \
	shim/probe/wrap/stream.h \
	shim/probe/wrap/support.c \
	shim/probe/wrap/wrappers.c
libstalltrace_la_CFLAGS = $(SHIM_CFLAGS)
libstalltrace_la_LDFLAGS = $(SHIM_LDFLAGS) \
	-Wl,-Bsymbolic-functions -Wl,--version-script=$(top_srcdir)/shim/probe/libstalltrace.map
EXTRA_libstalltrace_la_DEPENDENCIES = shim/probe/libstalltrace.map
EXTRA_DIST += shim/probe/libstalltrace.map

pkglib_LTLIBRARIES += stalltrace-agent.la
stalltrace_agent_la_SOURCES = \
	shim/arch/arch.h \
	shim/arch/unwind.h \
	shim/arch/none/arch.h \
	shim/arch/none/unwind.h \
	shim/arch/x86_64/arch.h \
	shim/arch/x86_64/unwind.h \
	shim/agent/agent.h \
	shim/agent/base/alloc.c \
	shim/agent/base/json.c \
	shim/agent/base/json.h \
	shim/agent/base/kernel.c \
	shim/agent/base/kernel.h \
	shim/agent/base/memory.c \
	shim/agent/base/memory.h \
	shim/agent/base/output.c \
	shim/agent/base/output.h \
	shim/agent/base/redact.c \
	shim/agent/base/redact.h \
	shim/agent/base/room.c \
	shim/agent/base/room.h \
	shim/agent/base/rows.c \
	shim/agent/base/rows.h \
	shim/agent/base/text.h \
	shim/agent/lang/python.c \
	shim/agent/lang/python.h \
	shim/agent/lang/python_check.c \
	shim/agent/lang/python_code.c \
	shim/agent/lang/python_elf.c \
	shim/agent/lang/python_line.c \
	shim/agent/lang/python_offsets.h \
	shim/agent/lang/python_task.c \
	shim/agent/lang/v8.c \
	shim/agent/lang/v8.h \
	shim/agent/stack/modules.c \
	shim/agent/stack/perfmap.c \
	shim/agent/stack/perfmap.h \
	shim/agent/stack/unwind.c \
	shim/agent/watch/waited.c \
	shim/agent/watch/agent.c \
	shim/agent/watch/aside.c \
	shim/agent/watch/counters.c \
	shim/agent/watch/counters.h \
	shim/agent/watch/freeze.c \
	shim/agent/watch/holder.c \
	shim/agent/watch/iteration_time.c \
	shim/agent/watch/iterations.c \
	shim/agent/watch/iterations.h \
	shim/agent/watch/late_names.c \
	shim/agent/watch/late_names.h \
	shim/agent/watch/losses.c \
	shim/agent/watch/others.c \
	shim/agent/watch/outside.c \
	shim/agent/watch/outside.h \
	shim/agent/watch/places.c \
	shim/agent/watch/places.h \
	shim/agent/watch/records.c \
	shim/agent/watch/records_loops.c \
	shim/agent/watch/records_stalls.c \
	shim/agent/watch/running.c \
	shim/agent/watch/running.h \
	shim/agent/watch/serving.c \
	shim/agent/watch/signal.c \
	shim/agent/watch/signal.h \
	shim/agent/watch/stalls.c \
	shim/agent/watch/starved.c \
	shim/agent/watch/starved.h \
	shim/agent/watch/watch.c \
	shim/agent/watch/what.c \
	shim/agent/watch/words.c \
	shim/contract/nowait.h \
	shim/contract/pyframes.h \
	shim/contract/slot.h \
	shim/contract/what_of.h
stalltrace_agent_la_CFLAGS = $(SHIM_CFLAGS) $(LIBUNWIND_CFLAGS)
# A directory that holds what the agent needs beside it works in any image. RPATH and not RUNPATH:
# that is for the agent's own needs alone, not for its libraries'.
stalltrace_agent_la_LDFLAGS = $(SHIM_LDFLAGS) -Wl,--disable-new-dtags '-Wl,-rpath,$$ORIGIN'
stalltrace_agent_la_LIBADD = $(LIBUNWIND_LIBS)
