/* src/llm/price_test.c - costs to the millionth, prices read back, and LiteLLM's entries. */
#include "llm/price.h"

#include "base/test.h"

static struct json *parse(const char *text)
{
    struct json *v = NULL;

    return json_parse(t_arena(), str_c(text), &v) == OK ? v : NULL;
}

static struct llm_price price_of(const char *text)
{
    struct llm_price p = {0};

    if (llm_price_read(parse(text), &p) != OK)
        t_fail(__FILE__, __LINE__, "no price: %s", text);
    return p;
}

TEST(price_counts_each_kind_of_tokens_at_its_own_rate_and_rounds_up)
{
    struct llm_price p = price_of("{\"input\":2500000,\"output\":10000000,\"cached_input\":1250000,"
                                  "\"cache_write\":3000000,\"reasoning\":20000000,\"request\":5}");
    struct llm_usage u = {
        .prompt = 1000, .cached = 400, .cache_written = 100, .completion = 50, .reasoning = 20};

    /* 500 x 2.5 + 400 x 1.25 + 100 x 3 + 30 x 10 + 20 x 20 + 5 */
    t_expect_int(llm_price_cost(&p, &u), 1250 + 500 + 300 + 300 + 400 + 5);
    u = (struct llm_usage){.prompt = 1};
    t_expect_int(llm_price_cost(&p, &u), 3 + 5);
    u = (struct llm_usage){0};
    t_expect_int(llm_price_cost(&p, &u), 5);
}

TEST(price_takes_input_and_output_for_what_is_not_given)
{
    struct llm_price p = price_of("{\"input\":1000000,\"output\":4000000}");
    struct llm_usage u = {.prompt = 10, .cached = 5, .completion = 10, .reasoning = 5};

    t_expect_int(llm_price_cost(&p, &u), 10 + 40);
}

TEST(price_never_counts_more_cached_or_reasoning_tokens_than_there_are)
{
    struct llm_price p = price_of("{\"input\":2000000,\"output\":2000000,\"cached_input\":1000000,"
                                  "\"cache_write\":9000000}");
    struct llm_usage u = {
        .prompt = 10, .cached = 100, .cache_written = 7, .completion = 1, .reasoning = 9};

    t_expect_int(llm_price_cost(&p, &u), 10 + 2);
}

TEST(price_of_long_prompts_counts_from_its_bound_on)
{
    struct llm_price p = price_of("{\"input\":1000000,\"output\":1000000,"
                                  "\"long\":{\"above\":100,\"input\":2000000}}");
    struct llm_usage u = {.prompt = 100, .completion = 1};

    t_expect_int(llm_price_cost(&p, &u), 101);
    u.prompt = 101;
    t_expect_int(llm_price_cost(&p, &u), 203);
}

TEST(price_holds_a_cost_that_no_number_can_hold)
{
    struct llm_price p = price_of("{\"input\":1000000000000,\"output\":0}");
    struct llm_usage u = {.prompt = INT64_MAX};

    t_expect_int(llm_price_cost(&p, &u), INT64_MAX);
}

TEST(price_reads_back_what_it_writes)
{
    struct llm_price p = price_of("{\"input\":1,\"output\":2,\"cached_input\":3,\"cache_write\":4,"
                                  "\"reasoning\":5,\"request\":6,\"max_output\":7,"
                                  "\"long\":{\"above\":8,\"output\":9}}");
    struct llm_price again;

    t_expect_ok(llm_price_read(llm_price_json(t_arena(), &p), &again));
    t_expect(memcmp(&p, &again, sizeof p) == 0);
    t_expect_int(again.longer.output, 9);
    t_expect_int(again.longer.cached_input, 3);
}

TEST(price_refuses_what_it_does_not_know)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"input\":1}",
        "{\"input\":-1,\"output\":1}",
        "{\"input\":0.5,\"output\":1}",
        "{\"input\":1,\"output\":1,\"colour\":1}",
        "{\"input\":1,\"output\":1000000000001}",
        "{\"input\":1,\"output\":1,\"long\":3}",
        "{\"input\":1,\"output\":1,\"long\":{\"input\":1}}",
        "{\"input\":1,\"output\":1,\"long\":{\"above\":1,\"request\":1}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct llm_price p;
        t_expect_err(llm_price_read(parse(bad[i]), &p), E_INVALID);
    }
}

