/* src/llm/door_answer.c - what clients get: results, the upstream's errors in one shape, ours. */
#include "llm/door_private.h"

#include "base/crypto.h"
#include "base/json.h"
#include "rt/work.h"

#include <assert.h>
#include <math.h>

enum {
    MESSAGE_MAX = 2000,
    CODE_MAX = 64,
    ON_A_WORKER = 256 * 1024,
    ERROR_MAX = 256 * 1024, /* an error that is longer is none that anybody reads */
    ERROR_ARENA_MAX = 64 << 20,
    USAGE_MAX = 64 * 1024,
    MENDED_MAX = 4 << 20,
    HEADERS_MAX = 40,
    HEADER_BYTES_MAX = 8 * 1024, /* of those that are handed on */
    CONVERT_ARENA_MAX = 512 << 20,
    CONVERTED_MAX = 192 << 20,
};

static const Usec PATIENCE = USEC_MIN; /* of clients, that they try again by themselves */

/* ---- errors ---- */

Str llm_error_text(const struct llm_call *c, int status, Str message, Str code)
{
    struct json *v = c->dialect->write_error(c->req->a, status, message, code);

    if (c->dialect == &llm_dialect_gemini && c->retry_after > 0)
        llm_gemini_add_retry(c->req->a, v, c->retry_after);
    return json_text(c->req->a, v);
}

Str llm_error_code(int status, Err code)
{
    switch (code) {
    case E_UNAUTHORIZED:
        return S("invalid_api_key");
    case E_CONTEXT:
        return S("context_length_exceeded");
    case E_NOT_FOUND:
        return S("model_not_found");
    case E_RATE_LIMITED:
        return S("rate_limit_exceeded");
    case E_BUDGET:
        return S("budget_exceeded");
    default:
        return status == 408 ? S("timeout") : str_c(err_slug(code));
    }
}

/* Clients that try again by themselves must not do so for a limit that stays. */
void llm_hint_retry(struct res *res, Err code)
{
    bool long_wait = code == E_RATE_LIMITED && err_record()->retry_after_us > PATIENCE;

    if (code == E_BUDGET || code == E_BLOCKED || long_wait)
        res_header(res, S("X-Should-Retry"), S("false"));
}

Err llm_door_fail(struct req *req, struct res *res, int status, Err code)
{
    Str message = str_dup(req->a, str_c(err_client_text(code)));

    llm_hint_retry(res, code);
    return res_json(
        res, status,
        llm_dialect_openai.write_error(req->a, status, message, llm_error_code(status, code)));
}

Err llm_door_fail_messages(struct req *req, struct res *res, int status, Err code)
{
    Str message = str_dup(req->a, str_c(err_client_text(code)));

    llm_hint_retry(res, code);
    res_header(res, S("request-id"), req->request_id);
    return res_json(res, status, llm_dialect_anthropic.write_error(req->a, status, message, S("")));
}

/* The sentence in an error of any of the forms that are met; empty if there is none. */
static Str message_of(const struct json *v)
{
    static const Str places[] = {S_INIT("error"), S_INIT("message"), S_INIT("detail"),
                                 S_INIT("error_message")};

    Str text = json_str_of(json_at(json_at(v, "error"), "message"), S(""));
    for (size_t i = 0; i < ARRAY_LEN(places) && !text.n; i++)
        text = json_str_of(json_get(v, places[i]), S(""));
    if (!text.n)
        text = json_str_of(json_at(json_item(json_at(v, "detail"), 0), "msg"), S(""));
    return str_head(text, MESSAGE_MAX);
}

/* Our credential is refused: that is not the client's, who may do nothing about it. What the
 * provider says of it is not handed on: some repeat what they were sent. */
static Err answer_refused(struct llm_call *c)
{
    struct arena *a = c->req->a;
    Str text = str_fmt(a, "The provider \"%.*s\" refuses the gateway's credential (status 401).",
                       P(c->target.provider->name));

    c->status = 502;
    res_header(c->res, S("X-Should-Retry"), S("false"));
    return res_send(c->res, 502, S("application/json"),
                    llm_error_text(c, 502, text, S("provider_credential_refused")));
}

/* Whether @text repeats the credential that the provider was called with. */
static bool tells_credential(const struct llm_provider *p, Str text)
{
    Str scheme, secret = str_cut(p->auth, ' ', &scheme);

    if (!secret.p)
        secret = p->auth;
    return secret.n && str_find(text, secret) != SIZE_MAX;
}

