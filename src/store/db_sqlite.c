/* src/store/db_sqlite.c - SQLite behind db.h: opening and closing a database file, the
 * checkpointer, upkeep.
 *
 * The file is in WAL mode with synchronous=FULL: when COMMIT returns, the transaction is on the
 * disk. Space of deleted rows is given back in small steps (auto_vacuum=INCREMENTAL, set when the
 * file is made).
 */
#include "store/db_sqlite.h"

#include "rt/log.h"
#include "rt/work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x48444c31 }; /* "HDL1" in the header of the file: whose it is */
static const Usec CURSOR_AGE = 30 * USEC_S;

/* ---- the checkpointer ---- */

static void checkpointer_main(void *arg)
{
    struct sqlite_db *db = arg;
    struct sqlite_checkpointer *k = &db->checkpointer;

    uv_mutex_lock(&k->lock);
    for (;;) {
        while (!k->wanted && !k->stopping)
            uv_cond_wait(&k->wake, &k->lock);
        if (k->stopping)
            break;
        uv_mutex_unlock(&k->lock);

        int frames = 0, copied = 0;
        int rc = sqlite3_wal_checkpoint_v2(k->conn->h, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames,
                                           &copied);
        if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
            Err e = sqlite_error(k->conn, rc, "checkpoint");
            LOG_WARN("the log could not be moved into the database", L_ERR(e));
        }
        if (frames > SQLITE_LOG_EVICT && copied < frames / 2)
            sqlite_readers_evict(db, time_mono() - CURSOR_AGE);

        uv_mutex_lock(&k->lock);
        k->wanted = false;
        k->copied = copied;
    }
    uv_mutex_unlock(&k->lock);
}

Err sqlite_checkpointer_start(struct sqlite_db *db)
{
    struct sqlite_checkpointer *k = &db->checkpointer;

    uv_mutex_init(&k->lock);
    uv_cond_init(&k->wake);
    if (uv_thread_create(&k->thread, checkpointer_main, db))
        return err_set(E_OVERLOADED, "cannot start the thread that checkpoints the database");
    k->started = true;
    return OK;
}

void sqlite_checkpointer_stop(struct sqlite_db *db)
{
    struct sqlite_checkpointer *k = &db->checkpointer;

    if (k->started) {
        uv_mutex_lock(&k->lock);
        k->stopping = true;
        uv_cond_signal(&k->wake);
        uv_mutex_unlock(&k->lock);
        uv_thread_join(&k->thread);
        uv_mutex_destroy(&k->lock);
        uv_cond_destroy(&k->wake);
    }
    sqlite_disconnect(k->conn);
}

/* On the writer: when the checkpointer has done nearly all, do the rest, so that the next commit
 * writes to the log's beginning again. Overwriting is also the cheaper kind of writing: a log that
 * grows has its size written at each fsync. Busy: the checkpointer is at it; there is a next time.
 */
static void finish(struct sqlite_db *db)
{
    struct sqlite_conn *c = db->writer.conn;
    int rc = sqlite3_wal_checkpoint_v2(c->h, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        LOG_WARN("the log could not be moved into the database", L_INT("sqlite", rc));
}

void sqlite_checkpoint(struct sqlite_db *db, int frames)
{
    struct sqlite_checkpointer *k = &db->checkpointer;

    if (frames < SQLITE_LOG_SOFT)
        return;
    uv_mutex_lock(&k->lock);
    bool running = k->wanted;
    bool rest = !running && k->copied > 0 && frames - k->copied < SQLITE_LOG_REST;
    bool ask = !running && !rest;
    k->wanted |= ask;
    if (rest)
        k->copied = 0;
    uv_mutex_unlock(&k->lock);
    if (ask)
        uv_cond_signal(&k->wake);
    if (rest || frames > SQLITE_LOG_HARD)
        finish(db);
}

/* ---- opening ---- */

/* Make the file, for its owner alone. One that is there stays as it is. */
static Err create_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return OK;
    if (fd < 0)
        return err_set(err_from_errno(errno), "cannot create %s: %s", path, strerror(errno));
    close(fd);
    return OK;
}

static Err check_owner(struct sqlite_conn *c, bool *ret_fresh)
{
    int64_t application = 0, tables = 0;

    TRY(sqlite_number(c, "PRAGMA application_id", &application));
    TRY(sqlite_number(c, "SELECT count(*) FROM sqlite_schema", &tables));
    *ret_fresh = tables == 0 && application != APPLICATION_ID;
    if (application != APPLICATION_ID && tables)
        return err_detail(E_INVALID, "%s is the SQLite database of another program.", c->db->path);
    return OK;
}

static Err set_log_mode(struct sqlite_conn *c)
{
    Usec deadline = usec_in(c->db->db.timeout);
    Err e;

    /* Two processes may open a new file at once; the engine does not wait here by itself. */
    while ((e = sqlite_run(c, "PRAGMA journal_mode = WAL")) == E_LOCKED && time_mono() < deadline)
        sqlite3_sleep(10);
    return e;
}

