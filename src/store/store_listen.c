/* src/store/store_listen.c - see store_listen.h. */
#include "store/store_listen.h"

Err store_listen_start(struct db *db, struct arena *a, Id tenant, Id workflow, Usec until)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx,
            "INSERT INTO listen (workflow_id, tenant_id, until_at) VALUES (?1, ?2, ?3)"
            " ON CONFLICT (workflow_id) DO UPDATE SET until_at = excluded.until_at",
            DB_ARGS(D_ID(workflow), D_ID(tenant), D_INT(until)));
    db_exec(tx, "DELETE FROM listen_call WHERE workflow_id = ?1", DB_ARGS(D_ID(workflow)));
    return db_commit(tx);
}

Err store_listen_until(struct db *db, struct arena *a, Id workflow, Usec *ret_until)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT until_at FROM listen WHERE workflow_id = ?1",
                 DB_ARGS(D_ID(workflow)), &c));
    Usec until = db_next(c) ? db_usec(c, 0) : 0;
    TRY(db_finish(c));
    *ret_until = until;
    return OK;
}

Err store_listen_stop(struct db *db, struct arena *a, Id workflow)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, "DELETE FROM listen WHERE workflow_id = ?1", DB_ARGS(D_ID(workflow)));
    return db_commit(tx);
}

Err store_listen_add(struct db *db, struct arena *a, Id workflow, Usec at, Str body)
{
    static const char trim[] =
        "DELETE FROM listen_call WHERE workflow_id = ?1 AND id NOT IN"
        " (SELECT id FROM listen_call WHERE workflow_id = ?1 ORDER BY at DESC, id DESC LIMIT ?2)";
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, "INSERT INTO listen_call (workflow_id, id, at, body) VALUES (?1, ?2, ?3, ?4)",
            DB_ARGS(D_ID(workflow), D_ID(id_new()), D_INT(at), D_BYTES(body)));
    db_exec(tx, trim, DB_ARGS(D_ID(workflow), D_INT(LISTEN_CALLS_KEPT)));
    return db_commit(tx);
}

Err store_listen_calls(struct db *db, struct arena *a, Id workflow, ListenCalls *ret_calls)
{
    static const char sql[] =
        "SELECT body FROM listen_call WHERE workflow_id = ?1 ORDER BY at DESC, id DESC LIMIT ?2";
    AUTO(db_cursor) *c = NULL;
    ListenCalls calls = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(workflow), D_INT(LISTEN_CALLS_KEPT)), &c));
    while (db_next(c))
        vec_push(a, &calls, db_bytes(c, 0));
    TRY(db_finish(c));
    *ret_calls = calls;
    return OK;
}

Err store_listen_expire(struct db *db, struct arena *a, Usec before)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, "DELETE FROM listen_call WHERE at < ?1", DB_ARGS(D_INT(before)));
    db_exec(tx, "DELETE FROM listen WHERE until_at < ?1", DB_ARGS(D_INT(before)));
    return db_commit(tx);
}
