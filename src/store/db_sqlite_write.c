/* src/store/db_sqlite_write.c - the one writer: group commit.
 *
 * Whatever waits when the writer comes to it, and whatever arrives while it works, is one batch:
 * one BEGIN, one COMMIT, one fsync. There is no delay to collect more; the fsync before is the time
 * in which the next batch gathers.
 *
 * A batch is run in the hope that all goes well, without savepoints. A transaction that fails
 * before it has changed anything just drops out. One that fails later spoils the batch: it is
 * undone and run again with a savepoint around each transaction, so that only the guilty one fails,
 * and the next few batches begin like that. When the failure is the whole batch's (a full disk, a
 * constraint that speaks up at COMMIT) each transaction is tried by itself.
 */
#include "rt/inject.h"
#include "rt/log.h"
#include "store/db_sqlite.h"

#include <stdlib.h>

enum { BATCH_MAX = 1024, BATCH_BYTES = 16 << 20, CAREFUL_BATCHES = 32 };
static const Usec HOLD_MAX = 500;

struct batch {
    struct db_tx *first, *last;
    unsigned n;
    size_t bytes;
    bool careful; /* a savepoint for each */
};

static void append(struct batch *b, struct db_tx *tx)
{
    tx->next = NULL;
    if (b->last)
        b->last->next = tx;
    else
        b->first = tx;
    b->last = tx;
    b->n++;
    b->bytes += tx->bytes;
}

/* ---- one transaction ---- */

static Err run_statement(struct sqlite_conn *c, struct db_stmt *s, bool *dirty)
{
    struct sqlite_stmt *prepared;
    int64_t before = sqlite3_total_changes64(c->h);
    int rc;

    TRY(sqlite_prepare(c, s->sql, &prepared));
    TRY(sqlite_bind(c, prepared, s->args, s->n_args, false));
    if (s->ret_cursor) {
        s->rows = calloc(1, sizeof *s->rows);
        if (!s->rows)
            DIE("out of memory");
        s->rows->columns = sqlite3_column_count(prepared->h);
    }
    while ((rc = sqlite3_step(prepared->h)) == SQLITE_ROW) {
        if (s->rows)
            sqlite_row(prepared->h, s->rows);
        if (s->rows && s->rows->n_bytes > DB_RETURNING_BYTES)
            break;
    }
    Err e = OK;
    if (rc == SQLITE_ROW)
        e = err_set(E_TOO_LARGE, "the rows returned pass %d bytes", DB_RETURNING_BYTES);
    else if (rc != SQLITE_DONE)
        e = sqlite_sql_error(c, rc, s->sql);
    sqlite3_reset(prepared->h);
    /* The counter of changes keeps its value over statements that are no INSERT, UPDATE or DELETE.
     */
    bool changed = sqlite3_total_changes64(c->h) != before;
    s->changes = changed && e == OK ? sqlite3_changes64(c->h) : 0;
    *dirty |= changed || !prepared->plain;
    if (e == OK && s->expect >= 0 && s->changes != s->expect)
        e = err_set(E_CONFLICT, "%lld rows instead of %lld: %.100s", (long long)s->changes,
                    (long long)s->expect, s->sql);
    return e;
}

/* *ret_dirty: whether it had changed something when it failed. */
static Err run_tx(struct sqlite_conn *c, struct db_tx *tx, bool *ret_dirty)
{
    *ret_dirty = false;
    db_tx_clear(tx);
    for (struct db_stmt *s = tx->first; s; s = s->next)
        TRY(run_statement(c, s, ret_dirty));
    return OK;
}

static Err run_tx_in_savepoint(struct sqlite_conn *c, struct db_tx *tx, bool *ret_dirty)
{
    static const char open[] = "SAVEPOINT t", undo[] = "ROLLBACK TO t", close[] = "RELEASE t";
    struct db_stmt s = {.sql = open, .expect = -1};
    bool ignored = false;

    *ret_dirty = true;
    TRY(run_statement(c, &s, &ignored));
    Err e = run_tx(c, tx, ret_dirty);
    if (e != OK) {
        if (sqlite3_get_autocommit(c->h))
            return e; /* the engine has undone the whole batch already */
        *ret_dirty = true;
        s.sql = undo;
        TRY(run_statement(c, &s, &ignored));
        *ret_dirty = false;
    }
    s.sql = close;
    TRY(run_statement(c, &s, &ignored));
    return e;
}

