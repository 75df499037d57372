/* src/llm/redact.h - what a log of calls keeps of a body: without credentials and what patterns
 * name, and no more than so much.
 *
 * Values of JSON are treated one by one, so that what is left is JSON, and so are those in strings
 * that are JSON themselves. What looks like a credential (keys of the usual services, bearer
 * tokens, JSON web tokens, private keys), and any value of a member with such a name, goes always,
 * also out of JSON that was cut. A text that a pattern takes too long for goes whole, and so does
 * one that would grow much by its marks, and what the time for the body does not suffice for. Pure,
 * and may take milliseconds: call it on a worker for long texts, and for patterns of users.
 */
#ifndef LLM_REDACT_H
#define LLM_REDACT_H

#include "base/json.h"

enum {
    LLM_PATTERNS_MAX = 20,
    LLM_PATTERN_MAX = 256,
    LLM_VALUE_MAX = 16 * 1024,   /* of one text in a body */
    LLM_LOGGED_MAX = 256 * 1024, /* of a body */
};

typedef VEC(Str) LlmPatterns;

/* Whether @pattern is a regular expression. E_INVALID with a detail. */
Err llm_redact_check(Str pattern);
/* @text as it is kept, in @a; well-formed UTF-8 without NUL. @secret: also to be taken out; may be
 * empty. */
Str llm_redact(struct arena *a, Str text, const LlmPatterns *patterns, Str secret);

#endif
