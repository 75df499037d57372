/* src/store/db_sqlite_conn.c - connections to SQLite: settings, prepared statements, errors.
 *
 * Memory-mapped reading stays off: an I/O error or a file cut short under a mapping kills the
 * process with SIGBUS, where a read gives an error.
 */
#include "rt/inject.h"
#include "rt/log.h"
#include "store/db_sqlite.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STMTS_MAX = 1024 };

/* ---- writing ---- */

/* Why the last write of this thread failed; 0: it did not. The engine forgets it where a COMMIT
 * fails. */
static _Thread_local int write_errno;

/* Every write to a file of SQLite passes here, so that its reason is known and tests can let it
 * fail. */
static ssize_t noted_pwrite(int fd, const void *p, size_t n, off64_t at)
{
    Err e = INJECT("store.file.write");
    if (e != OK)
        errno = e == E_DISK_FULL ? ENOSPC : EIO;
    ssize_t wrote = e == OK ? pwrite64(fd, p, n, at) : -1;
    if (wrote < 0)
        write_errno = errno;
    return wrote;
}

/* ---- errors ---- */

static Err io_error(int err_no)
{
    Err e = err_from_errno(err_no);
    return e == E_DISK_FULL || e == E_READ_ONLY ? e : E_IO;
}

static Err constraint_error(int extended)
{
    switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return E_EXISTS;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return E_CONFLICT;
    default:
        return E_INVALID;
    }
}

static Err error_code(int rc, int err_no)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return E_DISK_FULL;
    case SQLITE_READONLY:
        return E_READ_ONLY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return E_LOCKED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return E_CORRUPT;
    case SQLITE_IOERR:
        return io_error(err_no);
    case SQLITE_CANTOPEN:
        return err_no ? err_from_errno(err_no) : E_IO;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return E_FORBIDDEN;
    case SQLITE_NOMEM:
        return E_OVERLOADED;
    case SQLITE_TOOBIG:
        return E_TOO_LARGE;
    case SQLITE_INTERRUPT:
        return E_CANCELLED;
    case SQLITE_CONSTRAINT:
        return constraint_error(rc);
    default:
        return E_INTERNAL;
    }
}

Err sqlite_error(struct sqlite_conn *c, int rc, const char *what)
{
    int extended = c->h ? sqlite3_extended_errcode(c->h) : rc;
    int err_no = write_errno ? write_errno : c->h ? sqlite3_system_errno(c->h) : 0;
    const char *message = c->h ? sqlite3_errmsg(c->h) : sqlite3_errstr(rc);

    write_errno = 0;
    if ((extended & 0xff) != (rc & 0xff)) {
        extended = rc; /* the connection has been used since */
        message = sqlite3_errstr(rc);
    }
    Err e = error_code(extended, err_no);
    bool file = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN;
    if (e == E_DISK_FULL || e == E_READ_ONLY || e == E_CORRUPT || e == E_IO)
        atomic_store_explicit(&c->db->db.up, false, memory_order_relaxed);
    return err_set(e, "%s: %s (SQLite %d%s%s) on %s", what, message, extended,
                   file && err_no ? ", " : "", file && err_no ? strerror(err_no) : "", c->db->path);
}

/* Damage, a full disk, a lock: the statement that met them is by chance, and tells a person
 * nothing. */
static bool is_of_the_file(int rc)
{
    static const int codes[] = {SQLITE_CORRUPT,  SQLITE_NOTADB, SQLITE_FULL,     SQLITE_READONLY,
                                SQLITE_BUSY,     SQLITE_LOCKED, SQLITE_PROTOCOL, SQLITE_IOERR,
                                SQLITE_CANTOPEN, SQLITE_PERM,   SQLITE_AUTH,     SQLITE_NOMEM};

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if ((rc & 0xff) == codes[i])
            return true;
    return false;
}

Err sqlite_sql_error(struct sqlite_conn *c, int rc, const char *sql)
{
    return sqlite_error(c, rc, is_of_the_file(rc) ? "access" : sql);
}

/* ---- statements ---- */

static void forget_statements(struct sqlite_conn *c)
{
    for (size_t i = 0; i < c->cap_stmts; i++)
        sqlite3_finalize(c->stmts[i].h);
    free(c->stmts);
    c->stmts = NULL;
    c->n_stmts = c->cap_stmts = 0;
}

