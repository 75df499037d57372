/* src/llm/dialects/dialect_openai_answer.c - answers of OpenAI's chat completions, whole and
 * streamed, written. */
#include "llm/dialects/dialect_openai.h"

#include "base/time.h"

static const char *finish_name(enum llm_finish finish)
{
    static const char *const names[] = {[LLM_FINISH_NONE] = "stop",
                                        [LLM_FINISH_STOP] = "stop",
                                        [LLM_FINISH_LENGTH] = "length",
                                        [LLM_FINISH_CALLS] = "tool_calls",
                                        [LLM_FINISH_FILTER] = "content_filter"};
    return names[finish];
}

static struct json *usage_json(struct arena *a, const struct llm_usage *u)
{
    return json_obj(a, "prompt_tokens", json_int(a, u->prompt), "completion_tokens",
                    json_int(a, u->completion), "total_tokens",
                    json_int(a, u->prompt + u->completion), "prompt_tokens_details",
                    json_obj(a, "cached_tokens", json_int(a, u->cached), "cache_write_tokens",
                             json_int(a, u->cache_written), NULL),
                    "completion_tokens_details",
                    json_obj(a, "reasoning_tokens", json_int(a, u->reasoning), NULL), NULL);
}

/* ---- whole answers ---- */

static struct json *extra_json(struct arena *a, Str signature)
{
    if (!signature.n)
        return NULL;
    return json_obj(a, "google", json_obj(a, "thought_signature", json_str(a, signature), NULL),
                    NULL);
}

static struct json *call_json(struct arena *a, const struct llm_part *p)
{
    return json_obj(a, "id", json_str(a, p->id), "type", json_str_c(a, "function"), "function",
                    json_obj(a, "name", json_str(a, p->name), "arguments",
                             json_str(a, json_text(a, p->input)), NULL),
                    "extra_content", extra_json(a, p->signature), NULL);
}

/* Thinking as it must come back, for providers that want it so. */
static struct json *thinking_json(struct arena *a, const struct llm_part *p)
{
    if (p->kind == LLM_REDACTED)
        return json_obj(a, "type", json_str_c(a, "redacted_thinking"), "data", json_str(a, p->text),
                        NULL);
    return json_obj(a, "type", json_str_c(a, "thinking"), "thinking", json_str(a, p->text),
                    "signature", json_str(a, p->signature), NULL);
}

static struct json *message_json(struct arena *a, const struct llm_answer *answer)
{
    struct json *calls = json_arr(a), *blocks = json_arr(a);
    VEC(Str) texts = {0}, thoughts = {0};

    vec_each(&answer->parts, p) {
        if (p->kind == LLM_TEXT)
            vec_push(a, &texts, p->text);
        if (p->kind == LLM_THINKING)
            vec_push(a, &thoughts, p->text);
        if (p->kind == LLM_TOOL_CALL)
            json_push(a, calls, call_json(a, p));
        if (p->kind == LLM_REDACTED || (p->kind == LLM_THINKING && p->signature.n))
            json_push(a, blocks, thinking_json(a, p));
    }
    bool silent = !texts.n && json_len(calls);
    Str text = str_join(a, texts.at, texts.n, S(""));
    Str thought = str_join(a, thoughts.at, thoughts.n, S("\n\n"));
    return json_obj(a, "role", json_str_c(a, "assistant"), "content",
                    silent ? json_null(a) : json_str(a, text), "refusal", json_null(a),
                    "reasoning_content", thought.n ? json_str(a, thought) : NULL, "thinking_blocks",
                    json_len(blocks) ? blocks : NULL, "tool_calls", json_len(calls) ? calls : NULL,
                    NULL);
}

struct json *llm_openai_write_answer(struct arena *a, const struct llm_answer *answer)
{
    enum llm_finish finish = answer->finish == LLM_FINISH_STOP && llm_answer_calls(answer)
                                 ? LLM_FINISH_CALLS
                                 : answer->finish;
    struct json *choice =
        json_obj(a, "index", json_int(a, 0), "message", message_json(a, answer), "logprobs",
                 json_null(a), "finish_reason", json_str_c(a, finish_name(finish)), NULL);
    struct json *choices = json_arr(a);

    json_push(a, choices, choice);
    return json_obj(a, "id", json_str(a, answer->id), "object", json_str_c(a, "chat.completion"),
                    "created", json_int(a, time_wall() / USEC_S), "model",
                    json_str(a, answer->model), "choices", choices, "usage",
                    usage_json(a, &answer->usage), NULL);
}

/* ---- errors ---- */

static const char *error_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 402:
        return "insufficient_quota";
    case 403:
        return "permission_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

struct json *llm_openai_write_error(struct arena *a, int status, Str message, Str code)
{
    return json_obj(a, "error",
                    json_obj(a, "message", json_str(a, message), "type",
                             json_str_c(a, error_type(status)), "param", json_null(a), "code",
                             json_str(a, code), NULL),
                    NULL);
}

/* ---- chunks ---- */

