/* src/llm/door_embed.c - embeddings whose client and provider name them differently: OpenAI's, and
 * Gemini's of one text or of several.
 *
 * Vectors are numbers in both. A client of OpenAI's that wants them as base64 gets them so behind
 * this, from door_answer.c.
 */
#include "base/json.h"
#include "llm/door_private.h"
#include "rt/work.h"

enum {
    TEXTS_MAX = 2048,
    MEMBERS_MAX = 64, /* of what asks for one of them */
    ON_A_WORKER = 64 * 1024,
    TREE_MAX = 512 << 20,
    MADE_MAX = 512 << 20,
    REQUEST_MAX = 2 * LLM_BODY_MAX,
    ANSWER_MAX = 128 << 20,
    DIMENSIONS_MAX = 1 << 20,
};

struct embed_job {
    const struct llm_call *c;
    Str text;
    struct buf *out;
    struct arena *notes;
    LlmNotes dropped;
    struct llm_usage usage;
};

static Err too_many(void)
{
    return err_detail(E_TOO_LARGE, "A request for embeddings has more than %d texts.", TEXTS_MAX);
}

static const struct json *get(const struct json *v, const char *camel, const char *snake)
{
    const struct json *member = json_get(v, str_c(camel));

    return member ? member : json_get(v, str_c(snake));
}

static void drop(struct embed_job *job, Str name)
{
    vec_each(&job->dropped, n)
        if (str_eq(*n, name))
            return;
    vec_push(job->notes, &job->dropped, name);
}

static struct json *name_of(struct arena *a, const struct llm_call *c)
{
    static const Str folder = S_INIT("models/");
    Str model = c->target.model;

    return json_str(a, str_starts(model, folder) ? model
                                                 : str_join(a, (Str[]){folder, model}, 2, S("")));
}

/* ---- requests: Gemini's for Gemini ---- */

/* Each of several names the model. */
static Err rename_all(struct embed_job *job, struct arena *a, struct json *v)
{
    struct json *requests = json_at(v, "requests");

    if (json_len(requests) > TEXTS_MAX)
        return too_many();
    for (size_t i = 0; json_is(requests, JSON_ARR) && i < json_len(requests); i++) {
        struct json *one = json_item(requests, i);
        if (!json_is(one, JSON_OBJ) || json_len(one) > MEMBERS_MAX)
            return err_detail(E_BAD_INPUT, "An entry of \"requests\" is no request.");
        json_set(a, one, S("model"), name_of(a, job->c));
    }
    json_write(job->out, v);
    return buf_ok(job->out);
}

/* ---- requests: Gemini's for others ---- */

/* The texts of one content, in lines. */
static Err text_of(struct arena *a, const struct json *content, Str *ret_text)
{
    const struct json *parts = json_at(content, "parts");
    VEC(Str) texts = {0};

    if (!json_is(content, JSON_OBJ) || !json_is(parts, JSON_ARR) || !json_len(parts))
        return err_detail(E_BAD_INPUT, "\"content\" must be an object with \"parts\".");
    for (size_t i = 0; i < json_len(parts); i++) {
        const struct json *text = json_at(json_item(parts, i), "text");
        if (!json_is(text, JSON_STR))
            return llm_chat_refuse("content.parts");
        vec_push(a, &texts, json_str_of(text, S("")));
    }
    *ret_text = str_join(a, texts.at, texts.n, S("\n"));
    return OK;
}

static Err add_text(struct embed_job *job, struct arena *a, const struct json *v,
                    struct json *input, int64_t *io_dimensions)
{
    static const char *const known[] = {"model", "content", "outputDimensionality",
                                        "output_dimensionality", NULL};
    const struct json *size = get(v, "outputDimensionality", "output_dimensionality");
    int64_t dimensions = json_int_of(size, 0);
    Str text = S("");