/* The status by which the client's dialect knows it: that of Anthropic's overload is no other's. */
static int status_for(const struct llm_call *c, int status)
{
    if (status < 400 || status > 599)
        return 502;
    return status == 529 && c->dialect != &llm_dialect_anthropic ? 503 : status;
}

/* @text: the upstream's error as JSON, in the client's dialect, or empty. */
static Err send_error(struct llm_call *c, int status, Str message, Str text, Str code)
{
    struct arena *a = c->req->a;

    if (status == 401)
        return answer_refused(c);
    c->status = status_for(c, status);
    if (c->log && text.n)
        llm_log_note(c, text);
    else if (c->log)
        llm_log_note(c, message);
    if (c->status == status && text.n)
        return res_send(c->res, status, S("application/json"), text);
    if (!message.n)
        message = str_fmt(a, "The provider \"%.*s\" answered with status %d.",
                          P(c->target.provider->name), status);
    if (!code.n)
        code = c->status == 429 ? S("rate_limit_exceeded") : S("provider_error");
    return res_send(c->res, c->status, S("application/json"),
                    llm_error_text(c, c->status, message, code));
}

/* How another dialect names what went wrong. */
static Str foreign_code(const struct json *v)
{
    static const Str places[] = {S_INIT("type"), S_INIT("status"), S_INIT("code")};
    Str code = S("");

    for (size_t i = 0; i < ARRAY_LEN(places) && !code.n; i++)
        code = json_str_of(json_get(json_at(v, "error"), places[i]), S(""));
    return str_head(code, CODE_MAX);
}

/* Asking again would end the same. */
static bool is_spent(const struct json *v)
{
    Str code = json_str_of(json_at(json_at(json_at(v, "error"), "details"), "error_code"), S(""));

    return str_eq(code, S("enforced_spend_limit_reached"));
}

void llm_refusal_read(struct llm_call *c, struct llm_refusal *r)
{
    AUTO(arena) *own = arena_new(ERROR_ARENA_MAX);
    struct json *v;
    Str delay = S("");

    if (c->target.provider->kind->dialect != &llm_dialect_gemini || r->body.n > ERROR_MAX ||
        json_parse(own, r->body, &v) != OK)
        return;
    const struct json *error = json_at(json_is(v, JSON_ARR) ? json_item(v, 0) : v, "error");
    const struct json *details = json_at(error, "details");
    for (size_t i = 0; i < json_len(details); i++) {
        const struct json *d = json_item(details, i);
        if (str_eq(json_str_of(json_at(d, "reason"), S("")), S("API_KEY_INVALID")))
            r->status = 401; /* it says 400 */
        delay = json_str_of(json_at(d, "retryDelay"), delay);
    }
    /* "17s", "1.5s": whole seconds, upwards. */
    Str whole,
        rest = str_cut(str_ends(delay, S("s")) ? str_head(delay, delay.n - 1) : S(""), '.', &whole);
    uint64_t seconds;
    if (str_to_u64(whole, &seconds) == OK && seconds < 86400 &&
        !http_header_get(&r->headers, S("retry-after")).p)
        http_header_add(c->req->a, &r->headers, S("retry-after"),
                        str_fmt(c->req->a, "%u", (unsigned)seconds + (rest.n > 0)));
}

Err llm_answer_error(struct llm_call *c, int status, const HttpHeaders *headers, Str body)
{
    AUTO(arena) *own = arena_new(ERROR_ARENA_MAX);
    Str message = S(""), text = S(""), code = S("");
    struct json *v;

    c->retry_after = http_retry_after(headers);
    /* A page of some proxy, or a flood: the status says enough. It is written anew, so that no
     * escape hides what it says. */
    if (body.n <= ERROR_MAX && json_parse(own, body, &v) == OK) {
        if (json_is(v, JSON_ARR) && json_len(v))
            v = json_item(v, 0); /* some errors of Gemini come in a list */
        Str whole = json_text(own, v);
        bool open = !tells_credential(c->target.provider, whole) &&
                    !tells_credential(c->target.provider, message_of(v));
        if (open && json_is(json_at(v, "error"), JSON_OBJ) && !c->translated)
            text = str_dup(c->req->a, whole);
        if (open && c->translated)
            code = str_dup(c->req->a, foreign_code(v));
        if (open)
            message = str_dup(c->req->a, message_of(v));
        if (is_spent(v))
            res_header(c->res, S("X-Should-Retry"), S("false"));
    }
    llm_answer_headers(c, headers);
    TRY(send_error(c, status, message, text, code));
    if (c->status < 500)
        return OK;
    return err_set(E_UPSTREAM, "provider %.*s answered with status %d", /* for the log */
                   P(c->target.provider->name), status);
}

