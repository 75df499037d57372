/* src/llm/dialects/dialect_gemini_write.c - answers of Gemini's generateContent, whole and
 * streamed, written.
 *
 * Each event is a whole answer with the next parts, and has one at least: clients throw away a
 * turn of which an event has none. A call is one part, so it goes out when all of its arguments
 * are there: with the end of what is said.
 */
#include "llm/dialects/dialect_gemini.h"

#include <stdlib.h>

enum { ARGUMENTS_TREE = 64 << 20 };

static const char *finish_name(enum llm_finish finish)
{
    switch (finish) {
    case LLM_FINISH_LENGTH:
        return "MAX_TOKENS";
    case LLM_FINISH_FILTER:
        return "SAFETY";
    default:
        return "STOP";
    }
}

static struct json *usage_json(struct arena *a, const struct llm_usage *u)
{
    int64_t said = u->completion - u->reasoning;

    return json_obj(a, "promptTokenCount", json_int(a, u->prompt), "candidatesTokenCount",
                    json_int(a, said > 0 ? said : 0), "totalTokenCount",
                    json_int(a, u->prompt + u->completion), "cachedContentTokenCount",
                    u->cached ? json_int(a, u->cached) : NULL, "thoughtsTokenCount",
                    u->reasoning ? json_int(a, u->reasoning) : NULL, NULL);
}

/* ---- whole answers ---- */

static struct json *call_json(struct arena *a, const struct llm_part *p)
{
    return json_obj(a, "functionCall",
                    json_obj(a, "id", p->id.n ? json_str(a, p->id) : NULL, "name",
                             json_str(a, p->name), "args", p->input, NULL),
                    "thoughtSignature", p->signature.n ? json_str(a, p->signature) : NULL, NULL);
}

static struct json *part_json(struct arena *a, const struct llm_part *p)
{
    Str signature = p->kind == LLM_REDACTED ? p->text : p->signature;

    switch (p->kind) {
    case LLM_TEXT:
        return json_obj(a, "text", json_str(a, p->text), NULL);
    case LLM_THINKING:
    case LLM_REDACTED:
        return json_obj(a, "text", json_str(a, p->kind == LLM_THINKING ? p->text : S("")),
                        "thought", json_bool(a, true), "thoughtSignature",
                        signature.n ? json_str(a, signature) : NULL, NULL);
    case LLM_TOOL_CALL:
        return call_json(a, p);
    default:
        return NULL;
    }
}

static struct json *candidate_json(struct arena *a, struct json *parts, const char *reason)
{
    if (!json_len(parts))
        json_push(a, parts, json_obj(a, "text", json_str(a, S("")), NULL));
    return json_obj(a, "content", json_obj(a, "role", json_str_c(a, "model"), "parts", parts, NULL),
                    "finishReason", json_str_c(a, reason), "index", json_int(a, 0), NULL);
}

struct json *llm_gemini_write_answer(struct arena *a, const struct llm_answer *answer)
{
    struct json *parts = json_arr(a), *candidates = json_arr(a), *v = json_obj(a, NULL);

    vec_each(&answer->parts, p) {
        struct json *part = part_json(a, p);
        if (part)
            json_push(a, parts, part);
    }
    if (!json_len(parts) && answer->finish == LLM_FINISH_FILTER) {
        json_set(a, v, S("promptFeedback"),
                 json_obj(a, "blockReason", json_str_c(a, "SAFETY"), NULL));
    } else {
        json_push(a, candidates, candidate_json(a, parts, finish_name(answer->finish)));
        json_set(a, v, S("candidates"), candidates);
    }
    json_set(a, v, S("usageMetadata"), usage_json(a, &answer->usage));
    json_set(a, v, S("modelVersion"), json_str(a, answer->model));
    json_set(a, v, S("responseId"), json_str(a, answer->id));
    return v;
}

/* ---- errors ---- */

