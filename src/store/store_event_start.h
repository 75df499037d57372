/* src/store/store_event_start.h - events that start workflows: who listens, and what is on its way.
 *
 * An event is written beside each workflow that listens for it by the transaction in which it
 * happens. Whoever works on it takes it for a while; it goes with the transaction of the run that
 * it starts. If that process dies it is due again, and starts the run once.
 */
#ifndef STORE_STORE_EVENT_START_H
#define STORE_STORE_EVENT_START_H

#include "store/db.h"

/* What the published version of @workflow listens for, with a space before, between and behind the
 * names; empty: nothing. Queue it. */
void store_event_trigger_put(struct db_tx *tx, Id tenant, Id workflow, Str events);
/* Whether anybody listens, of whatever tenant. */
Err store_event_trigger_any(struct db *db, struct arena *a, bool *ret_any) YIELDS;

struct event_start_row {
    Id id, workflow, tenant; /* id: of the event */
    Str event;
    Str body;  /* JSON */
    Str cause; /* JSON: the runs that led to it */
    bool refused;
    Str error;
    int attempts;
    Usec next_at, created_at;
};
typedef VEC(struct event_start_row) EventStartRows;

/* Queue one for each workflow of row->tenant that listens for row->event. What is in @row stays
 * until the commit. */
void store_event_start_put(struct db_tx *tx, const struct event_start_row *row);
/* Take up to @limit that are due at @now for @node, until @until. */
Err store_event_start_take(struct db *db, struct arena *a, Id node, Usec now, Usec until, int limit,
                           EventStartRows *ret_rows) YIELDS;
/* Give back what @node had taken, which is gone; none: what anybody had. */
Err store_event_start_free(struct db *db, struct arena *a, Id node) YIELDS;
/* Queue that it is over. E_CONFLICT when it is already. */
void store_event_start_done(struct db_tx *tx, const struct event_start_row *row);
/* It is tried again at @next_at; or never, because of @error, if @refused. */
Err store_event_start_tried(struct db *db, struct arena *a, const struct event_start_row *row,
                            Usec next_at, bool refused, Str error) YIELDS;
/* Those of a workflow, without bodies, the latest before @before first. */
Err store_event_start_list(struct db *db, struct arena *a, Id tenant, Id workflow, Id before,
                           int limit, EventStartRows *ret_rows) YIELDS;
/* Delete up to @limit refused ones from before @before. */
Err store_event_start_expire(struct db *db, struct arena *a, Usec before, int limit) YIELDS;

#endif
