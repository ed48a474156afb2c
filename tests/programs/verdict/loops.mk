# Programs whose loops stop, begin late, or are no loops of theirs.
check_PROGRAMS += tests/programs/verdict/ppoll_on_epoll tests/programs/verdict/before_first_wait \
	tests/programs/verdict/first_turns tests/programs/verdict/late_map
tests_programs_verdict_ppoll_on_epoll_CFLAGS = $(PROGRAM_CFLAGS)
tests_programs_verdict_before_first_wait_CFLAGS = $(PROGRAM_CFLAGS)
tests_programs_verdict_first_turns_CFLAGS = $(PROGRAM_CFLAGS)
tests_programs_verdict_late_map_CFLAGS = $(PROGRAM_CFLAGS)

EXTRA_DIST += \
	tests/programs/verdict/event_machine.rb \
	tests/programs/verdict/own_threads.py \
	tests/programs/verdict/plain.rb \
	tests/programs/verdict/polls.py \
	tests/programs/verdict/qt_first_callback.cpp \
	tests/e2e/test_stubs.py tests/programs/verdict/lwt_waits.ml \
	tests/e2e/test_late_names.py \
	tests/e2e/test_verdict_homes.py \
	tests/programs/verdict/trace_size.py \
	tests/programs/verdict/stopped_loop.py \
	tests/programs/verdict/stopped_loop_unittest.py \
	tests/programs/verdict/stopped_loops.py \
	tests/programs/verdict/pytest_project/conftest.py \
	tests/programs/verdict/pytest_project/shop.py \
	tests/programs/verdict/pytest_project/test_shop.py \
	tests/programs/verdict/slow_app.py \
	tests/programs/verdict/starting.py \
	tests/programs/verdict/block_in_place/Cargo.toml \
	tests/programs/verdict/block_in_place/src/main.rs \
	tests/programs/verdict/child_ended.py \
	tests/programs/verdict/node_clean.js \
	tests/programs/verdict/trio_process.py \
	tests/e2e/test_verdict_runtimes.py \
	tests/e2e/test_verdict_startup.py \
	tests/e2e/test_verdict_stopped.py \
	tests/e2e/test_verdict_waits.py \
	tests/programs/verdict/waits.py
