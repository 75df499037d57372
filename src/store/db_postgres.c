/* src/store/db_postgres.c - PostgreSQL behind db.h: opening and closing, sessions, errors, upkeep.
 *
 * Every shard has its own connections, each driven by one fiber of that shard. What must block -
 * opening sessions, migrating - is done by one thread for it and by workers.
 */
#include "store/db_postgres.h"

#include "base/crypto.h"
#include "rt/log.h"
#include "rt/work.h"

#include <stdlib.h>

enum { OLDEST_VERSION = 130000, URL_MAX = 4096 };

/* ---- errors ---- */

static const struct {
    const char *state; /* SQLSTATE, or the beginning of it */
    Err code;
} states[] = {
    {"23505", E_EXISTS},    {"23503", E_CONFLICT},  {"23", E_INVALID},     {"22", E_INVALID},
    {"25006", E_READ_ONLY}, {"40", E_CONFLICT},     {"55P03", E_CONFLICT}, {"53100", E_DISK_FULL},
    {"53", E_OVERLOADED},   {"57014", E_TIMEOUT},   {"57", E_UNAVAILABLE}, {"08", E_UNAVAILABLE},
    {"28", E_FORBIDDEN},    {"42501", E_FORBIDDEN}, {"3D", E_NOT_FOUND},   {"XX001", E_CORRUPT},
    {"XX002", E_CORRUPT},   {"58", E_IO},           {"54", E_TOO_LARGE},
};

Err pg_error(const PGconn *pg, const PGresult *r, const char *what)
{
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *message = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    Err e = state ? E_INTERNAL : E_UNAVAILABLE;

    for (size_t i = 0; state && i < ARRAY_LEN(states); i++) {
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0) {
            e = states[i].code;
            break;
        }
    }
    const char *count = message ? strstr(message, "heddle_expect ") : NULL;
    if (count && state && strcmp(state, "22P02") == 0)
        return err_set(E_CONFLICT, "%.20s rows changed: %.100s", count + strlen("heddle_expect "),
                       what);
    if (e == E_CORRUPT || e == E_DISK_FULL || e == E_IO)
        LOG_WARN("PostgreSQL is in trouble", L_CSTR("state", state), L_CSTR("message", message));
    return err_set(e, "%.100s: PostgreSQL %s: %s", what, state ? state : "connection",
                   message ? message : PQerrorMessage(pg));
}

/* ---- the address ---- */

/* Whether libpq took no step because a parameter has a value that it does not know. */
static bool is_refused(const PGconn *pg)
{
    return str_starts(str_c(PQerrorMessage(pg)), S("invalid "));
}

/* The parser's words, without what it quotes of the address: that may be a password. */
static Err bad_form(const char *why)
{
    Str text = str_trim(str_c(why ? why : "out of memory"));
    size_t quote =
        str_starts(text, S("invalid URI query parameter")) ? SIZE_MAX : str_find(text, S(": \""));

    return err_detail(E_INVALID, "it is no valid address of PostgreSQL: %.*s",
                      P(str_head(text, quote)));
}

/* What stands at the place of the port may be a piece of a password that is not escaped. */
static Err bad_value(const char *why)
{
    if (strstr(why, "port"))
        return err_detail(E_INVALID, "the address of PostgreSQL has no valid port; in a password, "
                                     "write / ? # @ : as %%2F %%3F %%23 %%40 %%3A");
    return err_detail(E_INVALID, "a parameter of the address of PostgreSQL is wrong: %.*s",
                      P(str_trim(str_c(why))));
}

Err db_url_check(Str url)
{
    /* A host that never answers: libpq checks all values before it calls it. */
    static const char *const keys[] = {"dbname", "host", "hostaddr", "port", NULL};
    AUTO(arena) *a = arena_new(KIB(16));
    char *why = NULL;

    if (url.n > URL_MAX)
        return err_detail(E_INVALID, "the address is longer than %d bytes", URL_MAX);
    const char *text = str_dup_c(a, url);
    const char *values[] = {text, "/nowhere", "", "", NULL};
    PQconninfoOption *options = PQconninfoParse(text, &why);
    Err e = options ? OK : bad_form(why);
    PQconninfoFree(options);
    PQfreemem(why);
    TRY(e);
    PGconn *pg = PQconnectStartParams(keys, values, 1);
    if (!pg)
        DIE("out of memory");
    if (is_refused(pg))
        e = bad_value(PQerrorMessage(pg));
    PQfinish(pg);
    return e;
}

