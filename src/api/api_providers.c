/* src/api/api_providers.c - model providers: made, changed, tried out; credentials go in, never
 * out.
 */
#include "api/api.h"

#include "base/map.h"
#include "llm/offers.h"
#include "llm/states.h"

enum { TARGETS_SHOWN = 2000 };

/* ---- how it is ---- */

static struct json *ms(struct arena *a, Usec span)
{
    return span ? json_double(a, (double)span / 1000) : json_null(a);
}

static struct json *errors_json(struct arena *a, const int64_t n[LLM_FATES])
{
    struct json *v = json_obj(a, NULL);

    for (size_t i = 0; i < LLM_FATES; i++)
        if (i != LLM_FATE_OK && n[i])
            json_set(a, v, llm_fate_names[i], json_int(a, n[i]));
    return v;
}

static struct json *probed_json(struct arena *a, const struct llm_probed *p)
{
    return json_obj(a, "at", json_time(a, p->at), "ok", json_bool(a, p->ok), "took_ms",
                    ms(a, p->took), "in_a_row", json_int(a, p->in_a_row), "error",
                    p->ok ? json_null(a) : json_str(a, str_dup(a, str_c(p->why))), NULL);
}

static struct json *target_json(struct arena *a, const struct llm_target_row *t)
{
    const struct llm_target_state *s = &t->state;

    return json_obj(a, "model", json_str(a, t->model), "breaker",
                    json_str_c(a, s->down ? "down" : llm_health_name(&s->health, time_mono())),
                    "failures", json_int(a, s->health.failures), "under_way",
                    json_int(a, s->under_way), "latency_ms", ms(a, s->latency.mean), NULL);
}

static struct json *health_json(struct req *req, const struct llm_provider *p, struct json *targets)
{
    struct arena *a = req->a;
    struct llm_provider_state s = llm_state_look(api_of(req)->llm, p);
    int64_t n[LLM_FATES], all = 0;

    llm_vitals_sum(&s.vitals, time_mono(), n);
    for (size_t i = 0; i < LLM_FATES; i++)
        all += n[i];
    return json_obj(a, "state", json_str_c(a, llm_state_name(p, &s)), "since",
                    s.probed.since ? json_time(a, s.probed.since) : json_null(a), "calls",
                    json_int(a, all), "errors", errors_json(a, n), "last_call",
                    s.vitals.last_at ? json_time(a, s.vitals.last_at) : json_null(a), "latency_ms",
                    ms(a, s.vitals.latency.mean), "p95_ms", ms(a, llm_pace_p95(&s.vitals.pace)),
                    "last_probe", s.probed.at ? probed_json(a, &s.probed) : json_null(a), "targets",
                    targets ? targets : json_arr(a), NULL);
}

/* The targets that were called, by the ids of their providers. */
static struct map *find_targets(struct req *req, const struct llm_view *view)
{
    struct arena *a = req->a;
    struct map *found = map_new();
    LlmTargetRows rows;

    llm_targets_list(api_of(req)->llm, a, view, req->who.tenant, TARGETS_SHOWN, &rows);
    vec_each(&rows, row) {
        Str key = str_from((const char *)row->provider.b, sizeof row->provider.b);
        struct json *list = map_get(found, key);
        if (!list) {
            list = json_arr(a);
            (void)map_put(found, key, list); /* there was none */
        }
        json_push(a, list, target_json(a, row));
    }
    return found;
}

static struct json *provider_json(struct req *req, const struct llm_provider *p,
                                  const struct map *targets)
{
    struct arena *a = req->a;
    char span[TIME_RFC3339_SIZE];
    struct json *probe = llm_probe_json(a, &p->probe);
    Str key = str_from((const char *)p->id.b, sizeof p->id.b);

    return json_obj(
        a, "id", json_id(a, p->id), "name", json_str(a, p->name), "kind",
        json_str_c(a, p->kind->name), "base_url", json_str(a, p->base_url), "api_version",
        p->api_version.n ? json_str(a, p->api_version) : json_null(a), "has_credential",
        json_bool(a, p->has_credential), "credential_opens", json_bool(a, !p->sealed),
        "private_network", json_bool(a, p->private_network), "enabled", json_bool(a, p->enabled),
        "timeout", json_str(a, str_dup(a, time_span(p->timeout, span))), "origin",
        json_str(a, p->from_environment ? S("environment") : S("store")), "revision",
        json_int(a, p->revision), "created_at", json_time(a, p->created_at), "updated_at",
        json_time(a, p->updated_at), "probe", probe ? probe : json_null(a), "health",
        health_json(req, p, map_get(targets, key)), NULL);
}

