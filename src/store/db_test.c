/* src/store/db_test.c - what holds on both databases alike. */
#include "store/test_store.h"

#include <math.h>

static const char things[] =
    "CREATE TABLE thing (id {int} PRIMARY KEY, i {int}, r {real}, t {text}, b {bytes},"
    " u {id})";

/* ---- values ---- */

DB_TEST(every_type_comes_back_as_it_was_written)
{
    static const char put[] =
        "INSERT INTO thing (id, i, r, t, b, u) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    static const char get[] = "SELECT id, i, r, t, b, u FROM thing ORDER BY id";
    struct arena *a = t_arena();
    char all[256];
    Id id = id_new();
    AUTO(db_cursor) *c = NULL;

    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    t_expect_ok(t_db_tables(db, things));
    struct db_tx *tx = db_begin(db, a);
    db_exec(tx, put, DB_ARGS(D_INT(1), D_NULL, D_NULL, D_NULL, D_NULL, D_NULL));
    db_exec(
        tx, put,
        DB_ARGS(D_INT(2), D_INT(INT64_MIN), D_REAL(-0.1), D_TEXT(S("")), D_BYTES(S("")), D_ID(id)));
    db_exec(tx, put,
            DB_ARGS(D_INT(3), D_INT(INT64_MAX), D_REAL(1e308),
                    D_TEXT(S("h\303\251 \360\237\247\265 '\"?1")), D_BYTES(str_from(all, 256)),
                    D_ID(ID_NONE)));
    db_exec(tx, put,
            DB_ARGS(D_INT(4), D_USEC_OPT(0), D_REAL(5e-324), D_TEXT_OPT(S("")), D_NULL,
                    D_ID_OPT(ID_NONE)));
    t_expect_ok(db_commit(tx));

    t_expect_ok(db_query(db, a, get, DB_NO_ARGS, &c));
    t_expect(db_next(c));
    for (int i = 1; i < 6; i++)
        t_expect(db_is_null(c, i));
    t_expect(db_int(c, 1) == 0 && db_text(c, 3).n == 0 && id_is_none(db_id(c, 5)));
    t_expect(db_next(c));
    t_expect(db_int(c, 1) == INT64_MIN && db_real(c, 2) == -0.1 && id_eq(db_id(c, 5), id));
    t_expect(!db_is_null(c, 3) && db_text(c, 3).n == 0 && !db_is_null(c, 4) &&
             db_bytes(c, 4).n == 0);
    t_expect(db_next(c));
    t_expect(db_int(c, 1) == INT64_MAX && db_real(c, 2) == 1e308);
    t_expect_str(db_text(c, 3), S("h\303\251 \360\237\247\265 '\"?1"));
    t_expect_str(db_bytes(c, 4), str_from(all, 256));
    t_expect(!db_is_null(c, 5) && id_is_none(db_id(c, 5)));
    t_expect(db_next(c));
    t_expect(db_real(c, 2) == 5e-324 && db_is_null(c, 1) && db_is_null(c, 3) && db_is_null(c, 5));
    t_expect(!db_next(c) && !db_next(c));
    t_expect_ok(db_finish(c));
}

DB_TEST(a_value_of_16_megabytes_comes_back)
{
    static const char put[] = "INSERT INTO thing (id, b) VALUES (?1, ?2)";
    static const char get[] = "SELECT b FROM thing ORDER BY id";
    struct arena *a = t_arena();
    AUTO(db_cursor) *c = NULL;
    char *big = arena_alloc(a, MIB(16));

    for (size_t i = 0; i < MIB(16); i++)
        big[i] = (char)(i * 2654435761u >> 13);
    t_expect_ok(t_db_tables(db, things));
    for (int i = 1; i <= 2; i++)
        t_expect_ok(t_db_exec(db, put, DB_ARGS(D_INT(i), D_BYTES(str_from(big, MIB(16))))));
    t_expect_ok(db_query(db, a, get, DB_NO_ARGS, &c));
    t_expect(db_next(c));
    t_expect(str_eq(db_bytes_view(c, 0), str_from(big, MIB(16))));
    t_expect(db_next(c));
    t_expect(str_eq(db_bytes(c, 0), str_from(big, MIB(16))));
    t_expect(!db_next(c));
    t_expect_ok(db_finish(c));
}

