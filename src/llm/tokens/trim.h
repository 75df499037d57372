/* src/llm/tokens/trim.h - a conversation made to fit into a window: the oldest of it is left out.
 *
 * What the system says stays, and the last question of the user with what followed last. Whole
 * turns go first, the oldest before all others: a question of the user and all that answered it.
 * When only the last one is left, its oldest rounds go: calls of tools together with their results.
 * So a result never stands without its call, nor a call without its result. Pure.
 */
#ifndef LLM_TRIM_H
#define LLM_TRIM_H

#include "base/json.h"
#include "llm/tokens/tokens.h"

enum { LLM_TRIM_MAX = 100000 }; /* messages */

struct llm_trimmed {
    const struct json *messages; /* those that stay; the list itself if all do */
    size_t dropped;
    int64_t tokens; /* of the whole request, as it is then */
};

/* @body: a request of chat, messages or responses; @empty: a tally in which nothing was counted
 * yet. What stays may be more than @most still. E_TOO_LARGE past LLM_TRIM_MAX messages. */
Err llm_trim(struct arena *a, const struct llm_tally *empty, const struct json *body, int64_t most,
             struct llm_trimmed *ret_trimmed);

#endif
