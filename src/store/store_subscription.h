/* src/store/store_subscription.h - who is told of what happens, and what is on its way to them.
 *
 * A delivery is written by the transaction of what it tells of, one row for each subscription that
 * wants it. Whoever sends it takes it for the time of an attempt: if that process dies, it is due
 * again.
 */
#ifndef STORE_STORE_SUBSCRIPTION_H
#define STORE_STORE_SUBSCRIPTION_H

#include "store/db.h"

struct subscription_row {
    Id id, tenant;
    Str url, description;
    Str events;  /* names with a space before, between and behind them; " * ": all */
    Id workflow; /* none: of all */
    Str secret;  /* sealed */
    int max_attempts;
    bool enabled;
    Str disabled_why; /* why the server did that; empty: it did not */
    int64_t revision;
    Usec created_at, updated_at;
};
typedef VEC(struct subscription_row) SubscriptionRows;

Err store_subscription_create(struct db *db, struct arena *a, const struct subscription_row *row)
    YIELDS;
/* E_NOT_FOUND unless it belongs to @tenant; none: whosever it is. */
Err store_subscription_get(struct db *db, struct arena *a, Id tenant, Id id,
                           struct subscription_row *ret_row) YIELDS;
/* Newest first, those before @before. */
Err store_subscription_list(struct db *db, struct arena *a, Id tenant, Id before, int limit,
                            SubscriptionRows *ret_rows) YIELDS;
/* Writes url, description, events, workflow, secret, max_attempts, enabled. E_CONFLICT unless
 * row->revision is the stored one. */
Err store_subscription_update(struct db *db, struct arena *a, const struct subscription_row *row)
    YIELDS;
/* With all its deliveries. E_NOT_FOUND. */
Err store_subscription_delete(struct db *db, struct arena *a, Id tenant, Id id) YIELDS;
/* Whether there is any that is enabled, of whatever tenant. */
Err store_subscription_any(struct db *db, struct arena *a, bool *ret_any) YIELDS;

/* ---- deliveries ---- */

enum delivery_state { DELIVERY_PENDING, DELIVERY_DONE, DELIVERY_DEAD };

struct delivery_row {
    Id subscription, id; /* id: the same for all subscriptions that are told of one event */
    Str event;
    Id run; /* none: of no run */
    Str body;
    enum delivery_state state;
    int attempts;
    Usec next_at;
    int status; /* of the last answer; 0: none came */
    Str error;
    Usec created_at, finished_at;
    Usec taken_until; /* somebody sends it until then; 0: nobody */
};
typedef VEC(struct delivery_row) DeliveryRows;

/* Queue one for each enabled subscription of @tenant that wants @event of @workflow. */
void store_delivery_put(struct db_tx *tx, Id tenant, Id workflow, Id id, Str event, Id run,
                        Str body, Usec now);
/* Queue one for that subscription alone. */
void store_delivery_put_one(struct db_tx *tx, const struct delivery_row *row);
/* Enabled subscriptions with something due at @now, in order, those after @after. */
typedef VEC(Id) SubscriptionIds;
Err store_delivery_due(struct db *db, struct arena *a, Usec now, Id after, int limit,
                       SubscriptionIds *ret_ids) YIELDS;
/* What is due of one, the oldest first. */
Err store_delivery_next(struct db *db, struct arena *a, Id subscription, Usec now, int limit,
                        DeliveryRows *ret_rows) YIELDS;
/* Take it for @node until @until. E_CONFLICT: somebody else has. */
Err store_delivery_take(struct db *db, struct arena *a, const struct delivery_row *row, Id node,
                        Usec until) YIELDS;
/* Give back what @node had taken, which is gone; none: what anybody had. */
Err store_delivery_free(struct db *db, struct arena *a, Id node) YIELDS;
/* What became of the attempt that was taken until @taken: state, attempts, next_at, status, error,
 * finished_at of @row. @disable: the far end wants no more. Nothing happens when it was taken by
 * somebody else meanwhile. */
Err store_delivery_tried(struct db *db, struct arena *a, const struct delivery_row *row, Usec taken,
                         Str disable) YIELDS;
/* Newest first, those before @before; @state -1: all. Without bodies. */
Err store_delivery_list(struct db *db, struct arena *a, Id subscription, int state, Id before,
                        int limit, DeliveryRows *ret_rows) YIELDS;
/* With its body. E_NOT_FOUND. */
Err store_delivery_get(struct db *db, struct arena *a, Id subscription, Id id,
                       struct delivery_row *ret_row) YIELDS;
/* Send it once more, from the first attempt. E_NOT_FOUND, E_CONFLICT when it is on its way. */
Err store_delivery_again(struct db *db, struct arena *a, Id subscription, Id id, Usec now) YIELDS;
/* Delete up to @limit that came to their end before @before. */
Err store_delivery_expire(struct db *db, struct arena *a, Usec before, int limit) YIELDS;

#endif
