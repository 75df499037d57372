/* src/llm/cache_purge.h - throwing kept answers away, here and in every process on the database. */
#ifndef LLM_CACHE_PURGE_H
#define LLM_CACHE_PURGE_H

#include "llm/cache.h"
#include "llm/llm.h"

/* The answers that are kept here. */
struct llm_cache *llm_cache_of(struct llm *llm);
/* Throw away what @tenant has; of @key and @model alone, if they are given. Other processes throw
 * away all of the tenant's within seconds. Gives how many were kept here. */
Err llm_cache_purge_everywhere(struct llm *llm, struct arena *a, Id tenant, Id key, Str model,
                               size_t *ret_n) YIELDS;
/* Throw away what others did. */
Err llm_cache_look(struct llm *llm) YIELDS;

#endif
