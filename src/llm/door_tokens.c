/* src/llm/door_tokens.c - how many tokens a request is, told before it is sent. */
#include "llm/door_private.h"

#include "llm/tokens/request.h"
#include "rt/work.h"

enum { ON_A_WORKER = 4 * 1024, TREE_MAX = 512 << 20 }; /* a millisecond or two */

struct count_job {
    const struct llm_vocabularies *vocabularies;
    Str model, text;
    struct llm_tokens *out;
};

static Err count(void *arg)
{
    struct count_job *job = arg;
    AUTO(arena) *a = arena_new(TREE_MAX);
    struct llm_tally t;
    struct json *v;

    TRY(json_parse(a, job->text, &v));
    llm_tally_init(&t, job->vocabularies, job->model);
    if (json_is(v, JSON_STR))
        llm_tally_add(&t, json_str_of(v, S("")));
    else
        llm_tally_request(&t, a, v);
    *job->out = (struct llm_tokens){.n = llm_tally_total(&t),
                                    .exact = llm_tally_exact(&t),
                                    .method = llm_tally_method(&t, job->vocabularies)};
    return OK;
}

Err llm_tokens_count(struct llm *llm, Str model, Str text, struct llm_tokens *ret_tokens)
{
    struct count_job job = {llm->vocabularies, model, text, ret_tokens};

    return text.n > ON_A_WORKER ? work_run(count, &job) : count(&job);
}

Err llm_count_tokens(struct llm_call *c)
{
    const char *name = c->op == LLM_GENERATE_TOKENS ? "totalTokens" : "input_tokens";
    struct llm_tokens tokens = {0};

    TRY(llm_tokens_count(c->llm, c->target.model, c->body, &tokens));
    c->status = 200;
    c->first_sent_at = time_mono();
    llm_answer_headers(c, &(HttpHeaders){0});
    if (!tokens.exact)
        res_header(c->res, S("X-Heddle-Estimated"), str_c(name));
    res_header(c->res, S("X-Heddle-Tokens-By"), str_c(tokens.method));
    return res_json(c->res, 200, json_obj(c->req->a, name, json_int(c->req->a, tokens.n), NULL));
}

Err llm_tokens_for(struct llm *llm, struct arena *a, Id tenant, Str name, Str text,
                   struct llm_tokens_for *ret)
{
    AUTO(llm_view) *view = llm_view_take(llm);
    struct llm_target target = {0};
    struct llm_price price;
    Str first;
    bool own = str_cut(name, '/', &first).n && llm_view_named(view, tenant, first);
    const struct llm_route *route = own ? NULL : llm_route_named(view, tenant, name);

    for (unsigned i = 0; route && i < route->n_targets && !target.provider; i++)
        target = (struct llm_target){llm_view_named(view, tenant, route->targets[i].provider),
                                     route->targets[i].model};
    if (route && !target.provider)
        return err_detail(E_UNAVAILABLE, "No provider of the route \"%.*s\" exists.", P(name));
    if (!route)
        TRY(llm_resolve(llm, a, view, tenant, name, &target));
    ret->provider = str_dup(a, target.provider->name);
    ret->model = str_dup(a, target.model);
    bool priced = llm_prices_find(llm->prices, &target, &price);
    ret->context_window = priced ? price.max_input : 0;
    ret->max_output = priced ? price.max_output : 0;
    return llm_tokens_count(llm, ret->model, text, &ret->tokens);
}
