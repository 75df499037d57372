/* src/api/api_reruns.c - running a run again, and two runs beside each other. */
#include "api/api.h"
#include "store/store_workflow.h"

/* The definition to run: that of the run, or what is published now. */
static Err target_of(struct req *req, const struct run_row *run, Str version,
                     struct workflow_row *ret_row, struct wf_def **ret_def, int *ret_version)
{
    Err e = store_workflow_get(api_of(req)->db, req->a, req->who.tenant, run->workflow, ret_row);

    if (e == E_NOT_FOUND)
        return err_detail(E_GONE, "The workflow of this run was deleted.");
    TRY(e);
    if (str_eq(version, S("published")))
        return api_target_of(req, ret_row, version, ret_def, ret_version);
    *ret_version = run->version;
    return wf_engine_def(api_of(req)->engine, run->hash, ret_def);
}

static Err rerun(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    struct workflow_row row;
    struct run_row former;
    struct api_start x = {0};
    struct json *body;
    int version = 0;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(req_json(req, &body));
    Str asked = json_str_of(json_at(body, "version"), S("pinned"));
    /* The key stands for this run and what is to be other in it. */
    struct json *sense =
        json_obj(req->a, "rerun", json_id(req->a, id), "from", json_at(body, "from"), "edits",
                 json_at(body, "edits"), "handles", json_at(body, "handles"), "version",
                 json_str(req->a, asked), NULL);
    TRY(api_start_read(req, body, sense, &x));
    TRY(store_run_get(api_of(req)->db, req->a, req->who.tenant, id, &former));
    TRY(target_of(req, &former, asked, &row, &def, &version));
    struct wf_start start = {.tenant = req->who.tenant,
                             .workflow = row.id,
                             .version = version,
                             .def = def,
                             .origin = S("rerun")};
    struct wf_rerun rerun = {.row = &former,
                             .from = json_str_of(json_at(body, "from"), S("")),
                             .edits = json_at(body, "edits"),
                             .handles = json_at(body, "handles")};
    TRY(wf_rerun_prepare(api_of(req)->engine, req->a, &rerun, &start));
    TRY(api_check_kept(req, def, start.kept));
    return api_start_run(req, res, &row, &start, &x);
}

static Err compare(struct req *req, struct res *res)
{
    struct json *doc;
    Id left, right;
    Str with;

    TRY(req_id(req, "id", &left));
    TRY(req_query(req, S("with"), &with));
    if (id_parse(with, &right) != OK)
        return err_detail(E_BAD_INPUT, "with must be the id of another run.");
    TRY(wf_run_compare(api_of(req)->engine, req->a, req->who.tenant, left, right, &doc));
    return res_json(res, 200, doc);
}

const struct route api_reruns_routes[] = {
    {HTTP_POST, "/api/runs/:id/rerun", rerun, "run.start", .kind = ROUTE_STREAM, .rate = RATE_RUN,
     .max_body = MIB(16), .in_schema = "Rerun", .out_schema = "Run", .headers = "Idempotency-Key",
     .summary = "Run a run again, or from a step on, or with other results"},
    {HTTP_GET, "/api/runs/:id/compare", compare, "run.read", .out_schema = "RunComparison",
     .summary = "Compare two runs step by step", .query = "with:string"},
    {0},
};
