/* src/api/api_guards.c - guards of the model gateway: who looks at what is said. */
#include "api/api.h"

#include "llm/hooks/guard.h"

static struct json *names_json(struct arena *a, const LlmGuardNames *names)
{
    struct json *list = json_arr(a);

    vec_each(names, name)
        json_push(a, list, json_str(a, *name));
    return list;
}

static struct json *guard_json(struct arena *a, const struct llm_guard *g)
{
    struct json *events = json_arr(a);
    char span[TIME_RFC3339_SIZE];

    for (unsigned i = 0; i < LLM_HOOK_EVENTS; i++)
        if (g->events >> i & 1)
            json_push(a, events, json_str(a, llm_hook_events[i]));
    return json_obj(a, "id", json_id(a, g->id), "name", json_str(a, g->name), "url",
                    json_str(a, g->url), "events", events, "routes", names_json(a, &g->routes),
                    "keys", names_json(a, &g->keys), "except_keys", names_json(a, &g->except),
                    "timeout", json_str(a, str_dup(a, time_span(g->timeout, span))), "on_error",
                    json_str_c(a, g->allow_on_error ? "allow" : "refuse"), "window",
                    json_int(a, (int64_t)g->window), "hold_back", json_int(a, (int64_t)g->back),
                    "private_network", json_bool(a, g->private_network), "enabled",
                    json_bool(a, g->enabled), "secret_opens", json_bool(a, !g->sealed), "revision",
                    json_int(a, g->revision), "created_at", json_time(a, g->created_at),
                    "updated_at", json_time(a, g->updated_at), NULL);
}

static Err find(const struct req *req, const struct llm_view *view,
                const struct llm_guard **ret_guard)
{
    Id id;

    TRY(req_id(req, "id", &id));
    *ret_guard = llm_guard_get(view, req->who.tenant, id);
    return *ret_guard ? OK : err_set(E_NOT_FOUND, "no such guard");
}

/* @secret: shown this once; empty: it stays as it was. */
static Err answer(struct req *req, struct res *res, int status, Id id, Str secret)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_guard *g = llm_guard_get(view, req->who.tenant, id);

    if (!g)
        return err_set(E_CONFLICT, "deleted by another in the same moment");
    struct json *v = guard_json(req->a, g);
    if (secret.n)
        json_set(req->a, v, S("secret"), json_str(req->a, secret));
    return res_json(res, status, v);
}

static Err list_guards(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    struct json *items = json_arr(req->a);

    for (size_t i = 0; i < llm_guard_count(view); i++) {
        const struct llm_guard *g = llm_guard_at(view, i);
        if (id_eq(g->tenant, req->who.tenant))
            json_push(req->a, items, guard_json(req->a, g));
    }
    return res_json(res, 200,
                    json_obj(req->a, "items", items, "next_cursor", json_null(req->a), NULL));
}

static Err get_guard(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_guard *g;

    TRY(find(req, view, &g));
    return res_json(res, 200, guard_json(req->a, g));
}

/* What the body says about a guard; what it leaves out is the usual. */
static Err read_guard(struct req *req, struct json *body, struct model_guard_row *row)
{
    struct arena *a = req->a;
    Str timeout = json_str_of(json_at(body, "timeout"), S(""));
    const struct json *routes = json_at(body, "routes"), *keys = json_at(body, "keys"),
                      *except = json_at(body, "except_keys");

    row->url = str_trim(json_str_of(json_at(body, "url"), S("")));
    row->events = llm_guard_events_text(a, json_at(body, "events"));
    row->routes = routes ? json_text(a, routes) : S("[]");
    row->keys = keys ? json_text(a, keys) : S("[]");
    row->except_keys = except ? json_text(a, except) : S("[]");
    row->on_error = json_str_of(json_at(body, "on_error"), S("refuse"));
    row->window = json_int_of(json_at(body, "window"), LLM_GUARD_WINDOW_USUAL);
    row->back = json_int_of(json_at(body, "hold_back"), LLM_GUARD_BACK_USUAL);
    row->private_network = json_bool_of(json_at(body, "private_network"), false);
    row->enabled = json_bool_of(json_at(body, "enabled"), true);
    row->timeout = LLM_GUARD_TIMEOUT_USUAL;
    if (timeout.n && time_parse_span(timeout, &row->timeout) != OK)
        return err_detail(E_INVALID, "timeout must be a span such as \"2s\".");
    return OK;
}

