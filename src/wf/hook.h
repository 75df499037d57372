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

/* What the caller of a webhook waits for: nothing, the result of the run, what a node answers, or
 * all of it as it comes. */
enum wf_hook_answer { WF_HOOK_AT_ONCE, WF_HOOK_RESULT, WF_HOOK_NODE, WF_HOOK_STREAM };

/* Whether @def is started by a webhook, and what its caller waits for. */
bool wf_hook_is_set(const struct wf_def *def);
enum wf_hook_answer wf_hook_answer(const struct wf_def *def);
/* Whether the words of @node go to who waits for a stream. */
bool wf_hook_streams(const struct wf_def *def, int node);

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

/* The request alone, for who wants to see what came: also of one that is refused, whose query may
 * be none (null). */
struct json *wf_hook_request_json(struct arena *a, const struct wf_def *def,
                                  const struct wf_hook_request *in);

/* Whether the Authorization header has this user and secret (RFC 7617). */
bool wf_hook_basic_matches(struct arena *a, const HttpHeaders *headers, Str user, Str secret);

/* Whether it has this token (RFC 6750). */
bool wf_hook_bearer_matches(const HttpHeaders *headers, Str secret);

#endif
