/* src/base/decimal_test.c - against the C library, on chosen and on random numbers. */
#include "base/decimal.h"
#include "base/test.h"

#include <math.h>

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static double by_library(uint64_t m, int exp10)
{
    char text[48];
    snprintf(text, sizeof text, "%llue%d", (unsigned long long)m, exp10);
    return strtod(text, NULL);
}

/* The digits of @d by trying 1 to 17 of them. The nearest decimal of so many digits may fail to
 * read back where its successor does: above a power of two doubles lie wider apart than below. */
static void shortest_by_library(double d, uint64_t *ret_m, int *ret_exp10)
{
    char text[48];

    for (int digits = 1;; digits++) {
        uint64_t m = 0;
        snprintf(text, sizeof text, "%.*e", digits - 1, d);
        for (const char *p = text; *p != 'e'; p++)
            if (*p != '.')
                m = m * 10 + (uint64_t)(*p - '0');
        int exp10 = (int)strtol(strchr(text, 'e') + 1, NULL, 10) - (digits - 1);
        if (by_library(m, exp10) != d && by_library(++m, exp10) != d)
            continue;
        for (; m % 10 == 0; m /= 10)
            exp10++;
        *ret_m = m;
        *ret_exp10 = exp10;
        return;
    }
}

static bool writes_and_reads_back(double d)
{
    uint64_t m, want_m;
    int exp10, want_exp10;

    decimal_of_double(d, &m, &exp10);
    shortest_by_library(d, &want_m, &want_exp10);
    if (m != want_m || exp10 != want_exp10 || decimal_to_double(m, exp10) != d) {
        t_fail(__FILE__, __LINE__, "%a gave %llue%d, expected %llue%d", d, (unsigned long long)m,
               exp10, (unsigned long long)want_m, want_exp10);
        return false;
    }
    return true;
}

TEST(every_power_of_two_and_its_neighbours_get_their_shortest_digits)
{
    for (int e = -1074; e <= 1023; e++) {
        double d = ldexp(1, e);
        double up = nextafter(d, INFINITY), down = nextafter(d, 0);
        t_expect(writes_and_reads_back(d));
        t_expect(writes_and_reads_back(up));
        t_expect(down == 0 || writes_and_reads_back(down));
    }
}

TEST(every_power_of_ten_is_read_and_written)
{
    for (int e = -323; e <= 308; e++) {
        double d = by_library(1, e);
        t_expect(decimal_to_double(1, e) == d);
        t_expect(writes_and_reads_back(d));
        t_expect(writes_and_reads_back(nextafter(d, 0)));
    }
}

TEST(random_doubles_get_their_shortest_digits)
{
    uint64_t state = 88172645463325252u;

    for (int i = 0; i < 100000; i++) {
        uint64_t bits = next_random(&state) >> 1;
        double d;
        if (i % 2) /* the range that people write: exponents from -64 to 63 */
            bits = (bits & (((uint64_t)1 << 52) - 1)) | ((bits >> 53 & 127) + 959) << 52;
        memcpy(&d, &bits, sizeof d);
        if (isfinite(d) && d != 0 && !writes_and_reads_back(d))
            return;
    }
}

TEST(random_decimals_are_read_as_the_library_reads_them)
{
    uint64_t state = 362436069362436069u;

    for (int i = 0; i < 300000; i++) {
        uint64_t m = next_random(&state) >> next_random(&state) % 60;
        int exp10 = (int)(next_random(&state) % (i % 2 ? 60 : 760)) - (i % 2 ? 40 : 400);
        double got = decimal_to_double(m, exp10), want = by_library(m, exp10);
        if (got == want)
            continue;
        t_fail(__FILE__, __LINE__, "%llue%d gave %a, expected %a", (unsigned long long)m, exp10,
               got, want);
        return;
    }
}

/* Numbers right between two doubles go to the even one, and what lies a little beside does not. */
TEST(halfway_cases_are_rounded_to_even)
{
    t_expect(decimal_to_double(9007199254740993, 0) == 9007199254740992.0);
    t_expect(decimal_to_double(9007199254740995, 0) == 9007199254740996.0);
    t_expect(decimal_to_double(9007199254740993001, -3) == 9007199254740994.0);
    t_expect(decimal_to_double(9007199254740992999, -3) == 9007199254740992.0);
    t_expect(decimal_to_double(4503599627370496500, -3) == 4503599627370496.0);
    t_expect(decimal_to_double(4503599627370497500, -3) == 4503599627370498.0);
    t_expect(decimal_to_double(UINT64_MAX, 0) == 0x1p64);
    t_expect(decimal_to_double(17976931348623157, 292) == 0x1.fffffffffffffp1023);
    t_expect(isinf(decimal_to_double(17976931348623159, 292)));
    t_expect(decimal_to_double(1, -400) == 0);
    t_expect(decimal_to_double(0, 400) == 0);
    t_expect(isinf(decimal_to_double(1, 1000000)));
}
