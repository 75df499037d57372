/* src/api/api_gateway.c - the paths by which programs call models: those of OpenAI, of Anthropic
 * and of Google. */
#include "api/api.h"

#include "llm/door.h"

static Err post_chat(struct req *req, struct res *res)
{
    return llm_door_call(api_of(req)->llm, req, res, LLM_CHAT);
}

static Err post_completions(struct req *req, struct res *res)
{
    return llm_door_call(api_of(req)->llm, req, res, LLM_COMPLETIONS);
}

static Err post_embeddings(struct req *req, struct res *res)
{
    return llm_door_call(api_of(req)->llm, req, res, LLM_EMBEDDINGS);
}

static Err post_messages(struct req *req, struct res *res)
{
    return llm_door_call(api_of(req)->llm, req, res, LLM_MESSAGES);
}

static Err count_tokens(struct req *req, struct res *res)
{
    return llm_door_call(api_of(req)->llm, req, res, LLM_COUNT_TOKENS);
}

static Err post_responses(struct req *req, struct res *res)
{
    return llm_door_call(api_of(req)->llm, req, res, LLM_RESPONSES);
}

#define PASS(name, op)                                                                             \
    static Err name(struct req *req, struct res *res)                                              \
    {                                                                                              \
        return llm_door_call(api_of(req)->llm, req, res, (op));                                    \
    }

PASS(post_rerank, LLM_RERANK)
PASS(post_moderations, LLM_MODERATIONS)
PASS(post_transcriptions, LLM_TRANSCRIPTIONS)
PASS(post_translations, LLM_TRANSLATIONS)
PASS(post_speech, LLM_SPEECH)
PASS(post_images, LLM_IMAGES)
PASS(post_image_edits, LLM_IMAGE_EDITS)
PASS(post_image_variations, LLM_IMAGE_VARIATIONS)

static Err call_response(struct req *req, struct res *res)
{
    return llm_door_response(api_of(req)->llm, req, res, req_param(req, "path"));
}

static Err post_deployment(struct req *req, struct res *res)
{
    return llm_door_deployment(api_of(req)->llm, req, res, req_param(req, "call"));
}

static Err post_gemini(struct req *req, struct res *res)
{
    return llm_door_gemini(api_of(req)->llm, req, res, req_param(req, "id"));
}

static Err list_models(struct req *req, struct res *res)
{
    return llm_door_models(api_of(req)->llm, req, res);
}

static Err get_model(struct req *req, struct res *res)
{
    return llm_door_model(api_of(req)->llm, req, res, req_param(req, "id"));
}

#define MESSAGES(p, f, s)                                                                          \
    {                                                                                              \
        HTTP_POST, (p), (f), "model.call", ROUTE_STREAM, .max_body = LLM_BODY_MAX,                 \
                                                         .in_schema = "ModelCall", .summary = (s), \
                                                         .fail = llm_door_fail_messages            \
    }
#define CALL(p, f, s)                                                                              \
    {                                                                                              \
        HTTP_POST, (p), (f), "model.call", ROUTE_STREAM, .max_body = LLM_BODY_MAX,                 \
                                                         .in_schema = "ModelCall", .summary = (s), \
                                                         .fail = llm_door_fail                     \
    }

#define FORM(p, f, s)                                                                              \
    {                                                                                              \
        HTTP_POST, (p), (f), "model.call", ROUTE_STREAM,                                           \
            .max_body = LLM_UPLOAD_MAX, .in_schema = "ModelForm",                                  \
            .in_type = "multipart/form-data", .summary = (s), .fail = llm_door_fail                \
    }
#define GEMINI(p, s)                                                                               \
    {                                                                                              \
        HTTP_POST, (p), post_gemini, "model.call", ROUTE_STREAM,                                   \
            .max_body = LLM_BODY_MAX, .in_schema = "ModelCall", .query = "alt:string key:string",  \
            .summary = (s), .fail = llm_door_fail_gemini                                           \
    }