/* ---- headers ---- */

static bool is_handed_on(Str name)
{
    static const Str prefixes[] = {S_INIT("x-ratelimit-"),      S_INIT("retry-after"),
                                   S_INIT("openai-processing"), S_INIT("openai-version"),
                                   S_INIT("x-should-retry"),    S_INIT("anthropic-ratelimit-")};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(name, prefixes[i]))
            return true;
    return false;
}

/* The provider's word on a limit of which we have our own. */
static bool is_ours(const struct llm_call *c, Str name)
{
    return str_starts(name, S("x-ratelimit-")) &&
           ((c->hold.left[LLM_REQUESTS].known && str_ends(name, S("-requests"))) ||
            (c->hold.left[LLM_TOKENS].known && str_ends(name, S("-tokens"))));
}

void llm_answer_headers(struct llm_call *c, const HttpHeaders *headers)
{
    struct arena *a = c->req->a;
    size_t n = 0, bytes = 0;

    assert(llm_is_claimed(c)); /* else two would write */
    vec_each(headers, h) {
        bool empty = str_starts(h->value, S("-")); /* Azure's limits that are none */
        if (!is_handed_on(h->name) || !http_header_valid(h->name, h->value) || empty ||
            is_ours(c, h->name))
            continue;
        bytes += h->name.n + h->value.n;
        if (++n > HEADERS_MAX || bytes > HEADER_BYTES_MAX)
            break;
        res_header(c->res, h->name, h->value);
    }
    if (c->dialect == &llm_dialect_anthropic)
        res_header(c->res, S("request-id"), c->req->request_id);
    res_header(c->res, S("X-Heddle-Provider"), c->target.provider->name);
    res_header(c->res, S("X-Heddle-Attempts"), str_from_i64(a, c->attempts));
    if (c->hedged)
        res_header(c->res, S("X-Heddle-Hedged"), S("true"));
    if (c->trimmed.n)
        res_header(c->res, S("X-Heddle-Trimmed"), c->trimmed);
    if (c->dropped.n)
        res_header(c->res, S("X-Heddle-Dropped"), c->dropped);
    if (c->changed.n)
        res_header(c->res, S("X-Heddle-Changed"), c->changed);
    res_header(c->res, S("X-Heddle-Overhead-Us"),
               str_from_i64(a, (int64_t)(c->first_sent_at - c->ready_at)));
}

/* ---- results ---- */

/* A whole answer that calls tools and says it ended otherwise. */
static Str mended(const struct llm_call *c, Str body, const struct llm_member *choices)
{
    AUTO(arena) *own = arena_new(ERROR_ARENA_MAX); /* the answer may fill it */
    AUTO(arena) *more = arena_new(ERROR_ARENA_MAX);
    Str text = llm_member_text(body, choices);
    struct json *v;

    if (c->op != LLM_CHAT || !c->members[MEMBER_TOOLS].to || text.n > MENDED_MAX ||
        str_find(text, S("\"tool_calls\"")) == SIZE_MAX || json_parse(own, text, &v) != OK ||
        !llm_repair_choices(more, v))
        return body;
    Str with = json_text(more, v);
    return str_fmt(c->req->a, "%.*s%.*s%.*s", P(str_head(body, choices->from)), P(with),
                   P(str_skip(body, choices->to)));
}

static Err unusable(struct llm_call *c, const char *why)
{
    return err_detail(E_UPSTREAM, "The provider \"%.*s\" gave no usable answer: %s",
                      P(c->target.provider->name), why);
}

static bool is_json_type(const HttpHeaders *headers)
{
    Str type, value = http_header_get(headers, S("content-type"));

    (void)str_cut(value, ';', &type);
    type = str_trim(type);
    return !value.p || str_eq_nocase(type, S("application/json")) || str_ends(type, S("+json")) ||
           str_eq_nocase(type, S("text/json"));
}

/* Some answer an error with status 200. */
Err llm_answer_hidden_error(struct llm_call *c, const HttpHeaders *headers, Str body)
{
    AUTO(arena) *own = arena_new(ERROR_ARENA_MAX);
    struct json *v = NULL;

    if (body.n > ERROR_MAX || json_parse(own, body, &v) != OK)
        return unusable(c, "it is an error that is too long.");
    int64_t status = json_int_of(json_at(json_at(v, "error"), "code"), 502);
    return llm_answer_error(c, status >= 400 && status <= 599 ? (int)status : 502, headers, body);
}

