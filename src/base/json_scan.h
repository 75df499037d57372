/* src/base/json_scan.h - finding the next byte of a string that is not plain.
 *
 * For the parser, plain is printable ASCII without quote and backslash; for the writer, whose
 * strings are known to be UTF-8, also all that is beyond ASCII (@wide). SSE2 looks at 16 bytes at a
 * time; without it 8 bytes are looked at in a register.
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_is_plain(char c, bool wide)
{
    if ((signed char)c < 0x20) /* bytes from 0x80 on are negative */
        return wide && (signed char)c < 0;
    return c != '"' && c != '\\';
}

/* Whether one of 8 bytes is not plain. */
static inline bool json_word_is_odd(uint64_t w, bool wide)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
    uint64_t odd = (w - ones * 0x20) & ~w;

    odd |= (quote - ones) & ~quote;
    odd |= (slash - ones) & ~slash;
    return ((wide ? odd : odd | w) & tops) != 0;
}

static inline const char *json_scan_portable(const char *p, const char *end, bool wide)
{
    while (end - p >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        if (json_word_is_odd(w, wide))
            break;
        p += 8;
    }
    while (p < end && json_is_plain(*p, wide))
        p++;
    return p;
}

#ifdef __SSE2__
/* One bit for each of 16 bytes that is not plain. */
static inline unsigned json_odd_bits(__m128i v, bool wide)
{
    __m128i low = wide ? _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v)
                       : _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    __m128i odd =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(odd, low));
}
#endif

/* The first byte of [p, end) that is not plain, @end if all are. */
static inline const char *json_scan(const char *p, const char *end, bool wide)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        unsigned odd = json_odd_bits(_mm_loadu_si128((const __m128i *)(const void *)p), wide);
        if (odd)
            return p + __builtin_ctz(odd);
    }
#endif
    return json_scan_portable(p, end, wide);
}

/* Of 64 bytes with these backslashes, those that one escapes. *@carry: the first one is, because of
 * the bytes before; and then of those behind. The bits of a run of backslashes are added up: its
 * end tells by its parity whether it escapes what follows. */
static inline uint64_t json_escaped_bits(uint64_t slashes, uint64_t *carry)
{
    const uint64_t even = 0x5555555555555555u;
    uint64_t starts, sum;

    slashes &= ~*carry;
    uint64_t follows = slashes << 1 | *carry;
    starts = slashes & ~even & ~follows; /* of runs, at odd places */
    *carry = __builtin_add_overflow(starts, slashes, &sum);
    return (even ^ sum << 1) & follows;
}

/* The inside of a string: the first byte of [p, end) that is a quote or a control character and not
 * escaped, or a backslash at the very end; @end if there is none. What is escaped is not looked at.
 * (json_scan.c: 64 bytes at a time where the CPU can.) */
const char *json_scan_text(const char *p, const char *end);
/* The same byte by byte, for what is left and to compare with. */
static inline const char *json_scan_text_portable(const char *p, const char *end)
{
    p = json_scan(p, end, true);
    while (end - p > 1 && *p == '\\')
        p = json_scan(p + 2, end, true);
    return p;
}

/* As json_scan, and copies what it passes to @to, which must have room for 16 bytes more than that.
 */
static inline const char *json_scan_copy(const char *p, const char *end, bool wide, char *to)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16, to += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned odd = json_odd_bits(v, wide);
        _mm_storeu_si128((__m128i *)(void *)to, v);
        if (odd)
            return p + __builtin_ctz(odd);
    }
#endif
    for (; p < end && json_is_plain(*p, wide); p++)
        *to++ = *p;
    return p;
}

#endif
