/* The line that a function of JavaScript has got to: the interpreter keeps the function and the
 * position in its bytecode in the frame, and V8's heap has the table from that position to one in
 * the source. Where the fields of the heap's objects lie, node exports for debuggers (v8dbg_…).
 *
 * The thread may be on its way again while its heap is read, and objects move. So each object must
 * be of the type that its place demands, the function's bytecode must be the frame's, the table
 * must end where it says, and the script must be the one that the perf map names. */
#include "v8.h"

#include "agent/base/memory.h"
#include "python.h"

#include <stddef.h>
#include <string.h>

enum { TABLE_MAX = 32 * 1024, NAME_MAX_LENGTH = 512 };

/* What node exports, as ints: v8dbg_ and these names. Of two the first that there is. */
#define CONSTANTS(X)                                                                               \
    X(tagged_size, "TaggedSize", NULL)                                                             \
    X(fp_function, "off_fp_function", NULL)                                                        \
    X(fp_bytecode, "off_fp_bytecode_array", NULL)                                                  \
    X(fp_offset, "off_fp_bytecode_offset", NULL)                                                   \
    X(instance_type, "class_Map__instance_type__uint16_t", NULL)                                   \
    X(shared, "class_JSFunction__shared__SharedFunctionInfo", NULL)                                \
    X(script, "class_SharedFunctionInfo__script_or_debug_info__HeapObject",                        \
      "class_SharedFunctionInfo__script__Tagged_HeapObject_")                                      \
    X(name, "class_Script__name__Object", NULL)                                                    \
    X(line_ends, "class_Script__line_ends__Object", NULL)                                          \
    X(bytecodes, "class_BytecodeArray__data__uintptr_t", NULL)                                     \
    X(length, "class_FixedArrayBase__length__SMI", NULL)                                           \
    X(elements, "class_FixedArray__data__uintptr_t", NULL)                                         \
    X(shared_type, "type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE", NULL)                     \
    X(script_type, "type_Script__SCRIPT_TYPE", NULL)                                               \
    X(bytecode_type, "type_BytecodeArray__BYTECODE_ARRAY_TYPE", NULL)                              \
    X(bytes_type, "type_TrustedByteArray__TRUSTED_BYTE_ARRAY_TYPE",                                \
      "type_ByteArray__BYTE_ARRAY_TYPE")                                                           \
    X(array_type, "type_FixedArray__FIXED_ARRAY_TYPE", NULL)

/* Not exported: what a SharedFunctionInfo says of its code, and the first of a pair in its place.
 */
enum { CODE = 8, FIRST = 8 };

static struct {
    bool looked, known;
    int32_t table; /* of positions, in a BytecodeArray; not exported either */
#define FIELD(field, symbol, or) int32_t field;
    CONSTANTS(FIELD)
#undef FIELD
} v8;

void st_v8_reset(void)
{
    v8.looked = false;
}

static bool read_constant(const struct st_py_module *module, const char *name, int32_t *value)
{
    char symbol[96] = "v8dbg_";
    size_t prefix = strlen(symbol), length = name ? strlen(name) : sizeof(symbol);
    if (prefix + length >= sizeof(symbol))
        return false;
    memcpy(symbol + prefix, name, length + 1);
    uint64_t at = st_py_symbol(module, symbol);
    return at && st_mem_read(at, value, sizeof(*value)) == 0;
}

static int take_constants(void *unused, const struct st_py_module *module)
{
    (void)unused;
    if (!read_constant(module, "TaggedSize", &v8.tagged_size))
        return 0;
    v8.known = v8.tagged_size == 8; /* no compressed pointers */
#define TAKE(field, symbol, or)                                                                    \
    v8.known = v8.known &&                                                                         \
               (read_constant(module, symbol, &v8.field) || read_constant(module, or, &v8.field));
    CONSTANTS(TAKE)
#undef TAKE
    /* up to V8 11: constants, handlers, positions; since 12: wrapper, positions, handlers */
    int32_t wrapper;
    if (read_constant(module, "class_BytecodeArray__wrapper__Tagged_BytecodeWrapper_", &wrapper))
        v8.table = wrapper + 8;
    else
        v8.table = v8.length + 24;
    return 1;
}

bool st_v8_words(int32_t *function, int32_t *bytecode, int32_t *offset)
{
    if (!v8.looked) {
        v8.looked = true;
        v8.known = false;
        st_py_each_module(take_constants, NULL);
    }
    *function = v8.fp_function;
    *bytecode = v8.fp_bytecode;
    *offset = v8.fp_offset;
    return v8.known;
}

/* ---- the heap ---- */

/* A pointer to an object has the lowest two bits 01. */
static bool is_object(uint64_t word)
{
    return (word & 3) == 1;
}

/* A small integer is the upper half of its word. */
static bool small(uint64_t word, uint32_t max, uint32_t *value)
{
    *value = (uint32_t)(word >> 32);
    return (uint32_t)word == 0 && *value <= max;
}

static bool field(uint64_t object, int32_t offset, uint64_t *word)
{
    return is_object(object) &&
           st_mem_read_cached(object - 1 + (uint64_t)offset, word, sizeof(*word)) == 0;
}

static bool object_field(uint64_t object, int32_t offset, uint64_t *word)
{
    return field(object, offset, word) && is_object(*word);
}

static bool is_of_type(uint64_t object, int32_t type)
{
    uint64_t map;
    uint16_t found;
    return object_field(object, 0, &map) &&
           st_mem_read_cached(map - 1 + (uint64_t)v8.instance_type, &found, sizeof(found)) == 0 &&
           found == type;
}

