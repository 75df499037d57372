/* src/store/db_postgres_batch.c - one batch on a connection: sent in one go, answered in one go.
 *
 * In one piece it is BEGIN, all statements of all transactions, COMMIT. In parts there is a
 * savepoint for each transaction:
 *
 *     BEGIN, SAVEPOINT s | ROLLBACK TO s, <statements>, RELEASE s, SAVEPOINT s | ROLLBACK TO s, ...
 * | COMMIT
 *
 * where each "|" ends a part that an error skips to. A part that went through has moved the
 * savepoint behind itself, so the next part's ROLLBACK TO undoes nothing; after one that failed it
 * undoes just that one.
 *
 * The batch begins by writing a mark of its own (db_postgres.h says why), and its results are
 * flushed before COMMIT, so that they are known when the connection breaks later.
 */
#include "rt/inject.h"
#include "store/db_postgres.h"

#include <stdlib.h>

static const char begin_sql[] = "BEGIN";
static const char commit_sql[] = "COMMIT";
static const char rollback_sql[] = "ROLLBACK";
static const char savepoint_sql[] = "SAVEPOINT s";
static const char release_sql[] = "RELEASE SAVEPOINT s";
static const char undo_sql[] = "ROLLBACK TO SAVEPOINT s";
static const char mark_sql[] = "INSERT INTO commit_mark (writer, seq) VALUES (?1, ?2)";
static const char clear_sql[] =
    "DELETE FROM commit_mark WHERE writer = ?1 AND seq >= ?2 AND seq < ?3";
/* Its turn: no other batch like this one runs anywhere, so it can wait for locks. */
static const char turn_sql[] = "SELECT set_config('lock_timeout', ?1, true),"
                               " pg_advisory_xact_lock(" PG_LOCK_TURN ")";

enum expect_kind { X_CONTROL, X_PREPARE, X_STMT, X_MARK, X_COMMIT, X_SYNC };

enum { MARKS_KEPT = 128 };

struct pg_expect {
    enum expect_kind kind;
    struct db_tx *tx;
    struct db_stmt *stmt;
    struct pg_stmt *prepared;
};

/* ---- sending ---- */

static struct pg_expect *expect(struct pg_conn *c, enum expect_kind kind)
{
    if (c->n_expected == c->cap_expected) {
        c->cap_expected = c->cap_expected ? c->cap_expected * 2 : 64;
        c->expected = realloc(c->expected, c->cap_expected * sizeof *c->expected);
        if (!c->expected)
            DIE("out of memory");
    }
    c->expected[c->n_expected] = (struct pg_expect){.kind = kind};
    return &c->expected[c->n_expected++];
}

static Err send_prepare(struct pg_conn *c, struct pg_stmt *p, struct db_tx *tx)
{
    if (p->prepared)
        return OK;
    TRY(pg_send_prepare(c, p));
    struct pg_expect *x = expect(c, X_PREPARE);
    x->tx = tx;
    x->prepared = p;
    p->prepared = true; /* taken back if the server does not get to it */
    return OK;
}

static Err send_stmt(struct pg_conn *c, enum expect_kind kind, struct db_stmt *s, struct db_tx *tx)
{
    TRY(send_prepare(c, s->prepared, tx));
    TRY(pg_send_stmt(c, s->prepared, s->args));
    struct pg_expect *x = expect(c, kind);
    x->tx = tx;
    x->stmt = kind == X_STMT ? s : NULL;
    return OK;
}

static Err find_prepared(struct pg_conn *c, struct db_stmt *s)
{
    struct pg_stmt *p = NULL;
    TRY(pg_conn_stmt(c, s->sql, s->expect, s->args, s->n_args, &p));
    s->prepared = p;
    return OK;
}

/* @tx: whose part it belongs to, and who fails with it; NULL: all. */
static Err send_control(struct pg_conn *c, enum expect_kind kind, const char *sql, struct db_tx *tx)
{
    struct db_stmt s = {.sql = sql, .expect = -1};
    TRY(find_prepared(c, &s));
    return send_stmt(c, kind, &s, tx);
}

static Err send_sync(struct pg_conn *c)
{
    (void)expect(c, X_SYNC);
    return pg_send_sync(c);
}

static Err send_flush(struct pg_conn *c)
{
    return PQsendFlushRequest(c->pg) ? OK : err_set(E_CLOSED, "the connection to PostgreSQL broke");
}

static Err send_statements(struct pg_conn *c, struct db_tx *tx)
{
    db_tx_clear(tx);
    (void)fiber_breathe(); /* a batch is hundreds of these; a writer is not cancelled */
    for (struct db_stmt *s = tx->first; s; s = s->next)
        TRY(send_stmt(c, X_STMT, s, tx));
    return OK;
}

