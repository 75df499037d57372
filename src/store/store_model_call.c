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
        " from_cache, saved, agent, workflow, step, end_user, error, request_id, hedged, user_id,"
        " team_id, guard, verdict, guard_reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
        " ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27,"
        " ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36)"
        " ON CONFLICT (id) DO NOTHING";

    static const char body_sql[] =
        "INSERT INTO model_call_body (call_id, tenant_id, request, answer) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (call_id) DO NOTHING";

    db_exec(tx, sql,
            DB_ARGS(D_ID(r->id), D_ID(r->tenant), D_ID(r->key), D_TEXT(r->model),
                    D_TEXT(r->provider), D_TEXT(r->upstream_model), D_TEXT(r->operation),
                    D_INT(r->streamed), D_TEXT(r->outcome), D_INT(r->status), D_INT(r->attempts),
                    D_INT(r->prompt), D_INT(r->cached), D_INT(r->completion), D_INT(r->reasoning),
                    D_INT(r->estimated), D_INT(r->overhead), D_USEC_OPT(r->first_byte),
                    D_INT(r->total), D_INT(id_time(r->id) / USEC_DAY),
                    D_INT(id_time(r->id) / USEC_H), cost_value(r->cost), D_INT(r->from_cache),
                    D_INT(r->saved), D_TEXT(r->agent), D_TEXT(r->workflow), D_TEXT(r->step),
                    D_TEXT(r->user), D_TEXT(r->error), D_TEXT(r->request_id), D_INT(r->hedged),
                    D_ID_OPT(r->owner), D_ID_OPT(r->team), D_TEXT(r->guard), D_TEXT(r->verdict),
                    D_TEXT(r->guard_reason)));
    if (r->request.n || r->answer.n)
        db_exec(tx, body_sql,
                DB_ARGS(D_ID(r->id), D_ID(r->tenant), D_TEXT(r->request), D_TEXT(r->answer)));
}

static Err expire(struct db *db, struct arena *a, const char *sql, Usec before, int max,
                  int64_t *ret_n)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql, DB_ARGS(D_ID(id_floor(before)), D_INT(max)));
    TRY(db_commit(tx));
    *ret_n = db_tx_changes(tx, 0);
    return OK;
}

Err store_model_call_expire(struct db *db, struct arena *a, Usec before, int max, int64_t *ret_n)
{
    static const char sql[] = "DELETE FROM model_call WHERE id IN"
                              " (SELECT id FROM model_call WHERE id < ?1 ORDER BY id LIMIT ?2)";

    return expire(db, a, sql, before, max, ret_n);
}

Err store_model_call_body_expire(struct db *db, struct arena *a, Usec before, int max,
                                 int64_t *ret_n)
{
    static const char sql[] =
        "DELETE FROM model_call_body WHERE call_id IN (SELECT call_id FROM model_call_body"
        " WHERE call_id < ?1 ORDER BY call_id LIMIT ?2)";

    return expire(db, a, sql, before, max, ret_n);
}

/* ---- reading ---- */

#define COLUMNS                                                                                    \
    "c.id, c.tenant_id, c.key_id, c.model, c.provider, c.upstream_model, c.operation, c.streamed," \
    " c.outcome, c.status, c.attempts, c.prompt_tokens, c.cached_tokens, c.completion_tokens,"     \
    " c.reasoning_tokens, c.estimated, c.overhead_us, c.first_byte_us, c.total_us, c.cost,"        \
    " c.from_cache, c.saved, c.agent, c.workflow, c.step, c.end_user, c.error, c.request_id,"      \
    " c.hedged, c.guard, c.verdict, c.guard_reason"
enum { N_COLUMNS = 32 };

static void read_row(struct db_cursor *c, struct model_call_row *r)
{
    *r = (struct model_call_row){.id = db_id(c, 0),
                                 .tenant = db_id(c, 1),
                                 .key = db_id(c, 2),
                                 .model = db_text(c, 3),
                                 .provider = db_text(c, 4),
                                 .upstream_model = db_text(c, 5),
                                 .operation = db_text(c, 6),
                                 .streamed = db_int(c, 7) != 0,
                                 .outcome = db_text(c, 8),
                                 .status = (int)db_int(c, 9),
                                 .attempts = db_int(c, 10),
                                 .prompt = db_int(c, 11),
                                 .cached = db_int(c, 12),
                                 .completion = db_int(c, 13),
                                 .reasoning = db_int(c, 14),
                                 .estimated = db_int(c, 15) != 0,
                                 .overhead = db_usec(c, 16),
                                 .first_byte = db_usec(c, 17),
                                 .total = db_usec(c, 18),
                                 .cost = db_is_null(c, 19) ? -1 : db_int(c, 19),
                                 .from_cache = db_int(c, 20) != 0,
                                 .saved = db_int(c, 21),
                                 .agent = db_text(c, 22),
                                 .workflow = db_text(c, 23),
                                 .step = db_text(c, 24),
                                 .user = db_text(c, 25),
                                 .error = db_text(c, 26),
                                 .request_id = db_text(c, 27),
                                 .hedged = db_int(c, 28) != 0,
                                 .guard = db_text(c, 29),
                                 .verdict = db_text(c, 30),
                                 .guard_reason = db_text(c, 31)};
}

