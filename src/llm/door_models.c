/* src/llm/door_models.c - which models there are, as clients ask for them. */
#include "base/json.h"
#include "llm/door_private.h"

static struct json *model_json(struct arena *a, const struct llm_provider *p, Str id)
{
    return json_obj(a, "id", json_str(a, id), "object", json_str(a, S("model")), "created",
                    json_int(a, p->created_at / USEC_S), "owned_by", json_str(a, p->name), NULL);
}

static struct json *route_json(struct arena *a, const struct llm_route *r)
{
    return json_obj(a, "id", json_str(a, r->name), "object", json_str(a, S("model")), "created",
                    json_int(a, r->created_at / USEC_S), "owned_by", json_str(a, S("heddle")),
                    NULL);
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
            json_push(a, data, route_json(a, r));
    for (size_t i = 0; i < n; i++) {
        const struct llm_provider *p = jobs[i].provider;
        if (jobs[i].error != OK)
            res_header(res, S("X-Heddle-Unavailable"), p->name);
        vec_each(&jobs[i].names, name)
            json_push(a, data, model_json(a, p, str_fmt(a, "%.*s/%.*s", P(p->name), P(*name))));
    }
    return res_json(res, 200, json_obj(a, "object", json_str(a, S("list")), "data", data, NULL));
}

Err llm_door_model(struct llm *llm, struct req *req, struct res *res, Str name)
{
    AUTO(llm_view) *view = llm_view_take(llm);
    const struct llm_route *route = llm_route_named(view, req->who.tenant, name);
    struct llm_target target;

    if (route)
        return res_json(res, 200, route_json(req->a, route));
    TRY(llm_resolve(llm, req->a, view, req->who.tenant, name, &target));
    return res_json(res, 200, model_json(req->a, target.provider, name));
}
