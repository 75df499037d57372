/* src/llm/dialects/dialect_responses.c - what the gateway says itself in OpenAI's responses, and
 * reads in passing: the calls go through as they are, to servers of OpenAI's dialect alone. */
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
static struct json *write_error(struct arena *a, int status, Str message, Str code)
{
    struct json *v = llm_openai_write_error(a, status, message, code);

    json_set(a, v, S("type"), json_str_c(a, "error"));
    json_set(a, v, S("message"), json_str(a, message));
    json_set(a, v, S("code"), json_str(a, code));
    json_set(a, v, S("param"), json_null(a));
    return v;
}

const struct llm_dialect llm_dialect_responses = {
    .name = "responses",
    .write_error = write_error,
    .read_usage = read_usage,
    .keep_alive = S_INIT(":\n\n"),
    .stream_end = S_INIT(""),
    .error_before = S_INIT("event: error\n"),
};
