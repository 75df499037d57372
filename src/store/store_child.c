/* src/store/store_child.c - runs that other runs have started. */
#include "store/store_child.h"

void store_run_insert_due(struct db_tx *tx, const struct run_row *row,
                          const struct journal_batch *batch)
{
    static const char sql[] =
        "INSERT INTO run (id, tenant_id, workflow_id, version, hash, origin, state, created_at,"
        " finished_at, wake_at, cancel_requested, lease_node, lease_epoch, crashes, dry_run)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, 0, 0, NULL, 0, 0, ?9)";

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_ID(row->workflow), D_INT(row->version),
                    D_BYTES(row->hash), D_TEXT(row->origin), D_INT(row->state),
                    D_INT(row->created_at), D_INT(row->dry_run)));
    store_journal_append(tx, row, 1, batch, true);
}

void store_child_insert(struct db_tx *tx, const struct child_row *row)
{
    db_exec(tx, "INSERT INTO run_child (run_id, parent_id, node, wait_id) VALUES (?1, ?2, ?3, ?4)",
            DB_ARGS(D_ID(row->run), D_ID(row->parent), D_TEXT(row->node), D_ID_OPT(row->wait)));
}

void store_child_report(struct db_tx *tx, const Id *child, Str body, Usec now)
{
    /* The parent's row first, as its own last transaction does: nobody waits for the other. */
    static const char mark[] =
        "UPDATE run SET mail = mail + 1, wake_at = CASE WHEN wake_at IS NULL THEN NULL ELSE 0 END"
        " WHERE id = (SELECT parent_id FROM run_child WHERE run_id = ?1 AND wait_id IS NOT NULL)"
        " AND finished_at IS NULL";
    static const char put[] =
        "INSERT INTO answer (wait_id, source, run_id, body, created_at) SELECT wait_id, ?2,"
        " parent_id, ?3, ?4 FROM run_child WHERE run_id = ?1 AND wait_id IS NOT NULL"
        " ON CONFLICT (wait_id, source) DO NOTHING";
    Str source = str_from((const char *)child->b, sizeof child->b);

    db_exec(tx, mark, DB_ARGS(D_ID(*child)));
    db_exec(tx, put, DB_ARGS(D_ID(*child), D_BYTES(source), D_BYTES(body), D_INT(now)));
}

/* A parked run is made due, so that whoever looks next ends it. */
#define ASK_TO_STOP                                                                                \
    "UPDATE run SET cancel_requested = 1, wake_at = CASE WHEN wake_at IS NULL THEN NULL ELSE 0 "   \
    "END WHERE finished_at IS NULL AND "

void store_child_cancel_all(struct db_tx *tx, Id parent)
{
    db_exec(tx,
            ASK_TO_STOP "id IN (SELECT run_id FROM run_child WHERE parent_id = ?1 AND wait_id IS"
                        " NOT NULL)",
            DB_ARGS(D_ID(parent)));
}

void store_child_cancel(struct db_tx *tx, Id child)
{
    db_exec(tx, ASK_TO_STOP "id = ?1", DB_ARGS(D_ID(child)));
}

Err store_child_list(struct db *db, struct arena *a, Id parent, int limit,
                     ChildEntries *ret_entries)
{
    static const char sql[] =
        "SELECT c.run_id, c.node, c.wait_id, r.workflow_id, r.version, r.state, r.created_at,"
        " r.finished_at, w.name FROM run_child c JOIN run r ON r.id = c.run_id"
        " LEFT JOIN workflow w ON w.id = r.workflow_id WHERE c.parent_id = ?1"
        " ORDER BY c.run_id LIMIT ?2";
    AUTO(db_cursor) *c = NULL;
    ChildEntries entries = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(parent), D_INT(limit)), &c));
    while (db_next(c)) {
        struct child_entry *e = vec_add(a, &entries);
        e->child = (struct child_row){db_id(c, 0), parent, db_text(c, 1), db_id(c, 2)};
        e->run = (struct run_row){.id = e->child.run,
                                  .workflow = db_id(c, 3),
                                  .version = (int)db_int(c, 4),
                                  .state = (int)db_int(c, 5),
                                  .created_at = db_usec(c, 6),
                                  .finished_at = db_usec(c, 7),
                                  .workflow_name = db_text(c, 8)};
    }
    TRY(db_finish(c));
    *ret_entries = entries;
    return OK;
}