TEST(price_reads_entries_of_litellm)
{
    Str provider = S(""), model = S("");
    struct llm_price p = {0};

    t_expect_ok(llm_price_litellm(
        S("gemini/gemini-2.5-pro"),
        parse("{\"litellm_provider\":\"gemini\",\"input_cost_per_token\":1.25e-06,"
              "\"output_cost_per_token\":1e-05,\"cache_read_input_token_cost\":3.125e-07,"
              "\"input_cost_per_token_above_200k_tokens\":2.5e-06,"
              "\"output_cost_per_token_above_200k_tokens\":1.5e-05,"
              "\"max_output_tokens\":65535,\"mode\":\"chat\"}"),
        &provider, &model, &p));
    t_expect_str(provider, S("gemini"));
    t_expect_str(model, S("gemini-2.5-pro"));
    t_expect_int(p.usual.input, 1250000);
    t_expect_int(p.usual.output, 10000000);
    t_expect_int(p.usual.cached_input, 312500);
    t_expect_int(p.usual.cache_write, 1250000);
    t_expect_int(p.usual.reasoning, 10000000);
    t_expect_int(p.long_above, 200000);
    t_expect_int(p.longer.input, 2500000);
    t_expect_int(p.longer.cached_input, 312500);
    t_expect_int(p.max_output, 65535);
    t_expect_ok(llm_price_litellm(S("text-embedding-3-small"),
                                  parse("{\"litellm_provider\":\"openai\",\"mode\":\"embedding\","
                                        "\"input_cost_per_token\":2e-08}"),
                                  &provider, &model, &p));
    t_expect_str(model, S("text-embedding-3-small"));
    t_expect_int(p.usual.input, 20000);
    t_expect_int(p.usual.output, 0);
}

TEST(price_most_is_no_less_than_any_call_of_so_many_tokens_costs)
{
    struct llm_price p;
    struct llm_usage used = {
        .prompt = 100, .cached = 90, .cache_written = 10, .completion = 9, .reasoning = 9};

    t_expect_ok(
        llm_price_read(parse("{\"input\":1000000,\"output\":1000000,\"cached_input\":3000000,"
                             "\"reasoning\":2000000}"),
                       &p));
    t_expect_int(llm_price_most(&p, &used), 100 * 3 + 9 * 2);
    t_expect(llm_price_most(&p, &used) >= llm_price_cost(&p, &used));
}

TEST(price_of_what_is_not_counted_in_tokens)
{
    static const struct {
        const char *key, *entry;
        struct llm_usage used;
        int64_t cost;
    } rows[] = {
        {"whisper-1",
         "{\"litellm_provider\":\"openai\",\"mode\":\"audio_transcription\","
         "\"input_cost_per_second\":0.0001,\"output_cost_per_second\":0.0001}",
         {.audio_ms = 90500},
         9050},
        {"tts-1",
         "{\"litellm_provider\":\"openai\",\"mode\":\"audio_speech\","
         "\"input_cost_per_character\":1.5e-05}",
         {.characters = 3},
         45},
        {"dall-e-9",
         "{\"litellm_provider\":\"openai\",\"mode\":\"image_generation\","
         "\"output_cost_per_image\":0.04}",
         {.images = 2},
         80000},
        {"hd/1024-x-1792/dall-e-3",
         "{\"litellm_provider\":\"openai\",\"mode\":\"image_generation\","
         "\"input_cost_per_pixel\":6.539e-08,\"output_cost_per_pixel\":0.0}",
         {.images = 1},
         119991},
        {"gpt-image-1",
         "{\"litellm_provider\":\"openai\",\"mode\":\"image_generation\","
         "\"input_cost_per_token\":5e-06,\"output_cost_per_image_token\":4e-05}",
         {.prompt = 10, .completion = 1000},
         40050},
        {"rerank-v3.5",
         "{\"litellm_provider\":\"cohere\",\"mode\":\"rerank\",\"input_cost_per_query\":0.002,"
         "\"input_cost_per_token\":0.0,\"output_cost_per_token\":0.0}",
         {.prompt = 100},
         2000},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Str provider, model;
        struct llm_price p, again;
        t_expect_ok(
            llm_price_litellm(str_c(rows[i].key), parse(rows[i].entry), &provider, &model, &p));
        t_expect_ok(llm_price_read(llm_price_json(t_arena(), &p), &again));
        t_expect(memcmp(&p, &again, sizeof p) == 0);
        t_expect_int(llm_price_cost(&p, &rows[i].used), rows[i].cost);
        t_expect_int(llm_price_most(&p, &rows[i].used), rows[i].cost);
    }
}

TEST(price_takes_no_entry_of_litellm_that_it_would_have_to_guess)
{
    static const char *const bad[] = {
        "3",
        "{\"input_cost_per_token\":1e-06,\"output_cost_per_token\":1e-06}",
        "{\"litellm_provider\":\"openai\",\"input_cost_per_second\":0.0001}",
        "{\"litellm_provider\":\"openai\",\"input_cost_per_token\":1e-06}",
        "{\"litellm_provider\":\"openai\",\"input_cost_per_token\":\"1\",\"output_cost_per_token\":"
        "1}",
        "{\"litellm_provider\":\"openai\",\"input_cost_per_token\":-1,\"output_cost_per_token\":1}",
        "{\"litellm_provider\":\"openai\",\"input_cost_per_token\":1e-6,"
        "\"output_cost_per_token\":1e300}",
        "{\"litellm_provider\":\"openai\",\"input_cost_per_token\":1e-6,\"output_cost_per_token\":"
        "1e-6,\"input_cost_per_token_above_128k_tokens\":1e-6,"
        "\"input_cost_per_token_above_256k_tokens\":1e-6}",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        Str provider, model;
        struct llm_price p;
        t_expect_err(llm_price_litellm(S("m"), parse(bad[i]), &provider, &model, &p), E_INVALID);
    }
}
