/* src/store/store_model_pin.c - see store_model_pin.h. */
#include "store/store_model_pin.h"

Err store_model_pin_put(struct db *db, struct arena *a, const struct model_pin_row *rows, size_t n,
                        Usec keep_until)
{
    static const char sql[] =
        "INSERT INTO model_pin (tenant_id, response, provider_id, model, keep_until)"
        " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (tenant_id, response) DO UPDATE SET provider_id ="
        " excluded.provider_id, model = excluded.model, keep_until = excluded.keep_until";
    struct db_tx *tx = db_begin(db, a);

    for (size_t i = 0; i < n; i++)
        db_exec(tx, sql,
                DB_ARGS(D_ID(rows[i].tenant), D_BYTES(rows[i].response), D_ID(rows[i].provider),
                        D_BYTES(rows[i].model), D_INT(keep_until)));
    return db_commit(tx);
}

Err store_model_pin_get(struct db *db, struct arena *a, Id tenant, Str response,
                        struct model_pin_row *ret_row)
{
    static const char sql[] =
        "SELECT provider_id, model FROM model_pin WHERE tenant_id = ?1 AND response = ?2";
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant), D_BYTES(response)), &c));
    bool found = db_next(c);
    if (found)
        *ret_row = (struct model_pin_row){.tenant = tenant,
                                          .provider = db_id(c, 0),
                                          .response = response,
                                          .model = db_bytes(c, 1)};
    TRY(db_finish(c));
    return found ? OK : err_set(E_NOT_FOUND, "no such pin");
}

Err store_model_pin_expire(struct db *db, struct arena *a, Usec now)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, "DELETE FROM model_pin WHERE keep_until <= ?1", DB_ARGS(D_INT(now)));
    return db_commit(tx);
}
