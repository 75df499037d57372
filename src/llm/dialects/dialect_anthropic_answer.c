/* src/llm/dialects/dialect_anthropic_answer.c - answers of Anthropic's messages, whole and
 * streamed, read. */
#include "llm/dialects/dialect_anthropic.h"

/* ---- usage ---- */

static bool has(const struct json *v, const char *name, int64_t *ret_n)
{
    const struct json *n = json_get(v, str_c(name));

    if (!json_is_number(n))
        return false;
    *ret_n = json_int_of(n, 0) > 0 ? json_int_of(n, 0) : 0;
    return true;
}

/* Counters replace those before; what is not there stays. Input does not count what the cache had.
 */
void llm_anthropic_read_usage(const struct json *v, struct llm_usage *usage)
{
    int64_t fresh = usage->prompt - usage->cached - usage->cache_written;
    const struct json *details = json_at(v, "output_tokens_details");

    if (!json_is(v, JSON_OBJ))
        return;
    usage->known = true;
    (void)has(v, "input_tokens", &fresh); /* as it was, if it is not there; so with the others */
    (void)has(v, "cache_read_input_tokens", &usage->cached);
    (void)has(v, "cache_creation_input_tokens", &usage->cache_written);
    (void)has(v, "output_tokens", &usage->completion);
    (void)has(details, "thinking_tokens", &usage->reasoning);
    usage->prompt = fresh + usage->cached + usage->cache_written;
}

/* ---- whole answers ---- */

static enum llm_finish finish_of(Str reason)
{
    static const struct {
        Str name;
        enum llm_finish finish;
    } reasons[] = {
        {S_INIT("max_tokens"), LLM_FINISH_LENGTH},
        {S_INIT("model_context_window_exceeded"), LLM_FINISH_LENGTH},
        {S_INIT("tool_use"), LLM_FINISH_CALLS},
        {S_INIT("refusal"), LLM_FINISH_FILTER},
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (str_eq(reason, reasons[i].name))
            return reasons[i].finish;
    return LLM_FINISH_STOP; /* end_turn, stop_sequence, pause_turn, and what is not known yet */
}

static bool read_block(struct llm_chat *c, const struct json *v, struct llm_answer *answer)
{
    Str type = json_str_of(json_at(v, "type"), S(""));
    enum llm_part_kind kind = str_eq(type, S("text"))                ? LLM_TEXT
                              : str_eq(type, S("thinking"))          ? LLM_THINKING
                              : str_eq(type, S("redacted_thinking")) ? LLM_REDACTED
                                                                     : LLM_TOOL_CALL;

    if (kind == LLM_TOOL_CALL && !str_eq(type, S("tool_use")))
        return true; /* of tools that run at the provider: none of ours were asked for */
    struct llm_part *p = llm_chat_part(c, &answer->parts, kind);
    if (!p)
        return false;
    p->text = json_str_of(json_get(v, kind == LLM_REDACTED ? S("data") : type), S(""));
    p->signature = json_str_of(json_at(v, "signature"), S(""));
    p->id = json_str_of(json_at(v, "id"), S(""));
    p->name = json_str_of(json_at(v, "name"), S(""));
    p->input = json_at(v, "input");
    return kind != LLM_TOOL_CALL || json_is(p->input, JSON_OBJ);
}

Err llm_anthropic_read_answer(struct llm_chat *c, const struct json *v,
                              struct llm_answer *ret_answer)
{
    const struct json *content = json_at(v, "content");
    const struct json *sequence = json_at(v, "stop_sequence");
    struct llm_answer answer = {.id = json_str_of(json_at(v, "id"), S("")),
                                .model = json_str_of(json_at(v, "model"), S(""))};