static void pin_whole(const struct llm_call *c, Str text)
{
    struct json *v;

    if (text.n && text.n <= USAGE_MAX && json_parse(c->req->a, text, &v) == OK)
        llm_pin(c, json_str_of(v, S("")));
}

Err llm_answer_send(struct llm_call *c, const HttpHeaders *headers, Str body)
{
    if (c->cache)
        llm_cache_note(c, body, true, &c->usage);
    if (c->hook)
        TRY(llm_hook_answer(c, &body));
    llm_answer_headers(c, headers);
    c->status = 200;
    if (c->log)
        llm_log_note(c, body);
    return res_send(c->res, 200, S("application/json"), body);
}

static Err answer_translated(struct llm_call *c, const HttpHeaders *headers, Str body)
{
    if (!llm_embeds(c->op)) {
        TRY(llm_translate_answer(c, body, &body));
        TRY(llm_talk_keep(c, body));
    } else {
        TRY(llm_embed_answer(c, body, &body));
        if (c->op == LLM_EMBEDDINGS)
            TRY(llm_embeddings_convert(c->req->a, body, c->wants_base64, &body));
    }
    return llm_answer_send(c, headers, body);
}

Err llm_answer_whole(struct llm_call *c, const HttpHeaders *headers, Str body)
{
    enum { USAGE, ERROR, CHOICES, DATA, CONTENT, OUTPUT, ID, DURATION, N };
    struct llm_member members[N] = {
        [USAGE] = {S_INIT("usage"), 0, 0},     [ERROR] = {S_INIT("error"), 0, 0},
        [CHOICES] = {S_INIT("choices"), 0, 0}, [DATA] = {S_INIT("data"), 0, 0},
        [CONTENT] = {S_INIT("content"), 0, 0}, [OUTPUT] = {S_INIT("output"), 0, 0},
        [ID] = {S_INIT("id"), 0, 0},           [DURATION] = {S_INIT("duration"), 0, 0}};
    struct json *usage;

    if (!is_json_type(headers))
        return unusable(c, "it is not JSON.");
    if (c->translated)
        return answer_translated(c, headers, body);
    if (c->dialect == &llm_dialect_gemini)
        return llm_gemini_answer(c, headers, body);
    if (llm_scan_text(body, members, N) != OK)
        return unusable(c, "it is not valid JSON.");
    if (members[ERROR].to && !members[CHOICES].to && !members[DATA].to && !members[CONTENT].to &&
        !members[OUTPUT].to)
        return llm_answer_hidden_error(c, headers, body);
    Str text = llm_member_text(body, &members[USAGE]);
    if (llm_passes(c->op)) {
        llm_pass_usage(c, str_head(text, USAGE_MAX), llm_member_text(body, &members[DURATION]));
        llm_pass_data(c, llm_member_text(body, &members[DATA]));
    } else if (text.n && text.n <= USAGE_MAX && json_parse(c->req->a, text, &usage) == OK)
        c->dialect->read_usage(usage, &c->usage);
    if (c->op == LLM_RESPONSES)
        pin_whole(c, llm_member_text(body, &members[ID]));
    if (c->op == LLM_EMBEDDINGS)
        TRY(llm_embeddings_convert(c->req->a, body, c->wants_base64, &body));
    return llm_answer_send(c, headers, mended(c, body, &members[CHOICES]));
}

/* ---- embeddings ---- */

/* Whether the first embedding is written as a string; -1 if none is found. */
static int first_is_text(Str body)
{
    static const Str name = S_INIT("\"embedding\"");

    for (;;) {
        size_t at = str_find(body, name);
        if (at == SIZE_MAX)
            return -1;
        body = str_skip(body, at + name.n);
        Str rest = str_trim(body);
        if (!str_starts(rest, S(":")))
            continue;
        rest = str_trim(str_skip(rest, 1));
        return str_starts(rest, S("\""));
    }
}

struct convert_job {
    struct arena *item; /* of one item's values; emptied for each */
    struct buf out;
    Str body;
    bool base64;
};

static Err put_base64(struct convert_job *job, const struct json *v)
{
    size_t n = json_len(v);
    char *bytes = arena_bytes(job->item, n * sizeof(float) + 1);

    for (size_t i = 0; i < n; i++) {
        const struct json *number = json_item(v, i);
        float f = (float)json_double_of(number, 0);
        if (!json_is_number(number))
            return err_detail(E_UPSTREAM, "An embedding of the provider has what is no number.");
        memcpy(bytes + i * sizeof f, &f, sizeof f); /* little-endian, as every machine we run on */
    }
    Str text = crypto_base64(job->item, str_from(bytes, n * sizeof(float)));
    buf_add_char(&job->out, '"');
    buf_add(&job->out, text);
    buf_add_char(&job->out, '"');
    return OK;
}

