/* src/store/store_approval.c - steps that wait for people, and their decisions. */
#include "store/store_approval.h"

#define COLUMNS                                                                                    \
    "p.id, p.tenant_id, p.workflow_id, p.run_id, p.body, p.secret, p.decisions, p.created_at,"     \
    " p.due_at, p.closed_at, p.outcome, w.name"
#define TABLES " FROM approval p LEFT JOIN workflow w ON w.id = p.workflow_id"

void store_approval_insert(struct db_tx *tx, const struct approval_row *r)
{
    db_exec(tx,
            "INSERT INTO approval (id, tenant_id, workflow_id, run_id, body, secret, decisions,"
            " created_at, due_at, closed_at, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8,"
            " NULL, '')",
            DB_ARGS(D_ID(r->id), D_ID(r->tenant), D_ID(r->workflow), D_ID(r->run), D_BYTES(r->body),
                    D_BYTES(r->secret), D_INT(r->created_at), D_USEC_OPT(r->due_at)));
}

void store_approval_close(struct db_tx *tx, Id id, Str outcome, Usec now)
{
    db_exec(tx,
            "UPDATE approval SET closed_at = ?2, outcome = ?3 WHERE id = ?1 AND closed_at IS NULL",
            DB_ARGS(D_ID(id), D_INT(now), D_TEXT(outcome)));
}

void store_approval_close_run(struct db_tx *tx, Id run, Usec now)
{
    db_exec(tx,
            "UPDATE approval SET closed_at = ?2, outcome = 'ended' WHERE run_id = ?1 AND closed_at"
            " IS NULL",
            DB_ARGS(D_ID(run), D_INT(now)));
}

static Err read_rows(struct db *db, struct arena *a, const char *sql, struct db_args args,
                     ApprovalRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;
    ApprovalRows rows = {0};

    TRY(db_query(db, a, sql, args, &c));
    while (db_next(c)) {
        struct approval_row *r = vec_add(a, &rows);
        *r = (struct approval_row){
            .id = db_id(c, 0),
            .tenant = db_id(c, 1),
            .workflow = db_id(c, 2),
            .run = db_id(c, 3),
            .body = db_bytes(c, 4),
            .secret = db_bytes(c, 5),
            .decisions = db_int(c, 6),
            .created_at = db_usec(c, 7),
            .due_at = db_usec(c, 8),
            .closed_at = db_usec(c, 9),
            .outcome = db_text(c, 10),
            .workflow_name = db_text(c, 11),
        };
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_approvals_open(struct db *db, struct arena *a, Id tenant, Id before, int limit,
                         ApprovalRows *ret_rows)
{
    static const char sql[] =
        "SELECT " COLUMNS TABLES " WHERE p.tenant_id = ?1 AND p.id < ?2 AND p.closed_at IS NULL"
        " ORDER BY p.id DESC LIMIT ?3";

    if (id_is_none(before))
        memset(before.b, 0xff, sizeof before.b);
    return read_rows(db, a, sql, DB_ARGS(D_ID(tenant), D_ID(before), D_INT(limit)), ret_rows);
}

Err store_approval_get(struct db *db, struct arena *a, Id id, struct approval_row *ret_row)
{
    ApprovalRows rows;

    TRY(read_rows(db, a, "SELECT " COLUMNS TABLES " WHERE p.id = ?1", DB_ARGS(D_ID(id)), &rows));
    if (rows.n == 0)
        return err_detail(E_NOT_FOUND, "There is no such approval.");
    *ret_row = rows.at[0];
    return OK;
}

Err store_approval_decide(struct db *db, struct arena *a, const struct approval_row *row,
                          Str source, Str body, Usec now)
{
    struct db_tx *tx = db_begin(db, a);
    struct answer_row answer = {row->id, row->run, source, body};

    /* The row first: it is locked against its end in the same moment. */
    db_exec_expect(tx, 1,
                   "UPDATE approval SET decisions = decisions + 1 WHERE id = ?1 AND closed_at IS"
                   " NULL",
                   DB_ARGS(D_ID(row->id)));
    db_exec(tx, "INSERT INTO decision (approval_id, source, body) VALUES (?1, ?2, ?3)",
            DB_ARGS(D_ID(row->id), D_BYTES(source), D_BYTES(body)));
    store_answer_post(tx, &answer, now);
    return db_commit(tx);
}

Err store_decisions(struct db *db, struct arena *a, Id approval, Decisions *ret_decisions)
{
    AUTO(db_cursor) *c = NULL;
    Decisions all = {0};

    TRY(db_query(db, a, "SELECT body FROM decision WHERE approval_id = ?1", DB_ARGS(D_ID(approval)),
                 &c));
    while (db_next(c))
        vec_push(a, &all, db_bytes(c, 0));
    TRY(db_finish(c));
    *ret_decisions = all;
    return OK;
}

Err store_decision_of(struct db *db, struct arena *a, Id approval, Str source, Str *ret_body)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT body FROM decision WHERE approval_id = ?1 AND source = ?2",
                 DB_ARGS(D_ID(approval), D_BYTES(source)), &c));
    bool found = db_next(c);
    if (found)
        *ret_body = db_bytes(c, 0);
    TRY(db_finish(c));
    return found ? OK : err_set(E_NOT_FOUND, "nothing was decided by them");
}
