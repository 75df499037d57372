/* src/base/decimal.c - correctly rounded conversion by 128-bit powers of ten.
 *
 * Reading multiplies by the two neighbours of the power that the table brackets: where both
 * products round to the same double, that is the answer; the rare rest goes to strtod. Writing is
 * Raffaello Giulietti's "Schubfach" (The Schubfach way to render doubles, 2020).
 */
#include "base/decimal.h"

#include "base/decimal_private.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 Wide;

static const struct decimal_power *power(int k)
{
    return &decimal_powers[k - DECIMAL_POWER_FIRST];
}

static bool power_is_exact(int k)
{
    return k >= 0 && k <= 55; /* 5^55 is the last power of five below 2^128 */
}

/* floor(log2(10^k)), good for |k| <= 1233. */
static int floor_log2_pow10(int k)
{
    return (k * 1741647) >> 19;
}

static double double_of_bits(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* ---- reading ---- */

/* A product of 192 bits. */
struct product {
    uint64_t high, mid, low;
};

static struct product times(uint64_t w, const struct decimal_power *p)
{
    Wide low = (Wide)w * p->low;
    Wide high = (Wide)w * p->high + (uint64_t)(low >> 64);
    return (struct product){(uint64_t)(high >> 64), (uint64_t)high, (uint64_t)low};
}

/* The top bits of @p above @shift (of p.high), rounded half to even. @more: something follows
 * p.low. */
static uint64_t round_top(struct product p, int shift, bool more)
{
    uint64_t top = p.high >> shift, half = (uint64_t)1 << (shift - 1);
    uint64_t rest = p.high & (half * 2 - 1);
    bool sticky = more || p.mid || p.low;

    if (rest > half || (rest == half && (sticky || (top & 1))))
        top++;
    return top;
}

/* The slow way; the text has no decimal point, so the locale does not matter. */
static double by_library(uint64_t m, int exp10)
{
    char text[48];
    snprintf(text, sizeof text, "%llue%d", (unsigned long long)m, exp10);
    return strtod(text, NULL);
}

double decimal_to_double(uint64_t m, int exp10)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (m == 0)
        return 0;
    if (m <= (uint64_t)1 << 53 && exp10 >= -22 && exp10 <= 22)
        return exp10 < 0 ? (double)m / exact[-exp10] : (double)m * exact[exp10];
    if (exp10 < DECIMAL_POWER_FIRST || exp10 > DECIMAL_POWER_LAST)
        return by_library(m, exp10);

    int zeros = __builtin_clzll(m);
    uint64_t w = m << zeros;
    struct product under = times(w, power(exp10)), over = under;
    bool exact_power = power_is_exact(exp10);
    if (!exact_power) {
        /* The true power lies above the table's and below its successor: the true product lies
         * strictly between @under and under + w, so one less than that and a bit more. */
        over.low += w - 1;
        if (over.low < w - 1 && ++over.mid == 0)
            over.high++;
    }
    int top = (int)(under.high >> 63);
    uint64_t mant = round_top(under, 10 + top, !exact_power);
    int exp2 = 63 + top - zeros + floor_log2_pow10(exp10);
    if (mant >> 53) {
        mant >>= 1;
        exp2++;
    }
    uint64_t mant_over = round_top(over, 10 + top, !exact_power);
    if (mant != (mant_over >> 53 ? mant_over >> 1 : mant_over) || exp2 < -1022 || exp2 > 1023)
        return by_library(m, exp10);
    return double_of_bits((uint64_t)(exp2 + 1023) << 52 | (mant & (((uint64_t)1 << 52) - 1)));
}

/* ---- writing ---- */

/* The integer part of g * c / 2^128, its last bit set if anything was cut ("round to odd"). */
static uint64_t scaled(struct decimal_power g, uint64_t c)
{
    uint64_t low = (uint64_t)((Wide)g.low * c >> 64);
    Wide high = (Wide)g.high * c + low;
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The shortest decimal of c * 2^q, up to trailing zeros. @narrow: the double below is half as far
 * away as the one above, as it is for powers of two. */
static void shortest(uint64_t c, int q, bool narrow, uint64_t *ret_m, int *ret_exp10)
{
    int k = (q * 1262611 - (narrow ? 524031 : 0)) >> 22; /* floor(log10(2^q)), or of 3/4 of it */
    int h = q + floor_log2_pow10(-k) + 1;
    struct decimal_power g = *power(-k);
    if (!power_is_exact(-k) && ++g.low == 0)
        g.high++;

    /* The value and the borders of what reads back as it, in quarters of a unit of 10^k. An odd c
     * does not own its borders: ties read as even. */
    uint64_t odd = c & 1;
    uint64_t lower = scaled(g, (4 * c - 2 + narrow) << h) + odd;
    uint64_t value = scaled(g, 4 * c << h);
    uint64_t upper = scaled(g, (4 * c + 2) << h) - odd;
    uint64_t s = value / 4;

    *ret_exp10 = k;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool below_in = lower <= 40 * tens, above_in = 40 * tens + 40 <= upper;
        if (below_in != above_in) {
            *ret_m = tens + above_in;
            *ret_exp10 = k + 1;
            return;
        }
    }
    bool below_in = lower <= 4 * s, above_in = 4 * s + 4 <= upper;
    if (below_in != above_in)
        *ret_m = s + above_in;
    else
        *ret_m = s + (value > 4 * s + 2 || (value == 4 * s + 2 && (s & 1)));
}

void decimal_of_double(double d, uint64_t *ret_m, int *ret_exp10)
{
    uint64_t bits, m;
    int exp10 = 0;

    memcpy(&bits, &d, sizeof bits);
    uint64_t frac = bits & (((uint64_t)1 << 52) - 1);
    int exp2 = (int)(bits >> 52 & 0x7ff);
    uint64_t c = exp2 ? frac | (uint64_t)1 << 52 : frac;
    int q = (exp2 ? exp2 : 1) - 1075;

    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0)
        m = c >> -q; /* a whole number: all its digits are needed */
    else
        shortest(c, q, frac == 0 && exp2 > 1, &m, &exp10);
    while (m % 100000000 == 0) {
        m /= 100000000;
        exp10 += 8;
    }
    while (m % 10 == 0) {
        m /= 10;
        exp10++;
    }
    *ret_m = m;
    *ret_exp10 = exp10;
}
