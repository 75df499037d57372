/* src/llm/door_rounds.h - a call on its way through a route's targets, for door_route.c and
 * door_hedge.c alone. */
#ifndef LLM_DOOR_ROUNDS_H
#define LLM_DOOR_ROUNDS_H

#include "llm/door_private.h"

struct llm_rounds {
    struct llm_call *c;
    const struct llm_view *view;
    unsigned attempts; /* allowed */
    /* Of the last attempt: */
    bool any;  /* there was one */
    Err error; /* OK: it left a refusal */
    struct llm_refusal refusal;
    struct err_record record;
    struct llm_target target;
    unsigned char order[LLM_TARGETS_MAX];
    unsigned tried;  /* a bit for each target that was called in this round */
    unsigned untold; /* a bit for each target whose dialect has no words for the request, or that
                      * does not know the response before */
};

/* Target @i; false if it cannot be called at all. */
bool llm_rounds_pick(const struct llm_rounds *r, unsigned i, struct llm_target *ret_target);
/* An attempt of @c at target @i has ended with @e: tell how the target is, and remember what it
 * said. Whether another one may follow. Does not yield. */
bool llm_rounds_judge(struct llm_rounds *r, struct llm_call *c, unsigned i, Err e);

/* How long the target of r->c may be silent until another one is called beside it; 0: for ever. */
Usec llm_race_delay(const struct llm_rounds *r);
/* As llm_attempt() of r->c, whose target is *i and was taken; with further attempts at other
 * targets after each @delay. r->c becomes the attempt that counts, *i its target. (door_hedge.c) */
Err llm_race(struct llm_rounds *r, Usec delay, unsigned *i) YIELDS;

#endif
