/* src/store/test_store.c - fresh databases for the store's tests. */
#include "store/test_store.h"

#include "base/crypto.h"
#include "rt/log.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>

static char url[1024];

Str t_db_url(void)
{
    return str_c(url);
}

static void no_notice(void *arg, const PGresult *r)
{
    (void)arg, (void)r;
}

void t_pg_admin(const char *sql)
{
    PGconn *c = PQconnectdb(getenv("HEDDLE_TEST_PG"));
    PQsetNoticeReceiver(c, no_notice, NULL);
    PGresult *r = PQstatus(c) == CONNECTION_OK ? PQexec(c, sql) : NULL;
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        t_fail(__FILE__, __LINE__, "%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

const char *t_pg_fresh(void)
{
    const char *server = getenv("HEDDLE_TEST_PG");
    if (!server || !*server)
        return NULL;
    struct arena *a = t_arena();
    const char *schema =
        str_dup_c(a, str_fmt(a, "t%016llx", (unsigned long long)crypto_random_u64()));
    t_pg_admin(str_dup_c(a, str_fmt(a, "CREATE SCHEMA %s", schema)));
    return str_dup_c(a, str_fmt(a, "%s%soptions=-csearch_path%%3D%s", server,
                                strchr(server, '?') ? "&" : "?", schema));
}

static void (*body_of_test)(struct db *db);

static Err run_body(void *arg)
{
    struct db *db = NULL;

    (void)arg;
    TRY(db_open(&(struct db_options){.url = t_db_url()}, &db));
    body_of_test(db);
    db_close(db);
    return OK;
}

void t_db_run_with(enum db_kind kind, void (*run)(enum db_kind kind))
{
    if (kind == DB_SQLITE) {
        snprintf(url, sizeof url, "%s/heddle.db", t_dir());
    } else {
        const char *fresh = t_pg_fresh();
        if (!fresh) {
            t_skip("HEDDLE_TEST_PG is not set");
            return;
        }
        snprintf(url, sizeof url, "%s", fresh);
    }
    enum log_level past = log_threshold;
    log_threshold = LOG_LEVEL_WARN; /* migrations are no news here */
    run(kind);
    log_threshold = past;
    if (kind == DB_POSTGRES)
        t_pg_admin(str_dup_c(t_arena(),
                             str_fmt(t_arena(), "DROP SCHEMA %s CASCADE", strstr(url, "%3D") + 3)));
}

static unsigned shards_of_test;

static void run_runtime(enum db_kind kind)
{
    (void)kind;
    Err e = rt_main(&(struct rt_options){.shards = shards_of_test, .workers = 2}, run_body, NULL);
    if (e != OK)
        t_fail(__FILE__, __LINE__, "the database test ended with %s: %s", err_name(e), err_text(e));
}

void t_db_run(enum db_kind kind, unsigned shards, void (*body)(struct db *db))
{
    body_of_test = body;
    shards_of_test = shards;
    t_db_run_with(kind, run_runtime);
}

Err t_db_tables(struct db *db, const char *sql)
{
    struct migration list[] = {{1, "tables", sql}, {0}};
    return db_migrate(db, list);
}

Err t_db_exec(struct db *db, const char *sql, struct db_args args)
{
    AUTO(arena) *a = arena_new(MIB(1));
    struct db_tx *tx = db_begin(db, a);
    db_exec(tx, sql, args);
    return db_commit(tx);
}

int64_t t_db_int(struct db *db, const char *sql, struct db_args args)
{
    AUTO(arena) *a = arena_new(MIB(1));
    AUTO(db_cursor) *c = NULL;
    int64_t value = -1;

    Err e = db_query(db, a, sql, args, &c);
    if (e == OK) {
        while (db_next(c))
            value = db_int(c, 0);
        e = db_finish(c);
    }
    if (e != OK)
        t_fail(__FILE__, __LINE__, "%s: %s", sql, err_text(e));
    return e == OK ? value : -1;
}

size_t t_resident(void)
{
    char text[100] = "";
    FILE *f = fopen("/proc/self/statm", "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    const char *space = strchr(text, ' ');
    return space ? (size_t)strtoul(space, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}