/* Does this function run this bytecode? It refers to it, or to a pair of it and the interpreter's
 * copy that stands on the stack under the function's name. */
static bool runs(uint64_t shared, uint64_t bytecode)
{
    uint64_t code, first;
    return object_field(shared, CODE, &code) &&
           (code == bytecode || (object_field(code, FIRST, &first) && first == bytecode));
}

/* The bytes of the table of positions. Returns their number. */
static uint32_t read_table(uint64_t bytecode, uint8_t *bytes)
{
    uint64_t table, word;
    uint32_t length;
    if (!object_field(bytecode, v8.table, &table) || !is_of_type(table, v8.bytes_type) ||
        !field(table, v8.length, &word) || !small(word, TABLE_MAX, &length) ||
        st_mem_read(table - 1 + (uint64_t)v8.elements, bytes, length) < 0)
        return 0;
    return length;
}

/* A number in seven bits a byte, the lowest first, its sign in the lowest bit. */
static bool number(const uint8_t *bytes, uint32_t length, uint32_t *at, int64_t *value)
{
    uint64_t bits = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (*at == length)
            return false;
        uint8_t byte = bytes[(*at)++];
        bits |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *value = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
            return true;
        }
    }
    return false;
}

/* The table may hold any numbers: what does not fit wraps, and is no position. */
static int64_t sum_of(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* The position in the source of the bytecode at `offset`: the table has pairs of differences, of
 * the offset (negative, less one, for an expression in a statement) and of the position. -1: none.
 */
static int64_t position_of(uint64_t bytecode, uint32_t offset)
{
    static uint8_t bytes[TABLE_MAX];
    uint32_t length = read_table(bytecode, bytes), at = 0;
    int64_t code = 0, position = 0, found = -1, by;
    while (at < length) {
        if (!number(bytes, length, &at, &by))
            return -1;
        code = sum_of(code, by < 0 ? ~by : by); /* -by - 1 */
        if (!number(bytes, length, &at, &by))
            return -1;
        position = sum_of(position, by);
        if (code <= offset)
            found = position;
    }
    /* bit 0: not in a script; then 30 bits, which begin at 1 */
    return found < 0 || found & 1 ? -1 : (found >> 1 & 0x3fffffff) - 1;
}

/* The line of a position: the script has the positions of the ends of its lines. 0: not known. */
static uint32_t line_of(uint64_t script, uint32_t position)
{
    enum { LINES_MAX = 1 << 24 };
    uint64_t ends, word;
    uint32_t count, end;
    if (!object_field(script, v8.line_ends, &ends) || !is_of_type(ends, v8.array_type) ||
        !field(ends, v8.length, &word) || !small(word, LINES_MAX, &count))
        return 0;
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (!field(ends, v8.elements + (int32_t)(middle * 8), &word) ||
            !small(word, UINT32_MAX, &end))
            return 0;
        if (end < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count ? low + 1 : 0;
}

struct st_v8_place st_v8_place(const struct st_v8_frame *frame)
{
    struct st_v8_place place = {0, 0};
    uint64_t shared, script, name;
    uint32_t offset;
    /* offsets are those of the array as an object: the bytecodes begin behind its other fields */
    if (!v8.known || !small(frame->offset, INT32_MAX, &offset) ||
        offset + 1 < (uint32_t)v8.bytecodes || !is_of_type(frame->bytecode, v8.bytecode_type) ||
        !object_field(frame->function, v8.shared, &shared) || !is_of_type(shared, v8.shared_type) ||
        !runs(shared, frame->bytecode) || !object_field(shared, v8.script, &script) ||
        !is_of_type(script, v8.script_type) || !object_field(script, v8.name, &name))
        return place;
    int64_t position = position_of(frame->bytecode, offset + 1 - (uint32_t)v8.bytecodes);
    if (position < 0)
        return place;
    place.script = name;
    place.line = line_of(script, (uint32_t)position);
    return place;
}

/* `…:12` or `…:12:5`: the line at the end of `place`, whose file is `length` long. */
static bool line_after(const char *place, size_t length, uint32_t *line)
{
    const char *p = place + length;
    *line = 0;
    if (*p++ != ':' || *p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        *line = *line * 10 + (uint32_t)(*p - '0');
    return *p == ':' || *p == 0;
}

/* A string's characters, of one byte each (others are not compared); NUL-terminated, cut off. One
 * that was put together, or is another's twin, refers to the other where they would be. */
static bool read_string(uint64_t string, char *out, size_t size)
{
    enum { LENGTH = 12, CHARACTERS = 16 };
    int32_t length, same;
    uint64_t other;
    if (!is_object(string) || st_mem_read(string - 1 + LENGTH, &length, sizeof(length)) < 0 ||
        length <= 0 || (size_t)length >= size)
        return false;
    if (field(string, CHARACTERS, &other) && is_object(other) &&
        st_mem_read(other - 1 + LENGTH, &same, sizeof(same)) == 0 && same == length)
        string = other;
    out[length] = 0;
    return st_mem_read(string - 1 + CHARACTERS, out, (size_t)length) == 0;
}

bool st_v8_is_in(const struct st_v8_place *place, const char *symbol)
{
    char name[NAME_MAX_LENGTH];
    uint32_t begins;
    const char *tier = strchr(symbol, ':'); /* `JS:~name …`: interpreted */
    if (!place->line || !tier || tier[1] != '~' || !read_string(place->script, name, sizeof(name)))
        return false;
    const char *found = strstr(symbol, name);
    return found && found != symbol && found[-1] == ' ' &&
           line_after(found, strlen(name), &begins) && place->line >= begins;
}
