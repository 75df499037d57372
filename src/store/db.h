/* src/store/db.h - one door to SQLite and PostgreSQL.
 *
 * Reads are queries with bound parameters and a cursor. Writes are transactions that are built
 * first and sent whole: db_exec() queues a statement, db_commit() sends all of them and waits until
 * they are durable. Nothing is sent before, so a transaction holds no lock while its fiber thinks;
 * many fibers' transactions share one group commit (one fsync), each atomic by itself. What a
 * transaction takes for granted it states: db_exec_expect() gives the number of rows that must
 * change, else the whole transaction is undone and E_CONFLICT is given.
 *
 * SQL is one text in the subset both databases share, parameters ?1, ?2, ... Types in migrations:
 * {id} {int} {real} {text} {bytes}; {clustered} ends a CREATE TABLE whose rows live in their
 * primary key.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/id.h"
#include "base/vec.h"
#include "rt/fiber.h"

struct db;
struct db_tx;
struct db_cursor;

enum db_kind { DB_SQLITE, DB_POSTGRES };

struct db_options {
    Str url; /* "sqlite:///abs/path/heddle.db", a plain path, or "postgres(ql)://..." */
    unsigned
        readers; /* SQLite reader threads; 0: 2. PostgreSQL read connections of a shard; 0: 2 */
    unsigned writers; /* PostgreSQL write connections of a shard; 0: 1 */
    bool relaxed; /* SQLite synchronous=NORMAL, PostgreSQL synchronous_commit=off: say so in the log
                   */
    Usec timeout; /* how long a call waits for a database that is gone; 0: 10 s */
    bool read_only; /* for doctor and restore: never write, never migrate */
    bool immutable; /* with read_only: nobody writes to the SQLite file now, nothing is made beside
                     * it, and its folder need not be writable */
};

/* Whether the address of a PostgreSQL database is one: its form, its parameters and their values.
 * Calls nobody. E_INVALID with a detail that shows no password. */
Err db_url_check(Str url);
/* Open; PostgreSQL may be unreachable then (E_UNAVAILABLE). SQLite creates the file (mode 0600).
 * Safe on every shard afterwards. E_CORRUPT, E_LOCKED, E_READ_ONLY, E_DISK_FULL with details that
 * say what to do. */
Err db_open(const struct db_options *options, struct db **ret_db) YIELDS;
void db_close(struct db *db) YIELDS;
enum db_kind db_kind(const struct db *db);
/* Whether the last contact went well; for /readyz. */
bool db_is_up(const struct db *db);
/* One round trip. */
Err db_ping(struct db *db, Usec deadline) YIELDS;

/* ---- parameters ---- */

/* Texts are well-formed UTF-8 without NUL and numbers are no NaN, on both databases: anything else
 * makes the call fail with E_INVALID. Bytes may be anything. Text compares and sorts by its bytes.
 */

enum db_type { DB_NULL, DB_INT, DB_REAL, DB_TEXT, DB_BYTES, DB_ID };
struct db_value {
    enum db_type type;
    enum db_type hint; /* of a DB_NULL: what it would be otherwise, for a database that must know */
    union {
        int64_t i;
        double d;
        Str s;
        Id id;
    };
};

#define D_NULL                                                                                     \
    {                                                                                              \
        .type = DB_NULL                                                                            \
    }
#define D_INT(v)                                                                                   \
    {                                                                                              \
        .type = DB_INT, .i = (int64_t)(v)                                                          \
    }
#define D_REAL(v)                                                                                  \
    {                                                                                              \
        .type = DB_REAL, .d = (v)                                                                  \
    }
#define D_TEXT(v)                                                                                  \
    {                                                                                              \
        .type = DB_TEXT, .s = (v)                                                                  \
    }
#define D_BYTES(v)                                                                                 \
    {                                                                                              \
        .type = DB_BYTES, .s = (v)                                                                 \
    }
#define D_ID(v)                                                                                    \
    {                                                                                              \
        .type = DB_ID, .id = (v)                                                                   \
    }
/* NULL for the empty Str, for id_none, and for time 0. */
#define D_TEXT_OPT(v)                                                                              \
    {                                                                                              \
        .type = (v).n ? DB_TEXT : DB_NULL, .hint = DB_TEXT, .s = (v)                               \
    }
#define D_ID_OPT(v)                                                                                \
    {                                                                                              \
        .type = id_is_none(v) ? DB_NULL : DB_ID, .hint = DB_ID, .id = (v)                          \
    }
#define D_USEC_OPT(v)                                                                              \
    {                                                                                              \
        .type = (v) ? DB_INT : DB_NULL, .hint = DB_INT, .i = (int64_t)(v)                          \
    }

struct db_args {
    const struct db_value *at;
    size_t n;
};
#define DB_ARGS(...)                                                                               \
    ((struct db_args){(const struct db_value[]){__VA_ARGS__},                                      \
                      sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)})