static Err put_numbers(struct convert_job *job, const struct json *v)
{
    Str bytes;
    float f;

    if (crypto_unbase64(job->item, json_str_of(v, S("")), &bytes) != OK || bytes.n % sizeof f)
        return err_detail(E_UPSTREAM, "An embedding of the provider is no base64 of numbers.");
    buf_add_char(&job->out, '[');
    for (size_t at = 0; at < bytes.n; at += sizeof f) {
        memcpy(&f, bytes.p + at, sizeof f);
        if (at)
            buf_add_char(&job->out, ',');
        char text[32];
        /* Nine digits are a float, and no more. */
        int n = snprintf(text, sizeof text, "%.9g", isfinite(f) ? (double)f : 0.0);
        buf_add(&job->out, str_from(text, (size_t)n));
    }
    buf_add_char(&job->out, ']');
    return OK;
}

static Err put_item(struct convert_job *job, const struct json *item)
{
    arena_reset(job->item);
    if (!json_is(item, JSON_OBJ)) {
        json_write(&job->out, item);
        return OK;
    }
    buf_add_char(&job->out, '{');
    for (size_t i = 0; i < item->n; i++) {
        const struct json *key = &item->obj[i].key, *v = &item->obj[i].val;
        bool is_it = str_eq(json_str_of(key, S("")), S("embedding"));
        if (i)
            buf_add_char(&job->out, ',');
        json_write(&job->out, key);
        buf_add_char(&job->out, ':');
        if (is_it && job->base64 && json_is(v, JSON_ARR))
            TRY(put_base64(job, v));
        else if (is_it && !job->base64 && json_is(v, JSON_STR))
            TRY(put_numbers(job, v));
        else
            json_write(&job->out, v);
    }
    buf_add_char(&job->out, '}');
    return OK;
}

/* The list of embeddings, item by item. */
static Err put_data(struct convert_job *job, const struct json *data)
{
    buf_add_char(&job->out, '[');
    for (size_t i = 0; i < json_len(data); i++) {
        if (i)
            buf_add_char(&job->out, ',');
        TRY(put_item(job, json_item(data, i)));
    }
    buf_add_char(&job->out, ']');
    return OK;
}

static Err put_answer(struct convert_job *job, const struct json *v)
{
    buf_add_char(&job->out, '{');
    for (size_t i = 0; i < v->n; i++) {
        const struct json *key = &v->obj[i].key, *value = &v->obj[i].val;
        if (i)
            buf_add_char(&job->out, ',');
        json_write(&job->out, key);
        buf_add_char(&job->out, ':');
        if (str_eq(json_str_of(key, S("")), S("data")) && json_is(value, JSON_ARR))
            TRY(put_data(job, value));
        else
            json_write(&job->out, value);
    }
    buf_add_char(&job->out, '}');
    return OK;
}

static Err convert(void *arg)
{
    struct convert_job *job = arg;
    AUTO(arena) *own = arena_new(CONVERT_ARENA_MAX), *item = arena_new(CONVERT_ARENA_MAX);
    struct json *v;

    if (json_parse(own, job->body, &v) != OK || !json_is(v, JSON_OBJ))
        return err_detail(E_UPSTREAM, "The provider's embeddings are no JSON that can be read.");
    job->item = item;
    return put_answer(job, v);
}

Err llm_embeddings_convert(struct arena *a, Str body, bool base64, Str *ret_body)
{
    struct convert_job job = {.out = BUF(CONVERTED_MAX), .body = body, .base64 = base64};
    int is_text = first_is_text(body);

    *ret_body = body;
    if (is_text < 0 || is_text == (int)base64)
        return OK;
    Err e = body.n > ON_A_WORKER ? work_run(convert, &job) : convert(&job);
    size_t n = job.out.n;
    char *to = e == OK && buf_ok(&job.out) == OK ? arena_try(a, n) : NULL;
    if (to)
        *ret_body = str_from(memcpy(to, job.out.p, n), n);
    buf_done(&job.out);
    if (e == OK && !to)
        return err_detail(E_UPSTREAM, "The provider's embeddings are too large to be converted.");
    return e;
}
