#!/usr/bin/env python3
"""Print src/base/decimal_table.c: the powers of ten that decimal.c multiplies by.

For each k from -327 to 324 the line holds floor(10^k * 2^(127 - floor(log2(10^k)))): the first 128 bits.
"""

FIRST, LAST = -327, 324


def bits(k):
    num, den = (10**k, 1) if k >= 0 else (1, 10**-k)
    shift = 127 - (num.bit_length() - den.bit_length())
    value = (num << shift if shift >= 0 else num >> -shift) // den if shift >= 0 else num // (den << -shift)
    while value >= 1 << 128:
        shift -= 1
        value = (num << shift) // den if shift >= 0 else num // (den << -shift)
    while value < 1 << 127:
        shift += 1
        value = (num << shift) // den if shift >= 0 else num // (den << -shift)
    return value


print("/* src/base/decimal_table.c - powers of ten; printed by tools/gen_decimal.py. */")
print('#include "base/decimal_private.h"\n')
print("/* clang-format off */")
print("const struct decimal_power decimal_powers[DECIMAL_POWER_LAST - DECIMAL_POWER_FIRST + 1] = {")
for k in range(FIRST, LAST + 1):
    v = bits(k)
    assert 1 << 127 <= v < 1 << 128
    print(f"    {{0x{v >> 64:016x}u, 0x{v & (1 << 64) - 1:016x}u}}, /* {k} */")
print("};")
