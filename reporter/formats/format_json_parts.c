/* Stacks, and what only iterations have. See format_json.h. */
#include "format_json.h"

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

void json_stack(struct json_writer *w, const struct stack_view *view)
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
        json_stack(w, group_view(group));
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

void json_wait(struct json_writer *w, const char *kind, const struct holder *holder)
{
    json_string(w, "wait_kind", kind);
    if (holder->pid <= 0) {
        json_null(w, "holder");
        return;
    }
    json_begin_object(w, "holder");
    json_int(w, "pid", holder->pid);
    if (holder->tid > 0)
        json_int(w, "tid", holder->tid);
    else
        json_null(w, "tid");
    json_string(w, "name", holder->name);
    json_string(w, "file", holder->file);
    json_int(w, "line", holder->line);
    json_string(w, "function", holder->function);
    json_end_object(w);
}

static void write_waits(struct json_writer *w, const struct waits *waits)
{
    json_begin_array(w, "waited_for");
    for (size_t i = 0; i < waits->count; i++) {
        json_begin_object(w, NULL);
        json_string(w, "detail", waits->kept[i].detail);
        json_wait(w, waits->kept[i].wait_kind, &waits->kept[i].holder);
        json_uint(w, "count", waits->kept[i].count);
        json_end_object(w);
    }
    json_end_array(w);
}

void json_baseline(struct json_writer *w, const struct model *model)
{
    const struct baseline *baseline = model->baseline;
    if (baseline == NULL) {
        json_null(w, "baseline");
        return;
    }
    struct model_totals totals = model_totals(model);
    json_begin_object(w, "baseline");
    json_string(w, "file", baseline->path);
    json_uint(w, "new", totals.findings - totals.known);
    json_uint(w, "known", totals.known);
    json_begin_array(w, "not_seen");
    for (size_t i = 0; i < baseline->count; i++) {
        if (baseline->entries[i].seen)
            continue;
        json_begin_object(w, NULL);
        json_string(w, "fingerprint", baseline->entries[i].fingerprint);
        json_uint(w, "places", baseline->entries[i].places);
        json_string(w, "what", baseline->entries[i].words);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void json_profile(struct json_writer *w, const struct profile *profile)
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
