/* src/llm/ledger_test.c - every call that was added is in the store, once, also after faults. */
#include "llm/ledger.h"

#include "rt/inject.h"
#include "store/migrate.h"
#include "store/test_store.h"

static struct model_call_row call_of(Id tenant, const char *model, int64_t tokens)
{
    return (struct model_call_row){.id = id_new(),
                                   .tenant = tenant,
                                   .key = tenant,
                                   .model = str_c(model),
                                   .provider = S("p"),
                                   .upstream_model = S("u"),
                                   .operation = S("chat"),
                                   .outcome = tokens ? S("ok") : S("failed"),
                                   .status = 200,
                                   .attempts = 1,
                                   .prompt = tokens,
                                   .completion = 2 * tokens,
                                   .cost = tokens ? 7 : -1,
                                   .total = 1000};
}

DB_TEST(ledger_writes_all_that_was_added_before_its_end)
{
    Id tenant = id_new();
    UsageRows rows;
    struct usage_query q = {.tenant = tenant, .group = USAGE_BY_MODEL, .max = 10};

    t_expect_ok(db_migrate(db, migrations));
    struct llm_ledger *ledger = llm_ledger_new(db, 0, 0);
    for (int i = 1; i <= 2500; i++) {
        struct model_call_row row = call_of(tenant, i % 5 ? "many" : "few", i == 10 ? 0 : 3);
        llm_ledger_add(ledger, &row);
    }
    llm_ledger_free(ledger);
    Usec now = time_wall();
    q.from = now - USEC_H;
    q.to = now + USEC_H;
    t_expect_ok(store_model_call_usage(db, t_arena(), &q, &rows));
    t_expect_int(rows.n, 2);
    t_expect_str(rows.at[0].name, S("many"));
    t_expect_int(rows.at[0].calls, 2000);
    t_expect_int(rows.at[0].prompt, 6000);
    t_expect_int(rows.at[1].calls, 500);
    t_expect_int(rows.at[1].failed, 1);
    t_expect_int(rows.at[1].completion, 499 * 6);
    t_expect_int(rows.at[0].cost, 2000 * 7);
    t_expect_int(rows.at[0].unpriced, 0);
    t_expect_int(rows.at[1].unpriced, 1);
    t_expect_int(rows.at[0].time, 0);
    for (int g = 0; g < USAGE_GROUPS * USAGE_BUCKETS; g++) {
        int64_t calls = 0;
        q.group = (enum usage_group)(g / USAGE_BUCKETS);
        q.bucket = (enum usage_bucket)(g % USAGE_BUCKETS);
        q.tenant = tenant;
        t_expect_ok(store_model_call_usage(db, t_arena(), &q, &rows));
        vec_each(&rows, r) {
            calls += r->calls;
            t_expect(q.bucket == USAGE_WHOLE || (r->time > now - USEC_DAY && r->time <= now));
        }
        t_expect_int(calls, 2500);
        q.tenant = id_new();
        t_expect_ok(store_model_call_usage(db, t_arena(), &q, &rows));
        t_expect_int(rows.n, 0);
    }
}

DB_TEST(ledger_writes_a_batch_again_that_may_have_been_written)
{
    Id tenant = id_new();
    struct model_call_row row = call_of(tenant, "m", 1);

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(inject_set(S("store.commit.after=error:E_UNKNOWN_OUTCOME@1")));
    struct llm_ledger *ledger = llm_ledger_new(db, 0, 0);
    llm_ledger_add(ledger, &row);
    Usec deadline = usec_in(20 * USEC_S);
    while (inject_count("store.commit.after") < 2 && time_mono() < deadline)
        t_expect_ok(fiber_sleep(10 * USEC_MS));
    llm_ledger_free(ledger);
    t_expect_ok(inject_set(S("")));
    t_expect_int(t_db_int(db, "SELECT COUNT(*) FROM model_call", DB_NO_ARGS), 1);
}

DB_TEST(ledger_drops_a_call_that_cannot_be_stored_and_writes_the_others)
{
    static const Str bad[] = {S_INIT("a\0b"), S_INIT("\xff\xfe")};
    Id tenant = id_new();
    struct model_call_row row = call_of(tenant, "good", 1);

    t_expect_ok(db_migrate(db, migrations));
    struct llm_ledger *ledger = llm_ledger_new(db, 0, 0);
    for (size_t i = 0; i < 9; i++) {
        row.id = id_new();
        row.model = i % 3 < 2 ? bad[i % 3] : S("good");
        llm_ledger_add(ledger, &row);
    }
    llm_ledger_free(ledger);
    t_expect_int(t_db_int(db, "SELECT COUNT(*) FROM model_call", DB_NO_ARGS), 3);
}

DB_TEST(ledger_forgets_old_calls_and_no_others)
{
    Id tenant = id_new();
    struct model_call_row old = call_of(tenant, "old", 1), new = call_of(tenant, "new", 1);
    int64_t n;

    t_expect_ok(db_migrate(db, migrations));
    old.id = id_floor(time_wall() - 3 * USEC_DAY);
    struct llm_ledger *ledger = llm_ledger_new(db, 0, 0);
    llm_ledger_add(ledger, &old);
    llm_ledger_add(ledger, &new);
    llm_ledger_free(ledger);
    t_expect_ok(store_model_call_expire(db, t_arena(), time_wall() - 2 * USEC_DAY, 10, &n));
    t_expect_int(n, 1);
    t_expect_int(t_db_int(db, "SELECT COUNT(*) FROM model_call", DB_NO_ARGS), 1);
}