static Err set_up_file(struct sqlite_conn *c)
{
    bool fresh = false;

    TRY(check_owner(c, &fresh));
    if (c->db->db.read_only)
        return OK;
    if (sqlite3_db_readonly(c->h, "main"))
        return err_set(E_READ_ONLY, "%s cannot be written to by this user", c->db->path);
    if (fresh) {
        char sql[120];
        snprintf(
            sql, sizeof sql,
            "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d",
            APPLICATION_ID);
        TRY(sqlite_run(c, sql));
    }
    return set_log_mode(c);
}

/* The same error with words for who runs the server. */
static Err explain(Err e, const char *path)
{
    char why[ERR_TEXT_MAX];

    snprintf(why, sizeof why, "%.200s", err_text(e));
    switch (e) {
    case E_CORRUPT:
        return err_detail(
            e,
            "The database file %.120s is damaged or no database. Stop the server and put a backup "
            "back with \"heddle restore FILE\", or move the file away to start empty. (%.100s)",
            path, why);
    case E_LOCKED:
        return err_detail(
            e,
            "The database file %.120s is locked by another process; \"fuser %.60s\" shows "
            "which one. (%s)",
            path, path, why);
    case E_READ_ONLY:
        return err_detail(
            e,
            "The database file %.120s cannot be written to: check its owner and mode, those "
            "of its folder, and whether the file system is mounted read-only. (%s)",
            path, why);
    case E_DISK_FULL:
        return err_detail(
            e,
            "There is no space left on the disk of %.120s: free some and start again; "
            "nothing was lost. (%s)",
            path, why);
    case E_FORBIDDEN:
        return err_detail(
            e,
            "This user may not open or create %.120s: check the owner and mode of the file "
            "and its folder. (%s)",
            path, why);
    case E_NOT_FOUND:
        return err_detail(
            e, "The folder of the database file %.120s is not there: make it first. (%s)", path,
            why);
    case E_IO:
        return err_detail(e, "The disk of %.120s gives errors; \"dmesg\" may say more. (%s)", path,
                          why);
    default:
        return e;
    }
}

static Err sqlite_explain(const struct db *db, Err e)
{
    return explain(e, ((const struct sqlite_db *)db)->path);
}

static Err open_job(void *arg)
{
    struct sqlite_db *db = arg;

    if (!db->db.read_only)
        TRY(create_file(db->path));
    TRY(sqlite_connect(db, SQLITE_WRITER, &db->writer.conn));
    TRY(set_up_file(db->writer.conn));
    if (!db->db.read_only)
        TRY(sqlite_connect(db, SQLITE_UPKEEP, &db->checkpointer.conn));
    return OK;
}

static Err close_job(void *arg)
{
    struct sqlite_db *db = arg;
    sqlite_writer_stop(db);
    sqlite_readers_stop(db);
    sqlite_checkpointer_stop(db);
    free(db->path);
    free(db->log_path);
    free(db);
    return OK;
}

static void sqlite_close(struct db *db)
{
    Err e = work_run(close_job, db);
    if (e != OK)
        LOG_ERROR("the database was not closed", L_ERR(e));
}

static const struct db_ops ops = {
    .close = sqlite_close,
    .commit = sqlite_write,
    .query = sqlite_query,
    .fetch = sqlite_fetch,
    .release = sqlite_release,
    .migrate = sqlite_migrate,
    .backup = sqlite_backup,
    .vacuum_some = sqlite_vacuum_some,
    .check = sqlite_check,
    .check_quick = sqlite_check_quick,
    .explain = sqlite_explain,
    .bytes = sqlite_bytes,
    .ping_sql = "SELECT count(*) FROM sqlite_schema",
    .migrated_sql =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migration'",
};

static Err start(struct sqlite_db *db, unsigned readers)
{
    TRY(work_run(open_job, db));
    if (!db->db.read_only) {
        TRY(sqlite_checkpointer_start(db));
        TRY(sqlite_writer_start(db));
    }
    return sqlite_readers_start(db, readers);
}

Err db_sqlite_open(const struct db_options *options, Str path, struct db **ret_db)
{
    struct sqlite_db *db = calloc(1, sizeof *db);
    struct sigaction past;

    if (!db || asprintf(&db->path, "%.*s", P(path)) < 0 ||
        asprintf(&db->log_path, "%.*s-wal", P(path)) < 0)
        DIE("out of memory");
    /* A file-size limit must be an error of write(), not the end of the process. */
    if (sigaction(SIGXFSZ, NULL, &past) == 0 && past.sa_handler == SIG_DFL)
        signal(SIGXFSZ, SIG_IGN);
    db->db.ops = &ops;
    db->db.kind = DB_SQLITE;
    db->db.timeout = options->timeout;
    db->db.read_only = options->read_only;
    db->db.immutable = options->read_only && options->immutable;
    db->db.relaxed = options->relaxed;
    Err e = start(db, options->readers ? options->readers : 2);
    if (e != OK) {
        e = explain(e, db->path);
        struct err_record record = *err_record();
        sqlite_close(&db->db);
        *err_record() = record;
        return e;
    }
    if (options->relaxed)
        LOG_WARN(
            "commits do not wait for the disk (relaxed): a power cut may lose the last of them");
    atomic_store(&db->db.up, true);
    *ret_db = &db->db;
    return OK;
}
