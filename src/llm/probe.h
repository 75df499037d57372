/* src/llm/probe.h - whether a provider is asked from time to time if it is there, and what became
 * of it. Pure.
 *
 * Off unless a provider says otherwise. The kind "models" asks for its list of models, which costs
 * nothing; "completion" has a named model say a word, which may cost something and so must be asked
 * for by that name. So many failures in a row take a provider for down; so many answers in a row,
 * or one real call that it answers, take it for up again.
 */
#ifndef LLM_PROBE_H
#define LLM_PROBE_H

#include "base/json.h"
#include "base/time.h"

enum { LLM_PROBES_MAX = 20, LLM_PROBE_WHY_MAX = 200 };

struct llm_probe {
    Usec every; /* 0: never */
    Usec timeout;
    Str model; /* that says a word; empty: the list of models is asked for */
    unsigned down_after, up_after;
};

/* {"every": "30s", "kind": "models", "timeout": "10s", "down_after": 3, "up_after": 2}, or of the
 * kind "completion" with a "model"; only every is needed. null or absent: never. E_INVALID names
 * what is wrong. Borrows @v. */
Err llm_probe_read(const struct json *v, struct llm_probe *ret_probe);
/* NULL for never. */
struct json *llm_probe_json(struct arena *a, const struct llm_probe *probe);
/* When the next one is: @every and up to a tenth more or less by @chance, so that the servers of a
 * fleet do not ask in the same moment. */
Usec llm_probe_next(const struct llm_probe *probe, Usec now, uint64_t chance);

enum llm_probed_as { LLM_PROBED_UNKNOWN, LLM_PROBED_UP, LLM_PROBED_DOWN };

/* Zero: nothing is known. */
struct llm_probed {
    enum llm_probed_as state;
    unsigned in_a_row; /* outcomes like the last one */
    bool ok;           /* the last one */
    Usec at, took;     /* of it; wall; at 0: there was none */
    Usec since;        /* that the state is so; wall */
    Usec next_at;      /* monotonic */
    bool under_way;
    char why[LLM_PROBE_WHY_MAX + 1]; /* it failed */
};

/* A probe has ended; @why: how it failed, empty: it did not. Whether the provider went down, or
 * came back from there. */
bool llm_probed_note(struct llm_probed *p, const struct llm_probe *probe, Str why, Usec took,
                     Usec wall);
/* A probe could not be made, which says nothing of the provider. Whether @why is new. */
bool llm_probed_failed(struct llm_probed *p, Str why, Usec wall);
/* It has answered a call: probes that fail count anew. Whether it was taken for down. */
bool llm_probed_alive(struct llm_probed *p, Usec wall);

#endif
