/* src/store/store_poll.c - where workflows look for something new. */
#include "store/store_poll.h"

#include "store/store_flow.h"

void store_poll_put(struct db_tx *tx, Id workflow, const struct poll_row *row)
{
    static const char forget[] =
        "DELETE FROM poll_item WHERE workflow_id = ?1 AND NOT EXISTS (SELECT 1 FROM poll p WHERE"
        " p.workflow_id = ?1 AND p.spec = ?2)";
    static const char over[] =
        "INSERT INTO poll_over (watch) SELECT watch FROM poll WHERE workflow_id = ?1 AND watch IS"
        " NOT NULL AND spec <> ?2 ON CONFLICT (watch) DO NOTHING";
    static const char put[] =
        "INSERT INTO poll (workflow_id, tenant_id, kind, version, hash, spec, is_first, next_at,"
        " looked_at, error, watch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, 0, 0, '', ?7)"
        " ON CONFLICT (workflow_id) DO UPDATE SET kind = excluded.kind,"
        " version = excluded.version, hash = excluded.hash, spec = excluded.spec, next_at = 0, "
        "taken_by = NULL,"
        " is_first = CASE WHEN poll.spec = excluded.spec THEN poll.is_first ELSE 1 END,"
        " watch = CASE WHEN poll.spec = excluded.spec THEN poll.watch ELSE excluded.watch END,"
        " cursor = CASE WHEN poll.spec = excluded.spec THEN poll.cursor ELSE '' END,"
        " failures = 0, error = ''";

    db_exec(tx, forget, DB_ARGS(D_ID(workflow), D_TEXT(row ? row->spec : S(""))));
    db_exec(tx, over, DB_ARGS(D_ID(workflow), D_TEXT(row ? row->spec : S(""))));
    if (!row)
        db_exec(tx, "DELETE FROM poll WHERE workflow_id = ?1", DB_ARGS(D_ID(workflow)));
    else
        db_exec(tx, put,
                DB_ARGS(D_ID(workflow), D_ID(row->tenant), D_TEXT(row->kind), D_INT(row->version),
                        D_BYTES(row->hash), D_TEXT(row->spec), D_ID(id_new())));
}

#define COLUMNS                                                                                    \
    "workflow_id, tenant_id, kind, version, hash, spec, is_first, next_at, looked_at, error,"      \
    " watch, cursor, failures, CASE WHEN taken_by IS NULL THEN 0 ELSE 1 END"

/* Behind the columns there may be the name of the workflow. */
static void read_rows(struct db_cursor *c, struct arena *a, bool named, PollRows *ret_rows)
{
    PollRows rows = {0};

    while (db_next(c))
        vec_push(a, &rows,
                 ((struct poll_row){.workflow = db_id(c, 0),
                                    .tenant = db_id(c, 1),
                                    .kind = db_text(c, 2),
                                    .version = (int)db_int(c, 3),
                                    .hash = db_bytes(c, 4),
                                    .spec = db_text(c, 5),
                                    .is_first = db_int(c, 6) != 0,
                                    .next_at = db_usec(c, 7),
                                    .looked_at = db_usec(c, 8),
                                    .error = db_text(c, 9),
                                    .watch = db_id(c, 10),
                                    .cursor = db_text(c, 11),
                                    .failures = (int)db_int(c, 12),
                                    .is_taken = db_int(c, 13) != 0,
                                    .workflow_name = named ? db_text(c, 14) : S("")}));
    *ret_rows = rows;
}

Err store_poll_get(struct db *db, struct arena *a, Id tenant, Id workflow, struct poll_row *ret_row)
{
    AUTO(db_cursor) *c = NULL;
    PollRows rows;

    TRY(db_query(db, a, "SELECT " COLUMNS " FROM poll WHERE workflow_id = ?1 AND tenant_id = ?2",
                 DB_ARGS(D_ID(workflow), D_ID(tenant)), &c));
    read_rows(c, a, false, &rows);
    TRY(db_finish(c));
    if (!rows.n)
        return err_detail(E_NOT_FOUND, "This workflow does not look for anything.");
    *ret_row = rows.at[0];
    return OK;
}

Err store_poll_list(struct db *db, struct arena *a, Id tenant, bool trouble, Id before, int limit,
                    PollRows *ret_rows)
{
    static const char sql[] =
        "SELECT " COLUMNS ", (SELECT w.name FROM workflow w WHERE w.id = workflow_id) FROM poll"
        " WHERE tenant_id = ?1 AND workflow_id < ?2 AND (?3 = 0 OR error <> '')"
        " ORDER BY workflow_id DESC LIMIT ?4";
    AUTO(db_cursor) *c = NULL;

    if (id_is_none(before))
        memset(before.b, 0xff, sizeof before.b);
    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant), D_ID(before), D_INT(trouble), D_INT(limit)),
                 &c));
    read_rows(c, a, true, ret_rows);
    return db_finish(c);
}

/* Also what was looked at later than now: the clock was set back since. */
#define IS_DUE "(next_at <= ?1 OR (looked_at > ?2 AND taken_by IS NULL))"

Err store_poll_is_due(struct db *db, struct arena *a, Usec now, bool *ret_is)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT 1 FROM poll WHERE " IS_DUE " LIMIT 1",
                 DB_ARGS(D_INT(now), D_INT(now + FLOW_CLOCK_SLACK)), &c));
    *ret_is = db_next(c);
    return db_finish(c);
}

