/* src/llm/embed.h - what a text means, asked of a model on the gateway's own account. */
#ifndef LLM_EMBED_H
#define LLM_EMBED_H

#include "llm/llm.h"
#include "llm/usage.h"

struct llm_embedding {
    Str vector;               /* see vector.h */
    struct llm_target target; /* who made it */
    struct llm_usage usage;
    int64_t cost; /* micro-units; -1: not known */
    Usec took;
};

/* Ask the model @name (of a route: its targets in order, without those that rest) for the vector of
 * @text, until @deadline. The answer is in @a. E_NOT_FOUND, E_TIMEOUT, E_UPSTREAM and friends. */
Err llm_embed(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant, Str name,
              Str text, Usec deadline, struct llm_embedding *ret_embedding) YIELDS;

/* What that uses at most, of the targets that may be asked. Cost: in micro-units, where the price
 * is known. */
void llm_embed_most(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant,
                    Str name, Str text, int64_t *ret_tokens, int64_t *ret_cost);

#endif
