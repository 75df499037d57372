/* src/api/api_runs.c - starting, seeing, following and cancelling runs. */
#include "api/api.h"
#include "base/crypto.h"
#include "net/sse.h"
#include "store/store_workflow.h"

static const Usec HEARTBEAT = 15 * USEC_S;

/* ---- events ---- */

struct sse_out {
    struct res *res;
    struct arena *a;
    bool hide; /* secrets that a run was started with */
};

static Err send_event(void *ctx, int64_t seq, Str name, const struct json *event)
{
    struct sse_out *out = ctx;
    char id[24];
    AUTO_BUF(data, MIB(128));

    if (out->hide && json_at(event, "vars")) {
        struct json *shown = json_dup(out->a, event);
        wf_hide_secrets_in(out->a, json_at(shown, "vars"));
        event = shown;
    }
    json_write(&data, event);
    TRY(buf_ok(&data));
    int n = snprintf(id, sizeof id, "%lld", (long long)seq);
    struct sse_event ev = {.id = seq ? str_from(id, (size_t)n) : (Str){NULL, 0},
                           .event = name,
                           .data = buf_str(&data),
                           .retry_ms = -1};
    return sse_send(out->res, &ev);
}

static Err send_heartbeat(void *ctx)
{
    struct sse_out *out = ctx;
    return sse_heartbeat(out->res);
}

Err api_stream_run(struct req *req, struct res *res, Id run, int64_t after)
{
    struct sse_out out = {res, req->a, !who_may(&req->who, "workflow.write")};
    struct wf_follow follow = {send_event, send_heartbeat, HEARTBEAT, &out};

    TRY(sse_begin(res));
    TRY(wf_run_follow(api_of(req)->engine, req->who.tenant, run, after, &follow));
    return res_end(res);
}

static Err stream_run(struct req *req, struct res *res)
{
    struct run_row row;
    Str last = sse_last_id(req);
    int64_t after = 0;
    Id id;

    TRY(req_id(req, "id", &id));
    if (last.n && (str_to_i64(last, &after) != OK || after < 0))
        return err_detail(E_BAD_INPUT, "Last-Event-ID must be the id of an event of this run.");
    TRY(store_run_get(api_of(req)->db, req->a, req->who.tenant, id, &row));
    return api_stream_run(req, res, id, after);
}

/* ---- starting ---- */

enum mode { MODE_WAIT, MODE_ASYNC, MODE_STREAM };

struct execution {
    enum mode mode;
    const struct json *input, *vars;
    Str version, key, fingerprint;
    Usec timeout;
    bool has_timeout;
};

static Err read_execution(struct req *req, struct execution *ret)
{
    static const Str modes[] = {S_INIT("wait"), S_INIT("async"), S_INIT("stream")};
    struct execution x = {0};
    struct json *body = NULL;
    uint8_t hash[CRYPTO_HASH_SIZE];

    TRY(req_json(req, &body));
    Str mode = json_str_of(json_at(body, "mode"), S("wait"));
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (str_eq(mode, modes[i]))
            x.mode = (enum mode)i;
    x.input = json_at(body, "input");
    x.vars = json_at(body, "vars");
    const struct json *version = json_at(body, "version");
    x.version = json_is(version, JSON_INT)
                    ? str_fmt(req->a, "%lld", (long long)json_int_of(version, 0))
                    : json_str_of(version, S(""));
    Str timeout = json_str_of(json_at(body, "timeout"), S(""));
    x.has_timeout = timeout.n != 0;
    if (timeout.n && time_parse_span(timeout, &x.timeout) != OK)
        return err_detail(E_BAD_INPUT, "timeout must be a span such as \"30s\".");
    x.key = req_header(req, S("idempotency-key"));
    if (x.key.n > 255)
        return err_detail(E_BAD_INPUT, "Idempotency-Key may have 255 bytes at most.");
    if (x.key.n) {
        /* The key stands for this input in this version; the mode and the patience may differ. */
        struct json *sense = json_obj(req->a, "input", x.input, "vars", x.vars, "version",
                                      json_str(req->a, x.version), NULL);
        AUTO_BUF(b, MIB(64));
        json_write_canonical(&b, sense);
        TRY(buf_ok(&b));
        crypto_blake2b(buf_str(&b), hash);
        x.fingerprint = str_dup(req->a, str_from((char *)hash, sizeof hash));
        x.key = str_fmt(req->a, "api:%.*s", P(x.key)); /* never a webhook's, which has "hook:" */
    }
    *ret = x;
    return OK;
}

static Err check_vars(const struct wf_def *def, const struct json *vars)
{
    for (size_t i = 0; json_is(vars, JSON_OBJ) && i < vars->n; i++) {
        Str name = str_from(vars->obj[i].key.s, vars->obj[i].key.n);
        bool known = false;
        for (int v = 0; v < def->n_variables; v++)
            known = known || str_eq(def->variables[v].name, name);
        if (!known)
            return err_detail(E_INVALID, "The workflow has no variable \"%.*s\".", P(name));
    }
    return OK;
}

/* Follow or fetch a run that is not (or no more) in this shard's memory, as the mode asks. */
static Err answer_stored(struct req *req, struct res *res, Id id, const struct execution *x);

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

static Err run_document(struct req *req, Id id, struct json **ret_doc)
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

