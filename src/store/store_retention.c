/* src/store/store_retention.c - rules for how long runs are kept; deleting those that are over. */
#include "store/store_retention.h"

enum {
    DELETE_RUNS = 100,       /* in one transaction: */
    DELETE_BYTES = 16 << 20, /* the writer is held for milliseconds */
    DELETE_PAYLOADS = 2000,
};

#define RULES                                                                                      \
    "succeeded_age, succeeded_count, failed_age, failed_count, cancelled_age, cancelled_count"

void store_retention_put(struct db_tx *tx, Id owner, Id tenant, const struct retention *rules)
{
    static const char sql[] =
        "INSERT INTO retention (owner_id, tenant_id, " RULES
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (owner_id) DO UPDATE SET"
        " succeeded_age = excluded.succeeded_age, succeeded_count = excluded.succeeded_count,"
        " failed_age = excluded.failed_age, failed_count = excluded.failed_count,"
        " cancelled_age = excluded.cancelled_age, cancelled_count = excluded.cancelled_count";

    if (!rules) {
        db_exec(tx, "DELETE FROM retention WHERE owner_id = ?1", DB_ARGS(D_ID(owner)));
        return;
    }
    const struct retention_rule *r = rules->of;
    db_exec(tx, sql,
            DB_ARGS(D_ID(owner), D_ID(tenant), D_INT(r[RETENTION_SUCCEEDED].age),
                    D_INT(r[RETENTION_SUCCEEDED].count), D_INT(r[RETENTION_FAILED].age),
                    D_INT(r[RETENTION_FAILED].count), D_INT(r[RETENTION_CANCELLED].age),
                    D_INT(r[RETENTION_CANCELLED].count)));
}

static void read_rules(const struct db_cursor *c, int col, struct retention *rules)
{
    for (int i = 0; i < RETENTION_OUTCOMES; i++)
        rules->of[i] = (struct retention_rule){db_usec(c, col + 2 * i), db_int(c, col + 2 * i + 1)};
}

Err store_retention_get(struct db *db, struct arena *a, Id owner, struct retention *ret_rules)
{
    AUTO(db_cursor) *c = NULL;
    struct retention rules = {0};

    TRY(db_query(db, a, "SELECT " RULES " FROM retention WHERE owner_id = ?1", DB_ARGS(D_ID(owner)),
                 &c));
    if (db_next(c))
        read_rules(c, 0, &rules);
    TRY(db_finish(c));
    *ret_rules = rules;
    return OK;
}

Err store_retention_list(struct db *db, struct arena *a, Id after, int limit,
                         RetentionRows *ret_rows)
{
    static const char sql[] =
        "SELECT w.id, w.tenant_id, o.succeeded_age, o.succeeded_count, o.failed_age,"
        " o.failed_count, o.cancelled_age, o.cancelled_count, t.succeeded_age, t.succeeded_count,"
        " t.failed_age, t.failed_count, t.cancelled_age, t.cancelled_count FROM workflow w"
        " LEFT JOIN retention o ON o.owner_id = w.id LEFT JOIN retention t ON t.owner_id ="
        " w.tenant_id WHERE w.id > ?1 ORDER BY w.id LIMIT ?2";
    AUTO(db_cursor) *c = NULL;
    RetentionRows rows = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(after), D_INT(limit)), &c));
    while (db_next(c)) {
        struct retention_row *r = vec_add(a, &rows);
        r->workflow = db_id(c, 0);
        r->tenant = db_id(c, 1);
        read_rules(c, 2, &r->own); /* without a row all are NULL, which is 0 */
        read_rules(c, 8, &r->of_tenant);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_retention_find(struct db *db, struct arena *a, const struct retention_range *range,
                         int limit, EndedRuns *ret_runs)
{
    static const char sql[] =
        "SELECT r.id, r.tenant_id,"
        " COALESCE((SELECT SUM(LENGTH(events)) FROM journal j WHERE j.run_id = r.id), 0),"
        " (SELECT COUNT(*) FROM approval x WHERE x.run_id = r.id),"
        " (SELECT COUNT(*) FROM run_child x WHERE x.run_id = r.id),"
        " (SELECT COUNT(*) FROM run_key x WHERE x.run_id = r.id),"
        " (SELECT COUNT(*) FROM run_payload x WHERE x.run_id = r.id)"
        " FROM run r WHERE r.workflow_id = ?1 AND r.id > ?2 AND r.id < ?3 AND r.state >= ?4 AND"
        " r.state <= ?5 AND r.finished_at < ?6 AND r.keep = 0 ORDER BY r.id LIMIT ?7";
    AUTO(db_cursor) *c = NULL;
    EndedRuns runs = {0};
    Usec finished = range->finished_before ? range->finished_before : INT64_MAX;

    TRY(db_query(db, a, sql,
                 DB_ARGS(D_ID(range->workflow), D_ID(range->after), D_ID(range->before),
                         D_INT(range->first_state), D_INT(range->last_state), D_INT(finished),
                         D_INT(limit)),
                 &c));
    while (db_next(c))
        vec_push(a, &runs,
                 ((struct ended_run){db_id(c, 0), db_id(c, 1), db_int(c, 2), db_int(c, 3) != 0,
                                     db_int(c, 4) != 0, db_int(c, 5) != 0, db_int(c, 6) != 0}));
    TRY(db_finish(c));
    *ret_runs = runs;
    return OK;
}

Err store_retention_beyond(struct db *db, struct arena *a, Id workflow, int state, int64_t count,
                           Id *ret_id)
{
    static const char sql[] = "SELECT id FROM run WHERE workflow_id = ?1 AND state = ?2"
                              " ORDER BY id DESC LIMIT 1 OFFSET ?3";
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(workflow), D_INT(state), D_INT(count)), &c));
    bool found = db_next(c);
    if (found)
        *ret_id = db_id(c, 0);
    TRY(db_finish(c));
    return found ? OK : err_set(E_NOT_FOUND, "there are not more");
}

