/* src/llm/hooks/guard_ask.c - asking a guard, and reading its verdict. */
#include "base/utf8.h"
#include "llm/hooks/guard.h"
#include "net/http_client.h"
#include "net/signature.h"
#include "rt/metric.h"
#include "rt/work.h"

enum {
    ASKED_MAX = 96 << 20, /* what is sent */
    SHOWN_MAX = 4096,     /* of what is no text but an address of it */
    ON_A_WORKER = 128 << 10,
    ANSWER_LEAST = 64 << 10,
    CATEGORIES_MAX = 64,
    CATEGORY_MAX = 64,
};

static struct metric verdicts = {"heddle_model_guard_total",
                                 "Questions to guards by what they answered.", METRIC_COUNTER,
                                 "guard,event,verdict"};
static struct metric seconds = {"heddle_model_guard_seconds", "How long guards took to answer.",
                                METRIC_HISTOGRAM, "guard"};

/* ---- whom it is for ---- */

bool llm_guard_names(const LlmGuardNames *names, Str name)
{
    vec_each(names, n) {
        bool open = str_ends(*n, S("*"));
        if (open ? str_starts(name, str_head(*n, n->n - 1)) : str_eq(name, *n))
            return true;
    }
    return names->n == 0;
}

unsigned llm_guard_wants(void *ctx, const struct llm_hook_call *call)
{
    const struct llm_guard *g = ctx;
    char text[ID_TEXT_SIZE];
    Str key = id_text(call->key, text);

    if (!g->enabled || !id_eq(g->tenant, call->tenant))
        return 0;
    if (!llm_guard_names(&g->keys, key) || (g->except.n && llm_guard_names(&g->except, key)))
        return 0;
    if (!call->any_route && !llm_guard_names(&g->routes, call->model) &&
        !(call->called.n && llm_guard_names(&g->routes, call->called)))
        return 0;
    return g->events;
}

/* ---- the question ---- */

static void put_name(struct buf *b, const char *name)
{
    if (b->n && b->p[b->n - 1] != '{')
        buf_add_char(b, ',');
    buf_add_char(b, '"');
    buf_add_c(b, name);
    buf_add_c(b, "\":");
}

static void put_text(struct buf *b, const char *name, Str text)
{
    put_name(b, name);
    json_write_str(b, text);
}

/* Left out if it is empty. */
static void put_some(struct buf *b, const char *name, Str text)
{
    if (text.n)
        put_text(b, name, text);
}

/* What stands for a picture or a file: its address; of what is in it, how much that is. */
static void put_opaque(struct buf *b, Str text)
{
    bool data = str_starts(text, S("data:"));
    Str media = data ? str_head(str_skip(text, 5), str_find_char(str_skip(text, 5), ';')) : S("");

    if (!data && text.n <= SHOWN_MAX) {
        put_text(b, "text", text);
        return;
    }
    put_some(b, "media", str_head(media, 128));
    put_name(b, "bytes");
    buf_add_u64(b, text.n / 4 * 3);
}

static void put_part(struct buf *b, const struct llm_said_part *p, size_t i)
{
    bool opaque = p->kind == LLM_SAID_IMAGE || p->kind == LLM_SAID_FILE;

    buf_add_c(b, i ? ",{" : "{");
    put_name(b, "part");
    buf_add_u64(b, i);
    put_text(b, "kind", llm_said_kinds[p->kind]);
    put_some(b, "role", p->role);
    put_some(b, "name", p->name);
    put_text(b, "path", p->path);
    if (p->group >= 0) {
        put_name(b, "choice");
        buf_add_i64(b, p->group);
    }
    put_some(b, "before", p->before);
    if (opaque)
        put_opaque(b, p->text);
    else
        put_text(b, "text", p->text);
    buf_add_char(b, '}');
}

struct question {
    const struct llm_guard *guard;
    const struct llm_hook_call *call;
    enum llm_hook_event event;
    const struct llm_said *said;
    struct buf *out;
};

