/* src/store/store_run.h - runs, their journals, their leases and idempotency keys.
 *
 * A run belongs to the node that holds its lease: (lease_node, lease_epoch). Every write of a
 * journal states the epoch it believes in; when another node has taken the run since, the write
 * fails with E_CONFLICT and changes nothing. Clocks decide only when a lease may be taken, never
 * whether a write is right.
 */
#ifndef STORE_STORE_RUN_H
#define STORE_STORE_RUN_H

#include "store/store_payload.h"

struct run_row {
    Id id, tenant, workflow;
    int version;
    Str hash;   /* of the definition, 32 bytes */
    Str origin; /* "api", "webhook", ... */
    int state;  /* enum wf_run_state */
    Usec created_at, finished_at, wake_at;
    bool cancel_requested, pause, dry_run;
    bool keep;    /* it is not deleted, however old */
    int64_t mail; /* more than 0: answers came that it has not looked at (store_wait.h) */
    Id lease_node;
    int64_t lease_epoch;
    int crashes;
    Str workflow_name; /* lists and single reads only */
};
typedef VEC(struct run_row) RunRows;

/* As wake_at: the run waits, and nobody knows how long. 9999-12-31T23:59:59Z. */
#define STORE_WAKE_NEVER (253402300799 * USEC_S)

/* Queue the insert of a new run, held by row->lease_node in epoch row->lease_epoch. */
void store_run_insert(struct db_tx *tx, const struct run_row *row);
/* Queue the idempotency key of a new run; db_commit answers E_EXISTS when it is taken. @key is
 * hashed. */
void store_run_key_insert(struct db_tx *tx, struct arena *a, Id workflow, Str key, Str fingerprint,
                          Id run, Usec now);
/* Queue one batch of events that begins with @seq, and its large values. Fails the transaction with
 * E_CONFLICT unless the run is held in row->lease_epoch. @first: the run is inserted by the same
 * transaction. */
void store_journal_append(struct db_tx *tx, const struct run_row *row, int64_t seq,
                          const struct journal_batch *batch, bool first);
/* Fail the transaction with E_CONFLICT unless the run is held in @epoch. */
void store_run_fence(struct db_tx *tx, Id run, int64_t epoch);
/* Queue the run's new state. @finished_at, @wake_at 0: none. @release: give the lease back. */
void store_run_update(struct db_tx *tx, Id run, int64_t epoch, int state, Usec finished_at,
                      Usec wake_at, bool release);

/* Queue that the run rests: it gives the lease back and is not due, unless something has come for
 * it, or it may go on. @poisoned: nobody has asked for that. */
void store_run_rest(struct db_tx *tx, Id run, int64_t epoch, int state, bool poisoned);

/* E_NOT_FOUND unless it belongs to @tenant. */
Err store_run_get(struct db *db, struct arena *a, Id tenant, Id id, struct run_row *ret_row) YIELDS;
/* Whatever tenant: for the engine. */
Err store_run_get_any(struct db *db, struct arena *a, Id id, struct run_row *ret_row) YIELDS;
/* The run of an idempotency key and the fingerprint it was used with; E_NOT_FOUND. */
Err store_run_by_key(struct db *db, struct arena *a, Id workflow, Str key, Id *ret_run,
                     Str *ret_fingerprint) YIELDS;
struct run_filter {
    Id tenant;
    Id parent;   /* none: all; else workflow and state do not count */
    Id workflow; /* none: all */
    int state;   /* -1: all */
    Id before;   /* none: from the newest */
    int limit;
};
Err store_run_list(struct db *db, struct arena *a, const struct run_filter *filter,
                   RunRows *ret_rows) YIELDS;
/* The batches that hold events with seq > @after, in order: @fn gets the text of each, which stays
 * until it returns. No reader of the database is held meanwhile. E_CORRUPT, with a detail. */
Err store_journal_read(struct db *db, struct arena *a, Id run, int64_t after,
                       Err (*fn)(void *ctx, int64_t seq, Str events), void *ctx) YIELDS;

/* ---- leases ---- */

/* A node on the list, and the time of its last sign of life by its own clock. */
struct node_row {
    Id id;
    Usec seen_at;
};
typedef VEC(struct node_row) NodeRows;

Err store_node_register(struct db *db, Id node, Str name, bool alone) YIELDS;
/* E_CONFLICT when this node was taken off the list. */
Err store_node_seen(struct db *db, Id node) YIELDS;
Err store_node_list(struct db *db, struct arena *a, NodeRows *ret_rows) YIELDS;
Err store_node_forget(struct db *db, Id node) YIELDS;
/* Take @node off the list, unless it has given a sign of life since. */
Err store_node_bury(struct db *db, const struct node_row *node) YIELDS;
/* Runs that may be taken: without a lease, or of nodes that are not on the list. At most @limit. */
Err store_run_orphans(struct db *db, struct arena *a, int limit, RunRows *ret_rows) YIELDS;
Err store_run_due(struct db *db, struct arena *a, Usec now, int limit, RunRows *ret_rows) YIELDS;
/* Make every run that waits due at @now at the latest, so that it looks at the clock again. */
Err store_run_wake_all(struct db *db, struct arena *a, Usec now) YIELDS;
/* The earliest wake_at; 0 if nothing waits. */
Err store_run_next_wake(struct db *db, struct arena *a, Usec *ret_at) YIELDS;
/* Take those of @rows that nobody else has taken, in one transaction: epoch + 1. @ret_taken says of
 * each row whether it is @node's now. */
struct run_claim {
    Id node;
    bool crashed;      /* count a crash of those that had a holder */
    int running_state; /* what they are then */
};
Err store_run_claim(struct db *db, const RunRows *rows, const struct run_claim *claim,
                    bool *ret_taken) YIELDS;
/* After a claim of unknown outcome: what came of it, by the rows as they are. */
Err store_run_claimed(struct db *db, const RunRows *rows, Id node, bool *ret_taken) YIELDS;
/* Give the lease of @epoch back after a failure that is not the run's own; @crashed counts against
 * it. */
Err store_run_give_back(struct db *db, struct arena *a, Id run, int64_t epoch, bool crashed) YIELDS;
/* End a run whose journal cannot be continued: its row alone says so. */
Err store_run_close(struct db *db, struct arena *a, Id run, int64_t epoch, int state) YIELDS;
/* Ask for a cancel; E_NOT_FOUND, E_CONFLICT when it has ended. */
Err store_run_request_cancel(struct db *db, struct arena *a, Id tenant, Id run) YIELDS;
/* Ask a run to rest, or let it go on; crashes do not count any more then. E_NOT_FOUND, E_CONFLICT
 * when it has ended, or does not rest. */
Err store_run_request_pause(struct db *db, struct arena *a, Id tenant, Id run) YIELDS;
Err store_run_request_resume(struct db *db, struct arena *a, Id tenant, Id run) YIELDS;
/* Runs held by @node that were asked to rest. */
Err store_run_pauses(struct db *db, struct arena *a, Id node, RunRows *ret_rows) YIELDS;
/* Runs held by @node that were asked to cancel. */
Err store_run_cancels(struct db *db, struct arena *a, Id node, RunRows *ret_rows) YIELDS;
/* Open runs of a workflow, for its deletion. */
Err store_run_open_of(struct db *db, struct arena *a, Id workflow, int limit, RunRows *ret_rows)
    YIELDS;

/* Numbers of runs by state among the open ones. */
Err store_run_count_open(struct db *db, struct arena *a, int64_t *ret_n) YIELDS;

#endif
