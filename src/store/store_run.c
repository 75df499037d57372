/* src/store/store_run.c - runs, journals, leases and idempotency keys. */
#include "store/store_run.h"

#include "base/crypto.h"
#include "store/store_child.h"
#include "store/store_flow.h"
#include "store/store_gather.h"
#include "store/store_wait.h"

#define RUN_COLUMNS                                                                                \
    "r.id, r.tenant_id, r.workflow_id, r.version, r.hash, r.origin, r.state, r.created_at,"        \
    " r.finished_at, r.wake_at, r.cancel_requested, r.lease_node, r.lease_epoch, r.crashes,"       \
    " r.mail, r.pause, r.keep, r.dry_run"

void store_run_insert(struct db_tx *tx, const struct run_row *row)
{
    static const char sql[] =
        "INSERT INTO run (id, tenant_id, workflow_id, version, hash, origin, state, created_at,"
        " finished_at, wake_at, cancel_requested, lease_node, lease_epoch, crashes, dry_run)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, 0, ?10, ?11, 0, ?12)";
    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_ID(row->workflow), D_INT(row->version),
                    D_BYTES(row->hash), D_TEXT(row->origin), D_INT(row->state),
                    D_INT(row->created_at), D_USEC_OPT(row->finished_at), D_ID_OPT(row->lease_node),
                    D_INT(row->lease_epoch), D_INT(row->dry_run)));
}

/* Keys are clients' words of any length: kept by their hash. */
static Str key_hash(Str key, uint8_t out[CRYPTO_HASH_SIZE])
{
    crypto_blake2b(key, out);
    return str_from((char *)out, CRYPTO_HASH_SIZE);
}

void store_run_key_insert(struct db_tx *tx, struct arena *a, Id workflow, Str key, Str fingerprint,
                          Id run, Usec now)
{
    static const char sql[] =
        "INSERT INTO run_key (workflow_id, key, fingerprint, run_id, created_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5)";
    uint8_t hash[CRYPTO_HASH_SIZE];
    Str kept = str_dup(a, key_hash(key, hash));
    db_exec(tx, sql,
            DB_ARGS(D_ID(workflow), D_BYTES(kept), D_BYTES(fingerprint), D_ID(run), D_INT(now)));
}

void store_journal_append(struct db_tx *tx, const struct run_row *row, int64_t seq,
                          const struct journal_batch *batch, bool first)
{
    static const char plain[] = "INSERT INTO journal (run_id, seq, events) VALUES (?1, ?2, ?3)";
    static const char fenced[] =
        "INSERT INTO journal (run_id, seq, events) SELECT ?1, ?2, ?3 FROM run"
        " WHERE id = ?1 AND lease_epoch = ?4";

    if (first)
        db_exec(tx, plain, DB_ARGS(D_ID(row->id), D_INT(seq), D_BYTES(batch->stored)));
    else
        db_exec_expect(
            tx, 1, fenced,
            DB_ARGS(D_ID(row->id), D_INT(seq), D_BYTES(batch->stored), D_INT(row->lease_epoch)));
    store_payload_put(tx, row->tenant, row->id, batch); /* behind the fence */
}

void store_run_fence(struct db_tx *tx, Id run, int64_t epoch)
{
    db_exec_expect(tx, 1,
                   "UPDATE run SET lease_epoch = lease_epoch WHERE id = ?1 AND lease_epoch = ?2",
                   DB_ARGS(D_ID(run), D_INT(epoch)));
}

