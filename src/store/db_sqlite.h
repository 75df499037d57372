/* src/store/db_sqlite.h - the parts of the SQLite side: connections, the writer, the readers,
 * upkeep. For the files of store alone. */
#ifndef STORE_DB_SQLITE_H
#define STORE_DB_SQLITE_H

#include "store/db_private.h"

#include <sqlite3.h>

struct sqlite_db;

/* ---- connections ---- */

struct sqlite_stmt {
    const char *sql; /* the key: its address */
    sqlite3_stmt *h;
    unsigned params;
    bool
        plain; /* INSERT, UPDATE, DELETE, SELECT: what it did shows in the number of rows changed */
};

/* A connection: used by one thread at a time. */
struct sqlite_conn {
    sqlite3 *h;
    struct sqlite_db *db;
    struct sqlite_conn *next;  /* in the pool's free list, or in its list of open cursors */
    struct sqlite_stmt *stmts; /* open addressing by address; a power of two of them */
    size_t n_stmts, cap_stmts;

    /* of a reader */
    struct sqlite_stmt *open; /* the statement of the cursor that holds this connection */
    struct sqlite_job *job;   /* being run; of the thread that runs it */
    Usec since;               /* when that cursor was opened */
    bool evicted;             /* the cursor was ended because it held up the log for too long */
};

enum sqlite_role { SQLITE_WRITER, SQLITE_READER, SQLITE_UPKEEP };

/* Open and set up a connection; on a worker or another thread that may block. */
Err sqlite_connect(struct sqlite_db *db, enum sqlite_role role, struct sqlite_conn **ret_conn);
void sqlite_disconnect(struct sqlite_conn *c);
DEFINE_AUTO(sqlite_conn, sqlite_disconnect)
/* The error of the last call on @c, which gave @rc. @what was being done. */
Err sqlite_error(struct sqlite_conn *c, int rc, const char *what);
/* The same after a statement: @sql is told only if it may have to do with the error. */
Err sqlite_sql_error(struct sqlite_conn *c, int rc, const char *sql);
/* The prepared form of @sql, ready to be bound. */
Err sqlite_prepare(struct sqlite_conn *c, const char *sql, struct sqlite_stmt **ret_stmt);
/* Bind all of @args. With @copy the texts need not outlive the call. */
Err sqlite_bind(struct sqlite_conn *c, struct sqlite_stmt *s, const struct db_value *args, size_t n,
                bool copy);
/* Append the present row. */
void sqlite_row(sqlite3_stmt *h, struct db_rows *rows);
/* Run @sql, which may be several statements; rows are dropped. */
Err sqlite_run(struct sqlite_conn *c, const char *sql);
/* The first column of the only row of @sql. */
Err sqlite_number(struct sqlite_conn *c, const char *sql, int64_t *ret_value);

/* ---- the writer: one thread, group commit ---- */

struct sqlite_writer {
    struct sqlite_conn *conn;
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t wake;
    struct db_tx *first, *last;   /* handed over; under the lock */
    bool idle, stopping, started; /* under the lock */

    /* of the thread itself */
    unsigned careful;  /* batches still to be run with a savepoint for each transaction */
    unsigned expected; /* transactions that are likely to come for this batch */
    unsigned hold_score, not_held; /* whether waiting for them has been worth it */
    bool held;
    Usec hold_left, commit_span;            /* of this batch; how long COMMIT takes of late */
    int log_frames;                         /* pages in the write-ahead log after the last commit */
    struct db_tx **done_first, **done_last; /* for each shard: what is to be woken */
};

Err sqlite_writer_start(struct sqlite_db *db);
/* Writes what is queued, then ends. */
void sqlite_writer_stop(struct sqlite_db *db);
/* Hand @tx over and wait for its outcome. */
Err sqlite_write(struct db_tx *tx) YIELDS;
/* Call task(db, arg) on the writer's thread, between two batches. */
Err sqlite_writer_call(struct sqlite_db *db, Err (*task)(struct db *db, void *arg), void *arg)
    YIELDS;

/* ---- the readers: a few threads, connections on demand ---- */

enum { SQLITE_READERS_MAX = 32, SQLITE_CURSORS_MAX = 64 };

struct sqlite_readers {
    uv_thread_t threads[SQLITE_READERS_MAX];
    unsigned n_threads;
    uv_mutex_t lock;
    uv_cond_t wake;
    struct sqlite_job *first, *last; /* waiting to be run */
    struct sqlite_conn *free;        /* connections nobody uses */
    struct sqlite_conn *parked;      /* connections held by cursors that wait for their reader */
    unsigned n_conns;
    bool stopping;
};

Err sqlite_readers_start(struct sqlite_db *db, unsigned n);
void sqlite_readers_stop(struct sqlite_db *db);
Err sqlite_query(struct db_cursor *c, const char *sql, struct db_args args) YIELDS;
Err sqlite_fetch(struct db_cursor *c) YIELDS;
void sqlite_release(struct db_cursor *c);
/* End cursors opened before @before that nobody is reading just now. Any thread. */
void sqlite_readers_evict(struct sqlite_db *db, Usec before);

/* ---- the checkpointer: moves the log into the database file ---- */

/* In pages of the log. Beyond the first the checkpointer works beside the writer; when no more than
 * the second are left to be copied, or beyond the third, the writer does the rest between two
 * batches, so that the log starts over; beyond the fourth, cursors that hold the log for long are
 * ended. */
enum {
    SQLITE_LOG_SOFT = 1000,
    SQLITE_LOG_REST = 500,
    SQLITE_LOG_HARD = 8000,
    SQLITE_LOG_EVICT = 65536,
};

struct sqlite_checkpointer {
    struct sqlite_conn *conn;
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t wake;
    bool wanted, stopping, started; /* under the lock */
    int copied;                     /* pages of the log, by the last pass; likewise */
};

Err sqlite_checkpointer_start(struct sqlite_db *db);
void sqlite_checkpointer_stop(struct sqlite_db *db);
/* On the writer's thread, between two batches: the log has @frames pages; see to it that it does
 * not grow. */
void sqlite_checkpoint(struct sqlite_db *db, int frames);

/* ---- upkeep ---- */

Err sqlite_migrate(struct db *db, const struct migration *list) YIELDS;
Err sqlite_backup(struct db *db, Str path) YIELDS;
/* The same on this thread. With @replace an older copy there is replaced. */
Err sqlite_copy(struct sqlite_db *db, const char *path, bool replace);
Err sqlite_vacuum_some(struct db *db, unsigned pages) YIELDS;
Err sqlite_check(struct db *db) YIELDS;
Err sqlite_check_quick(struct db *db, Usec span) YIELDS;
int64_t sqlite_bytes(const struct db *db);

struct sqlite_db {
    struct db db;
    char *path, *log_path;
    struct sqlite_writer writer;
    struct sqlite_readers readers;
    struct sqlite_checkpointer checkpointer;
};

static inline struct sqlite_db *sqlite_db(struct db *db)
{
    return (struct sqlite_db *)db;
}

#endif