/* As send_control() for all, with arguments. */
static Err send_own(struct pg_conn *c, enum expect_kind kind, const char *sql, struct db_args args)
{
    struct db_stmt s = {.sql = sql, .args = args.at, .n_args = args.n, .expect = -1};
    TRY(find_prepared(c, &s));
    return send_stmt(c, kind, &s, NULL);
}

static Err send_begin(struct pg_conn *c, struct pg_batch *b)
{
    struct pg_db *db = c->shard->db;

    TRY(send_control(c, X_CONTROL, begin_sql, NULL));
    b->mark = c->mark = usec_max(time_wall(), c->mark + 1);
    TRY(send_own(c, X_MARK, mark_sql, DB_ARGS(D_INT(c->writer), D_INT(b->mark))));
    /* Those before are of no use any more: their answers came. */
    if (++c->n_marks > MARKS_KEPT)
        TRY(send_own(c, X_CONTROL, clear_sql,
                     DB_ARGS(D_INT(c->writer), D_INT(c->cleared), D_INT(b->mark))));
    if (!b->lock_failures &&
        atomic_load_explicit(&db->serial_until, memory_order_relaxed) <= time_mono())
        return OK;
    char patience[32];
    int n = snprintf(patience, sizeof patience, "%lldms", (long long)(db->db.timeout / USEC_MS));
    return send_own(c, X_CONTROL, turn_sql, DB_ARGS(D_TEXT(str_from(patience, (size_t)n))));
}

static Err send_plain(struct pg_conn *c, struct pg_batch *b)
{
    TRY(send_begin(c, b));
    for (struct db_tx *tx = b->first; tx; tx = tx->next)
        TRY(send_statements(c, tx));
    TRY(send_flush(c));
    TRY(send_control(c, X_COMMIT, commit_sql, NULL));
    return send_sync(c);
}

/* All that the parts need is prepared before the first of them: what one part had prepared would be
 * missing in those behind it if an error skipped it. */
static Err send_parts_begin(struct pg_conn *c, struct pg_batch *b)
{
    TRY(send_begin(c, b));
    for (struct db_tx *tx = b->first; tx; tx = tx->next)
        for (struct db_stmt *s = tx->first; s; s = s->next)
            TRY(send_prepare(c, s->prepared, NULL));
    TRY(send_control(c, X_CONTROL, savepoint_sql, NULL));
    TRY(send_control(c, X_CONTROL, undo_sql, NULL));
    TRY(send_control(c, X_CONTROL, release_sql, NULL));
    TRY(send_control(c, X_CONTROL, savepoint_sql, NULL));
    return send_sync(c);
}

static Err send_careful(struct pg_conn *c, struct pg_batch *b)
{
    TRY(send_parts_begin(c, b));
    for (struct db_tx *tx = b->first; tx; tx = tx->next) {
        TRY(send_control(c, X_CONTROL, undo_sql, tx));
        TRY(send_statements(c, tx));
        TRY(send_control(c, X_CONTROL, release_sql, tx));
        TRY(send_control(c, X_CONTROL, savepoint_sql, tx));
        TRY(send_sync(c));
    }
    TRY(send_control(c, X_CONTROL, undo_sql, NULL));
    TRY(send_control(c, X_COMMIT, commit_sql, NULL));
    return send_sync(c);
}

/* ---- receiving ---- */

bool pg_is_about_locks(const char *state)
{
    return strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0 ||
           strcmp(state, "55P03") == 0;
}

static Err note_result(struct db_stmt *s, const PGresult *r)
{
    s->changes = s->expect >= 0 ? s->expect
                                : (int64_t)strtoll(PQcmdTuples((PGresult *)(uintptr_t)r), NULL, 10);
    s->known = true;
    if (!s->ret_cursor)
        return OK;
    s->rows = calloc(1, sizeof *s->rows);
    if (!s->rows)
        DIE("out of memory");
    s->rows->columns = PQnfields(r);
    for (int i = 0; i < PQntuples(r); i++) {
        TRY(pg_row(r, i, s->rows));
        if (s->rows->n_bytes > DB_RETURNING_BYTES)
            return err_set(E_TOO_LARGE, "the rows returned pass %d bytes", DB_RETURNING_BYTES);
    }
    return OK;
}