    TRY(text_of(a, json_at(v, "content"), &text));
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        bool is_known = llm_is_none(&v->obj[i].val);
        for (const char *const *k = known; !is_known && *k; k++)
            is_known = str_eq(name, str_c(*k));
        if (!is_known)
            drop(job, str_eq(name, S("taskType"))    ? S("taskType")
                      : str_eq(name, S("task_type")) ? S("task_type")
                      : str_eq(name, S("title"))     ? S("title")
                                                     : S("other"));
    }
    if (json_len(input) && dimensions != *io_dimensions)
        return err_detail(E_BAD_INPUT, "\"outputDimensionality\" must be the same for all texts; "
                                       "the provider of this model takes no other.");
    *io_dimensions = dimensions;
    json_push(a, input, json_str(a, text));
    return OK;
}

static Err write_openai(struct embed_job *job, struct arena *a, const struct json *v)
{
    struct json *input = json_arr(a);
    const struct json *requests = json_at(v, "requests");
    bool several = job->c->op == LLM_EMBED_CONTENTS;
    int64_t dimensions = 0;

    if (several && (!json_is(requests, JSON_ARR) || !json_len(requests)))
        return err_detail(E_BAD_INPUT, "\"requests\" must be a list that is not empty.");
    if (json_len(requests) > TEXTS_MAX)
        return too_many();
    for (size_t i = 0; several && i < json_len(requests); i++)
        TRY(add_text(job, a, json_item(requests, i), input, &dimensions));
    if (!several)
        TRY(add_text(job, a, v, input, &dimensions));
    json_write(job->out, json_obj(a, "model", json_str(a, job->c->target.model), "input", input,
                                  "dimensions", dimensions > 0 ? json_int(a, dimensions) : NULL,
                                  "encoding_format", json_str_c(a, "float"), NULL));
    return buf_ok(job->out);
}

/* ---- requests: OpenAI's for Gemini ---- */

static Err write_gemini(struct embed_job *job, struct arena *a, const struct json *v)
{
    static const char *const known[] = {"model", "input", "dimensions", "encoding_format", NULL};
    const struct json *input = json_at(v, "input");
    bool list = json_is(input, JSON_ARR);
    size_t n = list ? json_len(input) : 1;
    int64_t dimensions = json_int_of(json_at(v, "dimensions"), 0);
    struct json *requests = json_arr(a);

    if (n > TEXTS_MAX)
        return too_many();
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        bool is_known = llm_is_none(&v->obj[i].val);
        for (const char *const *k = known; !is_known && *k; k++)
            is_known = str_eq(name, str_c(*k));
        if (!is_known)
            drop(job, str_eq(name, S("user")) ? S("user") : S("other"));
    }
    for (size_t i = 0; i < n; i++) {
        const struct json *text = list ? json_item(input, i) : input;
        struct json *parts = json_arr(a);
        if (!json_is(text, JSON_STR))
            return err_detail(E_BAD_INPUT, "\"input\" must be a text or a list of texts; the "
                                           "provider of this model takes no tokens.");
        json_push(a, parts, json_obj(a, "text", text, NULL));
        json_push(a, requests,
                  json_obj(a, "model", name_of(a, job->c), "content",
                           json_obj(a, "parts", parts, NULL), "outputDimensionality",
                           dimensions > 0 ? json_int(a, dimensions) : NULL, NULL));
    }
    json_write(job->out, json_obj(a, "requests", requests, NULL));
    return buf_ok(job->out);
}

static Err write_request(void *arg)
{
    struct embed_job *job = arg;
    AUTO(arena) *tree = arena_new(TREE_MAX), *made = arena_new(MADE_MAX);
    struct json *v;

    TRY(json_parse(tree, job->text, &v));
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "The body must be a JSON object.");
    if (!job->c->translated)
        return rename_all(job, made, v);
    return job->c->dialect == &llm_dialect_gemini ? write_openai(job, made, v)
                                                  : write_gemini(job, made, v);
}

Err llm_embed_request(struct llm_call *c, Str *ret_body)
{
    struct embed_job job = {.c = c, .text = c->body, .out = &c->edited, .notes = c->req->a};

    buf_reset(&c->edited);
    c->edited.max = REQUEST_MAX;
    Err e = c->body.n > ON_A_WORKER ? work_run(write_request, &job) : write_request(&job);
    c->untranslatable = e == E_BAD_INPUT || e == E_TOO_LARGE;
    TRY(e);
    c->dropped = str_join(c->req->a, job.dropped.at, job.dropped.n, S(", "));
    *ret_body = buf_str(&c->edited);
    return OK;
}

