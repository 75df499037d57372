/* src/store/db_postgres_write.c - the writers of a shard: group commit over a pipeline.
 *
 * What waits while a batch is under way is the next batch: BEGIN, all statements of all
 * transactions, COMMIT, sent at once and answered at once. If the server refuses it, it is sent
 * again with a savepoint for each transaction, still in one go:
 *
 *     BEGIN, SAVEPOINT s | ROLLBACK TO s, <statements>, RELEASE s, SAVEPOINT s | ROLLBACK TO s, ...
 * | COMMIT
 *
 * where each "|" ends a part that an error skips to. A part that went through has moved the
 * savepoint behind itself, so the next part's ROLLBACK TO undoes nothing; after one that failed it
 * undoes just that one.
 *
 * The batch begins by asking for its transaction number, and its results are flushed before COMMIT.
 * When the connection breaks later, the server is asked afterwards what became of that number. Only
 * if the number never arrived is the outcome unknown.
 */
#include "rt/inject.h"
#include "rt/log.h"
#include "store/db_postgres.h"

#include <stdlib.h>

enum {
    BATCH_MAX = 512,
    BATCH_BYTES = 8 << 20,
    CAREFUL_BATCHES = 16,
    ATTEMPTS_MAX = 8,
    LOCK_FAILURES_MAX = 4
};
static const Usec SERIAL_SPAN = 2 * USEC_S, RESOLVE_PAUSE = 50 * USEC_MS;

static const char begin_sql[] = "BEGIN";
static const char commit_sql[] = "COMMIT";
static const char rollback_sql[] = "ROLLBACK";
static const char savepoint_sql[] = "SAVEPOINT s";
static const char release_sql[] = "RELEASE SAVEPOINT s";
static const char undo_sql[] = "ROLLBACK TO SAVEPOINT s";
static const char xid_sql[] = "SELECT pg_current_xact_id()::text";
/* Its turn: no other batch like this one runs anywhere, so it can wait for locks. */
static const char turn_sql[] =
    "SELECT pg_current_xact_id()::text, set_config('lock_timeout', ?1, true),"
    " pg_advisory_xact_lock(" PG_LOCK_TURN ")";

enum expect_kind { X_CONTROL, X_PREPARE, X_STMT, X_XID, X_COMMIT, X_SYNC };

struct pg_expect {
    enum expect_kind kind;
    struct db_tx *tx;
    struct db_stmt *stmt;
    struct pg_stmt *prepared;
};

/* What came of sending a batch. */
struct outcome {
    bool careful; /* how it was sent */
    bool committed;
    bool lost;     /* the connection */
    bool refused;  /* it was certainly not committed */
    bool stale;    /* a prepared statement does not fit any more */
    Err error;     /* the first one */
    char state[6]; /* its SQLSTATE */
    struct err_record record;
};

/* ---- queue ---- */

static void append(struct pg_batch *b, struct db_tx *tx)
{
    tx->next = NULL;
    if (b->last)
        b->last->next = tx;
    else
        b->first = tx;
    b->last = tx;
    b->n++;
    b->bytes += tx->bytes;
    tx->taken = true;
}

static void gather(struct pg_shard *s, struct pg_batch *b)
{
    while (s->tx_first && b->n < BATCH_MAX &&
           (b->n == 0 || b->bytes + s->tx_first->bytes <= BATCH_BYTES)) {
        struct db_tx *tx = s->tx_first;
        s->tx_first = tx->next;
        if (!s->tx_first)
            s->tx_last = NULL;
        append(b, tx);
    }
}

static void finish(struct db_tx *tx)
{
    struct db *db = tx->db;
    if (tx->result == OK) {
        atomic_fetch_add_explicit(&db->transactions, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&db->statements, (int64_t)tx->n, memory_order_relaxed);
    }
    atomic_fetch_sub_explicit(&db->queued, 1, memory_order_relaxed);
    wait_end(&tx->wait, OK);
}

/* All of @b end with this thread's error @e. */
static void fail_all(struct pg_batch *b, Err e)
{
    struct err_record record = *err_record();
    for (struct db_tx *tx = b->first, *next; tx; tx = next) {
        next = tx->next;
        *err_record() = record;
        db_tx_fail(tx, e);
        finish(tx);
    }
    *b = (struct pg_batch){0};
}

/* Back to the head of the queue, in order; but what has come back too often fails with the error
 * @e. */