void store_run_update(struct db_tx *tx, Id run, int64_t epoch, int state, Usec finished_at,
                      Usec wake_at, bool release)
{
    /* A cancel may have been asked, or an answer have come, while this was on its way: the run is
     * due at once then, because who asked it saw nothing parked. */
    static const char park[] =
        "UPDATE run SET state = ?3, finished_at = ?4, wake_at = CASE WHEN cancel_requested ="
        " 0 AND mail = 0 AND pause = 0 THEN ?5 ELSE 0 END, lease_node = NULL WHERE id = ?1 AND "
        "lease_epoch = ?2";
    static const char keep[] = "UPDATE run SET state = ?3, finished_at = ?4, wake_at = ?5"
                               " WHERE id = ?1 AND lease_epoch = ?2";
    static const char give[] = "UPDATE run SET state = ?3, finished_at = ?4, wake_at = ?5,"
                               " lease_node = NULL WHERE id = ?1 AND lease_epoch = ?2";
    db_exec_expect(tx, 1,
                   release && wake_at ? park
                   : release          ? give
                                      : keep,
                   DB_ARGS(D_ID(run), D_INT(epoch), D_INT(state), D_USEC_OPT(finished_at),
                           D_USEC_OPT(wake_at)));
}

void store_run_rest(struct db_tx *tx, Id run, int64_t epoch, int state, bool poisoned)
{
    static const char asked[] =
        "UPDATE run SET state = ?3, lease_node = NULL, wake_at = CASE WHEN cancel_requested = 0 AND"
        " mail = 0 AND pause = 1 THEN ?4 ELSE 0 END WHERE id = ?1 AND lease_epoch = ?2";
    static const char unasked[] =
        "UPDATE run SET state = ?3, lease_node = NULL, pause = 1, wake_at = CASE WHEN"
        " cancel_requested = 0 AND mail = 0 THEN ?4 ELSE 0 END WHERE id = ?1 AND lease_epoch = ?2";
    db_exec_expect(tx, 1, poisoned ? unasked : asked,
                   DB_ARGS(D_ID(run), D_INT(epoch), D_INT(state), D_INT(STORE_WAKE_NEVER)));
}

static void read_row(struct db_cursor *c, struct run_row *r)
{
    r->id = db_id(c, 0);
    r->tenant = db_id(c, 1);
    r->workflow = db_id(c, 2);
    r->version = (int)db_int(c, 3);
    r->hash = db_bytes(c, 4);
    r->origin = db_text(c, 5);
    r->state = (int)db_int(c, 6);
    r->created_at = db_usec(c, 7);
    r->finished_at = db_usec(c, 8);
    r->wake_at = db_usec(c, 9);
    r->cancel_requested = db_int(c, 10) != 0;
    r->lease_node = db_id(c, 11);
    r->lease_epoch = db_int(c, 12);
    r->crashes = (int)db_int(c, 13);
    r->mail = db_int(c, 14);
    r->pause = db_int(c, 15) != 0;
    r->keep = db_int(c, 16) != 0;
    r->dry_run = db_int(c, 17) != 0;
}

/* All rows of a query that selects RUN_COLUMNS, and the workflow's name behind them if @named. */
static Err read_rows(struct db *db, struct arena *a, const char *sql, struct db_args args,
                     bool named, RunRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;
    RunRows rows = {0};

    TRY(db_query(db, a, sql, args, &c));
    while (db_next(c)) {
        struct run_row *r = vec_add(a, &rows);
        read_row(c, r);
        if (named)
            r->workflow_name = db_text(c, 18);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

static Err read_one(struct db *db, struct arena *a, const char *sql, struct db_args args,
                    struct run_row *ret_row)
{
    RunRows rows;
    TRY(read_rows(db, a, sql, args, true, &rows));
    if (rows.n == 0)
        return err_detail(E_NOT_FOUND, "There is no such run.");
    *ret_row = rows.at[0];
    return OK;
}

Err store_run_get(struct db *db, struct arena *a, Id tenant, Id id, struct run_row *ret_row)
{
    static const char sql[] = "SELECT " RUN_COLUMNS ", w.name FROM run r LEFT JOIN workflow w"
                              " ON w.id = r.workflow_id WHERE r.id = ?1 AND r.tenant_id = ?2";
    return read_one(db, a, sql, DB_ARGS(D_ID(id), D_ID(tenant)), ret_row);
}

Err store_run_get_any(struct db *db, struct arena *a, Id id, struct run_row *ret_row)
{
    static const char sql[] = "SELECT " RUN_COLUMNS ", w.name FROM run r LEFT JOIN workflow w"
                              " ON w.id = r.workflow_id WHERE r.id = ?1";
    return read_one(db, a, sql, DB_ARGS(D_ID(id)), ret_row);
}

Err store_run_by_key(struct db *db, struct arena *a, Id workflow, Str key, Id *ret_run,
                     Str *ret_fingerprint)
{
    static const char sql[] =
        "SELECT run_id, fingerprint FROM run_key WHERE workflow_id = ?1 AND key = ?2";
    uint8_t hash[CRYPTO_HASH_SIZE];
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(workflow), D_BYTES(key_hash(key, hash))), &c));
    bool found = db_next(c);
    if (found) {
        *ret_run = db_id(c, 0);
        *ret_fingerprint = db_bytes(c, 1);
    }
    TRY(db_finish(c));
    return found ? OK : err_set(E_NOT_FOUND, "the idempotency key is new");
}