static void delete_run(struct db_tx *tx, const struct ended_run *run, const PayloadHashes *payloads)
{
    static const char decisions[] = "DELETE FROM decision WHERE approval_id IN (SELECT id FROM"
                                    " approval WHERE run_id = ?1)";
    static const char mails[] = "DELETE FROM approval_mail WHERE approval_id IN (SELECT id FROM"
                                " approval WHERE run_id = ?1)";

    /* First of all: from here on nobody else marks or deletes it. */
    db_exec_expect(tx, 1, "DELETE FROM run WHERE id = ?1 AND keep = 0", DB_ARGS(D_ID(run->id)));
    db_exec(tx, "DELETE FROM journal WHERE run_id = ?1", DB_ARGS(D_ID(run->id)));
    store_payload_drop(tx, run->tenant, run->id, payloads);
    if (run->has_approvals) {
        db_exec(tx, decisions, DB_ARGS(D_ID(run->id)));
        db_exec(tx, mails, DB_ARGS(D_ID(run->id)));
        db_exec(tx, "DELETE FROM approval WHERE run_id = ?1", DB_ARGS(D_ID(run->id)));
    }
    if (run->has_parent)
        db_exec(tx, "DELETE FROM run_child WHERE run_id = ?1", DB_ARGS(D_ID(run->id)));
    if (run->has_key)
        db_exec(tx, "DELETE FROM run_key WHERE run_id = ?1", DB_ARGS(D_ID(run->id)));
}

Err store_retention_delete(struct db *db, struct arena *a, const EndedRuns *runs, size_t *ret_n)
{
    struct db_tx *tx = db_begin(db, a);
    size_t n = 0, payloads = 0;
    int64_t bytes = 0;

    while (n < runs->n && n < DELETE_RUNS && bytes < DELETE_BYTES && payloads < DELETE_PAYLOADS) {
        const struct ended_run *run = &runs->at[n++];
        PayloadHashes hashes = {0};
        if (run->has_payloads)
            TRY(store_payload_of(db, a, run->id, &hashes));
        delete_run(tx, run, &hashes);
        bytes += run->bytes;
        payloads += hashes.n;
    }
    TRY(db_commit(tx));
    *ret_n = n;
    return OK;
}

Err store_run_keep(struct db *db, struct arena *a, Id tenant, Id run, bool keep)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, "UPDATE run SET keep = ?3 WHERE id = ?1 AND tenant_id = ?2",
                   DB_ARGS(D_ID(run), D_ID(tenant), D_INT(keep)));
    Err e = db_commit(tx);
    return e == E_CONFLICT ? err_detail(E_NOT_FOUND, "There is no such run.") : e;
}
