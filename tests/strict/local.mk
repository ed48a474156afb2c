# Strict mode, case by case: tests/e2e/test_strict.py says what is to come of each.
check_PROGRAMS += tests/strict/cases
tests_strict_cases_SOURCES = tests/strict/cases.h tests/strict/main.c tests/strict/fixtures.c \
	tests/strict/dns.c tests/strict/file.c tests/strict/ipc.c tests/strict/lock.c \
	tests/strict/net.c tests/strict/process.c tests/strict/sleep.c tests/strict/stdio.c \
	tests/strict/wait.c
# Each call as it is written: no other in its place, and none left out.
tests_strict_cases_CFLAGS = $(PROGRAM_CFLAGS) -fno-builtin -fno-inline -U_FORTIFY_SOURCE -pthread
tests_strict_cases_LDFLAGS = -pthread
tests_strict_cases_LDADD = -lresolv -lrt -lutil -lanl
EXTRA_DIST += tests/e2e/test_strict.py tests/e2e/test_strict_python.py \
	tests/e2e/test_strict_servers.py