/* ---- answers ---- */

static Err none(void)
{
    return err_set(E_UPSTREAM, "embeddings that are none");
}

static Err write_vector(struct embed_job *job, const struct json *list)
{
    if (!json_is(list, JSON_ARR) || !json_len(list) || json_len(list) > DIMENSIONS_MAX)
        return none();
    for (size_t i = 0; i < json_len(list); i++)
        if (!json_is_number(json_item(list, i)))
            return none();
    json_write(job->out, list);
    return OK;
}

/* The entry of the text @i: by its index, which is nearly always its place. */
static const struct json *entry_of(const struct json *data, size_t i)
{
    const struct json *there = json_item(data, i);

    if (json_int_of(json_at(there, "index"), (int64_t)i) == (int64_t)i)
        return there;
    for (size_t k = 0; k < json_len(data); k++)
        if (json_int_of(json_at(json_item(data, k), "index"), -1) == (int64_t)i)
            return json_item(data, k);
    return NULL;
}

static Err answer_gemini(struct embed_job *job, const struct json *v)
{
    const struct json *data = json_at(v, "data");
    bool several = job->c->op == LLM_EMBED_CONTENTS;

    llm_usage_read(json_at(v, "usage"), &job->usage);
    if (!json_is(data, JSON_ARR) || !json_len(data) || json_len(data) > TEXTS_MAX)
        return none();
    buf_add_c(job->out, several ? "{\"embeddings\":[" : "{\"embedding\":");
    for (size_t i = 0; i < (several ? json_len(data) : 1); i++) {
        buf_add_c(job->out, i ? ",{\"values\":" : "{\"values\":");
        TRY(write_vector(job, json_at(entry_of(data, i), "embedding")));
        buf_add_char(job->out, '}');
    }
    if (several)
        buf_add_char(job->out, ']');
    if (job->usage.known)
        buf_add_fmt(job->out, ",\"usageMetadata\":{\"promptTokenCount\":%lld}",
                    (long long)job->usage.prompt);
    buf_add_char(job->out, '}');
    return buf_ok(job->out);
}

static Err answer_openai(struct embed_job *job, const struct json *v)
{
    const struct json *list = json_at(v, "embeddings");

    llm_dialect_gemini.read_usage(json_at(v, "usageMetadata"), &job->usage);
    if (!json_is(list, JSON_ARR) || !json_len(list) || json_len(list) > TEXTS_MAX)
        return none();
    buf_add_c(job->out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < json_len(list); i++) {
        buf_add_fmt(job->out,
                    "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "", i);
        TRY(write_vector(job, json_at(json_item(list, i), "values")));
        buf_add_char(job->out, '}');
    }
    buf_add_c(job->out, "],\"model\":");
    json_write_str(job->out, job->c->target.model);
    buf_add_fmt(job->out, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}",
                (long long)job->usage.prompt, (long long)job->usage.prompt);
    return buf_ok(job->out);
}

static Err write_answer(void *arg)
{
    struct embed_job *job = arg;
    AUTO(arena) *tree = arena_new(TREE_MAX);
    struct json *v;

    if (json_parse(tree, job->text, &v) != OK)
        return none();
    return job->c->dialect == &llm_dialect_gemini ? answer_gemini(job, v) : answer_openai(job, v);
}

Err llm_embed_answer(struct llm_call *c, Str body, Str *ret_body)
{
    AUTO_BUF(out, ANSWER_MAX);
    struct embed_job job = {.c = c, .text = body, .out = &out};
    Err e = body.n > ON_A_WORKER ? work_run(write_answer, &job) : write_answer(&job);
    char *to = e == OK ? arena_try(c->req->a, out.n) : NULL;

    if (e != OK && e != E_UPSTREAM && e != E_TOO_LARGE)
        return e;
    if (!to)
        return err_detail(E_UPSTREAM,
                          "The provider \"%.*s\" gave no usable answer: it has no embeddings.",
                          P(c->target.provider->name));
    c->usage = job.usage;
    *ret_body = str_from(memcpy(to, out.p, out.n), out.n);
    return OK;
}
