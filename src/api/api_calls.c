/* src/api/api_calls.c - calls of models one by one: who, what for, how it went, what was said. */
#include "api/api.h"

#include "store/store_model_call.h"

static const Usec USUAL_SPAN = 30 * USEC_DAY;

static struct json *text_or_null(struct arena *a, Str s)
{
    return s.n ? json_str(a, s) : json_null(a);
}

/* Tokens a second, from the request to the provider to the last byte. */
static struct json *speed_json(struct arena *a, const struct model_call_row *r)
{
    Usec took = r->total - r->overhead;

    return r->completion > 0 && took > 0
               ? json_double(a, (double)r->completion * (double)USEC_S / (double)took)
               : json_null(a);
}

static struct json *row_json(struct arena *a, const struct model_call_row *r)
{
    struct json *v =
        json_obj(a, "id", json_id(a, r->id), "time", json_time(a, id_time(r->id)), "key",
                 json_id(a, r->key), "model", json_str(a, r->model), "provider",
                 json_str(a, r->provider), "upstream_model", json_str(a, r->upstream_model),
                 "operation", json_str(a, r->operation), "streamed", json_bool(a, r->streamed),
                 "outcome", json_str(a, r->outcome), "status", json_int(a, r->status), "error",
                 text_or_null(a, r->error), "attempts", json_int(a, r->attempts), "from_cache",
                 json_bool(a, r->from_cache), "hedged", json_bool(a, r->hedged), NULL);
    const struct {
        const char *name;
        const struct json *value;
    } more[] = {
        {"prompt_tokens", json_int(a, r->prompt)},
        {"cached_tokens", json_int(a, r->cached)},
        {"completion_tokens", json_int(a, r->completion)},
        {"reasoning_tokens", json_int(a, r->reasoning)},
        {"estimated", json_bool(a, r->estimated)},
        {"cost_micros", r->cost < 0 ? json_null(a) : json_int(a, r->cost)},
        {"saved_micros", json_int(a, r->saved)},
        {"overhead_us", json_int(a, r->overhead)},
        {"first_byte_ms",
         r->first_byte ? json_double(a, (double)r->first_byte / 1000) : json_null(a)},
        {"total_ms", json_double(a, (double)r->total / 1000)},
        {"tokens_per_second", speed_json(a, r)},
        {"agent", text_or_null(a, r->agent)},
        {"workflow", text_or_null(a, r->workflow)},
        {"step", text_or_null(a, r->step)},
        {"end_user", text_or_null(a, r->user)},
        {"request_id", text_or_null(a, r->request_id)},
        {"guard", text_or_null(a, r->guard)},
        {"verdict", text_or_null(a, r->verdict)},
        {"guard_reason", text_or_null(a, r->guard_reason)},
    };

    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        json_set(a, v, str_c(more[i].name), more[i].value);
    return v;
}

static Err read_flag(const struct req *req, Str name, int *ret_flag)
{
    Str text;

    TRY(req_query(req, name, &text));
    *ret_flag = !text.n ? -1 : str_eq(text, S("true"));
    if (text.n && !*ret_flag && !str_eq(text, S("false")))
        return err_detail(E_BAD_INPUT, "%.*s must be true or false.", P(name));
    return OK;
}

static Err read_filters(const struct req *req, struct model_call_query *q)
{
    const struct {
        Str name;
        Str *to;
    } texts[] = {{S_INIT("model"), &q->model},         {S_INIT("provider"), &q->provider},
                 {S_INIT("operation"), &q->operation}, {S_INIT("outcome"), &q->outcome},
                 {S_INIT("agent"), &q->agent},         {S_INIT("workflow"), &q->workflow},
                 {S_INIT("step"), &q->step},           {S_INIT("end_user"), &q->user}};
    Str key;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        TRY(req_query(req, texts[i].name, texts[i].to));
    TRY(req_query(req, S("key"), &key));
    if (key.n && id_parse(key, &q->key) != OK)
        return err_detail(E_BAD_INPUT, "key must be the id of a key.");
    TRY(read_flag(req, S("from_cache"), &q->from_cache));
    TRY(api_time_of(req, S("to"), time_wall() + USEC_S, &q->to));
    return api_time_of(req, S("from"), usec_max(q->to - USUAL_SPAN, 0), &q->from);
}

static Err list_calls(struct req *req, struct res *res)
{
    struct model_call_query q = {.tenant = req->who.tenant};
    struct json *items = json_arr(req->a);
    struct api_page page;
    ModelCallRows rows;

    TRY(api_page_of(req, &page));
    TRY(read_filters(req, &q));
    q.before = page.before;
    q.max = page.limit;
    TRY(store_model_call_list(api_of(req)->db, req->a, &q, &rows));
    vec_each(&rows, r)
        json_push(req->a, items, row_json(req->a, r));
    Id last = rows.n ? rows.at[rows.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, rows.n, page.limit, last));
}

/* As JSON if it is; a body that was too long is a text. */
static struct json *body_json(struct arena *a, Str text)
{
    struct json *v;

    if (!text.n)
        return json_null(a);
    return json_parse(a, text, &v) == OK ? v : json_str(a, text);
}

static Err get_call(struct req *req, struct res *res)
{
    struct model_call_row row;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_model_call_get(api_of(req)->db, req->a, req->who.tenant, id, &row));
    struct json *v = row_json(req->a, &row);
    bool may = who_may(&req->who, "call.read");
    json_set(req->a, v, S("logged"), json_bool(req->a, row.request.n || row.answer.n));
    json_set(req->a, v, S("request"), may ? body_json(req->a, row.request) : json_null(req->a));
    json_set(req->a, v, S("answer"), may ? body_json(req->a, row.answer) : json_null(req->a));
    return res_json(res, 200, v);
}

const struct route api_calls_routes[] = {
    {HTTP_GET, "/api/calls", list_calls, "usage.read", .out_schema = "ModelCallList",
     .summary = "List calls of models, the newest first",
     .query = "model:string provider:string operation:string outcome:string key:string "
              "agent:string workflow:string step:string end_user:string from_cache:boolean "
              "from:string to:string limit:integer cursor:string"},
    {HTTP_GET, "/api/calls/:id", get_call, "usage.read", .out_schema = "ModelCallDetail",
     .summary = "Get one call, and what was said in it for who may see that (call.read)"},
    {0},
};
