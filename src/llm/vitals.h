/* src/llm/vitals.h - how calls of a provider went of late. Pure; the caller brings the time and a
 * lock.
 *
 * Every attempt that reached for the provider counts once, for a quarter of an hour, by minutes.
 * What the request itself was at fault for (refused) is no failure of the provider.
 */
#ifndef LLM_VITALS_H
#define LLM_VITALS_H

#include "llm/balance.h"
#include "llm/hedge.h"

enum llm_fate {
    LLM_FATE_OK,
    LLM_FATE_REFUSED,     /* 4xx that no other row has */
    LLM_FATE_LIMITED,     /* 429 */
    LLM_FATE_DENIED,      /* 401, 402, 403: our credential or credit */
    LLM_FATE_FAILED,      /* 408, 5xx */
    LLM_FATE_UNREACHABLE, /* no connection */
    LLM_FATE_TIMEOUT,     /* it was silent for too long */
    LLM_FATE_CUT,         /* it stopped in the middle of an answer */
    LLM_FATE_UNUSABLE,    /* what it answered is nothing that can be handed on */
    LLM_FATES
};
extern const Str llm_fate_names[LLM_FATES];
/* Of an answer with another status than 200. */
enum llm_fate llm_fate_of(int status);
/* Of an attempt that ended with an error and no status. */
enum llm_fate llm_fate_of_error(Err e);
static inline bool llm_fate_is_alive(enum llm_fate fate)
{
    return fate <= LLM_FATE_LIMITED;
}

enum { LLM_VITAL_MINUTES = 15 };

struct llm_vitals {
    struct {
        Usec from; /* a whole minute, monotonic */
        uint32_t n[LLM_FATES];
    } minutes[LLM_VITAL_MINUTES];
    struct llm_latency latency;
    struct llm_pace pace;
    enum llm_fate last;
    Usec last_at;      /* wall; 0: there was none */
    unsigned in_a_row; /* failures since it last was alive */
};

/* @first_byte: how long it took; 0: not known. */
void llm_vitals_note(struct llm_vitals *v, enum llm_fate fate, Usec first_byte, Usec now,
                     Usec wall);
/* Of the last quarter of an hour. */
void llm_vitals_sum(const struct llm_vitals *v, Usec now, int64_t ret_n[LLM_FATES]);

#endif
