/* Cases: streams. What a buffer holds, or has room for, waits for nobody. */
#include "cases.h"

#include <stdarg.h>
#include <sys/socket.h>
#include <wchar.h>

static char text[8192], line[64];
static char *grown;
static size_t room;

static FILE *stream(int fd, const char *how)
{
    FILE *f = fdopen(fd, how);
    MUST(f);
    return f;
}

/* One that has been read from, so that all of `content` is in its buffer; a line is gone. */
static FILE *buffered(const char *content)
{
    FILE *f = stream(make_pipe(BLOCKING, content)[0], "r");
    MUST(fgets(text, sizeof(text), f));
    return f;
}

static FILE *unread(int flags, const char *content)
{
    return stream(make_pipe(flags, content)[0], "r");
}

#define READS(call, situation, stream, ...)                                                        \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        FILE *f = stream;                                                                          \
        (void)f;                                                                                   \
        NOW(__VA_ARGS__);                                                                          \
    }
#define TWO_LINES "one\n2 and the rest of it\n"
READS(fgets, pipe, unread(BLOCKING, TWO_LINES), fgets(line, sizeof(line), f))
READS(fgets, nonblocking_pipe, unread(NONBLOCKING, TWO_LINES), fgets(line, sizeof(line), f))
READS(fgets, buffered, buffered(TWO_LINES), fgets(line, sizeof(line), f))
READS(fread, pipe, unread(BLOCKING, TWO_LINES), (void)!fread(line, 4, 1, f))
READS(fread, buffered, buffered(TWO_LINES), (void)!fread(line, 4, 1, f))
READS(getline, pipe, unread(BLOCKING, TWO_LINES), getline(&grown, &room, f))
READS(getline, buffered, buffered(TWO_LINES), getline(&grown, &room, f))
READS(getdelim, buffered, buffered(TWO_LINES), getdelim(&grown, &room, 'a', f))
READS(getc, pipe, unread(BLOCKING, TWO_LINES), getc(f))
READS(getc, nonblocking_pipe, unread(NONBLOCKING, TWO_LINES), getc(f))
READS(getc, buffered, buffered(TWO_LINES), getc(f))
READS(fgetc, buffered, buffered(TWO_LINES), fgetc(f))
READS(fscanf, pipe, unread(BLOCKING, TWO_LINES), (void)!fscanf(f, "%1s", line))
READS(fscanf, buffered, buffered(TWO_LINES), (void)!fscanf(f, "%1s", line))
READS(fgetws, pipe, unread(BLOCKING, TWO_LINES), fgetws((wchar_t *)(void *)text, 64, f))
READS(getc, socket, stream(make_tcp(BLOCKING, TWO_LINES)[0], "r"), getc(f))
READS(getc, regular, stream(make_file(TWO_LINES, 0), "r"), getc(f))
READS(fgets, regular, stream(make_file(TWO_LINES, 0), "r"), fgets(line, sizeof(line), f))

/* The rest of a line is not in the buffer: it is filled a second time, and not as far. */
CASE(fgets, half_buffered)
{
    int *fds = make_pipe(BLOCKING, "a line of some length\nhalf a ");
    FILE *f = stream(fds[0], "r");
    MUST(fgets(line, sizeof(line), f));
    MUST(write(fds[1], "line, and the other half of it, longer than what was read before\n", 65) ==
         65);
    NOW(fgets(text, sizeof(text), f));
    MUST(strlen(text) > 60);
}

/* It is filled a second time, and reading goes on beyond where it was. */
CASE(fgets, half_buffered_at_its_beginning)
{
    int *fds = make_pipe(BLOCKING, "a\nhalf a ");
    FILE *f = stream(fds[0], "r");
    MUST(fgets(line, sizeof(line), f));
    MUST(write(fds[1], "line, and the other half\n", 25) == 25);
    NOW(fgets(text, sizeof(text), f));
}

CASE(getc, pushed_back)
{
    FILE *f = unread(BLOCKING, TWO_LINES);
    ungetc('x', f);
    NOW(getc(f));
}

