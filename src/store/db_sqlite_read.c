/* src/store/db_sqlite_read.c - the readers: a few threads that run queries and fill blocks of rows.
 *
 * A connection is one snapshot of the database, so a cursor that was not read to its end keeps the
 * connection it began on, but no thread: threads serve whoever asks next. Most queries are done
 * within their first block and hold nothing.
 *
 * A job lives on the stack of the fiber that waits for it. When that fiber is cancelled or its
 * deadline passes, the query is interrupted and the fiber waits for the thread to let go.
 */
#include "store/db_sqlite.h"

#include <stdlib.h>

struct sqlite_job {
    struct sqlite_job *next;
    struct db_cursor *cursor;
    const char *sql; /* NULL: go on with the statement that is open */
    struct db_args args;
    struct sqlite_conn *conn;
    struct shard *shard;
    struct err_record *record;
    Err result;
    bool running;      /* under the lock */
    _Atomic bool stop; /* the fiber does not want it any more */
    bool done;         /* of the shard alone, as */
    struct wait *waiter;
};

/* ---- connections; all under the lock ---- */

static void list_remove(struct sqlite_conn **list, struct sqlite_conn *c)
{
    while (*list != c)
        list = &(*list)->next;
    *list = c->next;
    c->next = NULL;
}

static void list_add(struct sqlite_conn **list, struct sqlite_conn *c)
{
    c->next = *list;
    *list = c;
}

static void close_statement(struct sqlite_conn *c)
{
    if (c->open)
        sqlite3_reset(c->open->h);
    c->open = NULL;
}

/* The next job that can be run now; its connection is taken, or to be opened if it has none. */
static struct sqlite_job *next_job(struct sqlite_readers *r)
{
    struct sqlite_job *before = NULL;

    for (struct sqlite_job *j = r->first; j; before = j, j = j->next) {
        if (!j->conn && !r->free && r->n_conns >= SQLITE_CURSORS_MAX)
            continue;
        if (before)
            before->next = j->next;
        else
            r->first = j->next;
        if (r->last == j)
            r->last = before;
        if (!j->conn && r->free) {
            j->conn = r->free;
            list_remove(&r->free, j->conn);
        } else if (!j->conn) {
            r->n_conns++;
        }
        return j;
    }
    return NULL;
}

/* ---- on a reader thread ---- */

static Err fill(struct sqlite_job *j)
{
    struct sqlite_conn *c = j->conn;
    struct db_cursor *cursor = j->cursor;
    sqlite3_stmt *h = c->open->h;
    int rc = SQLITE_ROW;

    db_rows_reset(&cursor->rows, sqlite3_column_count(h));
    while (!db_rows_full(&cursor->rows) && (rc = sqlite3_step(h)) == SQLITE_ROW)
        sqlite_row(h, &cursor->rows);
    if (rc == SQLITE_ROW)
        return OK;
    Err e = rc == SQLITE_DONE ? OK : sqlite_error(c, rc, "read");
    close_statement(c);
    return e;
}

/* Called by the engine now and then: a query that nobody wants ends. */
static int wants_stop(void *arg)
{
    struct sqlite_conn *c = arg;
    return c->job && atomic_load_explicit(&c->job->stop, memory_order_relaxed);
}

static Err run_job(struct sqlite_db *db, struct sqlite_job *j)
{
    struct sqlite_stmt *s;

    if (!j->conn) {
        TRY(sqlite_connect(db, SQLITE_READER, &j->conn));
        sqlite3_progress_handler(j->conn->h, 1000, wants_stop, j->conn);
    }
    j->conn->job = j;
    if (j->sql) {
        TRY(sqlite_prepare(j->conn, j->sql, &s));
        TRY(sqlite_bind(j->conn, s, j->args.at, j->args.n, true));
        j->conn->open = s;
        j->conn->since = time_mono();
        j->conn->evicted = false;
    } else if (j->conn->evicted) {
        return err_set(E_GONE, "the rows were read so slowly that they held up the log");
    }
    return fill(j);
}

static void job_done(void *arg)
{
    struct sqlite_job *j = arg;
    j->done = true;
    if (j->waiter)
        wait_end(j->waiter, OK);
}

/* The connection goes back, or stays with its cursor. */
static void settle(struct sqlite_readers *r, struct sqlite_job *j)
{
    struct sqlite_conn *c = j->conn;

    j->cursor->more = c && c->open;
    j->cursor->source = j->cursor->more ? c : NULL;
    if (!c)
        r->n_conns--;
    else
        list_add(j->cursor->more ? &r->parked : &r->free, c);
    if (r->first)
        uv_cond_signal(&r->wake);
}

static void reader_main(void *arg)
{
    struct sqlite_db *db = arg;
    struct sqlite_readers *r = &db->readers;

    uv_mutex_lock(&r->lock);
    for (;;) {
        struct sqlite_job *j = next_job(r);
        if (!j && r->stopping)
            break;
        if (!j) {
            uv_cond_wait(&r->wake, &r->lock);
            continue;
        }
        j->running = true;
        uv_mutex_unlock(&r->lock);

        j->result = run_job(db, j);
        if (j->result != OK) {
            j->record = db_error_take(j->result);
            if (j->conn)
                close_statement(j->conn);
        }
        if (j->conn)
            j->conn->job = NULL;

        uv_mutex_lock(&r->lock);
        settle(r, j);
        shard_post(j->shard, job_done, j);
    }
    uv_mutex_unlock(&r->lock);
}

