/* src/store/store_mailbox.c - folders of mails that start workflows. */
#include "store/store_mailbox.h"

#include "store/store_flow.h"

void store_mailbox_put(struct db_tx *tx, Id workflow, const struct mailbox_row *row)
{
    static const char forget[] = "DELETE FROM mailbox WHERE workflow_id = ?1 AND spec <> ?2";
    static const char put[] =
        "INSERT INTO mailbox (workflow_id, tenant_id, version, hash, spec, epoch, uidvalidity,"
        " last_uid, pending_uid, arrived, after, next_at, connected_at, looked_at, mail_at,"
        " started, tries, error)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '')"
        " ON CONFLICT (workflow_id) DO UPDATE SET version = excluded.version,"
        " hash = excluded.hash, epoch = mailbox.epoch + 1, pending_uid = 0, next_at = 0,"
        " taken_by = NULL, connected_at = 0, tries = 0, error = ''";

    db_exec(tx, forget, DB_ARGS(D_ID(workflow), D_TEXT(row ? row->spec : S(""))));
    if (row) /* epochs of a row that was there before are not met again: times rise */
        db_exec(tx, put,
                DB_ARGS(D_ID(workflow), D_ID(row->tenant), D_INT(row->version), D_BYTES(row->hash),
                        D_TEXT(row->spec), D_INT(time_wall())));
}

#define COLUMNS                                                                                    \
    "workflow_id, tenant_id, version, hash, spec, epoch, uidvalidity, last_uid, pending_uid,"      \
    " arrived, after, next_at, taken_by, connected_at, looked_at, mail_at, started, tries, error"

static void read_rows(struct db_cursor *c, struct arena *a, MailboxRows *ret_rows)
{
    MailboxRows rows = {0};

    while (db_next(c))
        vec_push(a, &rows,
                 ((struct mailbox_row){.workflow = db_id(c, 0),
                                       .tenant = db_id(c, 1),
                                       .version = (int)db_int(c, 2),
                                       .hash = db_bytes(c, 3),
                                       .spec = db_text(c, 4),
                                       .epoch = db_int(c, 5),
                                       .uidvalidity = db_int(c, 6),
                                       .last_uid = db_int(c, 7),
                                       .pending_uid = db_int(c, 8),
                                       .arrived = db_usec(c, 9),
                                       .after = db_usec(c, 10),
                                       .next_at = db_usec(c, 11),
                                       .taken_by = db_id(c, 12),
                                       .connected_at = db_usec(c, 13),
                                       .looked_at = db_usec(c, 14),
                                       .mail_at = db_usec(c, 15),
                                       .started = db_int(c, 16),
                                       .tries = (int)db_int(c, 17),
                                       .error = db_text(c, 18)}));
    *ret_rows = rows;
}

Err store_mailbox_get(struct db *db, struct arena *a, Id tenant, Id workflow,
                      struct mailbox_row *ret_row)
{
    AUTO(db_cursor) *c = NULL;
    MailboxRows rows;

    TRY(db_query(db, a, "SELECT " COLUMNS " FROM mailbox WHERE workflow_id = ?1 AND tenant_id = ?2",
                 DB_ARGS(D_ID(workflow), D_ID(tenant)), &c));
    read_rows(c, a, &rows);
    TRY(db_finish(c));
    if (!rows.n)
        return err_detail(E_NOT_FOUND, "This workflow does not read mails.");
    *ret_row = rows.at[0];
    return OK;
}

/* Also what was looked at later than now: the clock was set back since. */
#define IS_DUE "(next_at <= ?1 OR (looked_at > ?2 AND taken_by IS NULL))"

Err store_mailbox_is_due(struct db *db, struct arena *a, Usec now, bool *ret_is)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT 1 FROM mailbox WHERE " IS_DUE " LIMIT 1",
                 DB_ARGS(D_INT(now), D_INT(now + FLOW_CLOCK_SLACK)), &c));
    *ret_is = db_next(c);
    return db_finish(c);
}

