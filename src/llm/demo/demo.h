/* src/llm/demo/demo.h - answers without any model, for tours and tests.
 *
 * What is said says so, and is the same for the same request. Tools are called with arguments made
 * from their schema, structured answers likewise, so that programs which need either can be tried.
 * Embeddings are made of the words in a text: alike for texts with the same words. Pure.
 */
#ifndef LLM_DEMO_H
#define LLM_DEMO_H

#include "llm/dialects/chat.h"

enum { LLM_DEMO_DIMENSIONS = 256, LLM_DEMO_DIMENSIONS_MAX = 4096 };

#define LLM_DEMO_SAYS "This is Heddle's demo provider: no model was asked."

/* The answer to a conversation; usage is counted by about four bytes a token. */
void llm_demo_answer(struct llm_chat *chat, Str model, struct llm_answer *ret_answer);
/* A value that fits @schema as far as that is simple: required members, the first of an enum, the
 * least of numbers; @text for strings. What a schema wants beyond some 64 KiB is left out. */
struct json *llm_demo_value(struct arena *a, const struct json *schema, Str text);
/* @n numbers of length one together. */
void llm_demo_embed(Str text, float *out, size_t n);

#endif
