/* Names out of perf maps: each runtime has its own way of writing a function down. */
#include "stackview.h"

#include <stdlib.h>
#include <string.h>

/* `/srv/app.js:12:5` → file and line, from the right, since a path may have colons. */
static void take_place(struct frame *frame, const char *place)
{
    if (starts_with(place, "file://"))
        place += strlen("file://");
    const char *end = place + strlen(place);
    const char *numbers[2] = {NULL, NULL}; /* from the right */
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        const char *colon = end;
        while (colon > place && colon[-1] >= '0' && colon[-1] <= '9')
            colon--;
        if (colon == end || colon == place || colon[-1] != ':')
            break;
        numbers[i] = colon;
        end = colon - 1;
    }
    const char *line = numbers[1] != NULL ? numbers[1] : numbers[0];
    frame->line = line != NULL ? atoi(line) : 0;
    frame->file = end > place ? intern_n(place, (size_t)(end - place)) : NULL;
}

/* Where the place begins in `name path:line:column`: both may contain blanks, but a path begins
 * with a slash, a URL or `node:`. */
static const char *find_place(const char *text)
{
    static const char *const beginnings[] = {"/",         "file://",  "node:", "evalmachine.",
                                             "internal/", "https://", "[eval]"};
    for (const char *at = text; at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ';
        for (size_t i = 0; i < COUNT_OF(beginnings); i++) {
            if (starts_with(at, beginnings[i]))
                return at;
        }
    }
    const char *last = strrchr(text, ' ');
    return last != NULL && strchr(last, ':') != NULL ? last + 1 : NULL;
}

/* V8 writes `JS:*name file:///srv/app.js:12:5`; in place of `*` (the compiler's tier) also `~`,
 * `^`,
 * `+`; older ones begin with `LazyCompile:`, `Function:`, `Script:` or `Eval:`. */
static bool name_javascript(struct frame *frame, const char *symbol)
{
    static const char *const tags[] = {"JS:", "LazyCompile:", "Function:", "Script:", "Eval:"};
    const char *text = NULL;
    for (size_t i = 0; i < COUNT_OF(tags) && text == NULL; i++) {
        if (starts_with(symbol, tags[i]))
            text = symbol + strlen(tags[i]);
    }
    if (text == NULL)
        return false;
    text += strspn(text, "*~^+");
    frame->lang = LANG_JAVASCRIPT;
    const char *place = find_place(text);
    size_t len = place != NULL ? (size_t)(place - text) : strlen(text);
    while (len > 0 && text[len - 1] == ' ')
        len--;
    while (len > 0 && *text == ' ')
        text++, len--;
    frame->function = len > 0 ? intern_n(text, len) : "(anonymous)";
    if (place != NULL)
        take_place(frame, place);
    return true;
}

/* `RegExp:^(a+)+$` and V8's own pieces of code. */
static bool name_v8_code(struct frame *frame, const char *symbol)
{
    static const char *const glue[] = {
        "Builtin:",      "BytecodeHandler:", "Stub:",    "Handler:",
        "LoadGlobalIC:", "LoadIC:",          "StoreIC:", "KeyedLoadIC:"};
    if (starts_with(symbol, "RegExp:")) {
        char *name = mem_printf("RegExp /%s/", symbol + strlen("RegExp:"));
        frame->function = intern(name);
        free(name);
        frame->lang = LANG_JAVASCRIPT;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(glue); i++) {
        if (starts_with(symbol, glue[i])) {
            frame->function = symbol;
            frame->noise = true;
            return true;
        }
    }
    return false;
}

/* CPython's trampolines: `py::function:/srv/app.py`. */
static bool name_python(struct frame *frame, const char *symbol)
{
    if (!starts_with(symbol, "py::"))
        return false;
    const char *function = symbol + strlen("py::");
    const char *colon = strchr(function, ':');
    frame->lang = LANG_PYTHON;
    size_t len = colon != NULL ? (size_t)(colon - function) : strlen(function);
    frame->function = intern_n(function, len);
    frame->file = colon != NULL && colon[1] != '\0' ? intern(colon + 1) : NULL;
    return true;
}

/* perf-map-agent writes `Lcom/shop/Db;::query`, the JVM itself `java.lang.Object
 * com.shop.Db.query(int)`. */
static bool name_java(struct frame *frame, const char *symbol)
{
    struct strbuf name = {0};
    const char *end = strstr(symbol, ";::");
    if (symbol[0] == 'L' && end != NULL) {
        for (const char *c = symbol + 1; c < end; c++)
            sb_addn(&name, *c == '/' ? "." : c, 1);
        sb_add(&name, ".");
        sb_add(&name, end + strlen(";::"));
    } else {
        const char *open = strchr(symbol, '(');
        const char *space = strchr(symbol, ' ');
        /* A return type, one blank, a dotted name, parameters: no C++ and no .NET name is that. */
        if (open == NULL || space == NULL || space > open || strstr(symbol, "::") != NULL ||
            memchr(space, '.', (size_t)(open - space)) == NULL ||
            memchr(space + 1, ' ', (size_t)(open - space) - 1) != NULL || symbol[0] == '[')
            return false;
        sb_addn(&name, space + 1, (size_t)(open - space) - 1);
    }
    frame->function = intern(name.data);
    sb_free(&name);
    return true;
}

void name_jit_frame(struct frame *frame, const char *symbol)
{
    frame->lang = LANG_JIT;
    if (symbol == NULL || symbol[0] == '\0')
        return;
    if (name_javascript(frame, symbol) || name_v8_code(frame, symbol) ||
        name_python(frame, symbol) || name_java(frame, symbol))
        return;
    frame->function = symbol;
}

bool is_java_interpreter(const struct frame *frame)
{
    return frame->lang == LANG_JIT && frame->function != NULL &&
           strcmp(frame->function, "Interpreter") == 0;
}
