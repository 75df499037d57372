/* src/llm/targets.h - how the targets of routes are: their health, how quick they are, what is
 * under way.
 *
 * A call takes a target before it calls it and tells how it was afterwards: one of note, drop and
 * lost for each take. Of a target that may have so many calls at once, and has them, others wait:
 * first come first served, but in turns by key, so that one key's thousand calls do not stand
 * before another's one.
 */
#ifndef LLM_TARGETS_H
#define LLM_TARGETS_H

#include "llm/balance.h"
#include "llm/gate.h"
#include "llm/health.h"
#include "llm/hedge.h"
#include "llm/llm.h"

enum { LLM_TARGET_WAITING_MAX = 1000 };

struct llm_target_state {
    struct llm_health health;
    struct llm_latency latency;
    struct llm_pace pace;
    unsigned under_way;
    struct llm_gate gate;
    bool down; /* its provider is, say its probes; of copies alone */
};

enum llm_take { LLM_TAKEN, LLM_RESTS, LLM_FULL };

/* @most: calls that it may have at once; 0: any number. @has_turn: after llm_target_wait. Any
 * thread. */
enum llm_take llm_target_take(struct llm *llm, const struct llm_target *target, unsigned most,
                              bool has_turn);
/* @first_byte: how long it took; 0: none came. */
void llm_target_note(struct llm *llm, const struct llm_target *target, enum llm_verdict verdict,
                     Usec retry_after, Usec first_byte);
void llm_target_drop(struct llm *llm, const struct llm_target *target);
/* The call was given up after @waited, since another target answered first: that says nothing of
 * its health, and of its speed that it is no quicker than this. */
void llm_target_lost(struct llm *llm, const struct llm_target *target, Usec waited);
/* Wait until it is the turn of a call of @key; @again: it had its turn and found no room.
 * E_OVERLOADED: too many wait; E_TIMEOUT, E_CANCELLED. */
Err llm_target_wait(struct llm *llm, const struct llm_target *target, Id key, bool again,
                    Usec deadline) YIELDS;
/* A copy; its gate has only the number of those who wait. */
struct llm_target_state llm_target_look(struct llm *llm, const struct llm_target *target);

#endif
