/* src/wf/schedule_plan.h - what a schedule means: its times, and what becomes of those that were
 * missed. Pure.
 */
#ifndef WF_SCHEDULE_PLAN_H
#define WF_SCHEDULE_PLAN_H

#include "store/store_schedule.h"
#include "wf/nodes/node_trigger.h"

/* A time that lies back less than this is late; more, and it was missed: the catch-up policy says
 * what becomes of it. */
static const Usec WF_SCHEDULE_GRACE = USEC_MIN;

/* The first time after @after; USEC_NEVER. */
Usec wf_schedule_next(const struct wf_schedule_cfg *cfg, Usec anchor, Usec after);
/* @at put off by the schedule's jitter: the same for the same workflow and time. */
Usec wf_schedule_due(const struct wf_schedule_cfg *cfg, Id workflow, Usec at);

/* What is to be done with @row at @now. */
struct wf_schedule_turn {
    Usec fire_at; /* the time to start a run for; 0: none */
    Usec next_at; /* where the row goes */
    bool missed;  /* times were given up */
};
struct wf_schedule_turn wf_schedule_turn(const struct wf_schedule_cfg *cfg,
                                         const struct schedule_row *row, Usec now);

/* The row of a workflow whose version @version is @def and published at @now; false if that has no
 * schedule. Texts live in @a or @def. */
bool wf_schedule_row(struct arena *a, const struct wf_def *def, Id tenant, Id workflow, int version,
                     Usec now, struct schedule_row *ret_row);
/* The time @at on the clock of @tz: "2026-11-20T09:00:00+01:00". */
Str wf_schedule_local(struct arena *a, const struct tz *tz, Usec at);
/* What a run gets as its input. */
struct json *wf_schedule_input(struct arena *a, const struct wf_schedule_cfg *cfg, Usec at,
                               Usec now);
/* The next @n times after @after as JSON: [{at, local}]. */
struct json *wf_schedule_times(struct arena *a, const struct wf_schedule_cfg *cfg, Usec anchor,
                               Usec after, int n);

#endif
