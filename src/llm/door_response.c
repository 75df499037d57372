/* src/llm/door_response.c - responses that follow one another: they are kept by who made them. */
#include "base/json.h"
#include "llm/door_private.h"

enum { REFUSAL_MAX = 64 * 1024, RESPONSE_MAX = 64 << 20 };

void llm_pin(const struct llm_call *c, Str id)
{
    Str ids[] = {id, c->follows}; /* who answers what follows has what is followed */

    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        llm_pins_put(c->llm->pins, c->req->who.tenant, ids[i], c->target.provider->id,
                     c->target.model);
}

Err llm_pin_find(struct llm *llm, Id tenant, Str id, struct llm_pin *ret_pin)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct model_pin_row row;

    if (llm_pins_get(llm->pins, tenant, id, ret_pin))
        return OK;
    if (!id.n || id.n > LLM_PIN_ID_MAX)
        return err_set(E_NOT_FOUND, "no id of a response");
    TRY(store_model_pin_get(llm->db, a, tenant, id, &row));
    if (row.model.n > sizeof ret_pin->model)
        return err_set(E_CORRUPT, "a pin of a model that is none");
    ret_pin->provider = row.provider;
    ret_pin->model_n = row.model.n;
    memcpy(ret_pin->model, row.model.n ? row.model.p : "", row.model.n);
    return OK;
}

/* 400 or 404, by its code; another 404 is of the model. */
bool llm_is_missing(int status, Str body)
{
    AUTO(arena) *a = arena_new(MIB(4));
    struct json *v;

    if ((status != 400 && status != 404) || body.n > REFUSAL_MAX || json_parse(a, body, &v) != OK)
        return false;
    return str_eq(json_str_of(json_at(json_at(v, "error"), "code"), S("")),
                  S("previous_response_not_found"));
}

/* ---- responses that were made ---- */

/* Whether @rest may be called by the request's method. */
static bool is_offered(const struct req *req, Str rest)
{
    if (str_eq(rest, S("/cancel")))
        return req->method == HTTP_POST;
    if (str_eq(rest, S("/input_items")))
        return req->method == HTTP_GET;
    return !rest.n && (req->method == HTTP_GET || req->method == HTTP_DELETE);
}

static Err find(struct llm_call *c, const struct llm_view *view, Str id)
{
    struct llm_pin *pin = arena_new_of(c->req->a, struct llm_pin);
    Id tenant = c->req->who.tenant;

    Err e = llm_pin_find(c->llm, tenant, id, pin);
    if (e != OK && e != E_NOT_FOUND)
        return e;
    if (e == OK)
        c->target = (struct llm_target){llm_view_get(view, tenant, pin->provider),
                                        str_from(pin->model, pin->model_n)};
    if (!c->target.provider)
        return err_detail(E_NOT_FOUND,
                          "There is no response \"%.*s\", or it is not known any more who has it.",
                          P(str_head(id, LLM_PIN_ID_MAX)));
    return llm_usable(c->target.provider);
}

static Err pass_on(struct llm_call *c, Str id, Str rest)
{
    const struct llm_provider *p = c->target.provider;
    struct arena *a = c->req->a;
    struct http_reply reply;
    struct http_call call = {
        .method = c->req->method,
        .url = llm_upstream_response_url(
            a, p, str_fmt(a, "/%.*s%.*s", P(url_encode(a, id)), P(rest)), c->req->query),
        .egress = p->egress,
        .deadline = usec_in(p->timeout),
        .idle_timeout = p->timeout,
        .max_body = RESPONSE_MAX,
    };

    llm_upstream_headers(a, p, &call.headers);
    c->attempts = 1;
    c->first_sent_at = time_mono();
    Err e = http_fetch(a, &call, &reply);
    if (e != OK)
        return llm_call_error(p, e);
    if (reply.status != 200)
        return llm_answer_error(c, reply.status, &reply.headers, reply.body);
    if (!http_type_is(http_header_get(&reply.headers, S("content-type")), S("application/json")))
        return err_detail(
            E_UPSTREAM, "The provider \"%.*s\" gave no usable answer: it is not JSON.", P(p->name));
    if (c->hook)
        TRY(llm_hook_answer(c, &reply.body));
    llm_answer_headers(c, &reply.headers);
    return res_send(c->res, 200, S("application/json"), reply.body);
}

Err llm_door_response(struct llm *llm, struct req *req, struct res *res, Str path)
{
    AUTO(llm_view) *view = llm_view_take(llm);
    struct llm_call *c = arena_new_of(req->a, struct llm_call);
    bool ours = false;
    Str id, rest = str_cut(path, '/', &id), stream;

    rest = rest.p ? str_from(rest.p - 1, rest.n + 1) : S("");
    if (!is_offered(req, rest))
        return err_detail(E_NOT_FOUND, "There is no such call of a response here.");
    TRY(req_query(req, S("stream"), &stream));
    if (str_eq(stream, S("true")))
        return err_detail(E_BAD_INPUT, "Responses that were made are not streamed here.");
    c->llm = llm;
    c->req = req;
    c->res = res;
    c->op = LLM_RESPONSES;
    c->dialect = &llm_dialect_responses;
    c->ready_at = time_mono();
    if (view->hooked)
        llm_hook_find(c, view, true);
    TRY(llm_talk_serve(c, id, rest, &ours));
    if (ours)
        return OK;
    TRY(find(c, view, id));
    return pass_on(c, id, rest);
}
