/* src/store/db_postgres.h - the parts of the PostgreSQL side: sessions, connections on a loop,
 * writers, readers. For the files of store alone.
 *
 * Each shard has its own connections, and each connection one fiber that drives it. Nothing but the
 * thread that opens sessions is shared between shards.
 */
#ifndef STORE_DB_POSTGRES_H
#define STORE_DB_POSTGRES_H

#include "store/db_private.h"

#include <libpq-fe.h>

struct pg_db;
struct pg_shard;

/* ---- values (db_postgres_value.c) ---- */

enum pg_oid {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_CHAR = 18,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_UNKNOWN = 705,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_NUMERIC = 1700,
    OID_VOID = 2278,
    OID_UUID = 2950,
};

/* The type to declare for a parameter; 0 leaves it to the server. */
Oid pg_type_of(enum db_type type);
/* The binary form of @v: where it stands, its length. @scratch is of 8 bytes. */
const char *pg_encode(const struct db_value *v, char *scratch, int *ret_n);
/* Append row @row of @r. E_UNSUPPORTED for a type that no migration makes. */
Err pg_row(const PGresult *r, int row, struct db_rows *rows);

/* ---- sessions (db_postgres.c): opened where blocking is allowed ---- */

/* The advisory lock of batches that take turns, and of migrating: "Hedd", "Hede". */
#define PG_LOCK_TURN "1214604388"
#define PG_LOCK_MIGRATE "1214604389"

enum pg_role { PG_WRITER, PG_READER, PG_UPKEEP };

/* Connect, check the server, make the settings. E_UNAVAILABLE, E_UNSUPPORTED with a detail. */
Err pg_session(struct pg_db *db, enum pg_role role, PGconn **ret_pg);
/* The same on the thread that opens sessions, for a fiber. */
Err pg_session_ask(struct pg_db *db, enum pg_role role, PGconn **ret_pg) YIELDS;
/* The error that @r or, without one, the connection tells. */
Err pg_error(const PGconn *pg, const PGresult *r, const char *what);

/* ---- a connection on a loop (db_postgres_conn.c) ---- */

/* A statement of the server. Variants of one text differ in the types of their parameters. */
struct pg_stmt {
    struct pg_stmt *next; /* in its slot */
    const char *sql;      /* the key: its address, and */
    int64_t expect;
    char *copy;      /* of @sql, to notice that its memory was used again */
    struct buf text; /* in PostgreSQL's words */
    Err error;       /* why it cannot be sent */
    char name[16];
    bool prepared;
    unsigned n;
    Oid types[];
};

enum { PG_STMT_SLOTS = 256, PG_STMTS_MAX = 1024 };

/* Transactions that become one of the server's. */
struct pg_batch {
    struct db_tx *first, *last;
    unsigned n;
    size_t bytes;
    unsigned lock_failures;
    int64_t mark; /* by which its fate can be asked for; 0 until something was sent */
    Usec lost_at;
};

struct pg_conn {
    struct pg_shard *shard;
    struct pg_conn *next;
    enum pg_role role;
    PGconn *pg; /* NULL: not connected */
    uv_poll_t *poll;
    int fd;            /* that the poll watches: of the same socket */
    int armed;         /* the events the poll waits for */
    struct wait *wait; /* of its fiber */
    bool woken, idle;
    Usec backoff;
    struct pg_stmt *stmts[PG_STMT_SLOTS];
    unsigned n_stmts, n_names;

    /* of a reader */
    struct pg_flight *first, *last; /* queries sent, in order */
    unsigned n_flights;
    bool exclusive; /* its first query takes long: others go elsewhere */
    bool extra;     /* opened because all others were exclusive */

    /* of a writer */
    struct pg_expect *expected; /* results to come, in order */
    size_t n_expected, cap_expected;
    int hanging_pid;       /* of the server's process that did not answer in time; 0: none */
    struct pg_batch limbo; /* sent, and the connection broke before the answer; empty: none */
    unsigned careful;      /* batches still to be run with a savepoint for each transaction */
    int64_t writer, mark;  /* its name in commit_mark, and its last batch's number there */
    int64_t cleared;       /* its marks below this are deleted */
    unsigned n_marks;      /* since then */
};

/* Make c->pg if there is none; waits a little first when the last try failed. */
Err pg_conn_open(struct pg_conn *c) YIELDS;
/* The session is over; statements are forgotten. The server notices within two seconds and stops
 * what it does. */
