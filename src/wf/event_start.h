/* src/wf/event_start.h - workflows that events start.
 *
 * What happens is written beside each workflow that listens, with the transaction in which it
 * happens (store_event_start.h). A fiber takes what is there, asks the trigger whether it is meant,
 * and starts the run with the event's id as its key, in the transaction in which the event is let
 * go: once, whatever crashes. Each run knows the workflows whose runs led to it: an event does not
 * start one of these again, and no such chain is longer than 16.
 */
#ifndef WF_EVENT_START_H
#define WF_EVENT_START_H

#include "store/store_event_start.h"
#include "wf/engine_private.h"

/* Queue that @name has happened to @run, with @data; if somebody listens. */
void run_event_put(struct wf_run *run, struct arena *a, struct db_tx *tx, Str name, Usec at,
                   const struct json *data);
/* Queue what has happened to no run: @data as the gateway tells it. */
void event_noticed_put(struct wf_engine *e, struct arena *a, struct db_tx *tx, Id tenant, Str name,
                       Usec at, const struct json *data);
/* Queue that an event was sent. */
void event_sent_put(struct wf_engine *e, struct arena *a, struct db_tx *tx,
                    const struct event_row *row, const struct wf_send *send);
bool event_starts_any(struct wf_engine *e);
/* What @run leaves to the runs that it leads to; NULL: nothing. */
struct json *run_cause_below(const struct wf_run *run, struct arena *a);

Err event_starts_new(struct wf_engine *e, struct event_starts **ret_starts);
/* There is something to look at. On any shard. */
void event_starts_moved(struct event_starts *s);
void event_starts_stop(struct event_starts *s);
bool event_starts_stopped(struct event_starts *s);
void event_starts_free(struct event_starts *s);

#endif
