/* src/wf/nodes/llm_reply.h - what a model server says, as chat completions have it: answers, whole
 * or in pieces, and errors.
 *
 * Texts of errors hold nothing that the server wrote but short code words: messages of providers
 * repeat keys and prompts.
 */
#ifndef WF_NODES_LLM_REPLY_H
#define WF_NODES_LLM_REPLY_H

#include "wf/nodes/call.h"

enum { LLM_TEXT_MAX = 4 << 20 }; /* bytes of an answer */

struct llm_reply {
    const struct step_call *call;
    struct arena *a;       /* of the attempt */
    struct arena *scratch; /* of one piece */
    struct buf text;
    Str model, finish_reason;
    int64_t prompt_tokens, completion_tokens, total_tokens; /* -1: not told */
    size_t chunks;
    bool done; /* [DONE] came */
};

void llm_reply_init(struct llm_reply *r, const struct step_call *call);
void llm_reply_done(struct llm_reply *r);
/* Whether the answer is whole. */
bool llm_reply_is_whole(const struct llm_reply *r);

/* Take the data of one event of the stream; *ret_piece is the text in it, valid until the next
 * call. */
Err llm_reply_chunk(struct llm_reply *r, Str data, Str *ret_piece);
/* Take an answer that came whole. */
Err llm_reply_body(struct llm_reply *r, Str body);
/* What an answer with another status than 200 means. */
Err llm_reply_status(struct llm_reply *r, int status, const HttpHeaders *headers, Str body);
/* The end came before the answer was whole. */
Err llm_reply_cut(const struct llm_reply *r);
/* {"prompt_tokens", "completion_tokens", "total_tokens"}, or null. */
struct json *llm_reply_usage(const struct llm_reply *r);

#endif
