/* src/base/str.h - Str: a borrowed piece of text or bytes, pointer and length.
 *
 * A Str owns nothing and need not end in NUL. Functions that make a new string take an arena.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/err.h"

#include <stdint.h>
#include <string.h>

struct arena;

typedef struct Str {
    const char *p;
    size_t n;
} Str;

/* A literal as Str; P(s) prints one with "%.*s". */
#define S(lit) ((Str){"" lit, sizeof(lit) - 1})
#define S_INIT(lit)                                                                                \
    {                                                                                              \
        "" lit, sizeof(lit) - 1                                                                    \
    }
#define P(s) (int)((s).n > 1u << 20 ? 1u << 20 : (s).n), ((s).p ? (s).p : "")
#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline Str str_from(const char *p, size_t n)
{
    return (Str){p, n};
}

/* The Str of a NUL-terminated string; NULL gives the empty Str. */
static inline Str str_c(const char *c)
{
    return (Str){c ? c : "", c ? strlen(c) : 0};
}

static inline bool str_is_empty(Str s)
{
    return s.n == 0;
}

static inline bool str_eq(Str a, Str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(Str s, Str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends(Str s, Str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* @s without its first @n bytes (all of it gone if @n is larger). */
static inline Str str_skip(Str s, size_t n)
{
    return n < s.n ? (Str){s.p + n, s.n - n} : (Str){s.p + s.n, 0};
}

/* The first @n bytes of @s at most. */
static inline Str str_head(Str s, size_t n)
{
    return (Str){s.p, n < s.n ? n : s.n};
}

/* ASCII letters compare without case. */
bool str_eq_nocase(Str a, Str b);
bool str_starts_nocase(Str s, Str prefix);
/* Byte order; negative, 0 or positive. */
int str_cmp(Str a, Str b);
/* Where @c, or @what, first stands in @s; SIZE_MAX if nowhere. */
size_t str_find_char(Str s, char c);
size_t str_find(Str s, Str what);
/* Without ASCII white space at both ends. */
Str str_trim(Str s);
/* Cut @s at the first @sep: *head is what stands before it, the result what follows. Without @sep,
 * *head is all of @s and the result is empty with p == NULL. Loop: while (rest.p) ... */
Str str_cut(Str s, char sep, Str *ret_head);
/* Whole decimal numbers; E_SYNTAX for anything else, E_RANGE when it does not fit. No detail is
 * set. */
Err str_to_i64(Str s, int64_t *ret_value);
Err str_to_u64(Str s, uint64_t *ret_value);
/* "true/false", "on/off", "yes/no", "1/0". */
Err str_to_bool(Str s, bool *ret_value);
/* A size such as "512", "64k", "64KiB", "8M", "1GiB" in bytes (powers of two throughout). */
Err str_to_size(Str s, size_t *ret_bytes);

/* Copies in @a. str_dup_c adds a NUL. */
Str str_dup(struct arena *a, Str s);
char *str_dup_c(struct arena *a, Str s);
Str str_fmt(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A number in decimal digits, much cheaper than str_fmt(). */
Str str_from_i64(struct arena *a, int64_t v);
/* @n strings joined. */
Str str_join(struct arena *a, const Str *parts, size_t n, Str sep);
/* ASCII lower case. */
Str str_lower(struct arena *a, Str s);

/* Equal in a time that depends on the lengths alone: for secrets. */
bool str_eq_secret(Str a, Str b);

/* For tables whose keys nobody chooses to collide; the same in every process. */
uint64_t str_hash(Str s);
/* SipHash-1-3 with a secret key: for tables that hold keys of clients. */
uint64_t str_hash_keyed(Str s, const uint64_t key[2]);
/* The key of this process: random, made at the first call. Safe on any thread. */
const uint64_t *str_hash_key(void);

#endif
