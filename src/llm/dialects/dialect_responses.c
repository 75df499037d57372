/* src/llm/dialects/dialect_responses.c - OpenAI's responses: errors, usage, names of fields.
 *
 * A dialect of clients alone. Servers that have it get its calls as they are; what is read of
 * their answers is read in passing.
 */
#include "llm/dialects/dialect_responses.h"
#include "llm/dialects/dialect_openai.h"

static int64_t count(const struct json *v)
{
    int64_t n = json_int_of(v, 0);
    return n > 0 ? n : 0;
}

static void read_usage(const struct json *v, struct llm_usage *usage)
{
    const struct json *in = json_at(v, "input_tokens_details");

    if (!json_is(v, JSON_OBJ))
        return;
    *usage = (struct llm_usage){
        .known = true,
        .prompt = count(json_at(v, "input_tokens")),
        .cached = count(json_at(in, "cached_tokens")),
        .cache_written = count(json_at(in, "cache_write_tokens")),
        .completion = count(json_at(v, "output_tokens")),
        .reasoning = count(json_at(json_at(v, "output_tokens_details"), "reasoning_tokens")),
    };
}

/* As a body its "error" is read, as an event the rest. */
struct json *llm_responses_write_error(struct arena *a, int status, Str message, Str code)
{
    struct json *v = llm_openai_write_error(a, status, message, code);

    json_set(a, v, S("type"), json_str_c(a, "error"));
    json_set(a, v, S("message"), json_str(a, message));
    json_set(a, v, S("code"), json_str(a, code));
    json_set(a, v, S("param"), json_null(a));
    return v;
}

/* Writers name fields as the clients of chats do. */
static Str field_name(Str name)
{
    static const struct {
        Str theirs, ours;
    } names[] = {
        {S_INIT("thinking"), S_INIT("reasoning.effort")},
        {S_INIT("reasoning_effort"), S_INIT("reasoning.effort")},
        {S_INIT("output_config.effort"), S_INIT("reasoning.effort")},
        {S_INIT("messages.thinking"), S_INIT("input.reasoning")},
        {S_INIT("response_format"), S_INIT("text.format")},
        {S_INIT("max_tokens"), S_INIT("max_output_tokens")},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, names[i].theirs))
            return names[i].ours;
    return name;
}

const struct llm_dialect llm_dialect_responses = {
    .name = "responses",
    .field_name = field_name,
    .read_request = llm_responses_read_request,
    .write_frame = llm_responses_frame,
    .write_answer = llm_responses_write_answer,
    .write_delta = llm_responses_write_delta,
    .write_error = llm_responses_write_error,
    .read_usage = read_usage,
    .keep_alive = S_INIT(":\n\n"),
    .stream_end = S_INIT(""),
    .error_before = S_INIT("event: error\n"),
};
