/* src/base/json_scan.c - long strings: 64 bytes at a time, escapes told apart by bits. */
#include "base/json_scan.h"

#ifdef __SSE2__
#include <immintrin.h>

/* What stands in 64 bytes: a bit for each backslash, and for each quote or control character. */
static inline void block_sse2(const char *p, uint64_t *slashes, uint64_t *ends)
{
    *slashes = *ends = 0;
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
        __m128i end = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), low);
        __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
        *ends |= (uint64_t)(unsigned)_mm_movemask_epi8(end) << (16 * i);
        *slashes |= (uint64_t)(unsigned)_mm_movemask_epi8(slash) << (16 * i);
    }
}

__attribute__((target("avx2"))) static inline void block_avx2(const char *p, uint64_t *slashes,
                                                              uint64_t *ends)
{
    *slashes = *ends = 0;
    for (int i = 0; i < 2; i++) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * i));
        __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);
        __m256i end = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')), low);
        __m256i slash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'));
        *ends |= (uint64_t)(unsigned)_mm256_movemask_epi8(end) << (32 * i);
        *slashes |= (uint64_t)(unsigned)_mm256_movemask_epi8(slash) << (32 * i);
    }
}

/* Both ways are one text. At the end of the blocks a backslash that escapes what follows is left to
 * be looked at again. */
#define SCAN_BLOCKS(block)                                                                         \
    uint64_t carry = 0;                                                                            \
    for (; end - p >= 64; p += 64) {                                                               \
        uint64_t slashes, ends;                                                                    \
        block(p, &slashes, &ends);                                                                 \
        if (slashes | carry)                                                                       \
            ends &= ~json_escaped_bits(slashes, &carry);                                           \
        if (ends)                                                                                  \
            return p + __builtin_ctzll(ends);                                                      \
    }                                                                                              \
    return json_scan_text_portable(p - carry, end)

static const char *scan_sse2(const char *p, const char *end)
{
    SCAN_BLOCKS(block_sse2);
}

__attribute__((target("avx2"))) static const char *scan_avx2(const char *p, const char *end)
{
    SCAN_BLOCKS(block_avx2);
}

const char *json_scan_text(const char *p, const char *end)
{
    return __builtin_cpu_supports("avx2") ? scan_avx2(p, end) : scan_sse2(p, end);
}
#else
const char *json_scan_text(const char *p, const char *end)
{
    return json_scan_text_portable(p, end);
}
#endif
