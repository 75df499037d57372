/* src/llm/hooks/guard.h - guards: services of the operator's that look at what is said to models
 * and by them, asked by HTTP.
 *
 * A guard is a hook (hook.h) with an address. It gets each text and answers allow, refuse or
 * replace (docs/guide/guards.md). Calls are signed as deliveries to subscriptions are, and go
 * through the egress door. One that cannot be asked, or answers what is no verdict, lets nothing
 * pass unless it says so itself (on_error); what is too large to be shown is always refused.
 */
#ifndef LLM_HOOKS_GUARD_H
#define LLM_HOOKS_GUARD_H

#include "llm/hooks/hook.h"
#include "llm/llm.h"
#include "store/store_model_guard.h"

enum {
    LLM_GUARDS_MAX = 16, /* of a tenant */
    LLM_GUARD_NAMES_MAX = 100,
    LLM_GUARD_WINDOW_MAX = 64 << 10,
    LLM_GUARD_BACK_MAX = 8 << 10,
    LLM_GUARD_WINDOW_USUAL = 400,
    LLM_GUARD_BACK_USUAL = 128,
};
#define LLM_GUARD_TIMEOUT_USUAL (2 * USEC_S)

typedef VEC(Str) LlmGuardNames;

struct llm_guard {
    struct llm_hook hook; /* that asks it */
    Id id, tenant;
    Str name, url;
    unsigned events;            /* a bit for each */
    LlmGuardNames routes;       /* names of models as clients call them; "gpt-*"; none: all */
    LlmGuardNames keys, except; /* ids as text; no keys: all; but not these */
    Usec timeout;
    bool allow_on_error, private_network, enabled;
    bool sealed; /* the secret does not open */
    Str secret;  /* the signing key */
    size_t window, back;
    const struct egress *egress;
    int64_t revision;
    Usec created_at, updated_at;
};

size_t llm_guard_count(const struct llm_view *view);
const struct llm_guard *llm_guard_at(const struct llm_view *view, size_t i);
/* NULL if the tenant has none of that id, or name. */
const struct llm_guard *llm_guard_get(const struct llm_view *view, Id tenant, Id id);
const struct llm_guard *llm_guard_named(const struct llm_view *view, Id tenant, Str name);

/* What @row says, into a guard that is empty, but for its secret. E_INVALID, E_EGRESS with a
 * detail. Borrows @row. */
Err llm_guard_read(const struct llm *llm, struct arena *a, const struct model_guard_row *row,
                   struct llm_guard *ret_guard);
/* row->secret is the plain one, empty: a new one is made. *ret_secret is what signs. E_INVALID,
 * E_EGRESS, E_EXISTS, E_CONFLICT with details. */
Err llm_guard_create(struct llm *llm, struct arena *a, struct model_guard_row *row, Str *ret_secret)
    YIELDS;
/* @secret p == NULL: it stays; empty: a new one. */
Err llm_guard_update(struct llm *llm, struct arena *a, struct model_guard_row *row, Str secret,
                     Str *ret_secret) YIELDS;
/* A list of events as the store keeps it; what is no text in it is none that is known. */
Str llm_guard_events_text(struct arena *a, const struct json *list);
/* Ask @guard about a harmless text, whatever it is for. */
struct llm_guard_test {
    Err error; /* it gave no verdict */
    Str why;   /* in the arena */
    const char *verdict;
    Usec took;
};
Err llm_guard_try(const struct llm_guard *guard, struct arena *a, Str request_id,
                  struct llm_guard_test *ret_test) YIELDS;
/* E_INVALID if no secret can be so. */
Err llm_guard_secret_check(struct arena *a, Str secret);
Err llm_guard_delete(struct llm *llm, struct arena *a, Id tenant, Id id) YIELDS;

/* Whether a name that a client called is one of @names, or begins as one that ends in "*"; there
 * are none: yes. */
bool llm_guard_names(const LlmGuardNames *names, Str name);
/* Of hooks whose ctx is a guard (guard_ask.c). */
unsigned llm_guard_wants(void *ctx, const struct llm_hook_call *call);
Err llm_guard_look(void *ctx, const struct llm_hook_call *call, enum llm_hook_event event,
                   struct llm_said *said, struct llm_hook_verdict *ret_verdict) YIELDS;
/* What a guard answered, in @a. E_UPSTREAM with a detail for what is no verdict on @said. Pure. */
Err llm_verdict_read(struct arena *a, Str text, enum llm_hook_event event, struct llm_said *said,
                     struct llm_hook_verdict *ret_verdict);

#endif