static const char *status_name(int status)
{
    static const struct {
        int status;
        const char *name;
    } rows[] = {
        {401, "UNAUTHENTICATED"},    {402, "RESOURCE_EXHAUSTED"}, {403, "PERMISSION_DENIED"},
        {404, "NOT_FOUND"},          {408, "DEADLINE_EXCEEDED"},  {409, "ABORTED"},
        {429, "RESOURCE_EXHAUSTED"}, {499, "CANCELLED"},          {501, "UNIMPLEMENTED"},
        {502, "UNAVAILABLE"},        {503, "UNAVAILABLE"},        {504, "DEADLINE_EXCEEDED"},
        {529, "UNAVAILABLE"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return rows[i].name;
    return status >= 500 ? "INTERNAL" : "INVALID_ARGUMENT";
}

struct json *llm_gemini_write_error(struct arena *a, int status, Str message, Str code)
{
    struct json *details = NULL;

    if (code.n) {
        details = json_arr(a);
        json_push(a, details,
                  json_obj(a, "@type", json_str_c(a, "type.googleapis.com/google.rpc.ErrorInfo"),
                           "reason", json_str(a, code), "domain", json_str_c(a, "heddle"), NULL));
    }
    return json_obj(a, "error",
                    json_obj(a, "code", json_int(a, status), "message", json_str(a, message),
                             "status", json_str_c(a, status_name(status)), "details", details,
                             NULL),
                    NULL);
}

/* ---- events ---- */

/* What stands in every event. */
static void put_begin(struct llm_stream *s, const struct llm_delta *d)
{
    buf_reset(&s->head);
    buf_add_c(&s->head, "\"modelVersion\":");
    json_write_str(&s->head, d->name);
    buf_add_c(&s->head, ",\"responseId\":");
    json_write_str(&s->head, d->id);
}

static void open_event(struct llm_stream *s)
{
    buf_add_c(&s->out, "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[");
}

static void close_event(struct llm_stream *s, const char *reason)
{
    buf_add_c(&s->out, "]},");
    if (reason)
        buf_add_fmt(&s->out, "\"finishReason\":\"%s\",", reason);
    buf_add_c(&s->out, "\"index\":0}],");
    if (reason) {
        buf_add_c(&s->out, "\"usageMetadata\":");
        json_write(&s->out, usage_json(s->a, &s->usage));
        buf_add_char(&s->out, ',');
    }
    buf_add(&s->out, buf_str(&s->head));
    buf_add_c(&s->out, "}\n\n");
}

static void put_text(struct llm_stream *s, Str text, bool thought, Str signature)
{
    open_event(s);
    buf_add_c(&s->out, "{\"text\":");
    json_write_str(&s->out, text);
    if (thought)
        buf_add_c(&s->out, ",\"thought\":true");
    if (signature.n) {
        buf_add_c(&s->out, ",\"thoughtSignature\":");
        json_write_str(&s->out, signature);
    }
    buf_add_char(&s->out, '}');
    close_event(s, NULL);
}

/* ---- calls ---- */

/* @n more bytes wait for the end. */
static void wait_for(struct llm_stream *s, size_t n)
{
    s->waiting += n;
    if (s->waiting > LLM_WAITING_MAX)
        llm_stream_fault(s, "too much waits");
}

static void put_call(struct llm_stream *s, const struct llm_delta *d)
{
    if (!s->calls)
        s->calls = calloc(LLM_CALLS_MAX, sizeof *s->calls);
    if (!s->calls)
        DIE("out of memory");
    struct llm_call_state *call = d->index < LLM_CALLS_MAX ? &s->calls[d->index] : NULL;
    if (!call || call->begun || d->id.n > sizeof call->id || d->name.n > sizeof call->name) {
        llm_stream_fault(s, "a call that is none");
        return;
    }
    call->begun = true;
    call->waiting = BUF(LLM_WAITING_MAX);
    call->signature = BUF(LLM_WAITING_MAX);
    call->id_n = d->id.n;
    call->name_n = d->name.n;
    memcpy(call->id, d->id.n ? d->id.p : "", d->id.n);
    memcpy(call->name, d->name.n ? d->name.p : "", d->name.n);
    buf_add(&call->signature, d->signature);
    wait_for(s, d->signature.n);
}

static void put_arguments(struct llm_stream *s, const struct llm_delta *d)
{
    struct llm_call_state *call = s->calls && d->index < LLM_CALLS_MAX ? &s->calls[d->index] : NULL;

    if (!call || !call->begun || call->closed) {
        llm_stream_fault(s, "arguments of a call that is over");
        return;
    }
    buf_add(&call->waiting, d->text);
    wait_for(s, d->text.n);
}

/* Whether its arguments are an object. */
static bool is_whole(const struct llm_call_state *call)
{
    AUTO(arena) *own = arena_new(ARGUMENTS_TREE);
    Str text = str_trim(buf_str(&call->waiting));
    struct json *v;

    return !text.n || (json_parse(own, text, &v) == OK && json_is(v, JSON_OBJ));
}

static void write_call(struct llm_stream *s, const struct llm_call_state *call)
{
    Str text = str_trim(buf_str(&call->waiting));

    open_event(s);
    buf_add_c(&s->out, "{\"functionCall\":{\"id\":");
    json_write_str(&s->out, str_from(call->id, call->id_n));
    buf_add_c(&s->out, ",\"name\":");
    json_write_str(&s->out, str_from(call->name, call->name_n));
    buf_add_c(&s->out, ",\"args\":");
    /* Line ends between its values would be those of the event. */
    for (size_t i = 0; i < text.n; i++)
        buf_add_char(&s->out, text.p[i] == '\n' || text.p[i] == '\r' ? ' ' : text.p[i]);
    if (!text.n)
        buf_add_c(&s->out, "{}");
    buf_add_char(&s->out, '}');
    if (call->signature.n) {
        buf_add_c(&s->out, ",\"thoughtSignature\":");
        json_write_str(&s->out, buf_str(&call->signature));
    }
    buf_add_char(&s->out, '}');
    close_event(s, NULL);
}

/* All that were made; one that was cut off is none. */
static void put_calls(struct llm_stream *s)
{
    for (unsigned i = 0; s->calls && i < LLM_CALLS_MAX; i++) {
        struct llm_call_state *call = &s->calls[i];
        if (!call->begun || call->closed)
            continue;
        if (is_whole(call))
            write_call(s, call);
        else
            s->broken_call = true;
        call->closed = true;
        buf_done(&call->waiting);
    }
}

static void put_end(struct llm_stream *s)
{
    bool broken = s->broken_call && s->finish != LLM_FINISH_LENGTH;

    open_event(s);
    buf_add_c(&s->out, "{\"text\":\"\"}");
    close_event(s, broken ? "MALFORMED_FUNCTION_CALL" : finish_name(s->finish));
}

static void put_error(struct llm_stream *s, const struct llm_delta *d)
{
    int status = d->status == 529 ? 503 : d->status;

    buf_add_c(&s->out, "data: ");
    json_write(&s->out, llm_gemini_write_error(s->a, status, d->text, d->name));
    buf_add_c(&s->out, "\n\n");
}

void llm_gemini_write_delta(struct llm_stream *s, const struct llm_delta *d)
{
    switch (d->kind) {
    case LLM_D_BEGIN:
        put_begin(s, d);
        return;
    case LLM_D_TEXT:
        put_text(s, d->text, false, S(""));
        return;
    case LLM_D_THINKING:
        put_text(s, d->text, true, S(""));
        return;
    case LLM_D_SIGNATURE:
    case LLM_D_REDACTED:
        put_text(s, S(""), true, d->text);
        return;
    case LLM_D_CALL:
        put_call(s, d);
        return;
    case LLM_D_ARGUMENTS:
        put_arguments(s, d);
        return;
    case LLM_D_PING:
        buf_add_c(&s->out, ":\n\n");
        return;
    case LLM_D_FINISH:
        put_calls(s);
        return;
    case LLM_D_END:
        put_end(s);
        return;
    case LLM_D_ERROR:
        put_error(s, d);
        return;
    }
}