static Err find(const struct req *req, const struct llm_view *view,
                const struct llm_provider **ret_provider)
{
    Id id;

    TRY(req_id(req, "id", &id));
    *ret_provider = llm_view_get(view, req->who.tenant, id);
    return *ret_provider ? OK : err_set(E_NOT_FOUND, "no such provider");
}

static Err list_providers(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    struct json *items = json_arr(req->a);
    struct map *targets = find_targets(req, view);

    for (size_t i = 0; i < llm_view_count(view); i++) {
        const struct llm_provider *p = llm_view_at(view, i);
        if (id_eq(p->tenant, req->who.tenant))
            json_push(req->a, items, provider_json(req, p, targets));
    }
    map_free(targets, NULL);
    return res_json(res, 200,
                    json_obj(req->a, "items", items, "next_cursor", json_null(req->a), NULL));
}

static Err answer_with(struct req *req, struct res *res, int status, const struct llm_view *view,
                       const struct llm_provider *p)
{
    struct map *targets = find_targets(req, view);
    struct json *v = provider_json(req, p, targets);

    map_free(targets, NULL);
    return res_json(res, status, v);
}

static Err get_provider(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_provider *p;

    TRY(find(req, view, &p));
    return answer_with(req, res, 200, view, p);
}

static Err answer(struct req *req, struct res *res, int status, Id id)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_provider *p = llm_view_get(view, req->who.tenant, id);

    if (!p)
        return err_set(E_CONFLICT, "deleted by another in the same moment");
    return answer_with(req, res, status, view, p);
}

static Err read_timeout(const struct json *body, Usec *timeout)
{
    Str text = json_str_of(json_at(body, "timeout"), S(""));

    if (text.n && time_parse_span(text, timeout) != OK)
        return err_detail(E_INVALID, "timeout must be a span such as \"10m\".");
    return OK;
}

static Str probe_text(struct arena *a, const struct json *v)
{
    return v && !json_is(v, JSON_NULL) ? json_text(a, v) : S("");
}

static Err post_provider(struct req *req, struct res *res)
{
    struct json *body;

    TRY(req_json(req, &body));
    Str kind = json_str_of(json_at(body, "kind"), S(""));
    const struct llm_kind *k = llm_kind_find(kind);
    struct provider_row row = {
        .tenant = req->who.tenant,
        .name = json_str_of(json_at(body, "name"), kind),
        .kind = kind,
        .base_url = json_str_of(json_at(body, "base_url"), S("")),
        .credential = json_str_of(json_at(body, "credential"), S("")),
        .api_version = json_str_of(json_at(body, "api_version"), S("")),
        .private_network = json_bool_of(json_at(body, "private_network"), k && k->private_network),
        .enabled = json_bool_of(json_at(body, "enabled"), true),
        .probe = probe_text(req->a, json_at(body, "probe")),
    };
    TRY(read_timeout(body, &row.timeout));
    TRY(llm_provider_create(api_of(req)->llm, req->a, &row));
    return answer(req, res, 201, row.id);
}

static Err patch_provider(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_provider *p;
    struct json *body;

    TRY(find(req, view, &p));
    TRY(req_json(req, &body));
    if (p->from_environment)
        return err_detail(E_EXISTS,
                          "This provider comes from the environment; make one named "
                          "\"%.*s\" to take its place.",
                          P(p->name));
    struct provider_row row = {
        .id = p->id,
        .tenant = p->tenant,
        .name = p->name,
        .kind = str_c(p->kind->name),
        .base_url = json_str_of(json_at(body, "base_url"), p->base_url),
        .api_version = json_str_of(json_at(body, "api_version"), p->api_version),
        .private_network = json_bool_of(json_at(body, "private_network"), p->private_network),
        .enabled = json_bool_of(json_at(body, "enabled"), p->enabled),
        .timeout = p->timeout,
        .revision = json_int_of(json_at(body, "revision"), p->revision),
        .probe = probe_text(req->a, json_get(body, S("probe")) ? json_at(body, "probe")
                                                               : llm_probe_json(req->a, &p->probe)),
    };
    const struct json *credential = json_at(body, "credential");
    TRY(read_timeout(body, &row.timeout));
    TRY(llm_provider_update(api_of(req)->llm, req->a, &row,
                            credential ? json_str_of(credential, S("")) : (Str){0}));
    return answer(req, res, 200, row.id);
}

