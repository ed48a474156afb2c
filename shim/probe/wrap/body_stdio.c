/* Wrappers of stdio that a generated one would be wrong or slow for: single characters, which are
 * passed on where the buffer has the answer (or has room), and formats, which go through their v
 * form on a loop thread. */
#include "real.h"

/* ---- single characters ------------------------------------------------------------------------*/

#define CHARACTER(symbol, result, parameters, arguments, stream, ready, position, direction)       \
    ON_LOOP(symbol, result, parameters)                                                            \
    {                                                                                              \
        result r;                                                                                  \
        TIMED(symbol, ST_STDIO, stream, position(stream), direction, r = real_##symbol arguments); \
        return r;                                                                                  \
    }                                                                                              \
    WRAPPER(symbol, result, parameters)                                                            \
    {                                                                                              \
        if (ST_LIKELY(!st_self) || ST_LIKELY(ready))                                               \
            return real_##symbol arguments;                                                        \
        return loop_##symbol arguments;                                                            \
    }

#define GET(symbol, result, parameters, arguments, f, ready)                                       \
    CHARACTER(symbol, result, parameters, arguments, f, ready, st_unread, ST_STREAM_READ)
#define PUT(symbol, result, parameters, arguments, f, ready)                                       \
    CHARACTER(symbol, result, parameters, arguments, f, ready, st_unwritten, ST_WRITES(1))

#define HAS_INPUT(f) (st_has_input(f) && !st_stream_locked(f))
#define HAS_ROOM(f)  (st_has_room(f) && !st_stream_locked(f))

GET(getc, int, (FILE * f), (f), f, HAS_INPUT(f))
GET(fgetc, int, (FILE * f), (f), f, HAS_INPUT(f))
GET(getchar, int, (void), (), st_stdin(), HAS_INPUT(st_stdin()))
GET(getc_unlocked, int, (FILE * f), (f), f, st_has_input(f))
GET(fgetc_unlocked, int, (FILE * f), (f), f, st_has_input(f))
GET(getchar_unlocked, int, (void), (), st_stdin(), st_has_input(st_stdin()))
PUT(putc, int, (int c, FILE *f), (c, f), f, HAS_ROOM(f))
PUT(fputc, int, (int c, FILE *f), (c, f), f, HAS_ROOM(f))
PUT(putchar, int, (int c), (c), stdout, HAS_ROOM(stdout))
PUT(putc_unlocked, int, (int c, FILE *f), (c, f), f, st_has_room(f))
PUT(fputc_unlocked, int, (int c, FILE *f), (c, f), f, st_has_room(f))
PUT(putchar_unlocked, int, (int c), (c), stdout, st_has_room(stdout))

#define HAS_WIDE_INPUT(f) (st_has_wide_input(f) && !st_stream_locked(f))
#define HAS_WIDE_ROOM(f)  (st_has_wide_room(f) && !st_stream_locked(f))

GET(fgetwc, wint_t, (FILE * f), (f), f, HAS_WIDE_INPUT(f))
GET(getwc, wint_t, (FILE * f), (f), f, HAS_WIDE_INPUT(f))
GET(getwchar, wint_t, (void), (), st_stdin(), HAS_WIDE_INPUT(st_stdin()))
GET(fgetwc_unlocked, wint_t, (FILE * f), (f), f, st_has_wide_input(f))
GET(getwc_unlocked, wint_t, (FILE * f), (f), f, st_has_wide_input(f))
GET(getwchar_unlocked, wint_t, (void), (), st_stdin(), st_has_wide_input(st_stdin()))
PUT(fputwc, wint_t, (wchar_t c, FILE *f), (c, f), f, HAS_WIDE_ROOM(f))
PUT(putwc, wint_t, (wchar_t c, FILE *f), (c, f), f, HAS_WIDE_ROOM(f))
PUT(putwchar, wint_t, (wchar_t c), (c), stdout, HAS_WIDE_ROOM(stdout))
PUT(fputwc_unlocked, wint_t, (wchar_t c, FILE *f), (c, f), f, st_has_wide_room(f))
PUT(putwc_unlocked, wint_t, (wchar_t c, FILE *f), (c, f), f, st_has_wide_room(f))
PUT(putwchar_unlocked, wint_t, (wchar_t c), (c), stdout, st_has_wide_room(stdout))

/* ---- formats ----------------------------------------------------------------------------------*/

/* The result says how much was printed: kept with the call, for strict mode. */
#define TIMED_PRINT(symbol, f, call)                                                               \
    do {                                                                                           \
        ST_PERSONALITY();                                                                          \
        struct st_slot *slot_ = st_self;                                                           \
        uint32_t seq_ =                                                                            \
            st_enter(slot_, ST_CALL_##symbol, (uintptr_t)(f), st_unwritten(f), ST_WRITES(-1));     \
        call;                                                                                      \
        if (seq_) {                                                                                \
            slot_->args[2] = ST_WRITES((intptr_t)r);                                               \
            st_leave(slot_, seq_, ST_STDIO);                                                       \
        }                                                                                          \
    } while (0)

/* The v form of the same function, the checked one of a checked one: what it does with the format
 * and the list is the same code in libc. */
#define FORMAT(symbol, parameters, timed)                                                          \
    VARIADIC_ON_LOOP(symbol, int, parameters)                                                      \
    {                                                                                              \
        va_list list;                                                                              \
        int r;                                                                                     \
        st_want_address(ST_CALL_##symbol);                                                         \
        va_start(list, format);                                                                    \
        timed;                                                                                     \
        va_end(list);                                                                              \
        return r;                                                                                  \
    }
#define PRINT(symbol, v, parameters, f, ...)                                                       \
    FORMAT(symbol, parameters, TIMED_PRINT(symbol, f, r = real_##v(__VA_ARGS__, list)))
#define SCAN(symbol, v, parameters, f, ...)                                                        \
    FORMAT(                                                                                        \
        symbol, parameters,                                                                        \
        TIMED(symbol, ST_STDIO, f, st_unread(f), ST_STREAM_READ, r = real_##v(__VA_ARGS__, list)))
#define DPRINT(symbol, v, parameters, ...)                                                         \
    FORMAT(symbol, parameters, TIMED(symbol, ST_STDIO, fd, 0, 0, r = real_##v(__VA_ARGS__, list)))

PRINT(printf, vprintf, (const char *format, ...), stdout, format)
PRINT(__printf_chk, __vprintf_chk, (int flags, const char *format, ...), stdout, flags, format)
PRINT(fprintf, vfprintf, (FILE * f, const char *format, ...), f, f, format)
PRINT(__fprintf_chk, __vfprintf_chk, (FILE * f, int flags, const char *format, ...), f, f, flags,
      format)
DPRINT(dprintf, vdprintf, (int fd, const char *format, ...), fd, format)
DPRINT(__dprintf_chk, __vdprintf_chk, (int fd, int flags, const char *format, ...), fd, flags,
       format)
SCAN(scanf, vscanf, (const char *format, ...), st_stdin(), format)
SCAN(__isoc99_scanf, __isoc99_vscanf, (const char *format, ...), st_stdin(), format)
SCAN(fscanf, vfscanf, (FILE * f, const char *format, ...), f, f, format)
SCAN(__isoc99_fscanf, __isoc99_vfscanf, (FILE * f, const char *format, ...), f, f, format)

PRINT(wprintf, vwprintf, (const wchar_t *format, ...), stdout, format)
PRINT(__wprintf_chk, __vwprintf_chk, (int flags, const wchar_t *format, ...), stdout, flags, format)
PRINT(fwprintf, vfwprintf, (FILE * f, const wchar_t *format, ...), f, f, format)
PRINT(__fwprintf_chk, __vfwprintf_chk, (FILE * f, int flags, const wchar_t *format, ...), f, f,
      flags, format)
SCAN(wscanf, vwscanf, (const wchar_t *format, ...), st_stdin(), format)
SCAN(__isoc99_wscanf, __isoc99_vwscanf, (const wchar_t *format, ...), st_stdin(), format)
SCAN(fwscanf, vfwscanf, (FILE * f, const wchar_t *format, ...), f, f, format)
SCAN(__isoc99_fwscanf, __isoc99_vfwscanf, (FILE * f, const wchar_t *format, ...), f, f, format)

#define VPRINT(symbol, f, parameters, arguments)                                                   \
    ON_LOOP(symbol, int, parameters)                                                               \
    {                                                                                              \
        int r;                                                                                     \
        TIMED_PRINT(symbol, f, r = real_##symbol arguments);                                       \
        return r;                                                                                  \
    }                                                                                              \
    ASK_LOOP(symbol, int, parameters, arguments)
VPRINT(vprintf, stdout, (const char *format, va_list list), (format, list))
VPRINT(__vprintf_chk, stdout, (int flags, const char *format, va_list list), (flags, format, list))
VPRINT(vfprintf, f, (FILE * f, const char *format, va_list list), (f, format, list))
VPRINT(__vfprintf_chk, f, (FILE * f, int flags, const char *format, va_list list),
       (f, flags, format, list))
VPRINT(vwprintf, stdout, (const wchar_t *format, va_list list), (format, list))
VPRINT(__vwprintf_chk, stdout, (int flags, const wchar_t *format, va_list list),
       (flags, format, list))
VPRINT(vfwprintf, f, (FILE * f, const wchar_t *format, va_list list), (f, format, list))
VPRINT(__vfwprintf_chk, f, (FILE * f, int flags, const wchar_t *format, va_list list),
       (f, flags, format, list))

#define WARN(symbol, v)                                                                            \
    VARIADIC_ON_LOOP(symbol, void, (const char *format, ...))                                      \
    {                                                                                              \
        va_list list;                                                                              \
        st_want_address(ST_CALL_##symbol);                                                         \
        va_start(list, format);                                                                    \
        TIMED(symbol, ST_STDIO, stderr, 0, ST_STREAM_WRITE, real_##v(format, list));               \
        va_end(list);                                                                              \
    }
WARN(warn, vwarn)
WARN(warnx, vwarnx)

/* ---- closing: what is left in the buffer is written out --------------------------------------*/

ON_LOOP(fclose, int, (FILE * f))
{
    int r;
    TIMED(fclose, ST_STDIO, f->_fileno, st_is_strict(ST_STDIO) && st_closing_writes(f), f,
          r = real_fclose(f));
    return r;
}

WRAPPER(fclose, int, (FILE * f))
{
    if (ST_LIKELY(!st_self))
        return real_fclose(f);
    return loop_fclose(f);
}
