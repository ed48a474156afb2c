/* See choices.h. */
#include "choices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/exit_status.h"
#include "util/output.h"

static void complain_unknown(const char *name, unsigned int command, const char *text, size_t len)
{
    struct strbuf allowed = {0}, word = {0}, given = {0};
    sb_addn(&word, text, len);
    sb_add_clean(&given, word.data);
    formats_list(&allowed, command);
    const struct format *known = format_named(text, len);
    if (known != NULL) {
        complain("%s: the format '%s' does not serve %s; the formats are %s", name, known->name,
                 name, allowed.data);
    } else {
        const char *names[32] = {NULL};
        for (size_t i = 0, n = 0; format_at(i) != NULL && n < COUNT_OF(names) - 1; i++) {
            if ((format_at(i)->serves & command) != 0)
                names[n++] = format_at(i)->name;
        }
        const char *near = len > 0 ? nearest_name(word.data, names) : NULL;
        complain("%s: unknown format '%s'; %s%s%sthe formats are %s", name,
                 given.data ? given.data : "", near ? "did you mean " : "", near ? near : "",
                 near ? "? " : "", allowed.data);
    }
    sb_free(&allowed);
    sb_free(&word);
    sb_free(&given);
}

int choices_add(struct choices *choices, const char *name, unsigned int command, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
    const struct format *format = format_named(text, len);
    if (format == NULL || (format->serves & command) == 0) {
        complain_unknown(name, command, text, len);
        return -1;
    }
    if (equals != NULL && equals[1] == '\0') {
        complain("%s: --format %s: the name of a file is missing after =", name, text);
        return -1;
    }
    const struct choice *other = choices_stdout(choices);
    if (equals == NULL && other != NULL) {
        complain(
            "%s: %s and %s cannot both go to standard output; give one a file: --format %s=FILE",
            name, other->format->name, format->name, format->name);
        return -1;
    }
    for (size_t i = 0; equals != NULL && i < choices->count; i++) {
        if (choices->items[i].file != NULL && strcmp(choices->items[i].file, equals + 1) == 0) {
            complain("%s: two formats cannot both be written to %s", name, equals + 1);
            return -1;
        }
    }
    GROW(choices->items, choices->count, choices->cap);
    choices->items[choices->count++] =
        (struct choice){.format = format, .file = equals != NULL ? equals + 1 : NULL};
    return 0;
}

const struct choice *choices_stdout(const struct choices *choices)
{
    for (size_t i = 0; i < choices->count; i++) {
        if (choices->items[i].file == NULL)
            return &choices->items[i];
    }
    return NULL;
}

int choices_set_output(struct choices *choices, const char *name, const char *file)
{
    for (size_t i = 0; i < choices->count; i++) {
        if (choices->items[i].file == NULL) {
            choices->items[i].file = file;
            return 0;
        }
    }
    if (choices->count > 0) {
        complain("%s: -o %s: every format has a file of its own", name, file);
        return -1;
    }
    GROW(choices->items, choices->count, choices->cap);
    choices->items[choices->count++] = (struct choice){.format = format_at(0), .file = file};
    return 0;
}

static int write_one(const struct choice *choice, const struct model *model, bool may_page,
                     choices_render *render, void *context)
{
    struct strbuf text = {0};
    sb_add(&text, "");
    bool terminal = choice->file == NULL && output_is_terminal(STDOUT_FILENO);
    render(&text, model, choice->format, terminal && output_wants_color(STDOUT_FILENO), context);
    if (choice->format->paged && !output_is_utf8())
        text_to_ascii(&text);
    int result;
    if (choice->file != NULL)
        result = output_to_file(choice->file, text.data, text.len);
    else if (terminal && choice->format->paged && may_page)
        result = output_to_pager(text.data, text.len);
    else
        result = output_to_stdout(text.data, text.len);
    sb_free(&text);
    return result;
}

int choices_write(const struct choices *choices, const struct model *model, bool may_page,
                  choices_render *render, void *context)
{
    const struct choice text = {.format = format_at(0)};
    const struct choice *items = choices->count > 0 ? choices->items : &text;
    size_t count = choices->count > 0 ? choices->count : 1;
    int status = EXIT_CLEAN;
    for (size_t i = 0; i < count; i++) {
        if (write_one(&items[i], model, may_page, render, context) < 0)
            status = EXIT_ERROR;
    }
    return status;
}

void choices_free(struct choices *choices)
{
    free(choices->items);
}

void print_help(const char *help, unsigned int command)
{
    fputs(help, stdout);
    puts("\nFormats:");
    for (size_t i = 0; format_at(i) != NULL; i++) {
        const struct format *format = format_at(i);
        if ((format->serves & command) != 0)
            printf("  %-10s  %s%s\n", format->name, format->purpose, i == 0 ? " (default)" : "");
    }
}
