/* A stack in the text report: one line a frame, the frames of libc, interpreters and standard
 * libraries folded. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "words/describe.h"
#include "text.h"

static bool is_foldable(const struct text *t, const struct stack_view *view, size_t index)
{
    const struct frame *frame = &view->frames[index];
    ptrdiff_t at = (ptrdiff_t)index;
    if (frame->noise && !t->full)
        return true;
    /* The call, the culprit and what it called are what the report is about. */
    if (t->full || index == 0 || at == view->culprit)
        return false;
    if (at == view->culprit - 1 && frame->origin != ORIGIN_RUNTIME)
        return false;
    /* How a runtime came to call the culprit: 40 frames of tokio's, each with its generics. */
    if (frame->origin == ORIGIN_THIRD_PARTY && frame->lang == LANG_NATIVE && at > view->culprit)
        return true;
    return frame->origin == ORIGIN_LIBC || frame->origin == ORIGIN_RUNTIME ||
           frame->origin == ORIGIN_STDLIB;
}

/* The crate or the library of headers: `tokio` of `…/tokio-1.24.2/src/lib.rs`, `boost` of
 * `/usr/include/boost/…`, and else of `boost::asio::…`. NULL: not known. */
static const char *linked_in_owner(const struct frame *frame)
{
    static const char include[] = "/usr/include/";
    const char *file = frame->file;
    if (file != NULL && starts_with(file, include) && strchr(file + strlen(include), '/') != NULL)
        return intern_n(file + strlen(include), strcspn(file + strlen(include), "/"));
    const char *end = file != NULL && ends_with(file, ".rs") ? strstr(file, "/src/") : NULL;
    /* The registry of cargo's is called src, too. */
    for (const char *next; end != NULL && (next = strstr(end + 1, "/src/")) != NULL;)
        end = next;
    if (end != NULL) {
        const char *crate = end;
        while (crate > file && crate[-1] != '/')
            crate--;
        size_t len = (size_t)(end - crate);
        for (size_t i = 1; i + 1 < len; i++) {
            if (crate[i] == '-' && isdigit((unsigned char)crate[i + 1]))
                len = i;
        }
        return intern_n(crate, len);
    }
    const char *function = frame->function != NULL ? frame->function : "";
    function += strspn(function, "<&*");
    size_t len = strcspn(function, ":< ");
    return len > 0 && starts_with(function + len, "::") ? intern_n(function, len) : NULL;
}

/* What a folded frame belongs to: `libc.so.6`, `python3.11`, or `asyncio` of the standard library.
 */
static const char *owner_of(const struct frame *frame)
{
    const char *file = frame->file;
    if (frame->module != NULL && file != NULL && ends_with(file, ".rs") &&
        frame->origin == ORIGIN_STDLIB)
        return "Rust's standard library";
    if (frame->module != NULL && file != NULL && starts_with(file, "/usr/include/c++/"))
        return "C++ headers";
    if (frame->module != NULL && frame->origin == ORIGIN_THIRD_PARTY) {
        const char *owner = linked_in_owner(frame);
        return owner != NULL ? owner : frame->module;
    }
    if (frame->module != NULL)
        return frame->module;
    if (file == NULL)
        return frame->lang == LANG_JIT ? "JIT-compiled code" : "unknown code";
    if (starts_with(file, "<frozen "))
        return "importlib and other frozen modules";
    const char *base = base_name(file), *parent = base;
    if (parent > file + 1) {
        parent--;
        while (parent > file && parent[-1] != '/')
            parent--;
    }
    if (starts_with(parent, "python3") || parent == base)
        return intern_n(base, strcspn(base, "."));
    return intern_n(parent, (size_t)(base - parent) - 1);
}

/* Between two frames of a language the interpreter's own go without saying: the end of those from
 * `from` on; `from` where there is more to say. */
static size_t skip_interpreter(const struct text *t, const struct stack_view *view, size_t from)
{
    size_t end = from;
    while (end < view->count && is_foldable(t, view, end) &&
           view->frames[end].lang == LANG_NATIVE && view->frames[end].origin == ORIGIN_RUNTIME)
        end++;
    bool between = from > 0 && end < view->count && view->frames[from - 1].lang != LANG_NATIVE &&
                   view->frames[end].lang == view->frames[from - 1].lang &&
                   !is_foldable(t, view, end);
    return between ? end : from;
}

