/* src/llm/lacks_test.c - who is taken for having responses. */
#include "base/test.h"
#include "llm/lacks.h"

TEST(only_openais_own_address_is_sure_to_have_responses)
{
    static const struct {
        const char *kind, *url;
        enum llm_has_responses has;
    } rows[] = {
        {"openai", "", LLM_RESPONSES_YES},
        {"openai", "https://api.openai.com/v1", LLM_RESPONSES_YES},
        {"openai", "https://API.OpenAI.com:443/v1", LLM_RESPONSES_YES},
        {"openai", "https://eu.api.openai.com/v1", LLM_RESPONSES_YES},
        {"openai", "https://evilapi.openai.com/v1", LLM_RESPONSES_PERHAPS},
        {"openai", "https://api.openai.com.evil/v1", LLM_RESPONSES_PERHAPS},
        {"openai", "http://127.0.0.1:8000/v1", LLM_RESPONSES_PERHAPS},
        {"openai", "http://127.0.0.1:8000/api.openai.com", LLM_RESPONSES_PERHAPS},
        {"openai-compatible", "https://api.openai.com/v1", LLM_RESPONSES_PERHAPS},
        {"azure", "https://house.openai.azure.com", LLM_RESPONSES_YES},
        {"vllm", "http://127.0.0.1:8000/v1", LLM_RESPONSES_NO},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct llm_provider p = {.kind = llm_kind_find(str_c(rows[i].kind)),
                                 .base_url = str_c(rows[i].url)};
        t_expect(p.kind != NULL);
        t_expect_int(llm_responses_of(&p), rows[i].has);
    }
}