/* ---- on the shard ---- */

static void submit(struct sqlite_readers *r, struct sqlite_job *j)
{
    j->next = NULL;
    if (r->last)
        r->last->next = j;
    else
        r->first = j;
    r->last = j;
    uv_cond_signal(&r->wake);
}

/* Take the job out of the queue, if it is not being run. */
static bool withdraw(struct sqlite_readers *r, struct sqlite_job *j)
{
    struct sqlite_job *before = NULL;

    uv_mutex_lock(&r->lock);
    bool queued = !j->running;
    if (queued) {
        for (struct sqlite_job *k = r->first; k != j; k = k->next)
            before = k;
        if (before)
            before->next = j->next;
        else
            r->first = j->next;
        if (r->last == j)
            r->last = before;
        if (j->conn) /* stays with its cursor */
            list_add(&r->parked, j->conn);
    }
    uv_mutex_unlock(&r->lock);
    return queued;
}

static Err await(struct sqlite_db *db, struct sqlite_job *j)
{
    Usec deadline = usec_in(db->db.timeout);
    Err gave_up = OK;

    while (!j->done) {
        struct wait w;
        wait_init(&w);
        j->waiter = &w;
        Err e = wait_for(&w, deadline);
        j->waiter = NULL;
        if (e == OK)
            continue;
        bool patience = e == E_TIMEOUT && time_mono() < fiber_deadline() && gave_up == OK;
        if (withdraw(&db->readers, j)) {
            if (patience)
                e = err_set(E_OVERLOADED, "no reader was free for %lld ms",
                            (long long)(db->db.timeout / USEC_MS));
            return e;
        }
        if (patience) { /* it is running: only the fiber's own deadline counts */
            deadline = USEC_NEVER;
            continue;
        }
        gave_up = e;
        atomic_store_explicit(&j->stop, true, memory_order_relaxed);
        fiber_shield();
        deadline = USEC_NEVER;
    }
    if (gave_up != OK) {
        fiber_unshield();
        if (j->result != OK) {
            free(j->record);
            return err_set(gave_up, "the query was stopped");
        }
    }
    return db_error_give(j->result, j->record);
}

Err sqlite_query(struct db_cursor *c, const char *sql, struct db_args args)
{
    struct sqlite_db *db = sqlite_db(c->db);
    struct sqlite_readers *r = &db->readers;
    struct sqlite_job j = {.cursor = c, .sql = sql, .args = args, .shard = shard_self()};

    uv_mutex_lock(&r->lock);
    submit(r, &j);
    uv_mutex_unlock(&r->lock);
    return await(db, &j);
}

Err sqlite_fetch(struct db_cursor *c)
{
    struct sqlite_db *db = sqlite_db(c->db);
    struct sqlite_readers *r = &db->readers;
    struct sqlite_job j = {.cursor = c, .conn = c->source, .shard = shard_self()};

    uv_mutex_lock(&r->lock);
    list_remove(&r->parked, j.conn);
    submit(r, &j);
    uv_mutex_unlock(&r->lock);
    return await(db, &j);
}

void sqlite_release(struct db_cursor *c)
{
    struct sqlite_readers *r = &sqlite_db(c->db)->readers;
    struct sqlite_conn *conn = c->source;

    uv_mutex_lock(&r->lock);
    close_statement(conn);
    list_remove(&r->parked, conn);
    list_add(&r->free, conn);
    if (r->first)
        uv_cond_signal(&r->wake);
    uv_mutex_unlock(&r->lock);
}

void sqlite_readers_evict(struct sqlite_db *db, Usec before)
{
    struct sqlite_readers *r = &db->readers;

    uv_mutex_lock(&r->lock);
    for (struct sqlite_conn *c = r->parked; c; c = c->next) {
        if (c->open && c->since < before) {
            close_statement(c);
            c->evicted = true;
        }
    }
    uv_mutex_unlock(&r->lock);
}

/* ---- life ---- */

Err sqlite_readers_start(struct sqlite_db *db, unsigned n)
{
    struct sqlite_readers *r = &db->readers;

    uv_mutex_init(&r->lock);
    uv_cond_init(&r->wake);
    n = n > SQLITE_READERS_MAX ? SQLITE_READERS_MAX : n;
    for (; r->n_threads < n; r->n_threads++)
        if (uv_thread_create(&r->threads[r->n_threads], reader_main, db))
            return err_set(E_OVERLOADED, "cannot start a thread that reads the database");
    return OK;
}

void sqlite_readers_stop(struct sqlite_db *db)
{
    struct sqlite_readers *r = &db->readers;

    if (!r->n_threads)
        return;
    uv_mutex_lock(&r->lock);
    r->stopping = true;
    uv_cond_broadcast(&r->wake);
    uv_mutex_unlock(&r->lock);
    for (unsigned i = 0; i < r->n_threads; i++)
        uv_thread_join(&r->threads[i]);
    if (r->parked)
        DIE("a database was closed while a cursor was open");
    while (r->free) {
        struct sqlite_conn *c = r->free;
        r->free = c->next;
        sqlite_disconnect(c);
    }
    uv_mutex_destroy(&r->lock);
    uv_cond_destroy(&r->wake);
}
