# The self-test: calls every function of calls.def by its exact name. Plain C without
# _FORTIFY_SOURCE: each variant is called because its row says so, never by accident.
pkglibexec_PROGRAMS += stalltrace-selftest
stalltrace_selftest_SOURCES = \
	shim/probe/calls.def \
	shim/selftest/directory.c \
	shim/selftest/file.c \
	shim/selftest/fixtures.c \
	shim/selftest/ipc.c \
	shim/selftest/lock.c \
	shim/selftest/main.c \
	shim/selftest/meta.c \
	shim/selftest/move.c \
	shim/selftest/name.c \
	shim/selftest/process.c \
	shim/selftest/resolver.c \
	shim/selftest/rows.c \
	shim/selftest/rwlock.c \
	shim/selftest/selftest.h \
	shim/selftest/signal.c \
	shim/selftest/sleep.c \
	shim/selftest/socket.c \
	shim/selftest/spawn.c \
	shim/selftest/stdio.c \
	shim/selftest/support.c \
	shim/selftest/syscall.c \
	shim/selftest/trial.c \
	shim/selftest/trial.h \
	shim/selftest/tty.c \
	shim/selftest/users.c \
	shim/selftest/wait.c \
	shim/selftest/wide.c
stalltrace_selftest_CFLAGS = -std=gnu11 -D_GNU_SOURCE -U_FORTIFY_SOURCE $(WARN_CFLAGS) -O1 -g \
	-fno-builtin -fexceptions
stalltrace_selftest_LDFLAGS = -pthread -Wl,-z,lazy
stalltrace_selftest_LDADD = -ldl
EXTRA_DIST += tests/e2e/test_calls.py