DB_TEST(values_that_one_database_would_change_are_refused)
{
    static const char put[] = "INSERT INTO thing (id, r, t) VALUES (?1, ?2, ?3)";
    t_expect_ok(t_db_tables(db, things));
    t_expect_err(t_db_exec(db, put, DB_ARGS(D_INT(1), D_REAL(NAN), D_NULL)), E_INVALID);
    t_expect_err(t_db_exec(db, put, DB_ARGS(D_INT(1), D_NULL, D_TEXT(S("a\0b")))), E_INVALID);
    t_expect_err(t_db_exec(db, put, DB_ARGS(D_INT(1), D_NULL, D_TEXT(S("\377")))), E_INVALID);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing", DB_NO_ARGS), 0);
}

DB_TEST(sums_averages_and_truths_come_back_as_numbers)
{
    static const char get[] = "SELECT sum(i), avg(i), min(i) < max(i), sum(r), count(*) FROM thing";
    AUTO(db_cursor) *c = NULL;

    t_expect_ok(t_db_tables(db, things));
    for (int i = 1; i <= 3; i++)
        t_expect_ok(t_db_exec(db, "INSERT INTO thing (id, i, r) VALUES (?1, ?2, ?3)",
                              DB_ARGS(D_INT(i), D_INT(i * 1000000007LL), D_REAL(i / 4.0))));
    t_expect_ok(db_query(db, t_arena(), get, DB_NO_ARGS, &c));
    t_expect(db_next(c));
    t_expect_int(db_int(c, 0), 6000000042LL);
    t_expect(db_real(c, 1) == 2000000014.0);
    t_expect_int(db_int(c, 2), 1);
    t_expect(db_real(c, 3) == 1.5);
    t_expect_int(db_int(c, 4), 3);
}

DB_TEST(text_sorts_by_its_bytes)
{
    static const char get[] = "SELECT t FROM thing ORDER BY t";
    static const char *const sorted[] = {"A", "B", "_", "a", "b", "\303\244"};
    AUTO(db_cursor) *c = NULL;

    t_expect_ok(t_db_tables(db, things));
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++)
        t_expect_ok(
            t_db_exec(db, "INSERT INTO thing (id, t) VALUES (?1, ?2)",
                      DB_ARGS(D_INT(i), D_TEXT(str_c(sorted[(i * 5 + 3) % ARRAY_LEN(sorted)])))));
    t_expect_ok(db_query(db, t_arena(), get, DB_NO_ARGS, &c));
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        t_expect(db_next(c));
        t_expect_str(db_text(c, 0), str_c(sorted[i]));
    }
}

/* A parameter that is NULL the first time has the type of its column for ever, whatever comes
 * first. */
DB_TEST(a_parameter_may_be_null_first_and_a_value_later)
{
    static const char put[] =
        "INSERT INTO thing (id, i, r, t, b, u) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    static const char select[] = "INSERT INTO thing (id, i, t, u) SELECT ?1, ?2, ?3, ?4"
                                 " WHERE NOT EXISTS (SELECT 1 FROM thing WHERE id = ?1)";
    Id id = id_new();

    t_expect_ok(t_db_tables(db, things));
    t_expect_ok(t_db_exec(db, put, DB_ARGS(D_INT(1), D_NULL, D_NULL, D_NULL, D_NULL, D_NULL)));
    t_expect_ok(
        t_db_exec(db, put, DB_ARGS(D_INT(2), D_INT(7), D_NULL, D_TEXT(S("x")), D_NULL, D_NULL)));
    t_expect_ok(t_db_exec(
        db, put, DB_ARGS(D_INT(3), D_INT(7), D_REAL(0.5), D_NULL, D_BYTES(S("\1")), D_ID(id))));
    t_expect_ok(t_db_exec(db, put, DB_ARGS(D_INT(4), D_NULL, D_NULL, D_NULL, D_NULL, D_ID(id))));
    t_expect_ok(t_db_exec(db, select,
                          DB_ARGS(D_INT(5), D_USEC_OPT(0), D_TEXT_OPT(S("")), D_ID_OPT(ID_NONE))));
    t_expect_ok(
        t_db_exec(db, select, DB_ARGS(D_INT(6), D_USEC_OPT(9), D_TEXT_OPT(S("y")), D_ID_OPT(id))));
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing WHERE i IS NULL", DB_NO_ARGS), 3);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing WHERE u = ?1", DB_ARGS(D_ID(id))), 3);
}

