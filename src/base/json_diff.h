/* src/base/json_diff.h - where two JSON values differ. */
#ifndef BASE_JSON_DIFF_H
#define BASE_JSON_DIFF_H

#include "base/json.h"

struct json_difference {
    Str path;                        /* JSON Pointer; "" for the whole */
    const struct json *left, *right; /* NULL: it is not there on this side */
};
typedef VEC(struct json_difference) JsonDifferences;

/* Append where @x and @y differ, in the order of @x, at most until there are @max in all; paths
 * live in @a, values stay where they are. Elements of arrays are compared by their place. Whether
 * those are all. Does not recurse. */
bool json_diff(struct arena *a, const struct json *x, const struct json *y, size_t max,
               JsonDifferences *ret_differences);

#endif
