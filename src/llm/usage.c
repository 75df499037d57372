/* src/llm/usage.c - what a call used, as the upstream counted it. */
#include "llm/usage.h"

static int64_t count(const struct json *v)
{
    int64_t n = json_int_of(v, 0);
    return n > 0 ? n : 0;
}

void llm_usage_read(const struct json *v, struct llm_usage *usage)
{
    if (!json_is(v, JSON_OBJ))
        return;
    int64_t cached = count(json_at(json_at(v, "prompt_tokens_details"), "cached_tokens"));
    if (!cached)
        cached = count(json_at(v, "prompt_cache_hit_tokens")); /* DeepSeek */
    *usage = (struct llm_usage){
        .known = true,
        .prompt = count(json_at(v, "prompt_tokens")),
        .cached = cached,
        .cache_written = count(json_at(json_at(v, "prompt_tokens_details"), "cache_write_tokens")),
        .completion = count(json_at(v, "completion_tokens")),
        .reasoning = count(json_at(json_at(v, "completion_tokens_details"), "reasoning_tokens")),
    };
}

void llm_usage_read_passed(const struct json *v, struct llm_usage *usage)
{
    double seconds = json_double_of(json_at(v, "seconds"), 0);

    if (!json_is(v, JSON_OBJ))
        return;
    if (!json_is(json_at(v, "input_tokens"), JSON_INT)) {
        llm_usage_read(v, usage);
        if (!json_is(json_at(v, "prompt_tokens"), JSON_INT))
            usage->prompt = count(json_at(v, "total_tokens"));
    } else {
        *usage = (struct llm_usage){.known = true,
                                    .prompt = count(json_at(v, "input_tokens")),
                                    .completion = count(json_at(v, "output_tokens"))};
    }
    if (seconds > 0 && seconds < 1e9)
        usage->audio_ms = (int64_t)(seconds * 1000);
}
