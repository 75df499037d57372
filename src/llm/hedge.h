/* src/llm/hedge.h - when a route calls a second target beside one that is slow. Pure.
 *
 * A call that has had no byte of an answer for some time is made again at the next target, and
 * whoever answers first is taken. "Some time" is a span, or what all but one in twenty of the
 * target's last calls needed. Calls that lost such a race count for that with the time that they
 * had: else only the quick ones would be remembered, and the span would shrink to nothing.
 */
#ifndef LLM_HEDGE_H
#define LLM_HEDGE_H

#include "base/json.h"
#include "base/time.h"

enum { LLM_HEDGES_MAX = 3, LLM_PACE_LAST = 64, LLM_PACE_LEAST = 20 };

struct llm_hedge {
    bool usual;   /* after what is usual for the target, instead of: */
    Usec after;   /* 0 without usual: never */
    unsigned max; /* 1..LLM_HEDGES_MAX further attempts */
};

/* {"after": "800ms" or "p95", "max": 1}, of which max may be absent; null or absent: never.
 * E_INVALID names what is wrong. */
Err llm_hedge_read(const struct json *v, struct llm_hedge *ret_hedge);
/* NULL for never. */
struct json *llm_hedge_json(struct arena *a, const struct llm_hedge *hedge);
static inline bool llm_hedge_is_on(const struct llm_hedge *hedge)
{
    return hedge->usual || hedge->after;
}

/* Times to the first byte of a target's last calls. Zero is none. */
struct llm_pace {
    uint32_t last[LLM_PACE_LAST]; /* milliseconds, rounded up */
    unsigned n, at;
};
void llm_pace_add(struct llm_pace *pace, Usec sample);
/* What 95 of 100 needed at most; 0: too few are known. */
Usec llm_pace_p95(const struct llm_pace *pace);

#endif
