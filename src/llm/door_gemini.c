/* src/llm/door_gemini.c - calls in Gemini's dialect: the model and what is wanted of it stand in
 * the path.
 *
 * A body for Gemini goes on as it came. Where it names the model a second time, which must be the
 * same as in the address, that is changed.
 */
#include "base/json.h"
#include "llm/door_out.h"
#include "llm/door_private.h"

enum {
    NUMBER_MAX = 32,
    USAGE_MAX = 64 * 1024,
    NUMBERS_MOST = 1000000000,
};

/* ---- the path ---- */

struct method {
    Str end;
    enum llm_op op;
    bool stream;
};

static const struct method methods[] = {
    {S_INIT(":generateContent"), LLM_GENERATE, false},
    {S_INIT(":streamGenerateContent"), LLM_GENERATE, true},
    {S_INIT(":countTokens"), LLM_GENERATE_TOKENS, false},
    {S_INIT(":embedContent"), LLM_EMBED_CONTENT, false},
    {S_INIT(":batchEmbedContents"), LLM_EMBED_CONTENTS, false},
};

static const struct method *method_of(Str path)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_ends(path, methods[i].end) && path.n > methods[i].end.n)
            return &methods[i];
    return NULL;
}

Str llm_gemini_name(Str name)
{
    static const Str folder = S_INIT("models/");

    return str_starts(name, folder) ? str_skip(name, folder.n) : name;
}

/* Events, or one list. */
static Err read_form(struct llm_call *c)
{
    Str alt;

    TRY(req_query(c->req, S("alt"), &alt));
    if (alt.n && !str_eq(alt, S("sse")) && !str_eq(alt, S("json")))
        return err_detail(E_BAD_INPUT, "\"alt\" must be \"sse\" or \"json\".");
    if (c->stream && !str_eq(alt, S("sse")))
        c->list = arena_new_of(c->req->a, struct llm_list);
    return OK;
}

Err llm_door_gemini(struct llm *llm, struct req *req, struct res *res, Str path)
{
    const struct method *m = method_of(path);
    struct llm_call *c = arena_new_of(req->a, struct llm_call);

    if (!m)
        return err_detail(E_NOT_FOUND, "There is no such call of a model here.");
    c->llm = llm;
    c->req = req;
    c->res = res;
    c->op = m->op;
    c->stream = m->stream;
    c->model = llm_gemini_name(str_head(path, path.n - m->end.n));
    c->named = c->wants_usage = true;
    c->dialect = &llm_dialect_gemini;
    TRY(read_form(c));
    return llm_call_serve(c);
}

/* ---- the body ---- */

/* A number as servers take it, with or without quotes; 0: it is not there. */
static Err read_number(const struct llm_call *c, Str config, const struct llm_member *m,
                       int64_t *io_most)
{
    Str text = llm_member_text(config, m);
    uint64_t n;

    (void)c;
    if (!m->to || str_eq(text, S("null")))
        return OK;
    if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
        text = str_from(text.p + 1, text.n - 2);
    if (text.n > NUMBER_MAX || str_to_u64(text, &n) != OK || n < 1 || n > NUMBERS_MOST)
        return err_detail(
            E_BAD_INPUT, "\"generationConfig.%.*s\" must be a whole number from 1 on.", P(m->name));
    if ((int64_t)n > *io_most) /* given in both forms, the larger may be meant */
        *io_most = (int64_t)n;
    return OK;
}

static Err read_config(struct llm_call *c, const struct llm_member *config)
{
    enum { OUTPUT, OUTPUT_SNAKE, ANSWERS, ANSWERS_SNAKE, N };
    struct llm_member members[N] = {[OUTPUT] = {S_INIT("maxOutputTokens"), 0, 0},
                                    [OUTPUT_SNAKE] = {S_INIT("max_output_tokens"), 0, 0},
                                    [ANSWERS] = {S_INIT("candidateCount"), 0, 0},
                                    [ANSWERS_SNAKE] = {S_INIT("candidate_count"), 0, 0}};
    Str text = llm_member_text(c->body, config);

    if (!str_starts(text, S("{")))
        return OK; /* the provider judges what is no object */
    TRY(llm_scan_text(text, members, N));
    for (int i = 0; i < N; i++)
        TRY(read_number(c, text, &members[i], i < ANSWERS ? &c->asked_output : &c->asked_answers));
    return OK;
}

Err llm_gemini_scan(struct llm_call *c)
{
    enum { MODEL, TOOLS, CONFIG, CONFIG_SNAKE, N };
    struct llm_member own[N] = {[MODEL] = {S_INIT("model"), 0, 0},
                                [TOOLS] = {S_INIT("tools"), 0, 0},
                                [CONFIG] = {S_INIT("generationConfig"), 0, 0},
                                [CONFIG_SNAKE] = {S_INIT("generation_config"), 0, 0}};

    TRY(llm_scan_text(c->body, own, N));
    c->members[MEMBER_MODEL] = own[MODEL];
    c->members[MEMBER_TOOLS] = own[TOOLS];
    c->asked_output = c->asked_answers = 0;
    for (int i = CONFIG; i < N; i++)
        if (own[i].to)
            TRY(read_config(c, &own[i]));
    return OK;
}