Err store_run_list(struct db *db, struct arena *a, const struct run_filter *f, RunRows *ret_rows)
{
    /* One text for each set of conditions, so that each has its own plan and its own index. */
#define LIST(condition)                                                                            \
    "SELECT " RUN_COLUMNS ", w.name FROM run r LEFT JOIN workflow w ON w.id = r.workflow_id"       \
    " WHERE r.tenant_id = ?1 AND r.id < ?2" condition " ORDER BY r.id DESC LIMIT ?3"
    static const char all[] = LIST("");
    static const char of_workflow[] = LIST(" AND r.workflow_id = ?4");
    static const char in_state[] = LIST(" AND r.state = ?4");
    static const char in_other[] = LIST(" AND r.state <> 3 AND r.state = ?4"); /* run_other */
    static const char both[] = LIST(" AND r.workflow_id = ?4 AND r.state = ?5");
    static const char both_other[] = /* run_workflow_other */
        LIST(" AND r.workflow_id = ?4 AND r.state <> 3 AND r.state = ?5");
    static const char of_parent[] =
        LIST(" AND r.id IN (SELECT run_id FROM run_child WHERE parent_id = ?4)");
#undef LIST
    Id before = f->before;

    if (id_is_none(before))
        memset(before.b, 0xff, sizeof before.b);
    if (!id_is_none(f->parent))
        return read_rows(db, a, of_parent,
                         DB_ARGS(D_ID(f->tenant), D_ID(before), D_INT(f->limit), D_ID(f->parent)),
                         true, ret_rows);
    if (id_is_none(f->workflow) && f->state < 0)
        return read_rows(db, a, all, DB_ARGS(D_ID(f->tenant), D_ID(before), D_INT(f->limit)), true,
                         ret_rows);
    if (f->state < 0)
        return read_rows(db, a, of_workflow,
                         DB_ARGS(D_ID(f->tenant), D_ID(before), D_INT(f->limit), D_ID(f->workflow)),
                         true, ret_rows);
    if (id_is_none(f->workflow))
        return read_rows(db, a, f->state == 3 ? in_state : in_other,
                         DB_ARGS(D_ID(f->tenant), D_ID(before), D_INT(f->limit), D_INT(f->state)),
                         true, ret_rows);
    return read_rows(
        db, a, f->state == 3 ? both : both_other,
        DB_ARGS(D_ID(f->tenant), D_ID(before), D_INT(f->limit), D_ID(f->workflow), D_INT(f->state)),
        true, ret_rows);
}

struct batch_row {
    int64_t seq;
    Str stored;
};
typedef VEC(struct batch_row) BatchRows;

enum { BATCHES_PAGE = 64 };

static Err read_page(struct db *db, struct arena *a, const char *sql, Id run, int64_t from,
                     BatchRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;
    BatchRows rows = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(run), D_INT(from), D_INT(BATCHES_PAGE)), &c));
    while (db_next(c))
        vec_push(a, &rows, ((struct batch_row){db_int(c, 0), db_bytes(c, 1)}));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

/* Whether it was deleted since its journal was begun to be read. */
static bool is_gone(struct db *db, Id run)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct run_row row;
    return store_run_get_any(db, a, run, &row) == E_NOT_FOUND;
}

