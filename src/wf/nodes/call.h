/* src/wf/nodes/call.h - what node types that call other hosts share: requests from settings,
 * answers as JSON, failures as sentences for the person who drew the workflow.
 *
 * No text made here has anything of a request or an answer in it but the host, the status and the
 * node's id: URLs, headers and bodies carry secrets and personal data, and error texts are
 * journaled and shown.
 */
#ifndef WF_NODES_CALL_H
#define WF_NODES_CALL_H

#include "net/http_client.h"
#include "wf/node.h"

/* A call on its way: @host is what texts call the far end. */
struct step_call {
    struct wf_step *step;
    struct http_call http;
    Str host;
    bool ours; /* it is this server that is called: what it says of a fault may be shown */
};

/* Begin a call of @url, with @query (a map, or NULL) behind it. Deadline, egress and the like come
 * from the step. E_INVALID when the URL is none. */
Err step_call_begin(struct wf_step *step, Str url, const struct wf_value *query,
                    struct step_call *ret_call) YIELDS;
/* Add the members of @map (may be NULL); those that are null are left out. */
Err step_call_headers(struct step_call *call, const struct wf_value *map) YIELDS;
/* Add a header unless there is one of this name. */
void step_call_header(struct step_call *call, Str name, Str value);

/* Call and read the whole answer; failures as step_call_failed() has them. */
Err step_call_fetch(struct step_call *call, struct http_reply *ret_reply) YIELDS;

/* The detail of a call that got no answer; gives @e, or E_CANCELLED as it is. */
Err step_call_failed(const struct step_call *call, Err e);
/* The same for an answer whose status tells of failure: E_RATE_LIMITED, E_UNAVAILABLE (5xx),
 * E_UNAUTHORIZED, E_FORBIDDEN, E_NOT_FOUND, E_GONE, E_CONFLICT, E_TOO_LARGE, else E_INVALID.
 * @advice is a clause such as "check its settings". */
Err step_call_status(const struct step_call *call, int status, const HttpHeaders *headers,
                     const char *advice);

enum reply_as { REPLY_AUTO, REPLY_JSON, REPLY_TEXT };
/* The body of an answer: JSON, or text in UTF-8. E_UPSTREAM when it is not what it should be. */
Err step_call_body(const struct step_call *call, const struct http_reply *reply, enum reply_as as,
                   struct json **ret_body);

enum { STEP_REQUEST_MAX = 16 << 20 }; /* bytes of a request's body */

/* A value as JSON, or as text (a string as it is), in the attempt's arena. E_TOO_LARGE past @max
 * bytes: a small definition can make huge values, for what templates give is shared and not copied.
 */
Err step_json(struct wf_step *step, const struct json *v, size_t max, Str *ret_text);
Err step_text(struct wf_step *step, const struct json *v, size_t max, Str *ret_text);

/* Add a pair with @v as text; *left is how many bytes there is room for. */
Err step_pair(struct wf_step *step, HttpHeaders *pairs, Str name, const struct json *v,
              size_t *left);
/* Members of a map as names and texts. */
Err step_pairs(struct wf_step *step, const struct wf_value *map, HttpHeaders *ret_pairs) YIELDS;
/* application/x-www-form-urlencoded. */
Str step_form(struct arena *a, const HttpHeaders *pairs);

/* Check the names of a map of headers, and keep what looks like a secret out of the log. */
void check_headers(struct wf_check *ck, Str field);
/* Check a URL that has no template; one with templates must begin with http, https or a template.
 */
void check_url(struct wf_check *ck, Str field, const struct wf_template *url);

#endif
