# The tests of the agent's own readers, but for Python's (python.mk).
if HAVE_CHECK
UNIT_TESTS += tests/unit/test_perfmap tests/unit/test_redact
endif

tests_unit_test_perfmap_SOURCES = \
	shim/agent/agent.h \
	shim/agent/stack/perfmap.c \
	shim/agent/stack/perfmap.h \
	shim/agent/base/text.h \
	tests/unit/test_perfmap.c
tests_unit_test_perfmap_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_perfmap_LDADD = $(CHECK_LIBS)

tests_unit_test_redact_SOURCES = \
	shim/agent/base/redact.c \
	shim/agent/base/redact.h \
	shim/agent/base/text.h \
	tests/unit/test_redact.c
tests_unit_test_redact_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_redact_LDADD = $(CHECK_LIBS)