static Err write_question(void *arg)
{
    struct question *q = arg;
    const struct llm_hook_call *call = q->call;
    char tenant[ID_TEXT_SIZE], key[ID_TEXT_SIZE];
    struct buf *b = q->out;

    buf_add_char(b, '{');
    put_text(b, "event", llm_hook_events[q->event]);
    put_text(b, "guard", q->guard->name);
    put_name(b, "call");
    buf_add_char(b, '{');
    put_text(b, "id", call->request_id);
    put_text(b, "tenant_id", id_text(call->tenant, tenant));
    put_text(b, "key_id", id_text(call->key, key));
    put_text(b, "operation", call->operation);
    put_text(b, "model", call->model);
    put_some(b, "prompt", call->called);
    put_some(b, "provider", call->provider);
    put_some(b, "upstream_model", call->upstream);
    put_some(b, "agent", call->agent);
    put_some(b, "workflow", call->workflow);
    put_some(b, "step", call->step);
    put_some(b, "user", call->user);
    put_name(b, "streamed");
    buf_add_c(b, call->streamed ? "true}" : "false}");
    put_name(b, "parts");
    buf_add_char(b, '[');
    for (size_t i = 0; i < q->said->parts.n; i++)
        put_part(b, &q->said->parts.at[i], i);
    buf_add_c(b, "]}");
    return buf_ok(b);
}

/* ---- the verdict ---- */

static Err no_verdict(const char *what)
{
    return err_detail(E_UPSTREAM, "its answer is no verdict: %s", what);
}

static bool knows_all(const struct json *v, const char *known)
{
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S("")), rest = str_c(known), word;
        bool found = false;
        while (rest.n && !found) {
            rest = str_cut(rest, ' ', &word);
            found = str_eq(word, name);
        }
        if (!found)
            return false;
    }
    return true;
}

/* For the client and for one line of the record. */
static Str clean(struct arena *a, Str reason)
{
    reason = str_head(str_trim(reason), LLM_REASON_MAX);
    while (reason.n && !utf8_valid(reason)) /* cut in a character */
        reason.n--;
    char *to = arena_try(a, reason.n + 1);
    if (!to)
        return S("");
    for (size_t i = 0; i < reason.n; i++)
        to[i] = (unsigned char)reason.p[i] < 0x20 || reason.p[i] == 0x7f ? ' ' : reason.p[i];
    return str_from(to, reason.n);
}

static Err read_parts(struct arena *a, const struct json *list, struct llm_said *said)
{
    if (!json_is(list, JSON_ARR) || !json_len(list))
        return no_verdict("to replace, it needs a list \"parts\".");
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *item = json_item(list, i), *text = json_at(item, "text");
        int64_t at = json_int_of(json_at(item, "part"), -1);
        if (!json_is(item, JSON_OBJ) || !knows_all(item, "part text") || !json_is(text, JSON_STR))
            return no_verdict("each of \"parts\" has \"part\" and \"text\", and nothing else.");
        if (at < 0 || (size_t)at >= said->parts.n || said->parts.at[at].with.p)
            return no_verdict("\"part\" must be the number of a part that was sent, once.");
        Str with = json_str_of(text, S(""));
        char *to = arena_try(a, with.n + 1);
        if (!to)
            return err_detail(E_TOO_LARGE, "its answer is too large.");
        memcpy(to, with.n ? with.p : "", with.n);
        said->parts.at[at].with = str_from(to, with.n);
    }
    return OK;
}

/* {"flagged", "categories": {name: bool}, "category_scores": {name: number}} */
static Err read_result(const struct json *v)
{
    const struct json *categories = json_at(v, "categories"),
                      *scores = json_at(v, "category_scores");

    if (!json_is(v, JSON_OBJ) || !knows_all(v, "flagged categories category_scores") ||
        !json_is_bool(json_at(v, "flagged")) || !json_is(categories, JSON_OBJ) ||
        (scores && !json_is(scores, JSON_OBJ)) || json_len(categories) > CATEGORIES_MAX ||
        json_len(scores) > CATEGORIES_MAX)
        return no_verdict("each result has \"flagged\", \"categories\" and \"category_scores\".");
    for (size_t i = 0; i < json_len(categories); i++)
        if (!json_is_bool(&categories->obj[i].val) || categories->obj[i].key.n > CATEGORY_MAX)
            return no_verdict("a category is a short name, and true or false.");
    for (size_t i = 0; i < json_len(scores); i++)
        if (!json_is_number(&scores->obj[i].val) || scores->obj[i].key.n > CATEGORY_MAX)
            return no_verdict("a score is a number.");
    return OK;
}

