/* src/store/store_model_call.c - the record of model calls, and sums over it. */
#include "store/store_model_call.h"

static struct db_value cost_value(int64_t cost)
{
    return (struct db_value){.type = cost < 0 ? DB_NULL : DB_INT, .hint = DB_INT, .i = cost};
}

void store_model_call_insert(struct db_tx *tx, const struct model_call_row *r)
{
    static const char sql[] =
        "INSERT INTO model_call (id, tenant_id, key_id, model, provider, upstream_model, operation,"
        " streamed, outcome, status, attempts, prompt_tokens, cached_tokens, completion_tokens,"
        " reasoning_tokens, estimated, overhead_us, first_byte_us, total_us, day, hour, cost,"
        " from_cache, saved)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " ?19, ?20, ?21, ?22, ?23, ?24) ON CONFLICT (id) DO NOTHING";

    db_exec(tx, sql,
            DB_ARGS(D_ID(r->id), D_ID(r->tenant), D_ID(r->key), D_TEXT(r->model),
                    D_TEXT(r->provider), D_TEXT(r->upstream_model), D_TEXT(r->operation),
                    D_INT(r->streamed), D_TEXT(r->outcome), D_INT(r->status), D_INT(r->attempts),
                    D_INT(r->prompt), D_INT(r->cached), D_INT(r->completion), D_INT(r->reasoning),
                    D_INT(r->estimated), D_INT(r->overhead), D_USEC_OPT(r->first_byte),
                    D_INT(r->total), D_INT(id_time(r->id) / USEC_DAY),
                    D_INT(id_time(r->id) / USEC_H), cost_value(r->cost), D_INT(r->from_cache),
                    D_INT(r->saved)));
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
    " CAST(AVG(first_byte_us) AS BIGINT), CAST(AVG(total_us) AS BIGINT),"                          \
    " CAST(SUM(cost) AS BIGINT), CAST(SUM(CASE WHEN cost IS NULL THEN 1 ELSE 0 END) AS BIGINT),"   \
    " CAST(SUM(from_cache) AS BIGINT), CAST(SUM(saved) AS BIGINT)"
#define FROM_CALLS " FROM model_call WHERE tenant_id = ?1 AND id >= ?2 AND id < ?3"
#define BY_TIME(unit)                                                                              \
    {                                                                                              \
        "SELECT " unit ", " unit ", " SUMS FROM_CALLS " GROUP BY " unit " ORDER BY " unit          \
        " DESC LIMIT ?4"                                                                           \
    }
#define BY_BOTH(column, unit)                                                                      \
    "SELECT " column ", " unit ", " SUMS FROM_CALLS " GROUP BY " column ", " unit                  \
    " ORDER BY " unit " DESC, COUNT(*) DESC, " column " LIMIT ?4"
#define BY_NAME(column)                                                                            \
    {                                                                                              \
        "SELECT " column ", CAST(0 AS BIGINT), " SUMS FROM_CALLS " GROUP BY " column               \
        " ORDER BY COUNT(*) DESC, " column " LIMIT ?4",                                            \
            BY_BOTH(column, "hour"), BY_BOTH(column, "day")                                        \
    }

static const char *const usage_sql[USAGE_GROUPS][USAGE_BUCKETS] = {
    [USAGE_BY_DAY] = BY_TIME("day"),
    [USAGE_BY_HOUR] = BY_TIME("hour"),
    [USAGE_BY_KEY] = BY_NAME("key_id"),
    [USAGE_BY_MODEL] = BY_NAME("model"),
    [USAGE_BY_OPERATION] = BY_NAME("operation"),
    [USAGE_BY_OUTCOME] = BY_NAME("outcome"),
    [USAGE_BY_PROVIDER] = BY_NAME("provider"),
    [USAGE_BY_UPSTREAM_MODEL] = BY_NAME("upstream_model"),
};

/* How long the times last that are counted in the second column. */
static Usec unit_of(const struct usage_query *q)
{
    static const Usec units[USAGE_BUCKETS] = {0, USEC_H, USEC_DAY};

    if (q->group == USAGE_BY_DAY || q->group == USAGE_BY_HOUR)
        return q->group == USAGE_BY_DAY ? USEC_DAY : USEC_H;
    return units[q->bucket];
}

Err store_model_call_usage(struct db *db, struct arena *a, const struct usage_query *q,
                           UsageRows *ret_rows)
{
    bool timed = q->group == USAGE_BY_DAY || q->group == USAGE_BY_HOUR;
    AUTO(db_cursor) *c = NULL;
    UsageRows rows = {0};

    TRY(db_query(
        db, a, usage_sql[q->group][timed ? USAGE_WHOLE : q->bucket],
        DB_ARGS(D_ID(q->tenant), D_ID(id_floor(q->from)), D_ID(id_floor(q->to)), D_INT(q->max)),
        &c));
    while (db_next(c)) {
        struct usage_row *r = vec_add(a, &rows);
        if (q->group == USAGE_BY_KEY)
            r->key = db_id(c, 0);
        else if (!timed)
            r->name = db_text(c, 0);
        r->time = db_int(c, 1) * unit_of(q);
        r->calls = db_int(c, 2);
        r->failed = db_int(c, 3);
        r->prompt = db_int(c, 4);
        r->cached = db_int(c, 5);
        r->completion = db_int(c, 6);
        r->reasoning = db_int(c, 7);
        r->estimated = db_int(c, 8);
        r->overhead_us = db_int(c, 9);
        r->first_byte_us = db_int(c, 10);
        r->total_us = db_int(c, 11);
        r->cost = db_int(c, 12);
        r->unpriced = db_int(c, 13);
        r->from_cache = db_int(c, 14);
        r->saved = db_int(c, 15);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}
