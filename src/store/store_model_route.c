/* src/store/store_model_route.c - names of models and who answers for them. */
#include "store/store_model_route.h"

Err store_model_route_create(struct db *db, struct arena *a, const struct model_route_row *row)
{
    static const char sql[] =
        "INSERT INTO model_route (id, tenant_id, name, targets, attempts, timeout, revision,"
        " created_at, updated_at, balance, sticky, cache, context, hedge)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7, ?8, ?9, ?10, ?11, ?12)";
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_TEXT(row->name), D_TEXT(row->targets),
                    D_INT(row->attempts), D_INT(row->timeout), D_INT(row->created_at),
                    D_TEXT(row->balance), D_TEXT(row->sticky), D_TEXT(row->cache),
                    D_TEXT(row->context), D_TEXT(row->hedge)));
    return db_commit(tx);
}

Err store_model_route_list(struct db *db, struct arena *a, ModelRouteRows *ret_rows)
{
    static const char sql[] = "SELECT id, tenant_id, name, targets, attempts, timeout, revision,"
                              " created_at, updated_at, balance, sticky, cache, context, hedge "
                              "FROM model_route ORDER BY id";
    AUTO(db_cursor) *c = NULL;
    ModelRouteRows rows = {0};

    TRY(db_query(db, a, sql, DB_NO_ARGS, &c));
    while (db_next(c)) {
        struct model_route_row *r = vec_add(a, &rows);
        r->id = db_id(c, 0);
        r->tenant = db_id(c, 1);
        r->name = db_text(c, 2);
        r->targets = db_text(c, 3);
        r->attempts = (int)db_int(c, 4);
        r->timeout = db_usec(c, 5);
        r->revision = db_int(c, 6);
        r->created_at = db_usec(c, 7);
        r->updated_at = db_usec(c, 8);
        r->balance = db_text(c, 9);
        r->sticky = db_text(c, 10);
        r->cache = db_text(c, 11);
        r->context = db_text(c, 12);
        r->hedge = db_text(c, 13);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_model_route_update(struct db *db, struct arena *a, const struct model_route_row *row)
{
    static const char sql[] =
        "UPDATE model_route SET targets = ?4, attempts = ?5, timeout = ?6, updated_at = ?7,"
        " balance = ?8, sticky = ?9, cache = ?10, context = ?11, hedge = ?12, revision = revision "
        "+ 1"
        " WHERE id = ?1 AND tenant_id = ?2 AND revision = ?3";
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_INT(row->revision),
                           D_TEXT(row->targets), D_INT(row->attempts), D_INT(row->timeout),
                           D_INT(time_wall()), D_TEXT(row->balance), D_TEXT(row->sticky),
                           D_TEXT(row->cache), D_TEXT(row->context), D_TEXT(row->hedge)));
    return db_commit(tx);
}

Err store_model_route_delete(struct db *db, struct arena *a, Id tenant, Id id)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, "DELETE FROM model_route WHERE id = ?1 AND tenant_id = ?2",
                   DB_ARGS(D_ID(id), D_ID(tenant)));
    Err e = db_commit(tx);
    return e == E_CONFLICT ? err_set(E_NOT_FOUND, "no such route") : e;
}

Err store_model_route_stamp(struct db *db, struct arena *a, struct store_stamp *ret_stamp)
{
    return store_stamp_read(db, a, "SELECT " STORE_STAMP_COLUMNS " FROM model_route", ret_stamp);
}
