/* src/llm/door_out.h - events of a stream on their way out, as their client wants them.
 *
 * All but one kind of clients take them as they are. Gemini's may ask for one list of JSON, which
 * grows: each event is an element of it. Nothing waits for that but the few bytes that begin a
 * line.
 */
#ifndef LLM_DOOR_OUT_H
#define LLM_DOOR_OUT_H

#include "base/buf.h"

struct llm_list {
    uint8_t state, matched;
    bool any;    /* an element was begun */
    bool inside; /* one has begun, and its event is not over */
    bool after_cr;
};

/* What of @piece, which may be cut anywhere, goes out. */
void llm_list_feed(struct llm_list *l, Str piece, struct buf *out);
/* What ends the list. */
Str llm_list_end(const struct llm_list *l);

#endif
