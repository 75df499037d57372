/* src/store/store_poll.h - where workflows look for something new, and what they have seen there.
 *
 * A row says when to look next; whoever looks takes it for a while. An item that starts a run is
 * noted as done by the transaction of the run: whatever crashes, it starts one.
 */
#ifndef STORE_STORE_POLL_H
#define STORE_STORE_POLL_H

#include "store/db.h"

struct poll_row {
    Id workflow, tenant;
    Str workflow_name; /* of store_poll_list */
    Str kind;          /* of poll_source.h */
    int version;
    Str hash; /* of the definition, 32 bytes */
    Str spec; /* what it looks at: as long as that is the same, what was seen stays */
    Id watch; /* another one when that changes; none in rows of before */
    bool is_first;
    bool is_taken; /* somebody looks */
    Usec next_at, looked_at;
    Str cursor;   /* how far its kind came */
    int failures; /* looks in a row that went wrong */
    Str error;
};
typedef VEC(struct poll_row) PollRows;

/* Queue what the published version of @workflow looks at; NULL: nothing. */
void store_poll_put(struct db_tx *tx, Id workflow, const struct poll_row *row);
/* E_NOT_FOUND. */
Err store_poll_get(struct db *db, struct arena *a, Id tenant, Id workflow, struct poll_row *ret_row)
    YIELDS;
/* Those of @tenant with a workflow's id before @before, the latest first; @trouble: of those the
 * ones whose last look went wrong, or found something wrong. */
Err store_poll_list(struct db *db, struct arena *a, Id tenant, bool trouble, Id before, int limit,
                    PollRows *ret_rows) YIELDS;
/* Look at it now, if nobody does. */
Err store_poll_hurry(struct db *db, struct arena *a, Id tenant, Id workflow) YIELDS;
Err store_poll_is_due(struct db *db, struct arena *a, Usec now, bool *ret_is) YIELDS;
/* Of one tenant, over all nodes, so many are looked at at once. */
enum { STORE_POLL_TENANT_MAX = 16 };
/* Take up to @limit that are due at @now for @node, until @until. */
Err store_poll_take(struct db *db, struct arena *a, Id node, Usec now, Usec until, int limit,
                    PollRows *ret_rows) YIELDS;
/* Give back what @node had taken, which is gone; none: what anybody had. */
Err store_poll_free(struct db *db, struct arena *a, Id node) YIELDS;
/* It was looked at @now, and is as @row says: look again at .next_at; not .is_first: all that was
 * there at first was seen. Nothing changes when something else is to be looked at meanwhile. */
Err store_poll_looked(struct db *db, struct arena *a, const struct poll_row *row, Usec now) YIELDS;

enum poll_state { POLL_NEW, POLL_DONE, POLL_CHANGED };
struct poll_item {
    Id item; /* of its name */
    Str mark;
    enum poll_state state;
    Usec since;
};
typedef VEC(struct poll_item) PollItems;
Err store_poll_items(struct db *db, struct arena *a, Id workflow, PollItems *ret_items) YIELDS;
/* Queue what is known of it from now on; that it is there no more. */
void store_poll_item_put(struct db_tx *tx, Id workflow, const struct poll_item *item);
void store_poll_item_drop(struct db_tx *tx, Id workflow, Id item);
/* Queue that it is done; E_CONFLICT when it is already, or looks different now. */
void store_poll_item_done(struct db_tx *tx, Id workflow, const struct poll_item *item);

#endif