/* @within: the object that names the model; put the target's there. */
static Err name_model(struct llm_call *c, struct llm_member within, Str *ret_body)
{
    struct llm_member model = {S("model"), 0, 0};
    Str text = llm_member_text(c->body, &within);
    AUTO_BUF(name, KIB(16));

    *ret_body = c->body;
    if (!str_starts(str_trim(text), S("{")))
        return OK;
    TRY(llm_scan_text(text, &model, 1));
    if (!model.to)
        return OK;
    json_write_str(&name, str_fmt(c->req->a, "models/%.*s", P(llm_gemini_name(c->target.model))));
    TRY(buf_ok(&name));
    struct llm_edit edit = {within.from + model.from, within.from + model.to, buf_str(&name)};
    buf_reset(&c->edited);
    c->edited.max = LLM_BODY_MAX + KIB(64);
    llm_body_edit(c->body, &edit, 1, &c->edited);
    *ret_body = buf_str(&c->edited);
    return buf_ok(&c->edited);
}

Err llm_gemini_body(struct llm_call *c, Str *ret_body)
{
    struct llm_member whole = {S(""), 0, c->body.n};
    struct llm_member inner[] = {{S("generateContentRequest"), 0, 0},
                                 {S("generate_content_request"), 0, 0}};

    if (c->op == LLM_EMBED_CONTENTS)
        return llm_embed_request(c, ret_body);
    if (c->op == LLM_GENERATE_TOKENS) {
        TRY(llm_scan_text(c->body, inner, ARRAY_LEN(inner)));
        if (inner[0].to || inner[1].to)
            return name_model(c, inner[0].to ? inner[0] : inner[1], ret_body);
    }
    return name_model(c, whole, ret_body);
}

/* ---- the answer ---- */

Err llm_gemini_answer(struct llm_call *c, const HttpHeaders *headers, Str body)
{
    enum { USAGE, ERROR, CANDIDATES, FEEDBACK, EMBEDDING, EMBEDDINGS, TOTAL, N };
    struct llm_member members[N] = {
        [USAGE] = {S_INIT("usageMetadata"), 0, 0},   [ERROR] = {S_INIT("error"), 0, 0},
        [CANDIDATES] = {S_INIT("candidates"), 0, 0}, [FEEDBACK] = {S_INIT("promptFeedback"), 0, 0},
        [EMBEDDING] = {S_INIT("embedding"), 0, 0},   [EMBEDDINGS] = {S_INIT("embeddings"), 0, 0},
        [TOTAL] = {S_INIT("totalTokens"), 0, 0}};
    bool any = false;
    struct json *usage;

    if (llm_scan_text(body, members, N) != OK)
        return err_detail(E_UPSTREAM,
                          "The provider \"%.*s\" gave no usable answer: it is not valid JSON.",
                          P(c->target.provider->name));
    for (int i = CANDIDATES; i < N; i++)
        any |= members[i].to != 0;
    if (members[ERROR].to && !any)
        return llm_answer_hidden_error(c, headers, body);
    Str text = llm_member_text(body, &members[USAGE]);
    if (text.n && text.n <= USAGE_MAX && json_parse(c->req->a, text, &usage) == OK)
        c->dialect->read_usage(usage, &c->usage);
    return llm_answer_send(c, headers, body);
}

/* ---- errors ---- */

void llm_gemini_add_retry(struct arena *a, struct json *v, Usec after)
{
    struct json *error = json_at(v, "error");
    struct json *details = json_dup(a, json_at(error, "details"));
    long long ms = (long long)((after + USEC_MS - 1) / USEC_MS);

    if (!json_is(details, JSON_ARR))
        details = json_arr(a);
    json_push(a, details,
              json_obj(a, "@type", json_str_c(a, "type.googleapis.com/google.rpc.RetryInfo"),
                       "retryDelay", json_str(a, str_fmt(a, "%lld.%03llds", ms / 1000, ms % 1000)),
                       NULL));
    json_set(a, error, S("details"), details);
}

bool llm_is_googles(const struct req *req)
{
    return str_starts(req->path, S("/v1beta/")) || req_header(req, S("x-goog-api-key")).p;
}

Err llm_door_fail_models(struct req *req, struct res *res, int status, Err code)
{
    return llm_is_googles(req) ? llm_door_fail_gemini(req, res, status, code)
                               : llm_door_fail(req, res, status, code);
}

Err llm_door_fail_gemini(struct req *req, struct res *res, int status, Err code)
{
    Str message = str_dup(req->a, str_c(err_client_text(code)));
    Usec after = err_record()->code == code ? err_record()->retry_after_us : 0;
    struct json *v =
        llm_dialect_gemini.write_error(req->a, status, message, llm_error_code(status, code));

    if (after > 0)
        llm_gemini_add_retry(req->a, v, after);
    llm_hint_retry(res, code);
    return res_json(res, status, v);
}
