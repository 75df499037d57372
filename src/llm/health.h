/* src/llm/health.h - whether a target of a route is worth a call just now.
 *
 * After five failures in a row a target rests for half a minute; then one call tries whether it is
 * well again, and the others wait for its outcome. A refusal for too many calls rests it as long as
 * it asked for. A target that answers anything else is well. Pure; the caller brings the time and a
 * lock.
 */
#ifndef LLM_HEALTH_H
#define LLM_HEALTH_H

#include "base/time.h"

enum { LLM_FAILURES_MAX = 5 };

struct llm_health {
    unsigned failures; /* in a row */
    bool probing;      /* the one call is under way */
    Usec rest_until;   /* monotonic; 0: it does not rest */
};

enum llm_verdict { LLM_WELL, LLM_FAILED, LLM_LIMITED };

/* Whether it may be called at @now; if so and it rested, this call is the one that tries. */
bool llm_health_take(struct llm_health *h, Usec now);
/* How a call ended. @retry_after: what a refusal asked for; 0: nothing. */
void llm_health_note(struct llm_health *h, enum llm_verdict verdict, Usec retry_after, Usec now);
/* A call that was taken ended without saying anything about the target. */
void llm_health_drop(struct llm_health *h);
/* "well", "failing", "resting", "probing". */
const char *llm_health_name(const struct llm_health *h, Usec now);

#endif
