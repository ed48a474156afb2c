/* `report --format json`: the machine's view, described by report.schema.json. Members may be
 * added; none is renamed or removed. */
#include "format_json.h"
#include "formats.h"
#include "model/losses.h"

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
        json_stack(w, finding->stacks[i]);
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

/* Of a finding that a rule covers. */
static void write_rule(struct json_writer *w, const struct rule *rule)
{
    struct strbuf text = {0};
    describe_rule(&text, rule);
    json_string(w, "suppressed_by", text.data);
    json_string(w, "rule", rule->text);
    json_string(w, "reason", rule->reason);
    json_uint(w, "hits", rule->hits);
    sb_free(&text);
}

/* Rules of the user's that matched nothing. */
static void write_unused(struct json_writer *w, const struct rules *rules)
{
    json_begin_array(w, "unused_rules");
    for (size_t i = 0; rules != NULL && i < rules->count; i++) {
        const struct rule *rule = &rules->rules[i];
        if (!rule_is_unused(rule))
            continue;
        json_begin_object(w, NULL);
        json_string(w, "rule", rule->text);
        json_string(w, "file", rule->file);
        json_uint(w, "line", rule->line);
        json_string(w, "reason", rule->reason);
        json_bool(w, "expired", rule_has_expired(rule));
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_wait(struct json_writer *w, const struct finding *finding)
{
    const struct wait *wait = finding->profile != NULL ? profile_wait(finding->profile) : NULL;
    if (wait != NULL)
        json_wait(w, wait->wait_kind, &wait->holder);
    else
        json_wait(w, finding->wait_kind, &finding->holder);
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
    write_wait(w, finding);
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
    json_stack(w, finding->view);
    write_details(w, &finding->details);
    write_stacks(w, finding);
    write_tasks(w, &finding->tasks);
    if (finding->profile != NULL)
        json_profile(w, finding->profile);
    json_bool(w, "over_budget", over_budget(model, finding->max_ns));
    json_string(w, "baseline_state", baseline_state_name(finding->baseline_state));
    if (finding->suppressed_by != NULL)
        write_rule(w, finding->suppressed_by);
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
    json_baseline(w, model);
    write_losses(w, model);
    write_unused(w, model->rules);
    write_startup(w, model);
    json_begin_object(w, "dropped");
    json_uint(w, "stalls", totals.dropped_stalls);
    json_end_object(w);
    json_end_object(w);
    sb_add(out, "\n");
}
