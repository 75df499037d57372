/* src/store/db_postgres_test.c - bad days of a PostgreSQL server and of the network before it. */
#include "base/crypto.h"
#include "rt/log.h"
#include "rt/timer.h"
#include "rt/work.h"
#include "store/test_pg_proxy.h"
#include "store/test_store.h"

#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static const char tables[] =
    "CREATE TABLE row (id {int} PRIMARY KEY, n {int} NOT NULL);\n"
    "CREATE TABLE big (id {int} PRIMARY KEY, b {bytes} NOT NULL);\n"
    "CREATE FUNCTION fail(s text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN"
    " RAISE EXCEPTION 'it failed on purpose' USING ERRCODE = s; END $$";
static const char put[] = "INSERT INTO row (id, n) VALUES (?1, ?2)";
static const char put_one[] = "INSERT INTO row (id, n) VALUES (1, 1)";
static const char count[] = "SELECT count(*) FROM row";

/* ---- running: a fresh schema; by way of the proxy with a short patience, which those tests are
 * about ---- */

static void (*body)(struct db *db);
static const char *url_of_test;
static Usec patience;

static Err run_body(void *arg)
{
    struct db *db = NULL;
    (void)arg;
    TRY(db_open(&(struct db_options){.url = str_c(url_of_test), .timeout = patience}, &db));
    Err e = t_db_tables(db, tables);
    if (e == OK)
        body(db);
    db_close(db);
    return e;
}

/* How a test runs: by way of the proxy, or with the patience that large transfers take on a busy
 * machine. */
enum { PROXIED = 1, PATIENT = 2 };

static void run_with(unsigned shards, int how, void (*fn)(struct db *db))
{
    bool proxied = how == PROXIED;
    const char *url = t_pg_fresh();
    enum log_level past = log_threshold;

    if (!url) {
        t_skip("HEDDLE_TEST_PG is not set");
        return;
    }
    if (proxied && !t_proxy_start()) {
        t_skip("the server of HEDDLE_TEST_PG has no socket in the file system");
        return;
    }
    body = fn;
    url_of_test = proxied ? t_proxy_url(url) : url;
    patience = how == PATIENT ? 30 * USEC_S : USEC_S;
    log_threshold = LOG_LEVEL_ERROR;
    Err e = rt_main(&(struct rt_options){.shards = shards, .workers = 2}, run_body, NULL);
    log_threshold = past;
    if (proxied)
        t_proxy_stop();
    if (e != OK)
        t_fail(__FILE__, __LINE__, "the test ended with %s: %s", err_name(e), err_text(e));
    t_pg_admin(
        str_dup_c(t_arena(), str_fmt(t_arena(), "DROP SCHEMA %s CASCADE", strstr(url, "%3D") + 3)));
}

