/* src/wf/fleet.h - who else works on this database, and who does no more.
 *
 * Each node gives a sign of life by writing a new time into its row. The others do not compare it
 * with a clock of theirs, which may be wrong: they watch it change. A row that has not changed for
 * a while by the watcher's own monotonic clock is taken off the list, and the runs of that node
 * are anybody's. A node that was only slow, or cut off, puts itself back; what others took
 * meanwhile it lost, and the lease's epoch keeps it from writing there.
 */
#ifndef WF_FLEET_H
#define WF_FLEET_H

#include "store/store_run.h"

struct watched {
    struct node_row row;
    Usec since; /* monotonic: when it was first seen like this */
};

struct fleet {
    Id self;
    Usec patience;           /* for a row that does not change */
    Str name;                /* shown to operators; outlives the fleet */
    struct watched *watched; /* on the heap */
    size_t n;
};

/* Say that this node lives, and take nodes that do no more off the list. To be called several times
 * within the patience; @now is monotonic. */
Err fleet_turn(struct fleet *f, struct db *db, Usec now) YIELDS;
void fleet_done(struct fleet *f);

#endif
