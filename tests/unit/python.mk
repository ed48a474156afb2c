# The tests of Python frames (shim/contract/pyframes.h, shim/agent/lang/python*.c). STALLTRACE_TEST_PYTHONS
# (paths, separated by colons) says which interpreters; by default all that are found.
PYTHON_READER = \
	shim/agent/base/memory.h \
	shim/agent/lang/python.c \
	shim/agent/lang/python.h \
	shim/agent/lang/python_check.c \
	shim/agent/lang/python_code.c \
	shim/agent/lang/python_elf.c \
	shim/agent/lang/python_line.c \
	shim/agent/lang/python_offsets.h \
	shim/agent/lang/python_task.c \
	shim/agent/base/text.h \
	shim/contract/pyframes.h \
	tests/unit/python_memory.c \
	tests/unit/python_memory.h
PYTHON_CHILD = tests/unit/python_child.c tests/unit/python_child.h

if HAVE_CHECK
UNIT_TESTS += tests/unit/test_python_frames tests/unit/test_python_garbage \
	tests/unit/test_python_tasks
check_LTLIBRARIES = tests/unit/python_own.la
endif

tests_unit_test_python_frames_SOURCES = \
	tests/unit/test_python_frames.c $(PYTHON_CHILD) $(PYTHON_READER)
tests_unit_test_python_frames_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_python_frames_LDADD = $(CHECK_LIBS)

tests_unit_test_python_garbage_SOURCES = \
	tests/unit/test_python_garbage.c $(PYTHON_CHILD) $(PYTHON_READER)
tests_unit_test_python_garbage_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_python_garbage_LDADD = $(CHECK_LIBS)

tests_unit_test_python_tasks_SOURCES = \
	tests/unit/test_python_tasks.c $(PYTHON_CHILD) $(PYTHON_READER)
tests_unit_test_python_tasks_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_python_tasks_LDADD = $(CHECK_LIBS)

# Loaded into the interpreter by ctypes, so never sanitized. (-rpath makes libtool build it shared.)
tests_unit_python_own_la_SOURCES = tests/unit/python_own.c $(PYTHON_READER)
tests_unit_python_own_la_CFLAGS = -std=gnu11 $(WARN_CFLAGS) -O2 -fno-sanitize=all
tests_unit_python_own_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

EXTRA_DIST += tests/unit/python_stack.py
