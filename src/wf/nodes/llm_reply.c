/* src/wf/nodes/llm_reply.c - reading what model servers answer, and telling their errors apart. */
#include "wf/nodes/llm_reply.h"

#include "wf/nodes/step.h"

enum {
    SCRATCH_MAX = 64 << 20, /* one event of at most 1 MiB, or one whole answer of at most 16 */
    WORD_MAX = 64,
    MESSAGE_MAX = 250, /* of a fault, from the gateway */
};

void llm_reply_init(struct llm_reply *r, const struct step_call *call)
{
    *r = (struct llm_reply){
        .call = call,
        .a = call->step->a,
        .scratch = arena_new(SCRATCH_MAX),
        .text = BUF(LLM_TEXT_MAX),
        .prompt_tokens = -1,
        .completion_tokens = -1,
        .total_tokens = -1,
    };
}

void llm_reply_done(struct llm_reply *r)
{
    arena_free(r->scratch);
    buf_done(&r->text);
}

bool llm_reply_is_whole(const struct llm_reply *r)
{
    /* Some servers leave [DONE] out; none gives a finish_reason before the text is complete. */
    return r->done || r->finish_reason.n;
}

static Str node_of(const struct llm_reply *r)
{
    return r->call->step->node->id;
}

/* ---- errors ---- */

/* @v if it is a short code word such as "context_length_exceeded"; else empty. */
static Str word(const struct json *v)
{
    Str s = json_str_of(v, S(""));

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.'))
            return S("");
    }
    return s.n > WORD_MAX ? S("") : s;
}

enum fault {
    FAULT_KEY,
    FAULT_FORBIDDEN,
    FAULT_QUOTA,
    FAULT_MODEL,
    FAULT_CONTEXT,
    FAULT_RATE,
    FAULT_SERVER,
    FAULT_REQUEST,
};

static const struct {
    Str word;
    enum fault fault;
} words[] = {
    {S_INIT("invalid_api_key"), FAULT_KEY},
    {S_INIT("authentication_error"), FAULT_KEY},
    {S_INIT("permission_error"), FAULT_FORBIDDEN},
    {S_INIT("insufficient_quota"), FAULT_QUOTA},
    {S_INIT("billing_hard_limit_reached"), FAULT_QUOTA},
    {S_INIT("model_not_found"), FAULT_MODEL},
    {S_INIT("not_found_error"), FAULT_MODEL},
    {S_INIT("context_length_exceeded"), FAULT_CONTEXT},
    {S_INIT("string_above_max_length"), FAULT_CONTEXT},
    {S_INIT("rate_limit_exceeded"), FAULT_RATE},
    {S_INIT("rate_limit_error"), FAULT_RATE},
    {S_INIT("requests"), FAULT_RATE},
    {S_INIT("tokens"), FAULT_RATE},
    {S_INIT("server_error"), FAULT_SERVER},
    {S_INIT("internal_error"), FAULT_SERVER},
    {S_INIT("api_error"), FAULT_SERVER},
    {S_INIT("overloaded_error"), FAULT_SERVER},
};

/* Servers without code words say so in a sentence. */
static bool tells_of_context(Str message)
{
    static const Str phrases[] = {S_INIT("context length"),     S_INIT("context window"),
                                  S_INIT("context size"),       S_INIT("maximum context"),
                                  S_INIT("prompt is too long"), S_INIT("too many tokens")};

    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (str_find(message, phrases[i]) != SIZE_MAX)
            return true;
    return false;
}

static enum fault fault_of_status(int status)
{
    switch (status) {
    case 401:
        return FAULT_KEY;
    case 402:
        return FAULT_QUOTA;
    case 403:
        return FAULT_FORBIDDEN;
    case 404:
    case 410:
        return FAULT_MODEL;
    case 429:
        return FAULT_RATE;
    case 408:
    case 409:
    case 425:
        return FAULT_SERVER;
    default:
        return status >= 500 ? FAULT_SERVER : FAULT_REQUEST;
    }
}

/* @error is what stands under "error" (an object, a string or nothing); @status 0: it came in the
 * stream. */
static enum fault fault_of(int status, const struct json *error)
{
    const Str given[] = {word(json_at(error, "code")), word(json_at(error, "type"))};
    int64_t number = json_int_of(json_at(error, "code"), 0);
    Str message = json_str_of(json_at(error, "message"), json_str_of(error, S("")));

