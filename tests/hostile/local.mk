# Hostile programs (each checks itself; tests/e2e/test_transparency.py runs them, with and without us).
HOSTILE = tests/hostile/alloc tests/hostile/cancel tests/hostile/ends \
	tests/hostile/forks tests/hostile/handlers tests/hostile/limits tests/hostile/loader tests/hostile/seccomp \
	tests/hostile/signals tests/hostile/stacks tests/hostile/threads
check_PROGRAMS += $(HOSTILE)
HOSTILE_CFLAGS = $(PROGRAM_CFLAGS) -O1 -pthread -Wno-error

# The program's own malloc: the compiler must not take it for libc's.
tests_hostile_alloc_CFLAGS = $(HOSTILE_CFLAGS) -fno-builtin -Wno-array-bounds
tests_hostile_alloc_LDFLAGS = -pthread
tests_hostile_alloc_SOURCES = tests/hostile/alloc.c tests/hostile/hostile.h
tests_hostile_cancel_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_cancel_LDFLAGS = -pthread
tests_hostile_cancel_SOURCES = tests/hostile/cancel.c tests/hostile/hostile.h tests/hostile/points.h
tests_hostile_ends_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_ends_LDFLAGS = -pthread
tests_hostile_ends_SOURCES = tests/hostile/ends.c tests/hostile/hostile.h
tests_hostile_forks_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_forks_LDFLAGS = -pthread
tests_hostile_forks_SOURCES = tests/hostile/forks.c tests/hostile/hostile.h
tests_hostile_handlers_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_handlers_LDFLAGS = -pthread
tests_hostile_handlers_SOURCES = tests/hostile/handlers.c tests/hostile/hostile.h
tests_hostile_limits_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_limits_LDFLAGS = -pthread
tests_hostile_limits_SOURCES = tests/hostile/limits.c tests/hostile/hostile.h
tests_hostile_loader_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_loader_LDFLAGS = -pthread -Wl,-rpath,'$$ORIGIN'
tests_hostile_loader_SOURCES = tests/hostile/loader.c tests/hostile/hostile.h
tests_hostile_seccomp_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_seccomp_LDFLAGS = -pthread
tests_hostile_seccomp_SOURCES = tests/hostile/seccomp.c tests/hostile/hostile.h
tests_hostile_signals_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_signals_LDFLAGS = -pthread
tests_hostile_signals_SOURCES = tests/hostile/signals.c tests/hostile/hostile.h
tests_hostile_stacks_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_stacks_LDFLAGS = -pthread
tests_hostile_stacks_SOURCES = tests/hostile/stacks.c tests/hostile/hostile.h
tests_hostile_threads_CFLAGS = $(HOSTILE_CFLAGS)
tests_hostile_threads_LDFLAGS = -pthread
tests_hostile_threads_SOURCES = tests/hostile/threads.c tests/hostile/hostile.h

# What loader opens and closes: a bare shared object, without libtool's ceremonies.
check_DATA = tests/hostile/plugin.so tests/hostile/exceptions
tests/hostile/plugin.so: tests/hostile/plugin.c tests/hostile/hostile.h
	$(AM_V_CCLD)$(MKDIR_P) tests/hostile && $(CC) $(CPPFLAGS) $(CFLAGS) $(HOSTILE_CFLAGS) -fPIC -shared \
		-o $@ $(srcdir)/tests/hostile/plugin.c

# C++ is for this test alone: where there is no compiler for it, the test says that it is left out.
CXX = g++
tests/hostile/exceptions: tests/hostile/exceptions.cc tests/hostile/hostile.h
	$(AM_V_CCLD)$(MKDIR_P) tests/hostile && { \
	  $(CXX) -std=gnu++17 -Wall -Wextra -g -O1 -fnon-call-exceptions -pthread \
	    -o $@ $(srcdir)/tests/hostile/exceptions.cc || { \
	  printf '#!/bin/sh\necho no C++ compiler >&2; exit 77\n' >$@ && chmod +x $@; }; }
CLEANFILES += tests/hostile/plugin.so tests/hostile/exceptions
EXTRA_DIST += tests/hostile/plugin.c tests/hostile/exceptions.cc tests/hostile/builds.c \
	scripts/transparency scripts/transparency.d/common.py scripts/transparency.d/cpython.py \
	scripts/transparency.d/installed.py scripts/transparency.d/loops_everywhere.c \
	scripts/transparency.d/servers.py scripts/transparency.d/stress.py doc/transparency.md \
	tests/e2e/test_hostile_builds.py tests/e2e/test_transparency.py \
	tests/e2e/test_transparency_builds.py
