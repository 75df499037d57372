/* src/llm/route.h - names under which models are called, and who answers for them.
 *
 * A route has targets, in order or as balance.h says; each is a provider and its own name for the
 * model. The next one is called when one fails before the first byte of an answer: cannot be
 * reached, is silent for too long, answers 401, 402, 408, 429, or 500 and above. A name that begins
 * with a provider's name and a slash is no route's.
 */
#ifndef LLM_ROUTE_H
#define LLM_ROUTE_H

#include "llm/cache_rule.h"
#include "llm/hedge.h"
#include "llm/llm.h"
#include "llm/targets.h"
#include "store/store_model_route.h"

enum {
    LLM_TARGETS_MAX = 16,
    LLM_ATTEMPTS_MAX = 10,
    LLM_ATTEMPTS_USUAL = 3,
    LLM_ROUTE_NAME_MAX = 128,
    LLM_CONCURRENT_MAX = 100000,
};

struct llm_route_target {
    Str provider, model;
    unsigned weight;     /* 1..LLM_WEIGHT_MAX */
    unsigned concurrent; /* calls of it at once; 0: any number */
};

struct llm_route {
    Id id, tenant;
    Str name;
    struct llm_route_target targets[LLM_TARGETS_MAX];
    unsigned n_targets, attempts;
    Usec timeout; /* of silence; 0: those of the providers */
    enum llm_balance balance;
    enum llm_context context;
    Str sticky; /* the request header whose value keeps a session at its target; empty: none */
    struct llm_cache_rule cache;
    struct llm_hedge hedge;
    int64_t revision;
    Usec created_at, updated_at;
};

/* Their names; empty for LLM_CONTEXT_UNSET. */
extern const Str llm_context_names[LLM_CONTEXTS];

size_t llm_route_count(const struct llm_view *view);
const struct llm_route *llm_route_at(const struct llm_view *view, size_t i);
/* NULL if the tenant has none of that name, or id. */
const struct llm_route *llm_route_named(const struct llm_view *view, Id tenant, Str name);
const struct llm_route *llm_route_get(const struct llm_view *view, Id tenant, Id id);

/* What @row says, into a route that is empty. Whether its providers exist is not looked at.
 * E_INVALID with a detail. Borrows @row. */
Err llm_route_read(struct arena *a, const struct model_route_row *row, struct llm_route *ret_route);
/* @row->targets is the JSON text of [{"provider", "model", "weight", "max_concurrent"}, ...], of
 * which the last two may be absent; @row->cache that of a rule, and @row->hedge likewise, or empty;
 * attempts 0: the usual number. E_INVALID with a detail,
 * E_EXISTS, E_CONFLICT. */
Err llm_route_create(struct llm *llm, struct arena *a, struct model_route_row *row) YIELDS;
Err llm_route_update(struct llm *llm, struct arena *a, const struct model_route_row *row) YIELDS;
Err llm_route_delete(struct llm *llm, struct arena *a, Id tenant, Id id) YIELDS;

#endif
