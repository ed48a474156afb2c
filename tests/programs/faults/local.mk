# Programs in states in which a tracer could do harm, and the tests that run them.
FAULTS = tests/programs/faults/jitmap tests/programs/faults/roots tests/programs/faults/sampling tests/programs/faults/waits
check_PROGRAMS += $(FAULTS)
tests_programs_faults_sampling_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_faults_sampling_LDFLAGS = -pthread
tests_programs_faults_jitmap_CFLAGS = $(PROGRAM_CFLAGS)
tests_programs_faults_roots_CFLAGS = $(PROGRAM_CFLAGS)
tests_programs_faults_waits_CFLAGS = $(PROGRAM_CFLAGS)
EXTRA_DIST += tests/e2e/test_faults_sampling.py tests/e2e/test_faults_traces.py tests/e2e/test_faults_waits.py
