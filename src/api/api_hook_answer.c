/* src/api/api_hook_answer.c - what the caller of a webhook hears of its run: that it was taken, its
 * result, what a node answers, or all of it as it comes.
 *
 * Nothing is said that is not durable. A delivery that comes again gets what the first one got:
 * from the journal of the run that it has started.
 */
#include "api/hook.h"
#include "base/crypto.h"
#include "net/sse.h"

static const Usec PATIENCE = 5 * USEC_MIN; /* of who waits for an answer that does not come */
static const Usec HEARTBEAT = 15 * USEC_S;

/* What a workflow makes is shown, but not as a page of this server: it has no part in its origin.
 */
static const char sandbox[] = "sandbox allow-forms allow-scripts allow-popups allow-modals "
                              "allow-downloads allow-top-navigation-by-user-activation";

static struct json *run_id(struct req *req, const struct api_hook *h)
{
    return json_obj(req->a, "run_id", json_id(req->a, h->run), NULL);
}

/* ---- a node answers ---- */

static Err send_answer(struct req *req, struct res *res, const struct json *answer)
{
    const struct json *headers = json_at(answer, "headers"), *body = json_at(answer, "body");
    int status = (int)json_int_of(json_at(answer, "status"), 200);
    Str as = json_str_of(json_at(answer, "as"), S("")), type = S(""), bytes;

    for (size_t i = 0; json_is(headers, JSON_OBJ) && i < headers->n; i++) {
        Str name = str_from(headers->obj[i].key.s, headers->obj[i].key.n);
        Str value = json_str_of(&headers->obj[i].val, S(""));
        if (str_eq(name, S("content-type")))
            type = value;
        else
            res_header(res, name, value);
    }
    res_header(res, S("Content-Security-Policy"), str_c(sandbox));
    if (str_eq(as, S("none")) || str_eq(as, S("redirect")))
        return res_empty(res, status);
    bytes = json_str_of(body, S(""));
    if (str_eq(as, S("json")))
        bytes = json_text(req->a, body);
    else if (str_eq(as, S("base64")))
        TRY(crypto_unbase64(req->a, bytes, &bytes));
    return res_send(res, status, type, bytes);
}

/* ---- the run's result ---- */

static Err send_failure(struct req *req, struct res *res, const struct json *doc)
{
    bool cancelled = str_eq(json_str_of(json_at(doc, "state"), S("")), S("cancelled"));

    return res_problem(
        res, err_detail(E_RUN_FAILED, "The run %s.", cancelled ? "was cancelled" : "failed"),
        json_obj(req->a, "run_id", json_at(doc, "id"), "state", json_at(doc, "state"), "error",
                 json_at(doc, "error"), NULL));
}

/* Of a run that has ended: its output, or that it failed. Whose answer a node was to give gets the
 * run's id when none came. */
static Err send_end(struct req *req, struct res *res, const struct api_hook *h,
                    const struct json *doc)
{
    if (!str_eq(json_str_of(json_at(doc, "state"), S("")), S("succeeded")))
        return send_failure(req, res, doc);
    if (wf_hook_answer(h->def) == WF_HOOK_NODE)
        return res_json(res, 200, run_id(req, h));
    return res_json(res, 200, json_at(doc, "output"));
}

/* Whether @e only says that the wait is over: the run goes on without its caller. */
static bool is_over(Err e)
{
    return e == E_TIMEOUT || e == E_SHUTDOWN;
}

static Err answer_result(struct req *req, struct res *res, const struct api_hook *h,
                         struct wf_run *run)
{
    Err e = wf_run_wait(run, usec_in(PATIENCE));

    if (is_over(e))
        return res_json(res, 202, run_id(req, h));
    TRY(e);
    return send_end(req, res, h, wf_run_json(req->a, run, S("")));
}

static Err answer_node(struct req *req, struct res *res, const struct api_hook *h,
                       struct wf_run *run)
{
    const struct json *answer = NULL;
    Err e = wf_run_wait_answer(run, usec_in(PATIENCE), &answer);

    if (is_over(e))
        return res_json(res, 202, run_id(req, h));
    TRY(e);
    return answer ? send_answer(req, res, answer)
                  : send_end(req, res, h, wf_run_json(req->a, run, S("")));
}

/* ---- as it comes ---- */

struct stream {
    struct res *res;
    const struct wf_def *def;
    const struct json *said; /* in the first event; NULL: nothing */
};

static Err send_piece(const struct stream *s, int64_t seq, const char *name,
                      const struct json *data)
{
    char id[24];
    AUTO_BUF(text, MIB(128));

    json_write(&text, data);
    TRY(buf_ok(&text));
    int n = snprintf(id, sizeof id, "%lld", (long long)seq);
    struct sse_event ev = {.id = seq ? str_from(id, (size_t)n) : (Str){NULL, 0},
                           .event = str_c(name),
                           .data = buf_str(&text),
                           .retry_ms = -1};
    return sse_send(s->res, &ev);
}

static Err send_step(const struct stream *s, struct arena *a, int64_t seq, int node,
                     const struct json *event)
{
    const struct json *output = json_at(event, "output");
    struct json *o = json_obj(a, "node", json_str(a, s->def->nodes[node].id), NULL);

    if (json_at(event, "scope"))
        json_set(a, o, S("scope"), json_at(event, "scope"));
    if (s->def->nodes[node].type->answers) {
        json_set(a, o, S("body"), json_at(output, "body"));
        return send_piece(s, seq, "answer", o);
    }
    json_set(a, o, S("text"), json_at(output, "text"));
    return send_piece(s, seq, "text", o);
}

/* What of the run is meant for its caller. The rest - inputs, headers, variables, what other steps
 * gave - is nobody's outside. */
