/* src/api/api_hooks.c - /hooks/:id: what webhook triggers are called by. The trigger says who may.
 */
#include "api/api.h"
#include "store/store_workflow.h"
#include "wf/hook.h"

static const Usec RESULT_PATIENCE = 5 * USEC_MIN;

/* The published version. A draft answers nobody: what is being written is not meant to be called.
 */
static Err find(struct req *req, struct workflow_row *ret_row, struct wf_def **ret_def,
                int *ret_version)
{
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(workflow_cache_get(api_of(req)->workflows, req->a, id, ret_row));
    TRY(api_target_of(req, ret_row, S("published"), ret_def, ret_version));
    if (!wf_hook_is_set(*ret_def))
        return err_detail(E_NOT_FOUND, "This workflow is not started by a webhook.");
    return OK;
}

static Err read_request(struct req *req, const struct wf_def *def, struct json **ret_input,
                        struct json **ret_request)
{
    struct wf_hook_request in = {.method = str_c(http_method_name(req->method)),
                                 .headers = &req->headers,
                                 .query = req->query,
                                 .now = time_wall()};
    /* Who is refused by his head alone need not send a body, and none is kept of him. */
    TRY(wf_hook_admit_head(req->a, def, &in));
    TRY(req_body(req, &in.body));
    return wf_hook_read(req->a, def, &in, ret_input, ret_request);
}

/* The result as the caller of the hook sees it: the run's output, or that it failed. */
static Err answer_result(struct req *req, struct res *res, struct wf_run *run)
{
    Err e = wf_run_wait(run, usec_in(RESULT_PATIENCE));
    if (e != OK && e != E_TIMEOUT && e != E_SHUTDOWN)
        return e;
    struct json *doc = wf_run_json(req->a, run, S(""));
    if (e != OK)
        return res_json(res, 202,
                        json_obj(req->a, "run_id", json_id(req->a, wf_run_id(run)), NULL));
    if (wf_run_state(run) == WF_RUN_SUCCEEDED)
        return res_json(res, 200, json_at(doc, "output"));
    return res_problem(
        res,
        err_detail(E_RUN_FAILED, "The run %s.",
                   wf_run_state(run) == WF_RUN_CANCELLED ? "was cancelled" : "failed"),
        json_obj(req->a, "run_id", json_id(req->a, wf_run_id(run)), "state", json_at(doc, "state"),
                 "error", json_at(doc, "error"), NULL));
}

/* This delivery came before. */
static Err answer_repeat(struct req *req, struct res *res, Id workflow, Str key)
{
    Id known;
    Str fingerprint;

    TRY(store_run_by_key(api_of(req)->db, req->a, workflow, key, &known, &fingerprint));
    return res_json(res, 202,
                    json_obj(req->a, "run_id", json_id(req->a, known), "duplicate",
                             json_bool(req->a, true), NULL));
}

/* Nobody waits for a run that begins when others had time to join it. */
static Err gather(struct req *req, struct res *res, const struct wf_start *start)
{
    struct wf_gathered gathered;
    Err e = wf_run_gather(api_of(req)->engine, start, &gathered);

    if (e == E_EXISTS && start->key.n)
        return answer_repeat(req, res, start->workflow, start->key);
    TRY(e);
    return res_json(res, 202,
                    json_obj(req->a, "run_id", json_id(req->a, gathered.run), "starts",
                             json_int(req->a, gathered.starts), "due_at",
                             json_time(req->a, gathered.due_at), NULL));
}

static Err call_hook(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    AUTO(wf_run) *run = NULL;
    struct workflow_row row;
    struct json *input, *request;
    JsonSchemaErrors errors = {0};
    int version;
    char id[ID_TEXT_SIZE];

    TRY(find(req, &row, &def, &version));
    TRY(read_request(req, def, &input, &request));
    Err e = wf_def_check_input(def, req->a, input, &errors);
    if (e == E_INVALID && errors.n)
        return res_problem(
            res, err_detail(E_INVALID, "The body does not meet the workflow's schema."),
            json_obj(req->a, "errors", api_schema_errors(req->a, &errors, S("")), NULL));
    TRY(e);
    struct wf_start start = {.tenant = row.tenant,
                             .workflow = row.id,
                             .version = version,
                             .def = def,
                             .origin = S("webhook"),
                             .input = input,
                             .request = request};
    /* Senders repeat a delivery under the same id: it starts one run. */
    Str delivery = wf_hook_delivery(req->a, def, &req->headers);
    if (delivery.n > 255)
        return err_detail(E_BAD_INPUT, "The id of a delivery may have 255 bytes at most.");
    if (delivery.n) {
        start.key = str_fmt(req->a, "hook:%.*s", P(delivery));
        start.fingerprint = S("00000000000000000000000000000000");
    }
    if (wf_start_gathers(&start))
        return gather(req, res, &start);
    e = wf_run_start(api_of(req)->engine, &start, &run);
    if (e == E_EXISTS && start.key.n)
        return answer_repeat(req, res, row.id, start.key);
    if (e == E_PRECONDITION) /* the sender has done its part, and need not come again */
        return res_json(res, 202,
                        json_obj(req->a, "skipped", json_str_c(req->a, err_client_text(e)), NULL));
    TRY(e);
    res_header(res, S("X-Run-Id"), str_dup(req->a, id_text(wf_run_id(run), id)));
    if (wf_hook_wants_result(def))
        return answer_result(req, res, run);
    return res_json(res, 202, json_obj(req->a, "run_id", json_id(req->a, wf_run_id(run)), NULL));
}

const struct route api_hooks_routes[] = {
    {HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_PATCH | HTTP_DELETE, "/hooks/:id", call_hook, NULL,
     .kind = ROUTE_STREAM, .rate = RATE_RUN, .max_body = MIB(16),
     .summary = "Start a workflow by its webhook trigger"},
    {0},
};
