/* src/store/store_poll_object.h - what was seen in a bucket, in the order of its names.
 *
 * A list of a million names is compared with rows page by page: neither is ever in memory as a
 * whole. Rows belong to a watch (store_poll.h); one that is over is swept away piece by piece.
 */
#ifndef STORE_STORE_POLL_OBJECT_H
#define STORE_STORE_POLL_OBJECT_H

#include "store/store_poll.h"

struct poll_object {
    Str name; /* up to 1 KiB */
    Str mark;
    enum poll_state state;
};
typedef VEC(struct poll_object) PollObjects;

/* Up to @limit of them behind @after, in byte order of their names. */
Err store_poll_objects(struct db *db, struct arena *a, Id watch, Str after, int limit,
                       PollObjects *ret_objects) YIELDS;
/* Queue what is known of it from now on; nothing if it was known so, whatever its state. */
void store_poll_object_put(struct db_tx *tx, Id watch, const struct poll_object *o);
void store_poll_object_drop(struct db_tx *tx, Id watch, Str name);
/* Queue that it is done; E_CONFLICT when it is already, or looks different now. */
void store_poll_object_done(struct db_tx *tx, Id watch, const struct poll_object *o);

/* Delete up to @limit of what was seen in watches that are over. */
Err store_poll_sweep(struct db *db, struct arena *a, int limit, bool *ret_more) YIELDS;

#endif
