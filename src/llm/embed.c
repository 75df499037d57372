/* src/llm/embed.c - what a text means, asked of a model on the gateway's own account. */
#include "llm/embed.h"
#include "llm/demo/demo.h"
#include "llm/dialects/chat.h"

#include "llm/llm_private.h"
#include "llm/prices.h"
#include "llm/states.h"
#include "llm/targets.h"
#include "llm/upstream.h"
#include "llm/vector.h"
#include "net/http_client.h"

enum { ANSWER_MAX = 1 << 20, TREE_MAX = 32 << 20 };

struct asking {
    struct llm *llm;
    struct arena *a;
    Str text;
    Usec deadline;
    struct llm_embedding *e;
};

static bool is_gemini(const struct asking *x)
{
    return x->e->target.provider->kind->dialect == &llm_dialect_gemini;
}

static Err read_answer(struct asking *x, Str body)
{
    AUTO(arena) *own = arena_new(TREE_MAX);
    struct llm_price price;
    struct json *v;

    if (json_parse(own, body, &v) != OK)
        return err_set(E_UPSTREAM, "an embedding that is no JSON");
    const struct json *vector = is_gemini(x)
                                    ? json_at(json_item(json_at(v, "embeddings"), 0), "values")
                                    : json_at(json_item(json_at(v, "data"), 0), "embedding");
    TRY(llm_vector_pack(x->a, vector, &x->e->vector));
    llm_usage_read(json_at(v, "usage"), &x->e->usage);
    if (is_gemini(x))
        llm_dialect_gemini.read_usage(json_at(v, "usageMetadata"), &x->e->usage);
    if (!x->e->usage.known) /* it costs all the same */
        x->e->usage = (struct llm_usage){.prompt = (int64_t)x->text.n / 4 + 1, .estimated = true};
    x->e->cost = llm_prices_find(x->llm->prices, &x->e->target, &price)
                     ? llm_price_cost(&price, &x->e->usage)
                     : -1;
    return OK;
}

static Err ask_demo(struct asking *x)
{
    float *numbers = arena_array(x->a, float, LLM_DEMO_DIMENSIONS);
    struct json *list = json_arr(x->a);

    llm_demo_embed(x->text, numbers, LLM_DEMO_DIMENSIONS);
    for (size_t i = 0; i < LLM_DEMO_DIMENSIONS; i++)
        json_push(x->a, list, json_double(x->a, (double)numbers[i]));
    x->e->usage = (struct llm_usage){.known = true, .prompt = (int64_t)x->text.n / 4 + 1};
    x->e->cost = 0;
    return llm_vector_pack(x->a, list, &x->e->vector);
}

static Str body_of(struct asking *x)
{
    const Str model = x->e->target.model;
    struct arena *a = x->a;
    struct json *parts = json_arr(a), *requests = json_arr(a);

    if (!is_gemini(x))
        return json_text(a, json_obj(a, "model", json_str(a, model), "input", json_str(a, x->text),
                                     "encoding_format", json_str_c(a, "float"), NULL));
    json_push(a, parts, json_obj(a, "text", json_str(a, x->text), NULL));
    json_push(a, requests,
              json_obj(a, "model", json_str(a, str_fmt(a, "models/%.*s", P(model))), "content",
                       json_obj(a, "parts", parts, NULL), NULL));
    return json_text(a, json_obj(a, "requests", requests, NULL));
}

static Err ask(struct asking *x)
{
    const struct llm_target *t = &x->e->target;
    struct arena *a = x->a;
    struct http_reply reply;
    struct http_call call = {.method = HTTP_POST,
                             .egress = t->provider->egress,
                             .deadline = x->deadline,
                             .idle_timeout = t->provider->timeout,
                             .max_body = ANSWER_MAX,
                             .idempotent = true};

    TRY(llm_usable(t->provider));
    if (t->provider->kind->demo)
        return ask_demo(x);
    TRY(llm_upstream_url(a, t->provider, LLM_EMBEDDINGS, t->model, false, &call.url));
    llm_upstream_headers(a, t->provider, &call.headers);
    http_header_add(a, &call.headers, S("Content-Type"), S("application/json"));
    call.body = body_of(x);
    TRY(http_fetch(a, &call, &reply));
    if (reply.status != 200)
        return err_set(E_UPSTREAM, "status %d instead of an embedding", reply.status);
    return read_answer(x, reply.body);
}

