/* A trace of any content, read by every command that reads traces. */
#include "run_commands.h"
#include "commands/commands.h"
#include "commands/load.h"
#include "words/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What `run` says at the end. */
static void summarise(const char *trace)
{
    char *argv[] = {"server", NULL}, *paths[] = {(char *)trace};
    const struct load_options options = {0};
    struct loaded loaded;
    if (load(&loaded, paths, 1, &options) == 0)
        print_summary(&loaded.model, "out", argv);
    loaded_free(&loaded);
}

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
    summarise(trace);
    forget_command();
    return 0;
}
