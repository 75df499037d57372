/* src/api/api_start.c - what every start of a run by the API has in common: how the caller wants to
 * hear of it, its idempotency key, and the answer. */
#include "api/api.h"
#include "base/crypto.h"

static const Usec HEARTBEAT = 15 * USEC_S;

Err api_start_read(struct req *req, const struct json *body, const struct json *sense,
                   struct api_start *ret_start)
{
    static const Str modes[] = {S_INIT("wait"), S_INIT("async"), S_INIT("stream")};
    struct api_start x = {0};
    uint8_t hash[CRYPTO_HASH_SIZE];

    Str mode = json_str_of(json_at(body, "mode"), S("wait"));
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (str_eq(mode, modes[i]))
            x.mode = (enum api_mode)i;
    Str timeout = json_str_of(json_at(body, "timeout"), S(""));
    x.has_timeout = timeout.n != 0;
    if (timeout.n && time_parse_span(timeout, &x.timeout) != OK)
        return err_detail(E_BAD_INPUT, "timeout must be a span such as \"30s\".");
    x.key = req_header(req, S("idempotency-key"));
    if (x.key.n > 255)
        return err_detail(E_BAD_INPUT, "Idempotency-Key may have 255 bytes at most.");
    if (x.key.n) {
        AUTO_BUF(b, MIB(64));
        json_write_canonical(&b, sense);
        TRY(buf_ok(&b));
        crypto_blake2b(buf_str(&b), hash);
        x.fingerprint = str_dup(req->a, str_from((char *)hash, sizeof hash));
        x.key = str_fmt(req->a, "api:%.*s", P(x.key)); /* never a webhook's, which has "hook:" */
    }
    *ret_start = x;
    return OK;
}

static Err ignore_event(void *ctx, int64_t seq, Str name, const struct json *event)
{
    (void)ctx, (void)seq, (void)name, (void)event;
    return OK;
}

static Err ignore_idle(void *ctx)
{
    (void)ctx;
    return OK;
}

Err api_await(struct req *req, Id tenant, Id run, Usec deadline)
{
    struct wf_follow follow = {ignore_event, ignore_idle, HEARTBEAT, NULL, NULL};
    Usec former = fiber_deadline();

    (void)fiber_deadline_set(usec_min(former, deadline));
    Err e = wf_run_follow(api_of(req)->engine, tenant, run, 0, &follow);
    (void)fiber_deadline_set(former);
    return e;
}

Err api_run_document(struct req *req, Id id, struct json **ret_doc)
{
    TRY(wf_run_load(api_of(req)->engine, req->a, req->who.tenant, id, ret_doc));
    (void)json_remove(*ret_doc, S("definition")); /* it is asked for by GET /api/runs/:id */
    return OK;
}

static bool doc_is_final(const struct json *doc)
{
    enum wf_run_state state;
    return wf_run_state_parse(json_str_of(json_at(doc, "state"), S("")), &state) &&
           wf_run_state_is_final(state);
}

static Err answer_stored(struct req *req, struct res *res, Id id, const struct api_start *x)
{
    struct json *doc;

    if (x->mode == API_STREAM)
        return api_stream_run(req, res, id, 0, NULL);
    if (x->mode == API_WAIT) {
        Err e =
            api_await(req, req->who.tenant, id, x->has_timeout ? usec_in(x->timeout) : USEC_NEVER);
        if (e != OK && e != E_TIMEOUT)
            return e;
    }
    TRY(api_run_document(req, id, &doc));
    return res_json(res, doc_is_final(doc) && x->mode == API_WAIT ? 200 : 202, doc);
}

static Err answer_repeat(struct req *req, struct res *res, const struct workflow_row *row,
                         const struct api_start *x)
{
    Str fingerprint;
    Id id;

    TRY(store_run_by_key(api_of(req)->db, req->a, row->id, x->key, &id, &fingerprint));
    if (!str_eq(fingerprint, x->fingerprint))
        return err_detail(E_EXISTS, "This Idempotency-Key was used with another input.");
    res_header(res, S("Idempotency-Replayed"), S("true"));
    return answer_stored(req, res, id, x);
}

static Err answer_started(struct req *req, struct res *res, struct wf_run *run, Str name,
                          struct wf_watch *watch, const struct api_start *x)
{
    char id[ID_TEXT_SIZE];

    res_header(res, S("Location"),
               str_fmt(req->a, "/api/runs/%.*s", P(id_text(wf_run_id(run), id))));
    if (x->mode == API_STREAM)
        return api_stream_run(req, res, wf_run_id(run), 0, watch);
    if (x->mode == API_ASYNC)
        return res_json(res, 202, wf_run_json(req->a, run, name));
    Err e = wf_run_wait(run, x->has_timeout ? usec_in(x->timeout) : USEC_NEVER);
    if (e != OK && e != E_TIMEOUT && e != E_SHUTDOWN)
        return e;
    /* The run ended, or goes on without this caller: say how it stands. */
    return res_json(res, e == OK ? 200 : 202, wf_run_json(req->a, run, name));
}

Err api_check_kept(struct req *req, const struct wf_def *def, const struct json *kept)
{
    if (!wf_rerun_approves(def, kept) || who_may(&req->who, "approval.decide"))
        return OK;
    return err_detail(E_FORBIDDEN, "This takes over, or sets, what people decide: it needs the "
                                   "capability \"approval.decide\".");
}

/* The run is there, and begins when others had time to join it. */
static Err gather(struct req *req, struct res *res, const struct workflow_row *row,
                  const struct wf_start *start, const struct api_start *x)
{
    struct wf_gathered gathered;
    char id[ID_TEXT_SIZE];
    Err e = wf_run_gather(api_of(req)->engine, start, &gathered);

    if (e == E_EXISTS && x->key.n)
        return answer_repeat(req, res, row, x);
    TRY(e);
    res_header(res, S("Location"), str_fmt(req->a, "/api/runs/%.*s", P(id_text(gathered.run, id))));
    return answer_stored(req, res, gathered.run, x);
}

Err api_start_run(struct req *req, struct res *res, const struct workflow_row *row,
                  struct wf_start *start, const struct api_start *x)
{
    AUTO(wf_run) *run = NULL;
    AUTO(wf_watch) *watch = NULL;

    start->ret_watch = x->mode == API_STREAM ? &watch : NULL;
    start->key = x->key;
    start->fingerprint = x->fingerprint;
    if (wf_start_gathers(start))
        return gather(req, res, row, start, x);
    Err e = wf_run_start(api_of(req)->engine, start, &run);
    if (e == E_EXISTS && x->key.n)
        return answer_repeat(req, res, row, x);
    if (e == E_PRECONDITION)
        return err_detail(E_CONFLICT, "%s", str_dup_c(req->a, str_c(err_client_text(e))));
    TRY(e);
    return answer_started(req, res, run, row->name, watch, x);
}
