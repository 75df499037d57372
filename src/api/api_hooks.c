/* src/api/api_hooks.c - /hooks/:id: what webhook triggers are called by. The trigger says who may.
 *
 * A delivery is read, checked and started here; what its caller hears of the run is
 * api_hook_answer.c.
 */
#include "api/hook.h"
#include "base/crypto.h"

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

static Err read_request(struct req *req, struct api_hook *h)
{
    h->in = (struct wf_hook_request){.method = str_c(http_method_name(req->method)),
                                     .headers = &req->headers,
                                     .query = req->query,
                                     .now = time_wall()};
    /* Who is refused by his head alone need not send a body, and none is kept of him. */
    TRY(wf_hook_admit_head(req->a, h->def, &h->in));
    TRY(req_body(req, &h->in.body));
    return wf_hook_read(req->a, h->def, &h->in, &h->input, &h->request);
}

/* Senders repeat a delivery under the same id: it starts one run. */
static Err mark_delivery(struct req *req, const struct api_hook *h, struct wf_start *start)
{
    Str delivery = wf_hook_delivery(req->a, h->def, &req->headers);
    uint8_t hash[CRYPTO_HASH_SIZE];

    if (delivery.n > 255)
        return err_detail(E_BAD_INPUT, "The id of a delivery may have 255 bytes at most.");
    if (!delivery.n)
        return OK;
    start->key = str_fmt(req->a, "hook:%.*s", P(delivery));
    crypto_blake2b(h->in.body, hash);
    start->fingerprint = str_dup(req->a, str_from((char *)hash, sizeof hash));
    return OK;
}

static Err start_run(struct req *req, struct api_hook *h, struct wf_start *start,
                     struct wf_run **ret_run)
{
    Err e = h->gathers ? wf_run_gather(api_of(req)->engine, start, &h->gathered)
                       : wf_run_start(api_of(req)->engine, start, ret_run);

    if (e == E_EXISTS && start->key.n) {
        Str fingerprint;
        h->repeated = true;
        TRY(store_run_by_key(api_of(req)->db, req->a, h->row.id, start->key, &h->run,
                             &fingerprint));
        /* Who only knows the id of somebody's delivery learns nothing of what came of it. */
        h->alike = str_eq(fingerprint, start->fingerprint);
        return OK;
    }
    if (e == E_PRECONDITION) { /* the sender has done its part, and need not come again */
        h->skipped = str_dup(req->a, str_c(err_client_text(e)));
        return OK;
    }
    TRY(e);
    h->run = h->gathers ? h->gathered.run : wf_run_id(*ret_run);
    return OK;
}

Err api_hook_begin(struct req *req, struct api_hook *h, struct wf_run **ret_run)
{
    TRY(read_request(req, h));
    TRY(wf_def_check_input(h->def, req->a, h->input, &h->errors));
    struct wf_start start = {.tenant = h->row.tenant,
                             .workflow = h->row.id,
                             .version = h->version,
                             .def = h->def,
                             .origin = S("webhook"),
                             .input = h->input,
                             .request = h->request};
    TRY(mark_delivery(req, h, &start));
    h->gathers = wf_start_gathers(&start);
    if (wf_hook_answer(h->def) == WF_HOOK_STREAM)
        start.ret_watch = h->watch;
    return start_run(req, h, &start, ret_run);
}

/* Nobody waits for a run that begins when others had time to join it. */
static Err answer_gathered(struct req *req, struct res *res, const struct api_hook *h)
{
    return res_json(res, 202,
                    json_obj(req->a, "run_id", json_id(req->a, h->run), "starts",
                             json_int(req->a, h->gathered.starts), "due_at",
                             json_time(req->a, h->gathered.due_at), NULL));
}

Err api_hook_end(struct req *req, struct res *res, const struct api_hook *h, struct wf_run *run,
                 Err e)
{
    if (e == E_INVALID && h->errors.n)
        return res_problem(
            res, err_detail(E_INVALID, "The body does not meet the workflow's schema."),
            json_obj(req->a, "errors", api_schema_errors(req->a, &h->errors, S("")), NULL));
    TRY(e);
    if (h->skipped.n)
        return res_json(res, 202, json_obj(req->a, "skipped", json_str(req->a, h->skipped), NULL));
    if (h->repeated)
        return api_hook_answer_repeat(req, res, h);
    return h->gathers ? answer_gathered(req, res, h) : api_hook_answer(req, res, h, run);
}

static Err call_hook(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    AUTO(wf_run) *run = NULL;
    AUTO(wf_watch) *watch = NULL;
    struct api_hook h = {.watch = &watch};

    TRY(find(req, &h.row, &def, &h.version));
    h.def = def;
    Err e = api_hook_begin(req, &h, &run);
    return api_hook_end(req, res, &h, run, e);
}

const struct route api_hooks_routes[] = {
    {HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_PATCH | HTTP_DELETE, "/hooks/:id", call_hook, NULL,
     .kind = ROUTE_STREAM, .rate = RATE_RUN, .max_body = MIB(16),
     .summary = "Start a workflow by its webhook trigger"},
    {0},
};