/* ---- sessions ---- */

static void no_notice(void *arg, const PGresult *r)
{
    (void)arg, (void)r;
}

static Err run(PGconn *pg, const char *sql)
{
    PGresult *r = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(r);
    Err e = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? OK : pg_error(pg, r, sql);
    PQclear(r);
    return e;
}

static Err settings(struct pg_db *db, enum pg_role role, PGconn *pg)
{
    char sql[700];
    long long timeout = db->db.timeout / USEC_MS;
    /* Of two batches that wait for each other one gives up first, and soon: then they take turns.
     */
    unsigned patience = role == PG_WRITER ? 100 + (unsigned)PQbackendPID(pg) * 37 % 100 : 0;

    snprintf(sql, sizeof sql,
             "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET jit = off;"
             "SET default_transaction_isolation = 'read committed'; SET statement_timeout = 0;"
             "SET default_transaction_read_only = %s; SET synchronous_commit = %s;"
             "SET lock_timeout = '%llums'; SET idle_in_transaction_session_timeout = '%lldms'%s",
             role == PG_READER || db->db.read_only ? "on" : "off", db->db.relaxed ? "off" : "on",
             role == PG_WRITER ? (unsigned long long)patience
                               : (unsigned long long)(role == PG_READER ? timeout : 10 * 60 * 1000),
             role == PG_UPKEEP ? 0 : 6 * timeout,
             PQserverVersion(pg) >= 140000 && role != PG_UPKEEP
                 ? "; SET client_connection_check_interval = '2s'"
                 : "");
    return run(pg, sql);
}

static Err check_server(const PGconn *pg)
{
    const char *encoding = PQparameterStatus(pg, "server_encoding");

    if (PQserverVersion(pg) < OLDEST_VERSION)
        return err_detail(E_UNSUPPORTED, "PostgreSQL %d is too old: version 13 or newer is needed.",
                          PQserverVersion(pg) / 10000);
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return err_detail(E_UNSUPPORTED,
                          "The PostgreSQL database has the encoding %s: make one with "
                          "\"createdb -T template0 -E UTF8 NAME\".",
                          encoding ? encoding : "?");
    return OK;
}

/* The table that batches mark their end in (db_postgres.h). Not a migration: each batch needs it,
 * those of migrating, too. */
static Err make_marks(PGconn *pg)
{
    PGresult *r = PQexec(pg, "SELECT to_regclass('commit_mark') IS NULL");
    bool missing = PQntuples(r) == 1 && strcmp(PQgetvalue(r, 0, 0), "t") == 0;
    Err e = PQresultStatus(r) == PGRES_TUPLES_OK ? OK : pg_error(pg, r, "looking for commit_mark");

    PQclear(r);
    if (e != OK || !missing)
        return e;
    return run(pg,
               "BEGIN; SELECT pg_advisory_xact_lock(" PG_LOCK_MIGRATE ");"
               "CREATE TABLE IF NOT EXISTS commit_mark (writer bigint, seq bigint,"
               " fenced boolean NOT NULL DEFAULT false, made_at timestamptz NOT NULL DEFAULT now(),"
               " PRIMARY KEY (writer, seq)); COMMIT");
}

