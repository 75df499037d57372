/* src/llm/door_meaning.h - answers to what means the same, for the file of the cache alone. */
#ifndef LLM_DOOR_MEANING_H
#define LLM_DOOR_MEANING_H

#include "llm/cache.h"
#include "llm/door_private.h"
#include "llm/embed.h"

/* The words of the last message of @body, in @a, if all else of it can be the same in another call:
 * it is the user's and has text alone, and nothing before it is a tool, an image, a file. The words
 * are taken out of @body. Empty: they cannot. */
Str llm_meaning_words(struct arena *a, struct json *body);

/* What @words mean, by the model @name. Without a vector: it could not be found out in time, or the
 * key may not call @name. E_RATE_LIMITED, E_BUDGET: a limit has no room for the question. */
Err llm_meaning_find(struct llm_call *c, const struct llm_view *view, Str name, Str words,
                     struct llm_embedding *ret_embedding) YIELDS;
/* @near as it is for vectors of this maker alone. */
void llm_meaning_of(const struct llm_embedding *e, uint8_t near[LLM_CACHE_HASH]);

#endif