/* One statement that fails leaves nothing behind, unless it is found guilty after it ran. */
static bool needs_savepoint(const struct db_tx *tx)
{
    return tx->n > 1 || tx->first->expect >= 0 || tx->first->ret_cursor;
}

/* ---- a batch ---- */

static Err control(struct sqlite_conn *c, const char *sql)
{
    struct db_stmt s = {.sql = sql, .expect = -1};
    bool ignored = false;
    return run_statement(c, &s, &ignored);
}

static void roll_back(struct sqlite_conn *c)
{
    static const char sql[] = "ROLLBACK";
    Err e = sqlite3_get_autocommit(c->h) ? OK : control(c, sql);
    if (e != OK)
        LOG_ERROR("a batch could not be rolled back", L_ERR(e));
}

/* Whether the failure of one transaction speaks about it alone. */
static bool is_own_fault(Err e)
{
    return e == E_EXISTS || e == E_CONFLICT || e == E_INVALID || e == E_INTERNAL ||
           e == E_TOO_LARGE;
}

static void gather(struct sqlite_db *db, struct batch *b)
{
    struct sqlite_writer *w = &db->writer;

    uv_mutex_lock(&w->lock);
    while (w->first && !w->first->task && b->n < BATCH_MAX &&
           (b->n == 0 || b->bytes + w->first->bytes <= BATCH_BYTES)) {
        struct db_tx *tx = w->first;
        w->first = tx->next;
        if (!w->first)
            w->last = NULL;
        append(b, tx);
    }
    uv_mutex_unlock(&w->lock);
}

/* The callers of the last batch were woken a moment ago, and most of them come back with their next
 * transaction at once: then half of them would always wait for the others' fsync. So COMMIT is held
 * back for a little, at most a quarter of what it takes by itself, until as many have come as can
 * be expected. Where callers do not come back (it is seen from the score) nothing is held back.
 * True: something has come. */
static bool worth_waiting(struct sqlite_db *db, const struct batch *b)
{
    struct sqlite_writer *w = &db->writer;

    if (w->hold_score == 0 || w->hold_left <= 0 || b->n >= BATCH_MAX || b->n >= w->expected)
        return false;
    w->held = true;
    Usec begin = time_mono();
    uv_mutex_lock(&w->lock);
    if (!w->first && !w->stopping) {
        w->idle = true;
        uv_cond_timedwait(&w->wake, &w->lock, (uint64_t)w->hold_left * 1000);
        w->idle = false;
    }
    bool more = w->first && !w->first->task;
    uv_mutex_unlock(&w->lock);
    w->hold_left -= time_mono() - begin;
    return more;
}

/* Learn from this batch, and say what is expected of the next one: its @n callers, and who waits
 * already. */
static void expect_next(struct sqlite_db *db, unsigned n)
{
    enum { SCORE_MAX = 8, RETRY_EVERY = 64 };
    struct sqlite_writer *w = &db->writer;

    if (w->held && n * 4 >= w->expected * 3)
        w->hold_score += w->hold_score < SCORE_MAX;
    else if (w->held)
        w->hold_score--;
    else if (w->hold_score == 0 && ++w->not_held % RETRY_EVERY == 0)
        w->hold_score = 1;
    w->held = false;
    w->hold_left = usec_min(w->commit_span / 4, HOLD_MAX);
    int64_t queued = atomic_load_explicit(&db->db.queued, memory_order_relaxed);
    w->expected = n + (unsigned)(queued > 0 ? queued : 0);
}

enum outcome { DONE, AGAIN_CAREFULLY, FAILED };

/* Run all transactions, and with @grow those that arrive meanwhile. */
static enum outcome run_members(struct sqlite_db *db, struct batch *b, bool grow, Err *ret_error)
{
    struct sqlite_conn *c = db->writer.conn;

