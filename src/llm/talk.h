/* src/llm/talk.h - conversations of responses that are kept here: items of turns as one input.
 *
 * A turn that is kept is {"input": as the client sent it, "response": as it was answered}. Pure.
 */
#ifndef LLM_TALK_H
#define LLM_TALK_H

#include "base/buf.h"
#include "base/id.h"
#include "base/json.h"

enum { LLM_RESPONSE_ID_MAX = 37 + 1 };

/* "resp_" and 32 hexadecimal digits. */
Str llm_response_id(struct arena *a, Id id);
/* Whether @text is such an id. */
bool llm_response_id_parse(Str text, Id *ret_id);
/* The response of which @text is the id of an item, and the item's place in it. */
bool llm_item_id_parse(Str text, Id *ret_response, unsigned *ret_index);

/* Add the items of a turn to a list that is being written (a comma before each but the first of the
 * list), as they are sent again: without the ids and states they had. E_CORRUPT if @turn is none;
 * E_TOO_LARGE. @work is emptied. */
Err llm_talk_add(struct arena *work, Str turn, struct buf *list);
/* The same of the "input" of a request: a text or a list. */
Err llm_talk_add_input(Str input, struct buf *list);
/* The responses that items of @list refer to by ids of ours, each once, at most @max of them in
 * @ids; *ret_n may be more. */
void llm_talk_refs(const struct json *list, Id *ids, size_t max, size_t *ret_n);
struct llm_talk_turn;
/* @list with the items of @turns in the place of those that refer to them. E_NOT_FOUND: *ret_gone
 * is the id of one that is not there. */
Err llm_talk_resolve(struct arena *work, const struct json *list, const struct llm_talk_turn *turns,
                     size_t n, struct buf *out, Str *ret_gone);

/* A page of the items of which the last of @turns was made, as clients see them: each has an id. */
struct llm_talk_turn {
    Id id; /* of the response */
    Str text;
};
enum { LLM_TALK_PAGE_MAX = 100 };
struct llm_talk_range {
    size_t limit; /* at most LLM_TALK_PAGE_MAX */
    bool newest_first;
    Str after; /* the id of an item; empty: from the beginning */
};
Err llm_talk_page(struct arena *work, const struct llm_talk_turn *turns, size_t n,
                  const struct llm_talk_range *range, struct buf *out);

#endif
