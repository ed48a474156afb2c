/* Function names for people: demangling and what compilers append. */
#include <libiberty/demangle.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "symbols.h"

/* The length of `name` without suffixes such as `.cold`, `.part.0`, `.constprop.0.isra.0`,
 * `.llvm.123`: they depend on the compiler's mood and would change a fingerprint. */
static size_t length_without_clone_suffix(const char *name)
{
    static const char *const suffixes[] = {".cold", ".part.",     ".constprop.", ".isra.",
                                           ".llvm", ".lto_priv.", ".localalias", ".clone."};
    size_t len = strlen(name);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        const char *found = strstr(name, suffixes[i]);
        if (found != NULL && found != name && (size_t)(found - name) < len)
            len = (size_t)(found - name);
    }
    return len;
}

/* `<crate::Type as Trait>::method::h0123456789abcdef`: the hash of Rust's legacy mangling. */
static size_t length_without_rust_hash(const char *name, size_t len)
{
    enum { HASH = 3 + 16 };
    if (len <= HASH || memcmp(name + len - HASH, "::h", 3) != 0)
        return len;
    for (size_t i = len - 16; i < len; i++) {
        if (!isxdigit((unsigned char)name[i]))
            return len;
    }
    return len - HASH;
}

const char *function_name(const char *linkage_name)
{
    /* A version (`read@@GLIBC_2.2.5`) is the linker's business. */
    const char *at = strchr(linkage_name, '@');
    char *plain = mem_strdup(linkage_name);
    if (at != NULL && at != linkage_name)
        plain[at - linkage_name] = '\0';
    plain[length_without_clone_suffix(plain)] = '\0';
    /* glibc's names for its own use: __GI___clock_nanosleep. */
    if (starts_with(plain, "__GI_")) {
        size_t prefix = strlen("__GI_");
        prefix += strspn(plain + prefix, "_");
        memmove(plain, plain + prefix, strlen(plain + prefix) + 1);
    }
    char *demangled = cplus_demangle(plain, DMGL_AUTO);
    const char *name = demangled ? demangled : plain;
    const char *result = intern_n(name, length_without_rust_hash(name, strlen(name)));
    free(demangled);
    free(plain);
    return result;
}

/* The `<` at `at` begins the arguments of a template or a generic: it follows a name, which is not
 * `operator`. */
static bool opens_arguments(const char *name, const char *at)
{
    static const char word[] = "operator";
    const size_t len = sizeof(word) - 1;
    if (at == name || (!isalnum((unsigned char)at[-1]) && at[-1] != '_' && at[-1] != ':'))
        return false;
    return (size_t)(at - name) < len || memcmp(at - len, word, len) != 0;
}

/* The `>` that belongs to the `<` at `at`; NULL where there is none. */
static const char *closing(const char *at)
{
    size_t depth = 0;
    for (; *at != '\0'; at++) {
        if (*at == '<')
            depth++;
        else if (*at == '>' && at[-1] != '-' && --depth == 0)
            return at;
    }
    return NULL;
}

size_t arguments_len(const char *name, const char *at)
{
    const char *end = *at == '<' && opens_arguments(name, at) ? closing(at) : NULL;
    return end != NULL ? (size_t)(end - at) + 1 : 0;
}
