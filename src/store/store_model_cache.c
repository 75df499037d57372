/* src/store/store_model_cache.c - how often the kept answers of a tenant were thrown away. */
#include "store/store_model_cache.h"

Err store_model_cache_purge(struct db *db, struct arena *a, Id tenant, int64_t *ret_purges)
{
    static const char sql[] =
        "INSERT INTO model_cache_purge (tenant_id, purges) VALUES (?1, 1) ON CONFLICT (tenant_id)"
        " DO UPDATE SET purges = model_cache_purge.purges + 1 RETURNING purges";
    AUTO(db_cursor) *c = NULL;
    struct db_tx *tx = db_begin(db, a);

    db_exec_returning(tx, sql, DB_ARGS(D_ID(tenant)), &c);
    TRY(db_commit(tx));
    int64_t purges = db_next(c) ? db_int(c, 0) : 0;
    TRY(db_finish(c));
    *ret_purges = purges;
    return OK;
}

Err store_model_cache_purges(struct db *db, struct arena *a, ModelCachePurges *ret_purges)
{
    AUTO(db_cursor) *c = NULL;
    ModelCachePurges purges = {0};

    TRY(db_query(db, a, "SELECT tenant_id, purges FROM model_cache_purge", DB_NO_ARGS, &c));
    while (db_next(c))
        vec_push(a, &purges, ((struct model_cache_purge){db_id(c, 0), db_int(c, 1)}));
    TRY(db_finish(c));
    *ret_purges = purges;
    return OK;
}