static Err stream_event(void *ctx, int64_t seq, Str name, const struct json *event)
{
    const struct stream *s = ctx;
    AUTO(arena) *a = arena_new(MIB(64));
    Str id = json_str_of(json_at(event, "node"), S(""));
    int node = id.n ? wf_def_node(s->def, id) : -1;

    if (str_eq(name, S("run.started"))) {
        struct json *o = json_obj(a, "run_id", json_at(event, "run_id"), NULL);
        for (size_t i = 0; i < json_len(s->said); i++)
            json_set(a, o, str_from(s->said->obj[i].key.s, s->said->obj[i].key.n),
                     &s->said->obj[i].val);
        return send_piece(s, seq, "run", o);
    }
    if (str_eq(name, S("step.delta")) && wf_hook_streams(s->def, node)) {
        struct json *o = json_obj(a, "node", json_str(a, id), "text", json_at(event, "text"), NULL);
        if (json_at(event, "scope"))
            json_set(a, o, S("scope"), json_at(event, "scope"));
        return send_piece(s, 0, "delta", o);
    }
    if (str_eq(name, S("step.finished")) && node >= 0 &&
        (s->def->nodes[node].type->answers || wf_hook_streams(s->def, node)))
        return send_step(s, a, seq, node, event);
    if (str_eq(name, S("run.succeeded")))
        return send_piece(s, seq, "done",
                          json_obj(a, "run_id", json_at(event, "run_id"), "state",
                                   json_str(a, S("succeeded")), "output", json_at(event, "output"),
                                   NULL));
    bool failed = str_eq(name, S("run.failed"));
    if (!failed && !str_eq(name, S("run.cancelled")))
        return OK;
    struct json *o = json_obj(a, "run_id", json_at(event, "run_id"), "state",
                              json_str_c(a, failed ? "failed" : "cancelled"), NULL);
    if (failed)
        json_set(a, o, S("error"), json_at(event, "error"));
    return send_piece(s, seq, "error", o);
}

static Err stream_idle(void *ctx)
{
    const struct stream *s = ctx;
    return sse_heartbeat(s->res);
}

/* From what the caller has seen last: a delivery that comes again goes on where it broke off. */
Err api_hook_stream(struct req *req, struct res *res, const struct api_hook *h)
{
    struct stream s = {res, h->def, h->said};
    struct wf_follow follow = {stream_event, stream_idle, HEARTBEAT, &s, NULL};
    Str last = sse_last_id(req);
    int64_t after = 0;

    if (last.n && (str_to_i64(last, &after) != OK || after < 0))
        return err_detail(E_BAD_INPUT, "Last-Event-ID must be the id of an event of this run.");
    if (!after && !h->repeated)
        follow.watch = *h->watch;
    TRY(sse_begin(res));
    TRY(wf_run_follow(api_of(req)->engine, h->row.tenant, h->run, after, &follow));
    return res_end(res);
}

/* ---- a delivery, and the same once more ---- */

Err api_hook_answer(struct req *req, struct res *res, const struct api_hook *h, struct wf_run *run)
{
    char id[ID_TEXT_SIZE];

    res_header(res, S("X-Run-Id"), str_dup(req->a, id_text(h->run, id)));
    switch (wf_hook_answer(h->def)) {
    case WF_HOOK_RESULT:
        return answer_result(req, res, h, run);
    case WF_HOOK_NODE:
        return answer_node(req, res, h, run);
    case WF_HOOK_STREAM:
        return api_hook_stream(req, res, h);
    default:
        return res_json(res, 202, run_id(req, h));
    }
}

/* Looks for what was answered in the journal. */
struct search {
    struct arena *a;
    const struct wf_def *def;
    struct json *answer;
};

static Err search_event(void *ctx, int64_t seq, Str name, const struct json *event)
{
    struct search *s = ctx;
    int node = wf_def_node(s->def, json_str_of(json_at(event, "node"), S("")));

    (void)seq;
    if (!s->def->answered || !str_eq(name, S("step.finished")) || node < 0 ||
        !s->def->nodes[node].type->answers)
        return OK;
    s->answer = json_dup(s->a, json_at(event, "output"));
    return E_EOF; /* this is the one */
}

static Err search_idle(void *ctx)
{
    (void)ctx;
    return OK;
}

Err api_hook_answer_repeat(struct req *req, struct res *res, const struct api_hook *h)
{
    struct search s = {.a = req->a, .def = h->def};
    struct wf_follow follow = {search_event, search_idle, HEARTBEAT, &s, NULL};
    struct wf_engine *engine = api_of(req)->engine;
    struct json *doc;
    char id[ID_TEXT_SIZE];

    res_header(res, S("X-Run-Id"), str_dup(req->a, id_text(h->run, id)));
    res_header(res, S("Idempotency-Replayed"), S("true"));
    if (wf_hook_answer(h->def) == WF_HOOK_AT_ONCE || h->gathers || !h->alike) {
        doc = run_id(req, h);
        json_set(req->a, doc, S("duplicate"), json_bool(req->a, true));
        return res_json(res, 202, doc);
    }
    if (wf_hook_answer(h->def) == WF_HOOK_STREAM)
        return api_hook_stream(req, res, h);
    Usec former = fiber_deadline();
    (void)fiber_deadline_set(usec_min(former, usec_in(PATIENCE)));
    Err e = wf_run_follow(engine, h->row.tenant, h->run, 0, &follow);
    (void)fiber_deadline_set(former);
    if (s.answer)
        return send_answer(req, res, s.answer);
    if (is_over(e))
        return res_json(res, 202, run_id(req, h));
    TRY(e);
    TRY(wf_run_load(engine, req->a, h->row.tenant, h->run, &doc));
    return send_end(req, res, h, doc);
}