/* ---- transactions ---- */

DB_TEST(a_transaction_that_fails_leaves_nothing)
{
    static const char put[] = "INSERT INTO thing (id, i) VALUES (?1, ?2)";
    struct db_tx *tx = db_begin(db, t_arena());

    t_expect_ok(t_db_tables(db, things));
    db_exec(tx, put, DB_ARGS(D_INT(1), D_INT(1)));
    db_exec(tx, put, DB_ARGS(D_INT(2), D_INT(1)));
    db_exec(tx, put, DB_ARGS(D_INT(1), D_INT(1)));
    t_expect_int(db_tx_count(tx), 3);
    t_expect_err(db_commit(tx), E_EXISTS);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing", DB_NO_ARGS), 0);
    t_expect_err(db_commit(tx), E_INTERNAL);
    t_expect_ok(db_commit(db_begin(db, t_arena())));
}

DB_TEST(broken_promises_of_the_schema_have_their_codes)
{
    t_expect_ok(t_db_tables(
        db, "CREATE TABLE parent (id {int} PRIMARY KEY);\n"
            "CREATE TABLE child (id {int} PRIMARY KEY, parent_id {int} NOT NULL REFERENCES"
            " parent (id), n {int} CHECK (n < 10)) {clustered};\n"
            "INSERT INTO parent (id) VALUES (1)"));
    static const char put[] = "INSERT INTO child (id, parent_id, n) VALUES (?1, ?2, ?3)";
    t_expect_ok(t_db_exec(db, put, DB_ARGS(D_INT(1), D_INT(1), D_INT(1))));
    t_expect_err(t_db_exec(db, put, DB_ARGS(D_INT(1), D_INT(1), D_INT(1))), E_EXISTS);
    t_expect_err(t_db_exec(db, put, DB_ARGS(D_INT(2), D_INT(2), D_INT(1))), E_CONFLICT);
    t_expect_err(t_db_exec(db, put, DB_ARGS(D_INT(2), D_NULL, D_INT(1))), E_INVALID);
    t_expect_err(t_db_exec(db, put, DB_ARGS(D_INT(2), D_INT(1), D_INT(10))), E_INVALID);
    t_expect_err(t_db_exec(db, "INSERT INTO nowhere (id) VALUES (?1)", DB_ARGS(D_INT(1))),
                 E_INTERNAL);
    t_expect_err(t_db_exec(db, put, DB_ARGS(D_INT(1))), E_INTERNAL);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM child", DB_NO_ARGS), 1);
}

DB_TEST(an_expectation_that_does_not_hold_undoes_the_transaction)
{
    static const char take[] = "UPDATE thing SET i = ?1 WHERE i = ?2";
    static const char put[] = "INSERT INTO thing (id, i) VALUES (?1, ?2)";
    struct arena *a = t_arena();

    t_expect_ok(t_db_tables(db, things));
    for (int i = 1; i <= 2; i++)
        t_expect_ok(t_db_exec(db, put, DB_ARGS(D_INT(i), D_INT(0))));

    struct db_tx *none = db_begin(db, a);
    db_exec(none, put, DB_ARGS(D_INT(3), D_INT(0)));
    db_exec_expect(none, 1, take, DB_ARGS(D_INT(1), D_INT(99)));
    t_expect_err(db_commit(none), E_CONFLICT);
    struct db_tx *many = db_begin(db, a);
    db_exec_expect(many, 1, take, DB_ARGS(D_INT(1), D_INT(0)));
    t_expect_err(db_commit(many), E_CONFLICT);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing WHERE i = 0", DB_NO_ARGS), 2);

    struct db_tx *right = db_begin(db, a);
    db_exec_expect(right, 2, take, DB_ARGS(D_INT(1), D_INT(0)));
    db_exec(right, take, DB_ARGS(D_INT(5), D_INT(77)));
    db_exec_expect(right, 0, take, DB_ARGS(D_INT(5), D_INT(77)));
    db_exec_expect(right, 1, put, DB_ARGS(D_INT(4), D_INT(4)));
    t_expect_ok(db_commit(right));
    t_expect_int(db_tx_changes(right, 0), 2);
    t_expect_int(db_tx_changes(right, 1), 0);
    t_expect_int(db_tx_changes(right, 2), 0);
    t_expect_int(db_tx_changes(right, 3), 1);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing WHERE i = 1", DB_NO_ARGS), 2);
}

