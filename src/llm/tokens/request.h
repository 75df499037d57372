/* src/llm/tokens/request.h - how many tokens a request is, in whatever dialect it is written.
 *
 * What the model reads is counted: the texts of messages, of the system, of calls and their
 * results, the definitions of tools. Pictures and files have a usual number, since what they come
 * to is only known to the provider. Pure.
 */
#ifndef LLM_TOKENS_REQUEST_H
#define LLM_TOKENS_REQUEST_H

#include "base/json.h"
#include "llm/tokens/tokens.h"

/* One message, or item of a response's input. */
void llm_tally_message(struct llm_tally *t, struct arena *a, const struct json *message);
/* All of the request @body. @a: for texts that are made. */
void llm_tally_request(struct llm_tally *t, struct arena *a, const struct json *body);

#endif
