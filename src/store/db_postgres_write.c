/* src/store/db_postgres_write.c - the writers of a shard: group commit.
 *
 * What waits while a batch is under way is the next batch. One that the server refuses is sent
 * again in parts, so that only the guilty transactions fail. One that met others' locks is sent
 * again when it has its turn: such batches hold an advisory lock, so that two of them cannot wait
 * for each other.
 *
 * When the connection breaks before COMMIT is answered, the server is asked by the batch's mark
 * what became of it. Only if the server does not come back is the outcome unknown.
 */
#include "rt/inject.h"
#include "rt/log.h"
#include "store/db_postgres.h"

#include <stdlib.h>

enum {
    BATCH_MAX = 1024,
    BATCH_BYTES = 8 << 20,
    CAREFUL_BATCHES = 16,
    ATTEMPTS_MAX = 8,
    LOCK_FAILURES_MAX = 4
};
static const Usec SERIAL_SPAN = 2 * USEC_S, RESOLVE_PAUSE = 50 * USEC_MS;

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

/* ---- deciding ---- */

static bool state_is(const struct pg_outcome *o, const char *state)
{
    return strncmp(o->state, state, strlen(state)) == 0;
}

/* The session must be made anew: prepared statements that do not fit any more, a server that goes
 * away or became a standby. */
static bool is_about_session(const struct pg_outcome *o)
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
static void part(struct pg_conn *c, struct pg_batch *b, const struct pg_outcome *o)
{
    atomic_store_explicit(&c->shard->db->db.up, false, memory_order_relaxed);
    c->shard->progress_at = time_mono();
    c->hanging_pid = o->error == E_TIMEOUT ? PQbackendPID(c->pg) : 0;
    pg_conn_close(c);
    if (o->refused || !b->mark) {
        requeue(
            c->shard, b,
            err_set(E_UNAVAILABLE, "the connection broke again and again: %.300s", o->record.text));
    } else {
        b->lost_at = time_mono();
        c->limbo = *b;
    }
}

/* After the server refused the batch. True: try again, with *careful. */
static bool decide(struct pg_conn *c, struct pg_batch *b, const struct pg_outcome *o, bool *careful)
{
    struct pg_db *db = c->shard->db;

    *err_record() = o->record;
    if (pg_is_about_locks(o->state)) {
        atomic_store_explicit(&db->serial_until, time_mono() + SERIAL_SPAN, memory_order_relaxed);
        if (++b->lock_failures <= LOCK_FAILURES_MAX)
            return true;
    } else if (is_about_session(o)) {
        pg_conn_close(c);
        if (state_is(o, "25006"))
            fail_all(b, o->error);
        else
            requeue(c->shard, b, o->error);
        return false;
    } else if (!*careful && b->n > 1) {
        c->careful = CAREFUL_BATCHES;
        return *careful = true;
    }
    if (b->n == 1 && state_is(o, "23503") && b->first->attempts < LOCK_FAILURES_MAX)
        requeue(c->shard, b, o->error); /* as settle() does with one of many */
    else if (b->n == 1)
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
        next = tx->next;
        Err e = pg_batch_prepare(c, tx);
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
        struct pg_outcome o = {.careful = careful};
        pg_batch_run(c, b, &o);
        if (o.committed) {
            settle(c, b);
            if (o.lost)
                pg_conn_close(c);
            return;
        }
        bool broke = o.lost || !pg_batch_roll_back(c);
        o.refused |= broke && !o.lost;
        if (broke)
            part(c, b, &o);
        again = !broke && decide(c, b, &o, &careful);
    }
    if (c->n_stmts > PG_STMTS_MAX && c->pg)
        pg_conn_close(c); /* the server forgets them, too */
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

/* A result of ask_fate()'s; the last one with rows tells. */
static Err note_fate(struct pg_conn *c, const PGresult *r, bool *ret_known, bool *ret_committed)
{
    switch (PQresultStatus(r)) {
    case PGRES_TUPLES_OK:
        *ret_known = PQntuples(r) == 1;
        *ret_committed = *ret_known && strcmp(PQgetvalue(r, 0, 0), "f") == 0;
        return OK;
    case PGRES_COMMAND_OK:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
        return OK;
    default:
        return pg_error(c->pg, r, "asking for the fate of a batch");
    }
}

/* Ask for the batch marked @mark, and make sure that the answer stays true. E_CONFLICT while its
 * transaction still runs. *@ret_known false: somebody deleted all marks. */
