/* src/llm/door.h - the door for programs that call models: the paths, bodies and errors of
 * OpenAI, of Anthropic and of Google.
 *
 * A call is forwarded to who answers for its model: the body's bytes as they came but for the
 * model's name, the answer's bytes as they come, or both translated for a provider of another
 * dialect. A client that leaves ends the upstream call at
 * once. An upstream that dies in the middle of a stream is told in the stream, as an error event
 * without [DONE], so that no client takes half an answer for a whole one.
 */
#ifndef LLM_DOOR_H
#define LLM_DOOR_H

#include "llm/llm.h"
#include "net/router.h"

/* Bytes of a request. */
enum { LLM_BODY_MAX = 32 << 20 };

/* Serve a call of @req in the dialect's form. */
Err llm_door_call(struct llm *llm, struct req *req, struct res *res, enum llm_op op) YIELDS;
/* The same with the model in the path, as Azure's clients have it: "NAME/chat/completions". */
Err llm_door_deployment(struct llm *llm, struct req *req, struct res *res, Str path) YIELDS;
/* A call in Gemini's dialect: "NAME:generateContent". */
Err llm_door_gemini(struct llm *llm, struct req *req, struct res *res, Str path) YIELDS;
/* A response that was made, by the target that made it: "ID", "ID/cancel", "ID/input_items". */
Err llm_door_response(struct llm *llm, struct req *req, struct res *res, Str path) YIELDS;
/* GET /models and /models/NAME. */
Err llm_door_models(struct llm *llm, struct req *req, struct res *res) YIELDS;
Err llm_door_model(struct llm *llm, struct req *req, struct res *res, Str name) YIELDS;
/* "chat", "completions", "embeddings", "messages", "count_tokens", "responses",
 * "generate_content", "embed_content". */
Str llm_operation_name(enum llm_op op);
/* How many tokens a text or a request is. */
struct llm_tokens {
    int64_t n;
    bool exact;         /* else about so many */
    const char *method; /* the vocabulary, or "estimate" */
};
struct llm_tokens_for {
    struct llm_tokens tokens;
    Str provider, model;                /* who would answer */
    int64_t context_window, max_output; /* 0: not known */
};
/* @text: JSON, a request in any dialect or a string; for the model @name as clients call it. Of a
 * route its first target is meant. E_NOT_FOUND, E_UNAVAILABLE, E_SYNTAX. */
Err llm_tokens_for(struct llm *llm, struct arena *a, Id tenant, Str name, Str text,
                   struct llm_tokens_for *ret) YIELDS;
/* For the provider's own name of the model. */
Err llm_tokens_count(struct llm *llm, Str model, Str text, struct llm_tokens *ret_tokens) YIELDS;
/* For struct route: failures as {"error":{"message","type","param","code"}}, with the status and
 * codes by which the clients of OpenAI tell them apart. */
Err llm_door_fail(struct req *req, struct res *res, int status, Err code) YIELDS;
/* The same as {"type":"error","error":{"type","message"}}, for the clients of Anthropic. */
Err llm_door_fail_messages(struct req *req, struct res *res, int status, Err code) YIELDS;
/* The same as {"error":{"code","message","status","details"}}, for the clients of Google. */
Err llm_door_fail_gemini(struct req *req, struct res *res, int status, Err code) YIELDS;
/* As the client knows it that asks for models at a path that several have. */
Err llm_door_fail_models(struct req *req, struct res *res, int status, Err code) YIELDS;

#endif
