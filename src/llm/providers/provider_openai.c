/* src/llm/providers/provider_openai.c - providers that speak the dialect of OpenAI.
 *
 * They differ in where they are and in a few habits. Whatever else they add to requests and answers
 * passes through untouched.
 */
#include "llm/kind.h"

const struct llm_kind llm_kinds[] = {
    {"deepseek", "DeepSeek", "https://api.deepseek.com/v1", .needs_credential = true},
    {"groq", "Groq", "https://api.groq.com/openai/v1", .needs_credential = true},
    {"llamacpp", "llama.cpp", "http://127.0.0.1:8080/v1", .private_network = true},
    {"mistral", "Mistral", "https://api.mistral.ai/v1", .needs_credential = true,
     .no_stream_options = true},
    {"ollama", "Ollama", "http://127.0.0.1:11434/v1", .private_network = true},
    {"openai", "OpenAI", "https://api.openai.com/v1", .needs_credential = true},
    {"openai-compatible", "OpenAI-compatible", NULL},
    {"openrouter", "OpenRouter", "https://openrouter.ai/api/v1", .needs_credential = true},
    {"tgi", "Text Generation Inference", "http://127.0.0.1:8080/v1", .private_network = true},
    {"vllm", "vLLM", "http://127.0.0.1:8000/v1", .private_network = true},
    {0},
};

const struct llm_kind *llm_kind_find(Str name)
{
    for (const struct llm_kind *k = llm_kinds; k->name; k++)
        if (str_eq(name, str_c(k->name)))
            return k;
    return NULL;
}

Str llm_op_path(enum llm_op op)
{
    static const Str paths[LLM_OPS] = {[LLM_CHAT] = S_INIT("/chat/completions"),
                                       [LLM_COMPLETIONS] = S_INIT("/completions"),
                                       [LLM_EMBEDDINGS] = S_INIT("/embeddings")};

    return paths[op];
}