Err store_poll_take(struct db *db, struct arena *a, Id node, Usec now, Usec until, int limit,
                    PollRows *ret_rows)
{
    /* The time is asked for twice: who waited for another node's taking sees what it has become.
     * Who has many, or slow ones, waits for places of his own. */
    static const char sql[] =
        "UPDATE poll SET next_at = ?3, taken_by = ?5 WHERE " IS_DUE
        " AND workflow_id IN (SELECT d.workflow_id FROM (SELECT workflow_id, tenant_id, next_at,"
        " ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY next_at, workflow_id) AS place"
        " FROM poll WHERE " IS_DUE ") d LEFT JOIN (SELECT tenant_id, COUNT(*) AS n FROM poll"
        " WHERE taken_by IS NOT NULL AND next_at > ?1 GROUP BY tenant_id) t"
        " ON t.tenant_id = d.tenant_id WHERE d.place + COALESCE(t.n, 0) <= ?6"
        " ORDER BY d.next_at LIMIT ?4) RETURNING " COLUMNS;
    struct db_tx *tx = db_begin(db, a);
    AUTO(db_cursor) *c = NULL;

    db_exec_returning(tx, sql,
                      DB_ARGS(D_INT(now), D_INT(now + FLOW_CLOCK_SLACK), D_INT(until), D_INT(limit),
                              D_ID(node), D_INT(STORE_POLL_TENANT_MAX)),
                      &c);
    TRY(db_commit(tx));
    read_rows(c, a, false, ret_rows);
    return OK;
}

static Err exec_one(struct db *db, struct arena *a, const char *sql, struct db_args args)
{
    struct db_tx *tx = db_begin(db, a);
    db_exec(tx, sql, args);
    return db_commit(tx);
}

Err store_poll_hurry(struct db *db, struct arena *a, Id tenant, Id workflow)
{
    return exec_one(db, a,
                    "UPDATE poll SET next_at = 0 WHERE workflow_id = ?1 AND tenant_id = ?2 AND"
                    " taken_by IS NULL",
                    DB_ARGS(D_ID(workflow), D_ID(tenant)));
}

Err store_poll_free(struct db *db, struct arena *a, Id node)
{
    if (id_is_none(node))
        return exec_one(db, a,
                        "UPDATE poll SET next_at = 0, taken_by = NULL WHERE taken_by IS NOT NULL",
                        DB_NO_ARGS);
    return exec_one(db, a, "UPDATE poll SET next_at = 0, taken_by = NULL WHERE taken_by = ?1",
                    DB_ARGS(D_ID(node)));
}

Err store_poll_looked(struct db *db, struct arena *a, const struct poll_row *row, Usec now)
{
    /* A version that was published meanwhile is looked at at once. */
    return exec_one(db, a,
                    "UPDATE poll SET next_at = ?3, taken_by = NULL, looked_at = ?4, error = ?5,"
                    " is_first = CASE WHEN ?6 = 1 THEN is_first ELSE 0 END, cursor = ?7,"
                    " failures = ?8 WHERE workflow_id = ?1 AND hash = ?2 AND next_at > 0 AND"
                    " (watch IS NULL OR watch = ?9)",
                    DB_ARGS(D_ID(row->workflow), D_BYTES(row->hash), D_INT(row->next_at),
                            D_INT(now), D_TEXT(row->error), D_INT(row->is_first),
                            D_TEXT(row->cursor), D_INT(row->failures), D_ID(row->watch)));
}

/* ---- items ---- */

Err store_poll_items(struct db *db, struct arena *a, Id workflow, PollItems *ret_items)
{
    AUTO(db_cursor) *c = NULL;
    PollItems items = {0};

    TRY(db_query(db, a, "SELECT item, mark, state, since FROM poll_item WHERE workflow_id = ?1",
                 DB_ARGS(D_ID(workflow)), &c));
    while (db_next(c))
        vec_push(a, &items,
                 ((struct poll_item){db_id(c, 0), db_text(c, 1), (enum poll_state)db_int(c, 2),
                                     db_usec(c, 3)}));
    TRY(db_finish(c));
    *ret_items = items;
    return OK;
}

void store_poll_item_put(struct db_tx *tx, Id workflow, const struct poll_item *item)
{
    db_exec(tx,
            "INSERT INTO poll_item (workflow_id, item, mark, state, since) VALUES (?1, ?2, ?3, ?4,"
            " ?5) ON CONFLICT (workflow_id, item) DO UPDATE SET mark = excluded.mark,"
            " state = excluded.state, since = excluded.since",
            DB_ARGS(D_ID(workflow), D_ID(item->item), D_TEXT(item->mark), D_INT(item->state),
                    D_INT(item->since)));
}

void store_poll_item_drop(struct db_tx *tx, Id workflow, Id item)
{
    db_exec(tx, "DELETE FROM poll_item WHERE workflow_id = ?1 AND item = ?2",
            DB_ARGS(D_ID(workflow), D_ID(item)));
}

void store_poll_item_done(struct db_tx *tx, Id workflow, const struct poll_item *item)
{
    db_exec_expect(tx, 1,
                   "UPDATE poll_item SET state = 1 WHERE workflow_id = ?1 AND item = ?2 AND mark ="
                   " ?3 AND state <> 1",
                   DB_ARGS(D_ID(workflow), D_ID(item->item), D_TEXT(item->mark)));
}
