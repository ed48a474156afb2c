# Unit tests (libcheck), programs to trace, and the end-to-end tests (pytest).

# ---- programs to trace: plain, as anybody's would be ----
PROGRAM_CFLAGS = -std=gnu11 $(WARN_CFLAGS) -g -O1 -fno-omit-frame-pointer
TRACED = tests/programs/loop_epoll tests/programs/hazards tests/bench/micro
if HAVE_LIBUV
TRACED += tests/programs/loop_uv
endif
if HAVE_LIBEVENT
TRACED += tests/programs/loop_event
endif
if HAVE_EV
TRACED += tests/programs/loop_ev
endif
if HAVE_GLIB
TRACED += tests/programs/loop_glib
endif
check_PROGRAMS += $(TRACED)

tests_programs_loop_epoll_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_loop_epoll_LDFLAGS = -pthread
tests_programs_hazards_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_hazards_LDFLAGS = -pthread
tests_programs_loop_uv_CFLAGS = $(PROGRAM_CFLAGS) $(LIBUV_CFLAGS)
tests_programs_loop_uv_LDFLAGS = -pthread
tests_programs_loop_uv_LDADD = $(LIBUV_LIBS)
tests_programs_loop_event_CFLAGS = $(PROGRAM_CFLAGS) $(LIBEVENT_CFLAGS)
tests_programs_loop_event_LDFLAGS = -pthread
tests_programs_loop_event_LDADD = $(LIBEVENT_LIBS)
tests_programs_loop_ev_CFLAGS = $(PROGRAM_CFLAGS)
tests_programs_loop_ev_LDFLAGS = -pthread
tests_programs_loop_ev_LDADD = $(EV_LIBS)
tests_programs_loop_glib_CFLAGS = $(PROGRAM_CFLAGS) $(GLIB_CFLAGS)
tests_programs_loop_glib_LDFLAGS = -pthread
tests_programs_loop_glib_LDADD = $(GLIB_LIBS)
tests_bench_micro_CFLAGS = $(PROGRAM_CFLAGS) -O2 -pthread
tests_bench_micro_LDFLAGS = -pthread

# ---- unit tests: each of them prints libcheck's line, which scripts/check adds up ----
UNIT_TESTS =
if HAVE_CHECK
UNIT_TESTS += tests/unit/test_python_frames
endif
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

tests_unit_test_python_frames_SOURCES = \
	tests/unit/test_python_frames.c \
	tests/unit/python_child.c \
	tests/unit/python_child.h \
	tests/unit/python_memory.c \
	tests/unit/python_memory.h \
	tests/unit/python_own.c \
	shim/agent/python.c \
	shim/agent/python_code.c \
	shim/agent/python_elf.c \
	shim/agent/python_line.c
tests_unit_test_python_frames_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_python_frames_LDADD = $(CHECK_LIBS)

# ---- end-to-end ----
# `make check E2E=tests/e2e/test_run.py` runs a part; E2E=no leaves them out.
E2E = all
TESTS += tests/e2e/run
dist_check_SCRIPTS = tests/e2e/run
AM_TESTS_ENVIRONMENT = \
	PYTHON3='$(PYTHON3)' E2E='$(E2E)' STALLTRACE_BUILD='$(abs_top_builddir)' \
	STALLTRACE_SOURCE='$(abs_top_srcdir)' PYTHONDONTWRITEBYTECODE=1; \
	export PYTHON3 E2E STALLTRACE_BUILD STALLTRACE_SOURCE PYTHONDONTWRITEBYTECODE;

EXTRA_DIST += \
	tests/unit/python_stack.py \
	tests/programs/aiohttp_server.py \
	tests/programs/asyncio_loop.py \
	tests/programs/asyncio_silent.py \
	tests/programs/node_loop.js \
	tests/programs/uvicorn_server.py \
	tests/programs/uvloop_loop.py \
	$(E2E_TESTS)
E2E_TESTS = \
	tests/e2e/conftest.py \
	tests/e2e/harness.py