static void begin(struct llm_stream *s, const struct llm_delta *d)
{
    struct buf *h = &s->head;

    buf_add_c(h, "data: {\"id\":");
    json_write_str(h, d->id);
    buf_add_c(h, ",\"object\":\"chat.completion.chunk\",\"created\":");
    buf_add_i64(h, s->created);
    buf_add_c(h, ",\"model\":");
    json_write_str(h, d->name);
    buf_add_c(h, ",\"choices\":[");
}

/* A chunk begins; what is in its delta follows, then chunk_end(). */
static void chunk(struct llm_stream *s, const char *delta)
{
    buf_add(&s->out, buf_str(&s->head));
    buf_add_c(&s->out, "{\"index\":0,\"delta\":{");
    buf_add_c(&s->out, delta);
}

static void chunk_end(struct llm_stream *s, const char *closing, const char *finish)
{
    buf_add_c(&s->out, closing);
    buf_add_c(&s->out, "},\"logprobs\":null,\"finish_reason\":");
    buf_add_c(&s->out, finish ? "\"" : "null");
    buf_add_c(&s->out, finish ? finish : "");
    buf_add_c(&s->out, finish ? "\"}]" : "}]");
    buf_add_c(&s->out, s->show_usage ? ",\"usage\":null}\n\n" : "}\n\n");
}

static void put_text(struct llm_stream *s, const char *delta, Str text, const char *closing)
{
    chunk(s, delta);
    json_write_str(&s->out, text);
    chunk_end(s, closing, NULL);
}

/* The block as it must come back, whole. */
static void put_signature(struct llm_stream *s, const struct llm_delta *d)
{
    if (buf_ok(&s->thinking) == OK) {
        chunk(s, "\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":");
        json_write_str(&s->out, buf_str(&s->thinking));
        buf_add_c(&s->out, ",\"signature\":");
        json_write_str(&s->out, d->text);
        chunk_end(s, "}]", NULL);
    }
    buf_done(&s->thinking);
}

static void put_call(struct llm_stream *s, const struct llm_delta *d)
{
    chunk(s, "\"tool_calls\":[{\"index\":");
    buf_add_u64(&s->out, d->index);
    buf_add_c(&s->out, ",\"id\":");
    json_write_str(&s->out, d->id);
    buf_add_c(&s->out, ",\"type\":\"function\",\"function\":{\"name\":");
    json_write_str(&s->out, d->name);
    buf_add_c(&s->out, ",\"arguments\":\"\"}");
    if (d->signature.n) {
        buf_add_c(&s->out, ",\"extra_content\":{\"google\":{\"thought_signature\":");
        json_write_str(&s->out, d->signature);
        buf_add_c(&s->out, "}}");
    }
    chunk_end(s, "}]", NULL);
}

static void put_arguments(struct llm_stream *s, const struct llm_delta *d)
{
    chunk(s, "\"tool_calls\":[{\"index\":");
    buf_add_u64(&s->out, d->index);
    buf_add_c(&s->out, ",\"function\":{\"arguments\":");
    json_write_str(&s->out, d->text);
    chunk_end(s, "}}]", NULL);
}

static void put_end(struct llm_stream *s)
{
    if (s->show_usage) {
        buf_add(&s->out, buf_str(&s->head));
        buf_add_c(&s->out, "],\"usage\":");
        json_write(&s->out, usage_json(s->a, &s->usage));
        buf_add_c(&s->out, "}\n\n");
    }
    buf_add_c(&s->out, "data: [DONE]\n\n");
}

static void put_error(struct llm_stream *s, const struct llm_delta *d)
{
    buf_add_c(&s->out, "data: ");
    json_write(&s->out, llm_openai_write_error(s->a, d->status, d->text, d->name));
    buf_add_c(&s->out, "\n\n");
}

void llm_openai_write_delta(struct llm_stream *s, const struct llm_delta *d)
{
    switch (d->kind) {
    case LLM_D_BEGIN:
        begin(s, d);
        chunk(s, "\"role\":\"assistant\",\"content\":\"\"");
        chunk_end(s, "", NULL);
        return;
    case LLM_D_TEXT:
        put_text(s, "\"content\":", d->text, "");
        return;
    case LLM_D_THINKING:
        put_text(s, "\"reasoning_content\":", d->text, "");
        buf_add(&s->thinking, d->text);
        return;
    case LLM_D_SIGNATURE:
        put_signature(s, d);
        return;
    case LLM_D_REDACTED:
        put_text(s, "\"thinking_blocks\":[{\"type\":\"redacted_thinking\",\"data\":", d->text,
                 "}]");
        return;
    case LLM_D_CALL:
        put_call(s, d);
        return;
    case LLM_D_ARGUMENTS:
        put_arguments(s, d);
        return;
    case LLM_D_PING:
        buf_add_c(&s->out, ": ping\n\n");
        return;
    case LLM_D_FINISH:
        chunk(s, "");
        chunk_end(s, "", finish_name(d->finish));
        return;
    case LLM_D_END:
        put_end(s);
        return;
    case LLM_D_ERROR:
        put_error(s, d);
        return;
    }
}
