/* src/store/db_private.h - what db.c and the two databases behind it share; for the files of store
 * alone. */
#ifndef STORE_DB_PRIVATE_H
#define STORE_DB_PRIVATE_H

#include "base/buf.h"
#include "store/db.h"

#include <stdatomic.h>

/* ---- rows ---- */

/* A value of a row. Text, bytes and ids stand in the block's @bytes, @n long, from @at. */
struct db_cell {
    enum db_type type;
    uint32_t n;
    union {
        int64_t i;
        double d;
        size_t at;
    };
};

/* A block of rows: filled by one thread, read by another after a message. Zero is empty. */
struct db_rows {
    struct db_cell *cells;
    char *bytes;
    size_t n_cells, cap_cells, n_bytes, cap_bytes, n_rows;
    int columns;
};

/* Bounds of a block; one row may pass them. All rows of a RETURNING together stay under the last.
 */
enum { DB_BLOCK_ROWS = 256, DB_BLOCK_BYTES = 256 << 10, DB_RETURNING_BYTES = 64 << 20 };

void db_rows_reset(struct db_rows *r, int columns); /* empties, keeps memory that is not large */
void db_rows_done(struct db_rows *r);
void db_rows_add_null(struct db_rows *r);
void db_rows_add_int(struct db_rows *r, int64_t v);
void db_rows_add_real(struct db_rows *r, double v);
/* DB_TEXT, DB_BYTES or DB_ID. */
void db_rows_add(struct db_rows *r, enum db_type type, const void *p, size_t n);
static inline bool db_rows_full(const struct db_rows *r)
{
    return r->n_rows >= DB_BLOCK_ROWS || r->n_bytes >= DB_BLOCK_BYTES;
}

/* ---- errors that cross threads ---- */

/* A heap copy of this thread's record about @e; NULL if there is none. */
struct err_record *db_error_take(Err e);
/* Make it the caller's record, and free it. Gives @e. */
Err db_error_give(Err e, struct err_record *record);

/* ---- cursors ---- */

struct db_cursor {
    struct db *db;
    struct arena *arena;
    struct db_rows rows;
    size_t row; /* of the block, from 1; 0: before the first */
    bool more;  /* the database has rows beyond this block */
    Err error;
    struct err_record *record;
    void *source; /* of the database, while there is more */
};

/* ---- transactions ---- */

struct db_stmt {
    struct db_stmt *next;
    const char *sql;
    const struct db_value *args;
    size_t n_args;
    int64_t expect;  /* rows that must change; -1: any number */
    int64_t changes; /* after it ran */
    bool known;      /* the database told what it did */
    void *prepared;  /* of the connection it is sent on */
    struct db_cursor **ret_cursor;
    struct db_rows *rows; /* of a RETURNING: on the heap */
};

struct db_tx {
    struct db *db;
    struct arena *arena;
    struct db_stmt *first, *last;
    size_t n, bytes; /* statements; size of their texts */
    const char *bad; /* why it cannot be sent */
    bool sent;

    /* for the databases, while it is being committed */
    struct db_tx *next;
    struct shard *shard;
    struct wait wait;
    Err result;
    struct err_record *record;
    Usec since;                            /* when it was handed over */
    unsigned attempts;                     /* failures that were nobody's fault */
    bool taken;                            /* somebody is at it: it is in no queue */
    bool raced;                            /* it failed because of others\' locks */
    Err (*task)(struct db *db, void *arg); /* instead of statements: a call on the writer, outside
                                              of any transaction */
    void *task_arg;
};

/* Note that @tx failed with this thread's error @e; a later call wins. */
void db_tx_fail(struct db_tx *tx, Err e);
/* Forget the outcome of a former attempt. */
void db_tx_clear(struct db_tx *tx);

/* ---- the two databases ---- */

struct db_ops {
    void (*close)(struct db *db) YIELDS;
    Err (*commit)(struct db_tx *tx) YIELDS;
    /* Run @sql and put the first block into c->rows; set c->more and c->source if there is more. */
    Err (*query)(struct db_cursor *c, const char *sql, struct db_args args) YIELDS;
    Err (*fetch)(struct db_cursor *c) YIELDS; /* the next block */
    void (*release)(struct db_cursor *c);     /* of a cursor with more */
    Err (*migrate)(struct db *db, const struct migration *list) YIELDS;
    Err (*backup)(struct db *db, Str path) YIELDS;
    Err (*vacuum_some)(struct db *db, unsigned pages) YIELDS;
    Err (*check)(struct db *db) YIELDS;
    Err (*check_quick)(struct db *db, Usec span) YIELDS; /* NULL: as check */
    Err (*explain)(const struct db *db, Err e);          /* NULL: there is no more to say */
    int64_t (*bytes)(const struct db *db);
    const char *ping_sql;
    const char *migrated_sql; /* one row: whether the table schema_migration is there */
};

struct db {
    const struct db_ops *ops;
    enum db_kind kind;
    Usec timeout;
    bool read_only, immutable, relaxed;
    _Atomic bool up;
    _Atomic int64_t commits, transactions, statements, queued;
};

enum { DB_QUEUE_MAX = 100000 };   /* transactions that may wait to be written, of a database */
enum { DB_TX_BYTES = 256 << 20 }; /* texts of one transaction */

Err db_sqlite_open(const struct db_options *options, Str path, struct db **ret_db) YIELDS;
Err db_postgres_open(const struct db_options *options, struct db **ret_db) YIELDS;

/* ---- migrations ---- */

/* A blocking connection, on a worker, that db_migrate_with drives. */
struct db_migrator {
    enum db_kind kind;
    void *conn;
    const char *begin;                       /* opens a transaction that no other node can be in */
    Err (*run)(void *conn, const char *sql); /* one statement or several */
    Err (*applied)(void *conn, struct db_rows *rows); /* number and checksum, in order */
    Err (*keep)(void *conn, int number); /* a copy before migration @number; NULL: none is made */
};
Err db_migrate_with(const struct db_migrator *m, const struct migration *list);

/* ---- text of statements ---- */

/* The length of the quoted text, quoted name or comment that starts at @p; 0 if none does. */
size_t db_sql_quoted(const char *p);
/* Append @sql with parameters ?N written as $N. Gives the highest N. E_SYNTAX for a ? without
 * number. */
Err db_sql_dollars(const char *sql, struct buf *out, unsigned *ret_params);
/* Append the text of a migration with its {type} tokens in the words of @kind. E_SYNTAX names an
 * unknown one. */
Err db_sql_types(enum db_kind kind, const char *sql, struct buf *out);
/* The highest N of the parameters ?N. */
unsigned db_sql_params(const char *sql);

#endif
