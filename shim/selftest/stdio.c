/* Bodies: streams. Those that read wait at an empty pipe, those that write wait at a full one, on a
 * stream without a buffer or with something in it. */
#include "selftest.h"

static const char line[] = "12 ab\n";

static FILE *input(struct trial *t)
{
    int fds[2];
    make_pipe(t, fds);
    write_later(t, fds[1], line);
    expect(t, ST_STDIO, "pipe");
    return fdopen(dup(fds[0]), "r");
}

static FILE *output(struct trial *t)
{
    int fds[2];
    make_pipe(t, fds);
    fill(fds[1]);
    drain_later(t, fds[0]);
    expect(t, ST_STDIO, "pipe");
    FILE *f = fdopen(dup(fds[1]), "w");
    setvbuf(f, NULL, _IONBF, 0);
    return f;
}

/* Something is in its buffer. */
static FILE *pending(struct trial *t)
{
    static char buf[512];
    FILE *f = output(t);
    setvbuf(f, buf, _IOFBF, sizeof(buf));
    fputs("abc", f);
    return f;
}

static FILE *on_file(struct trial *t)
{
    const char *path = make_file(t, "file", line);
    expect(t, ST_STDIO, "%s", path);
    return fopen(path, "r+");
}

#define WITH(symbol, kind, f_make, expression)                                                     \
    TEST(symbol, kind)                                                                             \
    {                                                                                              \
        char buf[16] = "";                                                                         \
        FILE *f = f_make(t);                                                                       \
        CALLED(t, expression);                                                                     \
        digest_text(t, buf);                                                                       \
        fclose(f);                                                                                 \
    }
/* The same, with the stream in the place of a standard one, as the function expects it. */
#define AS(symbol, standard, f_make, expression)                                                   \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        char buf[16] = "";                                                                         \
        FILE *f = f_make(t), *before = standard;                                                   \
        standard = f;                                                                              \
        CALLED(t, expression);                                                                     \
        standard = before;                                                                         \
        digest_text(t, buf);                                                                       \
        fclose(f);                                                                                 \
    }
#define AS_VOID(symbol, standard, f_make, expression)                                              \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        FILE *f = f_make(t), *before = standard;                                                   \
        standard = f;                                                                              \
        CALLED_VOID(t, expression);                                                                \
        standard = before;                                                                         \
        fclose(f);                                                                                 \
    }

/* ---- opening and closing ----------------------------------------------------------------------*/

static void open_other_end(void *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    usleep(1000);
    close(fd);
}

TEST(fopen, HANGS)
{
    const char *path = make_path(t, "fifo");
    NEED(t, mkfifo(path, 0600) == 0);
    release_by(t, open_other_end, (void *)(uintptr_t)path);
    expect(t, ST_STDIO, "%s", path);
    FILE *f = CALLED(t, call(path, "r"));
    if (f)
        fclose(f);
}

TEST(freopen, QUICK)
{
    const char *path = make_file(t, "file", line);
    FILE *f = fopen(path, "r");
    expect(t, ST_STDIO, "%s", path);
    f = CALLED(t, call(path, "w", f));
    if (f)
        fclose(f);
}

TEST(tmpfile, QUICK)
{
    FILE *f = CALLED(t, call());
    if (f)
        fclose(f);
}

TEST(fclose, HANGS)
{
    FILE *f = pending(t);
    expect(t, ST_STDIO, hangs(t) ? "pipe" : "~"); /* while it writes */
    CALLED(t, call(f));
}

TEST(fcloseall, QUICK)
{
    IN_CHILD(t, call());
}

/* ---- blocks and lines -------------------------------------------------------------------------*/