static Err ask_fate(struct pg_conn *c, int64_t mark, bool *ret_known, bool *ret_committed)
{
    char end[64];
    const char *const asks[] = {
        end,
        "INSERT INTO commit_mark (writer, seq, fenced) VALUES ($1, $2, true) ON CONFLICT DO "
        "NOTHING",
        "SELECT fenced FROM commit_mark WHERE writer = $1 AND seq = $2"};
    enum { ASKS = ARRAY_LEN(asks), RESULTS = 3 }; /* of each: the result, its end, the sync */
    const Oid types[] = {OID_INT8, OID_INT8};
    char writer[24], seq[24];
    const char *values[] = {writer, seq};
    Usec deadline = usec_in(c->shard->db->db.timeout);
    Err e = OK;

    snprintf(writer, sizeof writer, "%lld", (long long)c->writer);
    snprintf(seq, sizeof seq, "%lld", (long long)mark);
    /* Who did not answer in time is not waited for any longer. */
    snprintf(end, sizeof end, c->hanging_pid ? "SELECT pg_terminate_backend(%d)" : "SELECT %d",
             c->hanging_pid);
    for (int i = 0; i < ASKS; i++) {
        if (!PQsendQueryParams(c->pg, asks[i], 2, types, values, NULL, NULL, 0))
            return err_set(E_CLOSED, "the connection to PostgreSQL broke");
        TRY(pg_send_sync(c));
    }
    for (int i = 0; i < ASKS * RESULTS; i++) {
        PGresult *r;
        TRY(pg_conn_result(c, deadline, &r));
        Err told = r ? note_fate(c, r, ret_known, ret_committed) : OK;
        PQclear(r);
        e = e == OK ? told : e;
    }
    return e;
}

static void resolve(struct pg_conn *c)
{
    bool known = false, committed = false;
    Err e = ask_fate(c, c->limbo.mark, &known, &committed);

    c->hanging_pid = 0;
    if (e == E_CONFLICT) {
        (void)pg_conn_sleep(c, 0, usec_in(RESOLVE_PAUSE)); /* asked again until it is known */
    } else if (e != OK) {
        pg_conn_close(c);
    } else if (committed) {
        committed_after_all(c);
    } else if (known) {
        struct pg_batch b = c->limbo;
        c->limbo = (struct pg_batch){0};
        requeue(c->shard, &b, E_UNAVAILABLE);
    } else {
        fail_all(&c->limbo, err_set(E_UNKNOWN_OUTCOME, "the mark of a batch is gone"));
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
        pg_conn_close(c);
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

/* How much longer @tx may wait as things are; 0 or less: no longer. While a writer is connected the
 * database is there and just slow, and a batch is bounded by itself. */
static Usec patience(const struct pg_shard *s, const struct db_tx *tx)
{
    enum { SLOW_FACTOR = 12 };
    Usec now = time_mono(), timeout = tx->db->timeout;

    if (tx->taken) /* in a writer's hands: it will be answered */
        return USEC_S;
    for (const struct pg_conn *c = s->writers; c; c = c->next)
        if (c->pg && !c->limbo.first)
            return usec_min(timeout, tx->since + SLOW_FACTOR * timeout - now);
    return usec_max(tx->since, s->progress_at) + timeout - now;
}

Err pg_write(struct db_tx *tx)
{
    struct pg_shard *s = pg_shard_here(tx->db);
    Usec left = tx->db->timeout;
    Err e;

    if (atomic_fetch_add_explicit(&tx->db->queued, 1, memory_order_relaxed) >= DB_QUEUE_MAX) {
        atomic_fetch_sub_explicit(&tx->db->queued, 1, memory_order_relaxed);
        return err_set(E_OVERLOADED, "%d transactions wait to be written", DB_QUEUE_MAX);
    }
    wait_init(&tx->wait);
    hand_in(s, tx);
    fiber_shield();
    while ((e = wait_for(&tx->wait, usec_in(left))) == E_TIMEOUT && (left = patience(s, tx)) > 0)
        wait_init(&tx->wait);
    fiber_unshield();
    if (e != OK) {
        withdraw(s, tx);
        atomic_fetch_sub_explicit(&tx->db->queued, 1, memory_order_relaxed);
        return err_set(E_UNAVAILABLE, "PostgreSQL did not take a transaction for %lld ms",
                       (long long)((time_mono() - tx->since) / USEC_MS));
    }
    struct err_record *record = tx->record;
    tx->record = NULL;
    return db_error_give(tx->result, record);
}