DB_TEST(returning_gives_rows_after_the_commit)
{
    static const char bump[] =
        "INSERT INTO thing (id, i) VALUES (?1, 1) ON CONFLICT (id) DO UPDATE SET"
        " i = thing.i + 1 RETURNING i, id";
    struct db_tx *tx = db_begin(db, t_arena());
    AUTO(db_cursor) *one = NULL;
    AUTO(db_cursor) *two = NULL;

    t_expect_ok(t_db_tables(db, things));
    db_exec_returning(tx, bump, DB_ARGS(D_INT(7)), &one);
    db_exec_returning(tx, bump, DB_ARGS(D_INT(7)), &two);
    t_expect(one == NULL);
    t_expect_ok(db_commit(tx));
    t_expect(db_next(one) && db_next(two));
    t_expect(db_int(one, 0) == 1 && db_int(one, 1) == 7 && db_int(two, 0) == 2);
    t_expect(!db_next(one) && !db_next(two));
    t_expect_int(db_tx_changes(tx, 1), 1);

    struct db_tx *lost = db_begin(db, t_arena());
    AUTO(db_cursor) *three = NULL;
    db_exec_returning(lost, bump, DB_ARGS(D_INT(7)), &three);
    db_exec_expect(lost, 1, "DELETE FROM thing WHERE id = ?1", DB_ARGS(D_INT(8)));
    t_expect_err(db_commit(lost), E_CONFLICT);
    t_expect(three == NULL);
}

/* ---- groups ---- */

struct committer {
    struct db *db;
    int n;
    Err result;
};

static Err commit_one_of_many(void *arg)
{
    static const char put[] = "INSERT INTO thing (id, i) VALUES (?1, ?2)";
    static const char count[] = "UPDATE thing SET i = i + 1 WHERE id = ?1";
    struct committer *k = arg;
    AUTO(arena) *a = arena_new(KIB(64));
    struct db_tx *tx = db_begin(k->db, a);

    db_exec(tx, put, DB_ARGS(D_INT(1000 + k->n), D_INT(k->n)));
    if (k->n % 10 == 3)
        db_exec(tx, put, DB_ARGS(D_INT(0), D_INT(0))); /* there already */
    else if (k->n % 10 == 7)
        db_exec_expect(tx, 1, count, DB_ARGS(D_INT(5)));
    else
        db_exec_expect(tx, 1, count, DB_ARGS(D_INT(0)));
    k->result = db_commit(tx);
    return OK;
}

DB_TEST(only_the_guilty_transactions_of_a_group_fail)
{
    static struct committer k[300];
    FIBER_GROUP(g, 0, false);

    t_expect_ok(t_db_tables(db, things));
    t_expect_ok(
        t_db_exec(db, "INSERT INTO thing (id, i) VALUES (?1, ?2)", DB_ARGS(D_INT(0), D_INT(0))));
    for (int i = 0; i < 300; i++) {
        k[i] = (struct committer){db, i, OK};
        t_expect_ok(fiber_group_start(&g, "commit", commit_one_of_many, &k[i]));
    }
    t_expect_ok(fiber_group_join(&g));
    for (int i = 0; i < 300; i++)
        t_expect_int(k[i].result, i % 10 == 3 ? E_EXISTS : i % 10 == 7 ? E_CONFLICT : OK);
    struct db_stats stats;
    db_stats(db, &stats);
    t_expect(stats.commits < 60); /* they were not tried one by one */
    t_expect_int(t_db_int(db, "SELECT i FROM thing WHERE id = 0", DB_NO_ARGS), 240);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing", DB_NO_ARGS), 241);
}