static void note_error(struct pg_conn *c, const struct pg_expect *x, const PGresult *r,
                       struct pg_outcome *o)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    Err e = pg_error(c->pg, r,
                     x->stmt               ? x->stmt->sql
                     : x->kind == X_COMMIT ? commit_sql
                                           : "transaction");

    if (!state) /* not the server's: the connection broke, which is noticed elsewhere */
        return;
    if (o->error == OK) {
        o->error = e;
        o->record = *err_record();
        snprintf(o->state, sizeof o->state, "%s", state);
        o->stale = strcmp(state, "26000") == 0 ||
                   (strcmp(state, "0A000") == 0 && message && strstr(message, "cached plan")) ||
                   (x->kind == X_MARK && !pg_is_about_locks(state)); /* its table is gone, say */
    }
    /* In one piece, an error means that COMMIT was skipped; in parts, only if the session has
     * ended. */
    if (x->kind != X_COMMIT)
        o->refused |= !o->careful || (severity && strcmp(severity, "ERROR") != 0);
    if (x->tx) {
        db_tx_fail(x->tx, e);
        /* What a foreign key named went away in mid-transaction, or was named meanwhile: the same
         * again finds it as it is now. */
        x->tx->raced = pg_is_about_locks(state) || strcmp(state, "23503") == 0;
    }
}

static void note(struct pg_conn *c, const struct pg_expect *x, const PGresult *r,
                 struct pg_outcome *o)
{
    switch (PQresultStatus(r)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        if (x->kind == X_COMMIT)
            o->committed = strcmp(PQcmdStatus((PGresult *)(uintptr_t)r), "COMMIT") == 0;
        if (x->kind == X_STMT) {
            Err e = note_result(x->stmt, r);
            if (e != OK) /* it will be committed, but its rows cannot be given */
                db_tx_fail(x->tx, err_add(E_UNKNOWN_OUTCOME, "committed, but %s", err_text(e)));
        }
        break;
    case PGRES_PIPELINE_ABORTED:
        if (x->kind == X_PREPARE)
            x->prepared->prepared = false;
        break;
    default:
        if (x->kind == X_PREPARE)
            x->prepared->prepared = false;
        note_error(c, x, r, o);
    }
}

/* Read all that is expected. The error is that of the connection. */
static Err receive(struct pg_conn *c, struct pg_outcome *o)
{
    Usec deadline = usec_in(3 * c->shard->db->db.timeout);
    PGresult *r;

    for (size_t i = 0; i < c->n_expected; i++) {
        const struct pg_expect *x = &c->expected[i];
        TRY(pg_conn_result(c, deadline, &r));
        ExecStatusType status = PQresultStatus(r);
        if (!r || (status == PGRES_PIPELINE_SYNC) != (x->kind == X_SYNC)) {
            PQclear(r);
            return err_set(E_CLOSED, "PostgreSQL's answers are out of order");
        }
        if (x->kind == X_SYNC) {
            PQclear(r);
            continue;
        }
        note(c, x, r, o);
        PQclear(r);
        (void)fiber_breathe();
        TRY(pg_conn_result(c, deadline, &r));
        if (r) {
            PQclear(r);
            return err_set(E_CLOSED, "PostgreSQL's answers are out of order");
        }
    }
    return OK;
}

void pg_batch_run(struct pg_conn *c, struct pg_batch *b, struct pg_outcome *o)
{
    Err e = INJECT("store.batch.begin");

    c->n_expected = 0;
    b->mark = 0;
    if (e == OK)
        e = INJECT("store.batch.before_fsync");
    if (e != OK) { /* nothing was sent */
        o->error = e;
        o->record = *err_record();
        return;
    }
    e = o->careful ? send_careful(c, b) : send_plain(c, b);
    if (e == OK)
        e = receive(c, o);
    if (e != OK) {
        o->lost = true;
        if (o->error == OK) {
            o->error = e;
            o->record = *err_record();
        }
    }
    if (o->committed) {
        if (c->n_marks > MARKS_KEPT) {
            c->cleared = b->mark;
            c->n_marks = 1;
        }
        INJECT_VOID("store.batch.after_fsync");
    }
}

bool pg_batch_roll_back(struct pg_conn *c)
{
    struct pg_outcome ignored = {0};

    if (PQtransactionStatus(c->pg) == PQTRANS_IDLE)
        return true;
    c->n_expected = 0;
    return send_control(c, X_CONTROL, rollback_sql, NULL) == OK && send_sync(c) == OK &&
           receive(c, &ignored) == OK && PQtransactionStatus(c->pg) == PQTRANS_IDLE;
}

Err pg_batch_prepare(struct pg_conn *c, struct db_tx *tx)
{
    for (struct db_stmt *s = tx->first; s; s = s->next)
        TRY(find_prepared(c, s));
    return OK;
}
