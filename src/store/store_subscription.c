/* src/store/store_subscription.c - see store_subscription.h. */
#include "store/store_subscription.h"

#define COLUMNS                                                                                    \
    "id, tenant_id, url, description, events, workflow_id, secret, max_attempts, enabled,"         \
    " disabled_why, revision, created_at, updated_at"

Err store_subscription_create(struct db *db, struct arena *a, const struct subscription_row *row)
{
    static const char sql[] = "INSERT INTO subscription (" COLUMNS
                              ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '', 1, ?10, ?10)";
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_TEXT(row->url), D_TEXT(row->description),
                    D_TEXT(row->events), D_ID_OPT(row->workflow), D_BYTES(row->secret),
                    D_INT(row->max_attempts), D_INT(row->enabled), D_INT(row->created_at)));
    return db_commit(tx);
}

static Err read_rows(struct db *db, struct arena *a, const char *sql, struct db_args args,
                     SubscriptionRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;
    SubscriptionRows rows = {0};

    TRY(db_query(db, a, sql, args, &c));
    while (db_next(c)) {
        struct subscription_row *r = vec_add(a, &rows);
        *r = (struct subscription_row){.id = db_id(c, 0),
                                       .tenant = db_id(c, 1),
                                       .url = db_text(c, 2),
                                       .description = db_text(c, 3),
                                       .events = db_text(c, 4),
                                       .workflow = db_id(c, 5),
                                       .secret = db_bytes(c, 6),
                                       .max_attempts = (int)db_int(c, 7),
                                       .enabled = db_int(c, 8) != 0,
                                       .disabled_why = db_text(c, 9),
                                       .revision = db_int(c, 10),
                                       .created_at = db_usec(c, 11),
                                       .updated_at = db_usec(c, 12)};
    }
    *ret_rows = rows;
    return db_finish(c);
}

Err store_subscription_get(struct db *db, struct arena *a, Id tenant, Id id,
                           struct subscription_row *ret_row)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM subscription WHERE id = ?1 AND tenant_id = ?2";
    static const char any[] = "SELECT " COLUMNS " FROM subscription WHERE id = ?1";
    SubscriptionRows rows;

    if (id_is_none(tenant))
        TRY(read_rows(db, a, any, DB_ARGS(D_ID(id)), &rows));
    else
        TRY(read_rows(db, a, sql, DB_ARGS(D_ID(id), D_ID(tenant)), &rows));
    if (!rows.n)
        return err_detail(E_NOT_FOUND, "There is no such subscription.");
    *ret_row = rows.at[0];
    return OK;
}

Err store_subscription_list(struct db *db, struct arena *a, Id tenant, Id before, int limit,
                            SubscriptionRows *ret_rows)
{
    static const char first[] = "SELECT " COLUMNS " FROM subscription WHERE tenant_id = ?1"
                                " ORDER BY id DESC LIMIT ?2";
    static const char rest[] = "SELECT " COLUMNS " FROM subscription WHERE tenant_id = ?1"
                               " AND id < ?3 ORDER BY id DESC LIMIT ?2";

    if (id_is_none(before))
        return read_rows(db, a, first, DB_ARGS(D_ID(tenant), D_INT(limit)), ret_rows);
    return read_rows(db, a, rest, DB_ARGS(D_ID(tenant), D_INT(limit), D_ID(before)), ret_rows);
}

Err store_subscription_update(struct db *db, struct arena *a, const struct subscription_row *row)
{
    static const char sql[] =
        "UPDATE subscription SET url = ?4, description = ?5, events = ?6, workflow_id = ?7,"
        " secret = ?8, max_attempts = ?9, enabled = ?10, disabled_why = '', updated_at = ?11,"
        " revision = revision + 1"
        " WHERE id = ?1 AND tenant_id = ?2 AND revision = ?3";
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_INT(row->revision), D_TEXT(row->url),
                           D_TEXT(row->description), D_TEXT(row->events), D_ID_OPT(row->workflow),
                           D_BYTES(row->secret), D_INT(row->max_attempts), D_INT(row->enabled),
                           D_INT(time_wall())));
    return db_commit(tx);
}

Err store_subscription_delete(struct db *db, struct arena *a, Id tenant, Id id)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, "DELETE FROM subscription WHERE id = ?1 AND tenant_id = ?2",
                   DB_ARGS(D_ID(id), D_ID(tenant)));
    db_exec(tx, "DELETE FROM delivery WHERE subscription_id = ?1", DB_ARGS(D_ID(id)));
    Err e = db_commit(tx);
    return e == E_CONFLICT ? err_detail(E_NOT_FOUND, "There is no such subscription.") : e;
}

