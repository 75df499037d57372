/* src/llm/door_models.c - which models there are, as clients ask for them. */
#include "base/json.h"
#include "llm/door_private.h"

/* The clients of Anthropic say so. */
static bool is_anthropics(const struct req *req)
{
    return req_header(req, S("anthropic-version")).p != NULL;
}

static struct json *googles_json(struct arena *a, Str id)
{
    static const char *const names[] = {"generateContent", "streamGenerateContent", "countTokens",
                                        "embedContent", "batchEmbedContents"};
    struct json *methods = json_arr(a);

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        json_push(a, methods, json_str_c(a, names[i]));
    return json_obj(a, "name", json_str(a, str_fmt(a, "models/%.*s", P(id))), "displayName",
                    json_str(a, id), "supportedGenerationMethods", methods, NULL);
}

static struct json *model_json(const struct req *req, Str id, Str owner, Usec created)
{
    struct arena *a = req->a;

    if (llm_is_googles(req))
        return googles_json(a, id);
    if (is_anthropics(req))
        return json_obj(a, "type", json_str_c(a, "model"), "id", json_str(a, id), "display_name",
                        json_str(a, id), "created_at", json_time(a, created ? created : USEC_S),
                        NULL);
    return json_obj(a, "id", json_str(a, id), "object", json_str(a, S("model")), "created",
                    json_int(a, created / USEC_S), "owned_by", json_str(a, owner), NULL);
}

static struct json *route_json(const struct req *req, const struct llm_route *r)
{
    return model_json(req, r->name, S("heddle"), r->created_at);
}

/* All of them: there is no next page. */
static struct json *list_json(const struct req *req, const struct json *data)
{
    struct arena *a = req->a;
    const struct json *first = json_at(json_item(data, 0), "id");
    const struct json *last =
        json_len(data) ? json_at(json_item(data, json_len(data) - 1), "id") : NULL;

    if (llm_is_googles(req))
        return json_obj(a, "models", data, NULL);
    if (is_anthropics(req))
        return json_obj(a, "data", data, "has_more", json_bool(a, false), "first_id",
                        first ? first : json_null(a), "last_id", last ? last : json_null(a), NULL);
    return json_obj(a, "object", json_str(a, S("list")), "data", data, NULL);
}

struct list_job {
    struct llm *llm;
    struct arena *a;
    const struct llm_provider *provider;
    LlmNames names;
    Err error;
};

static Err list_one(void *arg)
{
    struct list_job *job = arg;

    job->error = llm_models(job->llm, job->a, job->provider, &job->names);
    return OK;
}

/* All providers are asked at once; one that does not answer is named in a header. */
static Err list_all(struct list_job *jobs, size_t n)
{
    FIBER_GROUP(g, 32, false);

    for (size_t i = 0; i < n; i++)
        TRY(fiber_group_start(&g, "llm.models", list_one, &jobs[i]));
    return fiber_group_join(&g);
}

Err llm_door_models(struct llm *llm, struct req *req, struct res *res)
{
    AUTO(llm_view) *view = llm_view_take(llm);
    struct arena *a = req->a;
    struct json *data = json_arr(a);
    struct list_job *jobs = arena_array(a, struct list_job, view->providers.n + 1);
    size_t n = 0;

    vec_each(&view->providers, p)
        if (p->enabled && id_eq(p->tenant, req->who.tenant))
            jobs[n++] = (struct list_job){.llm = llm, .a = a, .provider = p};
    TRY(list_all(jobs, n));
    vec_each(&view->routes, r)
        if (id_eq(r->tenant, req->who.tenant))
            json_push(a, data, route_json(req, r));
    for (size_t i = 0; i < n; i++) {
        const struct llm_provider *p = jobs[i].provider;
        if (jobs[i].error != OK)
            res_header(res, S("X-Heddle-Unavailable"), p->name);
        vec_each(&jobs[i].names, name)
            json_push(a, data,
                      model_json(req, str_fmt(a, "%.*s/%.*s", P(p->name), P(*name)), p->name,
                                 p->created_at));
    }
    return res_json(res, 200, list_json(req, data));
}

Err llm_door_model(struct llm *llm, struct req *req, struct res *res, Str name)
{
    AUTO(llm_view) *view = llm_view_take(llm);
    struct llm_target target;

    if (llm_is_googles(req))
        name = llm_gemini_name(name);
    const struct llm_route *route = llm_route_named(view, req->who.tenant, name);
    if (route)
        return res_json(res, 200, route_json(req, route));
    TRY(llm_resolve(llm, req->a, view, req->who.tenant, name, &target));
    return res_json(res, 200,
                    model_json(req, name, target.provider->name, target.provider->created_at));
}
