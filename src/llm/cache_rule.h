/* src/llm/cache_rule.h - whether answers are kept for calls, how long and for whom; and what a
 * client asks of that in its request's Cache-Control. Pure.
 */
#ifndef LLM_CACHE_RULE_H
#define LLM_CACHE_RULE_H

#include "base/json.h"

enum { LLM_CACHE_NAME_MAX = 256 };
#define LLM_CACHE_TTL_MAX (30 * USEC_DAY)

struct llm_cache_rule {
    bool given;  /* something is said; else what stands behind it counts */
    bool shared; /* by all keys of the tenant; else each key has its own answers */
    Usec ttl;    /* 0: nothing is kept */
    /* Answers to what means the same: */
    double similarity; /* cosine from which on it does; 0: the same words alone */
    char embeddings[LLM_CACHE_NAME_MAX + 1]; /* the model that knows, as clients call it */
};

/* {"ttl": "1h", "scope": "key", "similarity": 0.95, "embeddings": "NAME"}, of which ttl is needed
 * and the last two are there both or neither; null or absent: nothing is said. E_INVALID names what
 * is wrong. */
Err llm_cache_rule_read(const struct json *v, struct llm_cache_rule *ret_rule);
/* NULL if nothing is said. */
struct json *llm_cache_rule_json(struct arena *a, const struct llm_cache_rule *rule);

struct llm_cache_control {
    bool no_cache; /* not answered by what is kept */
    bool no_store; /* nor kept */
    bool only;     /* answered by what is kept, or not at all */
    Usec max_age;  /* what is kept may be so old; USEC_NEVER: any age */
};

/* Of a request's Cache-Control (RFC 9111 section 5.2.1); what it does not know it passes over, as
 * it must. */
struct llm_cache_control llm_cache_control_read(Str value);

#endif
