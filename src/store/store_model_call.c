/* src/store/store_model_call.c - the record of model calls, and sums over it. */
#include "store/store_model_call.h"

void store_model_call_insert(struct db_tx *tx, const struct model_call_row *r)
{
    static const char sql[] =
        "INSERT INTO model_call (id, tenant_id, key_id, model, provider, upstream_model, operation,"
        " streamed, outcome, status, attempts, prompt_tokens, cached_tokens, completion_tokens,"
        " reasoning_tokens, estimated, overhead_us, first_byte_us, total_us, day)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " ?19, ?20) ON CONFLICT (id) DO NOTHING";

    db_exec(tx, sql,
            DB_ARGS(D_ID(r->id), D_ID(r->tenant), D_ID(r->key), D_TEXT(r->model),
                    D_TEXT(r->provider), D_TEXT(r->upstream_model), D_TEXT(r->operation),
                    D_INT(r->streamed), D_TEXT(r->outcome), D_INT(r->status), D_INT(r->attempts),
                    D_INT(r->prompt), D_INT(r->cached), D_INT(r->completion), D_INT(r->reasoning),
                    D_INT(r->estimated), D_INT(r->overhead), D_USEC_OPT(r->first_byte),
                    D_INT(r->total), D_INT(id_time(r->id) / USEC_DAY)));
}

Err store_model_call_expire(struct db *db, struct arena *a, Usec before, int max, int64_t *ret_n)
{
    static const char sql[] = "DELETE FROM model_call WHERE id IN"
                              " (SELECT id FROM model_call WHERE id < ?1 ORDER BY id LIMIT ?2)";
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql, DB_ARGS(D_ID(id_floor(before)), D_INT(max)));
    TRY(db_commit(tx));
    *ret_n = db_tx_changes(tx, 0);
    return OK;
}

#define SUMS                                                                                       \
    "COUNT(*), CAST(SUM(CASE WHEN outcome = 'ok' THEN 0 ELSE 1 END) AS BIGINT),"                   \
    " CAST(SUM(prompt_tokens) AS BIGINT), CAST(SUM(cached_tokens) AS BIGINT),"                     \
    " CAST(SUM(completion_tokens) AS BIGINT), CAST(SUM(reasoning_tokens) AS BIGINT),"              \
    " CAST(SUM(estimated) AS BIGINT), CAST(AVG(overhead_us) AS BIGINT),"                           \
    " CAST(AVG(first_byte_us) AS BIGINT), CAST(AVG(total_us) AS BIGINT)"
#define FROM_CALLS " FROM model_call WHERE tenant_id = ?1 AND id >= ?2 AND id < ?3"

Err store_model_call_usage(struct db *db, struct arena *a, Id tenant, enum usage_group group,
                           Usec from, Usec to, int max, UsageRows *ret_rows)
{
    static const char *const sql[USAGE_GROUPS] = {
        [USAGE_BY_DAY] = "SELECT day, " SUMS FROM_CALLS " GROUP BY day ORDER BY day DESC LIMIT ?4",
        [USAGE_BY_KEY] = "SELECT key_id, " SUMS FROM_CALLS
                         " GROUP BY key_id ORDER BY COUNT(*) DESC, key_id LIMIT ?4",
        [USAGE_BY_MODEL] = "SELECT model, " SUMS FROM_CALLS
                           " GROUP BY model ORDER BY COUNT(*) DESC, model LIMIT ?4",
        [USAGE_BY_PROVIDER] = "SELECT provider, " SUMS FROM_CALLS
                              " GROUP BY provider ORDER BY COUNT(*) DESC, provider LIMIT ?4",
    };
    AUTO(db_cursor) *c = NULL;
    UsageRows rows = {0};

    TRY(db_query(db, a, sql[group],
                 DB_ARGS(D_ID(tenant), D_ID(id_floor(from)), D_ID(id_floor(to)), D_INT(max)), &c));
    while (db_next(c)) {
        struct usage_row *r = vec_add(a, &rows);
        if (group == USAGE_BY_DAY)
            r->day = db_int(c, 0);
        else if (group == USAGE_BY_KEY)
            r->key = db_id(c, 0);
        else
            r->name = db_text(c, 0);
        r->calls = db_int(c, 1);
        r->failed = db_int(c, 2);
        r->prompt = db_int(c, 3);
        r->cached = db_int(c, 4);
        r->completion = db_int(c, 5);
        r->reasoning = db_int(c, 6);
        r->estimated = db_int(c, 7);
        r->overhead_us = db_int(c, 8);
        r->first_byte_us = db_int(c, 9);
        r->total_us = db_int(c, 10);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}
