/* src/wf/nodes/step.h - what the functions of several node types share. */
#ifndef WF_NODES_STEP_H
#define WF_NODES_STEP_H

#include "wf/node.h"

/* How deep JSON from outside may be: outputs made of it nest deeper, and 200 is the end. */
enum { STEP_DEPTH_MAX = 100 };

/* Whether a step that builds a value piece by piece may go on: E_TOO_LARGE when it has taken 192
 * MiB since arena_used() was @began, or when its arena is nearly full. */
static inline Err step_room(const struct wf_step *step, size_t began)
{
    size_t used = arena_used(step->a), max = arena_max(step->a);

    if (used - began < MIB(192) && used + MIB(8) < max)
        return OK;
    return err_detail(E_TOO_LARGE, "The result of node %.*s is too large to be made.",
                      P(step->node->id));
}

#endif