#define PG_TEST(id, shards, how)                                                                   \
    static void body_##id(struct db *db);                                                          \
    TEST(id)                                                                                       \
    {                                                                                              \
        run_with((shards), (how), body_##id);                                                      \
    }                                                                                              \
    static void body_##id(struct db *db)

static Err control_job(void *arg)
{
    char *program = getenv("HEDDLE_TEST_PG_CTL"), *argv[] = {program, arg, NULL};
    int status;
    pid_t pid;

    /* Not by proc_run(): what that starts does not outlive it, and the server is to. */
    if (!program || posix_spawn(&pid, program, NULL, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0)
        return err_set(E_IO, "HEDDLE_TEST_PG_CTL %s failed", (const char *)arg);
    return OK;
}

static Err admin_job(void *arg)
{
    t_pg_admin(arg);
    return OK;
}

static void admin(const char *sql)
{
    t_expect_ok(work_run(admin_job, (void *)(uintptr_t)sql));
}

/* ---- load: every row's fate is known ---- */

enum { LOADERS = 40, ROWS_MAX = 200000 };

static struct {
    struct db *db;
    int next, running;
    bool stop;
    Err fate[ROWS_MAX];
    int of[ERR_COUNT];
    char why[ERR_TEXT_MAX]; /* of the last failure */
} load;

static Err load_fiber(void *arg)
{
    (void)arg;
    while (!load.stop && !fiber_cancelled() && load.next < ROWS_MAX) {
        int id = load.next++;
        AUTO(arena) *a = arena_new(KIB(64));
        struct db_tx *tx = db_begin(load.db, a);
        db_exec(tx, put, DB_ARGS(D_INT(id), D_INT(id)));
        if (id % 3 == 0)
            db_exec_expect(tx, 1, "UPDATE row SET n = n + 1 WHERE id = ?1", DB_ARGS(D_INT(id)));
        load.fate[id] = db_commit(tx);
        load.of[load.fate[id]]++;
        if (load.fate[id] != OK)
            snprintf(load.why, sizeof load.why, "%s", err_text(load.fate[id]));
        if (load.fate[id] == E_UNAVAILABLE)
            (void)fiber_sleep(5 * USEC_MS);
    }
    return OK;
}

static void start_load(struct fiber_group *g, struct db *db)
{
    memset(&load, 0, sizeof load);
    load.db = db;
    for (int i = 0; i < LOADERS; i++)
        t_expect_ok(fiber_group_start(g, "load", load_fiber, NULL));
}

/* Every transaction has one of the fates that a broken connection may give. */
static void expect_fates(bool may_be_unavailable)
{
    int told = load.of[OK] + load.of[E_UNKNOWN_OUTCOME] +
               (may_be_unavailable ? load.of[E_UNAVAILABLE] : 0);
    if (told != load.next)
        t_fail(__FILE__, __LINE__, "%d of %d failed (%d unavailable): %s", load.next - told,
               load.next, load.of[E_UNAVAILABLE], load.why);
}

/* What was acknowledged is there, what failed is not. */
static void check_load(struct db *db)
{
    AUTO(db_cursor) *c = NULL;
    static char seen[ROWS_MAX];

    memset(seen, 0, sizeof seen);
    t_expect_ok(db_query(db, t_arena(), "SELECT id, n FROM row", DB_NO_ARGS, &c));
    while (db_next(c)) {
        int64_t id = db_int(c, 0);
        seen[id] = 1;
        t_expect_int(db_int(c, 1), id % 3 == 0 ? id + 1 : id);
    }
    t_expect_ok(db_finish(c));
    for (int i = 0; i < load.next; i++) {
        if (load.fate[i] == OK && !seen[i])
            t_fail(__FILE__, __LINE__, "row %d was acknowledged and is lost", i);
        if (load.fate[i] != OK && load.fate[i] != E_UNKNOWN_OUTCOME && seen[i])
            t_fail(__FILE__, __LINE__, "row %d failed with %s and is there", i,
                   err_name(load.fate[i]));
    }
}

/* ---- the server goes and comes back ---- */

/* Whether @n more transactions are acknowledged within 10 s. */
static bool load_goes_on(int n)
{
    int before = load.of[OK];
    Usec end = usec_in(10 * USEC_S);
    while (load.of[OK] < before + n && time_mono() < end)
        if (fiber_sleep(5 * USEC_MS) != OK)
            return false;
    return load.of[OK] >= before + n;
}

static void restart_under_load(struct db *db, const char *how)
{
    if (!getenv("HEDDLE_TEST_PG_CTL")) {
        t_skip("HEDDLE_TEST_PG_CTL is not set");
        return;
    }
    {
        FIBER_GROUP(g, 0, false);
        start_load(&g, db);
        for (int round = 0; round < 2; round++) {
            t_expect(load_goes_on(500));
            t_expect_ok(work_run(control_job, (void *)(uintptr_t)how));
            t_expect_ok(fiber_sleep(round == 1 ? 2500 * USEC_MS : 10 * USEC_MS));
            if (round == 1) {
                t_expect(!db_is_up(db));
                t_expect_err(db_ping(db, usec_in(100 * USEC_MS)), E_TIMEOUT);
            }
            t_expect_ok(work_run(control_job, "start"));
        }
        t_expect(load_goes_on(1000));
        load.stop = true;
        t_expect_ok(fiber_group_join(&g));
    }
    t_expect(db_is_up(db));
    t_expect(load.of[E_UNAVAILABLE] > 0); /* of the time it was away for longer than the patience */
    expect_fates(true);
    t_expect(load.of[E_UNKNOWN_OUTCOME] <= 3 * LOADERS);
    check_load(db);
}

PG_TEST(a_server_that_is_stopped_and_started_under_load_loses_nothing, 1, 0)
{
    restart_under_load(db, "stop");
}

PG_TEST(a_server_that_crashes_under_load_loses_nothing, 1, 0)
{
    restart_under_load(db, "crash");
}

static const char terminate[] = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                " WHERE application_name = 'heddle'";

PG_TEST(sessions_that_are_ended_by_the_server_are_not_noticed, 1, 0)
{
    {
        FIBER_GROUP(g, 0, false);
        start_load(&g, db);
        for (int round = 0; round < 20; round++) {
            admin(terminate);
            t_expect_ok(fiber_sleep(30 * USEC_MS));
            t_expect(t_db_int(db, count, DB_NO_ARGS) >= 0);
        }
        load.stop = true;
        t_expect_ok(fiber_group_join(&g));
    }
    if (load.of[OK] <= 500)
        t_fail(__FILE__, __LINE__, "only %d went through, of %d", load.of[OK], load.next);
    expect_fates(false);
    check_load(db);
}

PG_TEST(rows_cut_off_by_the_server_are_an_error_and_not_an_end, 1, 0)
{
    static const char get[] = "SELECT i, repeat('x', 1000) FROM generate_series(1, 100000) AS g(i)";
    AUTO(db_cursor) *c = NULL;
    int n = 0;

    t_expect_ok(db_query(db, t_arena(), get, DB_NO_ARGS, &c));
    t_expect(db_next(c));
    admin(terminate);
    while (db_next(c))
        n++;
    t_expect_err(db_finish(c), E_UNAVAILABLE);
    t_expect(n < 50000);
    t_expect_int(t_db_int(db, "SELECT 42", DB_NO_ARGS), 42);
}

static Err open_gone(void *arg)
{
    struct db *db = NULL;
    Usec started = time_mono();
    Err e = db_open(&(struct db_options){.url = str_c(arg), .timeout = 500 * USEC_MS}, &db);
    if (e == OK)
        db_close(db);
    if (time_mono() - started > 8 * USEC_S)
        t_fail(__FILE__, __LINE__, "that took too long");
    return e;
}

TEST(a_server_that_is_not_there_is_told_when_opening)
{
    struct rt_options one = {.shards = 1, .workers = 1};
    t_expect_err(rt_main(&one, open_gone, "postgresql://127.0.0.1:1/none"), E_UNAVAILABLE);
    t_expect(strstr(err_client_text(E_UNAVAILABLE), "refused") != NULL);
    if (!getenv("HEDDLE_TEST_PG"))
        return;
    const char *url =
        str_dup_c(t_arena(), str_fmt(t_arena(), "%s&dbname=nonesuch", getenv("HEDDLE_TEST_PG")));
    t_expect_err(rt_main(&one, open_gone, (void *)(uintptr_t)url), E_UNAVAILABLE);
    t_expect(strstr(err_client_text(E_UNAVAILABLE), "nonesuch") != NULL);
}

/* ---- the network ---- */

static void cut_soon(struct timer *t)
{
    (void)t;
    t_proxy_pass_replies(-1);
    t_proxy_cut(false);
}

static void cut_in(struct timer *t, Usec span)
{
    *t = (struct timer){0};
    timer_start(t, usec_in(span), cut_soon);
}

PG_TEST(an_answer_to_commit_that_never_comes_is_an_unknown_outcome, 1, PROXIED)
{
    struct timer cut;

    t_expect_ok(t_db_exec(db, "INSERT INTO row (id, n) VALUES (2, 2)", DB_NO_ARGS));
    t_proxy_pass_replies(0);
    cut_in(&cut, 200 * USEC_MS);
    t_expect_err(t_db_exec(db, put_one, DB_NO_ARGS), E_UNKNOWN_OUTCOME);
    t_expect_int(t_db_int(db, count, DB_NO_ARGS), 2); /* it was written, as it turns out */
    t_expect_err(t_db_exec(db, put_one, DB_NO_ARGS), E_EXISTS);
}

PG_TEST(a_batch_whose_answer_was_lost_is_asked_for_by_its_mark, 1, PROXIED)
{
    struct timer cut;

    t_expect_ok(t_db_exec(db, "INSERT INTO row (id, n) VALUES (2, 2)", DB_NO_ARGS));
    for (int i = 0; i < 5; i++) {
        t_expect_ok(fiber_sleep(200 * USEC_MS)); /* all connections are there again */
        int before = t_proxy_accepted();
        t_proxy_pass_replies(1); /* the results; not that of COMMIT */
        cut_in(&cut, 200 * USEC_MS);
        t_expect_ok(t_db_exec(db, put, DB_ARGS(D_INT(10 + i), D_INT(1))));
        t_expect_int(t_db_int(db, count, DB_NO_ARGS), 2 + i);
        t_expect(t_proxy_accepted() > before);
        timer_stop(&cut);
        t_proxy_pass_replies(-1);
    }
}

PG_TEST(a_transaction_cut_in_the_middle_is_done_once, 1, PROXIED)
{
    static const char slowly[] = "INSERT INTO row (id, n) SELECT ?1, 1 FROM pg_sleep(0.02)";
    struct timer cut;

    /* The session ends while statements run: the server aborts, which the client finds out and
     * sends it again. */
    {
        FIBER_GROUP(g, 0, false);
        start_load(&g, db);
        t_expect_ok(fiber_sleep(50 * USEC_MS));
        for (int round = 0; round < 10; round++) {
            cut_in(&cut, (Usec)(crypto_random_u64() % (20 * USEC_MS)));
            t_expect_ok(fiber_sleep(100 * USEC_MS));
        }
        load.stop = true;
        t_expect_ok(fiber_group_join(&g));
    }
    t_expect(load.of[OK] > 100);
    expect_fates(false);
    check_load(db);
    t_expect_ok(t_db_exec(db, slowly, DB_ARGS(D_INT(ROWS_MAX + 1))));
}

PG_TEST(a_network_that_swallows_everything_is_bounded_in_time, 1, PROXIED)
{
    Usec started = time_mono();

    t_expect_ok(t_db_exec(db, "INSERT INTO row (id, n) VALUES (2, 2)", DB_NO_ARGS));
    t_proxy_hang(true);
    Err e = t_db_exec(db, put_one, DB_NO_ARGS);
    t_expect_int(e, E_UNKNOWN_OUTCOME);
    t_expect_err(t_db_exec(db, put_one, DB_NO_ARGS), E_UNAVAILABLE);
    t_expect(time_mono() - started < 30 * USEC_S);
    t_expect_err(db_ping(db, usec_in(200 * USEC_MS)), E_TIMEOUT);
    t_proxy_hang(false);
    t_proxy_cut(false);
    t_expect_ok(t_db_exec(db, "INSERT INTO row (id, n) VALUES (3, 3)", DB_NO_ARGS));
    t_expect_ok(db_ping(db, usec_in(5 * USEC_S)));
}

PG_TEST(a_database_that_is_gone_is_told_after_the_timeout_and_found_again, 1, PROXIED)
{
    AUTO(db_cursor) *c = NULL;

    t_expect_ok(t_db_exec(db, put_one, DB_NO_ARGS));
    t_proxy_cut(true);
    t_expect_ok(fiber_sleep(20 * USEC_MS));
    Usec started = time_mono();
    t_expect_err(t_db_exec(db, put, DB_ARGS(D_INT(2), D_INT(2))), E_UNAVAILABLE);
    t_expect_err(db_query(db, t_arena(), count, DB_NO_ARGS, &c), E_UNAVAILABLE);
    t_expect(time_mono() - started > 1500 * USEC_MS && time_mono() - started < 10 * USEC_S);
    t_expect(!db_is_up(db));
    t_proxy_cut(false);
    t_expect_ok(t_db_exec(db, put, DB_ARGS(D_INT(2), D_INT(2))));
    t_expect_int(t_db_int(db, count, DB_NO_ARGS), 2);
    t_expect(db_is_up(db));
}

/* ---- statements ---- */

PG_TEST(errors_of_the_server_have_our_codes, 1, 0)
{
    static const struct {
        const char *state;
        Err code;
    } table[] = {
        {"53100", E_DISK_FULL}, {"53200", E_OVERLOADED}, {"25006", E_READ_ONLY},
        {"40001", E_CONFLICT},  {"40P01", E_CONFLICT},   {"55P03", E_CONFLICT},
        {"XX001", E_CORRUPT},   {"58030", E_IO},         {"22012", E_INVALID},
        {"57014", E_TIMEOUT},   {"42501", E_FORBIDDEN},  {"42883", E_INTERNAL},
        {"23514", E_INVALID},   {"54000", E_TOO_LARGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct db_tx *tx = db_begin(db, t_arena());
        db_exec(tx, put, DB_ARGS(D_INT(i), D_INT(i)));
        db_exec(tx, "SELECT fail(?1)", DB_ARGS(D_TEXT(str_c(table[i].state))));
        t_expect_int(db_commit(tx), table[i].code);
    }
    t_expect_int(t_db_int(db, count, DB_NO_ARGS), 0);
}

static Err commit_big(void *arg)
{
    static const char put_big[] = "INSERT INTO big (id, b) VALUES (?1, ?2) RETURNING b";
    int64_t id = (intptr_t)arg;
    AUTO(arena) *a = arena_new(MIB(8));
    AUTO(db_cursor) *one = NULL;
    AUTO(db_cursor) *two = NULL;
    char *bytes = arena_alloc(a, MIB(1));

    memset(bytes, (int)id, MIB(1));
    struct db_tx *tx = db_begin(load.db, a);
    db_exec_returning(tx, put_big, DB_ARGS(D_INT(id), D_BYTES(str_from(bytes, MIB(1)))), &one);
    db_exec_returning(tx, put_big, DB_ARGS(D_INT(1000 + id), D_BYTES(str_from(bytes, MIB(1)))),
                      &two);
    TRY(db_commit(tx));
    if (!db_next(one) || !db_next(two) || !str_eq(db_bytes_view(one, 0), str_from(bytes, MIB(1))) ||
        !str_eq(db_bytes_view(two, 0), str_from(bytes, MIB(1))))
        return err_set(E_INTERNAL, "row %lld came back changed", (long long)id);
    return OK;
}

/* The server answers with as much as it is sent: neither side may wait for the other to read. */
PG_TEST(large_batches_with_large_answers_do_not_block_each_other, 1, PATIENT)
{
    FIBER_GROUP(g, 0, true);
    load.db = db;
    for (intptr_t i = 0; i < 50; i++)
        t_expect_ok(fiber_group_start(&g, "big", commit_big, (void *)i));
    t_expect_ok(fiber_group_join(&g));
    t_expect_int(t_db_int(db, "SELECT count(*) FROM big", DB_NO_ARGS), 100);
}

PG_TEST(a_statement_survives_a_change_of_its_table, 1, PATIENT)
{
    static const char all[] = "SELECT * FROM row";
    static const char back[] = "UPDATE row SET n = n + 1 RETURNING *";
    AUTO(db_cursor) *c = NULL;
    AUTO(db_cursor) *d = NULL;

    t_expect_ok(t_db_exec(db, put_one, DB_NO_ARGS));
    for (int i = 0; i < 8; i++) { /* the server keeps a plan after a few */
        AUTO(db_cursor) *r = NULL;
        t_expect_int(t_db_int(db, all, DB_NO_ARGS), 1);
        struct db_tx *tx = db_begin(db, t_arena());
        db_exec_returning(tx, back, DB_NO_ARGS, &r);
        t_expect_ok(db_commit(tx));
    }
    t_expect_ok(t_db_exec(db, "ALTER TABLE row ADD COLUMN m bigint DEFAULT 5", DB_NO_ARGS));
    t_expect_ok(db_query(db, t_arena(), all, DB_NO_ARGS, &c));
    t_expect(db_next(c));
    t_expect_int(db_int(c, 2), 5);
    struct db_tx *tx = db_begin(db, t_arena());
    db_exec_returning(tx, back, DB_NO_ARGS, &d);
    t_expect_ok(db_commit(tx));
    t_expect(db_next(d));
    t_expect_int(db_int(d, 2), 5);
}

/* ---- locks ---- */

static struct {
    struct db *db;
    _Atomic int left, failed;
    struct shard *home;
    struct wait *wait;
} cross;

/* Half of the fibers take two rows in one order, half in the other. */
static Err lock_crosswise(void *arg)
{
    static const char bump[] = "UPDATE row SET n = n + 1 WHERE id = ?1";
    intptr_t k = (intptr_t)arg;

    for (int i = 0; i < 20; i++) {
        AUTO(arena) *a = arena_new(KIB(64));
        struct db_tx *tx = db_begin(cross.db, a);
        db_exec_expect(tx, 1, bump, DB_ARGS(D_INT(k % 2)));
        db_exec_expect(tx, 1, bump, DB_ARGS(D_INT(1 - k % 2)));
        if (db_commit(tx) != OK)
            cross.failed++;
    }
    if (--cross.left == 0)
        wait_end_from(cross.home, cross.wait, OK);
    return OK;
}

PG_TEST(transactions_that_lock_crosswise_all_succeed, 2, PATIENT)
{
    struct wait w;

    for (int i = 0; i < 2; i++)
        t_expect_ok(t_db_exec(db, put, DB_ARGS(D_INT(i), D_INT(0))));
    wait_init(&w);
    cross.db = db;
    cross.left = 100;
    cross.failed = 0;
    cross.home = shard_self();
    cross.wait = &w;
    for (intptr_t i = 0; i < 100; i++)
        shard_start(shard_at((unsigned)i % 2), "crosswise", lock_crosswise, (void *)i);
    t_expect_ok(wait_for(&w, usec_in(USEC_MIN)));
    t_expect_int(cross.failed, 0);
    t_expect_int(t_db_int(db, "SELECT min(n) FROM row", DB_NO_ARGS), 2000);
}
