/* src/llm/dialects/dialect_gemini_answer.c - answers of Gemini's generateContent, whole and
 * streamed, read.
 *
 * Each event of a stream is a whole answer with the next parts; usage is repeated, the last one
 * counts; the end of the answer is the end of the connection.
 */
#include "llm/dialects/dialect_gemini.h"

#include "base/crypto.h"

static int64_t count(const struct json *v, const char *name)
{
    int64_t n = json_int_of(json_get(v, str_c(name)), 0);
    return n > 0 ? n : 0;
}

void llm_gemini_read_usage(const struct json *v, struct llm_usage *usage)
{
    if (!json_is(v, JSON_OBJ))
        return;
    *usage = (struct llm_usage){
        .known = true,
        .prompt = count(v, "promptTokenCount") + count(v, "toolUsePromptTokenCount"),
        .cached = count(v, "cachedContentTokenCount"),
        .completion = count(v, "candidatesTokenCount") + count(v, "thoughtsTokenCount"),
        .reasoning = count(v, "thoughtsTokenCount"),
    };
}

/* ---- how it ended ---- */

enum ending { WELL, CALL_BROKEN };

static enum llm_finish finish_of(Str reason, enum ending *ret_ending)
{
    static const char *const filters[] = {"SAFETY",  "BLOCKLIST",  "PROHIBITED_CONTENT",
                                          "SPII",    "RECITATION", "IMAGE_SAFETY",
                                          "LANGUAGE"};
    static const char *const broken[] = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"};

    *ret_ending = WELL;
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (str_eq(reason, str_c(filters[i])))
            return LLM_FINISH_FILTER;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        if (str_eq(reason, str_c(broken[i])))
            *ret_ending = CALL_BROKEN;
    return str_eq(reason, S("MAX_TOKENS")) ? LLM_FINISH_LENGTH : LLM_FINISH_STOP;
}

static bool is_blocked(const struct json *v)
{
    return json_str_of(json_at(json_at(v, "promptFeedback"), "blockReason"), S("")).n > 0;
}

/* Its own id if it has one, else one that no other call has. */
static Str id_of(struct arena *a, const struct json *call, uint64_t nonce, unsigned index)
{
    Str id = json_str_of(json_at(call, "id"), S(""));

    return id.n ? id : str_fmt(a, "call_%016llx%u", (unsigned long long)nonce, index);
}

/* ---- whole answers ---- */

static bool read_part(struct llm_chat *c, const struct json *v, struct llm_answer *answer,
                      uint64_t nonce)
{
    const struct json *call = json_at(v, "functionCall"), *args = json_at(call, "args");
    Str text = json_str_of(json_at(v, "text"), S(""));
    bool thought = json_bool_of(json_at(v, "thought"), false);

    if (json_at(v, "inlineData"))
        return false; /* an image has no place in a chat */
    if (!json_is(call, JSON_OBJ) && !text.n)
        return true;
    struct llm_part *p = llm_chat_part(c, &answer->parts,
                                       call      ? LLM_TOOL_CALL
                                       : thought ? LLM_THINKING
                                                 : LLM_TEXT);
    if (!p)
        return false;
    p->text = text;
    if (!call)
        return true;
    p->id = id_of(c->a, call, nonce, (unsigned)answer->parts.n);
    p->name = json_str_of(json_at(call, "name"), S(""));
    p->signature = json_str_of(json_at(v, "thoughtSignature"), S(""));
    p->input = json_is(args, JSON_OBJ) ? args : json_obj(c->a, NULL);
    return true;
}

Err llm_gemini_read_answer(struct llm_chat *c, const struct json *v, struct llm_answer *ret_answer)
{
    const struct json *candidate = json_item(json_at(v, "candidates"), 0);
    const struct json *parts = json_at(json_at(candidate, "content"), "parts");
    struct llm_answer answer = {.id = json_str_of(json_at(v, "responseId"), S("gemini")),
                                .model = json_str_of(json_at(v, "modelVersion"), S(""))};
    uint64_t nonce = crypto_random_u64();
    enum ending ending = WELL;

    if (!candidate && !is_blocked(v))
        return err_set(E_UPSTREAM, "an answer without candidates");
    for (size_t i = 0; i < json_len(parts); i++)
        if (!read_part(c, json_item(parts, i), &answer, nonce))
            return err_set(E_UPSTREAM, "an answer with a part that cannot be read");
    answer.finish = candidate
                        ? finish_of(json_str_of(json_at(candidate, "finishReason"), S("")), &ending)
                        : LLM_FINISH_FILTER;
    if (ending == CALL_BROKEN)
        return err_set(E_UPSTREAM, "a tool call that its model could not write");
    llm_gemini_read_usage(json_at(v, "usageMetadata"), &answer.usage);
    *ret_answer = answer;
    return OK;
}