    for (struct db_tx *tx = b->first; tx; tx = tx->next) {
        bool dirty;
        Err e = b->careful && needs_savepoint(tx) ? run_tx_in_savepoint(c, tx, &dirty)
                                                  : run_tx(c, tx, &dirty);
        if (e != OK) {
            db_tx_fail(tx, e);
            bool whole = !is_own_fault(e) || sqlite3_get_autocommit(c->h);
            if (whole || dirty) {
                *ret_error = e;
                return whole || b->careful ? FAILED : AGAIN_CAREFULLY;
            }
        }
        if (!tx->next && grow)
            do
                gather(db, b); /* may give tx a next one */
            while (!tx->next && worth_waiting(db, b));
    }
    return DONE;
}

static Err commit(struct sqlite_db *db)
{
    static const char sql[] = "COMMIT";
    struct sqlite_writer *w = &db->writer;

    TRY(INJECT("store.batch.before_fsync"));
    Usec begin = time_mono();
    TRY(control(w->conn, sql));
    w->commit_span += (time_mono() - begin - w->commit_span) / 8;
    return OK;
}

static enum outcome try_batch(struct sqlite_db *db, struct batch *b, bool grow, Err *ret_error)
{
    static const char begin[] = "BEGIN IMMEDIATE";
    struct sqlite_conn *c = db->writer.conn;
    enum outcome outcome = FAILED;

    *ret_error = INJECT("store.batch.begin");
    if (*ret_error == OK)
        *ret_error = control(c, begin);
    if (*ret_error != OK)
        return FAILED;
    outcome = run_members(db, b, grow, ret_error);
    if (outcome == DONE && (*ret_error = commit(db)) != OK)
        outcome = FAILED;
    if (outcome != DONE)
        roll_back(c);
    return outcome;
}

static void count(struct sqlite_db *db, const struct batch *b)
{
    int64_t n = 0, statements = 0;
    for (struct db_tx *tx = b->first; tx; tx = tx->next) {
        n += tx->result == OK;
        statements += tx->result == OK ? (int64_t)tx->n : 0;
    }
    atomic_fetch_add_explicit(&db->db.commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->db.transactions, n, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->db.statements, statements, memory_order_relaxed);
    atomic_store_explicit(&db->db.up, true, memory_order_relaxed);
}

static void run_batch(struct sqlite_db *db, struct batch *b, bool grow);

static void run_each_alone(struct sqlite_db *db, struct batch *b)
{
    struct batch whole = *b;
    *b = (struct batch){0};
    for (struct db_tx *tx = whole.first, *next; tx; tx = next) {
        struct batch one = {0};
        next = tx->next;
        append(&one, tx);
        run_batch(db, &one, false);
        append(b, tx);
    }
}

static void run_batch(struct sqlite_db *db, struct batch *b, bool grow)
{
    Err e;

    b->careful = db->writer.careful > 0;
    db->writer.careful -= b->careful;
    enum outcome outcome = try_batch(db, b, grow, &e);
    if (outcome == AGAIN_CAREFULLY && b->n > 1) {
        db->writer.careful = CAREFUL_BATCHES;
        b->careful = true;
        outcome = try_batch(db, b, false, &e);
    }
    if (outcome == DONE) {
        count(db, b);
    } else if (b->n > 1 && (e == E_DISK_FULL || is_own_fault(e))) {
        run_each_alone(db, b);
    } else {
        struct err_record record = *err_record();
        for (struct db_tx *tx = b->first; tx; tx = tx->next) {
            *err_record() = record;
            db_tx_fail(tx, e);
        }
    }
}

/* ---- waking ---- */

static void wake_all(void *arg)
{
    for (struct db_tx *tx = arg, *next; tx; tx = next) {
        next = tx->next;
        wait_end(&tx->wait, OK);
    }
}

/* One message to each shard that has a transaction in the batch. */
static void wake_callers(struct sqlite_db *db, struct batch *b)
{
    struct sqlite_writer *w = &db->writer;
    unsigned n = shard_count();

    for (struct db_tx *tx = b->first, *next; tx; tx = next) {
        unsigned i = shard_index(tx->shard);
        next = tx->next;
        tx->next = NULL;
        if (w->done_last[i])
            w->done_last[i]->next = tx;
        else
            w->done_first[i] = tx;
        w->done_last[i] = tx;
    }
    atomic_fetch_sub_explicit(&db->db.queued, b->n, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++) {
        struct db_tx *first = w->done_first[i];
        w->done_first[i] = w->done_last[i] = NULL;
        if (first)
            shard_post(shard_at(i), wake_all, first);
    }
}

/* ---- the thread ---- */

