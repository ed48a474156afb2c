/* No processor: see ../x86_64/stubs.h for what each of these is to do. */
#ifndef STALLTRACE_STUBS_NONE_H
#define STALLTRACE_STUBS_NONE_H

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define ST_LAZY(symbol, result, parameters)                                                        \
    result lazy_##symbol parameters;                                                               \
    result lazy_##symbol parameters                                                                \
    {                                                                                              \
        __builtin_trap();                                                                          \
    }
#define ST_LAZY_COMMON
#define ST_OTHER_NAME(symbol, of)
#define ST_PASS_ON(symbol)
#define ST_NOTE_AND_PASS_ON(symbol, flag)
#define ST_RESTORER                                                                                \
    __attribute__((visibility("hidden"))) void st_restorer(void);                                  \
    void st_restorer(void)                                                                         \
    {                                                                                              \
        __builtin_trap();                                                                          \
    }

#endif
