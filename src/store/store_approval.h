/* src/store/store_approval.h - steps that wait for people to decide, and what they decided.
 *
 * A decision is written with the answer that carries it to the run (store_wait.h): one of each who
 * decides, and none once the step has ended. Both stay as long as the run, so that whoever comes
 * late hears what was decided.
 */
#ifndef STORE_STORE_APPROVAL_H
#define STORE_STORE_APPROVAL_H

#include "store/store_wait.h"

struct approval_row {
    Id id, tenant, workflow, run;
    Str body;   /* JSON: node, subject, message, form, approvers, needed */
    Str secret; /* signs the links, 32 bytes */
    int64_t decisions;
    Usec created_at, due_at, closed_at;
    Str outcome;       /* "" while open; "approve", "reject", "timeout", "ended" */
    Str workflow_name; /* reads only */
};
typedef VEC(struct approval_row) ApprovalRows;

void store_approval_insert(struct db_tx *tx, const struct approval_row *row);
/* Queue its end. */
void store_approval_close(struct db_tx *tx, Id id, Str outcome, Usec now);
/* Queue the end of all that a run has open: it ended otherwise. */
void store_approval_close_run(struct db_tx *tx, Id run, Usec now);
/* Open ones with id < @before, newest first; @before none: from the newest. */
Err store_approvals_open(struct db *db, struct arena *a, Id tenant, Id before, int limit,
                         ApprovalRows *ret_rows) YIELDS;
/* E_NOT_FOUND. */
Err store_approval_get(struct db *db, struct arena *a, Id id, struct approval_row *ret_row) YIELDS;
/* Decide for @source. E_EXISTS when it has decided before, E_CONFLICT when the step has ended. */
Err store_approval_decide(struct db *db, struct arena *a, const struct approval_row *row,
                          Str source, Str body, Usec now) YIELDS;
/* What was decided, as JSON texts. */
typedef VEC(Str) Decisions;
Err store_decisions(struct db *db, struct arena *a, Id approval, Decisions *ret_decisions) YIELDS;
/* What @source decided; E_NOT_FOUND. */
Err store_decision_of(struct db *db, struct arena *a, Id approval, Str source, Str *ret_body)
    YIELDS;

#endif
