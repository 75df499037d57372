/* src/store/store_gather.c - starts that are gathered into one run. */
#include "store/store_gather.h"

#include "base/crypto.h"
#include "store/store_flow.h"

#define OPEN "SELECT g.run_id FROM gather g WHERE g.gate_id = ?1 AND g.is_open = 1"

/* The row of the run, if this start has opened what is gathered. */
static void insert_run(struct db_tx *tx, const struct run_row *row)
{
    static const char sql[] =
        "INSERT INTO run (id, tenant_id, workflow_id, version, hash, origin, state, created_at,"
        " finished_at, wake_at, cancel_requested, lease_node, lease_epoch, crashes)"
        " SELECT g.run_id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, ?9, 0, NULL, 0, 0 FROM gather g"
        " WHERE g.run_id = ?1";

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_ID(row->workflow), D_INT(row->version),
                    D_BYTES(row->hash), D_TEXT(row->origin), D_INT(row->state),
                    D_INT(row->created_at), D_INT(STORE_WAKE_NEVER)));
}

static void insert_key(struct db_tx *tx, struct arena *a, const struct gather_join *j)
{
    static const char sql[] =
        "INSERT INTO run_key (workflow_id, key, fingerprint, run_id, created_at)"
        " SELECT ?2, ?3, ?4, g.run_id, ?5 FROM gather g WHERE g.gate_id = ?1 AND g.is_open = 1";
    uint8_t hash[CRYPTO_HASH_SIZE];

    crypto_blake2b(j->key, hash);
    db_exec(tx, sql,
            DB_ARGS(D_ID(j->gate), D_ID(j->run->workflow),
                    D_BYTES(str_dup(a, str_from((char *)hash, sizeof hash))),
                    D_BYTES(j->fingerprint), D_INT(j->now)));
}

static void insert_input(struct db_tx *tx, const struct gather_join *j)
{
    static const char last[] =
        "INSERT INTO gather_input (run_id, seq, body) SELECT g.run_id, 1, ?2 FROM gather g"
        " WHERE g.gate_id = ?1 AND g.is_open = 1"
        " ON CONFLICT (run_id, seq) DO UPDATE SET body = excluded.body";
    static const char first[] =
        "INSERT INTO gather_input (run_id, seq, body) SELECT g.run_id, 1, ?2 FROM gather g"
        " WHERE g.gate_id = ?1 AND g.is_open = 1 ON CONFLICT (run_id, seq) DO NOTHING";
    static const char all[] =
        "INSERT INTO gather_input (run_id, seq, body) SELECT g.run_id, g.n, ?2 FROM gather g"
        " WHERE g.gate_id = ?1 AND g.is_open = 1";

    db_exec(tx,
            j->kind == GATHER_LAST    ? last
            : j->kind == GATHER_FIRST ? first
                                      : all,
            DB_ARGS(D_ID(j->gate), D_BYTES(j->input)));
}

static void close_full(struct db_tx *tx, const struct gather_join *j)
{
    static const char wake[] =
        "UPDATE run SET wake_at = 0 WHERE wake_at IS NOT NULL AND id = (" OPEN
        " AND (g.n >= ?2 OR g.bytes >= ?3))";
    static const char close[] = "UPDATE gather SET is_open = 0 WHERE gate_id = ?1 AND is_open = 1"
                                " AND (n >= ?2 OR bytes >= ?3)";

    db_exec(tx, wake, DB_ARGS(D_ID(j->gate), D_INT(j->size), D_INT(j->size_bytes)));
    db_exec(tx, close, DB_ARGS(D_ID(j->gate), D_INT(j->size), D_INT(j->size_bytes)));
}

void store_gather_join(struct db_tx *tx, struct arena *a, const struct gather_join *j,
                       struct db_cursor **ret_cursor)
{
    /* Also the lock under which all of them join. */
    static const char join[] =
        "INSERT INTO gather (run_id, gate_id, tenant_id, workflow_id, name, kind, is_open, n,"
        " bytes, first_at, due_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, 1, ?7, ?8, ?9)"
        " ON CONFLICT (gate_id) WHERE is_open = 1 DO UPDATE SET n = gather.n + 1,"
        " bytes = gather.bytes + excluded.bytes, due_at = CASE"
        " WHEN gather.kind = 2 THEN gather.due_at"
        " WHEN gather.first_at + ?10 < excluded.due_at THEN gather.first_at + ?10"
        " ELSE excluded.due_at END RETURNING run_id, n, bytes, due_at";
    const struct run_row *run = j->run;

    db_exec_returning(tx, join,
                      DB_ARGS(D_ID(run->id), D_ID(j->gate), D_ID(run->tenant), D_ID(run->workflow),
                              D_TEXT(j->name), D_INT(j->kind), D_INT(j->input.n), D_INT(j->now),
                              D_INT(j->now + j->delay), D_INT(j->max_delay)),
                      ret_cursor);
    insert_run(tx, run);
    if (j->key.n)
        insert_key(tx, a, j);
    insert_input(tx, j);
    if (j->kind == GATHER_ALL)
        close_full(tx, j);
}

void store_gather_joined(struct db_cursor *c, const struct gather_join *j,
                         struct gathered *ret_gathered)
{
    struct gathered g = {0};

