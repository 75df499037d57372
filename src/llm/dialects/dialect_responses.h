/* src/llm/dialects/dialect_responses.h - the files of OpenAI's responses, to each other.
 *
 * What a model thought comes to the client as a "reasoning" item. What its provider wants back with
 * it (a signature, or thinking that only it can read) is in the item's encrypted_content, behind
 * the name of the dialect it is of: nobody else is sent it.
 */
#ifndef LLM_DIALECT_RESPONSES_H
#define LLM_DIALECT_RESPONSES_H

#include "llm/dialects/stream.h"

/* What an encrypted_content of ours begins with: "heddle1.DIALECT.K.DATA". */
#define LLM_SEALED "heddle1."
enum llm_sealed_kind {
    LLM_SEALED_THINKING = 't', /* the signature of the item's summary */
    LLM_SEALED_REDACTED = 'r', /* thinking itself */
    LLM_SEALED_CALL = 'c'      /* the signature of the call that follows */
};

enum { LLM_ITEM_ID_MAX = 48 };

Err llm_responses_read_request(struct llm_chat *c, const struct json *body);
Err llm_responses_frame(struct llm_chat *c, const struct json *body, struct llm_reply *reply);
struct json *llm_responses_write_answer(struct arena *a, const struct llm_answer *answer);
void llm_responses_write_delta(struct llm_stream *s, const struct llm_delta *d);
struct json *llm_responses_write_error(struct arena *a, int status, Str message, Str code);
struct json *llm_responses_usage(struct arena *a, const struct llm_usage *u);
/* "msg_" and what else begins the id of an item, the response's id, the item's place. */
Str llm_responses_item_id(char out[LLM_ITEM_ID_MAX], const char *prefix, Str response,
                          unsigned index);
/* Why an answer is not whole; NULL: it is. */
const char *llm_responses_incomplete(enum llm_finish finish);

#endif
