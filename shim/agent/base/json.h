/* Writing the trace: one record at a time, built in a fixed buffer and appended by one write. */
#ifndef STALLTRACE_JSON_H
#define STALLTRACE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins a record of this type. */
void js_begin(const char *type);
void js_string(const char *key, const char *value);
void js_string_n(const char *key, const char *value, size_t len);
void js_number(const char *key, uint64_t value);
void js_hex(const char *key, uint64_t value);
void js_bool(const char *key, bool value);
/* An array or object as a member (key NULL: as an element), and its end. */
void js_open(const char *key, char bracket);
void js_close(char bracket);
/* Of the record so far. One that is not ended but begun anew is none. */
size_t js_length(void);
/* Ends the record and appends it. False: it could not be written (and will not be). */
bool js_end(void);
/* The process ends: what waits for room on the disk is written now, or lost. */
void js_last_try(void);
/* How long those writes have taken in all. */
uint64_t js_writing_ticks(void);

/* Opens the trace of this process: -errno where it cannot be. Done anew by each agent thread, since
 * a thread's descriptors go with it. */
int js_file_open(const char *directory, const char *name, bool again);
/* The descriptor, and putting another in its place (-1: none). */
int js_file_number(void);
void js_file_use(int fd);

#endif