Err pg_session(struct pg_db *db, enum pg_role role, PGconn **ret_pg)
{
    /* Of two values for a key the later one holds: these are defaults for what the address does not
     * say. */
    static const char *const keys[] = {"connect_timeout",
                                       "keepalives_idle",
                                       "keepalives_interval",
                                       "keepalives_count",
                                       "tcp_user_timeout",
                                       "fallback_application_name",
                                       "dbname",
                                       NULL};
    const char *values[] = {"5", "10", "5", "3", "20000", "heddle", db->url, NULL};

    PGconn *pg = PQconnectdbParams(keys, values, 1);
    if (!pg)
        DIE("out of memory");
    Err e = OK;
    if (PQstatus(pg) != CONNECTION_OK)
        e = err_set(is_refused(pg) ? E_INVALID : E_UNAVAILABLE, "cannot connect to PostgreSQL: %s",
                    PQerrorMessage(pg));
    PQsetNoticeReceiver(pg, no_notice, NULL);
    if (e == OK)
        e = check_server(pg);
    if (e == OK)
        e = settings(db, role, pg);
    if (e == OK && role == PG_WRITER && !db->db.read_only)
        e = make_marks(pg);
    if (e != OK) {
        PQfinish(pg);
        return e;
    }
    *ret_pg = pg;
    return OK;
}

/* ---- the thread that opens sessions ---- */

struct pg_ask {
    struct pg_ask *next;
    enum pg_role role;
    PGconn *pg;
    struct shard *shard;
    struct wait *wait;
    struct err_record *record;
    Err result;
};

static void answer(struct pg_ask *ask, Err e)
{
    ask->result = e;
    ask->record = db_error_take(e);
    wait_end_from(ask->shard, ask->wait, OK);
}

/* The database does not answer: whoever else waits for a session need not wait for the same again.
 */
static void answer_all(struct pg_db *db, Err e)
{
    uv_mutex_lock(&db->lock);
    struct pg_ask *ask = db->first;
    db->first = db->last = NULL;
    for (struct pg_ask *next; ask; ask = next) {
        next = ask->next; /* an answered one is gone */
        answer(ask, e);
    }
    uv_mutex_unlock(&db->lock);
}

static void opener_main(void *arg)
{
    struct pg_db *db = arg;

    uv_mutex_lock(&db->lock);
    for (;;) {
        while (!db->first && !db->stopping)
            uv_cond_wait(&db->wake, &db->lock);
        struct pg_ask *ask = db->first;
        if (!ask)
            break;
        db->first = ask->next;
        if (!db->first)
            db->last = NULL;
        uv_mutex_unlock(&db->lock);
        Err e = pg_session(db, ask->role, &ask->pg);
        answer(ask, e);
        if (e == E_UNAVAILABLE)
            answer_all(db, e);
        uv_mutex_lock(&db->lock);
    }
    uv_mutex_unlock(&db->lock);
}

static void hand_in(struct pg_db *db, struct pg_ask *ask)
{
    uv_mutex_lock(&db->lock);
    if (db->last)
        db->last->next = ask;
    else
        db->first = ask;
    db->last = ask;
    uv_cond_signal(&db->wake);
    uv_mutex_unlock(&db->lock);
}

Err pg_session_ask(struct pg_db *db, enum pg_role role, PGconn **ret_pg)
{
    struct wait w;
    struct pg_ask ask = {.role = role, .shard = shard_self(), .wait = &w};

    wait_init(&w);
    hand_in(db, &ask);
    fiber_shield();
    Err e = wait_for(&w, USEC_NEVER);
    fiber_unshield();
    if (e != OK)
        DIE("a shielded wait for a session ended with %s", err_name(e));
    if (ask.result == OK)
        *ret_pg = ask.pg;
    return db_error_give(ask.result, ask.record);
}

/* ---- shards ---- */

struct pg_shard *pg_shard_here(struct db *base)
{
    struct pg_db *db = pg_db(base);
    struct pg_shard *s = &db->shards[shard_index(shard_self())];

    if (s->started)
        return s;
    s->started = true;
    s->db = db;
    s->shard = shard_self();
    for (unsigned i = 0; i < db->n_writers + db->n_readers; i++) {
        struct pg_conn *c = calloc(1, sizeof *c);
        if (!c)
            DIE("out of memory");
        bool writer = i < db->n_writers;
        struct pg_conn **list = writer ? &s->writers : &s->readers;
        c->shard = s;
        c->role = writer ? PG_WRITER : PG_READER;
        c->writer = (int64_t)(crypto_random_u64() >> 1);
        c->next = *list;
        *list = c;
        s->n_readers += !writer;
        s->running++;
        fiber_start(writer ? "postgres writer" : "postgres reader",
                    writer ? pg_writer_main : pg_reader_main, c);
    }
    return s;
}