static Err answer_stored(struct req *req, struct res *res, Id id, const struct execution *x)
{
    struct json *doc;

    if (x->mode == MODE_STREAM)
        return api_stream_run(req, res, id, 0);
    if (x->mode == MODE_WAIT) {
        struct wf_follow follow = {ignore_event, ignore_idle, HEARTBEAT, NULL};
        Usec former = fiber_deadline();
        if (x->has_timeout)
            (void)fiber_deadline_set(usec_min(former, usec_in(x->timeout)));
        Err e = wf_run_follow(api_of(req)->engine, req->who.tenant, id, 0, &follow);
        (void)fiber_deadline_set(former);
        if (e != OK && e != E_TIMEOUT)
            return e;
    }
    TRY(run_document(req, id, &doc));
    return res_json(res, doc_is_final(doc) && x->mode == MODE_WAIT ? 200 : 202, doc);
}

static Err answer_repeat(struct req *req, struct res *res, const struct workflow_row *row,
                         const struct execution *x)
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
                          const struct execution *x)
{
    char id[ID_TEXT_SIZE];

    res_header(res, S("Location"),
               str_fmt(req->a, "/api/runs/%.*s", P(id_text(wf_run_id(run), id))));
    if (x->mode == MODE_STREAM)
        return api_stream_run(req, res, wf_run_id(run), 0);
    if (x->mode == MODE_ASYNC)
        return res_json(res, 202, wf_run_json(req->a, run, name));
    Err e = wf_run_wait(run, x->has_timeout ? usec_in(x->timeout) : USEC_NEVER);
    if (e != OK && e != E_TIMEOUT && e != E_SHUTDOWN)
        return e;
    /* The run ended, or goes on without this caller: say how it stands. */
    return res_json(res, e == OK ? 200 : 202, wf_run_json(req->a, run, name));
}

static Err execute(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    AUTO(wf_run) *run = NULL;
    struct workflow_row row;
    struct execution x = {0};
    JsonSchemaErrors errors = {0};
    int version = 0;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(read_execution(req, &x));
    TRY(workflow_cache_get(api_of(req)->workflows, req->a, id, &row));
    if (!id_eq(row.tenant, req->who.tenant))
        return err_detail(E_NOT_FOUND, "There is no such workflow.");
    TRY(api_target_of(req, &row, x.version, &def, &version));
    TRY(check_vars(def, x.vars));
    Err e = wf_def_check_input(def, req->a, x.input, &errors);
    if (e == E_INVALID && errors.n) {
        e = err_detail(E_INVALID, "The input does not meet the workflow's schema: %.*s",
                       P(errors.at[0].message));
        return res_problem(
            res, e,
            json_obj(req->a, "errors", api_schema_errors(req->a, &errors, S("/input")), NULL));
    }
    TRY(e);
    struct wf_start start = {
        .tenant = req->who.tenant,
        .workflow = row.id,
        .version = version,
        .def = def,
        .origin = auth_is_session(req) ? S("manual") : S("api"),
        .input = x.input,
        .vars = x.vars,
        .key = x.key,
        .fingerprint = x.fingerprint,
    };
    e = wf_run_start(api_of(req)->engine, &start, &run);
    if (e == E_EXISTS && x.key.n)
        return answer_repeat(req, res, &row, &x);
    TRY(e);
    return answer_started(req, res, run, row.name, &x);
}

/* ---- seeing and cancelling ---- */

static Err list_runs(struct req *req, struct res *res)
{
    struct run_filter filter = {.tenant = req->who.tenant, .workflow = ID_NONE, .state = -1};
    struct api_page page;
    RunRows rows;
    Str workflow, state;

    TRY(api_page_of(req, &page));
    TRY(req_query(req, S("workflow_id"), &workflow));
    TRY(req_query(req, S("state"), &state));
    if (workflow.n && id_parse(workflow, &filter.workflow) != OK)
        return err_detail(E_BAD_INPUT, "workflow_id must be an id.");
    if (state.n) {
        enum wf_run_state s;
        if (!wf_run_state_parse(state, &s))
            return err_detail(E_BAD_INPUT,
                              "state must be one of queued, running, waiting, succeeded,"
                              " failed, cancelled.");
        filter.state = (int)s;
    }
    filter.before = page.before;
    filter.limit = page.limit;
    TRY(store_run_list(api_of(req)->db, req->a, &filter, &rows));
    struct json *items = json_arr(req->a);
    vec_each(&rows, row)
        json_push(req->a, items, wf_run_row_json(req->a, row));
    Id last = rows.n ? rows.at[rows.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, rows.n, page.limit, last));
}

static Err get_run(struct req *req, struct res *res)
{
    struct json *doc;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(wf_run_load(api_of(req)->engine, req->a, req->who.tenant, id, &doc));
    json_set(req->a, doc, S("definition"), api_definition(req, json_at(doc, "definition")));
    return res_json(res, 200, doc);
}

static Err cancel_run(struct req *req, struct res *res)
{
    struct json *doc;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(wf_run_cancel(api_of(req)->engine, req->a, req->who.tenant, id));
    TRY(run_document(req, id, &doc));
    return res_json(res, 202, doc);
}

const struct route api_runs_routes[] = {
    {HTTP_POST, "/api/workflows/:id/execute", execute, "run.start", .kind = ROUTE_STREAM,
     .rate = RATE_RUN, .max_body = MIB(16), .in_schema = "Execute", .out_schema = "Run",
     .headers = "Idempotency-Key", .summary = "Start a run"},
    {HTTP_GET, "/api/runs", list_runs, "run.read", .out_schema = "RunList", .summary = "List runs",
     .query = "limit:integer cursor:string workflow_id:string state:string"},
    {HTTP_GET, "/api/runs/:id", get_run, "run.read", .out_schema = "Run",
     .summary = "Get a run with its steps"},
    {HTTP_GET, "/api/runs/:id/events", stream_run, "run.read", .kind = ROUTE_SSE,
     .summary = "Follow a run's events"},
    {HTTP_POST, "/api/runs/:id/cancel", cancel_run, "run.cancel", .out_schema = "Run",
     .summary = "Cancel a run"},
    {0},
};
