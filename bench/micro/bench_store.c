/* bench/micro/bench_store.c - durable rows per second through db.h, against what the engine and the
 * disk give.
 *
 *     bench_store [SECONDS]        each measurement takes this long (1); HEDDLE_TEST_PG adds
 * PostgreSQL
 *
 * A row has 300 bytes and one secondary index, as a journal's step. "raw" is one thread that
 * inserts groups of as many rows as there are producers and commits each group; "heddle" is that
 * many fibers, each committing one row at a time and waiting until it is durable. Rounds are
 * interleaved and medians given, since the disks of virtual machines are moody. The files are made
 * below TMPDIR.
 */
#include "base/crypto.h"
#include "rt/log.h"
#include "store/db.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROUNDS = 5, KINDS = 4, BODY = 250 };
static const int producers[KINDS] = {1, 64, 256, 1000};
static Usec span = USEC_S;
static int only; /* this number of producers */
static char folder[200];
static char body[BODY + 1];

static const struct migration schema[] = {
    {1, "bench",
     "CREATE TABLE step (id {id} PRIMARY KEY, run_id {id} NOT NULL, seq {int} NOT NULL, body "
     "{text} NOT"
     " NULL);\nCREATE INDEX step_run ON step (run_id)"},
    {0},
};
static const char insert[] = "INSERT INTO step (id, run_id, seq, body) VALUES (?1, ?2, ?3, ?4)";

static double raw_rows; /* of the last raw measurement */

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void need(bool ok, const char *what)
{
    if (!ok)
        DIE("%s failed", what);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const double *values)
{
    double sorted[ROUNDS];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof *sorted, by_value);
    return sorted[ROUNDS / 2];
}

/* ---- raw: the disk ---- */

static double raw_append(void)
{
    static char page[4096];
    char path[300];
    int64_t n = 0;

    snprintf(path, sizeof path, "%s/append", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0, "open");
    Usec end = time_mono() + span, begin = time_mono();
    for (; time_mono() < end; n++)
        need(write(fd, page, sizeof page) == sizeof page && fdatasync(fd) == 0, "append");
    double rate = (double)n / ((double)(time_mono() - begin) / 1e6);
    close(fd);
    unlink(path);
    return rate;
}

/* ---- raw: SQLite, one thread ---- */

static void insert_row(sqlite3_stmt *s, int64_t n)
{
    Id id = id_new(), run = ID_NONE;
    memcpy(run.b, &(uint64_t){(uint64_t)n / 3 * 0x9E3779B97F4A7C15ull}, 8);
    sqlite3_bind_blob(s, 1, id.b, 16, SQLITE_STATIC);
    sqlite3_bind_blob(s, 2, run.b, 16, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, n);
    sqlite3_bind_text(s, 4, body, BODY, SQLITE_STATIC);
    need(sqlite3_step(s) == SQLITE_DONE && sqlite3_reset(s) == SQLITE_OK, "insert");
}

