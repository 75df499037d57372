/* src/store/store_model_guard.c - who looks at what is said to models and by them. */
#include "store/store_model_guard.h"

Err store_model_guard_create(struct db *db, struct arena *a, const struct model_guard_row *row)
{
    static const char sql[] =
        "INSERT INTO model_guard (id, tenant_id, name, url, events, routes, keys, except_keys,"
        " on_error, secret, timeout, window_bytes, back_bytes, private_network, enabled, revision,"
        " created_at, updated_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 1, ?16, ?16)";
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_TEXT(row->name), D_TEXT(row->url),
                    D_TEXT(row->events), D_TEXT(row->routes), D_TEXT(row->keys),
                    D_TEXT(row->except_keys), D_TEXT(row->on_error), D_BYTES(row->secret),
                    D_INT(row->timeout), D_INT(row->window), D_INT(row->back),
                    D_INT(row->private_network), D_INT(row->enabled), D_INT(row->created_at)));
    return db_commit(tx);
}

Err store_model_guard_list(struct db *db, struct arena *a, ModelGuardRows *ret_rows)
{
    static const char sql[] =
        "SELECT id, tenant_id, name, url, events, routes, keys, except_keys, on_error, secret,"
        " timeout, window_bytes, back_bytes, private_network, enabled, revision, created_at,"
        " updated_at FROM model_guard ORDER BY id";
    AUTO(db_cursor) *c = NULL;
    ModelGuardRows rows = {0};

    TRY(db_query(db, a, sql, DB_NO_ARGS, &c));
    while (db_next(c)) {
        struct model_guard_row *r = vec_add(a, &rows);
        r->id = db_id(c, 0);
        r->tenant = db_id(c, 1);
        r->name = db_text(c, 2);
        r->url = db_text(c, 3);
        r->events = db_text(c, 4);
        r->routes = db_text(c, 5);
        r->keys = db_text(c, 6);
        r->except_keys = db_text(c, 7);
        r->on_error = db_text(c, 8);
        r->secret = db_bytes(c, 9);
        r->timeout = db_usec(c, 10);
        r->window = db_int(c, 11);
        r->back = db_int(c, 12);
        r->private_network = db_int(c, 13) != 0;
        r->enabled = db_int(c, 14) != 0;
        r->revision = db_int(c, 15);
        r->created_at = db_usec(c, 16);
        r->updated_at = db_usec(c, 17);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_model_guard_update(struct db *db, struct arena *a, const struct model_guard_row *row)
{
    static const char sql[] =
        "UPDATE model_guard SET url = ?4, events = ?5, routes = ?6, keys = ?7, except_keys = ?8,"
        " on_error = ?9, secret = ?10, timeout = ?11, window_bytes = ?12, back_bytes = ?13,"
        " private_network = ?14, enabled = ?15, updated_at = ?16, revision = revision + 1"
        " WHERE id = ?1 AND tenant_id = ?2 AND revision = ?3";
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_INT(row->revision), D_TEXT(row->url),
                           D_TEXT(row->events), D_TEXT(row->routes), D_TEXT(row->keys),
                           D_TEXT(row->except_keys), D_TEXT(row->on_error), D_BYTES(row->secret),
                           D_INT(row->timeout), D_INT(row->window), D_INT(row->back),
                           D_INT(row->private_network), D_INT(row->enabled), D_INT(time_wall())));
    return db_commit(tx);
}

Err store_model_guard_delete(struct db *db, struct arena *a, Id tenant, Id id)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, "DELETE FROM model_guard WHERE id = ?1 AND tenant_id = ?2",
                   DB_ARGS(D_ID(id), D_ID(tenant)));
    Err e = db_commit(tx);
    return e == E_CONFLICT ? err_set(E_NOT_FOUND, "no such guard") : e;
}

Err store_model_guard_stamp(struct db *db, struct arena *a, struct store_stamp *ret_stamp)
{
    return store_stamp_read(db, a, "SELECT " STORE_STAMP_COLUMNS " FROM model_guard", ret_stamp);
}
