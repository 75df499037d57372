/* src/base/glob.h - patterns of names: "*" any text, "?" a character, "[a-z]" one of these,
 * "[!a-z]" none of these, "\" takes the next one as it is. Pure. */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/str.h"

/* Whether all of @text is so. Both are well-formed UTF-8. The time goes by the product of their
 * lengths at most, whatever the pattern. */
bool glob_matches(Str pattern, Str text);

#endif