static Err read_batch(struct db *db, struct payload_reader *reader, Id run, Str stored,
                      Str *ret_text)
{
    AUTO(arena) *a = arena_new(KIB(16));
    char id[ID_TEXT_SIZE];
    Err e = payload_read(reader, stored, ret_text);

    if (e != E_CORRUPT)
        return e;
    Str why = str_dup(a, str_c(err_text(e)));
    if (is_gone(db, run))
        return err_detail(E_NOT_FOUND, "There is no such run.");
    return err_detail(e, "The journal of run %.*s is damaged in the database: %.*s.",
                      P(id_text(run, id)), P(why));
}

Err store_journal_read(struct db *db, struct arena *a, Id run, int64_t after,
                       Err (*fn)(void *ctx, int64_t seq, Str events), void *ctx)
{
    /* The batch that holds after + 1 begins at or before it. */
    static const char first[] =
        "SELECT seq, events FROM journal WHERE run_id = ?1 AND seq >= COALESCE("
        "(SELECT MAX(seq) FROM journal WHERE run_id = ?1 AND seq <= ?2), 0) ORDER BY seq LIMIT ?3";
    static const char next[] =
        "SELECT seq, events FROM journal WHERE run_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    AUTO(payload_reader) *reader = payload_reader_new(db, run);
    BatchRows rows;

    TRY(read_page(db, a, first, run, after + 1, &rows));
    for (;;) {
        vec_each(&rows, row) {
            Str text;
            TRY(read_batch(db, reader, run, row->stored, &text));
            TRY(fn(ctx, row->seq, text));
        }
        if (rows.n < BATCHES_PAGE)
            return OK;
        TRY(read_page(db, a, next, run, rows.at[rows.n - 1].seq, &rows));
    }
}

/* ---- leases ---- */

static Err exec_one(struct db *db, struct arena *a, int64_t expect, const char *sql,
                    struct db_args args)
{
    struct db_tx *tx = db_begin(db, a);
    if (expect >= 0)
        db_exec_expect(tx, expect, sql, args);
    else
        db_exec(tx, sql, args);
    return db_commit(tx);
}

Err store_node_register(struct db *db, Id node, Str name, bool alone)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct db_tx *tx = db_begin(db, a);

    /* Alone on the database: whoever is written there is gone, and its leases are free. */
    if (alone)
        db_exec(tx, "DELETE FROM node", DB_NO_ARGS);
    db_exec(tx, "INSERT INTO node (id, name, started_at, seen_at) VALUES (?1, ?2, ?3, ?3)",
            DB_ARGS(D_ID(node), D_TEXT(name), D_INT(time_wall())));
    return db_commit(tx);
}

Err store_node_seen(struct db *db, Id node)
{
    AUTO(arena) *a = arena_new(KIB(64));
    return exec_one(db, a, 1, "UPDATE node SET seen_at = ?2 WHERE id = ?1",
                    DB_ARGS(D_ID(node), D_INT(time_wall())));
}

Err store_node_forget(struct db *db, Id node)
{
    AUTO(arena) *a = arena_new(KIB(64));
    return exec_one(db, a, -1, "DELETE FROM node WHERE id = ?1", DB_ARGS(D_ID(node)));
}

Err store_node_bury(struct db *db, const struct node_row *node)
{
    AUTO(arena) *a = arena_new(KIB(64));
    return exec_one(db, a, -1, "DELETE FROM node WHERE id = ?1 AND seen_at = ?2",
                    DB_ARGS(D_ID(node->id), D_INT(node->seen_at)));
}