static Err commit_behind_a_guilty_one(void *arg)
{
    static const char put[] = "INSERT INTO thing (id, i) VALUES (?1, ?2)";
    static const char put_other[] = "INSERT INTO thing (i, id) VALUES (?2, ?1)";
    struct committer *k = arg;
    AUTO(arena) *a = arena_new(KIB(64));
    struct db_tx *tx = db_begin(k->db, a);

    db_exec(tx, k->n ? put_other : put, DB_ARGS(D_INT(k->n), D_INT(k->n)));
    k->result = db_commit(tx);
    return OK;
}

/* What is sent for the first time in the part of a transaction that fails is not there for the
 * parts behind it. */
DB_TEST(the_guilty_transaction_of_a_group_may_be_its_first)
{
    static struct committer k[20];
    FIBER_GROUP(g, 0, false);

    t_expect_ok(t_db_tables(db, things));
    t_expect_ok(
        t_db_exec(db, "INSERT INTO thing (id, i) VALUES (?1, ?2)", DB_ARGS(D_INT(0), D_INT(0))));
    for (int i = 0; i < 20; i++) {
        k[i] = (struct committer){db, i, OK};
        t_expect_ok(fiber_group_start(&g, "commit", commit_behind_a_guilty_one, &k[i]));
    }
    t_expect_ok(fiber_group_join(&g));
    for (int i = 0; i < 20; i++)
        t_expect_int(k[i].result, i ? OK : E_EXISTS);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing", DB_NO_ARGS), 20);
}

/* Fibers of two shards; each commits some transactions to counters that all of them share. */
static struct crowd {
    struct db *db;
    _Atomic int left, failed;
    struct shard *home;
    struct wait *wait;
} crowd;

enum { CROWD = 1000, ROUNDS = 5, COUNTERS = 10 };

static Err count_up(void *arg)
{
    static const char count[] = "UPDATE thing SET i = i + 1 WHERE id = ?1";
    static const char put[] = "INSERT INTO thing (id, i) VALUES (?1, ?2)";
    intptr_t n = (intptr_t)arg;

    for (int i = 0; i < ROUNDS; i++) {
        AUTO(arena) *a = arena_new(KIB(64));
        struct db_tx *tx = db_begin(crowd.db, a);
        db_exec_expect(tx, 1, count, DB_ARGS(D_INT(n % COUNTERS)));
        db_exec(tx, put, DB_ARGS(D_INT(1000 + n * ROUNDS + i), D_INT(n)));
        if (db_commit(tx) != OK) {
            t_fail(__FILE__, __LINE__, "commit: %s", err_text(tx ? err_record()->code : OK));
            crowd.failed++;
        }
    }
    if (--crowd.left == 0)
        wait_end_from(crowd.home, crowd.wait, OK);
    return OK;
}

DB_TEST_ON(2, a_thousand_fibers_on_two_shards_lose_no_update)
{
    struct wait w;

    t_expect_ok(t_db_tables(db, things));
    for (int i = 0; i < COUNTERS; i++)
        t_expect_ok(t_db_exec(db, "INSERT INTO thing (id, i) VALUES (?1, 0)", DB_ARGS(D_INT(i))));
    wait_init(&w);
    crowd = (struct crowd){.db = db, .left = CROWD, .home = shard_self(), .wait = &w};
    for (intptr_t i = 0; i < CROWD; i++)
        shard_start(shard_at((unsigned)i % 2), "count_up", count_up, (void *)i);
    t_expect_ok(wait_for(&w, usec_in(USEC_MIN)));
    t_expect_int(crowd.failed, 0);
    t_expect_int(t_db_int(db, "SELECT sum(i) FROM thing WHERE id < 1000", DB_NO_ARGS),
                 CROWD * ROUNDS);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing", DB_NO_ARGS), CROWD * ROUNDS + COUNTERS);

    struct db_stats stats;
    db_stats(db, &stats);
    t_expect(stats.transactions >= CROWD * ROUNDS && stats.commits < stats.transactions / 2);
    t_expect_int(stats.queued, 0);
}

