/* src/llm/vector.h - the direction of an embedding, in a byte for each number.
 *
 * Numbers are scaled to -127..127 by the largest of them, so that 1,536 of them take 1.5 KiB; of a
 * cosine that loses less than a thousandth. Pure.
 */
#ifndef LLM_VECTOR_H
#define LLM_VECTOR_H

#include "base/json.h"

enum { LLM_VECTOR_MAX = 8192 };

/* Pack a list of numbers, in @a. E_UPSTREAM if it is none, or empty, too long, or all zero. */
Err llm_vector_pack(struct arena *a, const struct json *numbers, Str *ret_vector);
/* From -1 to 1; -1 for vectors of different lengths. */
double llm_vector_cosine(Str x, Str y);

#endif
