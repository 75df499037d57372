/* src/base/decimal_private.h - the table that decimal_table.c holds for decimal.c. */
#ifndef BASE_DECIMAL_PRIVATE_H
#define BASE_DECIMAL_PRIVATE_H

#include <stdint.h>

enum { DECIMAL_POWER_FIRST = -327, DECIMAL_POWER_LAST = 324 };

/* The first 128 bits of 10^k, cut and not rounded; exact for k from 0 to 55. */
struct decimal_power {
    uint64_t high, low;
};

extern const struct decimal_power decimal_powers[DECIMAL_POWER_LAST - DECIMAL_POWER_FIRST + 1];

#endif