static int on_commit(void *arg, sqlite3 *h, const char *name, int frames)
{
    struct sqlite_db *db = arg;
    (void)h, (void)name;
    db->writer.log_frames = frames;
    return SQLITE_OK;
}

/* Wait for work. A task is given by itself. False: stop. */
static bool next_work(struct sqlite_writer *w, struct db_tx **ret_task)
{
    *ret_task = NULL;
    uv_mutex_lock(&w->lock);
    while (!w->first && !w->stopping) {
        w->idle = true;
        uv_cond_wait(&w->wake, &w->lock);
    }
    w->idle = false;
    bool more = w->first != NULL;
    if (more && w->first->task) {
        *ret_task = w->first;
        w->first = w->first->next;
        if (!w->first)
            w->last = NULL;
    }
    uv_mutex_unlock(&w->lock);
    return more;
}

static void writer_main(void *arg)
{
    struct sqlite_db *db = arg;
    struct sqlite_writer *w = &db->writer;
    struct db_tx *task;

    while (next_work(w, &task)) {
        struct batch b = {0};
        if (task) {
            append(&b, task);
            Err e = task->task(&db->db, task->task_arg);
            if (e != OK)
                db_tx_fail(task, e);
        } else {
            gather(db, &b);
            run_batch(db, &b, true);
            INJECT_VOID("store.batch.after_fsync");
        }
        unsigned n = b.n;
        wake_callers(db, &b);
        expect_next(db, n);
        sqlite_checkpoint(db, w->log_frames);
    }
}

Err sqlite_writer_start(struct sqlite_db *db)
{
    struct sqlite_writer *w = &db->writer;

    w->done_first = calloc(shard_count(), sizeof(struct db_tx *));
    w->done_last = calloc(shard_count(), sizeof(struct db_tx *));
    if (!w->done_first || !w->done_last)
        DIE("out of memory");
    uv_mutex_init(&w->lock);
    uv_cond_init(&w->wake);
    w->hold_score = 4;
    sqlite3_wal_hook(w->conn->h, on_commit, db);
    if (uv_thread_create(&w->thread, writer_main, db))
        return err_set(E_OVERLOADED, "cannot start the thread that writes to the database");
    w->started = true;
    return OK;
}

void sqlite_writer_stop(struct sqlite_db *db)
{
    struct sqlite_writer *w = &db->writer;

    if (w->started) {
        uv_mutex_lock(&w->lock);
        w->stopping = true;
        uv_cond_signal(&w->wake);
        uv_mutex_unlock(&w->lock);
        uv_thread_join(&w->thread);
    }
    if (w->done_first) {
        uv_mutex_destroy(&w->lock);
        uv_cond_destroy(&w->wake);
    }
    free(w->done_first);
    free(w->done_last);
    sqlite_disconnect(w->conn);
}

Err sqlite_write(struct db_tx *tx)
{
    struct sqlite_db *db = sqlite_db(tx->db);
    struct sqlite_writer *w = &db->writer;

    if (atomic_fetch_add_explicit(&db->db.queued, 1, memory_order_relaxed) >= DB_QUEUE_MAX) {
        atomic_fetch_sub_explicit(&db->db.queued, 1, memory_order_relaxed);
        return err_set(E_OVERLOADED, "%d transactions wait to be written", DB_QUEUE_MAX);
    }
    tx->shard = shard_self();
    tx->next = NULL;
    wait_init(&tx->wait);
    uv_mutex_lock(&w->lock);
    if (w->last)
        w->last->next = tx;
    else
        w->first = tx;
    w->last = tx;
    bool wake = w->idle;
    w->idle = false;
    uv_mutex_unlock(&w->lock);
    if (wake)
        uv_cond_signal(&w->wake);

    fiber_shield();
    Err e = wait_for(&tx->wait, USEC_NEVER);
    fiber_unshield();
    if (e != OK)
        DIE("a shielded wait for the writer ended with %s", err_name(e));
    struct err_record *record = tx->record;
    tx->record = NULL;
    return db_error_give(tx->result, record);
}

Err sqlite_writer_call(struct sqlite_db *db, Err (*task)(struct db *db, void *arg), void *arg)
{
    struct db_tx tx = {.db = &db->db, .task = task, .task_arg = arg};
    return sqlite_write(&tx);
}