/* ---- writing ----------------------------------------------------------------------------------*/

static FILE *out(int flags, const char *begun)
{
    int *fds = make_pipe(flags, NULL);
    FILE *f = stream(fds[1], "w");
    fputs(begun, f);
    return f;
}

static FILE *unbuffered(int flags)
{
    FILE *f = out(flags, "");
    setvbuf(f, NULL, _IONBF, 0);
    return f;
}

static FILE *by_line(const char *begun)
{
    FILE *f = stream(make_pipe(BLOCKING, NULL)[1], "w");
    setvbuf(f, NULL, _IOLBF, 0);
    fputs(begun, f);
    return f;
}

/* A log that is about to be flushed. */
static FILE *almost_full(void)
{
    FILE *f = out(BLOCKING, "");
    for (int i = 0; i < 4095; i++)
        putc('x', f);
    return f;
}

static const char *long_text(void)
{
    memset(text, 'x', sizeof(text) - 1);
    return text;
}

#define WRITES READS
WRITES(fwrite, buffer, out(BLOCKING, ""), fwrite("abc", 3, 1, f))
WRITES(fwrite, begun_buffer, out(BLOCKING, "begun"), fwrite("abc", 3, 1, f))
WRITES(fwrite, full_buffer, almost_full(), fwrite("abc", 3, 1, f))
/* Most of it goes out, and more is left in the buffer than there was. */
WRITES(fwrite, too_long, out(BLOCKING, "begun"), fwrite(long_text(), 8000, 1, f))
WRITES(fwrite, unbuffered, unbuffered(BLOCKING), fwrite("abc", 3, 1, f))
WRITES(fwrite, unbuffered_nonblocking, unbuffered(NONBLOCKING), fwrite("abc", 3, 1, f))
WRITES(fputs, buffer, out(BLOCKING, "begun"), fputs("abc\n", f))
WRITES(fputs, by_line, by_line(""), fputs("a line\n", f))
WRITES(fputs, by_line_unended, by_line(""), fputs("half a line", f))
WRITES(fputs, by_line_and_more, by_line("b"), fputs("egun\nand more", f))
WRITES(fputs, regular, stream(make_file(NULL, 0), "w"), fputs("abc", f))
WRITES(putc, buffer, out(BLOCKING, "begun"), putc('a', f))
WRITES(putc, unbuffered, unbuffered(BLOCKING), putc('a', f))
WRITES(fprintf, buffer, out(BLOCKING, "begun"), fprintf(f, "%s\n", line))
WRITES(fprintf, nothing, out(BLOCKING, "begun"), fprintf(f, "%s", ""))
WRITES(fprintf, full_buffer, almost_full(), fprintf(f, "%s\n", "abc"))
WRITES(fprintf, too_long, out(BLOCKING, "begun"), fprintf(f, "%s", long_text()))
WRITES(fprintf, by_line_and_more, by_line("b"), fprintf(f, "egun\n%s", "and more"))
WRITES(fprintf, unbuffered, unbuffered(BLOCKING), fprintf(f, "%s", "abc"))

/* What is wide must not have been narrow before. */
static FILE *wide(int buffering)
{
    FILE *f = stream(make_pipe(BLOCKING, NULL)[1], "w");
    setvbuf(f, NULL, buffering, BUFSIZ);
    MUST(fwide(f, 1) > 0);
    return f;
}

WRITES(fwprintf, buffer, wide(_IOFBF), MUST(fwprintf(f, L"%ls", L"abc") == 3))
WRITES(fwprintf, begun_buffer, (f = wide(_IOFBF), fputws(L"begun", f), f),
       MUST(fwprintf(f, L"%ls", L"abc") == 3))
WRITES(fwprintf, by_line, wide(_IOLBF), MUST(fwprintf(f, L"%ls\n", L"abc") == 4))
WRITES(fputws, buffer, wide(_IOFBF), MUST(fputws(L"abc", f) >= 0))
WRITES(fputws, by_line, wide(_IOLBF), MUST(fputws(L"abc\n", f) >= 0))