void pg_conn_close(struct pg_conn *c);
/* Something happened that its fiber should look at. */
void pg_conn_wake(struct pg_conn *c);
/* Sleep until the socket is ready for @events, pg_conn_wake() or the deadline (E_TIMEOUT). */
Err pg_conn_sleep(struct pg_conn *c, int events, Usec deadline) YIELDS;
/* The next result, or NULL that ends the results of a query. E_CLOSED when the connection broke,
 * E_TIMEOUT. */
Err pg_conn_result(struct pg_conn *c, Usec deadline, PGresult **ret_result) YIELDS;
/* The statement for @sql with arguments of these types. E_INTERNAL when it could never be sent. */
Err pg_conn_stmt(struct pg_conn *c, const char *sql, int64_t expect, const struct db_value *args,
                 size_t n, struct pg_stmt **ret_stmt);
/* Put the preparation, the execution, or a synchronisation into the pipeline. */
Err pg_send_prepare(struct pg_conn *c, struct pg_stmt *s);
Err pg_send_stmt(struct pg_conn *c, const struct pg_stmt *s, const struct db_value *args);
Err pg_send_sync(struct pg_conn *c);
void pg_conn_free(struct pg_conn *c);

/* ---- a batch (db_postgres_batch.c) ----
 *
 * When the connection breaks before COMMIT is answered, somebody must find out what became of the
 * batch. A transaction number does not tell: a server that died gives the numbers of what it had
 * not written to disk once more, to others. So each batch inserts a row of its own into
 * commit_mark (writer, seq), within its transaction. Whoever asks later tries to insert the same
 * row. That waits until the lost transaction has ended; then either the row is there - the batch
 * was committed - or it is now the asker's, and the batch can never be committed any more, however
 * late the server finds it in a socket.
 */

/* What came of sending a batch. */
struct pg_outcome {
    bool careful; /* how it was sent */
    bool committed;
    bool lost;     /* the connection */
    bool refused;  /* it was certainly not committed */
    bool stale;    /* a prepared statement does not fit any more */
    Err error;     /* the first one */
    char state[6]; /* its SQLSTATE */
    struct err_record record;
};

/* Find the statements of @tx on this connection. E_INTERNAL when one could never be sent. */
Err pg_batch_prepare(struct pg_conn *c, struct db_tx *tx);
/* Send @b, all prepared so, and read the answers; o->careful says in parts. Results go to the
 * transactions. */
void pg_batch_run(struct pg_conn *c, struct pg_batch *b, struct pg_outcome *o) YIELDS;
/* Leave the failed transaction. False: the connection broke. */
bool pg_batch_roll_back(struct pg_conn *c) YIELDS;
/* A SQLSTATE of waiting for others: deadlock, lock timeout, serialization. */
bool pg_is_about_locks(const char *state);

/* ---- writers and readers ---- */

struct pg_query;

struct pg_shard {
    struct pg_db *db;
    struct shard *shard;
    bool started, closing;
    unsigned running; /* fibers */

    struct pg_conn *writers;
    struct db_tx *tx_first, *tx_last; /* waiting to be sent */
    Usec progress_at;                 /* when a writer's connection was last known to be good */

    struct pg_conn *readers;
    unsigned n_readers;
    struct pg_query *query_first, *query_last; /* waiting for a connection */
    unsigned n_queries;
};

Err pg_write(struct db_tx *tx) YIELDS;
Err pg_writer_main(void *conn) YIELDS;
Err pg_query(struct db_cursor *c, const char *sql, struct db_args args) YIELDS;
Err pg_fetch(struct db_cursor *c) YIELDS;
void pg_release(struct db_cursor *c);
Err pg_reader_main(void *conn) YIELDS;
/* This shard's part of @db, with its fibers. */
struct pg_shard *pg_shard_here(struct db *db);
/* A fiber of a connection ends. */
void pg_fiber_ended(struct pg_shard *s);

enum { PG_EXTRA_READERS = 8 };

struct pg_db {
    struct db db;
    char *url;
    unsigned n_readers, n_writers; /* of a shard */
    struct pg_shard *shards;
    _Atomic int64_t bytes;
    /* Until then batches take turns: they were seen waiting for each other's locks. */
    _Atomic int64_t serial_until;

    uv_thread_t opener;
    uv_mutex_t lock;
    uv_cond_t wake;
    struct pg_ask *first, *last; /* under the lock */
    bool stopping, opener_started;

    _Atomic unsigned closing_shards;
    struct wait *closed;
    struct shard *closer;
};

static inline struct pg_db *pg_db(struct db *db)
{
    return (struct pg_db *)db;
}

#endif
