# The fuzz targets, by clang alone: scripts/fuzz runs make with this file in the source tree's root.
# BUILD: where it puts what it makes; CONFIG: a configured build tree, for config.h.
BUILD ?= build-fuzz
CONFIG ?= build
CC = clang
SANITIZERS = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
CFLAGS = -std=gnu11 -D_GNU_SOURCE -Wno-macro-redefined -O1 -g -fno-omit-frame-pointer $(SANITIZERS) -MMD -MP
CPPFLAGS = -I$(CONFIG) -I. -Ishim -Ireporter \
	-DSTALLTRACE_LIBDIR=\"/nowhere\" -DSTALLTRACE_PKGLIBDIR=\"/nowhere\" \
	-DSTALLTRACE_PKGDATADIR=\"/nowhere\" -DSTALLTRACE_PKGLIBEXECDIR=\"/nowhere\" \
	$(shell pkg-config --cflags json-c libdw)
LDLIBS = $(shell pkg-config --libs json-c libdw libelf) -liberty -lm
TARGETS = trace suppressions baseline settings perfmap python v8

object = $(patsubst %.c,$(BUILD)/%.o,$(1))
# All of the command but its main, with two of its files replaced.
REPORTER = $(call object,$(filter-out reporter/main.c reporter/symbols/symbols.c reporter/symbols/inlines.c \
	reporter/util/tables.c,$(wildcard reporter/*/*.c)) tests/fuzz/interned.c tests/fuzz/no_symbols.c)
COMMANDS = $(call object,tests/fuzz/run_commands.c) $(REPORTER)
PYTHON = $(call object,$(wildcard shim/agent/lang/python*.c))
IMAGE = $(call object,tests/fuzz/image.c)

all: $(TARGETS:%=$(BUILD)/fuzz-%)

$(BUILD)/fuzz-trace: $(COMMANDS)
$(BUILD)/fuzz-suppressions: $(COMMANDS)
$(BUILD)/fuzz-baseline: $(COMMANDS)
$(BUILD)/fuzz-settings: $(call object,shim/probe/host/settings.c) $(REPORTER)
$(BUILD)/fuzz-perfmap: $(call object,shim/agent/stack/perfmap.c) $(REPORTER)
$(BUILD)/fuzz-python: $(PYTHON) $(IMAGE)
$(BUILD)/fuzz-v8: $(call object,shim/agent/lang/v8.c) $(PYTHON) $(IMAGE)

$(TARGETS:%=$(BUILD)/fuzz-%): $(BUILD)/fuzz-%: $(BUILD)/tests/fuzz/%.o
	$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LDLIBS)

# Makes the images of tests/fuzz/corpus out of a process that runs; without a sanitizer.
$(BUILD)/record: tests/fuzz/record.c shim/agent/lang/v8.c $(wildcard shim/agent/lang/python*.c)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(CPPFLAGS) -o $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY:
