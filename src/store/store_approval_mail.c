/* src/store/store_approval_mail.c - mails on their way. */
#include "store/store_approval_mail.h"

#define COLUMNS                                                                                    \
    "id, approval_id, recipient, state, attempts, next_at, error, created_at, finished_at,"        \
    " taken_until"

void store_approval_mail_put(struct db_tx *tx, const struct approval_mail *r)
{
    db_exec(
        tx,
        "INSERT INTO approval_mail (id, approval_id, recipient, state, attempts, next_at, error,"
        " created_at, finished_at, taken_until, taken_by) VALUES (?1, ?2, ?3, 0, 0, ?4, '', ?4,"
        " NULL, 0, NULL)",
        DB_ARGS(D_ID(r->id), D_ID(r->approval), D_TEXT(r->to), D_INT(r->created_at)));
}

static Err read_rows(struct db *db, struct arena *a, const char *sql, struct db_args args,
                     ApprovalMails *ret_rows)
{
    AUTO(db_cursor) *c = NULL;
    ApprovalMails rows = {0};

    TRY(db_query(db, a, sql, args, &c));
    while (db_next(c)) {
        struct approval_mail *r = vec_add(a, &rows);
        *r = (struct approval_mail){
            .id = db_id(c, 0),
            .approval = db_id(c, 1),
            .to = db_text(c, 2),
            .state = (enum approval_mail_state)db_int(c, 3),
            .attempts = (int)db_int(c, 4),
            .next_at = db_usec(c, 5),
            .error = db_text(c, 6),
            .created_at = db_usec(c, 7),
            .finished_at = db_usec(c, 8),
            .taken_until = db_usec(c, 9),
        };
    }
    *ret_rows = rows;
    return db_finish(c);
}

Err store_approval_mail_due(struct db *db, struct arena *a, Usec now, int limit,
                            ApprovalMails *ret_rows)
{
    return read_rows(db, a,
                     "SELECT " COLUMNS " FROM approval_mail WHERE state = 0 AND next_at <= ?1 AND"
                     " taken_until <= ?1 ORDER BY next_at LIMIT ?2",
                     DB_ARGS(D_INT(now), D_INT(limit)), ret_rows);
}

Err store_approval_mail_of(struct db *db, struct arena *a, Id approval, ApprovalMails *ret_rows)
{
    return read_rows(db, a,
                     "SELECT " COLUMNS " FROM approval_mail WHERE approval_id = ?1 ORDER BY id",
                     DB_ARGS(D_ID(approval)), ret_rows);
}

Err store_approval_mail_take(struct db *db, struct arena *a, const struct approval_mail *row,
                             Id node, Usec until)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1,
                   "UPDATE approval_mail SET taken_until = ?3, taken_by = ?4 WHERE id = ?1 AND"
                   " taken_until = ?2 AND state = 0",
                   DB_ARGS(D_ID(row->id), D_INT(row->taken_until), D_INT(until), D_ID(node)));
    return db_commit(tx);
}

Err store_approval_mail_tried(struct db *db, struct arena *a, const struct approval_mail *row,
                              Usec taken)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx,
            "UPDATE approval_mail SET state = ?3, attempts = ?4, next_at = ?5, error = ?6, "
            "finished_at = ?7,"
            " taken_until = 0, taken_by = NULL WHERE id = ?1 AND taken_until = ?2 AND state = 0",
            DB_ARGS(D_ID(row->id), D_INT(taken), D_INT(row->state), D_INT(row->attempts),
                    D_INT(row->next_at), D_TEXT(row->error), D_USEC_OPT(row->finished_at)));
    return db_commit(tx);
}

Err store_approval_mail_free(struct db *db, struct arena *a, Id node)
{
    static const char of[] = "UPDATE approval_mail SET taken_until = 0, taken_by = NULL"
                             " WHERE taken_by = ?1 AND state = 0";
    static const char all[] = "UPDATE approval_mail SET taken_until = 0, taken_by = NULL"
                              " WHERE taken_by IS NOT NULL AND state = 0";
    struct db_tx *tx = db_begin(db, a);

    if (id_is_none(node))
        db_exec(tx, all, DB_NO_ARGS);
    else
        db_exec(tx, of, DB_ARGS(D_ID(node)));
    return db_commit(tx);
}
