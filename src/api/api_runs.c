/* src/api/api_runs.c - starting, seeing, following and cancelling runs. */
#include "api/api.h"
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

Err api_stream_run(struct req *req, struct res *res, Id run, int64_t after, struct wf_watch *watch)
{
    struct sse_out out = {res, req->a, !who_may(&req->who, "workflow.write")};
    struct wf_follow follow = {send_event, send_heartbeat, HEARTBEAT, &out, watch};

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
    return api_stream_run(req, res, id, after, NULL);
}

/* ---- starting ---- */

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

static Err read_execution(struct req *req, struct json **ret_body, Str *ret_version,
                          struct api_start *ret_start)
{
    struct json *body = NULL;

    TRY(req_json(req, &body));
    const struct json *version = json_at(body, "version");
    *ret_version = json_is(version, JSON_INT)
                       ? str_fmt(req->a, "%lld", (long long)json_int_of(version, 0))
                       : json_str_of(version, S(""));
    *ret_body = body;
    /* The key stands for this input in this version; the mode and the patience may differ. */
    struct json *sense = json_obj(
        req->a, "input", json_at(body, "input"), "vars", json_at(body, "vars"), "version",
        json_str(req->a, *ret_version), "mocks", json_at(body, "mocks"), "dry_run",
        json_bool_of(json_at(body, "dry_run"), false) ? json_bool(req->a, true) : NULL, NULL);
    return api_start_read(req, body, sense, ret_start);
}

static Err execute(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    struct workflow_row row;
    struct api_start x = {0};
    struct json *body;
    Str asked;
    JsonSchemaErrors errors = {0};
    int version = 0;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(read_execution(req, &body, &asked, &x));
    TRY(workflow_cache_get(api_of(req)->workflows, req->a, id, &row));
    if (!id_eq(row.tenant, req->who.tenant))
        return err_detail(E_NOT_FOUND, "There is no such workflow.");
    TRY(api_target_of(req, &row, asked, &def, &version));
    TRY(check_vars(def, json_at(body, "vars")));
    Err e = wf_def_check_input(def, req->a, json_at(body, "input"), &errors);
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
        .input = json_at(body, "input"),
        .vars = json_at(body, "vars"),
        .dry_run = json_bool_of(json_at(body, "dry_run"), false),
    };
    TRY(wf_mocks_prepare(req->a, json_at(body, "mocks"), &start));
    TRY(api_check_kept(req, def, start.kept));
    return api_start_run(req, res, &row, &start, &x);
}

/* ---- seeing and cancelling ---- */

static Err list_runs(struct req *req, struct res *res)
{
    struct run_filter filter = {.tenant = req->who.tenant, .state = -1};
    struct api_page page;
    RunRows rows;
    Str workflow, state, parent;

    TRY(api_page_of(req, &page));
    TRY(req_query(req, S("workflow_id"), &workflow));
    TRY(req_query(req, S("state"), &state));
    TRY(req_query(req, S("parent"), &parent));
    if (parent.n && id_parse(parent, &filter.parent) != OK)
        return err_detail(E_BAD_INPUT, "parent must be the id of a run.");
    if (parent.n && (workflow.n || state.n))
        return err_detail(E_BAD_INPUT, "parent goes without workflow_id and state.");
    if (workflow.n && id_parse(workflow, &filter.workflow) != OK)
        return err_detail(E_BAD_INPUT, "workflow_id must be an id.");
    if (state.n) {
        enum wf_run_state s;
        if (!wf_run_state_parse(state, &s))
            return err_detail(E_BAD_INPUT,
                              "state must be one of queued, running, waiting, succeeded,"
                              " failed, cancelled, paused, poisoned.");
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

/* The items or rounds of one step, page by page. */
static Err list_items(struct req *req, struct res *res)
{
    struct wf_items_page page = {.tenant = req->who.tenant};
    struct json *doc;
    int64_t from, limit;

    TRY(req_id(req, "id", &page.run));
    TRY(req_query(req, S("node"), &page.node));
    TRY(req_query(req, S("scope"), &page.scope));
    TRY(req_query_int(req, S("from"), 0, WF_CYCLE_MAX, 0, &from));
    TRY(req_query_int(req, S("limit"), 1, 100, 20, &limit));
    if (!page.node.n)
        return err_detail(E_BAD_INPUT, "node must be the id of a step that has items or rounds.");
    page.from = (int)from;
    page.limit = (int)limit;
    TRY(wf_run_items(api_of(req)->engine, req->a, &page, &doc));
    return res_json(res, 200, doc);
}

static Err cancel_run(struct req *req, struct res *res)
{
    struct json *doc;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(wf_run_cancel(api_of(req)->engine, req->a, req->who.tenant, id));
    TRY(api_run_document(req, id, &doc));
    return res_json(res, 202, doc);
}

static Err pause_run(struct req *req, struct res *res)
{
    struct json *doc;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(wf_run_pause(api_of(req)->engine, req->a, req->who.tenant, id));
    TRY(api_run_document(req, id, &doc));
    return res_json(res, 202, doc);
}

static Err resume_run(struct req *req, struct res *res)
{
    struct json *doc;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(wf_run_resume(api_of(req)->engine, req->a, req->who.tenant, id));
    TRY(api_run_document(req, id, &doc));
    return res_json(res, 202, doc);
}

const struct route api_runs_routes[] = {
    {HTTP_POST, "/api/workflows/:id/execute", execute, "run.start", .kind = ROUTE_STREAM,
     .rate = RATE_RUN, .max_body = MIB(16), .in_schema = "Execute", .out_schema = "Run",
     .headers = "Idempotency-Key", .summary = "Start a run"},
    {HTTP_GET, "/api/runs", list_runs, "run.read", .out_schema = "RunList", .summary = "List runs",
     .query = "limit:integer cursor:string workflow_id:string state:string parent:string"},
    {HTTP_GET, "/api/runs/:id", get_run, "run.read", .out_schema = "Run",
     .summary = "Get a run with its steps"},
    {HTTP_GET, "/api/runs/:id/items", list_items, "run.read", .out_schema = "RunItems",
     .summary = "The items or rounds of a step, with their steps",
     .query = "node:string scope:string from:integer limit:integer"},
    {HTTP_GET, "/api/runs/:id/events", stream_run, "run.read", .kind = ROUTE_SSE,
     .summary = "Follow a run's events"},
    {HTTP_POST, "/api/runs/:id/cancel", cancel_run, "run.cancel", .out_schema = "Run",
     .summary = "Cancel a run"},
    {HTTP_POST, "/api/runs/:id/pause", pause_run, "run.cancel", .out_schema = "Run",
     .summary = "Let a run rest: nothing new is begun"},
    {HTTP_POST, "/api/runs/:id/resume", resume_run, "run.cancel", .out_schema = "Run",
     .summary = "Let a run that rests go on"},
    {0},
};