WITH(fflush, HANGS, pending, call(f))
WITH(fflush_unlocked, HANGS, pending, call(f))
WITH(fread, HANGS, input, call(buf, 1, 4, f))
WITH(fread_unlocked, HANGS, input, call(buf, 1, 4, f))
WITH(__fread_chk, HANGS, input, call(buf, sizeof(buf), 1, 4, f))
WITH(__fread_unlocked_chk, HANGS, input, call(buf, sizeof(buf), 1, 4, f))
WITH(fwrite, HANGS, output, call("abcd", 1, 4, f))
WITH(fwrite_unlocked, HANGS, output, call("abcd", 1, 4, f))
WITH(fgets, HANGS, input, call(buf, 12, f))
WITH(fgets_unlocked, HANGS, input, call(buf, 12, f))
WITH(__fgets_chk, HANGS, input, call(buf, sizeof(buf), 12, f))
WITH(__fgets_unlocked_chk, HANGS, input, call(buf, sizeof(buf), 12, f))
WITH(fputs, HANGS, output, call("abcd", f))
WITH(fputs_unlocked, HANGS, output, call("abcd", f))
AS(puts, stdout, output, call("abcd"))
AS(gets, stdin, input, call(buf))
AS(__gets_chk, stdin, input, call(buf, sizeof(buf)))
WITH(getw, HANGS, input, call(f))
WITH(putw, HANGS, output, call(7, f))

#define LINE(symbol, ...)                                                                          \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        char *text = NULL;                                                                         \
        size_t n = 0;                                                                              \
        FILE *f = input(t);                                                                        \
        CALLED(t, call(&text, &n, __VA_ARGS__));                                                   \
        digest_text(t, keep_memory(t, text));                                                      \
        fclose(f);                                                                                 \
    }
LINE(getline, f)
LINE(getdelim, 'a', f)

/* ---- characters -------------------------------------------------------------------------------*/

WITH(getc, HANGS, input, call(f))
WITH(fgetc, HANGS, input, call(f))
WITH(getc_unlocked, HANGS, input, call(f))
WITH(fgetc_unlocked, HANGS, input, call(f))
AS(getchar, stdin, input, call())
AS(getchar_unlocked, stdin, input, call())
WITH(__uflow, HANGS, input, call(f))
WITH(__underflow, HANGS, input, call(f))
WITH(putc, HANGS, output, call('a', f))
WITH(fputc, HANGS, output, call('a', f))
WITH(putc_unlocked, HANGS, output, call('a', f))
WITH(fputc_unlocked, HANGS, output, call('a', f))
AS(putchar, stdout, output, call('a'))
AS(putchar_unlocked, stdout, output, call('a'))
WITH(__overflow, HANGS, output, call(f, 'a'))

/* ---- positions --------------------------------------------------------------------------------*/

WITH(fseek, QUICK, on_file, call(f, 2, SEEK_SET))
WITH(fseeko, QUICK, on_file, call(f, 2, SEEK_SET))
WITH(ftell, QUICK, on_file, call(f))
WITH(ftello, QUICK, on_file, call(f))

TEST(rewind, QUICK)
{
    FILE *f = on_file(t);
    CALLED_VOID(t, call(f));
    fclose(f);
}

TEST(fgetpos, QUICK)
{
    fpos_t position;
    FILE *f = on_file(t);
    CALLED(t, call(f, &position));
    fclose(f);
}

TEST(fsetpos, QUICK)
{
    fpos_t position;
    FILE *f = on_file(t);
    NEED(t, fgetpos(f, &position) == 0);
    CALLED(t, call(f, &position));
    fclose(f);
}

/* ---- formats ----------------------------------------------------------------------------------*/

static int number;

#define MANY        1, 2L, "3", 4.5, '6', 7ULL, 8.25, 9, 10
#define MANY_FORMAT "%d %ld %s %g %c %llu %g %d %d"

AS(printf, stdout, output, call(MANY_FORMAT, MANY))
AS(__printf_chk, stdout, output, call(1, MANY_FORMAT, MANY))
WITH(fprintf, HANGS, output, call(f, MANY_FORMAT, MANY))
WITH(__fprintf_chk, HANGS, output, call(f, 1, MANY_FORMAT, MANY))
AS(scanf, stdin, input, call("%d %s", &number, buf))
AS(__isoc99_scanf, stdin, input, call("%d %s", &number, buf))
WITH(fscanf, HANGS, input, call(f, "%d %s", &number, buf))
WITH(__isoc99_fscanf, HANGS, input, call(f, "%d %s", &number, buf))

