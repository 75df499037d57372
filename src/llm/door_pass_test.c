/* src/llm/door_pass_test.c - which prices say what a call costs. */
#include "base/test.h"
#include "llm/door_private.h"

TEST(pass_knows_what_a_price_covers)
{
    static const struct llm_price tokens = {.usual = {.input = 1, .output = 1}};
    static const struct llm_price input = {.usual = {.input = 1}}, image = {.image = 1};
    static const struct llm_price second = {.second = 1}, character = {.character = 1};
    static const struct llm_price nothing, call = {.request = 1};
    static const struct {
        enum llm_op op;
        const struct llm_price *price;
        bool covers;
    } rows[] = {
        {LLM_IMAGES, &image, true},          {LLM_IMAGES, &tokens, true},
        {LLM_IMAGES, &input, false},         {LLM_IMAGES, &second, false},
        {LLM_IMAGE_EDITS, &nothing, true},   {LLM_IMAGE_EDITS, &call, true},
        {LLM_TRANSCRIPTIONS, &second, true}, {LLM_TRANSCRIPTIONS, &input, true},
        {LLM_TRANSLATIONS, &image, false},   {LLM_TRANSCRIPTIONS, &character, false},
        {LLM_SPEECH, &character, true},      {LLM_SPEECH, &second, true},
        {LLM_SPEECH, &image, false},         {LLM_CHAT, &tokens, true},
        {LLM_CHAT, &image, false},           {LLM_EMBEDDINGS, &input, true},
        {LLM_RERANK, &second, false},        {LLM_RERANK, &call, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (llm_pass_covers(rows[i].op, rows[i].price) != rows[i].covers)
            t_fail(__FILE__, __LINE__, "row %zu", i);
}

TEST(pass_knows_no_cost_by_a_price_of_something_else)
{
    static const struct llm_price image = {.image = 1}, second = {.second = 1}, nothing;
    static const struct llm_price tokens = {.usual = {.input = 1}}, character = {.character = 1};

    t_expect(llm_pass_priced(&tokens, &(struct llm_usage){.prompt = 1}));
    t_expect(!llm_pass_priced(&image, &(struct llm_usage){.prompt = 1}));
    t_expect(llm_pass_priced(&image, &(struct llm_usage){.prompt = 1, .images = 1}));
    t_expect(!llm_pass_priced(&tokens, &(struct llm_usage){.images = 1}));
    t_expect(llm_pass_priced(&second, &(struct llm_usage){.audio_ms = 1}));
    t_expect(!llm_pass_priced(&character, &(struct llm_usage){.audio_ms = 1}));
    t_expect(llm_pass_priced(&nothing, &(struct llm_usage){.images = 1}));
}
