/* src/llm/door_meaning.c - answers to what means the same.
 *
 * Only where the words of the last message are all that differs. Of calls with tools, images or
 * files nobody can say that words alone decide: they are answered by the same words alone.
 */
#include "llm/door_meaning.h"

#include "base/crypto.h"
#include "rt/metric.h"

enum { WORDS_MAX = 16 * 1024 };
static const Usec PATIENCE = 2 * USEC_S;

static struct metric failures = {"heddle_model_cache_meaning_failures_total",
                                 "Calls whose meaning could not be asked for in time; they went "
                                 "to their model.",
                                 METRIC_COUNTER, NULL};

/* ---- words ---- */

/* The text of a message's content, in @out; false if there is anything else in it. */
static bool read_content(const struct json *content, struct buf *out)
{
    if (json_is(content, JSON_STR)) {
        buf_add(out, json_str_of(content, S("")));
        return true;
    }
    for (size_t i = 0; i < json_len(content); i++) {
        const struct json *part = json_item(content, i), *text = json_at(part, "text");
        if (!str_eq(json_str_of(json_at(part, "type"), S("")), S("text")) ||
            !json_is(text, JSON_STR))
            return false;
        if (out->n)
            buf_add_char(out, '\n');
        buf_add(out, json_str_of(text, S("")));
    }
    return json_is(content, JSON_ARR);
}

static bool is_plain(const struct json *message)
{
    Str role = json_str_of(json_at(message, "role"), S(""));
    AUTO_BUF(text, MIB(2));

    return !str_eq(role, S("tool")) && !str_eq(role, S("function")) &&
           !json_len(json_at(message, "tool_calls")) && !json_at(message, "function_call") &&
           read_content(json_at(message, "content"), &text);
}

/* A content of Gemini's that is texts alone: those are in @out. */
static bool read_parts(const struct json *content, struct buf *out)
{
    const struct json *parts = json_at(content, "parts");

    for (size_t i = 0; json_is(parts, JSON_ARR) && i < json_len(parts); i++) {
        const struct json *part = json_item(parts, i), *text = json_at(part, "text");
        if (!json_is(text, JSON_STR) || json_len(part) != 1)
            return false;
        if (out->n)
            buf_add_char(out, '\n');
        buf_add(out, json_str_of(text, S("")));
    }
    return json_is(parts, JSON_ARR);
}

static Str words_of_contents(struct arena *a, struct json *body)
{
    const struct json *contents = json_at(body, "contents");
    size_t n = json_len(contents);
    struct json *last = n ? json_item(contents, n - 1) : NULL;
    AUTO_BUF(words, WORDS_MAX);

    if (!n || json_len(json_at(body, "tools")) ||
        !str_eq(json_str_of(json_at(last, "role"), S("user")), S("user")))
        return S("");
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF(text, MIB(2));
        if (!read_parts(json_item(contents, i), &text))
            return S("");
    }
    if (!read_parts(last, &words) || words.failed || !str_trim(buf_str(&words)).n)
        return S("");
    (void)json_remove(last, S("parts")); /* it is there */
    return str_dup(a, buf_str(&words));
}

Str llm_meaning_words(struct arena *a, struct json *body)
{
    const struct json *messages = json_at(body, "messages");
    size_t n = json_len(messages);
    struct json *last = n ? json_item(messages, n - 1) : NULL;
    AUTO_BUF(words, WORDS_MAX);

    if (json_at(body, "contents"))
        return words_of_contents(a, body);
    if (!n || json_len(json_at(body, "tools")) || json_len(json_at(body, "functions")) ||
        !str_eq(json_str_of(json_at(last, "role"), S("")), S("user")))
        return S("");
    for (size_t i = 0; i < n; i++)
        if (!is_plain(json_item(messages, i)))
            return S("");
    if (!read_content(json_at(last, "content"), &words) || words.failed ||
        !str_trim(buf_str(&words)).n)
        return S("");
    (void)json_remove(last, S("content")); /* it is there */
    return str_dup(a, buf_str(&words));
}

/* ---- meaning ---- */

/* It is a call of a model as others are: of the key, with tokens and a cost. */
static void record(const struct llm_call *c, Str name, const struct llm_embedding *x, Err e)
{
    if (!c->llm->ledger || !x->target.provider || !x->took)
        return;
    struct model_call_row row = {
        .id = id_new(),
        .tenant = c->req->who.tenant,
        .key = c->req->who.actor,
        .model = name,
        .provider = x->target.provider->name,
        .upstream_model = x->target.model,
        .operation = llm_operation_name(LLM_EMBEDDINGS),
        .outcome = e == OK            ? S("ok")
                   : e == E_CANCELLED ? S("cancelled")
                                      : S("failed"),
        .status = e == OK ? 200 : err_http(e),
        .attempts = 1,
        .prompt = x->usage.prompt,
        .cost = e == OK ? x->cost : 0,
        .first_byte = e == OK ? x->took : 0,
        .total = x->took,
        .agent = c->labels[LLM_LABEL_AGENT],
        .workflow = c->labels[LLM_LABEL_WORKFLOW],
        .step = c->labels[LLM_LABEL_STEP],
        .user = c->labels[LLM_LABEL_USER],
        .request_id = c->req->request_id,
    };
    llm_ledger_add(c->llm->ledger, &row);
}

Err llm_meaning_find(struct llm_call *c, const struct llm_view *view, Str name, Str words,
                     struct llm_embedding *ret_embedding)
{
    int64_t tokens, cost;
    struct llm_hold hold;

    llm_embed_most(c->llm, c->req->a, view, c->req->who.tenant, name, words, &tokens, &cost);
    Err e = llm_call_reserve_aside(c, name, tokens, cost, &hold);
    if (e == E_FORBIDDEN) /* what the key does call it gets */
        return OK;
    TRY(e);
    e = llm_embed(c->llm, c->req->a, view, c->req->who.tenant, name, words, usec_in(PATIENCE),
                  ret_embedding);

    llm_call_settle_aside(c, &hold, ret_embedding->usage.prompt, ret_embedding->cost);
    record(c, name, ret_embedding, e);
    if (e != OK)
        metric_add(metric_series(&failures), 1);
    return OK;
}

void llm_meaning_of(const struct llm_embedding *e, uint8_t near[LLM_CACHE_HASH])
{
    AUTO_BUF(text, KIB(2));

    buf_add(&text, str_from((const char *)near, LLM_CACHE_HASH));
    buf_add(&text, llm_id_key(&e->target.provider->id));
    buf_add(&text, e->target.model);
    crypto_blake2b(buf_str(&text), near);
}