static Err post_guard(struct req *req, struct res *res)
{
    struct model_guard_row row = {.tenant = req->who.tenant};
    struct json *body;
    Str secret;

    TRY(req_json(req, &body));
    row.name = json_str_of(json_at(body, "name"), S(""));
    row.secret = json_str_of(json_at(body, "secret"), S(""));
    TRY(read_guard(req, body, &row));
    TRY(llm_guard_create(api_of(req)->llm, req->a, &row, &secret));
    return answer(req, res, 201, row.id, secret);
}

static Err put_guard(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_guard *g;
    struct json *body;
    Str secret;

    TRY(find(req, view, &g));
    TRY(req_json(req, &body));
    struct model_guard_row row = {.id = g->id,
                                  .tenant = g->tenant,
                                  .name = g->name,
                                  .revision = json_int_of(json_at(body, "revision"), g->revision)};
    TRY(read_guard(req, body, &row));
    Str given = json_str_of(json_at(body, "secret"), (Str){0});
    if (json_bool_of(json_at(body, "rotate_secret"), false))
        given = S("");
    TRY(llm_guard_update(api_of(req)->llm, req->a, &row, given, &secret));
    return answer(req, res, 200, row.id, secret);
}

static Err delete_guard(struct req *req, struct res *res)
{
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(llm_guard_delete(api_of(req)->llm, req->a, req->who.tenant, id));
    return res_empty(res, 204);
}

/* Ask it about a text: a no is an answer of this call, not its failure. */
static Err test_guard(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    AUTO(arena) *own = arena_new(LLM_SAID_ARENA);
    const struct llm_guard *g;
    struct llm_guard_test test;

    TRY(find(req, view, &g));
    TRY(llm_guard_try(g, own, req->request_id, &test));
    struct json *error =
        test.error == OK ? json_null(req->a)
                         : json_obj(req->a, "code", json_str_c(req->a, err_slug(test.error)),
                                    "message", json_str(req->a, str_dup(req->a, test.why)), NULL);
    return res_json(
        res, 200,
        json_obj(req->a, "ok", json_bool(req->a, test.error == OK), "latency_ms",
                 json_double(req->a, (double)test.took / 1000), "verdict",
                 test.error == OK ? json_str_c(req->a, test.verdict) : json_null(req->a), "error",
                 error, NULL));
}

const struct route api_guards_routes[] = {
    {HTTP_GET, "/api/guards", list_guards, "provider.read", .out_schema = "GuardList",
     .summary = "List who looks at what is said to models"},
    {HTTP_POST, "/api/guards", post_guard, "provider.write", .max_body = KIB(64),
     .in_schema = "NewGuard", .out_schema = "Guard", .summary = "Add a guard of model calls"},
    {HTTP_GET, "/api/guards/:id", get_guard, "provider.read", .out_schema = "Guard",
     .summary = "Get a guard"},
    {HTTP_PUT, "/api/guards/:id", put_guard, "provider.write", .max_body = KIB(64),
     .in_schema = "GuardChange", .out_schema = "Guard", .summary = "Change a guard"},
    {HTTP_DELETE, "/api/guards/:id", delete_guard, "provider.write", .summary = "Delete a guard"},
    {HTTP_POST, "/api/guards/:id/test", test_guard, "provider.write", .out_schema = "GuardTest",
     .summary = "Ask a guard about a text, to see whether it answers"},
    {0},
};
