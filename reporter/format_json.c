/* `report --format json`: the machine's view, described by report.schema.json. Members may be
 * added; none is renamed or removed. */
#include "formats.h"
#include "json_writer.h"
#include "losses.h"

static void write_loop(struct json_writer *w, const struct model *model, const struct loop *loop)
{
    json_begin_object(w, NULL);
    json_int(w, "tid", loop->tid);
    json_string(w, "name", loop->name);
    json_string(w, "home", loop->home);
    json_uint(w, "iterations", loop->iterations);
    json_ms(w, "max_iteration_ms", loop->max_iteration_ns);
    json_ms(w, "duration_ms", loop->seen_ns > loop->began_ns ? loop->seen_ns - loop->began_ns : 0);
    if (model->budget_ns > 0) {
        uint64_t longest;
        json_uint(w, "iterations_over_budget", loop_over_budget(model, loop, &longest));
    }
    json_end_object(w);
}

/* It says how it ended, and nothing of it is known to be missing. */
static bool is_complete(const struct trace *trace)
{
    return trace->ended && trace->loss_count == 0 && trace->dropped_stalls == 0 &&
           trace->bad_lines == 0 && !trace->cut_off;
}

static void write_process(struct json_writer *w, const struct model *model,
                          const struct trace *trace)
{
    json_begin_object(w, NULL);
    json_int(w, "pid", trace->pid);
    json_string(w, "exe", trace->exe);
    json_begin_array(w, "argv");
    for (size_t i = 0; i < trace->argc; i++)
        json_string(w, NULL, trace->argv[i]);
    json_end_array(w);
    json_bool(w, "ended", trace->ended);
    json_string(w, "host", trace->host);
    json_time(w, "began_at", trace->start_ns);
    if (trace->ended)
        json_time(w, "ended_at", trace->start_ns + trace->end_ns);
    else
        json_null(w, "ended_at");
    json_bool(w, "complete", is_complete(trace));
    if (trace->moments.serves)
        json_time(w, "serving_at", trace->start_ns + trace->moments.serving_ns);
    else
        json_null(w, "serving_at");
    json_begin_array(w, "loops");
    for (size_t i = 0; i < trace->loop_count; i++)
        write_loop(w, model, trace->loops[i]);
    json_end_array(w);
    json_begin_array(w, "notices");
    for (size_t i = 0; i < trace->notice_count; i++) {
        json_begin_object(w, NULL);
        json_string(w, "code", trace->notices[i].code);
        json_string(w, "message", trace->notices[i].message);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_frame(struct json_writer *w, const struct frame *frame)
{
    json_begin_object(w, NULL);
    json_string(w, "lang", lang_name(frame->lang));
    json_string(w, "function", frame->function);
    json_string(w, "module", frame->module);
    json_string(w, "file", frame->file);
    json_int(w, "line", frame->line);
    json_address(w, "address", frame->address);
    if (frame->module != NULL) {
        json_address(w, "offset", frame->vaddr);
    }
    if (frame->inlined) {
        json_bool(w, "inlined", true);
    }
    json_end_object(w);
}

static void write_stack(struct json_writer *w, const struct stack_view *view)
{
    if (view->culprit >= 0)
        json_int(w, "culprit", view->culprit);
    else
        json_null(w, "culprit");
    json_begin_array(w, "frames");
    for (size_t i = 0; i < view->count; i++)
        write_frame(w, &view->frames[i]);
    json_end_array(w);
    if (view->truncated) {
        json_bool(w, "truncated", true);
    }
    if (view->broken) {
        json_bool(w, "broken", true);
    }
    if (view->hint != NULL) {
        json_string(w, "hint", view->hint);
    }
}

static void write_tasks(struct json_writer *w, const struct tasks *tasks)
{
    if (tasks->count == 0)
        return;
    if (tasks->kept[0].name != NULL) {
        json_string(w, "task", tasks->kept[0].name);
    }
    json_begin_array(w, "tasks");
    for (size_t i = 0; i < tasks->count; i++) {
        const struct task_count *task = &tasks->kept[i];
        json_begin_object(w, NULL);
        json_string(w, "name", task->name);
        json_string(w, "coroutine", task->coroutine);
        json_uint(w, "count", task->count);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_time(struct json_writer *w, const struct time_split *time)
{
    const struct {
        const char *name;
        uint64_t ns;
        bool known;
    } parts[] = {{"calls_ms", time->calls_ns, true},
                 {"cpu_ms", time->cpu_ns, time->measured},
                 {"runnable_ms", time->runnable_ns, time->measured},
                 {"asleep_ms", time->asleep_ns, time->measured},
                 {"throttled_ms", time->throttled_ns, true},
                 {"frozen_ms", time->frozen_ns, true},
                 {"found_ms", time->found_ns, true}};
    json_begin_object(w, "time");
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].known)
            json_ms(w, parts[i].name, parts[i].ns);
        else
            json_null(w, parts[i].name);
    }
    json_end_object(w);
}

static void write_samples(struct json_writer *w, const struct profile *profile)
{
    json_begin_array(w, "samples");
    for (size_t i = 0; i < profile->group_count; i++) {
        const struct sample_group *group = &profile->groups[i];
        json_begin_object(w, NULL);
        json_share(w, "share", group->count, profile->samples);
        json_uint(w, "count", group->count);
        write_stack(w, group_view(group));
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_calls(struct json_writer *w, const struct profile *profile)
{
    json_begin_array(w, "calls");
    for (size_t i = 0; i < profile->call_count; i++) {
        const struct call_sum *sum = &profile->calls[i];
        json_begin_object(w, NULL);
        json_string(w, "call", sum->call);
        json_string(w, "class", sum->class_name);
        json_uint(w, "count", sum->count);
        json_ms(w, "total_ms", sum->total_ns);
        if (sum->max_ns > 0) {
            json_ms(w, "max_ms", sum->max_ns);
        }
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_spots(struct json_writer *w, const struct profile *profile)
{
    json_begin_array(w, "asleep_in");
    for (size_t i = 0; i < profile->spot_count; i++) {
        json_begin_object(w, NULL);
        json_string(w, "syscall", profile->spots[i].syscall_name);
        json_string(w, "wchan", profile->spots[i].wait_channel);
        json_uint(w, "count", profile->spots[i].count);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_waits(struct json_writer *w, const struct waits *waits)
{
    json_begin_array(w, "waited_for");
    for (size_t i = 0; i < waits->count; i++) {
        json_begin_object(w, NULL);
        json_string(w, "detail", waits->kept[i].detail);
        json_uint(w, "count", waits->kept[i].count);
        json_end_object(w);
    }
    json_end_array(w);
}

/* What only iterations have. */
static void write_profile(struct json_writer *w, const struct profile *profile)
{
    if (profile->timed)
        write_time(w, &profile->time);
    else
        json_null(w, "time");
    write_samples(w, profile);
    if (profile->no_stack != NULL)
        json_string(w, "no_stack", profile->no_stack);
    write_calls(w, profile);
    write_waits(w, &profile->waits);
    write_spots(w, profile);
}

static void write_detail(struct json_writer *w, const struct detail *detail, const char *text)
{
    json_begin_object(w, NULL);
    json_string(w, "detail", text);
    json_uint(w, "count", detail->count);
    json_ms(w, "total_ms", detail->total_ns);
    json_end_object(w);
}

/* The largest, and one for all others. */
static void write_details(struct json_writer *w, const struct details *details)
{
    enum { SHOWN = 100 };
    struct detail others = details->others;
    json_begin_array(w, "details");
    for (size_t i = 0; i < details->count; i++) {
        if (i < SHOWN) {
            write_detail(w, &details->kept[i], details->kept[i].text);
        } else {
            others.count += details->kept[i].count;
            others.total_ns += details->kept[i].total_ns;
        }
    }
    if (others.count > 0)
        write_detail(w, &others, "other");
    json_end_array(w);
}

static void write_stacks(struct json_writer *w, const struct finding *finding)
{
    json_begin_array(w, "stacks");
    for (size_t i = 0; i < finding->stack_count; i++) {
        json_begin_object(w, NULL);
        write_stack(w, finding->stacks[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_moment(struct json_writer *w, const char *key, uint64_t unix_ns)
{
    if (unix_ns > 0)
        json_time(w, key, unix_ns);
    else
        json_null(w, key);
}

static void write_finding(struct json_writer *w, const struct model *model,
                          const struct finding *finding)
{
    json_begin_object(w, NULL);
    json_string(w, "fingerprint", finding->fingerprint);
    json_string(w, "kind", finding->kind == STALL_CALL ? "call" : "iteration");
    json_string(w, "call", finding->call);
    json_string(w, "callee", finding->kind == STALL_CALL ? finding->view->callee : NULL);
    json_string(w, "class", finding->class_name);
    json_string(w, "detail", finding->detail);
    json_bool(w, "strict", finding->strict);
    json_uint(w, "count", finding->count);
    json_ms(w, "total_ms", finding->total_ns);
    json_ms(w, "max_ms", finding->max_ns);
    json_ms(w, "starved_ms", finding->starved_ns);
    write_moment(w, "first_at", finding->first_ns);
    write_moment(w, "last_at", finding->last_ns);
    json_bool(w, "in_progress", finding->in_progress > 0);
    json_begin_object(w, "loop");
    json_int(w, "pid", finding->trace->pid);
    json_int(w, "tid", finding->loop ? finding->loop->tid : finding->trace->pid);
    json_string(w, "name", finding->loop ? finding->loop->name : "");
    json_end_object(w);
    json_string(w, "host", finding->trace->host);
    write_stack(w, finding->view);
    write_details(w, &finding->details);
    write_stacks(w, finding);
    write_tasks(w, &finding->tasks);
    if (finding->profile != NULL)
        write_profile(w, finding->profile);
    json_bool(w, "over_budget", over_budget(model, finding->max_ns));
    if (finding->suppressed_by != NULL) {
        json_string(w, "suppressed_by", finding->suppressed_by);
    }
    json_end_object(w);
}

static void write_those(struct json_writer *w, const struct model *model,
                        struct finding *const *findings, size_t count, bool suppressed)
{
    for (size_t i = 0; i < count; i++) {
        if ((findings[i]->suppressed_by != NULL) == suppressed)
            write_finding(w, model, findings[i]);
    }
}

static void write_findings(struct json_writer *w, const char *key, const struct model *model,
                           bool suppressed)
{
    json_begin_array(w, key);
    write_those(w, model, model->findings, model->count, suppressed);
    json_end_array(w);
}

/* What the processes did before they served: of the same shape, and of no account. */
static void write_startup(struct json_writer *w, const struct model *model)
{
    json_begin_array(w, "startup");
    write_those(w, model, model->startup, model->startup_count, false);
    json_end_array(w);
}

static void write_losses(struct json_writer *w, const struct model *model)
{
    struct loss_list list = {0};
    losses_of_model(&list, model);
    json_begin_array(w, "losses");
    for (size_t i = 0; i < list.count; i++) {
        json_begin_object(w, NULL);
        json_string(w, "code", list.items[i].code);
        json_string(w, "message", list.items[i].message);
        json_uint(w, "count", list.items[i].count);
        json_end_object(w);
    }
    json_end_array(w);
    losses_free(&list);
}

void format_json(struct strbuf *out, const struct model *model,
                 const struct format_options *options)
{
    (void)options; /* everything is always there */
    struct json_writer writer = {.out = out}, *w = &writer;
    json_begin_document(w, "stalltrace.report/1");
    if (model->budget_ns > 0)
        json_ms(w, "budget_ms", model->budget_ns);
    else
        json_null(w, "budget_ms");
    json_begin_array(w, "processes");
    for (size_t i = 0; i < model->trace_count; i++)
        write_process(w, model, model->traces[i]);
    json_end_array(w);
    write_findings(w, "findings", model, false);
    write_findings(w, "suppressed", model, true);
    json_begin_object(w, "starved");
    struct model_totals totals = model_totals(model);
    json_uint(w, "count", totals.starved_count);
    json_ms(w, "total_ms", totals.starved_ns);
    json_end_object(w);
    write_losses(w, model);
    write_startup(w, model);
    json_begin_object(w, "dropped");
    json_uint(w, "stalls", totals.dropped_stalls);
    json_end_object(w);
    json_end_object(w);
    sb_add(out, "\n");
}
