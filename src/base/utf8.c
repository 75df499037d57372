/* src/base/utf8.c - UTF-8 (RFC 3629). */
#include "base/utf8.h"

#include "base/arena.h"

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The length of the well-formed character at the start of [p, end), 0 if there is none. *ret_part
 * is then how many bytes could have begun one: the "maximal subpart" that one U+FFFD stands for. */
static size_t char_at(const char *p, const char *end, size_t *ret_part)
{
    unsigned char c = (unsigned char)p[0];
    unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
    size_t n;

    *ret_part = 1;
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (c == 0xe0)
        low = 0xa0; /* shorter forms exist */
    else if (c == 0xed)
        high = 0x9f; /* surrogates */
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f; /* above U+10FFFF */
    if (end - p < 2 || (unsigned char)p[1] < low || (unsigned char)p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        *ret_part = i;
        if ((size_t)(end - p) <= i || !is_tail(p[i]))
            return 0;
    }
    return n;
}

size_t utf8_wide_run(const char *p, const char *end)
{
    const char *start = p;
    size_t part, n;

    while (p < end && (unsigned char)*p >= 0x80 && (n = char_at(p, end, &part)) != 0)
        p += n;
    return (size_t)(p - start);
}

size_t utf8_valid_prefix(Str s)
{
    const char *p = s.p, *end = s.n ? s.p + s.n : s.p;

    while (p < end) {
        uint64_t word;
        while (end - p >= 8 && (memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0))
            p += 8;
        while (p < end && (unsigned char)*p < 0x80)
            p++;
        size_t n = utf8_wide_run(p, end);
        if (n == 0 && p < end)
            return (size_t)(p - s.p);
        p += n;
    }
    return s.n;
}

bool utf8_valid(Str s)
{
    return utf8_valid_prefix(s) == s.n;
}

uint32_t utf8_decode(Str s, size_t *ret_n)
{
    const unsigned char *p = (const unsigned char *)s.p;

    if (p[0] < 0x80) {
        *ret_n = 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *ret_n = 2;
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    }
    if (p[0] < 0xf0) {
        *ret_n = 3;
        return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    }
    *ret_n = 4;
    return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}

size_t utf8_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

size_t utf8_count(Str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += !is_tail(s.p[i]);
    return n;
}

Str utf8_repair(struct arena *a, Str s)
{
    static const char replacement[3] = {(char)0xef, (char)0xbf, (char)0xbd}; /* U+FFFD */
    size_t good = utf8_valid_prefix(s), part;

    if (good == s.n)
        return s;
    /* The worst case is that each byte becomes three. */
    char *out = arena_bytes(a, good + (s.n - good) * 3), *to = out;
    for (;;) {
        if (good)
            memcpy(to, s.p, good);
        to += good;
        s = str_skip(s, good);
        if (s.n == 0)
            return (Str){out, (size_t)(to - out)};
        (void)char_at(s.p, s.p + s.n,
                      &part); /* 0: only the length of the bad part is of interest */
        memcpy(to, replacement, 3);
        to += 3;
        s = str_skip(s, part);
        good = utf8_valid_prefix(s);
    }
}

size_t utf8_control_free(Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        unsigned char second = i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0xff;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && second < 0xa0))
            return i;
    }
    return s.n;
}