static size_t add_folded(const struct text *t, const struct stack_view *view, size_t from)
{
    enum { NAMED = 3 };
    const char *owners[NAMED];
    size_t named = 0, more = 0, end = from;
    for (; end < view->count && is_foldable(t, view, end); end++) {
        const char *owner = owner_of(&view->frames[end]);
        size_t i = 0;
        while (i < named && strcmp(owners[i], owner) != 0)
            i++;
        if (i == named && named < NAMED)
            owners[named++] = owner;
        else if (i == named)
            more++;
    }
    sb_addf(t->out, "       %s… ", t->palette->dim);
    describe_count(t->out, end - from, "frame");
    sb_add(t->out, " of ");
    for (size_t i = 0; i < named; i++) {
        sb_add(t->out, i > 0 ? ", " : "");
        sb_add_clean(t->out, owners[i]);
    }
    sb_addf(t->out, "%s%s\n", more > 0 ? " and others" : "", t->palette->reset);
    return end;
}

/* Names of templates and generic functions go on for ever. */
static void cut_name(struct strbuf *name)
{
    enum { LONGEST = 70 };
    size_t len = LONGEST;
    if (name->len <= LONGEST)
        return;
    while (len > 0 && (name->data[len] & 0xc0) == 0x80)
        len--;
    name->len = len;
    sb_add(name, "…");
}

/* Rust's library carries the hash of its commit. */
static const char *shown_file(const struct text *t, const char *file)
{
    const char *library = starts_with(file, "/rustc/") ? strstr(file, "/library/") : NULL;
    return library != NULL && !t->full ? library + 1 : file;
}

/* Of UTF-8. */
static int columns(const char *text)
{
    int count = 0;
    for (; *text != '\0'; text++)
        count += (*text & 0xc0) != 0x80;
    return count;
}

static void add_frame(const struct text *t, const struct frame *frame, bool is_culprit, int width)
{
    struct strbuf name = {0};
    sb_add(&name, ""); /* the name may be empty */
    if (frame->function != NULL && t->full)
        sb_add_clean(&name, frame->function);
    else if (frame->function != NULL)
        describe_function(&name, frame->function);
    else if (frame->module != NULL)
        sb_addf(&name, "+0x%" PRIx64, frame->vaddr);
    else
        sb_addf(&name, "0x%" PRIx64, frame->address);
    if (!t->full)
        cut_name(&name);
    sb_addf(t->out, "     %s%s ", is_culprit ? t->palette->error : "", is_culprit ? ">" : " ");
    sb_add(t->out, name.data);
    for (int column = columns(name.data); column < width; column++)
        sb_add(t->out, " ");
    sb_addf(t->out, "%s  ", is_culprit ? t->palette->reset : "");
    sb_free(&name);
    /* Nobody has the sources of libc and interpreters at their (relative) paths. */
    bool foreign = frame->module != NULL && frame->file != NULL && frame->file[0] != '/';
    if (frame->file != NULL && (t->full || !foreign)) {
        sb_add_clean(t->out, shown_file(t, frame->file));
        if (frame->line > 0)
            sb_addf(t->out, ":%d", frame->line);
    } else {
        sb_add_clean(t->out, frame->module ? frame->module : "");
    }
    sb_add(t->out, frame->inlined ? " (inlined)\n" : "\n");
}

static int name_width(const struct text *t, const struct stack_view *view)
{
    enum { WIDEST = 44 };
    size_t width = 12;
    for (size_t i = 0; i < view->count; i++) {
        const char *name = view->frames[i].function;
        if (name != NULL && !is_foldable(t, view, i) && strlen(name) > width)
            width = strlen(name);
    }
    return width > WIDEST ? WIDEST : (int)width;
}

void text_stack(const struct text *t, const struct stack_view *view)
{
    text_note(t);
    sb_add(t->out, "stack, innermost first");
    sb_add(t->out, view->truncated ? " (cut off):\n" : view->broken ? " (broken off):\n" : ":\n");
    int width = name_width(t, view);
    for (size_t i = 0; i < view->count;) {
        if (is_foldable(t, view, i)) {
            size_t end = skip_interpreter(t, view, i);
            i = end > i ? end : add_folded(t, view, i);
        } else {
            add_frame(t, &view->frames[i], (ptrdiff_t)i == view->culprit, width);
            i++;
        }
    }
    if (view->broken && view->hint != NULL) {
        text_note(t);
        sb_addf(t->out, "the outer frames are missing; to have them, %s\n", view->hint);
    }
}
