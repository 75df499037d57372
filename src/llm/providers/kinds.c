/* src/llm/providers/kinds.c - the kinds of providers there are.
 *
 * They differ in the dialect they speak, in where they are and in a few habits. Whatever else they
 * add to requests and answers of their dialect passes through untouched.
 */
#include "llm/kind.h"

#include "llm/dialects/chat.h"

#define OPENAI .dialect = &llm_dialect_openai

const struct llm_kind llm_kinds[] = {
    {"anthropic", "Anthropic", "https://api.anthropic.com", .dialect = &llm_dialect_anthropic,
     .auth_header = "x-api-key", .needs_credential = true},
    {"azure", "Azure OpenAI", NULL, OPENAI, .auth_header = "api-key", .deployments = true,
     .needs_credential = true, .full = true, .responses = LLM_RESPONSES_YES},
    {"deepseek", "DeepSeek", "https://api.deepseek.com/v1", OPENAI, .needs_credential = true,
     .max_tokens = true},
    {"demo", "Demo (no model)", "demo:", OPENAI, .demo = true},
    {"gemini", "Google Gemini", "https://generativelanguage.googleapis.com",
     .dialect = &llm_dialect_gemini, .auth_header = "x-goog-api-key", .needs_credential = true},
    {"groq", "Groq", "https://api.groq.com/openai/v1", OPENAI, .needs_credential = true,
     .no_reasoning = true},
    {"llamacpp", "llama.cpp", "http://127.0.0.1:8080/v1", OPENAI, .private_network = true},
    {"mistral", "Mistral", "https://api.mistral.ai/v1", OPENAI, .needs_credential = true,
     .no_stream_options = true, .max_tokens = true, .no_reasoning = true},
    {"ollama", "Ollama", "http://127.0.0.1:11434/v1", OPENAI, .private_network = true},
    {"openai", "OpenAI", "https://api.openai.com/v1", OPENAI, .needs_credential = true,
     .full = true, .responses = LLM_RESPONSES_YES},
    {"openai-compatible", "OpenAI-compatible", NULL, OPENAI, .responses = LLM_RESPONSES_PERHAPS},
    {"openrouter", "OpenRouter", "https://openrouter.ai/api/v1", OPENAI, .needs_credential = true},
    {"tgi", "Text Generation Inference", "http://127.0.0.1:8080/v1", OPENAI,
     .private_network = true, .max_tokens = true},
    {"vllm", "vLLM", "http://127.0.0.1:8000/v1", OPENAI, .private_network = true},
    {0},
};

const struct llm_kind *llm_kind_find(Str name)
{
    for (const struct llm_kind *k = llm_kinds; k->name; k++)
        if (str_eq(name, str_c(k->name)))
            return k;
    return NULL;
}