    for (size_t k = 0; k < ARRAY_LEN(given); k++)
        for (size_t i = 0; i < ARRAY_LEN(words) && given[k].n; i++)
            if (str_eq(words[i].word, given[k]))
                return words[i].fault;
    if ((status == 0 || status == 400 || status == 413 || status == 422) &&
        tells_of_context(message))
        return FAULT_CONTEXT;
    if (status == 0 && number >= 400 && number < 600)
        return fault_of_status((int)number);
    if (status == 0)
        return str_eq(given[1], S("invalid_request_error")) ? FAULT_REQUEST : FAULT_SERVER;
    return fault_of_status(status);
}

/* " (400, invalid_request_error, parameter temperature)": what can be said without repeating
 * content. */
static Str particulars(struct arena *a, int status, const struct json *error)
{
    AUTO_BUF(b, KIB(1));
    Str code = word(json_at(error, "code")), type = word(json_at(error, "type"));
    Str param = word(json_at(error, "param"));

    if (status)
        buf_add_fmt(&b, ", %d", status);
    if (code.n)
        buf_add_fmt(&b, ", %.*s", P(code));
    if (type.n && !str_eq(type, code))
        buf_add_fmt(&b, ", %.*s", P(type));
    if (param.n)
        buf_add_fmt(&b, ", parameter %.*s", P(param));
    return b.n ? str_fmt(a, " (%.*s)", P(str_skip(buf_str(&b), 2))) : S("");
}

static Err fault_error(const struct llm_reply *r, int status, const struct json *error)
{
    static const struct {
        Err code;
        const char *says, *advice;
    } faults[] = {
        [FAULT_KEY] = {E_UNAUTHORIZED, "did not accept the key", "check the API key of node"},
        [FAULT_FORBIDDEN] = {E_FORBIDDEN, "does not allow this",
                             "check what the API key may use, and the model of node"},
        [FAULT_QUOTA] = {E_FORBIDDEN, "says that the account has no credit left",
                         "check the account behind the API key of node"},
        [FAULT_MODEL] = {E_NOT_FOUND, "does not know what was asked for",
                         "check model and base_url of node"},
        [FAULT_CONTEXT] = {E_INVALID, "cannot take so long a prompt",
                           "shorten what goes into node"},
        [FAULT_RATE] = {E_RATE_LIMITED, "is asked too often", "it may be asked later by node"},
        [FAULT_SERVER] = {E_UNAVAILABLE, "is in trouble", "it may answer later to node"},
        [FAULT_REQUEST] = {E_INVALID, "refused the request", "check the settings of node"},
    };
    enum fault f = fault_of(status, error);
    Str message = json_str_of(json_at(error, "message"), S(""));

    if (r->call->ours && message.n)
        return err_detail(faults[f].code, "The model gateway, asked by node %.*s: %.*s",
                          P(node_of(r)), P(str_head(message, MESSAGE_MAX)));
    if (status == 401 || status == 403)
        return err_detail(faults[f].code, "The model server at %.*s answered %d%.*s: %s %.*s.",
                          P(r->call->host), status, P(particulars(r->a, 0, error)),
                          faults[f].advice, P(node_of(r)));
    return err_detail(faults[f].code, "The model server at %.*s %s%.*s: %s %.*s.", P(r->call->host),
                      faults[f].says, P(particulars(r->a, status, error)), faults[f].advice,
                      P(node_of(r)));
}

static Err not_an_answer(const struct llm_reply *r, const char *what)
{
    return err_detail(
        E_UPSTREAM,
        "%.*s answered node %.*s with %s, not as a model server does: check its base_url.",
        P(r->call->host), P(node_of(r)), what);
}

Err llm_reply_status(struct llm_reply *r, int status, const HttpHeaders *headers, Str body)
{
    const struct json_limits limits = {.depth = STEP_DEPTH_MAX};
    struct json *parsed = NULL;

    if (status >= 300 && status < 400)
        return err_detail(E_INVALID,
                          "%.*s answered %d: the base_url of node %.*s has moved; set the new one.",
                          P(r->call->host), status, P(node_of(r)));
    if (status < 400)
        return not_an_answer(r, "an unusual status");
    arena_reset(r->scratch);
    (void)json_parse_limits(r->scratch, body, &limits,
                            &parsed); /* often HTML: then the status tells */
    Err e = fault_error(r, status, json_at(parsed, "error"));
    err_record()->retry_after_us = http_retry_after(headers);
    return e;
}