static void requeue(struct pg_shard *s, struct pg_batch *b, Err e)
{
    struct pg_batch back = {0}, over = {0};

    for (struct db_tx *tx = b->first, *next; tx; tx = next) {
        next = tx->next;
        append(++tx->attempts > ATTEMPTS_MAX ? &over : &back, tx);
    }
    for (struct db_tx *tx = back.first; tx; tx = tx->next) {
        db_tx_clear(tx);
        tx->taken = false;
    }
    if (back.first) {
        back.last->next = s->tx_first;
        s->tx_first = back.first;
        if (!s->tx_last)
            s->tx_last = back.last;
    }
    fail_all(&over, e);
    *b = (struct pg_batch){0};
}

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

static Err send_stmt(struct pg_conn *c, enum expect_kind kind, struct db_stmt *s, struct db_tx *tx)
{
    struct pg_stmt *p = s->prepared;

    if (!p->prepared) {
        TRY(pg_send_prepare(c, p));
        struct pg_expect *x = expect(c, X_PREPARE);
        x->tx = tx;
        x->prepared = p;
        p->prepared = true; /* taken back if the server does not get to it */
    }
    TRY(pg_send_stmt(c, p, s->args));
    struct pg_expect *x = expect(c, kind);
    x->tx = tx;
    x->stmt = tx ? s : NULL;
    return OK;
}

static Err find_prepared(struct pg_conn *c, struct db_stmt *s)
{
    struct pg_stmt *p = NULL;
    TRY(pg_conn_stmt(c, s->sql, s->expect, s->args, s->n_args, &p));
    s->prepared = p;
    return OK;
}

static Err send_control(struct pg_conn *c, enum expect_kind kind, const char *sql)
{
    struct db_stmt s = {.sql = sql, .expect = -1};
    TRY(find_prepared(c, &s));
    return send_stmt(c, kind, &s, NULL);
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

static Err send_begin(struct pg_conn *c, struct pg_batch *b)
{
    struct pg_db *db = c->shard->db;
    char patience[32];

    TRY(send_control(c, X_CONTROL, begin_sql));
    b->xid[0] = 0;
    if (b->lock_failures ||
        atomic_load_explicit(&db->serial_until, memory_order_relaxed) > time_mono()) {
        int n =
            snprintf(patience, sizeof patience, "%lldms", (long long)(db->db.timeout / USEC_MS));
        struct db_value v = D_TEXT(str_from(patience, (size_t)n));
        struct db_stmt s = {.sql = turn_sql, .args = &v, .n_args = 1, .expect = -1};
        TRY(find_prepared(c, &s));
        return send_stmt(c, X_XID, &s, NULL);
    }
    return send_control(c, X_XID, xid_sql);
}

static Err send_plain(struct pg_conn *c, struct pg_batch *b)
{
    enum { LARGE = 8 };

    TRY(send_begin(c, b));
    if (b->n > LARGE)
        TRY(send_flush(c));
    for (struct db_tx *tx = b->first; tx; tx = tx->next)
        TRY(send_statements(c, tx));
    TRY(send_flush(c));
    TRY(send_control(c, X_COMMIT, commit_sql));
    return send_sync(c);
}

static Err send_careful(struct pg_conn *c, struct pg_batch *b)
{
    TRY(send_begin(c, b));
    TRY(send_control(c, X_CONTROL, savepoint_sql));
    TRY(send_sync(c));
    for (struct db_tx *tx = b->first; tx; tx = tx->next) {
        TRY(send_control(c, X_CONTROL, undo_sql));
        TRY(send_statements(c, tx));
        TRY(send_control(c, X_CONTROL, release_sql));
        TRY(send_control(c, X_CONTROL, savepoint_sql));
        TRY(send_sync(c));
    }
    TRY(send_control(c, X_CONTROL, undo_sql));
    TRY(send_control(c, X_COMMIT, commit_sql));
    return send_sync(c);
}

/* ---- receiving ---- */

static bool is_about_locks(const char *state)
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
                       struct outcome *o)
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
                   (strcmp(state, "0A000") == 0 && message && strstr(message, "cached plan"));
    }
    /* In one piece, an error means that COMMIT was skipped; in parts, only if the session has
     * ended. */
    if (x->kind != X_COMMIT)
        o->refused |= !o->careful || (severity && strcmp(severity, "ERROR") != 0);
    if (x->tx) {
        db_tx_fail(x->tx, e);
        x->tx->raced = is_about_locks(state);
    }
}

