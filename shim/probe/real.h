/* Pointers to libc's own functions, one for each row of calls.def. Each starts out at a stub that
 * resolves it, so a wrapper never has to ask whether it has been. */
#ifndef STALLTRACE_REAL_H
#define STALLTRACE_REAL_H

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

#define CALL(symbol, name, version, class, rule, result, parameters, ...)                          \
    extern result(*real_##symbol) parameters;
#define BODY     CALL
#define VARIADIC CALL
#define NUMBER(...)
#define ALIAS(symbol, of)
#include "calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS

/* A wrapper is a C function of another name than the one it is linked under: no clash with the
 * declarations in libc's headers. */
#define WRAPPER(symbol, result, parameters)                                                        \
    ST_EXPORT result wrap_##symbol parameters __asm__(#symbol);                                    \
    result wrap_##symbol parameters

/* The part of a wrapper that runs on loop threads alone, out of line so that the other path needs
 * no stack frame. */
#define ON_LOOP(symbol, result, parameters)                                                        \
    static __attribute__((noinline)) result loop_##symbol parameters

#endif