/* The same call by all its paths. */
#define EVERYWHERE(kind, path, f, s)                                                               \
    kind("/v1" path, f, s), kind(path, f, NULL), kind("/openai/v1" path, f, NULL)

/* Also without /v1, for programs whose base URL has none, and as Azure has them. */
const struct route api_gateway_routes[] = {
    CALL("/v1/chat/completions", post_chat, "Call a chat model, in OpenAI's dialect"),
    CALL("/v1/completions", post_completions, "Call a completion model, in OpenAI's dialect"),
    CALL("/v1/embeddings", post_embeddings, "Call an embedding model, in OpenAI's dialect"),
    CALL("/v1/responses", post_responses, "Call a model, by OpenAI's responses"),
    {HTTP_GET, "/v1/responses/*path", call_response, "model.call",
     .summary = "Get a response that was made, or its input_items", .fail = llm_door_fail},
    {HTTP_DELETE, "/v1/responses/*path", call_response, "model.call",
     .summary = "Delete a response that was made", .fail = llm_door_fail},
    {HTTP_POST, "/v1/responses/*path", call_response, "model.call",
     .summary = "Cancel a response that is being made", .fail = llm_door_fail},
    CALL("/responses", post_responses, NULL),
    CALL("/openai/v1/responses", post_responses, NULL),
    CALL("/openai/responses", post_responses, NULL),
    MESSAGES("/v1/messages", post_messages, "Call a chat model, in Anthropic's dialect"),
    MESSAGES("/v1/messages/count_tokens", count_tokens,
             "Count the tokens of a request, in Anthropic's dialect"),
    MESSAGES("/messages", post_messages, NULL),
    MESSAGES("/messages/count_tokens", count_tokens, NULL),
    EVERYWHERE(CALL, "/rerank", post_rerank, "Put documents in the order of a question"),
    EVERYWHERE(CALL, "/moderations", post_moderations, "Ask a model whether a text is harmful"),
    EVERYWHERE(FORM, "/audio/transcriptions", post_transcriptions, "Write down what is said"),
    EVERYWHERE(FORM, "/audio/translations", post_translations,
               "Write down in English what is said"),
    EVERYWHERE(CALL, "/audio/speech", post_speech, "Speak a text"),
    EVERYWHERE(CALL, "/images/generations", post_images, "Make images"),
    EVERYWHERE(FORM, "/images/edits", post_image_edits, "Change images"),
    EVERYWHERE(FORM, "/images/variations", post_image_variations, "Vary an image"),
    FORM("/openai/deployments/*call", post_deployment, NULL),
    CALL("/openai/v1/chat/completions", post_chat, NULL),
    CALL("/openai/v1/embeddings", post_embeddings, NULL),
    CALL("/chat/completions", post_chat, NULL),
    CALL("/completions", post_completions, NULL),
    CALL("/embeddings", post_embeddings, NULL),
    GEMINI("/v1beta/models/*id",
           "Call a model, in Gemini's dialect: NAME:generateContent, :streamGenerateContent, "
           ":countTokens, :embedContent, :batchEmbedContents"),
    GEMINI("/v1/models/*id", NULL),
    {HTTP_GET, "/v1beta/models", list_models, "model.call", .out_schema = "GeminiModelList",
     .query = "key:string", .summary = "List the models there are, in Gemini's dialect",
     .fail = llm_door_fail_gemini},
    {HTTP_GET, "/v1beta/models/*id", get_model, "model.call", .out_schema = "GeminiModel",
     .query = "key:string", .summary = "Get one model, in Gemini's dialect",
     .fail = llm_door_fail_gemini},
    {HTTP_GET, "/v1/models", list_models, "model.call", .out_schema = "ModelList",
     .summary = "List the models there are", .fail = llm_door_fail_models},
    {HTTP_GET, "/v1/models/*id", get_model, "model.call", .out_schema = "Model",
     .summary = "Get one model", .fail = llm_door_fail_models},
    {0},
};
