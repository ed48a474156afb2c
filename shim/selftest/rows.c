/* The rows of calls.def, with what tests each: a row without a body does not link. */
#include "selftest.h"

const struct row rows[ST_CALL_COUNT] = {
#define CALL(symbol, name, version, class, rule, ...)                                              \
    {#symbol, #symbol, name, version, ST_##class, ST_RULE_##rule, -1, false, &test_##symbol},
#define OLD(symbol, of, name, version, class, rule, ...)                                           \
    {#of "@" version, #of, name, version, ST_##class, ST_RULE_##rule, -1, true, &test_##symbol},
#define OLDBODY  OLD
#define BODY     CALL
#define VARIADIC CALL
#define NUMBER(symbol, class, rule)                                                                \
    {#symbol, "syscall", #symbol, NULL, ST_##class, ST_RULE_##rule, -1, false, &test_##symbol},
#define ALIAS(symbol, of)                                                                          \
    {#symbol, #symbol, NULL, NULL, ST_CLASS_SLOTS, ST_RULE_NONE, ST_CALL_##of, false, &test_##of},
#include "probe/calls.def"
#undef OLD
#undef OLDBODY
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS
};
