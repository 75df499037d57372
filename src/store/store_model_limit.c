/* src/store/store_model_limit.c - what keys, users, teams and tenants may use, and how much of it
 * is taken. */
#include "store/store_model_limit.h"

Err store_model_limit_get(struct db *db, struct arena *a, Id subject, Str *ret_policy)
{
    AUTO(db_cursor) *c = NULL;
    Str policy = S("");

    TRY(db_query(db, a, "SELECT policy FROM model_limit WHERE subject_id = ?1",
                 DB_ARGS(D_ID(subject)), &c));
    if (db_next(c))
        policy = db_text(c, 0);
    TRY(db_finish(c));
    *ret_policy = policy;
    return OK;
}

Err store_model_limit_subject(struct db *db, struct arena *a, Id tenant, Id subject)
{
    AUTO(db_cursor) *c = NULL;

    if (id_eq(tenant, subject))
        return OK;
    TRY(db_query(db, a,
                 "SELECT id FROM api_key WHERE id = ?1 AND tenant_id = ?2 UNION ALL"
                 " SELECT id FROM principal WHERE id = ?1 AND tenant_id = ?2",
                 DB_ARGS(D_ID(subject), D_ID(tenant)), &c));
    bool found = db_next(c);
    TRY(db_finish(c));
    return found ? OK : err_detail(E_NOT_FOUND, "There is no such key, user or team.");
}

Err store_model_limit_put(struct db *db, struct arena *a, Id tenant, Id subject, Str policy)
{
    static const char put_sql[] =
        "INSERT INTO model_limit (subject_id, tenant_id, policy, updated_at) VALUES (?1, ?2, ?3,"
        " ?4) ON CONFLICT (subject_id) DO UPDATE SET policy = ?3, updated_at = ?4";
    static const char delete_sql[] = "DELETE FROM model_limit WHERE subject_id = ?1";

    TRY(store_model_limit_subject(db, a, tenant, subject));
    struct db_tx *tx = db_begin(db, a);
    if (policy.n)
        db_exec(tx, put_sql,
                DB_ARGS(D_ID(subject), D_ID(tenant), D_TEXT(policy), D_INT(time_wall())));
    else
        db_exec(tx, delete_sql, DB_ARGS(D_ID(subject)));
    return db_commit(tx);
}

Err store_model_end_user_see(struct db *db, struct arena *a, Id tenant, Id subject, int64_t most,
                             bool *ret_known)
{
    static const char sql[] =
        "INSERT INTO model_end_user (subject_id, tenant_id, seen_at) SELECT ?1, ?2, ?3 WHERE"
        " EXISTS (SELECT 1 FROM model_end_user WHERE subject_id = ?1) OR"
        " (SELECT COUNT(*) FROM model_end_user WHERE tenant_id = ?2) < ?4"
        " ON CONFLICT (subject_id) DO UPDATE SET seen_at = ?3 RETURNING seen_at";
    struct db_tx *tx = db_begin(db, a);
    AUTO(db_cursor) *rows = NULL;

    db_exec_returning(tx, sql,
                      DB_ARGS(D_ID(subject), D_ID(tenant), D_INT(time_wall()), D_INT(most)), &rows);
    TRY(db_commit(tx));
    bool known = db_next(rows);
    TRY(db_finish(rows));
    *ret_known = known;
    return OK;
}

Err store_model_end_user_expire(struct db *db, struct arena *a, Usec before)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, "DELETE FROM model_end_user WHERE seen_at < ?1", DB_ARGS(D_INT(before)));
    return db_commit(tx);
}

Err store_model_counter_take(struct db *db, struct arena *a, const struct model_counter *c,
                             int64_t max, int64_t least, int64_t most, int64_t *ret_taken,
                             int64_t *ret_total)
{
    /* last_grant tells the taker what the one statement has decided. */
    static const char sql[] =
        "INSERT INTO model_counter (subject_id, slot, window_from, window_to, taken, last_grant)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (subject_id, slot, window_from) DO UPDATE SET"
        " taken = model_counter.taken - ?7 + CASE WHEN model_counter.taken - ?7 + ?8 <= ?10"
        " THEN ?8 ELSE ?9 END,"
        " last_grant = CASE WHEN model_counter.taken - ?7 + ?8 <= ?10 THEN ?8 ELSE ?9 END"
        " WHERE model_counter.taken - ?7 < ?10 RETURNING last_grant, taken";
    int64_t owed = c->back < 0 ? -c->back : 0;
    int64_t first = owed + most <= max ? most : owed < max ? least : 0;
    struct db_tx *tx = db_begin(db, a);
    AUTO(db_cursor) *rows = NULL;

    db_exec_returning(tx, sql,
                      DB_ARGS(D_ID(c->subject), D_INT(c->slot), D_INT(c->from), D_INT(c->to),
                              D_INT(owed + first), D_INT(first), D_INT(c->back), D_INT(most),
                              D_INT(least), D_INT(max)),
                      &rows);
    TRY(db_commit(tx));
    bool got = db_next(rows);
    *ret_taken = got ? db_int(rows, 0) : 0;
    *ret_total = got ? db_int(rows, 1) : 0;
    return db_finish(rows);
}

void store_model_counter_give(struct db_tx *tx, const struct model_counter *c)
{
    static const char sql[] =
        "INSERT INTO model_counter (subject_id, slot, window_from, window_to, taken, last_grant)"
        " VALUES (?1, ?2, ?3, ?4, ?5, 0) ON CONFLICT (subject_id, slot, window_from) DO UPDATE SET"
        " taken = model_counter.taken - ?6";

    db_exec(tx, sql,
            DB_ARGS(D_ID(c->subject), D_INT(c->slot), D_INT(c->from), D_INT(c->to),
                    D_INT(c->back < 0 ? -c->back : 0), D_INT(c->back)));
}

Err store_model_counter_list(struct db *db, struct arena *a, Id subject, Usec now,
                             ModelCounterRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;
    ModelCounterRows rows = {0};

    TRY(db_query(db, a,
                 "SELECT slot, window_from, taken FROM model_counter WHERE subject_id = ?1 AND"
                 " window_to > ?2 ORDER BY slot, window_from",
                 DB_ARGS(D_ID(subject), D_INT(now)), &c));
    while (db_next(c))
        vec_push(a, &rows,
                 ((struct model_counter_row){(int)db_int(c, 0), db_usec(c, 1), db_int(c, 2)}));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_model_counter_expire(struct db *db, struct arena *a, Usec before)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, "DELETE FROM model_counter WHERE window_to < ?1", DB_ARGS(D_INT(before)));
    return db_commit(tx);
}
