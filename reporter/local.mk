# The stalltrace command. All but main is a library, so that the unit tests link the same objects.
noinst_LTLIBRARIES = libreporter.la
libreporter_la_SOURCES = \
	reporter/announce.c \
	reporter/announce.h \
	reporter/check.c \
	reporter/clean.c \
	reporter/commands.h \
	reporter/criteria.c \
	reporter/criteria.h \
	reporter/culprit.c \
	reporter/demangle.c \
	reporter/describe.c \
	reporter/describe.h \
	reporter/doctor.c \
	reporter/doctor.h \
	reporter/doctor_elf.c \
	reporter/doctor_machine.c \
	reporter/doctor_names.c \
	reporter/doctor_program.c \
	reporter/doctor_runtime.c \
	reporter/doctor_selftest.c \
	reporter/excerpt.c \
	reporter/excerpt.h \
	reporter/files.c \
	reporter/files.h \
	reporter/callee.c \
	reporter/details.c \
	reporter/details.h \
	reporter/findings.c \
	reporter/findings.h \
	reporter/fingerprint.c \
	reporter/place.c \
	reporter/place.h \
	reporter/format_json.c \
	reporter/format_json.h \
	reporter/format_json_parts.c \
	reporter/format_stats.c \
	reporter/format_stats.h \
	reporter/format_stats_json.c \
	reporter/format_text.c \
	reporter/formats.h \
	reporter/freezes.c \
	reporter/histogram.c \
	reporter/histogram.h \
	reporter/hints.c \
	reporter/inlines.c \
	reporter/inlines.h \
	reporter/iteration.c \
	reporter/iteration_cause.c \
	reporter/iteration.h \
	reporter/jit.c \
	reporter/jsmaps.c \
	reporter/jsmaps.h \
	reporter/json_fields.c \
	reporter/json_fields.h \
	reporter/json_writer.c \
	reporter/json_writer.h \
	reporter/launch.c \
	reporter/launch.h \
	reporter/live.c \
	reporter/live.h \
	reporter/load.c \
	reporter/load.h \
	reporter/locate.c \
	reporter/locate.h \
	reporter/losses.c \
	reporter/losses.h \
	reporter/merge.c \
	reporter/model.c \
	reporter/model.h \
	reporter/options.c \
	reporter/outdir.c \
	reporter/outdir.h \
	reporter/origins.c \
	reporter/output.c \
	reporter/output.h \
	reporter/reader.c \
	reporter/records.c \
	reporter/records_loops.c \
	reporter/records_stacks.c \
	reporter/records_stalls.c \
	reporter/remarks.c \
	reporter/report.c \
	reporter/run.c \
	reporter/run_environment.c \
	reporter/run_environment.h \
	reporter/settings.c \
	reporter/settings.h \
	reporter/sources.c \
	reporter/sources.h \
	reporter/stackview.h \
	reporter/startup.c \
	reporter/stats.c \
	reporter/summary.c \
	reporter/summary.h \
	reporter/suppress.c \
	reporter/suppress.h \
	reporter/suppress_builtin.c \
	reporter/suppress_command.c \
	reporter/suppress_parse.c \
	reporter/suppress_stack.c \
	reporter/symbols.c \
	reporter/symbols.h \
	reporter/symtab.c \
	reporter/symtab.h \
	reporter/tables.c \
	reporter/tasks.c \
	reporter/tasks.h \
	reporter/totals.c \
	reporter/text.h \
	reporter/text_iteration.c \
	reporter/text_stack.c \
	reporter/trace.h \
	reporter/untraceable.c \
	reporter/untraceable.h \
	reporter/util.c \
	reporter/util.h \
	reporter/verdict.c \
	reporter/verdict.h \
	reporter/version.h
libreporter_la_CPPFLAGS = $(AM_CPPFLAGS) -DSTALLTRACE_PKGLIBEXECDIR=\"$(pkglibexecdir)\"
libreporter_la_CFLAGS = $(AM_CFLAGS) $(ELFUTILS_CFLAGS) $(JSON_C_CFLAGS)
libreporter_la_LIBADD = $(ELFUTILS_LIBS) $(JSON_C_LIBS) $(IBERTY_LIBS) -lm