static size_t slot_of(const struct sqlite_conn *c, const char *sql)
{
    size_t mask = c->cap_stmts - 1;
    size_t i = (size_t)(((uintptr_t)sql * 0x9E3779B97F4A7C15ull) >> 32) & mask;
    while (c->stmts[i].sql && c->stmts[i].sql != sql)
        i = (i + 1) & mask;
    return i;
}

static void make_room(struct sqlite_conn *c)
{
    struct sqlite_stmt *old = c->stmts;
    size_t n = c->cap_stmts;

    c->cap_stmts = n ? n * 2 : 64;
    c->stmts = calloc(c->cap_stmts, sizeof *c->stmts);
    if (!c->stmts)
        DIE("out of memory");
    for (size_t i = 0; i < n; i++)
        if (old[i].sql)
            c->stmts[slot_of(c, old[i].sql)] = old[i];
    free(old);
}

static bool is_plain(const char *sql)
{
    static const char *const words[] = {"INSERT", "UPDATE", "DELETE", "SELECT", "REPLACE"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_starts_nocase(str_trim(str_c(sql)), str_c(words[i])))
            return true;
    return false;
}

Err sqlite_prepare(struct sqlite_conn *c, const char *sql, struct sqlite_stmt **ret_stmt)
{
    const char *tail = NULL;

    if (c->n_stmts >= STMTS_MAX)
        forget_statements(c);
    if (c->n_stmts * 2 >= c->cap_stmts)
        make_room(c);
    struct sqlite_stmt *s = &c->stmts[slot_of(c, sql)];
    /* A text that is no literal, its memory used again: not promised to work, but easily kept
     * right. */
    if (s->sql && strcmp(sqlite3_sql(s->h), sql) != 0) {
        sqlite3_finalize(s->h);
        *s = (struct sqlite_stmt){.sql = sql};
    } else if (s->sql && s->h) {
        *ret_stmt = s;
        return OK;
    }
    sqlite3_stmt *h = NULL;
    int rc = sqlite3_prepare_v3(c->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &h, &tail);
    if (rc != SQLITE_OK)
        return sqlite_error(c, rc, "prepare");
    if (!h || (tail && str_trim(str_c(tail)).n)) {
        sqlite3_finalize(h);
        return err_set(E_INTERNAL, "not one statement: %.100s", sql);
    }
    if (!s->sql)
        c->n_stmts++;
    *s = (struct sqlite_stmt){
        .sql = sql,
        .h = h,
        .params = (unsigned)sqlite3_bind_parameter_count(h),
        .plain = is_plain(sql),
    };
    *ret_stmt = s;
    return OK;
}

static int bind_one(sqlite3_stmt *h, int i, const struct db_value *v, sqlite3_destructor_type keep)
{
    switch (v->type) {
    case DB_INT:
        return sqlite3_bind_int64(h, i, v->i);
    case DB_REAL:
        return sqlite3_bind_double(h, i, v->d);
    case DB_TEXT:
        return sqlite3_bind_text64(h, i, v->s.n ? v->s.p : "", v->s.n, keep, SQLITE_UTF8);
    case DB_BYTES:
        return sqlite3_bind_blob64(h, i, v->s.n ? v->s.p : "", v->s.n, keep);
    case DB_ID:
        return sqlite3_bind_blob(h, i, v->id.b, sizeof v->id.b, keep);
    case DB_NULL:
        break;
    }
    return sqlite3_bind_null(h, i);
}

Err sqlite_bind(struct sqlite_conn *c, struct sqlite_stmt *s, const struct db_value *args, size_t n,
                bool copy)
{
    if (n != s->params)
        return err_set(E_INTERNAL, "%zu arguments for %u parameters", n, s->params);
    for (size_t i = 0; i < n; i++) {
        int rc = bind_one(s->h, (int)i + 1, &args[i], copy ? SQLITE_TRANSIENT : SQLITE_STATIC);
        if (rc != SQLITE_OK)
            return sqlite_error(c, rc, "bind");
    }
    return OK;
}