Err store_node_list(struct db *db, struct arena *a, NodeRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;
    NodeRows rows = {0};

    TRY(db_query(db, a, "SELECT id, seen_at FROM node", DB_NO_ARGS, &c));
    while (db_next(c))
        vec_push(a, &rows, ((struct node_row){db_id(c, 0), db_int(c, 1)}));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_run_orphans(struct db *db, struct arena *a, int limit, RunRows *ret_rows)
{
    static const char sql[] =
        "SELECT " RUN_COLUMNS " FROM run r WHERE r.finished_at IS NULL AND r.wake_at IS NULL"
        " AND (r.lease_node IS NULL OR NOT EXISTS (SELECT 1 FROM node n WHERE n.id = r.lease_node))"
        " LIMIT ?1";
    return read_rows(db, a, sql, DB_ARGS(D_INT(limit)), false, ret_rows);
}

Err store_run_due(struct db *db, struct arena *a, Usec now, int limit, RunRows *ret_rows)
{
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM run r WHERE r.wake_at IS NOT NULL AND"
                              " r.wake_at <= ?1 ORDER BY r.wake_at LIMIT ?2";
    return read_rows(db, a, sql, DB_ARGS(D_INT(now), D_INT(limit)), false, ret_rows);
}

Err store_run_wake_all(struct db *db, struct arena *a, Usec now)
{
    return exec_one(db, a, -1, "UPDATE run SET wake_at = ?1 WHERE wake_at > ?1",
                    DB_ARGS(D_INT(now)));
}

Err store_run_next_wake(struct db *db, struct arena *a, Usec *ret_at)
{
    AUTO(db_cursor) *c = NULL;
    Usec at = 0;

    TRY(db_query(db, a, "SELECT MIN(wake_at) FROM run WHERE wake_at IS NOT NULL", DB_NO_ARGS, &c));
    if (db_next(c))
        at = db_usec(c, 0);
    TRY(db_finish(c));
    *ret_at = at;
    return OK;
}

Err store_run_claim(struct db *db, const RunRows *rows, const struct run_claim *claim,
                    bool *ret_taken)
{
    static const char sql[] =
        "UPDATE run SET lease_node = ?3, lease_epoch = lease_epoch + 1, crashes = crashes + ?4,"
        " wake_at = NULL, state = ?5"
        " WHERE id = ?1 AND lease_epoch = ?2 AND finished_at IS NULL";
    AUTO(arena) *a = arena_new(MIB(4));
    struct db_tx *tx = db_begin(db, a);

    vec_each(rows, row)
        db_exec(tx, sql,
                DB_ARGS(D_ID(row->id), D_INT(row->lease_epoch), D_ID(claim->node),
                        D_INT(claim->crashed && !id_is_none(row->lease_node)),
                        D_INT(claim->running_state)));
    if (rows->n)
        TRY(db_commit(tx));
    for (size_t i = 0; i < rows->n; i++)
        ret_taken[i] = db_tx_changes(tx, i) == 1;
    return OK;
}

Err store_run_claimed(struct db *db, const RunRows *rows, Id node, bool *ret_taken)
{
    for (size_t i = 0; i < rows->n; i++) {
        AUTO(arena) *a = arena_new(KIB(64));
        struct run_row now;
        Err e = store_run_get_any(db, a, rows->at[i].id, &now);
        if (e != OK && e != E_NOT_FOUND)
            return e;
        ret_taken[i] = e == OK && id_eq(now.lease_node, node) &&
                       now.lease_epoch == rows->at[i].lease_epoch + 1;
    }
    return OK;
}

Err store_run_give_back(struct db *db, struct arena *a, Id run, int64_t epoch, bool crashed)
{
    return exec_one(db, a, 1,
                    "UPDATE run SET lease_node = NULL, crashes = crashes + ?3 WHERE id = ?1 AND"
                    " lease_epoch = ?2 AND finished_at IS NULL",
                    DB_ARGS(D_ID(run), D_INT(epoch), D_INT(crashed)));
}

Err store_run_close(struct db *db, struct arena *a, Id run, int64_t epoch, int state)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1,
                   "UPDATE run SET lease_node = NULL, wake_at = NULL, state = ?3, finished_at = ?4"
                   " WHERE id = ?1 AND lease_epoch = ?2 AND finished_at IS NULL",
                   DB_ARGS(D_ID(run), D_INT(epoch), D_INT(state), D_INT(time_wall())));
    store_wait_end_run(tx, run);
    store_flow_leave(tx, run);
    store_gather_drop(tx, run);
    store_child_report(tx, &run,
                       S("{\"state\":\"failed\",\"error\":{\"code\":\"internal\",\"message\":"
                         "\"The server could not go on with the run; its log says why.\"}}"),
                       time_wall());
    store_child_cancel_all(tx, run);
    return db_commit(tx);
}

