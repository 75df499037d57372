/* src/llm/balance.h - in which order the targets of a route are called. Pure.
 *
 * "order": as they stand. "weighted": the first is drawn by weight, then the next of those left.
 * "fastest": of two drawn by chance the one that answers sooner and has less under way; by chance,
 * so that not all callers of all processes run to the one that was quick a moment ago. A session
 * that sticks draws by its name instead of by chance: the same targets in the same order, by
 * weight, and if one goes only its own sessions move.
 */
#ifndef LLM_BALANCE_H
#define LLM_BALANCE_H

#include "base/str.h"
#include "base/time.h"

enum llm_balance { LLM_ORDER, LLM_WEIGHTED, LLM_FASTEST, LLM_BALANCES };
extern const Str llm_balance_names[LLM_BALANCES];

enum { LLM_CHOICES_MAX = 16, LLM_WEIGHT_MAX = 1000 };

struct llm_candidate {
    unsigned weight;    /* 1..LLM_WEIGHT_MAX */
    unsigned under_way; /* calls */
    Usec latency;       /* to the first byte; 0: not known */
    uint64_t draw;      /* by chance, or by the session */
};

/* Fill @order with the places of the @n choices. */
void llm_balance_order(enum llm_balance balance, const struct llm_candidate *choices, unsigned n,
                       unsigned char *order);
/* What a session draws for a target. */
uint64_t llm_balance_draw(Str session, Str provider, Str model);

/* A mean of times to the first byte: a slow one counts at once, quick ones win it back by and by.
 */
struct llm_latency {
    Usec mean;
    Usec at; /* monotonic, of the last one */
};
void llm_latency_add(struct llm_latency *l, Usec sample, Usec now);

#endif
