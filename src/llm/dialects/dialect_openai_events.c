/* src/llm/dialects/dialect_openai_events.c - answers of OpenAI's chat completions, whole and
 * streamed, read.
 *
 * Servers that took the dialect over differ: what is left out is put in again (the index of a call,
 * its id), and what is said otherwise is understood ("reasoning").
 */
#include "llm/dialects/dialect_openai.h"

static enum llm_finish finish_of(Str reason)
{
    static const struct {
        Str name;
        enum llm_finish finish;
    } reasons[] = {
        {S_INIT("length"), LLM_FINISH_LENGTH},
        {S_INIT("tool_calls"), LLM_FINISH_CALLS},
        {S_INIT("function_call"), LLM_FINISH_CALLS},
        {S_INIT("content_filter"), LLM_FINISH_FILTER},
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (str_eq(reason, reasons[i].name))
            return reasons[i].finish;
    return LLM_FINISH_STOP;
}

static Str reasoning_of(const struct json *v)
{
    Str text = json_str_of(json_at(v, "reasoning_content"), S(""));

    return text.n ? text : json_str_of(json_at(v, "reasoning"), S(""));
}

static Str signature_of(const struct json *call)
{
    return json_str_of(
        json_at(json_at(json_at(call, "extra_content"), "google"), "thought_signature"), S(""));
}

/* ---- whole answers ---- */

static bool add_text(struct llm_chat *c, struct llm_answer *answer, enum llm_part_kind kind,
                     Str text)
{
    struct llm_part *p = text.n ? llm_chat_part(c, &answer->parts, kind) : NULL;

    if (p)
        p->text = text;
    return p || !text.n;
}

static bool add_call(struct llm_chat *c, struct llm_answer *answer, const struct json *v)
{
    const struct json *function = json_at(v, "function");
    struct llm_part *p = llm_chat_part(c, &answer->parts, LLM_TOOL_CALL);

    if (!p)
        return false;
    p->id = json_str_of(json_at(v, "id"), S(""));
    p->name = json_str_of(json_at(function, "name"), S(""));
    p->signature = signature_of(v);
    if (!p->id.n)
        p->id = str_fmt(c->a, "call_%zu", answer->parts.n);
    return llm_chat_arguments(c, json_str_of(json_at(function, "arguments"), S("")), &p->input) ==
           OK;
}

/* Some give content as a list of parts. */
static bool add_content(struct llm_chat *c, struct llm_answer *answer, const struct json *v)
{
    if (json_is(v, JSON_STR))
        return add_text(c, answer, LLM_TEXT, json_str_of(v, S("")));
    for (size_t i = 0; i < json_len(v); i++)
        if (!add_text(c, answer, LLM_TEXT, json_str_of(json_at(json_item(v, i), "text"), S(""))))
            return false;
    return true;
}

Err llm_openai_read_answer(struct llm_chat *c, const struct json *v, struct llm_answer *ret_answer)
{
    const struct json *choice = json_item(json_at(v, "choices"), 0);
    const struct json *m = json_at(choice, "message"), *calls = json_at(m, "tool_calls");
    struct llm_answer answer = {.id = json_str_of(json_at(v, "id"), S("")),
                                .model = json_str_of(json_at(v, "model"), S(""))};

    if (!json_is(m, JSON_OBJ))
        return err_set(E_UPSTREAM, "an answer without a message");
    bool ok = add_text(c, &answer, LLM_THINKING, reasoning_of(m)) &&
              add_content(c, &answer, json_at(m, "content")) &&
              add_text(c, &answer, LLM_TEXT, json_str_of(json_at(m, "refusal"), S("")));
    for (size_t i = 0; ok && i < json_len(calls); i++)
        ok = add_call(c, &answer, json_item(calls, i));
    if (!ok)
        return err_set(E_UPSTREAM, "an answer that cannot be read");
    answer.finish = finish_of(json_str_of(json_at(choice, "finish_reason"), S("")));
    llm_usage_read(json_at(v, "usage"), &answer.usage);
    *ret_answer = answer;
    return OK;
}

/* ---- chunks ---- */

/* The call with OpenAI's @index; n_calls if there is none yet. */
static unsigned find_call(const struct llm_stream *s, int64_t index)
{
    unsigned i = 0;

    while (i < s->n_calls && s->indexes[i] != index)
        i++;
    return i;
}

static bool begin_call(struct llm_stream *s, const struct json *v, int64_t index)
{
    const struct json *function = json_at(v, "function");

    if (s->n_calls == LLM_CALLS_MAX) {
        llm_stream_fault(s, "too many calls");
        return false;
    }
    s->indexes[s->n_calls] = index;
    llm_stream_put(s,
                   &(struct llm_delta){.kind = LLM_D_CALL,
                                       .index = s->n_calls,
                                       .id = json_str_of(json_at(v, "id"),
                                                         str_fmt(s->a, "call_%u", s->n_calls + 1)),
                                       .name = json_str_of(json_at(function, "name"), S("")),
                                       .signature = signature_of(v)});
    s->n_calls++;
    return true;
}

/* Without an index: a call with a name is a new one, the rest belongs to the last. */
static void take_call(struct llm_stream *s, const struct json *v)
{
    const struct json *index = json_at(v, "index"), *function = json_at(v, "function");
    bool named = json_str_of(json_at(function, "name"), S("")).n > 0;
    int64_t at =
        json_int_of(index, named || !s->n_calls ? (int64_t)s->n_calls : s->indexes[s->n_calls - 1]);
    unsigned call = find_call(s, at);
    Str text = json_str_of(json_at(function, "arguments"), S(""));

    if (call == s->n_calls && !begin_call(s, v, at))
        return;
    if (text.n)
        llm_stream_put(s,
                       &(struct llm_delta){.kind = LLM_D_ARGUMENTS, .index = call, .text = text});
}

static void take_delta(struct llm_stream *s, const struct json *d)
{
    const struct json *calls = json_at(d, "tool_calls");

    llm_stream_text(s, LLM_D_THINKING, reasoning_of(d));
    llm_stream_text(s, LLM_D_TEXT, json_str_of(json_at(d, "content"), S("")));
    llm_stream_text(s, LLM_D_TEXT, json_str_of(json_at(d, "refusal"), S("")));
    for (size_t i = 0; i < json_len(calls); i++)
        take_call(s, json_item(calls, i));
}

static void take_error(struct llm_stream *s, const struct json *e)
{
    Str text = json_str_of(json_at(e, "message"), json_str_of(e, S("")));

    llm_stream_put(s, &(struct llm_delta){
                          .kind = LLM_D_ERROR,
                          .status = 500,
                          .name = json_str_of(json_at(e, "code"), S("provider_error")),
                          .text = text.n ? text : S("The provider sent an error without words.")});
}

void llm_openai_read_event(struct llm_stream *s, Str data, const struct json *v)
{
    const struct json *choice = json_item(json_at(v, "choices"), 0);
    Str reason = json_str_of(json_at(choice, "finish_reason"), S(""));

    if (!v) {
        if (!str_eq(str_trim(data), S("[DONE]"))) {
            llm_stream_fault(s, "an event that is no JSON");
            return;
        }
        if (s->begun) /* some forget to say how it ended, and mean that it did */
            llm_stream_finish(s, LLM_FINISH_STOP, S(""));
        llm_openai_read_end(s);
        return;
    }
    if (!llm_is_none(json_at(v, "error"))) {
        take_error(s, json_at(v, "error"));
        return;
    }
    llm_usage_read(json_at(v, "usage"), &s->usage);
    if (!choice)
        return; /* usage, or what Azure's filters say */
    llm_stream_begin(s, json_str_of(json_at(v, "id"), S("")),
                     json_str_of(json_at(v, "model"), S("")));
    take_delta(s, json_at(choice, "delta"));
    if (reason.n)
        llm_stream_finish(s, finish_of(reason), S(""));
}

void llm_openai_read_end(struct llm_stream *s)
{
    if (s->finished)
        llm_stream_put(s, &(struct llm_delta){.kind = LLM_D_END});
}
