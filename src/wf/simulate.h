/* src/wf/simulate.h - how a workflow behaves under faults: many simulated runs of it, and what came
 * of them.
 *
 * Conditions, transforms, loops and whatever else is computed are computed as in production. Steps
 * that call out are not called: they give their mock, or a placeholder (sample.h), or one of the
 * failures that such calls have; people, events and other workflows answer or do not. Times are
 * those of a virtual clock. Everything follows from the seed.
 */
#ifndef WF_SIMULATE_H
#define WF_SIMULATE_H

#include "wf/core.h"

enum { WF_SEEDS_MAX = 1000000 };

struct wf_simulate {
    struct wf_def *def;
    const struct json *input, *vars; /* NULL: a value that the trigger's schema asks for; none */
    const struct json *mocks;        /* {node: {output, handle}}, NULL: none */
    uint64_t first, seeds;           /* first, first + 1, ... */
    double fail;                     /* 0..1: how often what can fail does */
    bool traced;                     /* what happened, of the first seed, is in the report */
    Usec budget;       /* of real time; 0: none. Seeds that are left out are not done */
    size_t max_output; /* bytes of a step's output */
};

/* The report, in @a: as docs/guide/simulate.md says. E_INVALID: the input or a mock is wrong. For
 * fibers and for workers. */
Err wf_simulate(struct arena *a, const struct wf_simulate *s, struct json **ret_report) YIELDS;

#endif