Err store_mailbox_take(struct db *db, struct arena *a, Id node, Usec now, Usec until, int limit,
                       MailboxRows *ret_rows)
{
    /* The time is asked for twice: who waited for another node's taking sees what it has become.
     * Who has very many waits for places of his own. */
    static const char sql[] =
        "UPDATE mailbox SET next_at = ?3, taken_by = ?5, epoch = epoch + 1, connected_at = 0"
        " WHERE " IS_DUE " AND workflow_id IN (SELECT d.workflow_id FROM (SELECT workflow_id,"
        " tenant_id, next_at, ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY next_at,"
        " workflow_id) AS place FROM mailbox WHERE " IS_DUE ") d LEFT JOIN (SELECT tenant_id,"
        " COUNT(*) AS n FROM mailbox WHERE taken_by IS NOT NULL AND next_at > ?1"
        " GROUP BY tenant_id) t ON t.tenant_id = d.tenant_id"
        " WHERE d.place + COALESCE(t.n, 0) <= ?6 ORDER BY d.next_at LIMIT ?4) RETURNING " COLUMNS;
    struct db_tx *tx = db_begin(db, a);
    AUTO(db_cursor) *c = NULL;

    db_exec_returning(tx, sql,
                      DB_ARGS(D_INT(now), D_INT(now + FLOW_CLOCK_SLACK), D_INT(until), D_INT(limit),
                              D_ID(node), D_INT(STORE_MAILBOX_TENANT_MAX)),
                      &c);
    TRY(db_commit(tx));
    read_rows(c, a, ret_rows);
    return OK;
}

Err store_mailbox_free(struct db *db, struct arena *a, Id node)
{
    struct db_tx *tx = db_begin(db, a);

    if (id_is_none(node))
        db_exec(tx,
                "UPDATE mailbox SET next_at = 0, taken_by = NULL, connected_at = 0"
                " WHERE taken_by IS NOT NULL",
                DB_NO_ARGS);
    else
        db_exec(tx,
                "UPDATE mailbox SET next_at = 0, taken_by = NULL, connected_at = 0"
                " WHERE taken_by = ?1",
                DB_ARGS(D_ID(node)));
    return db_commit(tx);
}

void store_mailbox_keep(struct db_tx *tx, const struct mailbox_row *row)
{
    static const char sql[] =
        "UPDATE mailbox SET uidvalidity = ?3, last_uid = CASE WHEN uidvalidity = ?3 AND"
        " last_uid > ?4 THEN last_uid ELSE ?4 END, pending_uid = ?5, arrived = ?6,"
        " after = ?7, next_at = ?8, connected_at = ?9, looked_at = ?10, tries = ?11, error = ?12"
        " WHERE workflow_id = ?1 AND epoch = ?2";

    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(row->workflow), D_INT(row->epoch), D_INT(row->uidvalidity),
                           D_INT(row->last_uid), D_INT(row->pending_uid), D_INT(row->arrived),
                           D_INT(row->after), D_INT(row->next_at), D_INT(row->connected_at),
                           D_INT(row->looked_at), D_INT(row->tries), D_TEXT(row->error)));
}

Err store_mailbox_leave(struct db *db, struct arena *a, const struct mailbox_row *row)
{
    struct db_tx *tx = db_begin(db, a);

    store_mailbox_keep(tx, row);
    db_exec(tx,
            "UPDATE mailbox SET taken_by = NULL, connected_at = 0, epoch = epoch + 1"
            " WHERE workflow_id = ?1 AND epoch = ?2",
            DB_ARGS(D_ID(row->workflow), D_INT(row->epoch)));
    return db_commit(tx);
}

void store_mailbox_started(struct db_tx *tx, const struct mailbox_row *row, int64_t uid,
                           bool pending, Usec now)
{
    static const char sql[] =
        "UPDATE mailbox SET last_uid = ?3, pending_uid = ?4, mail_at = ?5, started = started + 1"
        " WHERE workflow_id = ?1 AND epoch = ?2 AND uidvalidity = ?6 AND last_uid < ?3";

    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(row->workflow), D_INT(row->epoch), D_INT(uid),
                           D_INT(pending ? uid : 0), D_INT(now), D_INT(row->uidvalidity)));
}
