/* src/llm/dialects/dialect_anthropic_write.c - answers of Anthropic's messages, whole and streamed,
 * written.
 *
 * One block is open at a time. Arguments of a call whose turn has not come wait until those before
 * it are closed: nobody else's stream promises an order.
 */
#include "llm/dialects/dialect_anthropic.h"

#include <stdlib.h>

static const char *stop_name(enum llm_finish finish, bool calls, bool sequence)
{
    if (calls && (finish == LLM_FINISH_STOP || finish == LLM_FINISH_CALLS))
        return "tool_use"; /* whatever the upstream calls it: agents go by this */
    switch (finish) {
    case LLM_FINISH_LENGTH:
        return "max_tokens";
    case LLM_FINISH_FILTER:
        return "refusal";
    default:
        return sequence ? "stop_sequence" : "end_turn";
    }
}

static struct json *usage_json(struct arena *a, const struct llm_usage *u)
{
    int64_t fresh = u->prompt - u->cached - u->cache_written;

    return json_obj(a, "input_tokens", json_int(a, fresh > 0 ? fresh : 0),
                    "cache_creation_input_tokens", json_int(a, u->cache_written),
                    "cache_read_input_tokens", json_int(a, u->cached), "output_tokens",
                    json_int(a, u->completion), NULL);
}

/* ---- whole answers ---- */

static struct json *block_json(struct arena *a, const struct llm_part *p)
{
    switch (p->kind) {
    case LLM_TEXT:
        return json_obj(a, "type", json_str_c(a, "text"), "text", json_str(a, p->text), NULL);
    case LLM_THINKING:
        return json_obj(a, "type", json_str_c(a, "thinking"), "thinking", json_str(a, p->text),
                        "signature", json_str(a, p->signature), NULL);
    case LLM_REDACTED:
        return json_obj(a, "type", json_str_c(a, "redacted_thinking"), "data", json_str(a, p->text),
                        NULL);
    case LLM_TOOL_CALL:
        return json_obj(a, "type", json_str_c(a, "tool_use"), "id", json_str(a, p->id), "name",
                        json_str(a, p->name), "input", p->input, NULL);
    default:
        return NULL;
    }
}

struct json *llm_anthropic_write_answer(struct arena *a, const struct llm_answer *answer)
{
    struct json *content = json_arr(a);
    bool sequence = answer->stop_sequence.p != NULL;
    const char *stop = stop_name(answer->finish, llm_answer_calls(answer), sequence);

    vec_each(&answer->parts, p) {
        struct json *block = block_json(a, p);
        if (block)
            json_push(a, content, block);
    }
    return json_obj(a, "id", json_str(a, answer->id), "type", json_str_c(a, "message"), "role",
                    json_str_c(a, "assistant"), "model", json_str(a, answer->model), "content",
                    content, "stop_reason", json_str_c(a, stop), "stop_sequence",
                    sequence ? json_str(a, answer->stop_sequence) : json_null(a), "usage",
                    usage_json(a, &answer->usage), NULL);
}

/* ---- errors ---- */

static const char *error_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 402:
        return "billing_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 504:
        return "timeout_error";
    case 503:
    case 529:
        return "overloaded_error";
    default:
        return status >= 500 ? "api_error" : "invalid_request_error";
    }
}

struct json *llm_anthropic_write_error(struct arena *a, int status, Str message, Str code)
{
    (void)code;
    return json_obj(a, "type", json_str_c(a, "error"), "error",
                    json_obj(a, "type", json_str_c(a, error_type(status)), "message",
                             json_str(a, message), NULL),
                    NULL);
}

/* ---- events ---- */

static void begin_event(struct llm_stream *s, const char *type)
{
    buf_add_c(&s->out, "event: ");
    buf_add_c(&s->out, type);
    buf_add_c(&s->out, "\ndata: {\"type\":\"");
    buf_add_c(&s->out, type);
    buf_add_c(&s->out, "\"");
}