static bool was_called(Err e)
{
    return e == OK || e == E_CONNECT || e == E_EGRESS || e == E_TIMEOUT || e == E_UPSTREAM ||
           e == E_UPSTREAM_CUT || e == E_TOO_LARGE;
}

/* The target is told how it was: one that fails again and again rests, and costs no wait. */
static Err ask_target(struct asking *x, unsigned most)
{
    struct llm_price price;

    if (x->llm->refuse_unpriced && !llm_prices_find(x->llm->prices, &x->e->target, &price))
        return err_set(E_INVALID, "the price of the target is not known");
    if (llm_target_take(x->llm, &x->e->target, most, false) != LLM_TAKEN)
        return err_set(E_UNAVAILABLE, "the target rests or is full");
    Usec began = time_mono();
    Err e = ask(x);
    x->e->took = time_mono() - began;
    if (was_called(e))
        llm_state_note(x->llm, x->e->target.provider, e == OK ? LLM_FATE_OK : llm_fate_of_error(e),
                       e == OK ? x->e->took : 0);
    if (e == E_CANCELLED)
        llm_target_drop(x->llm, &x->e->target);
    else
        llm_target_note(x->llm, &x->e->target, e == OK ? LLM_WELL : LLM_FAILED, 0,
                        e == OK ? x->e->took : 0);
    return e;
}

static Err ask_route(struct asking *x, const struct llm_view *view, const struct llm_route *r)
{
    Err e = err_set(E_UNAVAILABLE, "no target of the route can be called");

    for (unsigned i = 0; i < r->n_targets && e != OK && e != E_CANCELLED; i++) {
        const struct llm_provider *p = llm_view_named(view, r->tenant, r->targets[i].provider);
        if (!p || time_mono() >= x->deadline)
            continue;
        x->e->target = (struct llm_target){p, r->targets[i].model};
        e = ask_target(x, r->targets[i].concurrent);
    }
    return e;
}

Err llm_embed(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant, Str name,
              Str text, Usec deadline, struct llm_embedding *ret_embedding)
{
    struct asking x = {llm, a, text, deadline, ret_embedding};
    const struct llm_route *route = llm_route_named(view, tenant, name);
    Usec before = fiber_deadline_set(usec_min(deadline, fiber_deadline()));
    Err e;

    *ret_embedding = (struct llm_embedding){.cost = -1};
    if (route) {
        e = ask_route(&x, view, route);
    } else {
        e = llm_resolve(llm, a, view, tenant, name, &ret_embedding->target);
        if (e == OK)
            e = ask_target(&x, 0);
    }
    (void)fiber_deadline_set(before);
    return e;
}

void llm_embed_most(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant,
                    Str name, Str text, int64_t *ret_tokens, int64_t *ret_cost)
{
    const struct llm_route *route = llm_route_named(view, tenant, name);
    struct llm_usage most = {.prompt = (int64_t)(text.n / 2) + 1}; /* a token is rarely less */
    unsigned n = route ? route->n_targets : 1;
    struct llm_price price;
    int64_t cost = 0;

    for (unsigned i = 0; i < n; i++) {
        struct llm_target t = {0};
        if (!route && llm_resolve(llm, a, view, tenant, name, &t) != OK)
            continue;
        if (route)
            t = (struct llm_target){llm_view_named(view, route->tenant, route->targets[i].provider),
                                    route->targets[i].model};
        int64_t its = t.provider && llm_prices_find(llm->prices, &t, &price)
                          ? llm_price_most(&price, &most)
                          : 0;
        cost = its > cost ? its : cost;
    }
    *ret_tokens = most.prompt;
    *ret_cost = cost;
}
