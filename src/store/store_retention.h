/* src/store/store_retention.h - how long runs that have ended are kept, and deleting them.
 *
 * A run is deleted with all that is its own in one transaction, and with the large values that
 * nobody else has (store_payload.h). Deleting states what it takes for granted: a run that somebody
 * has marked to be kept meanwhile, or that another node has deleted, fails the transaction with
 * E_CONFLICT, and whoever deletes looks again.
 */
#ifndef STORE_STORE_RETENTION_H
#define STORE_STORE_RETENTION_H

#include "store/store_run.h"

enum retention_outcome {
    RETENTION_SUCCEEDED,
    RETENTION_FAILED,
    RETENTION_CANCELLED,
    RETENTION_OUTCOMES,
};

/* Of runs that ended so. 0: nothing is said. */
struct retention_rule {
    Usec age;      /* since the end */
    int64_t count; /* so many, the newest */
};
struct retention {
    struct retention_rule of[RETENTION_OUTCOMES];
};

/* Queue the rules of @owner, a workflow or the tenant itself; NULL: it has none. */
void store_retention_put(struct db_tx *tx, Id owner, Id tenant, const struct retention *rules);
/* All zero when it has none. */
Err store_retention_get(struct db *db, struct arena *a, Id owner, struct retention *ret_rules)
    YIELDS;

/* Workflows, deleted ones too, by their id, with their own rules and those of their tenant. */
struct retention_row {
    Id workflow, tenant;
    struct retention own, of_tenant;
};
typedef VEC(struct retention_row) RetentionRows;
Err store_retention_list(struct db *db, struct arena *a, Id after, int limit,
                         RetentionRows *ret_rows) YIELDS;

/* Which runs of a workflow to delete. */
struct retention_range {
    Id workflow;
    int first_state, last_state;
    Id after, before;     /* their ids are between these */
    Usec finished_before; /* 0: whenever */
};
struct ended_run {
    Id id, tenant;
    int64_t bytes; /* of its journal */
    bool has_approvals, has_parent, has_key, has_payloads;
};
typedef VEC(struct ended_run) EndedRuns;
/* The oldest of them that are not kept. */
Err store_retention_find(struct db *db, struct arena *a, const struct retention_range *range,
                         int limit, EndedRuns *ret_runs) YIELDS;
/* The newest run of @workflow in @state that is older than the @count newest; E_NOT_FOUND. */
Err store_retention_beyond(struct db *db, struct arena *a, Id workflow, int state, int64_t count,
                           Id *ret_id) YIELDS;
/* Delete the first of @runs, as many as hold up nobody: *ret_n. E_CONFLICT: look again. */
Err store_retention_delete(struct db *db, struct arena *a, const EndedRuns *runs, size_t *ret_n)
    YIELDS;

/* Mark a run to be kept, or not any more. E_NOT_FOUND. */
Err store_run_keep(struct db *db, struct arena *a, Id tenant, Id run, bool keep) YIELDS;

#endif