#define DB_NO_ARGS ((struct db_args){NULL, 0})

/* ---- reading ---- */

/* @sql must be a string that lives as long as the process: statements are prepared once per
 * connection and kept by its address. Arguments are borrowed for the call. Rows are fetched in
 * blocks; a cursor that is not read to its end holds a reader: free it. @a keeps the values of the
 * rows. */
Err db_query(struct db *db, struct arena *a, const char *sql, struct db_args args,
             struct db_cursor **ret_cursor) YIELDS;
/* Step to the next row; false at the end or on failure, which db_finish() tells. */
bool db_next(struct db_cursor *c) YIELDS;
/* The error that ended the rows early, if any: E_UNAVAILABLE when the connection broke, E_GONE when
 * they were read so slowly that they held up SQLite's log. */
Err db_finish(struct db_cursor *c);
void db_cursor_free(struct db_cursor *c);
DEFINE_AUTO(db_cursor, db_cursor_free)

/* Columns of the present row, from 0. A NULL gives 0, "", ID_NONE. Text and bytes live in the
 * arena. */
bool db_is_null(const struct db_cursor *c, int col);
int64_t db_int(const struct db_cursor *c, int col);
double db_real(const struct db_cursor *c, int col);
Str db_text(const struct db_cursor *c, int col);
Str db_bytes(const struct db_cursor *c, int col);
Id db_id(const struct db_cursor *c, int col);
/* The same without a copy: valid until the next db_next or db_cursor_free. For long results and
 * large values. (When the arena is full, db_text gives "" and the rows end with E_TOO_LARGE.) */
Str db_text_view(const struct db_cursor *c, int col);
Str db_bytes_view(const struct db_cursor *c, int col);
static inline Usec db_usec(const struct db_cursor *c, int col)
{
    return (Usec)db_int(c, col);
}

/* ---- writing ---- */

/* A transaction to be filled. Never fails. @a keeps the statement list; texts given to db_exec are
 * borrowed until db_commit has returned. */
struct db_tx *db_begin(struct db *db, struct arena *a);
void db_exec(struct db_tx *tx, const char *sql, struct db_args args);
/* The statement must change exactly @rows rows. */
void db_exec_expect(struct db_tx *tx, int64_t rows, const char *sql, struct db_args args);
/* A statement with RETURNING: its rows are in *ret_cursor after db_commit gave OK. */
void db_exec_returning(struct db_tx *tx, const char *sql, struct db_args args,
                       struct db_cursor **ret_cursor);
size_t db_tx_count(const struct db_tx *tx); /* statements queued */
/* Send, and wait until it is durable. Waits are shielded: when this returns, the outcome is known,
 * but for E_UNKNOWN_OUTCOME (the connection broke after COMMIT was sent). E_CONFLICT, E_EXISTS
 * (unique key), E_DISK_FULL, E_READ_ONLY, E_UNAVAILABLE: nothing was written. */
Err db_commit(struct db_tx *tx) YIELDS;
/* How many rows statement @i changed, after db_commit. */
int64_t db_tx_changes(const struct db_tx *tx, size_t i);

/* ---- upkeep ---- */

struct migration {
    int number;
    const char *name;
    const char *sql; /* statements separated by ";\n" */
};

/* Bring the schema up to the newest of @list (ends with {0}), each step in a transaction, recorded
 * in schema_migration. SQLite: a copy is made first (heddle.db.before-NNNN) if the file has data.
 * E_VERSION when the database is newer than the list. Several nodes may call it at once: one does
 * the work. */
Err db_migrate(struct db *db, const struct migration *list) YIELDS;
Err db_schema_version(struct db *db, int *ret_number) YIELDS;
/* SQLite: an online copy to @path (not existing), fsynced. PostgreSQL: E_UNSUPPORTED (pg_dump does
 * that). */
Err db_backup(struct db *db, Str path) YIELDS;
/* SQLite: give free pages back (at most @pages) and checkpoint; PostgreSQL: nothing to do. */
Err db_vacuum_some(struct db *db, unsigned pages) YIELDS;
/* PRAGMA integrity_check / a query: E_CORRUPT with what was found. */
Err db_check(struct db *db) YIELDS;
/* A check that leaves out the indexes, of at most @span: E_TIMEOUT when that was too short. */
Err db_check_quick(struct db *db, Usec span) YIELDS;
/* The error @e of a call on @db with a detail for who runs the server, where there is more to say.
 */
Err db_explain(const struct db *db, Err e);
/* Bytes on disk, commits, transactions, rows written, queue length: for /metrics. */
struct db_stats {
    int64_t bytes, commits, transactions, statements, queued;
};
void db_stats(const struct db *db, struct db_stats *ret_stats);

#endif
