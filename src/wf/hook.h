/* src/wf/hook.h - what a webhook trigger makes of a request: who may call, and what the run gets.
 * Pure. */
#ifndef WF_HOOK_H
#define WF_HOOK_H

#include "net/http.h"
#include "wf/def.h"

struct wf_hook_request {
    Str method;
    const HttpHeaders *headers;
    Str query; /* raw */
    Str body;  /* raw */
    Usec now;  /* wall */
};

/* Whether @def is started by a webhook, and whether its caller waits for the result. */
bool wf_hook_is_set(const struct wf_def *def);
bool wf_hook_wants_result(const struct wf_def *def);

/* By which repeats of the same delivery are told: the id that is signed, where one is; else that of
 * "webhook-id" or "idempotency-key". Empty: none was sent. */
Str wf_hook_delivery(struct arena *a, const struct wf_def *def, const HttpHeaders *headers);

/* Whether the head alone is good enough to read the body for; a signature is over the body and
 * checked later. E_METHOD, E_UNAUTHORIZED. */
Err wf_hook_admit_head(struct arena *a, const struct wf_def *def, const struct wf_hook_request *in);
/* Check method and credentials, and parse the body: *ret_input is what the run is started with,
 * *ret_request what templates see as request {method, headers, query}, without credentials.
 * E_METHOD, E_UNAUTHORIZED (nothing tells which part was wrong), E_MEDIA_TYPE, E_SYNTAX,
 * E_BAD_INPUT. */
Err wf_hook_read(struct arena *a, const struct wf_def *def, const struct wf_hook_request *in,
                 struct json **ret_input, struct json **ret_request);

#endif
