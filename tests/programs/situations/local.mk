# Programs of the tests of situations. Those in C++ and Rust are built by their tests.
SITUATIONS =
if HAVE_LIBUV
SITUATIONS += tests/programs/situations/uv_timer
endif
if HAVE_GLIB
SITUATIONS += tests/programs/situations/glib_pipe
endif
if HAVE_SYSTEMD
SITUATIONS += tests/programs/situations/sd_event
endif
check_PROGRAMS += $(SITUATIONS)

tests_programs_situations_uv_timer_CFLAGS = $(PROGRAM_CFLAGS) $(LIBUV_CFLAGS)
tests_programs_situations_uv_timer_LDADD = $(LIBUV_LIBS)
tests_programs_situations_glib_pipe_CFLAGS = $(PROGRAM_CFLAGS) $(GLIB_CFLAGS)
tests_programs_situations_glib_pipe_LDADD = $(GLIB_LIBS)
tests_programs_situations_sd_event_CFLAGS = $(PROGRAM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_programs_situations_sd_event_LDADD = $(SYSTEMD_LIBS)

EXTRA_DIST += \
	tests/programs/situations/asio.cc \
	tests/programs/situations/coroutines.py \
	tests/programs/situations/gevent_hub.py \
	tests/programs/situations/liveness.py \
	tests/programs/situations/tasks.py \
	tests/programs/situations/tokio/Cargo.toml \
	tests/programs/situations/tokio/src/main.rs \
	tests/programs/situations/waits.js \
	tests/programs/situations/waits.py \
	tests/e2e/situations.py \
	tests/e2e/test_situations_native.py \
	tests/e2e/test_situations_node.py \
	tests/e2e/test_situations_python.py \
	tests/e2e/test_situations_rust.py