    if (!json_is(content, JSON_ARR))
        return err_set(E_UPSTREAM, "an answer without content");
    for (size_t i = 0; i < json_len(content); i++)
        if (!read_block(c, json_item(content, i), &answer))
            return err_set(E_UPSTREAM, "an answer with a block that cannot be read");
    answer.finish = finish_of(json_str_of(json_at(v, "stop_reason"), S("")));
    if (json_is(sequence, JSON_STR))
        answer.stop_sequence = json_str_of(sequence, S(""));
    llm_anthropic_read_usage(json_at(v, "usage"), &answer.usage);
    *ret_answer = answer;
    return OK;
}

/* ---- events ---- */

static void begin_message(struct llm_stream *s, const struct json *v)
{
    const struct json *m = json_at(v, "message");

    llm_anthropic_read_usage(json_at(m, "usage"), &s->usage);
    llm_stream_begin(s, json_str_of(json_at(m, "id"), S("")),
                     json_str_of(json_at(m, "model"), S("")));
}

static void begin_call(struct llm_stream *s, const struct json *block)
{
    if (s->n_calls == LLM_CALLS_MAX) {
        llm_stream_fault(s, "too many calls");
        return;
    }
    /* Its "input" is empty here: the arguments follow. */
    llm_stream_put(s, &(struct llm_delta){.kind = LLM_D_CALL,
                                          .index = s->n_calls++,
                                          .id = json_str_of(json_at(block, "id"), S("")),
                                          .name = json_str_of(json_at(block, "name"), S(""))});
}

static void begin_block(struct llm_stream *s, const struct json *v)
{
    const struct json *block = json_at(v, "content_block");
    Str type = json_str_of(json_at(block, "type"), S(""));

    s->block = json_int_of(json_at(v, "index"), -1);
    s->block_kind = -1;
    s->has_arguments = false;
    if (str_eq(type, S("text"))) {
        s->block_kind = LLM_TEXT;
        llm_stream_text(s, LLM_D_TEXT, json_str_of(json_at(block, "text"), S("")));
    } else if (str_eq(type, S("thinking"))) {
        s->block_kind = LLM_THINKING;
        llm_stream_text(s, LLM_D_THINKING, json_str_of(json_at(block, "thinking"), S("")));
    } else if (str_eq(type, S("redacted_thinking"))) {
        llm_stream_text(s, LLM_D_REDACTED, json_str_of(json_at(block, "data"), S("")));
    } else if (str_eq(type, S("tool_use"))) {
        s->block_kind = LLM_TOOL_CALL;
        begin_call(s, block);
    }
}

static void put_arguments(struct llm_stream *s, Str text)
{
    if (!text.n || !s->n_calls)
        return;
    s->has_arguments = true;
    llm_stream_put(
        s, &(struct llm_delta){.kind = LLM_D_ARGUMENTS, .index = s->n_calls - 1, .text = text});
}

/* A call without arguments has none at all here; others want an empty object. */
static void end_block(struct llm_stream *s)
{
    if (s->block_kind == LLM_TOOL_CALL && !s->has_arguments)
        put_arguments(s, S("{}"));
    s->block = s->block_kind = -1;
}

static void take_delta(struct llm_stream *s, const struct json *v)
{
    const struct json *d = json_at(v, "delta");
    Str type = json_str_of(json_at(d, "type"), S(""));

    if (json_int_of(json_at(v, "index"), -1) != s->block) {
        llm_stream_fault(s, "a delta of a block that is not open");
    } else if (str_eq(type, S("text_delta"))) {
        llm_stream_text(s, LLM_D_TEXT, json_str_of(json_at(d, "text"), S("")));
    } else if (str_eq(type, S("thinking_delta"))) {
        llm_stream_text(s, LLM_D_THINKING, json_str_of(json_at(d, "thinking"), S("")));
    } else if (str_eq(type, S("signature_delta"))) {
        llm_stream_text(s, LLM_D_SIGNATURE, json_str_of(json_at(d, "signature"), S("")));
    } else if (str_eq(type, S("input_json_delta")) && s->block_kind == LLM_TOOL_CALL) {
        put_arguments(s, json_str_of(json_at(d, "partial_json"), S("")));
    }
}

static void take_end(struct llm_stream *s, const struct json *v)
{
    const struct json *d = json_at(v, "delta");
    Str reason = json_str_of(json_at(d, "stop_reason"), S(""));

    llm_anthropic_read_usage(json_at(v, "usage"), &s->usage);
    if (reason.n)
        llm_stream_finish(s, finish_of(reason), json_str_of(json_at(d, "stop_sequence"), S("")));
}

/* The status that an error in the stream would have had before it. */
static int status_of(Str type)
{
    return str_eq(type, S("overloaded_error"))   ? 529
           : str_eq(type, S("rate_limit_error")) ? 429
                                                 : 500;
}

static void take_error(struct llm_stream *s, const struct json *v)
{
    const struct json *e = json_at(v, "error");
    Str type = json_str_of(json_at(e, "type"), S("api_error"));

    llm_stream_put(s, &(struct llm_delta){
                          .kind = LLM_D_ERROR,
                          .status = status_of(type),
                          .name = type,
                          .text = json_str_of(json_at(e, "message"),
                                              S("The provider sent an error without words."))});
}

void llm_anthropic_read_event(struct llm_stream *s, Str data, const struct json *v)
{
    Str type = json_str_of(json_at(v, "type"), S(""));

    (void)data;
    if (!v)
        llm_stream_fault(s, "an event that is no JSON");
    else if (str_eq(type, S("content_block_delta")))
        take_delta(s, v);
    else if (str_eq(type, S("content_block_start")))
        begin_block(s, v);
    else if (str_eq(type, S("message_start")))
        begin_message(s, v);
    else if (str_eq(type, S("message_delta")))
        take_end(s, v);
    else if (str_eq(type, S("message_stop")))
        llm_anthropic_read_end(s);
    else if (str_eq(type, S("error")))
        take_error(s, v);
    else if (str_eq(type, S("ping")))
        llm_stream_put(s, &(struct llm_delta){.kind = LLM_D_PING});
    else if (str_eq(type, S("content_block_stop")))
        end_block(s);
}

void llm_anthropic_read_end(struct llm_stream *s)
{
    if (s->finished)
        llm_stream_put(s, &(struct llm_delta){.kind = LLM_D_END});
}
