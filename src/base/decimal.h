/* src/base/decimal.h - between doubles and decimal digits, exactly and without the C library's
 * printf.
 *
 * Both directions are correctly rounded; the writing one gives the fewest digits that read back as
 * the same double, and of those the nearest.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdint.h>

/* The double nearest to m * 10^exp10 (ties to even); infinity when it is too large. */
double decimal_to_double(uint64_t m, int exp10);
/* The shortest digits of finite @d > 0: d reads back from *ret_m * 10^*ret_exp10, *ret_m has at
 * most 17 digits and does not end in 0. */
void decimal_of_double(double d, uint64_t *ret_m, int *ret_exp10);

#endif