Err store_subscription_any(struct db *db, struct arena *a, bool *ret_any)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT 1 FROM subscription WHERE enabled = 1 LIMIT 1", DB_NO_ARGS, &c));
    *ret_any = db_next(c);
    return db_finish(c);
}

/* ---- deliveries ---- */

void store_delivery_put(struct db_tx *tx, Id tenant, Id workflow, Id id, Str event, Id run,
                        Str body, Usec now)
{
    static const char sql[] =
        "INSERT INTO delivery (subscription_id, id, event, run_id, body, state, attempts, next_at,"
        " status, error, created_at, taken_until) SELECT s.id, ?3, ?4, ?5, ?6, 0, 0, ?7, 0, '', ?7,"
        " 0"
        " FROM subscription s WHERE s.tenant_id = ?1 AND s.enabled = 1 AND"
        " (s.workflow_id IS NULL OR s.workflow_id = ?2) AND"
        " (s.events = ' * ' OR s.events LIKE '% ' || ?4 || ' %')";

    db_exec(tx, sql,
            DB_ARGS(D_ID(tenant), D_ID(workflow), D_ID(id), D_TEXT(event), D_ID_OPT(run),
                    D_BYTES(body), D_INT(now)));
}

void store_delivery_put_one(struct db_tx *tx, const struct delivery_row *row)
{
    static const char sql[] =
        "INSERT INTO delivery (subscription_id, id, event, run_id, body, state, attempts, next_at,"
        " status, error, created_at, taken_until) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, 0, '', ?6,"
        " 0)";

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->subscription), D_ID(row->id), D_TEXT(row->event), D_ID_OPT(row->run),
                    D_BYTES(row->body), D_INT(row->created_at)));
}

Err store_delivery_due(struct db *db, struct arena *a, Usec now, Id after, int limit,
                       SubscriptionIds *ret_ids)
{
    static const char sql[] =
        "SELECT s.id FROM subscription s WHERE s.enabled = 1 AND s.id > ?2 AND EXISTS (SELECT 1"
        " FROM delivery d WHERE d.subscription_id = s.id AND d.state = 0 AND d.next_at <= ?1 AND"
        " d.taken_until <= ?1) ORDER BY s.id LIMIT ?3";
    AUTO(db_cursor) *c = NULL;
    SubscriptionIds ids = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_INT(now), D_ID(after), D_INT(limit)), &c));
    while (db_next(c))
        vec_push(a, &ids, db_id(c, 0));
    *ret_ids = ids;
    return db_finish(c);
}

static void read_delivery(struct db_cursor *c, struct delivery_row *r)
{
    *r = (struct delivery_row){
        .subscription = db_id(c, 0),
        .id = db_id(c, 1),
        .event = db_text(c, 2),
        .run = db_id(c, 3),
        .state = (enum delivery_state)db_int(c, 4),
        .attempts = (int)db_int(c, 5),
        .next_at = db_usec(c, 6),
        .status = (int)db_int(c, 7),
        .error = db_text(c, 8),
        .created_at = db_usec(c, 9),
        .finished_at = db_usec(c, 10),
        .taken_until = db_usec(c, 11),
    };
}

#define DELIVERY                                                                                   \
    "subscription_id, id, event, run_id, state, attempts, next_at, status, error, created_at,"     \
    " finished_at, taken_until"

static Err read_deliveries(struct db *db, struct arena *a, const char *sql, struct db_args args,
                           bool bodies, DeliveryRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;
    DeliveryRows rows = {0};

    TRY(db_query(db, a, sql, args, &c));
    while (db_next(c)) {
        struct delivery_row *r = vec_add(a, &rows);
        read_delivery(c, r);
        if (bodies)
            r->body = db_bytes(c, 12);
    }
    *ret_rows = rows;
    return db_finish(c);
}

Err store_delivery_next(struct db *db, struct arena *a, Id subscription, Usec now, int limit,
                        DeliveryRows *ret_rows)
{
    static const char sql[] = "SELECT " DELIVERY ", body FROM delivery WHERE subscription_id = ?1"
                              " AND state = 0 AND next_at <= ?2 AND taken_until <= ?2 ORDER BY"
                              " next_at, id LIMIT ?3";

    return read_deliveries(db, a, sql, DB_ARGS(D_ID(subscription), D_INT(now), D_INT(limit)), true,
                           ret_rows);
}

Err store_delivery_take(struct db *db, struct arena *a, const struct delivery_row *row, Id node,
                        Usec until)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1,
                   "UPDATE delivery SET taken_until = ?4, taken_by = ?5 WHERE subscription_id = ?1"
                   " AND id = ?2 AND taken_until = ?3 AND state = 0",
                   DB_ARGS(D_ID(row->subscription), D_ID(row->id), D_INT(row->taken_until),
                           D_INT(until), D_ID(node)));
    return db_commit(tx);
}