    if (db_next(c)) {
        g.run = db_id(c, 0);
        g.n = db_int(c, 1);
        g.due_at = db_usec(c, 3);
        g.closed = j->kind == GATHER_ALL && (g.n >= j->size || db_int(c, 2) >= j->size_bytes);
    }
    *ret_gathered = g;
}

/* ---- when it is time ---- */

static Err read_dues(struct db *db, struct arena *a, const char *sql, Usec at, int limit,
                     GatherDues *ret_dues)
{
    AUTO(db_cursor) *c = NULL;
    GatherDues dues = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_INT(at), D_INT(limit)), &c));
    while (db_next(c))
        vec_push(a, &dues, ((struct gather_due){db_id(c, 0), db_usec(c, 1)}));
    TRY(db_finish(c));
    *ret_dues = dues;
    return OK;
}

Err store_gather_due(struct db *db, struct arena *a, Usec before, int limit, GatherDues *ret_dues)
{
    return read_dues(db, a,
                     "SELECT run_id, due_at FROM gather WHERE is_open = 1 AND due_at < ?1"
                     " ORDER BY due_at LIMIT ?2",
                     before, limit, ret_dues);
}

Err store_gather_ahead(struct db *db, struct arena *a, Usec now, int limit, GatherDues *ret_dues)
{
    return read_dues(db, a,
                     "SELECT run_id, due_at FROM gather WHERE is_open = 1 AND first_at > ?1"
                     " LIMIT ?2",
                     now + FLOW_CLOCK_SLACK, limit, ret_dues);
}

Err store_gather_close(struct db *db, struct arena *a, Id run, Usec now)
{
    static const char close[] = "UPDATE gather SET is_open = 0 WHERE run_id = ?1 AND is_open = 1"
                                " AND (due_at <= ?2 OR first_at > ?3)";
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, close, DB_ARGS(D_ID(run), D_INT(now), D_INT(now + FLOW_CLOCK_SLACK)));
    db_exec(tx, "UPDATE run SET wake_at = 0 WHERE id = ?1 AND wake_at IS NOT NULL",
            DB_ARGS(D_ID(run)));
    return db_commit(tx);
}

void store_gather_expect_open(struct db_tx *tx, Id run)
{
    db_exec_expect(tx, 1, "UPDATE gather SET is_open = 1 WHERE run_id = ?1 AND is_open = 1",
                   DB_ARGS(D_ID(run)));
}

/* ---- what there is ---- */

#define COLUMNS                                                                                    \
    "SELECT run_id, gate_id, tenant_id, workflow_id, name, kind, is_open, n, bytes, first_at,"     \
    " due_at FROM gather WHERE "

static Err read_rows(struct db *db, struct arena *a, const char *sql, struct db_args args,
                     GatherRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;
    GatherRows rows = {0};

    TRY(db_query(db, a, sql, args, &c));
    while (db_next(c))
        vec_push(a, &rows,
                 ((struct gather_row){.run = db_id(c, 0),
                                      .gate = db_id(c, 1),
                                      .tenant = db_id(c, 2),
                                      .workflow = db_id(c, 3),
                                      .name = db_text(c, 4),
                                      .kind = (enum gather_kind)db_int(c, 5),
                                      .is_open = db_int(c, 6) != 0,
                                      .n = db_int(c, 7),
                                      .bytes = db_int(c, 8),
                                      .first_at = db_usec(c, 9),
                                      .due_at = db_usec(c, 10)}));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_gather_get(struct db *db, struct arena *a, Id run, struct gather_row *ret_row)
{
    GatherRows rows;

    TRY(read_rows(db, a, COLUMNS "run_id = ?1", DB_ARGS(D_ID(run)), &rows));
    if (!rows.n)
        return err_set(E_NOT_FOUND, "nothing is gathered for this run");
    *ret_row = rows.at[0];
    return OK;
}

Err store_gather_list(struct db *db, struct arena *a, Id tenant, Id after, int limit,
                      GatherRows *ret_rows)
{
    return read_rows(
        db, a, COLUMNS "tenant_id = ?1 AND gate_id > ?2 AND is_open = 1 ORDER BY gate_id LIMIT ?3",
        DB_ARGS(D_ID(tenant), D_ID(after), D_INT(limit)), ret_rows);
}

Err store_gather_inputs(struct db *db, struct arena *a, Id run, GatherInputs *ret_inputs)
{
    AUTO(db_cursor) *c = NULL;
    GatherInputs inputs = {0};

    TRY(db_query(db, a, "SELECT body FROM gather_input WHERE run_id = ?1 ORDER BY seq",
                 DB_ARGS(D_ID(run)), &c));
    while (db_next(c))
        vec_push(a, &inputs, db_bytes(c, 0));
    TRY(db_finish(c));
    *ret_inputs = inputs;
    return OK;
}

void store_gather_drop(struct db_tx *tx, Id run)
{
    db_exec(tx, "DELETE FROM gather_input WHERE run_id = ?1", DB_ARGS(D_ID(run)));
    db_exec(tx, "DELETE FROM gather WHERE run_id = ?1", DB_ARGS(D_ID(run)));
}
