/* src/llm/llm_private.h - the inside of struct llm, for this folder's files alone. */
#ifndef LLM_LLM_PRIVATE_H
#define LLM_LLM_PRIVATE_H

#include "base/map.h"
#include "llm/alerts.h"
#include "llm/cache.h"
#include "llm/hooks/guard.h"
#include "llm/lacks.h"
#include "llm/ledger.h"
#include "llm/llm.h"
#include "llm/pins.h"
#include "llm/route.h"

#include <stdatomic.h>

struct llm_view {
    atomic_uint refs;
    struct arena *a;
    VEC(struct llm_provider) providers;
    struct map *by_name; /* tenant (16 bytes) and name */
    VEC(struct llm_route) routes;
    struct map *routes_by_name; /* likewise */
    VEC(struct llm_guard) guards;
    bool hooked; /* somebody may want to look at what is said */
};

struct llm_limits;
struct llm_vocabularies;
struct llm_prices;

enum { LLM_STAMPS = 3 }; /* of the providers, the routes, and the guards */

struct llm {
    struct arena *a; /* of what was given at the start */
    struct db *db;
    const struct secrets *secrets;
    struct llm_ledger *ledger; /* NULL: calls are not recorded */
    struct llm_pins *pins;     /* of responses */
    struct llm_lacks *lacks;   /* who has none */
    Usec responses_kept;       /* after the last of a conversation; 0: none is */
    Usec swept_at;             /* when those that are old were looked for; the watcher's */
    struct llm_cache *cache;   /* of answers */
    struct llm_prices *prices;
    struct llm_limits *limits;
    struct llm_vocabularies *vocabularies;
    Str offers;
    enum llm_context context;
    struct llm_alerts *alerts;
    const struct llm_templates *templates;
    bool refuse_unpriced;
    size_t upload_max;
    Usec heartbeat;
    Str heartbeat_skip;
    struct egress *egress_public, *egress_private;
    Id tenant;
    struct llm_seed *seeds;
    size_t n_seeds;

    uv_mutex_t lock;
    struct llm_view *view; /* under the lock, as what follows */
    struct map *models;    /* provider id (16 bytes) -> struct llm_model_list */
    struct map *purges;    /* tenant -> how often its kept answers were thrown away */
    struct map *targets;   /* provider id and model -> struct llm_target_state */
    struct map *states;    /* provider id -> struct llm_provider_state */
    struct store_stamp stamp[LLM_STAMPS];
    const struct llm_hook *hooks[LLM_HOOKS_MAX];
    size_t n_hooks;
    uint64_t reloads, reloaded; /* begun; the one whose view is in force */

    struct fiber *watcher, *prober;
};

/* The bytes of an id as a key. */
static inline Str llm_id_key(const Id *id)
{
    return str_from((const char *)id->b, sizeof id->b);
}

void llm_model_list_free(void *list);

/* Read the routes into a view that is being made. */
Err llm_routes_load(struct db *db, struct llm_view *view) YIELDS;
/* The same of the guards; wipe their secrets. (hooks/guard.c) */
Err llm_guards_load(struct llm *llm, struct llm_view *view) YIELDS;
void llm_guards_forget(struct llm_view *view);

/* Under the lock: whether the probes of @p take it for down, and until when at least. (states.c) */
bool llm_state_is_down(struct llm *llm, const struct llm_provider *p, Usec *ret_until);
/* Under the lock: targets of a provider that rest after failures are tried by the next call.
 * (targets.c) */
void llm_targets_try(struct llm *llm, Id provider, Usec now);
/* Under the lock: @target was called, though no call had taken it. (targets.c) */
void llm_target_probed(struct llm *llm, const struct llm_target *target, enum llm_verdict verdict,
                       Usec first_byte, Usec now);

/* Whether @p may be called now; E_UNAVAILABLE with a detail. */
Err llm_usable(const struct llm_provider *p);
/* A failure of a call to @p, in words for the client. */
Err llm_call_error(const struct llm_provider *p, Err e);

/* After a row was written with the outcome @e: the words for what went wrong, or the new view.
 * @what: "provider", "route". (llm.c) */
Err llm_written(struct llm *llm, Err e, const char *what, Str name) YIELDS;

/* Whether @s may name a provider, a prompt or a label: small letters, digits, and -_. not first. */
bool llm_is_name(Str s);

#endif
