/* src/api/api_listen.c - trying the webhook of a draft: /hooks-test/:id answers as the draft says
 * while somebody listens, and shows what came.
 *
 * Each call is noted before it is answered, also one that is refused: why a sender's signature does
 * not hold is what one wants to know. Credentials are left out as everywhere.
 */
#include "api/hook.h"
#include "base/utf8.h"
#include "store/store_listen.h"
#include "wf/nodes/node_trigger.h"

enum { BODY_SHOWN = 64 << 10, RAW_SHOWN = 4096 };

static Err find_own(struct req *req, struct workflow_row *ret_row)
{
    Id id;

    TRY(req_id(req, "id", &id));
    return store_workflow_get(api_of(req)->db, req->a, req->who.tenant, id, ret_row);
}

static Err answer_state(struct req *req, struct res *res, const struct workflow_row *row,
                        const struct wf_def *def)
{
    struct json *calls = json_arr(req->a), *call;
    char id[ID_TEXT_SIZE];
    ListenCalls bodies;
    Usec until;

    TRY(store_listen_until(api_of(req)->db, req->a, row->id, &until));
    TRY(store_listen_calls(api_of(req)->db, req->a, row->id, &bodies));
    vec_each(&bodies, body) {
        TRY(json_parse(req->a, *body, &call));
        json_push(req->a, calls, call);
    }
    bool listening = until > time_wall();
    Str url = str_fmt(req->a, "%.*s/%s/%.*s", P(api_of(req)->base_url),
                      wf_form_is_set(def) ? "forms-test" : "hooks-test", P(id_text(row->id, id)));
    return res_json(res, 200,
                    json_obj(req->a, "listening", json_bool(req->a, listening), "url",
                             json_str(req->a, url), "until",
                             listening ? json_time(req->a, until) : json_null(req->a), "calls",
                             calls, NULL));
}

static Err start_listening(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    struct workflow_row row;
    struct json *body;
    int version;

    TRY(find_own(req, &row));
    TRY(req_json(req, &body));
    TRY(api_target_of(req, &row, S("draft"), &def, &version));
    if (!wf_hook_is_set(def) && !wf_form_is_set(def))
        return err_detail(E_CONFLICT, "The draft is started neither by a webhook nor by a form.");
    Usec span = json_int_of(json_at(body, "seconds"), 120) * USEC_S;
    TRY(store_listen_start(api_of(req)->db, req->a, row.tenant, row.id, time_wall() + span));
    return answer_state(req, res, &row, def);
}

static Err see(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    struct workflow_row row;
    int version;

    TRY(find_own(req, &row));
    TRY(api_target_of(req, &row, S("draft"), &def, &version));
    return answer_state(req, res, &row, def);
}

static Err stop_listening(struct req *req, struct res *res)
{
    struct workflow_row row;

    TRY(find_own(req, &row));
    TRY(store_listen_stop(api_of(req)->db, req->a, row.id));
    return res_empty(res, 204);
}

/* ---- a call ---- */

static Err find_draft(struct req *req, struct workflow_row *ret_row, struct wf_def **ret_def)
{
    Usec until;
    int version;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_listen_until(api_of(req)->db, req->a, id, &until));
    if (until <= time_wall())
        return err_detail(E_NOT_FOUND, "Nobody listens here now: this address tries out a draft "
                                       "while its editor listens.");
    TRY(store_workflow_get_any(api_of(req)->db, req->a, id, ret_row));
    TRY(api_target_of(req, ret_row, S("draft"), ret_def, &version));
    if (!wf_hook_is_set(*ret_def))
        return err_detail(E_NOT_FOUND, "This draft is not started by a webhook.");
    return OK;
}

/* The body as it is shown: as what it was understood, if that is not too long; else how it begins.
 */
static void show_body(struct arena *a, const struct api_hook *h, struct json *note)
{
    Str head = str_head(h->in.body, RAW_SHOWN);

    json_set(a, note, S("size"), json_int(a, (int64_t)h->in.body.n));
    if (h->input && h->in.body.n <= BODY_SHOWN) {
        json_set(a, note, S("input"), h->input);
        return;
    }
    head = str_head(head, utf8_valid_prefix(head));
    json_set(a, note, S("raw"), json_str(a, head));
    json_set(a, note, S("truncated"), json_bool(a, head.n < h->in.body.n));
}

static const char *outcome_of(const struct api_hook *h, Err e)
{
    if (e != OK)
        return "refused";
    if (h->skipped.n)
        return "skipped";
    return h->repeated ? "repeated" : "started";
}

static Err note_call(struct req *req, const struct api_hook *h, Err e)
{
    struct arena *a = req->a;
    struct json *note = json_obj(a, "at", json_time(a, time_wall()), "outcome",
                                 json_str_c(a, outcome_of(h, e)), NULL);

    json_set(a, note, S("request"), wf_hook_request_json(a, h->def, &h->in));
    show_body(a, h, note);
    if (!id_is_none(h->run))
        json_set(a, note, S("run_id"), json_id(a, h->run));
    if (e != OK)
        json_set(a, note, S("error"),
                 json_obj(a, "status", json_int(a, err_http(e)), "code", json_str_c(a, err_slug(e)),
                          "message", json_str_c(a, err_client_text(e)), NULL));
    if (h->errors.n)
        json_set(a, note, S("errors"), api_schema_errors(a, &h->errors, S("")));
    return store_listen_add(api_of(req)->db, a, h->row.id, time_wall(), json_text(a, note));
}

static Err call_draft(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    AUTO(wf_run) *run = NULL;
    AUTO(wf_watch) *watch = NULL;
    struct api_hook h = {.watch = &watch};

    TRY(find_draft(req, &h.row, &def));
    h.def = def;
    Err e = api_hook_begin(req, &h, &run);
    struct err_record why = *err_record();
    TRY(note_call(req, &h, e));
    *err_record() = why;
    return api_hook_end(req, res, &h, run, e);
}

const struct route api_listen_routes[] = {
    {HTTP_POST, "/api/workflows/:id/listen", start_listening, "workflow.write",
     .in_schema = "StartListening", .out_schema = "Listening",
     .summary = "Let the draft's webhook be called at its test address for a while"},
    {HTTP_GET, "/api/workflows/:id/listen", see, "workflow.write", .out_schema = "Listening",
     .summary = "Who may call the test address, and what came"},
    {HTTP_DELETE, "/api/workflows/:id/listen", stop_listening, "workflow.write",
     .summary = "Listen no more at the test address"},
    {HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_PATCH | HTTP_DELETE, "/hooks-test/:id", call_draft,
     NULL, .kind = ROUTE_STREAM, .rate = RATE_RUN, .max_body = MIB(16),
     .summary = "Try the webhook trigger of a draft while somebody listens"},
    {0},
};