static void put_start(struct llm_stream *s, const struct llm_delta *d)
{
    begin_event(s, "message_start");
    buf_add_c(&s->out, ",\"message\":{\"id\":");
    json_write_str(&s->out, d->id);
    buf_add_c(&s->out, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    json_write_str(&s->out, d->name);
    buf_add_c(&s->out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
    json_write(&s->out, usage_json(s->a, &s->usage));
    buf_add_c(&s->out, "}}\n\n");
}

static void close_block(struct llm_stream *s)
{
    if (s->open < 0)
        return;
    begin_event(s, "content_block_stop");
    buf_add_fmt(&s->out, ",\"index\":%u}\n\n", s->blocks - 1);
    if (s->open == LLM_TOOL_CALL)
        s->calls[s->open_call].closed = true;
    s->open = -1;
}

/* Without its end: what is particular to the type follows. */
static void open_block(struct llm_stream *s, enum llm_part_kind kind, const char *type)
{
    close_block(s);
    begin_event(s, "content_block_start");
    buf_add_fmt(&s->out, ",\"index\":%u,\"content_block\":{\"type\":\"%s\"", s->blocks, type);
    s->blocks++;
    s->open = (int)kind;
}

static void put_delta(struct llm_stream *s, const char *type, const char *member, Str text)
{
    begin_event(s, "content_block_delta");
    buf_add_fmt(&s->out, ",\"index\":%u,\"delta\":{\"type\":\"%s\",\"%s\":", s->blocks - 1, type,
                member);
    json_write_str(&s->out, text);
    buf_add_c(&s->out, "}}\n\n");
}

static void put_text(struct llm_stream *s, Str text)
{
    if (s->open != LLM_TEXT) {
        open_block(s, LLM_TEXT, "text");
        buf_add_c(&s->out, ",\"text\":\"\"}}\n\n");
    }
    put_delta(s, "text_delta", "text", text);
}

static void put_thinking(struct llm_stream *s, const char *type, const char *member, Str text)
{
    if (s->open != LLM_THINKING) {
        open_block(s, LLM_THINKING, "thinking");
        buf_add_c(&s->out, ",\"thinking\":\"\",\"signature\":\"\"}}\n\n");
    }
    put_delta(s, type, member, text);
}

static void put_redacted(struct llm_stream *s, Str text)
{
    open_block(s, LLM_REDACTED, "redacted_thinking");
    buf_add_c(&s->out, ",\"data\":");
    json_write_str(&s->out, text);
    buf_add_c(&s->out, "}}\n\n");
    close_block(s);
}

/* ---- calls ---- */

static struct llm_call_state *state_of(struct llm_stream *s, unsigned index)
{
    if (index >= LLM_CALLS_MAX)
        return NULL;
    if (!s->calls)
        s->calls = calloc(LLM_CALLS_MAX, sizeof *s->calls);
    if (!s->calls)
        DIE("out of memory");
    return &s->calls[index];
}

static void open_call(struct llm_stream *s, unsigned index)
{
    struct llm_call_state *call = &s->calls[index];

    open_block(s, LLM_TOOL_CALL, "tool_use");
    buf_add_c(&s->out, ",\"id\":");
    json_write_str(&s->out, str_from(call->id, call->id_n));
    buf_add_c(&s->out, ",\"name\":");
    json_write_str(&s->out, str_from(call->name, call->name_n));
    buf_add_c(&s->out, ",\"input\":{}}}\n\n");
    s->open_call = index;
    if (call->waiting.n)
        put_delta(s, "input_json_delta", "partial_json", buf_str(&call->waiting));
    s->waiting -= call->waiting.n;
    buf_done(&call->waiting);
}

static void put_call(struct llm_stream *s, const struct llm_delta *d)
{
    struct llm_call_state *call = state_of(s, d->index);

    if (!call || d->id.n > sizeof call->id || d->name.n > sizeof call->name) {
        llm_stream_fault(s, "a call that is none");
        return;
    }
    call->begun = true;
    call->waiting = BUF(LLM_WAITING_MAX);
    call->id_n = d->id.n;
    call->name_n = d->name.n;
    if (d->id.n)
        memcpy(call->id, d->id.p, d->id.n);
    if (d->name.n)
        memcpy(call->name, d->name.p, d->name.n);
    if (s->open != LLM_TOOL_CALL)
        open_call(s, d->index);
}

static void put_arguments(struct llm_stream *s, const struct llm_delta *d)
{
    struct llm_call_state *call = state_of(s, d->index);

    if (!call || !call->begun || call->closed) {
        llm_stream_fault(s, "arguments of a call that is over");
    } else if (s->open == LLM_TOOL_CALL && s->open_call == d->index) {
        put_delta(s, "input_json_delta", "partial_json", d->text);
    } else {
        s->waiting += d->text.n;
        buf_add(&call->waiting, d->text);
        if (s->waiting > LLM_WAITING_MAX)
            llm_stream_fault(s, "too much waits");
    }
}

/* Those that wait, in order. */
static void put_waiting(struct llm_stream *s)
{
    close_block(s);
    for (unsigned i = 0; s->calls && i < LLM_CALLS_MAX; i++) {
        if (!s->calls[i].begun || s->calls[i].closed)
            continue;
        open_call(s, i);
        close_block(s);
    }
}

/* ---- the end ---- */

static void put_end(struct llm_stream *s)
{
    Str sequence = buf_str(&s->head);

    begin_event(s, "message_delta");
    buf_add_c(&s->out, ",\"delta\":{\"stop_reason\":\"");
    buf_add_c(&s->out, stop_name(s->finish, s->any_call, sequence.n > 0));
    buf_add_c(&s->out, "\",\"stop_sequence\":");
    if (sequence.n)
        json_write_str(&s->out, sequence);
    else
        buf_add_c(&s->out, "null");
    buf_add_c(&s->out, "},\"usage\":");
    json_write(&s->out, usage_json(s->a, &s->usage));
    buf_add_c(&s->out, "}\n\n");
    begin_event(s, "message_stop");
    buf_add_c(&s->out, "}\n\n");
}

static void put_error(struct llm_stream *s, const struct llm_delta *d)
{
    buf_add_c(&s->out, "event: error\ndata: ");
    json_write(&s->out, llm_anthropic_write_error(s->a, d->status, d->text, d->name));
    buf_add_c(&s->out, "\n\n");
}

void llm_anthropic_write_delta(struct llm_stream *s, const struct llm_delta *d)
{
    switch (d->kind) {
    case LLM_D_BEGIN:
        put_start(s, d);
        return;
    case LLM_D_TEXT:
        put_text(s, d->text);
        return;
    case LLM_D_THINKING:
        put_thinking(s, "thinking_delta", "thinking", d->text);
        return;
    case LLM_D_SIGNATURE:
        put_thinking(s, "signature_delta", "signature", d->text);
        return;
    case LLM_D_REDACTED:
        put_redacted(s, d->text);
        return;
    case LLM_D_CALL:
        put_call(s, d);
        return;
    case LLM_D_ARGUMENTS:
        put_arguments(s, d);
        return;
    case LLM_D_PING:
        begin_event(s, "ping");
        buf_add_c(&s->out, "}\n\n");
        return;
    case LLM_D_FINISH:
        put_waiting(s);
        buf_add(&s->head, d->text); /* the stop sequence, for the end */
        return;
    case LLM_D_END:
        put_end(s);
        return;
    case LLM_D_ERROR:
        put_error(s, d);
        return;
    }
}
