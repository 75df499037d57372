/* src/wf/flow_plan.h - flow control as a workflow's settings say it, and who may pass a gate now.
 * Pure.
 *
 * Rates are kept by the generic cell rate algorithm (ITU-T I.371, annex A): one number a key, the
 * time at which the next would be exactly in time.
 */
#ifndef WF_FLOW_PLAN_H
#define WF_FLOW_PLAN_H

#include "store/store_flow.h"
#include "wf/node.h"

/* The table of a struct wf_flow_rate, and of settings.flow, into a struct wf_flow. */
extern const struct field wf_rate_fields[];
extern const struct field wf_flow_fields[];
/* Whether anything is limited: then runs pass a gate. */
bool wf_flow_limits(const struct wf_flow *flow);
/* Whether starts are gathered first (gather.c). */
bool wf_flow_gathers(const struct wf_flow *flow);
/* What cannot be together, as a sentence, and the field it is about; NULL: nothing. */
const char *wf_flow_fault(const struct wf_flow *flow, const char **ret_field);

/* The time between two of a rate, and how much one may come before its time. */
Usec wf_flow_gap(const struct wf_flow_rate *rate);
Usec wf_flow_slack(const struct wf_flow_rate *rate);
/* A time that lies further ahead than any could was written before the clock was set back: now
 * then. */
Usec wf_flow_clock(Usec at, Usec now, Usec gap, Usec slack);

struct flow_room {
    size_t n;         /* of those that wait, so many may pass */
    Usec throttle_at; /* of the gate after that */
    Usec next_at;     /* wall: when the next may, for time alone; 0: time does not help */
};
struct flow_room wf_flow_room(const struct flow_look *look, Usec now);

#endif
