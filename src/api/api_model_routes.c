/* src/api/api_model_routes.c - routes of the model gateway: names, and who answers for them. */
#include "api/api.h"

#include "llm/route.h"

static struct json *target_json(struct req *req, const struct llm_view *view,
                                const struct llm_route_target *t)
{
    struct arena *a = req->a;
    const struct llm_provider *p = llm_view_named(view, req->who.tenant, t->provider);
    struct llm_target_state s = {0};
    const char *state = "missing";

    if (p) {
        s = llm_target_look(api_of(req)->llm, &(struct llm_target){p, t->model});
        state = !p->enabled ? "off" : s.down ? "down" : llm_health_name(&s.health, time_mono());
    }
    return json_obj(a, "provider", json_str(a, t->provider), "model", json_str(a, t->model),
                    "weight", json_int(a, t->weight), "max_concurrent",
                    t->concurrent ? json_int(a, t->concurrent) : json_null(a), "state",
                    json_str_c(a, state), "under_way", json_int(a, s.under_way), "waiting",
                    json_int(a, (int64_t)s.gate.n), "latency_ms",
                    s.latency.mean ? json_double(a, (double)s.latency.mean / 1000) : json_null(a),
                    NULL);
}

static struct json *route_json(struct req *req, const struct llm_view *view,
                               const struct llm_route *r)
{
    struct arena *a = req->a;
    struct json *targets = json_arr(a);
    const struct json *cache = llm_cache_rule_json(a, &r->cache);
    const struct json *hedge = llm_hedge_json(a, &r->hedge);
    char span[TIME_RFC3339_SIZE];

    for (unsigned i = 0; i < r->n_targets; i++)
        json_push(a, targets, target_json(req, view, &r->targets[i]));
    return json_obj(
        a, "id", json_id(a, r->id), "name", json_str(a, r->name), "targets", targets, "balance",
        json_str(a, llm_balance_names[r->balance]), "sticky",
        r->sticky.n ? json_str(a, r->sticky) : json_null(a), "attempts", json_int(a, r->attempts),
        "context", r->context ? json_str(a, llm_context_names[r->context]) : json_null(a),
        "timeout", r->timeout ? json_str(a, str_dup(a, time_span(r->timeout, span))) : json_null(a),
        "cache", cache ? cache : json_null(a), "hedge", hedge ? hedge : json_null(a), "revision",
        json_int(a, r->revision), "created_at", json_time(a, r->created_at), "updated_at",
        json_time(a, r->updated_at), NULL);
}

static Err find(const struct req *req, const struct llm_view *view,
                const struct llm_route **ret_route)
{
    Id id;

    TRY(req_id(req, "id", &id));
    *ret_route = llm_route_get(view, req->who.tenant, id);
    return *ret_route ? OK : err_set(E_NOT_FOUND, "no such route");
}

static Err answer(struct req *req, struct res *res, int status, Id id)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_route *r = llm_route_get(view, req->who.tenant, id);

    if (!r)
        return err_set(E_CONFLICT, "deleted by another in the same moment");
    return res_json(res, status, route_json(req, view, r));
}

static Err list_routes(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    struct json *items = json_arr(req->a);

    for (size_t i = 0; i < llm_route_count(view); i++) {
        const struct llm_route *r = llm_route_at(view, i);
        if (id_eq(r->tenant, req->who.tenant))
            json_push(req->a, items, route_json(req, view, r));
    }
    return res_json(res, 200,
                    json_obj(req->a, "items", items, "next_cursor", json_null(req->a), NULL));
}

static Err get_route(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_route *r;

    TRY(find(req, view, &r));
    return res_json(res, 200, route_json(req, view, r));
}

/* What the body says about a route; what it leaves out is the usual. */
static Err read_route(struct req *req, struct json *body, struct model_route_row *row)
{
    Str timeout = json_str_of(json_at(body, "timeout"), S(""));

    row->targets = json_text(req->a, json_at(body, "targets"));
    row->attempts = (int)json_int_of(json_at(body, "attempts"), LLM_ATTEMPTS_USUAL);
    row->balance = json_str_of(json_at(body, "balance"), llm_balance_names[LLM_ORDER]);
    row->sticky = json_str_of(json_at(body, "sticky"), S(""));
    row->cache = json_is(json_at(body, "cache"), JSON_OBJ)
                     ? json_text(req->a, json_at(body, "cache"))
                     : S("");
    row->hedge = json_is(json_at(body, "hedge"), JSON_OBJ)
                     ? json_text(req->a, json_at(body, "hedge"))
                     : S("");
    row->context = json_str_of(json_at(body, "context"), S(""));
    row->timeout = 0;
    if (timeout.n && (time_parse_span(timeout, &row->timeout) != OK || !row->timeout))
        return err_detail(E_INVALID, "timeout must be a span such as \"20s\".");
    return OK;
}

static Err post_route(struct req *req, struct res *res)
{
    struct model_route_row row = {.tenant = req->who.tenant};
    struct json *body;

    TRY(req_json(req, &body));
    row.name = json_str_of(json_at(body, "name"), S(""));
    TRY(read_route(req, body, &row));
    TRY(llm_route_create(api_of(req)->llm, req->a, &row));
    return answer(req, res, 201, row.id);
}

static Err put_route(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_route *r;
    struct json *body;

    TRY(find(req, view, &r));
    TRY(req_json(req, &body));
    struct model_route_row row = {.id = r->id,
                                  .tenant = r->tenant,
                                  .name = r->name,
                                  .revision = json_int_of(json_at(body, "revision"), r->revision)};
    TRY(read_route(req, body, &row));
    TRY(llm_route_update(api_of(req)->llm, req->a, &row));
    return answer(req, res, 200, row.id);
}

static Err delete_route(struct req *req, struct res *res)
{
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(llm_route_delete(api_of(req)->llm, req->a, req->who.tenant, id));
    return res_empty(res, 204);
}

const struct route api_model_routes_routes[] = {
    {HTTP_GET, "/api/routes", list_routes, "provider.read", .out_schema = "ModelRouteList",
     .summary = "List the routes of the model gateway"},
    {HTTP_POST, "/api/routes", post_route, "provider.write", .in_schema = "NewModelRoute",
     .out_schema = "ModelRoute", .summary = "Make a route"},
    {HTTP_GET, "/api/routes/:id", get_route, "provider.read", .out_schema = "ModelRoute",
     .summary = "Get a route"},
    {HTTP_PUT, "/api/routes/:id", put_route, "provider.write", .in_schema = "ModelRouteChange",
     .out_schema = "ModelRoute", .summary = "Change a route"},
    {HTTP_DELETE, "/api/routes/:id", delete_route, "provider.write", .summary = "Delete a route"},
    {0},
};
