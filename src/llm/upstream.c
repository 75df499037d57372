/* src/llm/upstream.c - how a provider is called: addresses and headers, by its dialect. */
#include "llm/upstream.h"

#include "llm/dialects/chat.h"

/* The clients of Anthropic are given an address without /v1, those of others with it; either will
 * do. */
static Str under_v1(struct arena *a, const struct llm_provider *p, const char *path)
{
    Str v1 = str_ends(p->base_url, S("/v1")) ? S("") : S("/v1");

    return str_join(a, (Str[]){p->base_url, v1, str_c(path)}, 3, S(""));
}

/* The addresses of Google have a version of their own. */
static Str under_v1beta(struct arena *a, const struct llm_provider *p, Str path)
{
    bool has = str_ends(p->base_url, S("/v1beta")) || str_ends(p->base_url, S("/v1"));

    return str_fmt(a, "%.*s%s%.*s", P(p->base_url), has ? "" : "/v1beta", P(path));
}

static Str gemini_url(struct arena *a, const struct llm_provider *p, enum llm_op op, Str model,
                      bool stream)
{
    static const char *const methods[LLM_OPS] = {
        [LLM_EMBEDDINGS] = "batchEmbedContents",
        [LLM_EMBED_CONTENT] = "embedContent",
        [LLM_EMBED_CONTENTS] = "batchEmbedContents",
        [LLM_GENERATE_TOKENS] = "countTokens",
        [LLM_CHAT] = "generateContent",
        [LLM_MESSAGES] = "generateContent",
        [LLM_GENERATE] = "generateContent",
    };
    static const Str folder = S_INIT("models/");
    Str name = str_starts(model, folder) ? str_skip(model, folder.n) : model;

    if (!methods[op])
        return S("");
    return under_v1beta(a, p,
                        str_fmt(a, "/models/%.*s:%s", P(url_encode(a, name)),
                                stream ? "streamGenerateContent?alt=sse" : methods[op]));
}

/* Azure's: the deployment in the path and a version behind it, or, where the address ends in
 * /openai/v1, as OpenAI's own. */
static Str azure_url(struct arena *a, const struct llm_provider *p, Str path)
{
    static const Str usual = S_INIT("2024-10-21");
    bool own = str_ends(p->base_url, S("/openai/v1"));
    Str base = p->base_url, version = p->api_version;

    if (own)
        return str_fmt(a, "%.*s%.*s%s%.*s", P(base), P(path), version.n ? "?api-version=" : "",
                       P(version));
    if (str_ends(base, S("/openai")))
        base.n -= S("/openai").n;
    return str_fmt(a, "%.*s/openai%.*s?api-version=%.*s", P(base), P(path),
                   P(version.n ? version : usual));
}

static Str azure_call_url(struct arena *a, const struct llm_provider *p, enum llm_op op, Str model,
                          const char *path)
{
    if (op == LLM_RESPONSES || str_ends(p->base_url, S("/openai/v1")))
        return azure_url(a, p, str_c(path));
    return azure_url(a, p, str_fmt(a, "/deployments/%.*s%s", P(url_encode(a, model)), path));
}

static Err has_none(const struct llm_provider *p, enum llm_op op)
{
    return err_detail(E_BAD_INPUT, "The provider \"%.*s\" has no %s here.", P(p->name),
                      op == LLM_RESPONSES ? "responses"
                      : op == LLM_EMBEDDINGS || op == LLM_EMBED_CONTENT || op == LLM_EMBED_CONTENTS
                          ? "embeddings"
                          : "such calls");
}

Err llm_upstream_url(struct arena *a, const struct llm_provider *p, enum llm_op op, Str model,
                     bool stream, Str *ret_url)
{
    static const char *const paths[LLM_OPS] = {[LLM_CHAT] = "/chat/completions",
                                               [LLM_COMPLETIONS] = "/completions",
                                               [LLM_EMBEDDINGS] = "/embeddings",
                                               [LLM_MESSAGES] = "/chat/completions",
                                               [LLM_RESPONSES] = "/responses",
                                               [LLM_GENERATE] = "/chat/completions",
                                               [LLM_EMBED_CONTENT] = "/embeddings",
                                               [LLM_EMBED_CONTENTS] = "/embeddings",
                                               [LLM_RERANK] = "/rerank",
                                               [LLM_MODERATIONS] = "/moderations",
                                               [LLM_TRANSCRIPTIONS] = "/audio/transcriptions",
                                               [LLM_TRANSLATIONS] = "/audio/translations",
                                               [LLM_SPEECH] = "/audio/speech",
                                               [LLM_IMAGES] = "/images/generations",
                                               [LLM_IMAGE_EDITS] = "/images/edits",
                                               [LLM_IMAGE_VARIATIONS] = "/images/variations"};

    if (p->kind->dialect == &llm_dialect_anthropic) {
        if (op != LLM_CHAT && op != LLM_MESSAGES && op != LLM_COUNT_TOKENS && op != LLM_GENERATE)
            return has_none(p, op);
        *ret_url = under_v1(a, p, op == LLM_COUNT_TOKENS ? "/messages/count_tokens" : "/messages");
        return OK;
    }
    if (p->kind->dialect == &llm_dialect_gemini) {
        *ret_url = gemini_url(a, p, op, model, stream);
        return ret_url->n ? OK : has_none(p, op);
    }
    if (!paths[op])
        return has_none(p, op);
    *ret_url = p->kind->deployments ? azure_call_url(a, p, op, model, paths[op])
                                    : str_fmt(a, "%.*s%s", P(p->base_url), paths[op]);
    return OK;
}

Str llm_upstream_response_url(struct arena *a, const struct llm_provider *p, Str path, Str query)
{
    path = str_fmt(a, "/responses%.*s", P(path));
    Str url = p->kind->deployments ? azure_url(a, p, path)
                                   : str_fmt(a, "%.*s%.*s", P(p->base_url), P(path));
    if (!query.n)
        return url;
    return str_fmt(a, "%.*s%c%.*s", P(url), str_find_char(url, '?') == SIZE_MAX ? '?' : '&',
                   P(query));
}

Str llm_upstream_models_url(struct arena *a, const struct llm_provider *p)
{
    if (p->kind->dialect == &llm_dialect_anthropic)
        return under_v1(a, p, "/models?limit=1000");
    if (p->kind->dialect == &llm_dialect_gemini)
        return under_v1beta(a, p, S("/models?pageSize=1000"));
    if (p->kind->deployments)
        return azure_url(a, p, S("/models"));
    return str_fmt(a, "%.*s/models", P(p->base_url));
}

void llm_upstream_headers(struct arena *a, const struct llm_provider *p, HttpHeaders *headers)
{
    if (p->auth.n && p->kind->auth_header)
        http_header_add(a, headers, str_c(p->kind->auth_header), str_skip(p->auth, S("Bearer ").n));
    else if (p->auth.n)
        http_header_add(a, headers, S("Authorization"), p->auth);
    if (p->kind->dialect == &llm_dialect_anthropic &&
        !http_header_get(headers, S("anthropic-version")).p)
        http_header_add(a, headers, S("anthropic-version"), S("2023-06-01"));
}