/* Change a run that is open by @sql, of its id and its tenant. */
static Err ask_open(struct db *db, struct arena *a, const char *sql, Id tenant, Id run)
{
    struct run_row row;
    Err e = exec_one(db, a, 1, sql, DB_ARGS(D_ID(run), D_ID(tenant)));

    if (e != E_CONFLICT)
        return e;
    TRY(store_run_get(db, a, tenant, run, &row));
    return err_detail(E_CONFLICT, "The run has ended already.");
}

Err store_run_request_cancel(struct db *db, struct arena *a, Id tenant, Id run)
{
    /* A parked run is made due, so that whoever looks next ends it. */
    static const char sql[] = "UPDATE run SET cancel_requested = 1, wake_at = CASE WHEN wake_at IS "
                              "NULL THEN NULL ELSE 0 END"
                              " WHERE id = ?1 AND tenant_id = ?2 AND finished_at IS NULL";
    return ask_open(db, a, sql, tenant, run);
}

Err store_run_request_pause(struct db *db, struct arena *a, Id tenant, Id run)
{
    /* A parked run is made due, so that it shows that it rests. */
    static const char sql[] = "UPDATE run SET pause = 1, wake_at = CASE WHEN wake_at IS NULL OR"
                              " pause = 1 THEN wake_at ELSE 0 END"
                              " WHERE id = ?1 AND tenant_id = ?2 AND finished_at IS NULL";
    return ask_open(db, a, sql, tenant, run);
}

Err store_run_request_resume(struct db *db, struct arena *a, Id tenant, Id run)
{
    static const char sql[] =
        "UPDATE run SET pause = 0, crashes = 0, wake_at = CASE WHEN wake_at IS NULL THEN NULL ELSE"
        " 0 END WHERE id = ?1 AND tenant_id = ?2 AND finished_at IS NULL AND pause = 1";
    Err e = exec_one(db, a, 1, sql, DB_ARGS(D_ID(run), D_ID(tenant)));
    if (e != E_CONFLICT)
        return e;
    struct run_row row;
    TRY(store_run_get(db, a, tenant, run, &row));
    return err_detail(E_CONFLICT,
                      row.finished_at ? "The run has ended already." : "The run is not paused.");
}

Err store_run_pauses(struct db *db, struct arena *a, Id node, RunRows *ret_rows)
{
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM run r WHERE r.lease_node = ?1 AND"
                              " r.pause = 1 AND r.finished_at IS NULL LIMIT 1000";
    return read_rows(db, a, sql, DB_ARGS(D_ID(node)), false, ret_rows);
}

Err store_run_cancels(struct db *db, struct arena *a, Id node, RunRows *ret_rows)
{
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM run r WHERE r.lease_node = ?1 AND"
                              " r.cancel_requested = 1 AND r.finished_at IS NULL LIMIT 1000";
    return read_rows(db, a, sql, DB_ARGS(D_ID(node)), false, ret_rows);
}

Err store_run_open_of(struct db *db, struct arena *a, Id workflow, int limit, RunRows *ret_rows)
{
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM run r WHERE r.workflow_id = ?1 AND"
                              " r.finished_at IS NULL AND r.cancel_requested = 0 LIMIT ?2";
    return read_rows(db, a, sql, DB_ARGS(D_ID(workflow), D_INT(limit)), false, ret_rows);
}

Err store_run_count_open(struct db *db, struct arena *a, int64_t *ret_n)
{
    AUTO(db_cursor) *c = NULL;
    int64_t n = 0;

    TRY(db_query(db, a, "SELECT COUNT(*) FROM run WHERE finished_at IS NULL", DB_NO_ARGS, &c));
    if (db_next(c))
        n = db_int(c, 0);
    TRY(db_finish(c));
    *ret_n = n;
    return OK;
}
