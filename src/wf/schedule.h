/* src/wf/schedule.h - starts runs by the clock.
 *
 * The rows of the store are the schedule; what is due in the next half minute is in memory. One
 * fiber waits for the next moment, and fires on all shards, so many at once and no more. A run
 * starts in the transaction that moves its row on, and its idempotency key is the scheduled time:
 * whatever crashes, a time fires once. In a fleet each node minds its share of the workflows; one
 * that is overdue is fired by whoever sees it.
 */
#ifndef WF_SCHEDULE_H
#define WF_SCHEDULE_H

#include "wf/engine.h"

struct wf_scheduler;

/* Start it on this shard. The engine outlives it. */
struct wf_scheduler *wf_scheduler_new(struct wf_engine *e);
/* Fire nothing any more, and wait for what is being fired. */
void wf_scheduler_stop(struct wf_scheduler *s) YIELDS;
void wf_scheduler_free(struct wf_scheduler *s);
/* The row of @workflow was written or deleted: look at it. Any thread; NULL is allowed. */
void wf_scheduler_changed(struct wf_scheduler *s, Id workflow);

#endif
