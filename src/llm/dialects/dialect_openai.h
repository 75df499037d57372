/* src/llm/dialects/dialect_openai.h - the files of OpenAI's dialect, to each other. */
#ifndef LLM_DIALECT_OPENAI_H
#define LLM_DIALECT_OPENAI_H

#include "llm/dialects/stream.h"

Err llm_openai_read_request(struct llm_chat *c, const struct json *body);
Err llm_openai_write_request(struct llm_chat *c, Str model, bool full, struct json **ret_body);
Err llm_openai_read_answer(struct llm_chat *c, const struct json *v, struct llm_answer *ret_answer);
struct json *llm_openai_write_answer(struct arena *a, const struct llm_answer *answer);
void llm_openai_read_event(struct llm_stream *s, Str data, const struct json *v);
void llm_openai_read_end(struct llm_stream *s);
void llm_openai_write_delta(struct llm_stream *s, const struct llm_delta *d);
struct json *llm_openai_write_error(struct arena *a, int status, Str message, Str code);

#endif