Err llm_reply_cut(const struct llm_reply *r)
{
    if (r->chunks == 0)
        return not_an_answer(r, "an empty stream");
    return err_detail(
        E_UPSTREAM_CUT,
        "The model server at %.*s broke off in the middle of its answer to node %.*s.",
        P(r->call->host), P(node_of(r)));
}

/* ---- answers ---- */

/* Numbers replace what was told before: the last count stands. */
static void take_usage(struct llm_reply *r, const struct json *usage)
{
    if (!json_is(usage, JSON_OBJ))
        return;
    r->prompt_tokens = json_int_of(json_at(usage, "prompt_tokens"), r->prompt_tokens);
    r->completion_tokens = json_int_of(json_at(usage, "completion_tokens"), r->completion_tokens);
    r->total_tokens = json_int_of(json_at(usage, "total_tokens"), r->total_tokens);
}

static void take_word(struct llm_reply *r, const struct json *v, Str *to)
{
    Str s = json_str_of(v, S(""));

    if (s.n && !str_eq(s, *to))
        *to = str_dup(r->a, str_head(s, 200));
}

/* Text is a string, or an array of parts with texts. */
static void add_content(struct llm_reply *r, const struct json *content)
{
    buf_add(&r->text, json_str_of(content, S("")));
    for (size_t i = 0; json_is(content, JSON_ARR) && i < json_len(content); i++)
        buf_add(&r->text, json_str_of(json_at(&content->arr[i], "text"), S("")));
}

static Err take_answer(struct llm_reply *r, const struct json *v, bool whole)
{
    const struct json *choices = json_at(v, "choices");
    const struct json *choice = json_item(choices, 0);

    if (json_at(v, "error") && json_type(json_at(v, "error")) != JSON_NULL)
        return fault_error(r, 0, json_at(v, "error"));
    if (!json_is(choices, JSON_ARR) || (whole && !choice))
        return not_an_answer(r, "other JSON");
    add_content(r,
                json_at(whole ? json_at(choice, "message") : json_at(choice, "delta"), "content"));
    take_word(r, json_at(choice, "finish_reason"), &r->finish_reason);
    take_word(r, json_at(v, "model"), &r->model);
    take_usage(r, json_at(v, "usage"));
    r->chunks++;
    if (r->text.failed)
        return err_detail(E_TOO_LARGE, "The model's answer to node %.*s is longer than %d MiB.",
                          P(node_of(r)), LLM_TEXT_MAX >> 20);
    return OK;
}

static Err parse(struct llm_reply *r, Str text, struct json **ret_value)
{
    const struct json_limits limits = {.depth = STEP_DEPTH_MAX};

    arena_reset(r->scratch);
    Err e = json_parse_limits(r->scratch, text, &limits, ret_value);
    if (e == OK)
        return OK;
    if (r->chunks == 0)
        return not_an_answer(r, "something that is not JSON");
    return err_detail(
        E_UPSTREAM,
        "The model server at %.*s sent something that is not JSON in the middle of its "
        "answer to node %.*s.",
        P(r->call->host), P(node_of(r)));
}

Err llm_reply_chunk(struct llm_reply *r, Str data, Str *ret_piece)
{
    size_t before = r->text.n;
    struct json *v;

    *ret_piece = S("");
    if (str_is_empty(str_trim(data)))
        return OK;
    if (str_eq(str_trim(data), S("[DONE]"))) {
        r->done = true;
        return OK;
    }
    TRY(parse(r, data, &v));
    TRY(take_answer(r, v, false));
    *ret_piece = str_skip(buf_str(&r->text), before);
    return OK;
}

Err llm_reply_body(struct llm_reply *r, Str body)
{
    struct json *v;

    TRY(parse(r, body, &v));
    TRY(take_answer(r, v, true));
    r->done = true;
    return OK;
}

struct json *llm_reply_usage(const struct llm_reply *r)
{
    int64_t prompt = r->prompt_tokens, completion = r->completion_tokens, total = r->total_tokens;

    if (prompt < 0 && completion < 0 && total < 0)
        return json_null(r->a);
    prompt = prompt < 0 ? 0 : prompt;
    completion = completion < 0 ? 0 : completion;
    if (total < 0 && __builtin_add_overflow(prompt, completion, &total))
        total = INT64_MAX;
    return json_obj(r->a, "prompt_tokens", json_int(r->a, prompt), "completion_tokens",
                    json_int(r->a, completion), "total_tokens", json_int(r->a, total), NULL);
}
