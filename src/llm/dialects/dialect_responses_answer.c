/* src/llm/dialects/dialect_responses_answer.c - answers of OpenAI's responses, whole, written. */
#include "llm/dialects/dialect_responses.h"

#include "base/time.h"

#include <stdio.h>

Str llm_responses_item_id(char out[LLM_ITEM_ID_MAX], const char *prefix, Str response,
                          unsigned index)
{
    static const Str mark = S_INIT("resp_");
    Str rest = str_starts(response, mark) ? str_skip(response, mark.n) : response;
    int n =
        snprintf(out, LLM_ITEM_ID_MAX, "%s%.*s%04x", prefix, P(str_head(rest, 32)), index & 0xffff);

    return str_from(out, (size_t)n);
}

const char *llm_responses_incomplete(enum llm_finish finish)
{
    return finish == LLM_FINISH_LENGTH   ? "max_output_tokens"
           : finish == LLM_FINISH_FILTER ? "content_filter"
                                         : NULL;
}

struct json *llm_responses_usage(struct arena *a, const struct llm_usage *u)
{
    return json_obj(a, "input_tokens", json_int(a, u->prompt), "input_tokens_details",
                    json_obj(a, "cached_tokens", json_int(a, u->cached), NULL), "output_tokens",
                    json_int(a, u->completion), "output_tokens_details",
                    json_obj(a, "reasoning_tokens", json_int(a, u->reasoning), NULL),
                    "total_tokens", json_int(a, u->prompt + u->completion), NULL);
}

/* ---- items ---- */

struct items {
    struct arena *a;
    Str response, dialect;
    struct json *list;
};

static struct json *id_json(struct items *w, const char *prefix)
{
    char id[LLM_ITEM_ID_MAX];

    return json_str(w->a, str_dup(w->a, llm_responses_item_id(id, prefix, w->response,
                                                              (unsigned)json_len(w->list))));
}

static void push_reasoning(struct items *w, enum llm_sealed_kind kind, Str text, Str data)
{
    struct arena *a = w->a;
    struct json *summary = json_arr(a), *sealed = json_null(a);

    if (text.n)
        json_push(
            a, summary,
            json_obj(a, "type", json_str_c(a, "summary_text"), "text", json_str(a, text), NULL));
    if (data.n)
        sealed =
            json_str(a, str_fmt(a, LLM_SEALED "%.*s.%c.%.*s", P(w->dialect), (char)kind, P(data)));
    json_push(a, w->list,
              json_obj(a, "id", id_json(w, "rs_"), "type", json_str_c(a, "reasoning"), "summary",
                       summary, "encrypted_content", sealed, NULL));
}

static void push_message(struct items *w, Str text, const char *status)
{
    struct arena *a = w->a;
    struct json *content = json_arr(a);

    json_push(a, content,
              json_obj(a, "type", json_str_c(a, "output_text"), "text", json_str(a, text),
                       "annotations", json_arr(a), "logprobs", json_arr(a), NULL));
    json_push(a, w->list,
              json_obj(a, "id", id_json(w, "msg_"), "type", json_str_c(a, "message"), "status",
                       json_str_c(a, status), "role", json_str_c(a, "assistant"), "content",
                       content, NULL));
}

static void push_call(struct items *w, const struct llm_part *p)
{
    struct arena *a = w->a;

    if (p->signature.n)
        push_reasoning(w, LLM_SEALED_CALL, S(""), p->signature);
    json_push(a, w->list,
              json_obj(a, "id", id_json(w, "fc_"), "type", json_str_c(a, "function_call"), "status",
                       json_str_c(a, "completed"), "call_id", json_str(a, p->id), "name",
                       json_str(a, p->name), "arguments", json_str(a, json_text(a, p->input)),
                       NULL));
}

/* Texts beside each other are one, as in a stream. */
static size_t join_texts(struct arena *a, const LlmParts *parts, size_t from, Str *ret_text)
{
    VEC(Str) texts = {0};
    size_t to = from;

    for (; to < parts->n && parts->at[to].kind == LLM_TEXT; to++)
        vec_push(a, &texts, parts->at[to].text);
    *ret_text = texts.n == 1 ? texts.at[0] : str_join(a, texts.at, texts.n, S(""));
    return to;
}

static struct json *output_of(struct arena *a, const struct llm_answer *answer, Str response)
{
    struct items w = {.a = a, .response = response, .list = json_arr(a)};
    const LlmParts *parts = &answer->parts;
    bool cut = llm_responses_incomplete(answer->finish) != NULL;
    Str text;

    w.dialect = answer->from ? str_c(answer->from->name) : S("");
    for (size_t i = 0; i < parts->n; i++) {
        const struct llm_part *p = &parts->at[i];
        if (p->kind == LLM_TEXT) {
            size_t to = join_texts(a, parts, i, &text);
            push_message(&w, text, cut && to == parts->n ? "incomplete" : "completed");
            i = to - 1;
        } else if (p->kind == LLM_THINKING) {
            push_reasoning(&w, LLM_SEALED_THINKING, p->text, p->signature);
        } else if (p->kind == LLM_REDACTED) {
            push_reasoning(&w, LLM_SEALED_REDACTED, S(""), p->text);
        } else if (p->kind == LLM_TOOL_CALL) {
            push_call(&w, p);
        }
    }
    return w.list;
}

/* ---- the response ---- */

static void add_frame(struct arena *a, const struct llm_reply *reply, struct json *v)
{
    struct json *frame;

    if (!reply || !reply->frame.n)
        return;
    Str text = str_join(a, (Str[]){S("{"), str_skip(reply->frame, 1), S("}")}, 3, S(""));
    if (json_parse(a, text, &frame) != OK)
        return; /* we have written it */
    for (size_t i = 0; i < json_len(frame); i++)
        json_set(a, v, json_str_of(&frame->obj[i].key, S("")), &frame->obj[i].val);
}

struct json *llm_responses_write_answer(struct arena *a, const struct llm_answer *answer)
{
    const struct llm_reply *reply = answer->reply;
    const char *why = llm_responses_incomplete(answer->finish);
    Str id = reply ? reply->id : answer->id;
    int64_t created = reply ? reply->created : time_wall() / USEC_S;
    struct json *v =
        json_obj(a, "id", json_str(a, id), "object", json_str_c(a, "response"), "created_at",
                 json_int(a, created), "status", json_str_c(a, why ? "incomplete" : "completed"),
                 "error", json_null(a), "incomplete_details",
                 why ? json_obj(a, "reason", json_str_c(a, why), NULL) : json_null(a), "model",
                 json_str(a, answer->model), "output", output_of(a, answer, id), "usage",
                 llm_responses_usage(a, &answer->usage), NULL);

    add_frame(a, reply, v);
    return v;
}
