/* src/llm/states.h - how each provider is: what became of calls and probes, as this process saw it.
 *
 * A provider that its probes take for down is passed over by routes; calls of its own names still
 * go there, and one that it answers takes it for up. Any thread.
 */
#ifndef LLM_STATES_H
#define LLM_STATES_H

#include "llm/llm.h"
#include "llm/targets.h"
#include "llm/vitals.h"

struct llm_provider_state {
    int64_t revision; /* of the provider that was probed */
    struct llm_vitals vitals;
    struct llm_probed probed;
    bool kept_ok; /* as it was stored last */
    Usec kept_at; /* monotonic; 0: it was not */
};

/* An attempt at @p ended so. @first_byte: how long that took; 0: none came. */
void llm_state_note(struct llm *llm, const struct llm_provider *p, enum llm_fate fate,
                    Usec first_byte);
/* A copy. */
struct llm_provider_state llm_state_look(struct llm *llm, const struct llm_provider *p);
/* "up", "down" (say its probes), "failing" (its last calls did), "unknown", "off". */
const char *llm_state_name(const struct llm_provider *p, const struct llm_provider_state *s);

/* Whether a probe of @p is due; then one is under way until it is told below. */
bool llm_state_probe_take(struct llm *llm, const struct llm_provider *p);
/* It has ended. @why: how it failed; empty: it did not. @target: the one that was called; NULL:
 * none was. Whether it is to be stored, since it is another outcome or that was a minute ago. */
bool llm_state_probed(struct llm *llm, const struct llm_provider *p, Str why, Usec took,
                      const struct llm_target *target);
/* It said nothing about the provider: the server ends, or, with @why, it could not be made. Whether
 * that is new. */
bool llm_state_probe_drop(struct llm *llm, const struct llm_provider *p, Str why);

/* A target of a provider. */
struct llm_target_row {
    Id provider;
    Str model;
    struct llm_target_state state;
};
typedef VEC(struct llm_target_row) LlmTargetRows;
/* Those that were called since the start, of the providers of @tenant in @view, @max at most. */
void llm_targets_list(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant,
                      size_t max, LlmTargetRows *ret_rows);

#endif
