/* A trace of any content, read by every command that reads traces. */
#include "run_commands.h"
#include "commands/commands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *trace = file_path("x.1.1.jsonl");
    write_file(trace, data, size);
    run_command(cmd_report, trace, NULL);
    run_command(cmd_report, "--format", "json", trace, NULL);
    run_command(cmd_check, trace, NULL);
    run_command(cmd_suppress, "--no-builtin-suppressions", trace, NULL);
    run_command(cmd_stats, trace, NULL);
    run_command(cmd_stats, "--format", "json", trace, NULL);
    forget_command();
    return 0;
}
