/* `report --format json`: the machine's view, described by report.schema.json. Members may be
 * added; none is renamed or removed. */
#include "formats.h"
#include "json_writer.h"
#include "version.h"

static void write_loop(struct json_writer *w, const struct model *model, const struct loop *loop)
{
    json_begin_object(w);
    json_key(w, "tid");
    json_int(w, loop->tid);
    json_key(w, "name");
    json_string(w, loop->name);
    json_key(w, "home");
    json_string(w, loop->home);
    json_key(w, "iterations");
    json_uint(w, loop->iterations);
    json_key(w, "max_iteration_ms");
    json_ms(w, loop->max_iteration_ns);
    if (model->budget_ns > 0) {
        uint64_t longest;
        json_key(w, "iterations_over_budget");
        json_uint(w, loop_over_budget(model, loop, &longest));
    }
    json_end_object(w);
}

static void write_process(struct json_writer *w, const struct model *model,
                          const struct trace *trace)
{
    json_begin_object(w);
    json_key(w, "pid");
    json_int(w, trace->pid);
    json_key(w, "exe");
    json_string(w, trace->exe);
    json_key(w, "argv");
    json_begin_array(w);
    for (size_t i = 0; i < trace->argc; i++)
        json_string(w, trace->argv[i]);
    json_end_array(w);
    json_key(w, "ended");
    json_bool(w, trace->ended);
    json_key(w, "loops");
    json_begin_array(w);
    for (size_t i = 0; i < trace->loop_count; i++)
        write_loop(w, model, trace->loops[i]);
    json_end_array(w);
    json_key(w, "notices");
    json_begin_array(w);
    for (size_t i = 0; i < trace->notice_count; i++) {
        json_begin_object(w);
        json_key(w, "code");
        json_string(w, trace->notices[i].code);
        json_key(w, "message");
        json_string(w, trace->notices[i].message);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_frame(struct json_writer *w, const struct frame *frame)
{
    json_begin_object(w);
    json_key(w, "lang");
    json_string(w, lang_name(frame->lang));
    json_key(w, "function");
    json_string(w, frame->function);
    json_key(w, "module");
    json_string(w, frame->module);
    json_key(w, "file");
    json_string(w, frame->file);
    json_key(w, "line");
    json_int(w, frame->line);
    json_key(w, "address");
    json_address(w, frame->address);
    if (frame->module != NULL) {
        json_key(w, "offset");
        json_address(w, frame->vaddr);
    }
    if (frame->inlined) {
        json_key(w, "inlined");
        json_bool(w, true);
    }
    json_end_object(w);
}

static void write_stack(struct json_writer *w, const struct stack_view *view)
{
    json_key(w, "culprit");
    if (view->culprit >= 0)
        json_int(w, view->culprit);
    else
        json_null(w);
    json_key(w, "frames");
    json_begin_array(w);
    for (size_t i = 0; i < view->count; i++)
        write_frame(w, &view->frames[i]);
    json_end_array(w);
    if (view->truncated) {
        json_key(w, "truncated");
        json_bool(w, true);
    }
    if (view->broken) {
        json_key(w, "broken");
        json_bool(w, true);
    }
    if (view->hint != NULL) {
        json_key(w, "hint");
        json_string(w, view->hint);
    }
}

static void write_tasks(struct json_writer *w, const struct tasks *tasks)
{
    if (tasks->count == 0)
        return;
    if (tasks->kept[0].name != NULL) {
        json_key(w, "task");
        json_string(w, tasks->kept[0].name);
    }
    json_key(w, "tasks");
    json_begin_array(w);
    for (size_t i = 0; i < tasks->count; i++) {
        const struct task_count *task = &tasks->kept[i];
        json_begin_object(w);
        json_key(w, "name");
        json_string(w, task->name);
        json_key(w, "coroutine");
        json_string(w, task->coroutine);
        json_key(w, "count");
        json_uint(w, task->count);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_time(struct json_writer *w, const struct time_split *time)
{
    const struct {
        const char *name;
        uint64_t ns;
    } parts[] = {{"calls_ms", time->calls_ns},         {"cpu_ms", time->cpu_ns},
                 {"runnable_ms", time->runnable_ns},   {"asleep_ms", time->asleep_ns},
                 {"throttled_ms", time->throttled_ns}, {"frozen_ms", time->frozen_ns},
                 {"found_ms", time->found_ns}};
    json_begin_object(w);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        json_key(w, parts[i].name);
        json_ms(w, parts[i].ns);
    }
    json_end_object(w);
}

static void write_samples(struct json_writer *w, const struct profile *profile)
{
    json_begin_array(w);
    for (size_t i = 0; i < profile->group_count; i++) {
        const struct sample_group *group = &profile->groups[i];
        json_begin_object(w);
        json_key(w, "share");
        json_share(w, group->count, profile->samples);
        json_key(w, "count");
        json_uint(w, group->count);
        write_stack(w, group_view(group));
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_calls(struct json_writer *w, const struct profile *profile)
{
    json_begin_array(w);
    for (size_t i = 0; i < profile->call_count; i++) {
        const struct call_sum *sum = &profile->calls[i];
        json_begin_object(w);
        json_key(w, "call");
        json_string(w, sum->call);
        json_key(w, "class");
        json_string(w, sum->class_name);
        json_key(w, "count");
        json_uint(w, sum->count);
        json_key(w, "total_ms");
        json_ms(w, sum->total_ns);
        if (sum->max_ns > 0) {
            json_key(w, "max_ms");
            json_ms(w, sum->max_ns);
        }
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_spots(struct json_writer *w, const struct profile *profile)
{
    json_begin_array(w);
    for (size_t i = 0; i < profile->spot_count; i++) {
        json_begin_object(w);
        json_key(w, "syscall");
        json_string(w, profile->spots[i].syscall_name);
        json_key(w, "wchan");
        json_string(w, profile->spots[i].wait_channel);
        json_key(w, "count");
        json_uint(w, profile->spots[i].count);
        json_end_object(w);
    }
    json_end_array(w);
}

/* What only iterations have. */
static void write_profile(struct json_writer *w, const struct profile *profile)
{
    json_key(w, "time");
    if (profile->timed)
        write_time(w, &profile->time);
    else
        json_null(w);
    json_key(w, "samples");
    write_samples(w, profile);
    json_key(w, "calls");
    write_calls(w, profile);
    json_key(w, "asleep_in");
    write_spots(w, profile);
}

static void write_finding(struct json_writer *w, const struct model *model,
                          const struct finding *finding)
{
    json_begin_object(w);
    json_key(w, "fingerprint");
    json_string(w, finding->fingerprint);
    json_key(w, "kind");
    json_string(w, finding->kind == STALL_CALL ? "call" : "iteration");
    json_key(w, "call");
    json_string(w, finding->call);
    json_key(w, "class");
    json_string(w, finding->class_name);
    json_key(w, "detail");
    json_string(w, finding->detail);
    json_key(w, "strict");
    json_bool(w, finding->strict);
    json_key(w, "count");
    json_uint(w, finding->count);
    json_key(w, "total_ms");
    json_ms(w, finding->total_ns);
    json_key(w, "max_ms");
    json_ms(w, finding->max_ns);
    json_key(w, "in_progress");
    json_bool(w, finding->in_progress > 0);
    json_key(w, "loop");
    json_begin_object(w);
    json_key(w, "pid");
    json_int(w, finding->trace->pid);
    json_key(w, "tid");
    json_int(w, finding->loop ? finding->loop->tid : finding->trace->pid);
    json_key(w, "name");
    json_string(w, finding->loop ? finding->loop->name : "");
    json_end_object(w);
    write_stack(w, finding->view);
    write_tasks(w, &finding->tasks);
    if (finding->profile != NULL)
        write_profile(w, finding->profile);
    json_key(w, "over_budget");
    json_bool(w, over_budget(model, finding->max_ns));
    if (finding->suppressed_by != NULL) {
        json_key(w, "suppressed_by");
        json_string(w, finding->suppressed_by);
    }
    json_end_object(w);
}

static void write_findings(struct json_writer *w, const struct model *model, bool suppressed)
{
    json_begin_array(w);
    for (size_t i = 0; i < model->count; i++) {
        if ((model->findings[i]->suppressed_by != NULL) == suppressed)
            write_finding(w, model, model->findings[i]);
    }
    json_end_array(w);
}

void format_json(struct strbuf *out, const struct model *model,
                 const struct format_options *options)
{
    (void)options; /* everything is always there */
    struct json_writer writer = {.out = out}, *w = &writer;
    json_begin_object(w);
    json_key(w, "schema");
    json_string(w, "stalltrace.report/1");
    json_key(w, "tool");
    json_begin_object(w);
    json_key(w, "name");
    json_string(w, "stalltrace");
    json_key(w, "version");
    json_string(w, STALLTRACE_VERSION);
    json_end_object(w);
    json_key(w, "budget_ms");
    if (model->budget_ns > 0)
        json_ms(w, model->budget_ns);
    else
        json_null(w);
    json_key(w, "processes");
    json_begin_array(w);
    for (size_t i = 0; i < model->trace_count; i++)
        write_process(w, model, model->traces[i]);
    json_end_array(w);
    json_key(w, "findings");
    write_findings(w, model, false);
    json_key(w, "suppressed");
    write_findings(w, model, true);
    json_key(w, "dropped");
    json_begin_object(w);
    json_key(w, "stalls");
    json_uint(w, model_totals(model).dropped_stalls);
    json_end_object(w);
    json_end_object(w);
    sb_add(out, "\n");
}
