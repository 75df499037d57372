/* src/store/store_schedule.h - when workflows with a schedule fire next.
 *
 * A row belongs to the published version of its workflow: it is written in the transaction that
 * publishes, and taken away by the one that publishes something else or deletes. It moves on in the
 * transaction of the run it starts, from the very time it stood at: of several nodes, or of a node
 * and itself after a crash, one fires.
 */
#ifndef STORE_STORE_SCHEDULE_H
#define STORE_STORE_SCHEDULE_H

#include "store/db.h"

struct schedule_row {
    Id workflow, tenant;
    int version;
    Str hash;             /* of the version's definition */
    Str spec;             /* the settings as text: another text is another schedule */
    Usec anchor;          /* what intervals are counted from */
    Usec next_at, due_at; /* the next time; the same with jitter */
    Usec last_at;         /* the last time that fired; 0: none */
    Id last_run;
};

/* Queue what a publication means: @row, or NULL for a version without a schedule. The same @spec as
 * before keeps its anchor and its times. */
void store_schedule_put(struct db_tx *tx, Id workflow, const struct schedule_row *row);
/* Queue the step from @row to @next_at and @due_at, as found at wall time @now: a clock that was
 * ahead then is told by it, also when it was set back before this is written. E_CONFLICT of the
 * transaction: the row is at another time or version by now. @run was started for @fired_at;
 * ID_NONE: nothing fired. */
void store_schedule_advance(struct db_tx *tx, const struct schedule_row *row, Usec next_at,
                            Usec due_at, Usec fired_at, Id run, Usec now);
/* E_NOT_FOUND. */
Err store_schedule_get(struct db *db, struct arena *a, Id workflow, struct schedule_row *ret_row)
    YIELDS;
/* Give @fn every row that is due at @from <= due_at < @to, in that order, at most @limit; *ret_n is
 * how many. @fn must not yield. */
Err store_schedule_due(struct db *db, struct arena *a, Usec from, Usec to, size_t limit,
                       void (*fn)(void *ctx, Id workflow, Usec due_at), void *ctx, size_t *ret_n)
    YIELDS;
/* Rows that were written after @now: the clock was set back. */
typedef VEC(struct schedule_row) ScheduleRows;
Err store_schedule_ahead(struct db *db, struct arena *a, Usec now, int limit,
                         ScheduleRows *ret_rows) YIELDS;

#endif
