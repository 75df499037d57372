/* src/llm/dialects/dialect_gemini.h - the files of Gemini's dialect, to each other. */
#ifndef LLM_DIALECT_GEMINI_H
#define LLM_DIALECT_GEMINI_H

#include "llm/dialects/stream.h"

Err llm_gemini_write_request(struct llm_chat *c, Str model, bool full, struct json **ret_body);
Err llm_gemini_read_answer(struct llm_chat *c, const struct json *v, struct llm_answer *ret_answer);
void llm_gemini_read_event(struct llm_stream *s, Str data, const struct json *v);
void llm_gemini_read_end(struct llm_stream *s);
void llm_gemini_read_usage(const struct json *v, struct llm_usage *usage);

#endif
