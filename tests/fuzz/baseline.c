/* A baseline of any content, against a trace with findings: read, applied, and brought up to date.
 */
#include <string.h>

#include "run_commands.h"
#include "commands/commands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char lines[] =
    "{\"type\":\"process\",\"format\":\"stalltrace.trace/1\",\"version\":\"0\",\"pid\":7,"
    "\"exe\":\"/srv/bin/app\",\"argv\":[\"app\"],\"start_ns\":1}\n"
    "{\"type\":\"loop\",\"loop\":1,\"tid\":7,\"name\":\"app\",\"home\":\"epoll\",\"at_ns\":0}\n"
    "{\"type\":\"module\",\"module\":1,\"path\":\"/srv/bin/app\",\"base\":\"0x0\"}\n"
    "{\"type\":\"stack\",\"stack\":1,\"frames\":[{\"pc\":\"0x2\",\"module\":1,\"vaddr\":\"0x2\","
    "\"exact\":true},{\"pc\":\"0x3\",\"module\":1,\"vaddr\":\"0x3\",\"eval\":true},{\"pc\":\"0x9\"}"
    "],"
    "\"python\":[{\"function\":\"handler\",\"file\":\"/srv/app.py\",\"line\":4,\"entry\":true}]}\n"
    "{\"type\":\"stall\",\"stall\":1,\"kind\":\"call\",\"loop\":1,\"call\":\"nanosleep\","
    "\"class\":\"sleep\",\"detail\":\"1 s\",\"stack\":1,\"at_ns\":1000,\"elapsed_ns\":1000000000,"
    "\"ended\":true,\"strict\":false}\n"
    "{\"type\":\"stall\",\"stall\":2,\"kind\":\"iteration\",\"loop\":1,\"call\":\"iteration\","
    "\"class\":\"iteration\",\"stack\":1,\"at_ns\":1100000000,\"elapsed_ns\":200000000,"
    "\"ended\":false,\"strict\":false}\n"
    "{\"type\":\"sample\",\"stall\":2,\"stack\":1}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *trace = file_path("x.1.1.jsonl"), *baseline = file_path("baseline");
    write_file(trace, lines, strlen(lines));
    write_file(baseline, data, size);
    run_command(cmd_check, "--baseline", baseline, trace, NULL);
    run_command(cmd_report, "--baseline", baseline, trace, NULL);
    run_command(cmd_report, "--format", "json", "--baseline", baseline, trace, NULL);
    run_command(cmd_diff, baseline, trace, NULL);
    run_command(cmd_diff, "--format", "json", trace, baseline, NULL);
    run_command(cmd_baseline, "--force", baseline, trace, NULL);
    run_command(cmd_baseline, "--force", "--prune", baseline, trace, NULL);
    forget_command();
    return 0;
}
