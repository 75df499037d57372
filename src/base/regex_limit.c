/* src/base/regex_limit.c - see regex_limit.h. */
#include "base/regex_limit.h"

#include <time.h>

enum { SHORT = 256, MEDIUM = 4096, LONG = 1 << 20 };

static int64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int on_item(pcre2_callout_block *block, void *ctx)
{
    struct regex_limit *limit = ctx;

    (void)block;
    if (--limit->left)
        return 0;
    limit->left = limit->every;
    if (!limit->began_ns) {
        limit->began_ns = thread_ns();
        return 0;
    }
    return thread_ns() - limit->began_ns > limit->max_ns ? REGEX_LIMIT_SPENT : 0;
}

void regex_limit_begin(struct regex_limit *limit, pcre2_match_context *context, size_t n,
                       int64_t max_ns)
{
    /* One item may run over the whole text: the longer it is, the more often the clock is asked. */
    unsigned every = n <= MEDIUM ? 64 : n <= LONG ? 16 : 2;

    *limit = (struct regex_limit){.max_ns = max_ns, .every = every, .left = every};
    if (n > SHORT)
        limit->began_ns = thread_ns();
    pcre2_set_callout(context, on_item, limit);
}

int64_t regex_limit_end(const struct regex_limit *limit)
{
    return limit->began_ns ? thread_ns() - limit->began_ns : 0;
}
