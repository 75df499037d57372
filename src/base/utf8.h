/* src/base/utf8.h - UTF-8 (RFC 3629): checking, decoding, encoding. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

/* Whether @s is well-formed: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(Str s);
/* The length of the longest well-formed prefix. An incomplete last character is not part of it. */
size_t utf8_valid_prefix(Str s);
/* The length of the run of well-formed characters beyond ASCII that starts at @p. */
size_t utf8_wide_run(const char *p, const char *end);
/* Decode the character at the start of non-empty, well-formed @s; *ret_n is its length in bytes. */
uint32_t utf8_decode(Str s, size_t *ret_n);
/* Encode @c (a scalar value) into @out (4 bytes); gives the length. */
size_t utf8_encode(uint32_t c, char *out);
/* How many characters well-formed @s has. */
size_t utf8_count(Str s);
/* How many bytes of well-formed @s stand before its first control character (C0, DEL, C1): @s.n if
 * there is none. */
size_t utf8_control_free(Str s);
/* @s with every ill-formed sequence replaced by U+FFFD, in @a; @s itself when it is well-formed. */
Str utf8_repair(struct arena *a, Str s);

#endif
