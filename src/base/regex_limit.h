/* src/base/regex_limit.h - keeps PCRE2 from holding its thread.
 *
 * PCRE2's own match limit counts branch points, from zero again at each place where a match may
 * begin, and does not see what a single repeat runs over: "\s+$" takes the square of a text's
 * length without one step of it. So patterns are compiled with REGEX_LIMIT_OPTIONS, which has PCRE2
 * call back before each item, and the callback looks at the thread's processor time now and then.
 */
#ifndef BASE_REGEX_LIMIT_H
#define BASE_REGEX_LIMIT_H

#include <stddef.h>
#include <stdint.h>

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

enum {
    REGEX_LIMIT_OPTIONS = PCRE2_AUTO_CALLOUT, /* for pcre2_compile() */
    REGEX_LIMIT_SPENT = -9000,                /* pcre2_match() gives it: the time was up */
};

struct regex_limit {
    int64_t max_ns, began_ns; /* of the thread's processor time */
    unsigned every, left;     /* callbacks between two looks, and until the next */
};

/* For one match on a text of @n bytes; @limit stays where it is until the match is over. */
void regex_limit_begin(struct regex_limit *limit, pcre2_match_context *context, size_t n,
                       int64_t max_ns);
/* What the match took, in nanoseconds; 0 if it was too short to be measured. */
int64_t regex_limit_end(const struct regex_limit *limit);

#endif
