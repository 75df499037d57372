/* src/api/api.h - the HTTP surface: one file for each resource, listed in routes.c.
 *
 * A handler checks, calls one domain function and answers. What a route needs (capability, body,
 * rate class, schema) stands in its row; the OpenAPI document is printed from the same rows.
 */
#ifndef API_API_H
#define API_API_H

#include "api/workflow_cache.h"
#include "auth/auth.h"
#include "llm/llm.h"
#include "net/http_server.h"
#include "net/router.h"
#include "wf/engine.h"
#include "wf/schedule.h"

#include <stdatomic.h>

/* What handlers reach through req->app. Made by boot.c; lives as long as the server. */
struct api {
    struct auth *auth;
    struct db *db;
    struct llm *llm;
    struct wf_engine *engine;
    struct wf_scheduler *scheduler;
    struct workflow_cache *workflows;
    struct http_server *server;
    const struct router *router;
    struct json_schema *const *schemas; /* of api_schemas, same order */
    struct json *const *schema_docs;
    Str base_url; /* of links that are given out, without a slash at its end */
    bool secure_cookies;
    _Atomic bool ready; /* migrated, engine running, not draining */
    Usec started;       /* monotonic */
};

static inline struct api *api_of(const struct req *req)
{
    return req->app;
}

/* Named JSON schemas of bodies, as text; ends with {0}. */
struct api_schema {
    const char *name;
    const char *text;
};
extern const struct api_schema api_schemas[]; /* of bodies that are checked by them */
extern const struct api_schema api_shapes[];  /* that only describe */

/* Every route table, and putting them into a router. */
extern const struct route api_chat_page_routes[], api_chat_routes[], api_forms_routes[];
void api_add_routes(struct router *router);
extern const struct route api_approvals_routes[], api_approve_routes[], api_auth_routes[],
    api_cache_routes[], api_diff_routes[], api_events_routes[], api_flow_routes[],
    api_gateway_routes[], api_hooks_routes[], api_keys_routes[], api_limits_routes[],
    api_listen_routes[], api_model_routes_routes[], api_prices_routes[], api_tokens_routes[],
    api_providers_routes[], api_reruns_routes[], api_runs_routes[], api_schedules_routes[],
    api_subscriptions_routes[], api_system_routes[], api_tries_routes[], api_usage_routes[],
    api_workflows_routes[];
extern const struct route api_calls_routes[], api_principals_routes[], api_prompts_routes[];
extern const struct route api_guards_routes[], api_mailboxes_routes[], api_polls_routes[],
    api_retention_routes[];

/* Compile the schemas and open for business: fills api->schemas. */
Err api_init(struct arena *a, struct api *api);
void api_done(struct api *api);
/* Hooks of http_server_options. */
Err api_authenticate(struct req *req) YIELDS;
const struct json_schema *api_schema_of(void *app, const char *name);
/* The console, for paths that no route takes. */
Err api_console(struct req *req, struct res *res) YIELDS;

/* The OpenAPI 3.1 document of the routes in @router. */
struct json *api_openapi(struct arena *a, const struct router *router);

/* ---- shared by handlers ---- */

/* limit and cursor of a list. */
struct api_page {
    int limit;
    Id before;
};
Err api_page_of(struct req *req, struct api_page *ret_page);
/* The time in query parameter @name (RFC 3339); @otherwise without it. E_BAD_INPUT. */
Err api_time_of(const struct req *req, Str name, Usec otherwise, Usec *ret_time);
/* The id that the member @name of a body is; ID_NONE if it is null or not there. E_BAD_INPUT. */
Err api_id_or_null(const struct json *body, Str name, Id *ret_id);
/* {"items": @items, "next_cursor": ...}: a cursor if the page was full. */
struct json *api_list(struct arena *a, struct json *items, size_t n, int limit, Id last);

/* @definition as the caller may see it: only who may change workflows sees the secrets in them. */
const struct json *api_definition(const struct req *req, const struct json *definition);

/* Answer 422 with located problems of a definition. */
Err api_problems(struct req *req, struct res *res, const WfProblems *problems) YIELDS;
/* The same for what is wrong with an input. */
struct json *api_schema_errors(struct arena *a, const JsonSchemaErrors *errors, Str prefix);

/* Which version of a workflow a start means, its definition and number. */
struct api_target {
    struct workflow_row *row;
    struct wf_def *def;
    int version;
};
Err api_target_of(struct req *req, struct workflow_row *row, Str version, struct wf_def **ret_def,
                  int *ret_version) YIELDS;

/* ---- starting runs (api_start.c) ---- */

enum api_mode { API_WAIT, API_ASYNC, API_STREAM };
/* How the caller of a start wants to hear of the run. */
struct api_start {
    enum api_mode mode;
    Usec timeout;
    bool has_timeout;
    Str key, fingerprint; /* of Idempotency-Key; empty: none */
};
/* From the body's mode and timeout, and the header. @sense: what the key stands for. */
Err api_start_read(struct req *req, const struct json *body, const struct json *sense,
                   struct api_start *ret_start);
/* Whether the caller may start a run of @def with the results @kept: E_FORBIDDEN. */
Err api_check_kept(struct req *req, const struct wf_def *def, const struct json *kept);
/* Start it, or find the run that the key has started, and answer. */
Err api_start_run(struct req *req, struct res *res, const struct workflow_row *row,
                  struct wf_start *start, const struct api_start *x) YIELDS;
/* Until the run has ended, wherever it is: OK. E_TIMEOUT, E_SHUTDOWN. */
Err api_await(struct req *req, Id tenant, Id run, Usec deadline) YIELDS;
/* A run without its definition. */
Err api_run_document(struct req *req, Id id, struct json **ret_doc) YIELDS;

/* Answer with the events of @run from @after on, until it ends or the client leaves. @watch: of its
 * start (wf_start.ret_watch, @after 0), or NULL. */
Err api_stream_run(struct req *req, struct res *res, Id run, int64_t after, struct wf_watch *watch)
    YIELDS;

/* api_simulate.c */
extern const struct route api_simulate_routes[];

#endif
