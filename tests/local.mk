# Unit tests (libcheck), programs to trace, and the end-to-end tests (pytest).

# ---- programs to trace: plain, as anybody's would be ----
# A caller that has been optimised away cannot be found by its line.
PROGRAM_CFLAGS = -std=gnu11 $(WARN_CFLAGS) -g -fno-optimize-sibling-calls
TRACED = tests/programs/endings tests/programs/loop_epoll tests/programs/homes tests/programs/nested tests/programs/short_loops \
	tests/programs/hazards tests/programs/memory_stream tests/programs/semaphores \
	tests/programs/verdict/stalls tests/programs/verdict/full_disk \
	tests/bench/micro
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

tests_programs_endings_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_endings_LDFLAGS = -pthread
tests_programs_loop_epoll_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_loop_epoll_LDFLAGS = -pthread
tests_programs_hazards_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_hazards_LDFLAGS = -pthread
tests_programs_verdict_stalls_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_verdict_stalls_LDFLAGS = -pthread
tests_programs_memory_stream_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_memory_stream_LDFLAGS = -pthread
tests_programs_semaphores_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_semaphores_LDFLAGS = -pthread
tests_programs_short_loops_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_short_loops_LDFLAGS = -pthread
tests_programs_nested_CFLAGS = $(PROGRAM_CFLAGS)
tests_programs_homes_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_homes_LDFLAGS = -pthread
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
include tests/unit/agent.mk
include tests/unit/python.mk
include tests/hostile/local.mk
include tests/programs/faults/local.mk
include tests/programs/situations/local.mk
include tests/programs/verdict/loops.mk
include tests/strict/local.mk

check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

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
	tests/programs/aiohttp_server.py \
	tests/programs/asyncio_loop.py \
	tests/programs/python_order.py \
	tests/programs/freezes.py \
	tests/programs/asyncio_silent.py \
	tests/programs/asyncio_stdin.py \
	tests/programs/clean/ask.py tests/programs/clean/celery_worker.py tests/programs/clean/loops.py tests/programs/clean/service.py \
	tests/programs/clean/service.js tests/programs/clean/project/conftest.py \
	tests/programs/clean/project/pytest.ini tests/programs/clean/project/shop.py \
	tests/programs/clean/project/test_clients.py tests/programs/clean/project/test_shop.py \
	tests/programs/company.py \
	tests/programs/early.c \
	tests/programs/holders.py \
	tests/programs/secrets.py \
	tests/programs/node_loop.js \
	tests/programs/soak_plants.py tests/programs/soak_server.py \
	tests/programs/symbols.cc \
	tests/programs/uvicorn_server.py \
	tests/programs/uvloop_loop.py \
	tests/programs/variants.c \
	tests/programs/versions.c \
	$(E2E_TESTS)
E2E_TESTS = \
	tests/e2e/conftest.py \
	tests/e2e/harness.py \
	tests/e2e/test_asyncio.py \
	tests/e2e/test_baseline.py \
	tests/e2e/test_baseline_files.py \
	tests/e2e/test_pythons.py \
	tests/e2e/test_bad_input.py \
	tests/e2e/test_calls.py \
	tests/e2e/test_check.py \
	tests/e2e/test_clean.py \
	tests/e2e/test_company.py \
	tests/e2e/test_completion.py \
	tests/e2e/test_diff.py \
	tests/e2e/test_doctor.py \
	tests/e2e/test_early.py \
	tests/e2e/test_cut_short.py \
	tests/e2e/test_endings.py \
	tests/e2e/test_first_step.py \
	tests/e2e/test_formats.py \
	tests/e2e/test_freezes.py \
	tests/e2e/test_holders.py \
	tests/e2e/test_full.py \
	tests/e2e/test_hazards.py \
	tests/e2e/test_live.py tests/e2e/test_untraced.py \
	tests/e2e/test_loops.py \
	tests/e2e/test_nameless.py tests/programs/verdict/nameless.pl tests/programs/verdict/nameless.rb \
	tests/e2e/test_native_loops.py \
	tests/e2e/test_nginx.py \
	tests/e2e/test_redact.py \
	tests/e2e/test_node.py \
	tests/e2e/test_own_calls.py \
	tests/e2e/test_redis.py \
	tests/e2e/test_run.py \
	tests/e2e/test_servers.py \
	tests/e2e/test_suppress.py \
	tests/e2e/test_symbols.py \
	tests/e2e/test_trace_lint.py \
	tests/e2e/test_trace_size.py \
	tests/e2e/test_variants.py \
	tests/e2e/test_verdict_files.py \
	tests/e2e/test_verdict_losses.py \
	tests/e2e/test_verdict_run.py \
	tests/e2e/test_verdict_places.py \
	tests/e2e/test_verdict_stalls.py \
	tests/programs/limits.py \
	tests/programs/verdict/known_place.py \
	tests/programs/verdict/writes_trace.py \
	tests/programs/verdict/lazy_import.py \
	tests/e2e/test_versions.py
