/* src/llm/offers.h - model servers that run on this machine and that nobody has said to use yet. */
#ifndef LLM_OFFERS_H
#define LLM_OFFERS_H

#include "llm/llm.h"

struct llm_offer {
    Str kind, base_url;
};
typedef VEC(struct llm_offer) LlmOffers;

/* Whether @list is one: "ollama=http://127.0.0.1:11434,llamacpp=http://127.0.0.1:8080". E_INVALID
 * with a detail. */
Err llm_offers_check(Str list);
/* Those that answer now and that no provider of the tenant is. Half a second each at most. */
Err llm_offers(struct llm *llm, struct arena *a, Id tenant, LlmOffers *ret_offers) YIELDS;

#endif
