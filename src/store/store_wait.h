/* src/store/store_wait.h - steps that wait for an answer, answers on their way to them, and events.
 *
 * A wait is written in the transaction of the event that begins it. An answer is put beside it, the
 * run is marked (run.mail) and made due; whoever holds the run takes the answers and deletes them
 * in the transaction of what they lead to. So an answer that was accepted counts once, wherever the
 * run is, and whoever dies.
 */
#ifndef STORE_STORE_WAIT_H
#define STORE_STORE_WAIT_H

#include "store/db.h"

static const Usec STORE_EVENT_KEPT = USEC_DAY;

/* What an event and a wait for it have in common: a hash of name and key, 32 bytes in @a. */
Str store_event_topic(struct arena *a, Str name, Str key);

struct event_wait {
    Id id, tenant;
    Str topic;
    Id run;
    Usec created_at;
};
typedef VEC(struct event_wait) EventWaits;
/* Queue it, or its end: what was answered to it goes too. */
void store_event_wait_insert(struct db_tx *tx, const struct event_wait *w);
void store_wait_end(struct db_tx *tx, Id wait);
/* Queue the end of all waits of a run. */
void store_wait_end_run(struct db_tx *tx, Id run);
/* Those for @topic with id > @after, in order. */
Err store_event_waits(struct db *db, struct arena *a, Id tenant, Str topic, Id after, int limit,
                      EventWaits *ret_waits) YIELDS;

/* ---- answers ---- */

struct answer_row {
    Id wait, run;
    Str source; /* up to 32 bytes */
    Str body;   /* JSON */
};
typedef VEC(struct answer_row) AnswerRows;
/* Queue the answer of an event, if the wait is there still and @source has not answered yet, and
 * mark its run. */
void store_answer_put(struct db_tx *tx, const struct answer_row *row, Usec now);
/* The same for a wait that is known to be there, from whom has not answered. */
void store_answer_post(struct db_tx *tx, const struct answer_row *row, Usec now);
/* Those of a run that it has not taken, oldest first, and its mark. */
Err store_answers_of(struct db *db, struct arena *a, Id run, int limit, int64_t *ret_mail,
                     AnswerRows *ret_rows) YIELDS;
/* Queue that @row was taken. */
void store_answer_taken(struct db_tx *tx, const struct answer_row *row);
/* Queue that there is something for the run to look at, and make it due. */
void store_mail_put(struct db_tx *tx, Id run);
/* Queue that the run has looked; more may have come since, then the mark stays. */
void store_mail_seen(struct db_tx *tx, Id run, int64_t epoch, int64_t mail);
/* Runs held by @node with answers that they have not looked at. */
struct run_ids {
    Id at[1000];
    size_t n;
};
Err store_runs_with_mail(struct db *db, struct arena *a, Id node, struct run_ids *ret_ids) YIELDS;

/* ---- events ---- */

struct event_row {
    Id id, tenant;
    Str topic;
    Str body;             /* JSON */
    Str key, fingerprint; /* of idempotency, 32 bytes each; empty: none */
    bool is_delivered;
};
typedef VEC(struct event_row) EventRows;
/* All waits of the moment have it: @n of them. Until then it is among the undelivered. */
void store_event_delivered(struct db_tx *tx, Id event, int64_t n);
/* Events made before @before that are not delivered: whoever sent them was interrupted. */
Err store_events_undelivered(struct db *db, struct arena *a, Id before, int limit,
                             EventRows *ret_rows) YIELDS;
/* Queue it; E_EXISTS when its idempotency key was used. */
void store_event_put(struct db_tx *tx, const struct event_row *row);
/* The event of an idempotency key and what it was used for. */
Err store_event_by_key(struct db *db, struct arena *a, Id tenant, Str key,
                       struct event_row *ret_row) YIELDS;
/* Those that came since, oldest first. */
Err store_events_since(struct db *db, struct arena *a, Id tenant, Str topic, Id after, int limit,
                       EventRows *ret_rows) YIELDS;
/* Delete up to @limit events that are older than STORE_EVENT_KEPT, and answers that nobody waits
 * for. */
Err store_events_expire(struct db *db, struct arena *a, Usec now, int limit, int *ret_n) YIELDS;

#endif
