/* src/llm/llm.h - the model gateway: the providers there are, and what they offer.
 *
 * Providers come from the store and from the environment; one of the store takes the place of one
 * of the same name from the environment. All are kept in a view that never changes: a change makes
 * a new view, and a call goes on with the one it began with. Other processes on the same database
 * are noticed within seconds. Starting needs no network.
 */
#ifndef LLM_LLM_H
#define LLM_LLM_H

#include "llm/kind.h"
#include "llm/probe.h"
#include "net/egress.h"
#include "secrets/secrets.h"
#include "store/store_provider.h"

struct json;
struct llm;
struct llm_alerts;
struct llm_limits;
struct llm_view;

enum {
    LLM_NAME_MAX = 64,
    LLM_URL_MAX = 1024,
    LLM_CREDENTIAL_MAX = 4096,
    LLM_MODEL_MAX = 256,
    LLM_API_VERSION_MAX = 32
};
enum { LLM_UPLOAD_MAX = 256 << 20 }; /* that any setting allows */
#define LLM_TIMEOUT_DEFAULT (10 * USEC_MIN)

struct llm_provider {
    Id id, tenant;
    Str name, base_url;
    Str api_version; /* empty: the usual one */
    Str auth;        /* value of the Authorization header; empty: none is sent */
    const struct llm_kind *kind;
    const struct egress *egress; /* may be called so */
    Usec timeout;
    int64_t revision;
    Usec created_at, updated_at; /* 0: of the environment */
    struct llm_probe probe;
    bool private_network, enabled, has_credential, from_environment;
    bool sealed; /* the credential does not open */
};

/* What becomes of a request that is longer than its model can read. */
enum llm_context {
    LLM_CONTEXT_UNSET, /* of a route: as the setting says */
    LLM_CONTEXT_NONE,  /* it is sent, and the provider says */
    LLM_CONTEXT_ERROR, /* it is refused before it is sent */
    LLM_CONTEXT_TRIM,  /* its oldest messages are left out */
    LLM_CONTEXTS
};

/* A provider that the environment names. */
struct llm_seed {
    const char *kind; /* and its name */
    Str base_url;     /* empty: that of the kind */
    Str credential, api_version;
};

/* Templates in texts of JSON; the caller's, since they are of a floor above. */
struct llm_templates {
    /* Call fn(ctx, name) for the first name of each path in @value. E_SYNTAX, E_UNSUPPORTED. */
    Err (*names)(struct arena *a, const struct json *value, void (*fn)(void *ctx, Str name),
                 void *ctx);
    /* @value with @values (an object) in place. E_INVALID names a path that leads nowhere. */
    Err (*fill)(struct arena *a, const struct json *value, struct json *values,
                struct json **ret_value) YIELDS;
};

struct redis;
struct llm_options {
    struct db *db;
    const struct secrets *secrets;
    Id tenant; /* of the seeds */
    Str egress_allow, egress_deny;
    const struct llm_seed *seeds;
    size_t n_seeds;
    bool record;          /* calls, in the store */
    bool refuse_unpriced; /* calls of models whose price is not known */
    Usec retention;       /* of these records; 0: for ever */
    Usec bodies_kept;     /* how long what was said is; 0: as long as the records */
    Usec responses_kept;  /* how long responses are, of providers without; 0: not at all */
    size_t cache;         /* bytes of answers that are kept */
    Usec heartbeat;       /* that streams are not silent for; 0: for ever */
    Str heartbeat_skip;   /* beginnings of User-Agents that do not bear it, with commas between */
    size_t upload_max;    /* bytes of a form with files; 0: LLM_UPLOAD_MAX */
    enum llm_context context;
    Str offers;       /* where model servers of this machine are looked for; see offers.h */
    Str vocabularies; /* the folder of tokenizers' vocabularies; empty: there are none */
    const struct llm_templates *templates; /* of prompts; NULL: nobody calls any */
    struct redis *redis; /* for limits of all servers, borrowed; NULL: there is none */
};

/* Limits in force, see limits.h. */
struct llm_limits *llm_limits_of(struct llm *llm);
/* Who is told of targets and budgets, see alerts.h. */
struct llm_alerts *llm_alerts_of(struct llm *llm);

/* From now on providers that want it are asked if they are there; see probe.h. */
void llm_probes_begin(struct llm *llm);

/* Reads the providers. Texts of @options are copied; db and secrets must stay. */
Err llm_new(const struct llm_options *options, struct llm **ret_llm) YIELDS;
void llm_free(struct llm *llm) YIELDS;
/* Read the providers again, after a change. */
Err llm_reload(struct llm *llm) YIELDS;

/* The providers as of now; borrowed until the view is given back. Any thread. */
struct llm_view *llm_view_take(struct llm *llm);
void llm_view_unref(struct llm_view *view);
DEFINE_AUTO(llm_view, llm_view_unref)
size_t llm_view_count(const struct llm_view *view);
const struct llm_provider *llm_view_at(const struct llm_view *view, size_t i);
/* NULL if the tenant has none of that name, or id. */
const struct llm_provider *llm_view_named(const struct llm_view *view, Id tenant, Str name);
const struct llm_provider *llm_view_get(const struct llm_view *view, Id tenant, Id id);

/* ---- changing providers; the row's credential is the plain one and sealed here ---- */

/* What is wrong with a provider that is to be stored: name, kind, base URL, whether it could be
 * called at all. E_INVALID or E_EGRESS with a detail. */
Err llm_provider_check(const struct llm *llm, struct arena *a, const struct provider_row *row);
/* E_INVALID if no credential can be so. */
Err llm_credential_check(Str credential);
/* Whether two base URLs are of one server: a stored credential does not go to another. */
bool llm_same_server(Str url, Str other);
Err llm_provider_create(struct llm *llm, struct arena *a, struct provider_row *row) YIELDS;
/* @credential p == NULL: it stays. */
Err llm_provider_update(struct llm *llm, struct arena *a, struct provider_row *row, Str credential)
    YIELDS;
Err llm_provider_delete(struct llm *llm, struct arena *a, Id tenant, Id id) YIELDS;

/* ---- models ---- */

typedef VEC(Str) LlmNames;

/* Ask @p which models it has; sorted; remembered for the look-ups below. What it answered is
 * checked and bounded. E_UPSTREAM and friends with a detail for people. */
Err llm_models_fetch(struct llm *llm, struct arena *a, const struct llm_provider *p,
                     LlmNames *ret_names) YIELDS;
/* As remembered, or asked for when the last answer is older than ten minutes (half a minute, if it
 * was a failure). */
Err llm_models(struct llm *llm, struct arena *a, const struct llm_provider *p, LlmNames *ret_names)
    YIELDS;

/* Who answers for a name: a provider and its own name for the model. */
struct llm_target {
    const struct llm_provider *provider;
    Str model;
};
/* Of names that are no route's: "provider/model", or the bare name of a model that an enabled
 * provider lists; the first one made wins. E_NOT_FOUND with a detail that names near misses;
 * E_UNAVAILABLE if a list that may have it could not be read. */
Err llm_resolve(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant, Str name,
                struct llm_target *ret_target) YIELDS;

#endif
