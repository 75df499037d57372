/* src/store/store_payload_test.c - rows of large values: shared, let go with the last run, and
 * neither lost nor left behind when that happens at the same time. */
#include "base/buf.h"
#include "rt/work.h"
#include "store/migrate.h"
#include "store/store_retention.h"
#include "store/test_store.h"

static int64_t count(struct db *db, const char *table)
{
    static const char payloads[] = "SELECT COUNT(*) FROM payload";
    static const char references[] = "SELECT COUNT(*) FROM run_payload";
    return t_db_int(db, *table == 'p' ? payloads : references, DB_NO_ARGS);
}

static int64_t dangling(struct db *db)
{
    static const char sql[] =
        "SELECT COUNT(*) FROM run_payload r WHERE NOT EXISTS (SELECT 1 FROM payload p WHERE"
        " p.tenant_id = r.tenant_id AND p.hash = r.hash)";
    return t_db_int(db, sql, DB_NO_ARGS);
}

static int64_t unused(struct db *db)
{
    static const char sql[] =
        "SELECT COUNT(*) FROM payload p WHERE NOT EXISTS (SELECT 1 FROM run_payload r WHERE"
        " p.tenant_id = r.tenant_id AND p.hash = r.hash)";
    return t_db_int(db, sql, DB_NO_ARGS);
}

/* A batch with one long text that @seed makes. */
static Str long_text(struct arena *a, uint64_t seed, size_t n)
{
    AUTO_BUF(b, MIB(2));

    buf_add_c(&b, "[{\"seq\":1,\"output\":\"");
    while (b.n < n) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        buf_add_fmt(&b, "%llx ", (unsigned long long)seed);
    }
    buf_add_c(&b, "\"}]");
    return str_dup(a, buf_str(&b));
}

static Err put_run(struct db *db, struct arena *a, Id tenant, Str text, bool over,
                   struct run_row *ret_row)
{
    AUTO(piece_book) *book = NULL;
    struct journal_batch batch;
    struct run_row row = {.id = id_new(),
                          .tenant = tenant,
                          .workflow = tenant,
                          .hash = S("00000000000000000000000000000000"),
                          .origin = S("api"),
                          .state = over ? 3 : 1,
                          .created_at = time_wall(),
                          .finished_at = over ? time_wall() : 0,
                          .lease_node = tenant,
                          .lease_epoch = 1};

    TRY(store_payload_pack(db, a, row.id, false, &book, text, &batch));
    struct db_tx *tx = db_begin(db, a);
    store_run_insert(tx, &row);
    store_journal_append(tx, &row, 1, &batch, true);
    *ret_row = row;
    return db_commit(tx);
}

static Err same_text(void *ctx, int64_t seq, Str events)
{
    const Str *want = ctx;
    return seq == 1 && str_eq(events, *want) ? OK : err_set(E_CORRUPT, "it is another text");
}

/* Delete at most @limit runs of @workflow that have ended. */
static Err delete_some(struct db *db, struct arena *a, Id workflow, int limit)
{
    struct retention_range range = {.workflow = workflow, .first_state = 0, .last_state = 9};
    EndedRuns runs;
    size_t n;

    memset(range.before.b, 0xff, sizeof range.before.b);
    TRY(store_retention_find(db, a, &range, limit, &runs));
    return runs.n ? store_retention_delete(db, a, &runs, &n) : OK;
}

DB_TEST(value_is_stored_once_in_a_tenant_and_goes_with_the_last_run_that_has_it)
{
    struct arena *a = t_arena();
    Id mine = id_new(), other = id_new();
    struct run_row first, second, foreign;
    Str text = long_text(a, 1, KIB(200));

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put_run(db, a, mine, text, true, &first));
    int64_t n = count(db, "payload");
    t_expect(n > 0);
    t_expect_ok(put_run(db, a, mine, text, false, &second));
    t_expect_int(count(db, "payload"), n);
    t_expect_int(count(db, "run_payload"), 2 * n);
    /* Another tenant has rows of its own: nobody can tell what somebody else has stored. */
    t_expect_ok(put_run(db, a, other, text, false, &foreign));
    t_expect_int(count(db, "payload"), 2 * n);
    t_expect_ok(store_journal_read(db, a, first.id, 0, same_text, &text));
    t_expect_ok(delete_some(db, a, mine, 100)); /* the first alone is over */
    t_expect_int(count(db, "payload"), 2 * n);
    t_expect_err(store_journal_read(db, a, second.id, 0, same_text, &(Str){"", 0}), E_CORRUPT);
    t_expect_ok(store_journal_read(db, a, second.id, 0, same_text, &text));
    t_expect_ok(t_db_exec(db, "UPDATE run SET finished_at = 1", DB_NO_ARGS));
    t_expect_ok(delete_some(db, a, mine, 100));
    t_expect_ok(delete_some(db, a, other, 100));
    t_expect_int(count(db, "payload"), 0);
    t_expect_int(count(db, "run_payload"), 0);
}

DB_TEST(batch_without_large_values_makes_no_rows)
{
    struct run_row row;
    Str text = S("[{\"seq\":1,\"input\":\"small\"}]");

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put_run(db, t_arena(), id_new(), text, false, &row));
    t_expect_int(count(db, "payload"), 0);
    t_expect_ok(store_journal_read(db, t_arena(), row.id, 0, same_text, &text));
}

