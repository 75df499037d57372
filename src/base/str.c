/* src/base/str.c - operations on borrowed text. */
#include "base/str.h"

#include "base/arena.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

static inline char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool str_eq_nocase(Str a, Str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (a.p[i] != b.p[i] && lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_starts_nocase(Str s, Str prefix)
{
    return s.n >= prefix.n && str_eq_nocase(str_head(s, prefix.n), prefix);
}

int str_cmp(Str a, Str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

size_t str_find_char(Str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t str_find(Str s, Str what)
{
    if (what.n == 0)
        return 0;
    const char *at = s.n ? memmem(s.p, s.n, what.p, what.n) : NULL;
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

Str str_trim(Str s)
{
    while (s.n && is_space(s.p[0]))
        s = str_skip(s, 1);
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

Str str_cut(Str s, char sep, Str *ret_head)
{
    size_t at = str_find_char(s, sep);
    if (at == SIZE_MAX) {
        *ret_head = s;
        return (Str){NULL, 0};
    }
    *ret_head = str_head(s, at);
    return str_skip(s, at + 1);
}

Err str_to_u64(Str s, uint64_t *ret_value)
{
    uint64_t v = 0;

    if (s.n == 0)
        return E_SYNTAX;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return E_SYNTAX;
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return E_RANGE;
    }
    *ret_value = v;
    return OK;
}

Err str_to_i64(Str s, int64_t *ret_value)
{
    bool neg = s.n && s.p[0] == '-';
    uint64_t v;

    TRY(str_to_u64(neg ? str_skip(s, 1) : s, &v));
    if (v > (uint64_t)INT64_MAX + neg)
        return E_RANGE;
    *ret_value = neg ? (int64_t)(0 - v) : (int64_t)v;
    return OK;
}

Err str_to_bool(Str s, bool *ret_value)
{
    static const char *const yes[] = {"true", "on", "yes", "1"};
    static const char *const no[] = {"false", "off", "no", "0"};

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_eq_nocase(s, str_c(yes[i]))) {
            *ret_value = true;
            return OK;
        }
        if (str_eq_nocase(s, str_c(no[i]))) {
            *ret_value = false;
            return OK;
        }
    }
    return E_SYNTAX;
}

Err str_to_size(Str s, size_t *ret_bytes)
{
    static const struct {
        Str unit;
        unsigned shift;
    } units[] = {{S_INIT(""), 0},     {S_INIT("b"), 0},   {S_INIT("k"), 10},  {S_INIT("kb"), 10},
                 {S_INIT("kib"), 10}, {S_INIT("m"), 20},  {S_INIT("mb"), 20}, {S_INIT("mib"), 20},
                 {S_INIT("g"), 30},   {S_INIT("gb"), 30}, {S_INIT("gib"), 30}};
    size_t digits = 0;
    uint64_t v;

    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    TRY(str_to_u64(str_head(s, digits), &v));
    Str unit = str_trim(str_skip(s, digits));
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!str_eq_nocase(unit, units[i].unit))
            continue;
        if (v > (SIZE_MAX >> units[i].shift))
            return E_RANGE;
        *ret_bytes = (size_t)v << units[i].shift;
        return OK;
    }
    return E_SYNTAX;
}

Str str_dup(struct arena *a, Str s)
{
    char *p = arena_bytes(a, s.n);
    if (s.n)
        memcpy(p, s.p, s.n);
    return (Str){p, s.n};
}

char *str_dup_c(struct arena *a, Str s)
{
    char *p = arena_bytes(a, s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}

Str str_fmt(struct arena *a, const char *fmt, ...)
{
    char brief[256]; /* most are: formatted once */
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(brief, sizeof brief, fmt, ap);
    va_end(ap);
    if (n < 0)
        DIE("bad format \"%s\"", fmt);
    char *p = arena_bytes(a, (size_t)n + 1);
    if ((size_t)n < sizeof brief)
        memcpy(p, brief, (size_t)n + 1);
    else
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return (Str){p, (size_t)n};
}

Str str_from_i64(struct arena *a, int64_t v)
{
    char text[20]; /* "-9223372036854775808" */
    size_t at = sizeof text;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (v < 0)
        text[--at] = '-';
    return str_dup(a, (Str){text + at, sizeof text - at});
}

Str str_join(struct arena *a, const Str *parts, size_t n, Str sep)
{
    size_t total = n ? sep.n * (n - 1) : 0;
    for (size_t i = 0; i < n; i++)
        total += parts[i].n;
    char *p = arena_bytes(a, total);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && sep.n) {
            memcpy(p + at, sep.p, sep.n);
            at += sep.n;
        }
        if (parts[i].n)
            memcpy(p + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    return (Str){p, total};
}

Str str_lower(struct arena *a, Str s)
{
    char *p = arena_bytes(a, s.n);
    for (size_t i = 0; i < s.n; i++)
        p[i] = lower(s.p[i]);
    return (Str){p, s.n};
}

bool str_eq_secret(Str a, Str b)
{
    if (a.n != b.n)
        return false;
    volatile unsigned char diff = 0;
    for (size_t i = 0; i < a.n; i++)
        diff |= (unsigned char)(a.p[i] ^ b.p[i]);
    return diff == 0;
}

uint64_t str_hash(Str s)
{
    /* Multiply-xor over 8-byte words: fast, and collisions are easily made by who wants them. */
    uint64_t h = 0x9e3779b97f4a7c15u ^ s.n, w;
    size_t i = 0;

    for (; i + 8 <= s.n; i += 8) {
        memcpy(&w, s.p + i, 8);
        h = (h ^ w) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    w = 0;
    if (i < s.n)
        memcpy(&w, s.p + i, s.n - i);
    h = (h ^ w) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

/* ---- SipHash-1-3 (Aumasson and Bernstein): one round for each word, three at the end ---- */

static inline uint64_t rotl(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

uint64_t str_hash_keyed(Str s, const uint64_t key[2])
{
    uint64_t v[4] = {0x736f6d6570736575u ^ key[0], 0x646f72616e646f6du ^ key[1],
                     0x6c7967656e657261u ^ key[0], 0x7465646279746573u ^ key[1]};
    uint64_t w;
    size_t i = 0;

    for (; i + 8 <= s.n; i += 8) {
        memcpy(&w, s.p + i, 8);
        v[3] ^= w;
        sip_round(v);
        v[0] ^= w;
    }
    w = 0;
    if (i < s.n)
        memcpy(&w, s.p + i, s.n - i);
    w |= (uint64_t)s.n << 56;
    v[3] ^= w;
    sip_round(v);
    v[0] ^= w;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t process_key[2];

static void draw_process_key(void)
{
    for (size_t got = 0; got < sizeof process_key;) {
        ssize_t n = getrandom((char *)process_key + got, sizeof process_key - got, 0);
        if (n > 0)
            got += (size_t)n;
    }
}

const uint64_t *str_hash_key(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, draw_process_key);
    return process_key;
}