/* ---- cursors ---- */

enum { LONG = 100000 };

static Err fill(struct db *db, int rows)
{
    static const char ten[] =
        "INSERT INTO thing (id, t) VALUES (?1, ?11), (?2, ?11), (?3, ?11), (?4, ?11),"
        " (?5, ?11), (?6, ?11), (?7, ?11), (?8, ?11), (?9, ?11), (?10, ?11)";
    Str text = S("a row of some length, so that a hundred thousand of them are more than a socket "
                 "buffer holds, "
                 "and more than a block of the cursor");
    for (int i = 0; i < rows; i += 5000) {
        AUTO(arena) *a = arena_new(MIB(8));
        struct db_tx *tx = db_begin(db, a);
        for (int j = i; j < i + 5000; j += 10)
            db_exec(tx, ten,
                    DB_ARGS(D_INT(j), D_INT(j + 1), D_INT(j + 2), D_INT(j + 3), D_INT(j + 4),
                            D_INT(j + 5), D_INT(j + 6), D_INT(j + 7), D_INT(j + 8), D_INT(j + 9),
                            D_TEXT(text)));
        TRY(db_commit(tx));
    }
    return OK;
}

DB_TEST(a_long_result_is_read_in_bounded_memory)
{
    static const char get[] = "SELECT id, t FROM thing ORDER BY id";
    AUTO(arena) *a = arena_new(MIB(1));
    AUTO(db_cursor) *c = NULL;
    int n = 0;

    t_expect_ok(t_db_tables(db, things));
    t_expect_ok(fill(db, LONG));
    size_t before = t_resident(), most = before;
    t_expect_ok(db_query(db, a, get, DB_NO_ARGS, &c));
    while (db_next(c)) {
        t_expect_int(db_int(c, 0), n);
        t_expect(db_text_view(c, 1).n > 100);
        if (++n % 10000 == 0 && t_resident() > most)
            most = t_resident();
    }
    t_expect_ok(db_finish(c));
    t_expect_int(n, LONG);
    t_expect(most - before < (T_SANITIZED ? MIB(100) : MIB(6)));
    t_expect(arena_used(a) < KIB(64));
}

DB_TEST(rows_that_do_not_fit_into_the_arena_end_with_an_error)
{
    static const char get[] = "SELECT t FROM thing ORDER BY id";
    AUTO(arena) *a = arena_new(KIB(64));
    AUTO(db_cursor) *c = NULL;
    int n = 0;

    t_expect_ok(t_db_tables(db, things));
    t_expect_ok(fill(db, 5000));
    t_expect_ok(db_query(db, a, get, DB_NO_ARGS, &c));
    while (db_next(c))
        n += db_text(c, 0).n > 0;
    t_expect_err(db_finish(c), E_TOO_LARGE);
    t_expect(n > 100 && n < 600);
}

DB_TEST(cursors_may_be_left_early_and_nested)
{
    static const char get[] = "SELECT id, t FROM thing ORDER BY id";
    static const char one[] = "SELECT id FROM thing WHERE id = ?1";
    struct arena *a = t_arena();

    t_expect_ok(t_db_tables(db, things));
    t_expect_ok(fill(db, 20000));
    for (int round = 0; round < 20; round++) {
        AUTO(db_cursor) *outer = NULL;
        AUTO(db_cursor) *inner = NULL;
        t_expect_ok(db_query(db, a, get, DB_NO_ARGS, &outer));
        for (int i = 0; i < 600; i++)
            t_expect(db_next(outer));
        t_expect_ok(db_query(db, a, get, DB_NO_ARGS, &inner));
        for (int i = 0; i < 300 * round; i++)
            t_expect(db_next(inner));
        t_expect_int(t_db_int(db, one, DB_ARGS(D_INT(db_int(outer, 0)))), 599);
        t_expect(db_next(outer) && db_int(outer, 0) == 600);
    }
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing", DB_NO_ARGS), 20000);
}

