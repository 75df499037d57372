/* src/wf/nodes/conditions.h - typed comparisons: lists of {left, operator, right} in a node's
 * settings. */
#ifndef WF_NODES_CONDITIONS_H
#define WF_NODES_CONDITIONS_H

#include "wf/node.h"
#include "wf/pattern.h"

enum { CONDITIONS_MAX = 100 };

struct operator;
struct one_condition {
    struct wf_value *left, *right;
    Str operator;
    const struct operator* op;
    struct wf_pattern *pattern; /* of "matches" with a fixed right side */
};

/* Of one comparison, for a field of the kind F_LIST. */
extern const struct field condition_fields[];

/* Look closer at such a list that was read, at @at. */
void conditions_check(struct wf_check *ck, Str at, const struct wf_list *list);
/* Whether all hold (@logic "and") or one ("or"), looked at in order and no further than it takes.
 * @of: "case \"a\"", for errors. */
Err conditions_hold(struct wf_step *step, const struct wf_list *list, Str logic, Str of,
                    bool *ret_hold) YIELDS;

#endif
