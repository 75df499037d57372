/* src/api/api_retention.c - how long runs that have ended are kept: of the tenant, of a workflow,
 * and of one run. */
#include "api/api.h"
#include "wf/retention.h"

static struct json *state_json(struct req *req, const struct retention *own, Str name,
                               const struct retention *holds)
{
    struct json *o = wf_retention_json(req->a, holds);
    json_set(req->a, o, name, wf_retention_json(req->a, own));
    return o;
}

/* What holds for workflows that say nothing, and what the tenant itself says. */
static Err answer_tenant(struct req *req, struct res *res)
{
    struct retention own, none = {0};

    TRY(store_retention_get(api_of(req)->db, req->a, req->who.tenant, &own));
    struct retention holds = wf_retention_of(wf_engine_retention(api_of(req)->engine), &own, &none);
    return res_json(res, 200, state_json(req, &own, S("tenant"), &holds));
}

static Err get_retention(struct req *req, struct res *res)
{
    return answer_tenant(req, res);
}

/* The smallest definition with these settings: checked as every other. */
static Str definition_of(struct arena *a, const struct json *retention)
{
    return str_fmt(a,
                   "{\"heddle\":1,\"name\":\"rules\",\"settings\":{\"retention\":%.*s},\"nodes\":[{"
                   "\"id\":\"trigger\",\"type\":\"trigger\",\"data\":{\"trigger\":\"manual\"}}],"
                   "\"edges\":[]}",
                   P(json_text(a, retention)));
}

static Err put_retention(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    WfProblems problems = {0};
    struct retention rules = {0};
    struct json *body;

    TRY(req_json(req, &body));
    if (json_len(body)) {
        Err e = wf_def_parse(req->a, definition_of(req->a, body), &problems, &def);
        if (e == E_INVALID && problems.n)
            return api_problems(req, res, &problems);
        TRY(e);
        rules = *def->retention;
    }
    struct db_tx *tx = db_begin(api_of(req)->db, req->a);
    store_retention_put(tx, req->who.tenant, req->who.tenant, json_len(body) ? &rules : NULL);
    TRY(db_commit(tx));
    return answer_tenant(req, res);
}

static Err get_workflow_retention(struct req *req, struct res *res)
{
    struct db *db = api_of(req)->db;
    struct retention own, of_tenant;
    struct workflow_row row;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_workflow_get(db, req->a, req->who.tenant, id, &row));
    TRY(store_retention_get(db, req->a, id, &own));
    TRY(store_retention_get(db, req->a, req->who.tenant, &of_tenant));
    struct retention holds =
        wf_retention_of(wf_engine_retention(api_of(req)->engine), &of_tenant, &own);
    return res_json(res, 200, state_json(req, &own, S("workflow"), &holds));
}

static Err mark(struct req *req, struct res *res, bool keep)
{
    struct json *doc;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_run_keep(api_of(req)->db, req->a, req->who.tenant, id, keep));
    TRY(api_run_document(req, id, &doc));
    return res_json(res, 200, doc);
}

static Err keep_run(struct req *req, struct res *res)
{
    return mark(req, res, true);
}

static Err let_go_run(struct req *req, struct res *res)
{
    return mark(req, res, false);
}

const struct route api_retention_routes[] = {
    {HTTP_GET, "/api/retention", get_retention, "workflow.read", .out_schema = "RetentionState",
     .summary = "How long runs are kept of workflows that say nothing"},
    {HTTP_PUT, "/api/retention", put_retention, "workflow.write", .in_schema = "Retention",
     .out_schema = "RetentionState",
     .summary = "Set how long runs are kept of workflows that say nothing"},
    {HTTP_GET, "/api/workflows/:id/retention", get_workflow_retention, "workflow.read",
     .out_schema = "RetentionState", .summary = "How long runs of a workflow are kept"},
    {HTTP_PUT, "/api/runs/:id/keep", keep_run, "run.cancel", .out_schema = "Run",
     .summary = "Keep a run, however old it gets"},
    {HTTP_DELETE, "/api/runs/:id/keep", let_go_run, "run.cancel", .out_schema = "Run",
     .summary = "Keep a run only as long as others"},
    {0},
};