__attribute__((format(printf, 2, 3))) static void print(FILE *f, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(f, format, list);
    va_end(list);
}

WRITES(vfprintf, buffer, out(BLOCKING, "begun"), print(f, "%s", "abc"))
WRITES(vfprintf, too_long, out(BLOCKING, "begun"), print(f, "%s", long_text()))
WRITES(vfprintf, unbuffered, unbuffered(BLOCKING), print(f, "%s", "abc"))

/* What putc_unlocked is where a compiler puts it in place: only the end of the buffer is a call. */
extern int __overflow(FILE *, int);
WRITES(__overflow, full_buffer, (f = almost_full(), putc_unlocked('x', f), f), __overflow(f, 'x'))
WRITES(__overflow, fresh, stream(make_pipe(BLOCKING, NULL)[1], "w"), __overflow(f, 'x'))

/* ---- writing out ------------------------------------------------------------------------------*/

WRITES(fflush, begun, out(BLOCKING, "begun"), fflush(f))
WRITES(fflush, begun_nonblocking, out(NONBLOCKING, "begun"), fflush(f))
WRITES(fflush, empty, out(BLOCKING, ""), fflush(f))
WRITES(fflush, regular, (f = stream(make_file(NULL, 0), "w"), fputs("abc", f), f), fflush(f))
WRITES(fflush, all, out(BLOCKING, "begun"), fflush(NULL))
WRITES(fflush, all_empty, out(BLOCKING, ""), fflush(NULL))
WRITES(fclose, begun, out(BLOCKING, "begun"), fclose(f))
WRITES(fclose, begun_nonblocking, out(NONBLOCKING, "begun"), fclose(f))
WRITES(fclose, empty, out(BLOCKING, ""), fclose(f))
WRITES(fclose, read_from, unread(BLOCKING, TWO_LINES), fclose(f))
/* It fails, or says how far the program has written: nothing goes out. */
WRITES(ftell, begun, out(BLOCKING, "begun"), ftell(f))

CASE(fopen, regular)
{
    NOW(fopen("/etc/passwd", "r"));
}

CASE(tmpfile, any)
{
    NOW(tmpfile());
}

/* ---- no file at all ---------------------------------------------------------------------------*/

/* In memory that has held other things: none of its fields is what it happens to be. */
static FILE *in_memory(const char *how)
{
    void *dirt[64];
    for (int i = 0; i < 64; i++)
        dirt[i] = memset(malloc(600), 0, 600);
    for (int i = 0; i < 64; i++)
        free(dirt[i]);
    if (*how == 'r')
        return fmemopen(text, sizeof(text), "r");
    return *how == 'w' ? fmemopen(text, sizeof(text), "w") : open_memstream(&grown, &room);
}

READS(getc, memory, in_memory("r"), getc(f))
READS(fread, memory, in_memory("r"), (void)!fread(line, 4, 1, f))
WRITES(fwrite, memory, in_memory("w"), fwrite("abc", 3, 1, f))
WRITES(fwrite, growing_memory, in_memory("grow"), fwrite(long_text(), 8000, 1, f))
WRITES(fprintf, growing_memory, in_memory("grow"), fprintf(f, "%s", long_text()))
WRITES(fflush, memory, (f = in_memory("w"), fputs("abc", f), f), fflush(f))
WRITES(fclose, growing_memory, in_memory("grow"), errno = 0; MUST(fclose(f) == 0 && errno == 0))

/* ---- by descriptor ----------------------------------------------------------------------------*/

#define PRINTS(situation, descriptor)                                                              \
    CASE(dprintf, situation)                                                                       \
    {                                                                                              \
        int fd = descriptor;                                                                       \
        NOW(dprintf(fd, "%s", "abc"));                                                             \
    }
PRINTS(pipe, make_pipe(BLOCKING, NULL)[1])
PRINTS(nonblocking_pipe, make_pipe(NONBLOCKING, NULL)[1])
PRINTS(regular, make_file(NULL, 0))