static double raw_sqlite(int group)
{
    static const char setup[] =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE step (id BLOB PRIMARY KEY, run_id BLOB NOT NULL, seq INTEGER NOT NULL,"
        " body TEXT NOT NULL); CREATE INDEX step_run ON step (run_id)";
    char path[300];
    sqlite3 *h;
    sqlite3_stmt *s;
    int64_t n = 0;

    snprintf(path, sizeof path, "%s/raw.db", folder);
    need(sqlite3_open_v2(path, &h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                         NULL) == SQLITE_OK &&
             sqlite3_exec(h, setup, NULL, NULL, NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(h, insert, -1, &s, NULL) == SQLITE_OK,
         "raw set-up");
    Usec end = time_mono() + span, begin = time_mono();
    while (time_mono() < end) {
        need(sqlite3_exec(h, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK, "begin");
        for (int i = 0; i < group; i++)
            insert_row(s, n++);
        need(sqlite3_exec(h, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "commit");
    }
    raw_rows = (double)n;
    double rate = (double)n / ((double)(time_mono() - begin) / 1e6);
    sqlite3_finalize(s);
    sqlite3_close(h);
    unlink(path);
    return rate;
}

/* ---- raw: PostgreSQL, one connection, a pipeline for each group ---- */

static void pg_group(PGconn *c, int group, int64_t *n)
{
    static const int lengths[] = {16, 16, 8, BODY}, formats[] = {1, 1, 1, 1};

    need(PQsendQueryParams(c, "BEGIN", 0, NULL, NULL, NULL, NULL, 1), "send");
    for (int i = 0; i < group; i++, ++*n) {
        Id id = id_new(), run = ID_NONE;
        uint64_t seq = __builtin_bswap64((uint64_t)*n);
        memcpy(run.b, &(uint64_t){(uint64_t)*n / 3 * 0x9E3779B97F4A7C15ull}, 8);
        const char *values[] = {(char *)id.b, (char *)run.b, (char *)&seq, body};
        need(PQsendQueryPrepared(c, "i", 4, values, lengths, formats, 1), "send");
    }
    need(PQsendQueryParams(c, "COMMIT", 0, NULL, NULL, NULL, NULL, 1) && PQpipelineSync(c), "send");
    for (int i = 0; i < group + 2; i++) {
        PGresult *r = PQgetResult(c);
        need(PQresultStatus(r) == PGRES_COMMAND_OK, PQerrorMessage(c));
        PQclear(r);
        need(PQgetResult(c) == NULL, "end");
    }
    PGresult *r = PQgetResult(c);
    need(PQresultStatus(r) == PGRES_PIPELINE_SYNC, "sync");
    PQclear(r);
}

static const char *pg_url(char *url, size_t size, const char *schema_name)
{
    const char *server = getenv("HEDDLE_TEST_PG");
    if (!server)
        server = "postgresql://";
    snprintf(url, size, "%s%soptions=-csearch_path%%3D%s", server, strchr(server, '?') ? "&" : "?",
             schema_name);
    return url;
}

static void pg_run(PGconn *c, const char *sql)
{
    PGresult *r = PQexec(c, sql);
    need(PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK,
         PQerrorMessage(c));
    PQclear(r);
}

static void pg_fresh_schema(const char *name)
{
    char sql[200];
    PGconn *c = PQconnectdb(getenv("HEDDLE_TEST_PG"));
    snprintf(sql, sizeof sql,
             "SET client_min_messages = error; DROP SCHEMA IF EXISTS %s CASCADE; CREATE SCHEMA %s",
             name, name);
    pg_run(c, sql);
    PQfinish(c);
}

static double raw_postgres(int group)
{
    char url[1024];
    int64_t n = 0;

    pg_fresh_schema("raw");
    PGconn *c = PQconnectdb(pg_url(url, sizeof url, "raw"));
    pg_run(c, "CREATE TABLE step (id uuid PRIMARY KEY, run_id uuid NOT NULL, seq bigint NOT NULL, "
              "body text NOT NULL);"
              "CREATE INDEX step_run ON step (run_id)");
    PQclear(PQprepare(c, "i", "INSERT INTO step (id, run_id, seq, body) VALUES ($1, $2, $3, $4)", 0,
                      NULL));
    need(PQenterPipelineMode(c), "pipeline");
    Usec end = time_mono() + span, begin = time_mono();
    while (time_mono() < end)
        pg_group(c, group, &n);
    raw_rows = (double)n;
    double rate = (double)n / ((double)(time_mono() - begin) / 1e6);
    PQfinish(c);
    return rate;
}

/* ---- heddle ---- */

static struct {
    struct db *db;
    const char *url;
    int producers;
    double rate, cpu_us, per_commit;
    Usec end;
    _Atomic int left;
    _Atomic int64_t rows;
    struct wait *done;
    struct shard *home;
} run;

static Err produce(void *arg)
{
    int64_t n = 0, k = (intptr_t)arg;
    AUTO(arena) *a = arena_new(KIB(64));

    while (time_mono() < run.end) {
        Id owner = ID_NONE;
        memcpy(owner.b, &(uint64_t){(uint64_t)(k << 32 | n / 3) * 0x9E3779B97F4A7C15ull}, 8);
        struct db_tx *tx = db_begin(run.db, a);
        db_exec(tx, insert,
                DB_ARGS(D_ID(id_new()), D_ID(owner), D_INT(n), D_TEXT(str_from(body, BODY))));
        TRY(db_commit(tx));
        arena_reset(a);
        n++;
    }
    run.rows += n;
    if (--run.left == 0)
        wait_end_from(run.home, run.done, OK);
    return OK;
}

static Err heddle_body(void *arg)
{
    struct wait w;
    struct db_stats before, after;

    (void)arg;
    TRY(db_open(&(struct db_options){.url = str_c(run.url)}, &run.db));
    TRY(db_migrate(run.db, schema));
    db_stats(run.db, &before);
    wait_init(&w);
    run.done = &w;
    run.home = shard_self();
    run.rows = 0;
    run.left = run.producers;
    double cpu = cpu_seconds();
    Usec begin = time_mono();
    run.end = begin + span;
    for (intptr_t i = 0; i < run.producers; i++)
        shard_start(shard_at((unsigned)i % shard_count()), "produce", produce, (void *)i);
    TRY(wait_for(&w, USEC_NEVER));
    run.rate = (double)run.rows / ((double)(time_mono() - begin) / 1e6);
    run.cpu_us = (cpu_seconds() - cpu) * 1e6 / (double)run.rows;
    db_stats(run.db, &after);
    run.per_commit = (double)(after.transactions - before.transactions) /
                     (double)(after.commits - before.commits);
    db_close(run.db);
    return OK;
}

static double heddle(const char *url, int n, unsigned shards)
{
    run.url = url;
    run.producers = n;
    Err e = rt_main(&(struct rt_options){.shards = shards, .workers = 1}, heddle_body, NULL);
    if (e != OK)
        DIE("%s: %s", err_name(e), err_text(e));
    return run.rate;
}

static double heddle_sqlite(int n, unsigned shards)
{
    char path[300];
    snprintf(path, sizeof path, "%s/heddle.db", folder);
    double rate = heddle(path, n, shards);
    unlink(path);
    return rate;
}

static double heddle_postgres(int n, unsigned shards)
{
    char url[1024];
    pg_fresh_schema("heddle");
    return heddle(pg_url(url, sizeof url, "heddle"), n, shards);
}

/* ---- reading: one row by its key, from many fibers ---- */

static Err ask(void *arg)
{
    static const char get[] = "SELECT body FROM step WHERE id = ?1";
    AUTO(arena) *a = arena_new(KIB(64));
    int64_t n = 0;
    Id id = ID_NONE;

    (void)arg;
    id.b[15] = 1;
    while (time_mono() < run.end) {
        AUTO(db_cursor) *c = NULL;
        TRY(db_query(run.db, a, get, DB_ARGS(D_ID(id)), &c));
        if (!db_next(c) || db_text(c, 0).n != BODY)
            DIE("the row is gone");
        n++;
        arena_reset(a);
    }
    run.rows += n;
    if (--run.left == 0)
        wait_end_from(run.home, run.done, OK);
    return OK;
}

static Err read_body(void *arg)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct wait w;
    Id id = ID_NONE;

    (void)arg;
    id.b[15] = 1;
    TRY(db_open(&(struct db_options){.url = str_c(run.url)}, &run.db));
    TRY(db_migrate(run.db, schema));
    static const char once[] = "INSERT INTO step (id, run_id, seq, body) VALUES (?1, ?2, ?3, ?4)"
                               " ON CONFLICT (id) DO NOTHING";
    struct db_tx *tx = db_begin(run.db, a);
    db_exec(tx, once, DB_ARGS(D_ID(id), D_ID(id), D_INT(1), D_TEXT(str_from(body, BODY))));
    TRY(db_commit(tx));
    wait_init(&w);
    run.done = &w;
    run.home = shard_self();
    run.rows = 0;
    run.left = run.producers;
    double cpu = cpu_seconds();
    Usec begin = time_mono();
    run.end = begin + span;
    for (int i = 0; i < run.producers; i++)
        shard_start(shard_at((unsigned)i % shard_count()), "ask", ask, NULL);
    TRY(wait_for(&w, USEC_NEVER));
    run.rate = (double)run.rows / ((double)(time_mono() - begin) / 1e6);
    run.cpu_us = (cpu_seconds() - cpu) * 1e6 / (double)run.rows;
    db_close(run.db);
    return OK;
}

static void reads(const char *name, const char *url)
{
    for (int k = 0; k < 2; k++) {
        run.url = url;
        run.producers = producers[k];
        if (rt_main(&(struct rt_options){.shards = 1, .workers = 1}, read_body, NULL) != OK)
            DIE("%s", err_text(err_record()->code));
        printf("| %s | %d | %.0f | %.1f |\n", name, producers[k], run.rate, run.cpu_us);
    }
}

static void all_reads(void)
{
    char path[1024];

    printf(
        "\n| reading by key | fibers | queries/s, 1 shard | CPU us/query |\n|---|---|---|---|\n");
    snprintf(path, sizeof path, "%s/read.db", folder);
    reads("SQLite", path);
    unlink(path);
    if (getenv("HEDDLE_TEST_PG")) {
        pg_fresh_schema("reads");
        reads("PostgreSQL", pg_url(path, sizeof path, "reads"));
    }
}

/* ---- the table ---- */

static void compare(const char *name, double (*raw)(int group),
                    double (*ours)(int n, unsigned shards))
{
    for (int k = 0; k < KINDS; k++) {
        if (only && producers[k] != only)
            continue;
        double r[ROUNDS], raw_cpu[ROUNDS], one[ROUNDS], two[ROUNDS], cpu[ROUNDS], grouped[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            double begin = cpu_seconds();
            r[i] = raw(producers[k]);
            raw_cpu[i] = (cpu_seconds() - begin) * 1e6 / raw_rows;
            one[i] = ours(producers[k], 1);
            cpu[i] = run.cpu_us;
            grouped[i] = run.per_commit;
            two[i] = ours(producers[k], 2);
        }
        printf("| %s | %d | %.0f | %.0f | %.0f | %.2f | %.2f | %.1f | %.1f | %.0f |\n", name,
               producers[k], median(r), median(one), median(two), median(one) / median(r),
               median(two) / median(r), median(raw_cpu), median(cpu), median(grouped));
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    const char *base = getenv("TMPDIR");

    if (argc > 1)
        span = (Usec)(strtod(argv[1], NULL) * 1e6);
    if (argc > 2)
        only = (int)strtol(argv[2], NULL, 10);
    crypto_init();
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    memset(body, 'x', BODY);
    snprintf(folder, sizeof folder, "%s/heddle-bench-XXXXXX", base ? base : "/tmp");
    need(mkdtemp(folder) != NULL, "mkdtemp");
    double append[ROUNDS];
    for (int i = 0; i < ROUNDS; i++)
        append[i] = raw_append();
    printf("append 4 KiB + fdatasync: %.0f/s (median of %d)\n\n", median(append), ROUNDS);
    printf("| store | producers | raw rows/s | heddle, 1 shard | heddle, 2 shards | 1 shard / raw "
           "| 2 shards / raw | raw CPU us/row | CPU us/row"
           " | rows/commit |\n|---|---|---|---|---|---|---|---|---|---|\n");
    compare("SQLite FULL", raw_sqlite, heddle_sqlite);
    if (getenv("HEDDLE_TEST_PG"))
        compare("PostgreSQL", raw_postgres, heddle_postgres);
    if (only <= 0)
        all_reads();
    rmdir(folder);
    return 0;
}