/* ---- events ---- */

static void put_call(struct llm_stream *s, const struct json *v, const struct json *call)
{
    const struct json *args = json_at(call, "args");
    unsigned index = s->n_calls;

    if (index == LLM_CALLS_MAX) {
        llm_stream_fault(s, "too many calls");
        return;
    }
    s->n_calls++;
    llm_stream_put(
        s, &(struct llm_delta){.kind = LLM_D_CALL,
                               .index = index,
                               .id = id_of(s->a, call, s->nonce, index),
                               .name = json_str_of(json_at(call, "name"), S("")),
                               .signature = json_str_of(json_at(v, "thoughtSignature"), S(""))});
    llm_stream_put(
        s, &(struct llm_delta){.kind = LLM_D_ARGUMENTS,
                               .index = index,
                               .text = json_is(args, JSON_OBJ) ? json_text(s->a, args) : S("{}")});
}

static void put_part(struct llm_stream *s, const struct json *v)
{
    const struct json *call = json_at(v, "functionCall");
    bool thought = json_bool_of(json_at(v, "thought"), false);

    if (json_is(call, JSON_OBJ))
        put_call(s, v, call);
    else if (json_at(v, "inlineData"))
        llm_stream_fault(s, "an image has no place in a chat");
    else
        llm_stream_text(s, thought ? LLM_D_THINKING : LLM_D_TEXT,
                        json_str_of(json_at(v, "text"), S("")));
}

static void put_error(struct llm_stream *s, int64_t status, Str name, Str text)
{
    llm_stream_put(s, &(struct llm_delta){
                          .kind = LLM_D_ERROR,
                          .status = status >= 400 && status <= 599 ? (int)status : 500,
                          .name = name,
                          .text = text.n ? text : S("The provider sent an error without words.")});
}

static void put_finish(struct llm_stream *s, Str reason)
{
    enum ending ending;
    enum llm_finish finish = finish_of(reason, &ending);

    if (ending == CALL_BROKEN)
        put_error(s, 502, reason, S("The model could not write the call of a tool."));
    else
        llm_stream_finish(s, finish, S(""));
}

void llm_gemini_read_event(struct llm_stream *s, Str data, const struct json *v)
{
    const struct json *candidate = json_item(json_at(v, "candidates"), 0);
    const struct json *parts = json_at(json_at(candidate, "content"), "parts");
    const struct json *error = json_at(v, "error");
    Str reason = json_str_of(json_at(candidate, "finishReason"), S(""));

    (void)data;
    if (!v) {
        llm_stream_fault(s, "an event that is no JSON");
        return;
    }
    if (!llm_is_none(error)) {
        put_error(s, json_int_of(json_at(error, "code"), 500),
                  json_str_of(json_at(error, "status"), S("provider_error")),
                  json_str_of(json_at(error, "message"), S("")));
        return;
    }
    llm_gemini_read_usage(json_at(v, "usageMetadata"), &s->usage);
    if (!candidate && !is_blocked(v))
        return;
    llm_stream_begin(s, json_str_of(json_at(v, "responseId"), S("gemini")),
                     json_str_of(json_at(v, "modelVersion"), S("")));
    for (size_t i = 0; !s->finished && i < json_len(parts); i++)
        put_part(s, json_item(parts, i));
    if (!candidate)
        llm_stream_finish(s, LLM_FINISH_FILTER, S(""));
    else if (reason.n)
        put_finish(s, reason);
}

void llm_gemini_read_end(struct llm_stream *s)
{
    if (s->finished)
        llm_stream_put(s, &(struct llm_delta){.kind = LLM_D_END});
}