Err store_delivery_tried(struct db *db, struct arena *a, const struct delivery_row *row, Usec taken,
                         Str disable)
{
    static const char sql[] =
        "UPDATE delivery SET state = ?4, attempts = ?5, next_at = ?6, status = ?7, error = ?8,"
        " finished_at = ?9, taken_until = 0, taken_by = NULL"
        " WHERE subscription_id = ?1 AND id = ?2 AND taken_until = ?3 AND state = 0";
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->subscription), D_ID(row->id), D_INT(taken), D_INT(row->state),
                    D_INT(row->attempts), D_INT(row->next_at), D_INT(row->status),
                    D_TEXT(row->error), D_USEC_OPT(row->finished_at)));
    if (disable.n)
        db_exec(tx,
                "UPDATE subscription SET enabled = 0, disabled_why = ?2, updated_at = ?3,"
                " revision = revision + 1 WHERE id = ?1 AND enabled = 1",
                DB_ARGS(D_ID(row->subscription), D_TEXT(disable), D_INT(time_wall())));
    return db_commit(tx);
}

Err store_delivery_free(struct db *db, struct arena *a, Id node)
{
    static const char of[] = "UPDATE delivery SET taken_until = 0, taken_by = NULL"
                             " WHERE taken_by = ?1 AND state = 0";
    static const char all[] = "UPDATE delivery SET taken_until = 0, taken_by = NULL"
                              " WHERE taken_by IS NOT NULL AND state = 0";
    struct db_tx *tx = db_begin(db, a);

    if (id_is_none(node))
        db_exec(tx, all, DB_NO_ARGS);
    else
        db_exec(tx, of, DB_ARGS(D_ID(node)));
    return db_commit(tx);
}

Err store_delivery_list(struct db *db, struct arena *a, Id subscription, int state, Id before,
                        int limit, DeliveryRows *ret_rows)
{
    static const char first[] = "SELECT " DELIVERY " FROM delivery WHERE subscription_id = ?1 AND"
                                " (?2 < 0 OR state = ?2) ORDER BY id DESC LIMIT ?3";
    static const char rest[] = "SELECT " DELIVERY " FROM delivery WHERE subscription_id = ?1 AND"
                               " (?2 < 0 OR state = ?2) AND id < ?4 ORDER BY id DESC LIMIT ?3";

    if (id_is_none(before))
        return read_deliveries(
            db, a, first, DB_ARGS(D_ID(subscription), D_INT(state), D_INT(limit)), false, ret_rows);
    return read_deliveries(db, a, rest,
                           DB_ARGS(D_ID(subscription), D_INT(state), D_INT(limit), D_ID(before)),
                           false, ret_rows);
}

Err store_delivery_get(struct db *db, struct arena *a, Id subscription, Id id,
                       struct delivery_row *ret_row)
{
    static const char sql[] =
        "SELECT " DELIVERY ", body FROM delivery WHERE subscription_id = ?1 AND id = ?2";
    DeliveryRows rows;

    TRY(read_deliveries(db, a, sql, DB_ARGS(D_ID(subscription), D_ID(id)), true, &rows));
    if (!rows.n)
        return err_detail(E_NOT_FOUND, "There is no such delivery.");
    *ret_row = rows.at[0];
    return OK;
}

Err store_delivery_again(struct db *db, struct arena *a, Id subscription, Id id, Usec now)
{
    struct delivery_row row;
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1,
                   "UPDATE delivery SET state = 0, attempts = 0, next_at = ?3, finished_at = NULL,"
                   " taken_until = 0"
                   " WHERE subscription_id = ?1 AND id = ?2 AND state <> 0",
                   DB_ARGS(D_ID(subscription), D_ID(id), D_INT(now)));
    Err e = db_commit(tx);
    if (e != E_CONFLICT)
        return e;
    TRY(store_delivery_get(db, a, subscription, id, &row));
    return err_detail(E_CONFLICT, "This delivery is on its way already.");
}

Err store_delivery_expire(struct db *db, struct arena *a, Usec before, int limit)
{
    static const char find[] = "SELECT subscription_id, id FROM delivery WHERE finished_at < ?1"
                               " LIMIT ?2";
    AUTO(db_cursor) *c = NULL;
    struct db_tx *tx = db_begin(db, a);

    TRY(db_query(db, a, find, DB_ARGS(D_INT(before), D_INT(limit)), &c));
    while (db_next(c))
        db_exec(tx, "DELETE FROM delivery WHERE subscription_id = ?1 AND id = ?2",
                DB_ARGS(D_ID(db_id(c, 0)), D_ID(db_id(c, 1))));
    TRY(db_finish(c));
    return db_tx_count(tx) ? db_commit(tx) : OK;
}
