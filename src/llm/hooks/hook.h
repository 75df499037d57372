/* src/llm/hooks/hook.h - the seam of the model gateway: who looks at what is said to models and by
 * them, and may refuse it or put other words in its place.
 *
 * A hook is asked before a request is sent, while an answer streams, and when an answer is whole
 * and its client does not have it yet; also of answers that were kept, of responses that are read
 * again, and of tokens that are counted by a provider. It sees the conversation in structured form
 * (said.h), whatever the dialect. Hooks are asked one after the other, each with what the one
 * before it left; the first that refuses ends the call.
 *
 * Those of the program are added once, before the gateway serves; those that users configure are
 * guards (guard.h). Without any, a call costs the look at one flag. Not shown are sound and
 * pictures that models make, vectors, and the names of models.
 */
#ifndef LLM_HOOKS_HOOK_H
#define LLM_HOOKS_HOOK_H

#include "llm/hooks/said.h"
#include "llm/kind.h"
#include "rt/fiber.h"

struct llm;

enum llm_hook_event {
    LLM_ON_REQUEST,
    LLM_ON_CHUNK,
    LLM_ON_RESPONSE,
    LLM_ON_MODERATION, /* the call is a question of what a text is */
    LLM_HOOK_EVENTS
};
extern const Str llm_hook_events[LLM_HOOK_EVENTS];

/* The call that a hook is asked about. */
struct llm_hook_call {
    Id tenant, key;
    Str request_id;
    enum llm_op op;
    Str operation;          /* its name */
    Str model;              /* as the client calls it */
    Str called;             /* the prompt that stood for it; empty: none did */
    Str provider, upstream; /* who answered; empty: not known yet */
    Str agent, workflow, step, user;
    bool streamed;
    bool any_route; /* by which name the model was called is not known any more */
};

enum llm_action { LLM_ALLOW, LLM_REFUSE, LLM_REPLACE };

enum { LLM_REASON_MAX = 300, LLM_MODERATIONS_MAX = 256 };

struct llm_hook_verdict {
    enum llm_action action; /* LLM_REPLACE: said->parts have what is to stand there (part.with) */
    Str reason;             /* for the client; empty: none is given */
    bool unasked;           /* allowed without having been asked: it could not be */
    const struct json *results; /* of LLM_ON_MODERATION: one for each input */
};

/* Look at @said, of which parts may be given other texts. An error is a failure of the hook and
 * ends the call. What is in *ret_verdict must live as long as said->a. */
typedef Err llm_hook_fn(void *ctx, const struct llm_hook_call *call, enum llm_hook_event event,
                        struct llm_said *said, struct llm_hook_verdict *ret_verdict) YIELDS;

struct llm_hook {
    Str name;
    /* Which events of @call are wanted: a bit (1 << LLM_ON_...) for each. Asked once a call. */
    unsigned (*wants)(void *ctx, const struct llm_hook_call *call);
    llm_hook_fn *look;
    size_t window, back; /* of LLM_ON_CHUNK, see sieve.h */
    void *ctx;
};

enum { LLM_HOOKS_MAX = 8 }; /* of the program itself */

/* Before the gateway serves; @hook must stay. */
void llm_hook_add(struct llm *llm, const struct llm_hook *hook);

#endif