DB_TEST(damaged_value_is_an_error_of_its_runs_alone)
{
    struct arena *a = t_arena();
    Id tenant = id_new();
    struct run_row hurt, well;
    Str text = long_text(a, 1, KIB(20)), other = long_text(a, 2, KIB(20));

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put_run(db, a, tenant, text, false, &hurt));
    t_expect_ok(t_db_exec(db, "UPDATE payload SET body = hash", DB_NO_ARGS));
    t_expect_ok(put_run(db, a, tenant, other, false, &well));
    t_expect_err(store_journal_read(db, a, hurt.id, 0, same_text, &text), E_CORRUPT);
    t_expect(strstr(err_client_text(E_CORRUPT), "damaged") != NULL);
    t_expect_ok(store_journal_read(db, a, well.id, 0, same_text, &other));
    t_expect_ok(t_db_exec(db, "DELETE FROM journal WHERE run_id = ?1", DB_ARGS(D_ID(hurt.id))));
    t_expect_ok(t_db_exec(db, "DELETE FROM run_payload WHERE run_id = ?1", DB_ARGS(D_ID(hurt.id))));
    t_expect_ok(store_journal_read(db, a, well.id, 0, same_text, &other));
}

/* Runs that begin and runs that are deleted, on two shards, all with the same few values. */
enum { RACERS = 8, RACES = 60, TEXTS = 3 };
struct races {
    struct db *db;
    Id tenant;
    struct shard *home;
    struct wait done;
    _Atomic int left, failed;
};

static Err race(struct races *r)
{
    for (uint64_t i = 0; i < RACES; i++) {
        AUTO(arena) *a = arena_new(MIB(16));
        Str text = long_text(a, i % TEXTS, KIB(6));
        struct run_row row;
        TRY(put_run(r->db, a, r->tenant, text, true, &row));
        Err e = store_journal_read(r->db, a, row.id, 0, same_text, &text);
        if (e != E_NOT_FOUND) /* another one was faster to delete it */
            TRY(e);
        e = delete_some(r->db, a, r->tenant, 3);
        if (e != E_CONFLICT) /* the same */
            TRY(e);
    }
    return OK;
}

static Err racer(void *arg)
{
    struct races *r = arg;
    Err e = race(r);

    if (e != OK) {
        fprintf(stderr, "a racer: %s: %s\n", err_name(e), err_text(e));
        r->failed++;
    }
    if (--r->left == 0)
        wait_end_from(r->home, &r->done, OK);
    return OK;
}

DB_TEST_ON(2, value_that_is_deleted_while_it_is_stored_again_is_there)
{
    struct races *r = arena_new_of(t_arena(), struct races);

    *r = (struct races){.db = db, .tenant = id_new(), .home = shard_self(), .left = RACERS};
    t_expect_ok(db_migrate(db, migrations));
    wait_init(&r->done);
    for (unsigned i = 0; i < RACERS; i++)
        shard_start(shard_at(i % 2), "race", racer, r);
    t_expect_ok(wait_for(&r->done, USEC_NEVER));
    t_expect_int(r->failed, 0);
    t_expect_int(dangling(db), 0);
    t_expect_int(unused(db), 0);
    for (int i = 0; i < RACERS * RACES / 100 + 1; i++)
        t_expect_ok(delete_some(db, t_arena(), r->tenant, 100));
    t_expect_int(count(db, "payload"), 0);
}

/* Another server on the same database, in mid-transaction until it has slept. */
static Err foreign_transaction(void *arg)
{
    t_pg_admin(arg);
    return OK;
}

static struct wait foreign_wait;

static void foreign_ended(void *arg, Err e)
{
    (void)arg;
    wait_end(&foreign_wait, e);
}

static void begin_foreign(struct db *db, const char *statements)
{
    static const char asleep[] =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        " AND query LIKE '%' || current_schema() || '%'";
    Str schema = str_c(strstr(t_db_url().p, "%3D") + 3);
    Str sql = str_fmt(t_arena(), "SET search_path = %.*s; %s; SELECT pg_sleep(0.4)", P(schema),
                      statements);

    wait_init(&foreign_wait);
    work_start(foreign_transaction, str_dup_c(t_arena(), sql), foreign_ended);
    while (t_db_int(db, asleep, DB_NO_ARGS) == 0)
        t_expect_ok(fiber_sleep(5 * USEC_MS));
}

static void prepare_race(struct db *db, Str *ret_text, struct run_row *ret_row)
{
    *ret_text = long_text(t_arena(), 1, KIB(6));
    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put_run(db, t_arena(), id_new(), *ret_text, true, ret_row));
}

DB_TEST(value_that_another_server_is_just_referring_to_is_not_deleted)
{
    struct run_row row;
    Str text;

    if (db_kind(db) == DB_SQLITE)
        return; /* it has one writer */
    prepare_race(db, &text, &row);
    int64_t n = count(db, "payload");
    begin_foreign(db, "INSERT INTO run_payload (run_id, n, tenant_id, hash) SELECT"
                      " gen_random_uuid(), 0, tenant_id, hash FROM payload");
    t_expect_ok(delete_some(db, t_arena(), row.tenant, 100));
    t_expect_ok(wait_for(&foreign_wait, USEC_NEVER));
    t_expect_int(count(db, "payload"), n);
    t_expect_int(dangling(db), 0);
}

DB_TEST(value_that_another_server_is_just_deleting_is_stored_again)
{
    struct run_row row, again;
    Str text;

    if (db_kind(db) == DB_SQLITE)
        return; /* it has one writer */
    prepare_race(db, &text, &row);
    begin_foreign(db, "DELETE FROM run; DELETE FROM journal; DELETE FROM run_payload;"
                      " DELETE FROM payload");
    t_expect_ok(put_run(db, t_arena(), row.tenant, text, true, &again));
    t_expect_ok(wait_for(&foreign_wait, USEC_NEVER));
    t_expect_int(dangling(db), 0);
    t_expect_ok(store_journal_read(db, t_arena(), again.id, 0, same_text, &text));
}