bin_PROGRAMS += stalltrace
stalltrace_SOURCES = reporter/main.c
stalltrace_LDADD = libreporter.la

dist_man_MANS += doc/stalltrace.1
dist_pkgdata_DATA += reporter/report.schema.json

# Unit tests. reporter_trace.c brings a symboliser of its own, which takes the place of the real
# one: the library's objects are only linked where something is missing.
if HAVE_CHECK
REPORTER_TESTS = \
	tests/unit/test_reporter_findings \
	tests/unit/test_reporter_frames \
	tests/unit/test_reporter_iterations \
	tests/unit/test_reporter_reader \
	tests/unit/test_reporter_settings \
	tests/unit/test_reporter_stats \
	tests/unit/test_reporter_symbols \
	tests/unit/test_reporter_text
check_PROGRAMS += $(REPORTER_TESTS)
TESTS += $(REPORTER_TESTS)
endif
REPORTER_TEST_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
REPORTER_TEST_LIBS = libreporter.la $(CHECK_LIBS)
REPORTER_TEST_TRACE = tests/unit/reporter_trace.c tests/unit/reporter_trace.h

tests_unit_test_reporter_findings_SOURCES = tests/unit/test_reporter_findings.c $(REPORTER_TEST_TRACE)
tests_unit_test_reporter_findings_CFLAGS = $(REPORTER_TEST_CFLAGS)
tests_unit_test_reporter_findings_LDADD = $(REPORTER_TEST_LIBS)
tests_unit_test_reporter_reader_SOURCES = tests/unit/test_reporter_reader.c $(REPORTER_TEST_TRACE)
tests_unit_test_reporter_reader_CFLAGS = $(REPORTER_TEST_CFLAGS)
tests_unit_test_reporter_reader_LDADD = $(REPORTER_TEST_LIBS)
tests_unit_test_reporter_settings_SOURCES = tests/unit/test_reporter_settings.c
tests_unit_test_reporter_settings_CFLAGS = $(REPORTER_TEST_CFLAGS)
tests_unit_test_reporter_settings_LDADD = $(REPORTER_TEST_LIBS)
tests_unit_test_reporter_symbols_SOURCES = tests/unit/test_reporter_symbols.c
tests_unit_test_reporter_symbols_CFLAGS = $(REPORTER_TEST_CFLAGS) -g
tests_unit_test_reporter_symbols_LDADD = $(REPORTER_TEST_LIBS)
tests_unit_test_reporter_text_SOURCES = tests/unit/test_reporter_text.c
tests_unit_test_reporter_text_CFLAGS = $(REPORTER_TEST_CFLAGS)
tests_unit_test_reporter_text_LDADD = $(REPORTER_TEST_LIBS)
tests_unit_test_reporter_frames_SOURCES = tests/unit/test_reporter_frames.c
tests_unit_test_reporter_frames_CFLAGS = $(REPORTER_TEST_CFLAGS)
tests_unit_test_reporter_frames_LDADD = $(REPORTER_TEST_LIBS)
tests_unit_test_reporter_iterations_SOURCES = tests/unit/test_reporter_iterations.c $(REPORTER_TEST_TRACE)
tests_unit_test_reporter_iterations_CFLAGS = $(REPORTER_TEST_CFLAGS)
tests_unit_test_reporter_iterations_LDADD = $(REPORTER_TEST_LIBS)
tests_unit_test_reporter_stats_SOURCES = tests/unit/test_reporter_stats.c tests/unit/schema.c tests/unit/schema.h $(REPORTER_TEST_TRACE)
tests_unit_test_reporter_stats_CFLAGS = $(REPORTER_TEST_CFLAGS) $(JSON_C_CFLAGS) \
	-DREPORT_SCHEMA=\"$(abs_top_srcdir)/reporter/report.schema.json\"
tests_unit_test_reporter_stats_LDADD = $(REPORTER_TEST_LIBS) $(JSON_C_LIBS)
