/* src/store/store_child.h - runs that other runs have started.
 *
 * A child is written whole, as a queued run that is due, in the transaction of the event that
 * starts it: there is one, whatever crashes. At its end it puts its answer beside the wait of its
 * parent (store_wait.h), in its last transaction. A parent that ends asks its children to stop in
 * its last one.
 */
#ifndef STORE_STORE_CHILD_H
#define STORE_STORE_CHILD_H

#include "store/store_run.h"

struct child_row {
    Id run, parent;
    Str node; /* of the parent */
    Id wait;  /* none: nobody waits for it */
};

/* Queue a run that nobody holds and that is due at once, with its first batch of events. */
void store_run_insert_due(struct db_tx *tx, const struct run_row *row,
                          const struct journal_batch *batch);
void store_child_insert(struct db_tx *tx, const struct child_row *row);
/* Queue the answer of @child, which stays until the commit, to whoever waits for its end. */
void store_child_report(struct db_tx *tx, const Id *child, Str body, Usec now);
/* Queue the wish that the children that @parent waits for stop. */
void store_child_cancel_all(struct db_tx *tx, Id parent);
/* The same for one of them. */
void store_child_cancel(struct db_tx *tx, Id child);

struct child_entry {
    struct child_row child;
    struct run_row run;
};
typedef VEC(struct child_entry) ChildEntries;
/* The children of @parent, oldest first. */
Err store_child_list(struct db *db, struct arena *a, Id parent, int limit,
                     ChildEntries *ret_entries) YIELDS;

#endif