DB_TEST(a_query_sees_what_was_committed_before_it)
{
    static const char put[] = "INSERT INTO thing (id, i) VALUES (?1, ?2)";
    static const char get[] = "SELECT count(*) FROM thing";
    t_expect_ok(t_db_tables(db, things));
    for (int i = 0; i < 100; i++) {
        t_expect_ok(t_db_exec(db, put, DB_ARGS(D_INT(i), D_INT(i))));
        t_expect_int(t_db_int(db, get, DB_NO_ARGS), i + 1);
    }
}

DB_TEST(a_query_cannot_write)
{
    static const char put[] = "INSERT INTO thing (id) VALUES (1) RETURNING id";
    AUTO(db_cursor) *c = NULL;
    t_expect_ok(t_db_tables(db, things));
    Err e = db_query(db, t_arena(), put, DB_NO_ARGS, &c);
    if (e == OK) {
        t_expect(!db_next(c));
        e = db_finish(c);
    }
    t_expect_err(e, E_READ_ONLY);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing", DB_NO_ARGS), 0);
}

DB_TEST(a_query_with_an_error_gives_it_and_the_next_one_works)
{
    AUTO(db_cursor) *c = NULL;
    t_expect_err(db_query(db, t_arena(), "SELECT nothing FROM nowhere", DB_NO_ARGS, &c),
                 E_INTERNAL);
    t_expect_err(db_query(db, t_arena(), "SELECT ?1 + 1", DB_NO_ARGS, &c), E_INTERNAL);
    t_expect_int(t_db_int(db, "SELECT 41 + 1", DB_NO_ARGS), 42);
    t_expect_ok(db_ping(db, usec_in(5 * USEC_S)));
    t_expect(db_is_up(db));
}

/* ---- waiting ---- */

static const char slow[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000000)"
    " SELECT count(*) FROM n";

DB_TEST(a_query_ends_with_the_deadline_of_its_fiber)
{
    AUTO(db_cursor) *c = NULL;
    Usec started = time_mono(), former = fiber_deadline_set(usec_in(100 * USEC_MS));
    t_expect_err(db_query(db, t_arena(), slow, DB_NO_ARGS, &c), E_TIMEOUT);
    (void)fiber_deadline_set(former);
    t_expect(time_mono() - started < 10 * USEC_S);
    t_expect_int(t_db_int(db, "SELECT 42", DB_NO_ARGS), 42);
}

struct asker {
    struct db *db;
    Err result;
};

static Err ask_slowly(void *arg)
{
    struct asker *k = arg;
    AUTO(arena) *a = arena_new(KIB(64));
    AUTO(db_cursor) *c = NULL;
    k->result = db_query(k->db, a, slow, DB_NO_ARGS, &c);
    return OK;
}

DB_TEST(a_query_ends_when_its_fiber_is_cancelled)
{
    static struct asker k[6];
    FIBER_GROUP(g, 0, false);

    for (size_t i = 0; i < ARRAY_LEN(k); i++) {
        k[i] = (struct asker){db, OK};
        t_expect_ok(fiber_group_start(&g, "ask", ask_slowly, &k[i]));
    }
    t_expect_ok(fiber_sleep(100 * USEC_MS));
    Usec started = time_mono();
    fiber_group_cancel(&g);
    (void)fiber_group_join(&g);
    t_expect(time_mono() - started < 10 * USEC_S);
    for (size_t i = 0; i < ARRAY_LEN(k); i++)
        t_expect_int(k[i].result, E_CANCELLED);
    t_expect_int(t_db_int(db, "SELECT 42", DB_NO_ARGS), 42);
}

static Err commit_while_cancelled(void *arg)
{
    struct asker *k = arg;
    fiber_cancel(fiber_self());
    k->result = t_db_exec(k->db, "INSERT INTO thing (id) VALUES (1)", DB_NO_ARGS);
    return OK;
}

DB_TEST(a_commit_is_not_cut_short_by_cancelling)
{
    static struct asker k;
    FIBER_GROUP(g, 0, false);

    k = (struct asker){db, E_INTERNAL};
    t_expect_ok(t_db_tables(db, things));
    t_expect_ok(fiber_group_start(&g, "commit", commit_while_cancelled, &k));
    (void)fiber_group_join(&g);
    t_expect_ok(k.result);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM thing", DB_NO_ARGS), 1);
}
