/* Bodies: streams of wide characters, as in stdio.c. */
#include "selftest.h"

static FILE *input(struct trial *t)
{
    int fds[2];
    make_pipe(t, fds);
    write_later(t, fds[1], "12 ab\n");
    expect(t, ST_STDIO, "pipe");
    FILE *f = fdopen(dup(fds[0]), "r");
    fwide(f, 1);
    return f;
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
    fwide(f, 1);
    return f;
}

#define WITH(symbol, f_make, expression)                                                           \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        wchar_t buf[16] = L"";                                                                     \
        FILE *f = f_make(t);                                                                       \
        CALLED(t, expression);                                                                     \
        digest_data(t, buf, sizeof(buf));                                                          \
        fclose(f);                                                                                 \
    }
#define AS(symbol, standard, f_make, expression)                                                   \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        wchar_t buf[16] = L"";                                                                     \
        FILE *f = f_make(t), *before = standard;                                                   \
        standard = f;                                                                              \
        CALLED(t, expression);                                                                     \
        standard = before;                                                                         \
        digest_data(t, buf, sizeof(buf));                                                          \
        fclose(f);                                                                                 \
    }

WITH(fgetwc, input, call(f))
WITH(getwc, input, call(f))
WITH(fgetwc_unlocked, input, call(f))
WITH(getwc_unlocked, input, call(f))
AS(getwchar, stdin, input, call())
AS(getwchar_unlocked, stdin, input, call())
WITH(__wuflow, input, call(f))
WITH(__wunderflow, input, call(f))
WITH(fputwc, output, call(L'a', f))
WITH(putwc, output, call(L'a', f))
WITH(fputwc_unlocked, output, call(L'a', f))
WITH(putwc_unlocked, output, call(L'a', f))
AS(putwchar, stdout, output, call(L'a'))
AS(putwchar_unlocked, stdout, output, call(L'a'))
WITH(__woverflow, output, call(f, L'a'))
WITH(fgetws, input, call(buf, 12, f))
WITH(fgetws_unlocked, input, call(buf, 12, f))
WITH(__fgetws_chk, input, call(buf, 16, 12, f))
WITH(__fgetws_unlocked_chk, input, call(buf, 16, 12, f))
WITH(fputws, output, call(L"abcd", f))
WITH(fputws_unlocked, output, call(L"abcd", f))

static int number;

#define MANY        1, 2L, L"3", 4.5, 5ULL, 6.25, 7, 8, 9
#define MANY_FORMAT L"%d %ld %ls %g %llu %g %d %d %d"

AS(wprintf, stdout, output, call(MANY_FORMAT, MANY))
AS(__wprintf_chk, stdout, output, call(1, MANY_FORMAT, MANY))
WITH(fwprintf, output, call(f, MANY_FORMAT, MANY))
WITH(__fwprintf_chk, output, call(f, 1, MANY_FORMAT, MANY))
AS(wscanf, stdin, input, call(L"%d %ls", &number, buf))
AS(__isoc99_wscanf, stdin, input, call(L"%d %ls", &number, buf))
WITH(fwscanf, input, call(f, L"%d %ls", &number, buf))
WITH(__isoc99_fwscanf, input, call(f, L"%d %ls", &number, buf))

#define V(symbol, before)                                                                          \
    static int list_##symbol(fn_##symbol *call, FILE *f, const wchar_t *format, ...)               \
    {                                                                                              \
        va_list list;                                                                              \
        (void)f;                                                                                   \
        va_start(list, format);                                                                    \
        int r = call(before format, list);                                                         \
        va_end(list);                                                                              \
        return r;                                                                                  \
    }
#define COMMA ,
V(vwprintf, )
V(__vwprintf_chk, 1 COMMA)
V(vfwprintf, f COMMA)
V(__vfwprintf_chk, f COMMA 1 COMMA)
V(vwscanf, )
V(__isoc99_vwscanf, )
V(vfwscanf, f COMMA)
V(__isoc99_vfwscanf, f COMMA)
#define LISTED(symbol, ...) list_##symbol(call, f, __VA_ARGS__)

AS(vwprintf, stdout, output, LISTED(vwprintf, MANY_FORMAT, MANY))
AS(__vwprintf_chk, stdout, output, LISTED(__vwprintf_chk, MANY_FORMAT, MANY))
WITH(vfwprintf, output, LISTED(vfwprintf, MANY_FORMAT, MANY))
WITH(__vfwprintf_chk, output, LISTED(__vfwprintf_chk, MANY_FORMAT, MANY))
AS(vwscanf, stdin, input, LISTED(vwscanf, L"%d %ls", &number, buf))
AS(__isoc99_vwscanf, stdin, input, LISTED(__isoc99_vwscanf, L"%d %ls", &number, buf))
WITH(vfwscanf, input, LISTED(vfwscanf, L"%d %ls", &number, buf))
WITH(__isoc99_vfwscanf, input, LISTED(__isoc99_vfwscanf, L"%d %ls", &number, buf))
