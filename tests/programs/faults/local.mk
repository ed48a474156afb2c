# Programs in states in which a tracer could do harm, and the tests that run them.
FAULTS = tests/programs/faults/sampling
check_PROGRAMS += $(FAULTS)
tests_programs_faults_sampling_CFLAGS = $(PROGRAM_CFLAGS) -pthread
tests_programs_faults_sampling_LDFLAGS = -pthread
EXTRA_DIST += tests/e2e/test_faults_sampling.py