static void note(struct pg_conn *c, struct pg_batch *b, const struct pg_expect *x,
                 const PGresult *r, struct outcome *o)
{
    switch (PQresultStatus(r)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        if (x->kind == X_XID && PQntuples(r) == 1)
            snprintf(b->xid, sizeof b->xid, "%s", PQgetvalue(r, 0, 0));
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
static Err receive(struct pg_conn *c, struct pg_batch *b, struct outcome *o)
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
        note(c, b, x, r, o);
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

static void attempt(struct pg_conn *c, struct pg_batch *b, struct outcome *o)
{
    Err e = INJECT("store.batch.begin");

    c->n_expected = 0;
    c->all_sent = false;
    if (e == OK)
        e = INJECT("store.batch.before_fsync");
    if (e != OK) { /* nothing was sent */
        o->error = e;
        o->record = *err_record();
        return;
    }
    e = o->careful ? send_careful(c, b) : send_plain(c, b);
    if (e == OK) {
        c->all_sent = PQflush(c->pg) == 0;
        e = receive(c, b, o);
    }
    if (e != OK) {
        o->lost = true;
        if (o->error == OK) {
            o->error = e;
            o->record = *err_record();
        }
    }
    if (o->committed)
        INJECT_VOID("store.batch.after_fsync");
}

/* Leave the failed transaction. False: the connection broke. */
static bool roll_back(struct pg_conn *c)
{
    struct outcome ignored = {0};
    struct pg_batch none = {0};

    if (PQtransactionStatus(c->pg) == PQTRANS_IDLE)
        return true;
    c->n_expected = 0;
    return send_control(c, X_CONTROL, rollback_sql) == OK && send_sync(c) == OK &&
           receive(c, &none, &ignored) == OK && PQtransactionStatus(c->pg) == PQTRANS_IDLE;
}

/* ---- deciding ---- */

static bool state_is(const struct outcome *o, const char *state)
{
    return strncmp(o->state, state, strlen(state)) == 0;
}

/* The session must be made anew: prepared statements that do not fit any more, a server that goes
 * away or became a standby. */
static bool is_about_session(const struct outcome *o)
{
    return o->stale || state_is(o, "57P") || state_is(o, "08") || state_is(o, "25006");
}

static void settle(struct pg_conn *c, struct pg_batch *b)
{
    struct pg_shard *s = c->shard;
    struct pg_batch again = {0};

    atomic_fetch_add_explicit(&s->db->db.commits, 1, memory_order_relaxed);
    atomic_store_explicit(&s->db->db.up, true, memory_order_relaxed);
    s->progress_at = time_mono();
    for (struct db_tx *tx = b->first, *next; tx; tx = next) {
        next = tx->next;
        if (tx->raced && tx->attempts < LOCK_FAILURES_MAX)
            append(&again, tx);
        else
            finish(tx);
    }
    *b = (struct pg_batch){0};
    if (again.first)
        requeue(s, &again, E_CONFLICT);
}

static void run_batch(struct pg_conn *c, struct pg_batch *b);

static void run_each_alone(struct pg_conn *c, struct pg_batch *b)
{
    struct pg_batch whole = *b;
    for (struct db_tx *tx = whole.first, *next; tx; tx = next) {
        struct pg_batch one = {.lock_failures = whole.lock_failures ? 1 : 0};
        next = tx->next;
        append(&one, tx);
        if (c->pg)
            run_batch(c, &one);
        else
            requeue(c->shard, &one, E_UNAVAILABLE);
    }
    *b = (struct pg_batch){0};
}

/* The connection broke while @b was under way. */
static void part(struct pg_conn *c, struct pg_batch *b, const struct outcome *o)
{
    atomic_store_explicit(&c->shard->db->db.up, false, memory_order_relaxed);
    pg_conn_close(c, o->error == E_TIMEOUT);
    if (o->refused || !c->all_sent) {
        requeue(
            c->shard, b,
            err_set(E_UNAVAILABLE, "the connection broke again and again: %.300s", o->record.text));
    } else if (b->xid[0]) {
        b->lost_at = time_mono();
        c->limbo = *b;
    } else {
        fail_all(b, err_set(E_UNKNOWN_OUTCOME,
                            "the connection to PostgreSQL broke after COMMIT was sent"));
    }
}

/* After the server refused the batch. True: try again, with *careful. */
static bool decide(struct pg_conn *c, struct pg_batch *b, const struct outcome *o, bool *careful)
{
    struct pg_db *db = c->shard->db;

    *err_record() = o->record;
    if (is_about_locks(o->state)) {
        atomic_store_explicit(&db->serial_until, time_mono() + SERIAL_SPAN, memory_order_relaxed);
        if (++b->lock_failures <= LOCK_FAILURES_MAX)
            return true;
    } else if (is_about_session(o)) {
        pg_conn_close(c, false);
        if (state_is(o, "25006"))
            fail_all(b, o->error);
        else
            requeue(c->shard, b, o->error);
        return false;
    } else if (!*careful && b->n > 1) {
        c->careful = CAREFUL_BATCHES;
        return *careful = true;
    }
    if (b->n == 1)
        fail_all(b, o->error);
    else
        run_each_alone(c, b);
    return false;
}

/* Transactions with a statement that could never be sent fail by themselves. */
static void drop_unsendable(struct pg_conn *c, struct pg_batch *b)
{
    struct pg_batch good = {.lock_failures = b->lock_failures};

    for (struct db_tx *tx = b->first, *next; tx; tx = next) {
        Err e = OK;
        next = tx->next;
        for (struct db_stmt *s = tx->first; s && e == OK; s = s->next)
            e = find_prepared(c, s);
        if (e == OK) {
            append(&good, tx);
        } else {
            db_tx_fail(tx, e);
            finish(tx);
        }
    }
    *b = good;
}

static void run_batch(struct pg_conn *c, struct pg_batch *b)
{
    drop_unsendable(c, b);
    bool careful = c->careful > 0 && b->n > 1;
    bool again = b->n > 0;

    c->careful -= careful;
    while (again) {
        struct outcome o = {.careful = careful};
        attempt(c, b, &o);
        if (o.committed) {
            settle(c, b);
            if (o.lost)
                pg_conn_close(c, false);
            return;
        }
        bool broke = o.lost || !roll_back(c);
        o.refused |= broke && !o.lost;
        if (broke)
            part(c, b, &o);
        again = !broke && decide(c, b, &o, &careful);
    }
    if (c->n_stmts > PG_STMTS_MAX && c->pg)
        pg_conn_close(c, false); /* the server forgets them, too */
}

/* ---- the fate of a batch whose answer was lost ---- */

static bool results_known(const struct db_tx *tx)
{
    for (const struct db_stmt *s = tx->first; s; s = s->next)
        if (!s->known)
            return false;
    return true;
}

static void committed_after_all(struct pg_conn *c)
{
    struct pg_batch b = c->limbo;

    c->limbo = (struct pg_batch){0};
    for (struct db_tx *tx = b.first; tx; tx = tx->next)
        if (tx->result == OK && !results_known(tx))
            db_tx_fail(tx, err_set(E_UNKNOWN_OUTCOME,
                                   "committed, but the connection broke before its results"));
    settle(c, &b);
}

/* What the server says of transaction @xid: committed, aborted, in progress, or "". */
static Err ask_fate(struct pg_conn *c, const char *xid, char *ret_fate, size_t size)
{
    const char *values[] = {xid};
    const Oid types[] = {0};
    PGresult *r;
    Usec deadline = usec_in(c->shard->db->db.timeout);

    if (!PQsendQueryParams(c->pg, "SELECT pg_xact_status($1)", 1, types, values, NULL, NULL, 0))
        return err_set(E_CLOSED, "the connection to PostgreSQL broke");
    TRY(pg_send_sync(c));
    ret_fate[0] = 0;
    TRY(pg_conn_result(c, deadline, &r));
    if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1)
        snprintf(ret_fate, size, "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    for (int i = 0; i < 2; i++) { /* the end of the query, and of the pipeline */
        TRY(pg_conn_result(c, deadline, &r));
        PQclear(r);
    }
    return OK;
}

static void resolve(struct pg_conn *c)
{
    char fate[20] = "";
    Err e = ask_fate(c, c->limbo.xid, fate, sizeof fate);

    if (e != OK) {
        pg_conn_close(c, false);
    } else if (strcmp(fate, "committed") == 0) {
        committed_after_all(c);
    } else if (strcmp(fate, "aborted") == 0) {
        struct pg_batch b = c->limbo;
        c->limbo = (struct pg_batch){0};
        requeue(c->shard, &b, E_UNAVAILABLE);
    } else if (strcmp(fate, "in progress") != 0) {
        fail_all(&c->limbo,
                 err_set(E_UNKNOWN_OUTCOME, "PostgreSQL does not know transaction %s any more",
                         c->limbo.xid));
    } else {
        (void)pg_conn_sleep(c, 0, usec_in(RESOLVE_PAUSE)); /* asked again until it is known */
    }
}

static void limbo_expire(struct pg_conn *c)
{
    if (c->limbo.first && time_mono() - c->limbo.lost_at > c->shard->db->db.timeout)
        fail_all(&c->limbo, err_set(E_UNKNOWN_OUTCOME,
                                    "the connection to PostgreSQL broke after COMMIT was sent,"
                                    " and the server did not come back to ask"));
}

/* ---- the fiber ---- */

/* Nothing to do: wait for work, and notice when the server closes the connection. */
static void idle(struct pg_conn *c)
{
    c->idle = true;
    Err e = pg_conn_sleep(c, c->pg ? UV_READABLE : 0, USEC_NEVER);
    c->idle = false;
    if (c->pg && (e != OK || !PQconsumeInput(c->pg))) {
        atomic_store_explicit(&c->shard->db->db.up, false, memory_order_relaxed);
        pg_conn_close(c, false);
    }
}

Err pg_writer_main(void *conn)
{
    struct pg_conn *c = conn;
    struct pg_shard *s = c->shard;
    bool used = false;

    fiber_shield();
    while (!s->closing || c->limbo.first || (s->tx_first && c->pg)) {
        struct pg_batch b = {0};
        limbo_expire(c);
        used |= s->tx_first != NULL;
        if (!used) {
            idle(c); /* a shard that never writes needs no connection */
        } else if (!c->pg) {
            if (pg_conn_open(c) != OK && s->closing)
                c->limbo.lost_at = 0; /* no time left to ask */
        } else if (c->limbo.first) {
            resolve(c);
        } else if (s->tx_first) {
            gather(s, &b);
            run_batch(c, &b);
        } else {
            idle(c);
        }
    }
    fiber_unshield();
    struct pg_conn **p = &s->writers;
    while (*p != c)
        p = &(*p)->next;
    *p = c->next;
    pg_conn_free(c);
    pg_fiber_ended(s);
    return OK;
}

/* ---- on the fiber that commits ---- */

static void withdraw(struct pg_shard *s, struct db_tx *tx)
{
    struct db_tx *before = NULL;
    for (struct db_tx *t = s->tx_first; t != tx; t = t->next)
        before = t;
    if (before)
        before->next = tx->next;
    else
        s->tx_first = tx->next;
    if (s->tx_last == tx)
        s->tx_last = before;
}

static void hand_in(struct pg_shard *s, struct db_tx *tx)
{
    tx->next = NULL;
    tx->since = time_mono();
    if (s->tx_last)
        s->tx_last->next = tx;
    else
        s->tx_first = tx;
    s->tx_last = tx;
    for (struct pg_conn *c = s->writers; c; c = c->next) {
        if (c->idle) {
            c->idle = false;
            pg_conn_wake(c);
            break;
        }
    }
}

Err pg_write(struct db_tx *tx)
{
    struct pg_shard *s = pg_shard_here(tx->db);
    Usec timeout = tx->db->timeout;

    if (atomic_fetch_add_explicit(&tx->db->queued, 1, memory_order_relaxed) >= DB_QUEUE_MAX) {
        atomic_fetch_sub_explicit(&tx->db->queued, 1, memory_order_relaxed);
        return err_set(E_OVERLOADED, "%d transactions wait to be written", DB_QUEUE_MAX);
    }
    wait_init(&tx->wait);
    hand_in(s, tx);
    fiber_shield();
    Usec deadline = usec_add(tx->since, timeout);
    Err e;
    while ((e = wait_for(&tx->wait, deadline)) == E_TIMEOUT) {
        /* In a writer's hands it will be answered. In the queue, the database is gone, or just
         * slow. */
        Usec quiet = time_mono() - usec_max(tx->since, s->progress_at);
        if (!tx->taken && quiet >= timeout) {
            withdraw(s, tx);
            atomic_fetch_sub_explicit(&tx->db->queued, 1, memory_order_relaxed);
            break;
        }
        wait_init(&tx->wait);
        deadline = usec_in(tx->taken ? USEC_S : timeout - quiet);
    }
    fiber_unshield();
    if (e != OK)
        return err_set(E_UNAVAILABLE, "PostgreSQL could not be reached for %lld ms",
                       (long long)(timeout / USEC_MS));
    struct err_record *record = tx->record;
    tx->record = NULL;
    return db_error_give(tx->result, record);
}
