/* src/llm/repair.h - what servers of OpenAI's dialect get wrong about calls of tools, put right.
 *
 * Measured with the clients that are in use: without "index" OpenAI's helper loses the call, and
 * with finish_reason "stop" agents take a call for the end of the talk. Whoever says it right is
 * left alone. Pure.
 */
#ifndef LLM_REPAIR_H
#define LLM_REPAIR_H

#include "base/json.h"

enum { LLM_REPAIR_CHOICES = 16, LLM_REPAIR_ID_MAX = 64 };

/* Of one stream. Zero is its beginning. */
struct llm_repair {
    uint32_t called;                    /* a bit for each choice that calls tools */
    uint16_t calls[LLM_REPAIR_CHOICES]; /* of each, so far */
    char id[LLM_REPAIR_ID_MAX];         /* of the last call */
    size_t id_n;
    bool numbered; /* the server numbers its calls: their fragments need not be looked at */
};

/* Put the chunk @v right; whether there was something to be done. What is new lives in @a,
 * which has room for a copy of each call. */
bool llm_repair_chunk(struct llm_repair *r, struct arena *a, struct json *v);
/* The same for the "choices" of a whole answer. */
bool llm_repair_choices(struct arena *a, struct json *choices);

#endif