void pg_fiber_ended(struct pg_shard *s)
{
    struct pg_db *db = s->db;
    if (--s->running == 0 && s->closing && atomic_fetch_sub(&db->closing_shards, 1) == 1)
        wait_end_from(db->closer, db->closed, OK);
}

static void close_shard(void *arg)
{
    struct pg_shard *s = arg;

    s->closing = true;
    s->running++;
    for (struct pg_conn *c = s->writers; c; c = c->next)
        pg_conn_wake(c);
    for (struct pg_conn *c = s->readers; c; c = c->next)
        pg_conn_wake(c);
    pg_fiber_ended(s);
}

static Err stop_opener(void *arg)
{
    struct pg_db *db = arg;
    if (!db->opener_started)
        return OK;
    uv_mutex_lock(&db->lock);
    db->stopping = true;
    uv_cond_signal(&db->wake);
    uv_mutex_unlock(&db->lock);
    uv_thread_join(&db->opener);
    return OK;
}

static void pg_close(struct db *base)
{
    struct pg_db *db = pg_db(base);
    struct wait w;

    wait_init(&w);
    db->closed = &w;
    db->closer = shard_self();
    atomic_store(&db->closing_shards, shard_count());
    for (unsigned i = 0; i < shard_count(); i++) {
        db->shards[i].db = db;
        shard_post(shard_at(i), close_shard, &db->shards[i]);
    }
    fiber_shield();
    Err e = wait_for(&w, USEC_NEVER);
    fiber_unshield();
    if (e != OK || work_run(stop_opener, db) != OK)
        DIE("a database could not be closed: %s", err_name(e));
    uv_mutex_destroy(&db->lock);
    uv_cond_destroy(&db->wake);
    free(db->shards);
    free(db->url);
    free(db);
}

/* ---- migrating ---- */

static Err migrate_run(void *conn, const char *sql)
{
    return run(conn, sql);
}

static Err migrate_applied(void *conn, struct db_rows *rows)
{
    static const char sql[] = "SELECT number, checksum FROM schema_migration ORDER BY number";
    PGresult *r = PQexecParams(conn, sql, 0, NULL, NULL, NULL, NULL, 1);
    Err e = PQresultStatus(r) == PGRES_TUPLES_OK ? OK : pg_error(conn, r, sql);

    db_rows_reset(rows, 2);
    for (int i = 0; e == OK && i < PQntuples(r); i++)
        e = pg_row(r, i, rows);
    PQclear(r);
    return e;
}

struct migrate_job {
    struct pg_db *db;
    const struct migration *list;
};

static Err migrate_job(void *arg)
{
    struct migrate_job *job = arg;
    PGconn *pg = NULL;
    TRY(pg_session(job->db, PG_UPKEEP, &pg));
    Err e = db_migrate_with(
        &(struct db_migrator){
            .kind = DB_POSTGRES,
            .conn = pg,
            .begin = "BEGIN; SELECT pg_advisory_xact_lock(" PG_LOCK_MIGRATE ")",
            .run = migrate_run,
            .applied = migrate_applied,
        },
        job->list);
    PQfinish(pg);
    return e;
}

static Err pg_migrate(struct db *db, const struct migration *list)
{
    return work_run(migrate_job, &(struct migrate_job){pg_db(db), list});
}

/* ---- upkeep ---- */

static Err pg_backup(struct db *db, Str path)
{
    (void)db, (void)path;
    return err_detail(E_UNSUPPORTED, "PostgreSQL makes its own backups: use pg_dump.");
}

static Err number(struct db *db, const char *sql, int64_t *ret_value)
{
    AUTO(arena) *a = arena_new(KIB(64));
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_NO_ARGS, &c));
    int64_t value = 0;
    while (db_next(c))
        value = db_int(c, 0);
    TRY(db_finish(c));
    *ret_value = value;
    return OK;
}