/* Calls the v form with a list made of what it is given. */
#define V(symbol, type, before)                                                                    \
    static int list_##symbol(fn_##symbol *call, FILE *f, const type *format, ...)                  \
    {                                                                                              \
        va_list list;                                                                              \
        (void)f;                                                                                   \
        va_start(list, format);                                                                    \
        int r = call(before format, list);                                                         \
        va_end(list);                                                                              \
        return r;                                                                                  \
    }
#define COMMA ,
V(vprintf, char, )
V(__vprintf_chk, char, 1 COMMA)
V(vfprintf, char, f COMMA)
V(__vfprintf_chk, char, f COMMA 1 COMMA)
V(vdprintf, char, fileno(f) COMMA)
V(__vdprintf_chk, char, fileno(f) COMMA 1 COMMA)
V(vscanf, char, )
V(__isoc99_vscanf, char, )
V(vfscanf, char, f COMMA)
V(__isoc99_vfscanf, char, f COMMA)

static int list__IO_vfscanf_2_2_5(fn__IO_vfscanf_2_2_5 *call, FILE *f, const char *format, ...)
{
    va_list list;
    int error = -1;
    va_start(list, format);
    int r = call(f, format, list, &error);
    va_end(list);
    return error == 0 ? r : -100;
}
#define LISTED(symbol, ...) list_##symbol(call, f, __VA_ARGS__)

AS(vprintf, stdout, output, LISTED(vprintf, MANY_FORMAT, MANY))
AS(__vprintf_chk, stdout, output, LISTED(__vprintf_chk, MANY_FORMAT, MANY))
WITH(vfprintf, HANGS, output, LISTED(vfprintf, MANY_FORMAT, MANY))
WITH(__vfprintf_chk, HANGS, output, LISTED(__vfprintf_chk, MANY_FORMAT, MANY))
WITH(vdprintf, HANGS, output, LISTED(vdprintf, MANY_FORMAT, MANY))
WITH(__vdprintf_chk, HANGS, output, LISTED(__vdprintf_chk, MANY_FORMAT, MANY))
WITH(dprintf, HANGS, output, call(fileno(f), MANY_FORMAT, MANY))
WITH(__dprintf_chk, HANGS, output, call(fileno(f), 1, MANY_FORMAT, MANY))
AS(vscanf, stdin, input, LISTED(vscanf, "%d %s", &number, buf))
AS(__isoc99_vscanf, stdin, input, LISTED(__isoc99_vscanf, "%d %s", &number, buf))
WITH(vfscanf, HANGS, input, LISTED(vfscanf, "%d %s", &number, buf))
WITH(__isoc99_vfscanf, HANGS, input, LISTED(__isoc99_vfscanf, "%d %s", &number, buf))
WITH(_IO_vfscanf_2_2_5, HANGS, input, LISTED(_IO_vfscanf_2_2_5, "%d %s", &number, buf))

/* ---- messages ---------------------------------------------------------------------------------*/

static const siginfo_t some_signal = {.si_signo = SIGUSR1};

#define WARNS(symbol)                                                                              \
    static void list_##symbol(fn_##symbol *call, const char *format, ...)                          \
    {                                                                                              \
        va_list list;                                                                              \
        va_start(list, format);                                                                    \
        call(format, list);                                                                        \
        va_end(list);                                                                              \
    }                                                                                              \
    AS_VOID(symbol, stderr, output, list_##symbol(call, "%d %s", 1, "a"))
AS_VOID(perror, stderr, output, call("a"))
AS_VOID(psignal, stderr, output, call(SIGUSR1, "a"))
AS_VOID(warn, stderr, output, call("%d %s", 1, "a"))
AS_VOID(warnx, stderr, output, call("%d %s", 1, "a"))
WARNS(vwarn)
WARNS(vwarnx)

/* Past the stream, to the descriptor. */
TEST(psiginfo, QUICK)
{
    int fd = keep_fd(t, open("/dev/null", O_WRONLY | O_CLOEXEC));
    expect(t, ST_STDIO, "/dev/null");
    IN_CHILD_VOID(t, (dup2(fd, STDERR_FILENO), call(&some_signal, "a")));
}