static Err read_results(struct arena *a, const struct json *list, const struct llm_said *said,
                        struct llm_hook_verdict *verdict)
{
    if (!json_is(list, JSON_ARR) || json_len(list) != said->parts.n)
        return no_verdict("\"results\" must have one for each part.");
    for (size_t i = 0; i < json_len(list); i++)
        TRY(read_result(json_item(list, i)));
    verdict->results = json_dup(a, list);
    return OK;
}

Err llm_verdict_read(struct arena *a, Str text, enum llm_hook_event event, struct llm_said *said,
                     struct llm_hook_verdict *ret_verdict)
{
    AUTO(arena) *own = arena_new(KIB(256) + 40 * text.n);
    struct llm_hook_verdict verdict = {0};
    struct json *v;

    if (json_parse(own, text, &v) != OK || !json_is(v, JSON_OBJ))
        return no_verdict("it is no JSON object.");
    if (!knows_all(v, event == LLM_ON_MODERATION ? "results" : "action reason parts"))
        return no_verdict("it has members that no verdict has.");
    if (event == LLM_ON_MODERATION) {
        TRY(read_results(a, json_at(v, "results"), said, &verdict));
        *ret_verdict = verdict;
        return OK;
    }
    Str action = json_str_of(json_at(v, "action"), S(""));
    const struct json *reason = json_at(v, "reason"), *parts = json_at(v, "parts");
    if (reason && !json_is(reason, JSON_STR) && !json_is(reason, JSON_NULL))
        return no_verdict("\"reason\" must be a text.");
    verdict.reason = clean(a, json_str_of(reason, S("")));
    verdict.action = str_eq(action, S("refuse"))    ? LLM_REFUSE
                     : str_eq(action, S("replace")) ? LLM_REPLACE
                                                    : LLM_ALLOW;
    if (verdict.action == LLM_ALLOW && !str_eq(action, S("allow")))
        return no_verdict("\"action\" must be allow, refuse or replace.");
    if (verdict.action == LLM_REPLACE)
        TRY(read_parts(a, parts, said));
    else if (json_len(parts))
        return no_verdict("\"parts\" are for the action replace.");
    *ret_verdict = verdict;
    return OK;
}

/* ---- asking ---- */

static const char *const action_names[] = {"allow", "refuse", "replace"};

static Err post(const struct llm_guard *g, struct arena *a, Str body, size_t answer_max,
                Str *ret_answer)
{
    char id_bytes[ID_TEXT_SIZE];
    Str id = id_text(id_new(), id_bytes);
    Str at = str_fmt(a, "%lld", (long long)(time_wall() / USEC_S));
    struct http_reply reply;
    struct http_call call = {.method = HTTP_POST,
                             .url = g->url,
                             .body = body,
                             .egress = g->egress,
                             .deadline = usec_in(g->timeout),
                             .connect_timeout = g->timeout,
                             .idle_timeout = g->timeout,
                             .max_body = answer_max,
                             .idempotent = true};

    http_header_add(a, &call.headers, S("Content-Type"), S("application/json"));
    http_header_add(a, &call.headers, S("Accept"), S("application/json"));
    http_header_add(a, &call.headers, S("webhook-id"), id);
    http_header_add(a, &call.headers, S("webhook-timestamp"), at);
    http_header_add(a, &call.headers, S("webhook-signature"),
                    signature_make(a, g->secret, id, at, body));
    TRY(http_fetch(a, &call, &reply));
    if (reply.status != 200)
        return err_detail(E_UPSTREAM, "it answered with status %d.", reply.status);
    *ret_answer = reply.body;
    return OK;
}

