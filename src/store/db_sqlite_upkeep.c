/* src/store/db_sqlite_upkeep.c - online copies, giving space back, checking a SQLite file. */
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/work.h"
#include "store/db_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_PAGES = 1024 }; /* of one step */

static Err file_error(const char *what, const char *path)
{
    return err_set(err_from_errno(errno), "cannot %s %s: %s", what, path, strerror(errno));
}

static Err sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return file_error("open", path);
    Err e = fsync(fd) == 0 ? OK : file_error("fsync", path);
    close(fd);
    return e;
}

static Err sync_folder_of(const char *path)
{
    char *folder = strdup(path);
    if (!folder)
        DIE("out of memory");
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    Err e = sync_path(slash ? folder : ".", O_RDONLY | O_DIRECTORY);
    free(folder);
    return e;
}

/* ---- backup ---- */

static Err copy_pages(struct sqlite_conn *from, sqlite3 *to)
{
    int64_t ignored;
    int rc;

    /* One snapshot from the first page to the last: without it, each commit would start the copy
     * over. */
    TRY(sqlite_run(from, "BEGIN"));
    TRY(sqlite_number(from, "SELECT count(*) FROM sqlite_schema", &ignored));
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from->h, "main");
    if (!b)
        return sqlite_error(&(struct sqlite_conn){.h = to, .db = from->db}, sqlite3_errcode(to),
                            "copy");
    do {
        rc = sqlite3_backup_step(b, COPY_PAGES);
    } while (rc == SQLITE_OK && INJECT("store.backup.step") == OK);
    sqlite3_backup_finish(b);
    if (rc != SQLITE_DONE) {
        sqlite3_db_config(to, SQLITE_DBCONFIG_RESET_DATABASE, 0, NULL);
        return rc == SQLITE_OK
                   ? err_set(E_IO, "the copy was interrupted")
                   : sqlite_error(&(struct sqlite_conn){.h = to, .db = from->db}, rc, "copy");
    }
    return OK;
}

static Err copy_to(struct sqlite_db *db, const char *part)
{
    AUTO(sqlite_conn) *from = NULL;
    sqlite3 *to = NULL;

    TRY(sqlite_connect(db, SQLITE_UPKEEP, &from));
    int rc = sqlite3_open_v2(part, &to, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL);
    Err e = rc == SQLITE_OK
                ? OK
                : sqlite_error(&(struct sqlite_conn){.h = to, .db = db}, rc, "open the copy");
    /* The copy is synced once, at its end. */
    if (e == OK && sqlite3_exec(to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL,
                                NULL, NULL) != SQLITE_OK)
        e = err_set(E_IO, "cannot prepare the copy %s", part);
    if (e == OK)
        e = copy_pages(from, to);
    sqlite3_close(to);
    if (e == OK)
        e = sync_path(part, O_RDWR);
    return e;
}

Err sqlite_copy(struct sqlite_db *db, const char *path, bool replace)
{
    AUTO(arena) *a = arena_new(KIB(16));
    char *part = str_dup_c(a, str_fmt(a, "%s.part", path));

    if (!replace && access(path, F_OK) == 0)
        return err_detail(E_EXISTS, "There is a file at %.200s already.", path);
    unlink(part);
    int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_error("create", part);
    close(fd);
    Err e = copy_to(db, part);
    if (e == OK && replace && rename(part, path) != 0)
        e = file_error("rename", part);
    if (e == OK && !replace && link(part, path) != 0)
        e = file_error("link", path);
    if (e != OK || !replace)
        unlink(part);
    return e == OK ? sync_folder_of(path) : e;
}

struct backup_job {
    struct sqlite_db *db;
    char *path;
};

static Err backup_job(void *arg)
{
    struct backup_job *job = arg;
    return sqlite_copy(job->db, job->path, false);
}

Err sqlite_backup(struct db *db, Str path)
{
    if (path.n == 0 || path.n > 4000 || memchr(path.p, 0, path.n))
        return err_detail(E_INVALID, "The backup needs a path.");
    struct backup_job job = {.db = sqlite_db(db), .path = strndup(path.p, path.n)};
    if (!job.path)
        DIE("out of memory");
    Err e = work_run(backup_job, &job);
    free(job.path);
    return e;
}

/* ---- space ---- */

static Err vacuum_task(struct db *db, void *arg)
{
    struct sqlite_conn *c = sqlite_db(db)->writer.conn;
    char sql[60];
    int rc, tries = 0;

    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%u)", *(unsigned *)arg);
    TRY(sqlite_run(c, sql));
    /* The file gets shorter when the log has been moved into it. The checkpointer may be at it just
     * now. */
    while ((rc = sqlite3_wal_checkpoint_v2(c->h, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL)) ==
               SQLITE_BUSY &&
           tries++ < 100)
        sqlite3_sleep(5);
    return rc == SQLITE_OK || rc == SQLITE_BUSY ? OK : sqlite_error(c, rc, "checkpoint");
}

Err sqlite_vacuum_some(struct db *db, unsigned pages)
{
    return pages ? sqlite_writer_call(sqlite_db(db), vacuum_task, &pages) : OK;
}