void sqlite_row(sqlite3_stmt *h, struct db_rows *rows)
{
    for (int i = 0; i < rows->columns; i++) {
        switch (sqlite3_column_type(h, i)) {
        case SQLITE_INTEGER:
            db_rows_add_int(rows, sqlite3_column_int64(h, i));
            break;
        case SQLITE_FLOAT:
            db_rows_add_real(rows, sqlite3_column_double(h, i));
            break;
        case SQLITE_TEXT: {
            const void *p = sqlite3_column_text(h, i);
            db_rows_add(rows, DB_TEXT, p, (size_t)sqlite3_column_bytes(h, i));
            break;
        }
        case SQLITE_BLOB: {
            const void *p = sqlite3_column_blob(h, i);
            db_rows_add(rows, DB_BYTES, p, (size_t)sqlite3_column_bytes(h, i));
            break;
        }
        default:
            db_rows_add_null(rows);
        }
    }
    rows->n_rows++;
}

Err sqlite_run(struct sqlite_conn *c, const char *sql)
{
    int rc = sqlite3_exec(c->h, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : sqlite_sql_error(c, rc, sql);
}

Err sqlite_number(struct sqlite_conn *c, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *h = NULL;
    int rc = sqlite3_prepare_v2(c->h, sql, -1, &h, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(h);
    Err e = OK;
    if (rc == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(h, 0);
    else
        e = rc == SQLITE_DONE ? err_set(E_NOT_FOUND, "no row: %s", sql)
                              : sqlite_sql_error(c, rc, sql);
    sqlite3_finalize(h);
    return e;
}

/* ---- opening ---- */

static void set_up_library(void)
{
    sqlite3_vfs *vfs;

    /* Counting memory takes a lock of the whole process at each allocation. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
    vfs = sqlite3_vfs_find(NULL);
    vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)noted_pwrite);
    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)noted_pwrite);
}

static Err set_up(struct sqlite_conn *c, enum sqlite_role role)
{
    char sql[400];

    sqlite3_extended_result_codes(c->h, 1);
    sqlite3_busy_timeout(c->h, (int)(c->db->db.timeout / USEC_MS));
    /* A text in double quotes is a name, as in PostgreSQL, and no fall-back for a misspelt one. */
    sqlite3_db_config(c->h, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(c->h, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    snprintf(sql, sizeof sql,
             "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;"
             "PRAGMA synchronous = %s; PRAGMA cache_size = -%d; PRAGMA wal_autocheckpoint = 0;"
             "PRAGMA journal_size_limit = %d; PRAGMA cell_size_check = ON; PRAGMA query_only = %s",
             c->db->db.relaxed ? "NORMAL" : "FULL", role == SQLITE_WRITER ? 16384 : 2048,
             2 * SQLITE_LOG_HARD * 4096, role == SQLITE_READER ? "ON" : "OFF");
    return sqlite_run(c, sql);
}

/* The path as a URI that says that nobody writes to the file. */
static Str immutable_uri(struct arena *a, const char *path)
{
    AUTO_BUF(uri, KIB(16));

    buf_add_c(&uri, "file:");
    for (; *path; path++) {
        if (isalnum((unsigned char)*path) || strchr("/._-~", *path))
            buf_add_char(&uri, *path);
        else
            buf_add_fmt(&uri, "%%%02X", (unsigned char)*path);
    }
    buf_add_c(&uri, "?immutable=1");
    return str_dup(a, buf_str(&uri));
}

static int open_file(const struct sqlite_db *db, sqlite3 **ret_h)
{
    AUTO(arena) *a = arena_new(KIB(32));
    int flags =
        SQLITE_OPEN_NOMUTEX | (db->db.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);

    if (!db->db.immutable)
        return sqlite3_open_v2(db->path, ret_h, flags, NULL);
    const char *uri = str_dup_c(a, immutable_uri(a, db->path));
    return sqlite3_open_v2(uri, ret_h, flags | SQLITE_OPEN_URI, NULL);
}

Err sqlite_connect(struct sqlite_db *db, enum sqlite_role role, struct sqlite_conn **ret_conn)
{
    static uv_once_t once = UV_ONCE_INIT;
    AUTO(sqlite_conn) *c = calloc(1, sizeof *c);

    uv_once(&once, set_up_library);
    if (!c)
        DIE("out of memory");
    c->db = db;
    int rc = open_file(db, &c->h);
    if (rc != SQLITE_OK)
        return sqlite_error(c, rc, "open");
    TRY(set_up(c, role));
    *ret_conn = c;
    c = NULL;
    return OK;
}

void sqlite_disconnect(struct sqlite_conn *c)
{
    if (!c)
        return;
    forget_statements(c);
    int rc = sqlite3_close(c->h);
    if (rc != SQLITE_OK)
        LOG_ERROR("a database connection did not close", L_INT("sqlite", rc));
    free(c);
}
