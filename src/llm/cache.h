/* src/llm/cache.h - answers that are kept in memory, by the hash of what was asked.
 *
 * Bounded by bytes; who was not asked for longest makes room. Each process has its own, and it is
 * empty at a start. What was taken out meanwhile stays whole for those who hold it.
 */
#ifndef LLM_CACHE_H
#define LLM_CACHE_H

#include "base/id.h"

#include <stdatomic.h>

enum {
    LLM_KEPT_MAX = 1 << 20,
    LLM_CACHE_HASH = 32,
    LLM_NEAR_MAX = 1024, /* that are compared, the newest */
};

struct llm_cache;

/* An answer as clients got it. Nothing of it changes while it is held. */
struct llm_kept {
    uint8_t hash[LLM_CACHE_HASH];
    Id tenant, key;         /* for whom it was made */
    Usec stored_at, until;  /* monotonic */
    int64_t cost;           /* of making it: micro-units; -1: not known */
    Str model;              /* as the client named it */
    Str provider, upstream; /* who made it: the provider's name, and its own for the model */
    Str dropped, changed;   /* fields of the request that had no words there */
    Str body;               /* a whole document, or all events of a stream */
    /* What was asked, for those that ask something like it: */
    uint8_t near[LLM_CACHE_HASH]; /* all but the words */
    Str vector;                   /* their meaning (vector.h); empty: it is not known */
};

struct llm_cache *llm_cache_new(size_t most);
void llm_cache_free(struct llm_cache *cache);
/* Any thread; none of them yields. */

/* NULL if there is none that holds at @now; else release it with llm_kept_unref(). */
const struct llm_kept *llm_cache_get(struct llm_cache *cache, const uint8_t hash[LLM_CACHE_HASH],
                                     Usec now);
/* Likewise the one of the same near whose vector is nearest to @vector, if its cosine is at least
 * @least and it was stored after @since. */
const struct llm_kept *llm_cache_near(struct llm_cache *cache, const uint8_t near[LLM_CACHE_HASH],
                                      Str vector, double least, Usec since, Usec now,
                                      double *ret_cosine);
void llm_kept_unref(const struct llm_kept *kept);
/* To be asked for before a call: what is put with it is left out if it was purged meanwhile. */
uint64_t llm_cache_turn(struct llm_cache *cache);
/* Copies @answer; takes the place of one of the same hash. False: it is too long, or was purged. */
bool llm_cache_put(struct llm_cache *cache, const struct llm_kept *answer, uint64_t turn);
/* Take out what @tenant has; of @key and @model alone, if they are given (ID_NONE, empty). Gives
 * how many. */
size_t llm_cache_purge(struct llm_cache *cache, Id tenant, Id key, Str model);

struct llm_cache_stats {
    size_t answers, bytes, most;
};
/* Of all tenants, or of one alone (ID_NONE: all). */
struct llm_cache_stats llm_cache_stats_of(struct llm_cache *cache, Id tenant);

#endif
