/* src/store/store_model_price.c - what models cost. */
#include "store/store_model_price.h"

#define COLUMNS "SELECT id, tenant_id, provider, model, origin, prices, updated_at FROM model_price"

Err store_model_price_put(struct db *db, struct arena *a, const struct model_price_row *row)
{
    static const char sql[] =
        "INSERT INTO model_price (id, tenant_id, provider, model, origin, prices, revision,"
        " created_at, updated_at) VALUES (?1, ?2, ?3, ?4, 'own', ?5, 1, ?6, ?6)"
        " ON CONFLICT (tenant_id, origin, provider, model) DO UPDATE SET prices = ?5,"
        " updated_at = ?6, revision = model_price.revision + 1";
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_TEXT(row->provider), D_TEXT(row->model),
                    D_TEXT(row->prices), D_INT(time_wall())));
    return db_commit(tx);
}

Err store_model_price_import(struct db *db, struct arena *a, Id tenant, const ModelPriceRows *rows)
{
    static const char sql[] =
        "INSERT INTO model_price (id, tenant_id, provider, model, origin, prices, revision,"
        " created_at, updated_at) VALUES (?1, ?2, ?3, ?4, 'import', ?5, 1, ?6, ?6)";
    struct db_tx *tx = db_begin(db, a);
    Usec now = time_wall();

    db_exec(tx, "DELETE FROM model_price WHERE tenant_id = ?1 AND origin = 'import'",
            DB_ARGS(D_ID(tenant)));
    vec_each(rows, r)
        db_exec(tx, sql,
                DB_ARGS(D_ID(r->id), D_ID(tenant), D_TEXT(r->provider), D_TEXT(r->model),
                        D_TEXT(r->prices), D_INT(now)));
    return db_commit(tx);
}

static Err read_rows(struct arena *a, struct db_cursor *c, ModelPriceRows *ret_rows)
{
    ModelPriceRows rows = {0};

    while (db_next(c)) {
        struct model_price_row *r = vec_add(a, &rows);
        r->id = db_id(c, 0);
        r->tenant = db_id(c, 1);
        r->provider = db_text(c, 2);
        r->model = db_text(c, 3);
        r->imported = str_eq(db_text(c, 4), S("import"));
        r->prices = db_text(c, 5);
        r->updated_at = db_usec(c, 6);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_model_price_list(struct db *db, struct arena *a, ModelPriceRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, COLUMNS " ORDER BY id", DB_NO_ARGS, &c));
    return read_rows(a, c, ret_rows);
}

Err store_model_price_page(struct db *db, struct arena *a, Id tenant, Str provider, Str model,
                           Id before, int limit, ModelPriceRows *ret_rows)
{
    static const char sql[] = COLUMNS " WHERE tenant_id = ?1 AND (?2 = '' OR provider = ?2)"
                                      " AND (?3 = '' OR model = ?3) AND id < ?4"
                                      " ORDER BY id DESC LIMIT ?5";
    AUTO(db_cursor) *c = NULL;

    if (id_is_none(before))
        memset(before.b, 0xff, sizeof before.b);
    TRY(db_query(db, a, sql,
                 DB_ARGS(D_ID(tenant), D_TEXT(provider), D_TEXT(model), D_ID(before), D_INT(limit)),
                 &c));
    return read_rows(a, c, ret_rows);
}

Err store_model_price_delete(struct db *db, struct arena *a, Id tenant, Id id)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, "DELETE FROM model_price WHERE id = ?1 AND tenant_id = ?2",
                   DB_ARGS(D_ID(id), D_ID(tenant)));
    Err e = db_commit(tx);
    return e == E_CONFLICT ? err_set(E_NOT_FOUND, "no such price") : e;
}

Err store_model_price_stamp(struct db *db, struct arena *a, struct store_stamp *ret_stamp)
{
    return store_stamp_read(db, a, "SELECT " STORE_STAMP_COLUMNS " FROM model_price", ret_stamp);
}