static Err pg_vacuum_some(struct db *db, unsigned pages)
{
    static const char sql[] = "SELECT pg_database_size(current_database())";
    static const char marks[] = "DELETE FROM commit_mark WHERE made_at < now() - interval '1 day'";
    int64_t bytes = 0;

    (void)pages; /* autovacuum does that; this is the moment to look how large it is */
    TRY(number(db, sql, &bytes));
    /* What writers that died left. */
    AUTO(arena) *a = arena_new(KIB(64));
    struct db_tx *tx = db_begin(db, a);
    db_exec(tx, marks, DB_NO_ARGS);
    TRY(db_commit(tx));
    atomic_store_explicit(&pg_db(db)->bytes, bytes, memory_order_relaxed);
    return OK;
}

static Err pg_check(struct db *db)
{
    static const char invalid[] = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    int64_t n = 0;
    TRY(number(db, invalid, &n));
    return n ? err_detail(E_CORRUPT, "%lld indexes of the database are not valid.", (long long)n)
             : OK;
}

static int64_t pg_bytes(const struct db *db)
{
    return atomic_load_explicit(&((const struct pg_db *)db)->bytes, memory_order_relaxed);
}

static const struct db_ops ops = {
    .close = pg_close,
    .commit = pg_write,
    .query = pg_query,
    .fetch = pg_fetch,
    .release = pg_release,
    .migrate = pg_migrate,
    .backup = pg_backup,
    .vacuum_some = pg_vacuum_some,
    .check = pg_check,
    .bytes = pg_bytes,
    .ping_sql = "SELECT 1",
    .migrated_sql = "SELECT to_regclass('schema_migration') IS NOT NULL",
};

/* ---- opening ---- */

/* A server that is just starting, or a name that is not known yet, may be well in a moment. What it
 * says itself
 * ("FATAL: ...") but that it is starting or full will not change. */
static bool may_get_well(Err e)
{
    const char *text = err_text(e);
    return e == E_UNAVAILABLE &&
           (!strstr(text, "FATAL") || strstr(text, "starting up") ||
            strstr(text, "shutting down") || strstr(text, "too many") || strstr(text, "recovery"));
}

static Err first_session(struct pg_db *db)
{
    Usec deadline = usec_in(db->db.timeout), pause = 50 * USEC_MS;
    PGconn *pg = NULL;
    Err e;

    while ((e = pg_session_ask(db, PG_UPKEEP, &pg)) != OK && may_get_well(e) &&
           time_mono() + pause < deadline) {
        TRY(fiber_sleep(pause));
        pause = usec_min(pause * 2, USEC_S);
    }
    PQfinish(pg);
    if (e == E_UNAVAILABLE) {
        char why[ERR_TEXT_MAX];
        snprintf(why, sizeof why, "%s", err_text(e));
        return err_detail(e, "PostgreSQL cannot be used: %.300s", why);
    }
    return e;
}

Err db_postgres_open(const struct db_options *options, struct db **ret_db)
{
    struct pg_db *db = calloc(1, sizeof *db);

    if (!db || !(db->url = strndup(options->url.p, options->url.n)) ||
        !(db->shards = calloc(shard_count(), sizeof *db->shards)))
        DIE("out of memory");
    db->db.ops = &ops;
    db->db.kind = DB_POSTGRES;
    db->db.timeout = options->timeout;
    db->db.read_only = options->read_only;
    db->db.relaxed = options->relaxed;
    db->n_readers = options->readers ? options->readers : 2;
    db->n_writers = options->writers ? options->writers : 1;
    uv_mutex_init(&db->lock);
    uv_cond_init(&db->wake);
    db->opener_started = uv_thread_create(&db->opener, opener_main, db) == 0;
    Err e = db->opener_started
                ? first_session(db)
                : err_set(E_OVERLOADED, "cannot start the thread that connects to PostgreSQL");
    if (e == OK && options->relaxed)
        LOG_WARN("commits do not wait for the disk (relaxed): a crash may lose the last of them");
    if (e != OK) {
        struct err_record record = *err_record();
        pg_close(&db->db);
        *err_record() = record;
        return e;
    }
    atomic_store(&db->db.up, true);
    *ret_db = &db->db;
    return OK;
}
