# The stalltrace command. All but main is a library, so that the unit tests link the same objects.
noinst_LTLIBRARIES = libreporter.la
libreporter_la_SOURCES = \
	reporter/commands/baseline_command.c \
	reporter/commands/check.c \
	reporter/commands/choices.c \
	reporter/commands/choices.h \
	reporter/commands/commands.h \
	reporter/commands/diff.c \
	reporter/commands/doctor.c \
	reporter/commands/jsmaps.c \
	reporter/commands/jsmaps.h \
	reporter/commands/launch.c \
	reporter/commands/launch.h \
	reporter/commands/load.c \
	reporter/commands/load.h \
	reporter/util/locate.c \
	reporter/util/locate.h \
	reporter/commands/options.c \
	reporter/commands/outdir.c \
	reporter/commands/outdir.h \
	reporter/util/output.c \
	reporter/util/output.h \
	reporter/commands/report.c \
	reporter/commands/run.c \
	reporter/commands/run_environment.c \
	reporter/commands/run_environment.h \
	reporter/commands/run_page.c \
	reporter/commands/run_page.h \
	reporter/trace/settings.c \
	reporter/trace/settings.h \
	reporter/commands/stats.c \
	reporter/commands/suppress_command.c \
	reporter/doctor/doctor.h \
	reporter/doctor/doctor_elf.c \
	reporter/doctor/doctor_machine.c \
	reporter/doctor/doctor_names.c \
	reporter/doctor/doctor_program.c \
	reporter/doctor/doctor_runtime.c \
	reporter/doctor/doctor_selftest.c \
	reporter/doctor/untraceable.c \
	reporter/doctor/untraceable.h \
	reporter/doctor/statement.c \
	reporter/formats/format_diff.c \
	reporter/formats/format_diff.h \
	reporter/formats/format_json.c \
	reporter/formats/format_json.h \
	reporter/formats/format_json_parts.c \
	reporter/formats/format_stats.c \
	reporter/formats/format_stats.h \
	reporter/formats/format_stats_json.c \
	reporter/formats/format_text.c \
	reporter/formats/formats.h \
	reporter/formats/registry.c \
	reporter/formats/text.h \
	reporter/formats/text_iteration.c \
	reporter/formats/text_stack.c \
	reporter/live/announce.c \
	reporter/live/announce.h \
	reporter/live/live.c \
	reporter/live/live.h \
	reporter/model/baseline.c \
	reporter/model/baseline.h \
	reporter/model/baseline_file.c \
	reporter/model/compare.c \
	reporter/model/compare.h \
	reporter/model/criteria.c \
	reporter/model/criteria.h \
	reporter/model/details.c \
	reporter/model/details.h \
	reporter/model/findings.c \
	reporter/model/findings.h \
	reporter/model/fingerprint.c \
	reporter/model/iteration.c \
	reporter/model/iteration.h \
	reporter/model/iteration_cause.c \
	reporter/model/model.c \
	reporter/model/model.h \
	reporter/model/place.c \
	reporter/model/place.h \
	reporter/model/suppress.c \
	reporter/model/suppress.h \
	reporter/model/suppress_builtin.c \
	reporter/model/suppress_parse.c \
	reporter/model/suppress_stack.c \
	reporter/model/tasks.c \
	reporter/model/tasks.h \
	reporter/model/totals.c \
	reporter/model/verdict.c \
	reporter/model/verdict.h \
	reporter/stacks/callee.c \
	reporter/stacks/culprit.c \
	reporter/stacks/jit.c \
	reporter/stacks/merge.c \
	reporter/stacks/origins.c \
	reporter/stacks/stackview.h \
	reporter/symbols/demangle.c \
	reporter/symbols/inlines.c \
	reporter/symbols/inlines.h \
	reporter/symbols/symbols.c \
	reporter/symbols/symbols.h \
	reporter/symbols/symtab.c \
	reporter/symbols/symtab.h \
	reporter/trace/freezes.c \
	reporter/trace/histogram.c \
	reporter/trace/histogram.h \
	reporter/model/losses.c \
	reporter/model/losses.h \
	reporter/trace/reader.c \
	reporter/trace/records.c \
	reporter/trace/records_loops.c \
	reporter/trace/records_stacks.c \
	reporter/trace/records_stalls.c \
	reporter/trace/startup.c \
	reporter/trace/trace.h \
	reporter/util/clean.c \
	reporter/util/exit_status.h \
	reporter/util/files.c \
	reporter/util/files.h \
	reporter/util/json_fields.c \
	reporter/util/json_fields.h \
	reporter/util/json_writer.c \
	reporter/util/json_writer.h \
	reporter/util/tables.c \
	reporter/util/quantities.c \
	reporter/util/quantities.h \
	reporter/util/util.c \
	reporter/util/util.h \
	reporter/util/version.h \
	reporter/words/describe.c \
	reporter/words/describe.h \
	reporter/words/excerpt.c \
	reporter/words/excerpt.h \
	reporter/stacks/hints.c \
	reporter/words/next_step.c \
	reporter/words/next_step.h \
	reporter/words/remarks.c \
	reporter/words/sources.c \
	reporter/words/sources.h \
	reporter/words/summary.c \
	reporter/words/summary.h
libreporter_la_CPPFLAGS = $(AM_CPPFLAGS) -DSTALLTRACE_PKGLIBEXECDIR=\"$(pkglibexecdir)\"
libreporter_la_CFLAGS = $(AM_CFLAGS) $(ELFUTILS_CFLAGS) $(JSON_C_CFLAGS)
libreporter_la_LIBADD = $(ELFUTILS_LIBS) $(JSON_C_LIBS) $(IBERTY_LIBS) -lm

bin_PROGRAMS += stalltrace
stalltrace_SOURCES = reporter/main.c
stalltrace_LDADD = libreporter.la

dist_man_MANS += doc/stalltrace.1
dist_pkgdata_DATA += reporter/formats/report.schema.json

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
	-DREPORT_SCHEMA=\"$(abs_top_srcdir)/reporter/formats/report.schema.json\"
tests_unit_test_reporter_stats_LDADD = $(REPORTER_TEST_LIBS) $(JSON_C_LIBS)