int64_t sqlite_bytes(const struct db *db)
{
    const struct sqlite_db *s = (const struct sqlite_db *)db;
    struct stat st;
    int64_t n = 0;

    if (stat(s->path, &st) == 0)
        n += st.st_size;
    if (stat(s->log_path, &st) == 0)
        n += st.st_size;
    return n;
}

/* ---- migrating ---- */

static Err migrate_run(void *conn, const char *sql)
{
    return sqlite_run(conn, sql);
}

static Err migrate_applied(void *conn, struct db_rows *rows)
{
    static const char sql[] = "SELECT number, checksum FROM schema_migration ORDER BY number";
    struct sqlite_conn *c = conn;
    struct sqlite_stmt *s;
    int rc;

    TRY(sqlite_prepare(c, sql, &s));
    db_rows_reset(rows, 2);
    while ((rc = sqlite3_step(s->h)) == SQLITE_ROW)
        sqlite_row(s->h, rows);
    sqlite3_reset(s->h);
    return rc == SQLITE_DONE ? OK : sqlite_error(c, rc, "read the migrations");
}

/* The file as it is before migration @number: another connection sees what was committed. */
static Err migrate_keep(void *conn, int number)
{
    AUTO(arena) *a = arena_new(KIB(16));
    struct sqlite_db *db = ((struct sqlite_conn *)conn)->db;
    char *path = str_dup_c(a, str_fmt(a, "%s.before-%04d", db->path, number));

    TRY(sqlite_copy(db, path, true));
    LOG_INFO("a copy of the database was made before migrating", L_CSTR("path", path));
    return OK;
}

struct migrate_job {
    struct sqlite_db *db;
    const struct migration *list;
};

static Err migrate_job(void *arg)
{
    struct migrate_job *job = arg;
    AUTO(sqlite_conn) *c = NULL;

    TRY(sqlite_connect(job->db, SQLITE_UPKEEP, &c));
    return db_migrate_with(
        &(struct db_migrator){
            .kind = DB_SQLITE,
            .conn = c,
            .begin = "BEGIN IMMEDIATE",
            .run = migrate_run,
            .applied = migrate_applied,
            .keep = migrate_keep,
        },
        job->list);
}

Err sqlite_migrate(struct db *db, const struct migration *list)
{
    return work_run(migrate_job, &(struct migrate_job){sqlite_db(db), list});
}

/* ---- checking ---- */

/* Every row of @sql but "ok" is damage. */
static Err check_with(struct sqlite_conn *c, const char *sql)
{
    sqlite3_stmt *h = NULL;
    char found[300] = "";
    int rc = sqlite3_prepare_v2(c->h, sql, -1, &h, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(h);
        const unsigned char *text = rc == SQLITE_ROW ? sqlite3_column_text(h, 0) : NULL;
        if (text && strcmp((const char *)text, "ok") != 0 && !found[0])
            snprintf(found, sizeof found, "%s", (const char *)text);
    }
    Err e = rc == SQLITE_DONE ? OK : sqlite_error(c, rc, "check");
    sqlite3_finalize(h);
    TRY(e);
    return found[0] ? err_detail(E_CORRUPT, "The database is damaged: %s", found) : OK;
}

static Err check_job(void *arg)
{
    struct sqlite_db *db = arg;
    AUTO(sqlite_conn) *c = NULL;

    TRY(sqlite_connect(db, SQLITE_UPKEEP, &c));
    TRY(check_with(c, "PRAGMA integrity_check(20)"));
    return check_with(c, "SELECT 'a row of ' || \"table\" || ' refers to nothing'"
                         " FROM pragma_foreign_key_check LIMIT 1");
}

Err sqlite_check(struct db *db)
{
    return work_run(check_job, db);
}

/* ---- a check within a time ---- */

struct quick_check {
    struct sqlite_db *db;
    struct sqlite_conn *conn;
    Usec span;
    _Atomic bool late;
};

static Err quick_open(void *arg)
{
    struct quick_check *q = arg;
    return sqlite_connect(q->db, SQLITE_UPKEEP, &q->conn);
}

static Err quick_run(void *arg)
{
    struct quick_check *q = arg;
    return check_with(q->conn, "PRAGMA quick_check(20)");
}

static Err quick_close(void *arg)
{
    struct quick_check *q = arg;
    sqlite_disconnect(q->conn);
    return OK;
}

static Err end_late(void *arg)
{
    struct quick_check *q = arg;

    TRY(fiber_sleep(q->span));
    atomic_store(&q->late, true);
    sqlite3_interrupt(q->conn->h);
    return OK;
}

/* The connection outlives the fiber that may interrupt it. */
static Err quick_run_in_time(struct quick_check *q)
{
    FIBER_GROUP(g, 0, false);
    TRY(fiber_group_start(&g, "check limit", end_late, q));
    Err e = work_run(quick_run, q);
    fiber_group_cancel(&g);
    return e;
}

Err sqlite_check_quick(struct db *db, Usec span)
{
    struct quick_check q = {.db = sqlite_db(db), .span = span};

    TRY(work_run(quick_open, &q));
    Err e = quick_run_in_time(&q);
    if (e != OK && atomic_load(&q.late)) /* what it says of pages that it did not see is not true */
        e = err_set(E_TIMEOUT, "the check was not done in time");
    struct err_record record = *err_record();
    Err closed = work_run(quick_close, &q);
    *err_record() = record;
    return e == OK ? closed : e;
}