Err store_model_call_list(struct db *db, struct arena *a, const struct model_call_query *q,
                          ModelCallRows *ret_rows)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM model_call c WHERE c.tenant_id = ?1 AND c.id >= ?2 AND c.id < ?3"
        " AND (?4 = 0 OR c.key_id = ?5) AND (?6 = '' OR c.model = ?6)"
        " AND (?7 = '' OR c.provider = ?7) AND (?8 = '' OR c.operation = ?8)"
        " AND (?9 = '' OR c.outcome = ?9) AND (?10 = '' OR c.agent = ?10)"
        " AND (?11 = '' OR c.workflow = ?11) AND (?12 = '' OR c.step = ?12)"
        " AND (?13 = '' OR c.end_user = ?13) AND (?14 < 0 OR c.from_cache = ?14)"
        " ORDER BY c.id DESC LIMIT ?15";
    Id to = id_floor(q->to);
    AUTO(db_cursor) *c = NULL;
    ModelCallRows rows = {0};

    if (!id_is_none(q->before) && id_cmp(q->before, to) < 0)
        to = q->before;
    TRY(db_query(db, a, sql,
                 DB_ARGS(D_ID(q->tenant), D_ID(id_floor(q->from)), D_ID(to),
                         D_INT(!id_is_none(q->key)), D_ID(q->key), D_TEXT(q->model),
                         D_TEXT(q->provider), D_TEXT(q->operation), D_TEXT(q->outcome),
                         D_TEXT(q->agent), D_TEXT(q->workflow), D_TEXT(q->step), D_TEXT(q->user),
                         D_INT(q->from_cache), D_INT(q->max)),
                 &c));
    while (db_next(c))
        read_row(c, vec_add(a, &rows));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_model_call_get(struct db *db, struct arena *a, Id tenant, Id id,
                         struct model_call_row *ret_row)
{
    static const char sql[] =
        "SELECT " COLUMNS ", b.request, b.answer FROM model_call c LEFT JOIN model_call_body b"
        " ON b.call_id = c.id WHERE c.id = ?1 AND c.tenant_id = ?2";
    AUTO(db_cursor) *c = NULL;
    struct model_call_row row = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(id), D_ID(tenant)), &c));
    bool found = db_next(c);
    if (found) {
        read_row(c, &row);
        row.request = db_text(c, N_COLUMNS);
        row.answer = db_text(c, N_COLUMNS + 1);
    }
    TRY(db_finish(c));
    if (!found)
        return err_set(E_NOT_FOUND, "no such call");
    *ret_row = row;
    return OK;
}

/* ---- sums ---- */

#define SUMS                                                                                       \
    "COUNT(*), CAST(SUM(CASE WHEN outcome = 'ok' OR error = 'hedge_lost' THEN 0 ELSE 1 END)"       \
    " AS BIGINT),"                                                                                 \
    " CAST(SUM(prompt_tokens) AS BIGINT), CAST(SUM(cached_tokens) AS BIGINT),"                     \
    " CAST(SUM(completion_tokens) AS BIGINT), CAST(SUM(reasoning_tokens) AS BIGINT),"              \
    " CAST(SUM(estimated) AS BIGINT), CAST(AVG(overhead_us) AS BIGINT),"                           \
    " CAST(AVG(first_byte_us) AS BIGINT), CAST(AVG(total_us) AS BIGINT),"                          \
    " CAST(SUM(cost) AS BIGINT), CAST(SUM(CASE WHEN cost IS NULL THEN 1 ELSE 0 END) AS BIGINT),"   \
    " CAST(SUM(from_cache) AS BIGINT), CAST(SUM(saved) AS BIGINT),"                                \
    " CAST(SUM(CASE WHEN outcome = 'ok' AND from_cache = 0 THEN completion_tokens ELSE 0 END)"     \
    " AS BIGINT), CAST(SUM(CASE WHEN outcome = 'ok' AND from_cache = 0 AND completion_tokens > 0"  \
    " THEN total_us - overhead_us ELSE 0 END) AS BIGINT)"
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
    [USAGE_BY_AGENT] = BY_NAME("agent"),
    [USAGE_BY_DAY] = BY_TIME("day"),
    [USAGE_BY_HOUR] = BY_TIME("hour"),
    [USAGE_BY_KEY] = BY_NAME("key_id"),
    [USAGE_BY_MODEL] = BY_NAME("model"),
    [USAGE_BY_OPERATION] = BY_NAME("operation"),
    [USAGE_BY_OUTCOME] = BY_NAME("outcome"),
    [USAGE_BY_PROVIDER] = BY_NAME("provider"),
    [USAGE_BY_STEP] = BY_NAME("step"),
    [USAGE_BY_UPSTREAM_MODEL] = BY_NAME("upstream_model"),
    [USAGE_BY_END_USER] = BY_NAME("end_user"),
    [USAGE_BY_USER] = BY_NAME("user_id"),
    [USAGE_BY_TEAM] = BY_NAME("team_id"),
    [USAGE_BY_WORKFLOW] = BY_NAME("workflow"),
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
        if (usage_by_id(q->group))
            r->id = db_is_null(c, 0) ? ID_NONE : db_id(c, 0);
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
        r->made = db_int(c, 16);
        r->made_us = db_int(c, 17);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}