static Err ask(const struct llm_guard *g, const struct llm_hook_call *call,
               enum llm_hook_event event, struct llm_said *said,
               struct llm_hook_verdict *ret_verdict)
{
    AUTO_BUF(body, ASKED_MAX);
    struct question q = {g, call, event, said, &body};
    size_t answer_max = ANSWER_LEAST + 2 * said->bytes;
    Str answer;

    if (g->sealed)
        return err_detail(E_UNAVAILABLE, "its secret does not open.");
    Err e = said->bytes > ON_A_WORKER ? work_run(write_question, &q) : write_question(&q);
    if (e == E_TOO_LARGE)
        return err_detail(e, "What is said is too long to be shown to the guard \"%.*s\".",
                          P(g->name));
    TRY(e);
    /* The question is copied to be signed. */
    AUTO(arena) *own = arena_new(MIB(4) + body.n + 4 * answer_max);
    e = post(g, own, buf_str(&body), answer_max, &answer);
    if (e == E_TOO_LARGE)
        return err_detail(E_UPSTREAM, "its answer is too large.");
    TRY(e);
    return llm_verdict_read(said->a, answer, event, said, ret_verdict);
}

Err llm_guard_try(const struct llm_guard *guard, struct arena *a, Str request_id,
                  struct llm_guard_test *ret_test)
{
    struct llm_said said = {.a = a};
    struct llm_hook_call call = {.tenant = guard->tenant,
                                 .request_id = request_id,
                                 .operation = S("chat"),
                                 .model = S("test")};
    struct llm_said_part part = {.role = S("user"),
                                 .path = S("/messages/0/content"),
                                 .text = S("What is the capital of France?"),
                                 .group = -1};
    struct llm_hook_verdict verdict = {0};
    Usec from = time_mono();

    TRY(llm_said_add(&said, &part));
    Err e = ask(guard, &call, LLM_ON_REQUEST, &said, &verdict);
    if (e == E_CANCELLED)
        return e;
    *ret_test = (struct llm_guard_test){.error = e,
                                        .why = str_dup(a, str_c(e == OK ? "" : err_client_text(e))),
                                        .verdict = action_names[verdict.action],
                                        .took = time_mono() - from};
    return OK;
}

static void count(const struct llm_guard *g, enum llm_hook_event event, const char *verdict,
                  Usec took)
{
    char name[LLM_NAME_MAX + 1], kind[16];

    snprintf(name, sizeof name, "%.*s", P(g->name));
    snprintf(kind, sizeof kind, "%.*s", P(llm_hook_events[event]));
    metric_add(metric_series(&verdicts, name, kind, verdict), 1);
    metric_observe(metric_series(&seconds, name), (double)took / (double)USEC_S);
}

Err llm_guard_look(void *ctx, const struct llm_hook_call *call, enum llm_hook_event event,
                   struct llm_said *said, struct llm_hook_verdict *ret_verdict)
{
    const struct llm_guard *g = ctx;
    Usec from = time_mono();

    *ret_verdict = (struct llm_hook_verdict){0};
    Err e = ask(g, call, event, said, ret_verdict);
    if (e == OK) {
        count(g, event, action_names[ret_verdict->action], time_mono() - from);
        return OK;
    }
    if (e == E_CANCELLED || fiber_cancelled())
        return e;
    vec_each(&said->parts, p)
        p->with = (Str){0}; /* of a verdict that broke off */
    count(g, event, "failed", time_mono() - from);
    if (e == E_TOO_LARGE)
        return e;
    if (g->allow_on_error && event != LLM_ON_MODERATION) {
        *ret_verdict = (struct llm_hook_verdict){.unasked = true};
        return OK;
    }
    char why[256];
    snprintf(why, sizeof why, "%s", err_client_text(e));
    return err_detail(E_UNAVAILABLE, "The guard \"%.*s\" gave no verdict: %s", P(g->name), why);
}
