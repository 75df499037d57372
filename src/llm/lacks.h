/* src/llm/lacks.h - which providers have no responses, by their kind or as was found out by asking.
 *
 * Of some kinds of servers nobody can tell before. What was found out counts for ten minutes, in
 * this process, and for the provider as it was then.
 */
#ifndef LLM_LACKS_H
#define LLM_LACKS_H

#include "llm/llm.h"

struct llm_lacks;

/* Whether it has OpenAI's responses. A provider of the kind "openai" whose address is not OpenAI's
 * is whatever stands behind OPENAI_BASE_URL: PERHAPS. */
enum llm_has_responses llm_responses_of(const struct llm_provider *p);

struct llm_lacks *llm_lacks_new(void);
void llm_lacks_free(struct llm_lacks *lacks);
/* Any thread; none of them yields. */
void llm_lacks_note(struct llm_lacks *lacks, const struct llm_provider *p, Usec now);
bool llm_lacks_has(struct llm_lacks *lacks, const struct llm_provider *p, Usec now);

#endif
