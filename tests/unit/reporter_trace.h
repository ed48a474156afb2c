/* What the reporter's unit tests share: traces made of lines, and a symboliser that knows made-up
 * addresses, so that stacks can be written down. */
#ifndef TESTS_REPORTER_TRACE_H
#define TESTS_REPORTER_TRACE_H

#include <stdio.h>

#include "model/model.h"

#define FIRST                                                                                      \
    "{\"type\":\"process\",\"format\":\"stalltrace.trace/1\",\"pid\":7,\"exe\":\"/srv/bin/app\","  \
    "\"argv\":[\"app\",\"-x\"],\"start_ns\":1}\n"
#define LOOP             "{\"type\":\"loop\",\"loop\":1,\"tid\":7,\"name\":\"app\",\"home\":\"epoll\"}\n"
#define MODULE(id, path) "{\"type\":\"module\",\"module\":" #id ",\"path\":\"" path "\"}\n"
#define NATIVE(module, vaddr)                                                                      \
    "{\"pc\":\"0x1\",\"module\":" #module ",\"vaddr\":\"" vaddr "\",\"exact\":true}"
#define PYTHON(function, file, line, entry)                                                        \
    "{\"function\":\"" function "\",\"file\":\"" file "\",\"line\":" #line ",\"entry\":" #entry "}"
#define STACK(id, frames, python)                                                                  \
    "{\"type\":\"stack\",\"stack\":" #id ",\"frames\":[" frames "],\"python\":[" python "]}\n"
#define STALL(id, call, stack, elapsed, ended)                                                     \
    "{\"type\":\"stall\",\"stall\":" #id ",\"kind\":\"call\",\"loop\":1,\"call\":\"" call          \
    "\",\"class\":\"sleep\",\"detail\":\"1 s\",\"stack\":" #stack                                  \
    ",\"at_ns\":1000,\"elapsed_ns\":" #elapsed ",\"ended\":" #ended ",\"strict\":false}\n"

/* A trace with these bytes in a file of its own; not read yet. */
struct trace *trace_of(const char *bytes, size_t len);

/* Reads the lines into the model and finishes. */
struct trace *feed_model(struct model *model, const char *lines);

/* What made-up addresses mean; vaddr is the index, NULL is unknown. Ends the chain of inlined
 * functions: names separated by `<`, innermost first. */
extern const char *fake_functions[32];

#endif