static Err delete_provider(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_provider *p;

    TRY(find(req, view, &p));
    if (p->from_environment)
        return err_detail(E_EXISTS, "This provider comes from the environment: take it out there.");
    TRY(llm_provider_delete(api_of(req)->llm, req->a, req->who.tenant, p->id));
    return res_empty(res, 204);
}

/* Does it answer, does it take the credential? A no is an answer of this call, not its failure. */
static Err test_provider(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_provider *p;
    struct json *error = NULL;
    LlmNames names = {0};

    TRY(find(req, view, &p));
    Usec from = time_mono();
    Err e = llm_models_fetch(api_of(req)->llm, req->a, p, &names);
    if (e == E_CANCELLED)
        return e;
    if (e != OK)
        error = json_obj(req->a, "code", json_str_c(req->a, err_slug(e)), "message",
                         json_str(req->a, str_dup(req->a, str_c(err_client_text(e)))), NULL);
    return res_json(res, 200,
                    json_obj(req->a, "ok", json_bool(req->a, e == OK), "latency_ms",
                             json_double(req->a, (double)(time_mono() - from) / 1000), "models",
                             json_int(req->a, (int64_t)names.n), "error",
                             error ? error : json_null(req->a), NULL));
}

static Err list_models(struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(api_of(req)->llm);
    const struct llm_provider *p;
    struct json *items = json_arr(req->a);
    LlmNames names = {0};

    TRY(find(req, view, &p));
    TRY(llm_models(api_of(req)->llm, req->a, p, &names));
    vec_each(&names, name)
        json_push(req->a, items, json_obj(req->a, "name", json_str(req->a, *name), NULL));
    return res_json(res, 200,
                    json_obj(req->a, "items", items, "next_cursor", json_null(req->a), NULL));
}

static Err list_kinds(struct req *req, struct res *res)
{
    struct arena *a = req->a;
    struct json *items = json_arr(a);

    for (const struct llm_kind *k = llm_kinds; k->name; k++)
        json_push(a, items,
                  json_obj(a, "name", json_str_c(a, k->name), "title", json_str_c(a, k->title),
                           "base_url", k->base_url ? json_str_c(a, k->base_url) : json_null(a),
                           "private_network", json_bool(a, k->private_network), "needs_credential",
                           json_bool(a, k->needs_credential), NULL));
    return res_json(res, 200, json_obj(a, "items", items, "next_cursor", json_null(a), NULL));
}

/* What could be used: nothing is, before it is added. */
static Err list_offers(struct req *req, struct res *res)
{
    struct arena *a = req->a;
    struct json *items = json_arr(a);
    LlmOffers offers;

    TRY(llm_offers(api_of(req)->llm, a, req->who.tenant, &offers));
    vec_each(&offers, o)
        json_push(a, items,
                  json_obj(a, "kind", json_str(a, o->kind), "title",
                           json_str_c(a, llm_kind_find(o->kind)->title), "base_url",
                           json_str(a, o->base_url), NULL));
    return res_json(res, 200, json_obj(a, "items", items, "next_cursor", json_null(a), NULL));
}

const struct route api_providers_routes[] = {
    {HTTP_GET, "/api/provider-kinds", list_kinds, "provider.read", .out_schema = "ProviderKindList",
     .summary = "List the kinds of model providers"},
    {HTTP_GET, "/api/provider-offers", list_offers, "provider.read",
     .out_schema = "ProviderOfferList",
     .summary = "List model servers of this machine that could be added"},
    {HTTP_GET, "/api/providers", list_providers, "provider.read", .out_schema = "ProviderList",
     .summary = "List model providers"},
    {HTTP_POST, "/api/providers", post_provider, "provider.write", .in_schema = "NewProvider",
     .out_schema = "Provider", .summary = "Add a model provider"},
    {HTTP_GET, "/api/providers/:id", get_provider, "provider.read", .out_schema = "Provider",
     .summary = "Get a model provider"},
    {HTTP_PATCH, "/api/providers/:id", patch_provider, "provider.write",
     .in_schema = "ProviderChange", .out_schema = "Provider", .summary = "Change a model provider"},
    {HTTP_DELETE, "/api/providers/:id", delete_provider, "provider.write",
     .summary = "Delete a model provider"},
    {HTTP_POST, "/api/providers/:id/test", test_provider, "provider.write",
     .out_schema = "ProviderTest", .summary = "Call a provider to see whether it answers"},
    {HTTP_GET, "/api/providers/:id/models", list_models, "provider.read",
     .out_schema = "ModelNameList", .summary = "List the models of a provider"},
    {0},
};
