/* src/store/store_event_start_test.c - events that start workflows, on both databases. */
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_event_start.h"
#include "store/test_store.h"

static const Usec NOW = 1700000000 * USEC_S;

static Err listen_for(struct db *db, Id tenant, Id workflow, Str events)
{
    struct db_tx *tx = db_begin(db, t_arena());
    store_event_trigger_put(tx, tenant, workflow, events);
    return db_commit(tx);
}

static Err put_event(struct db *db, Id tenant, Str event)
{
    struct db_tx *tx = db_begin(db, t_arena());
    struct event_start_row row = {.id = id_new(),
                                  .tenant = tenant,
                                  .event = event,
                                  .body = S("{}"),
                                  .cause = S("{}"),
                                  .created_at = NOW};
    store_event_start_put(tx, &row);
    return db_commit(tx);
}

static size_t take(struct db *db, Usec now, EventStartRows *ret_rows)
{
    if (store_event_start_take(db, t_arena(), id_new(), now, now + USEC_MIN, 10, ret_rows) != OK)
        t_fail(__FILE__, __LINE__, "nothing could be taken");
    return ret_rows->n;
}

DB_TEST(an_event_is_written_for_those_of_its_tenant_that_listen)
{
    Id tenant = id_new(), other = id_new(), one = id_new(), two = id_new();
    EventStartRows rows;
    bool any;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(store_event_trigger_any(db, t_arena(), &any));
    t_expect(!any);
    t_expect_ok(listen_for(db, tenant, one, S(" a b ")));
    t_expect_ok(listen_for(db, tenant, two, S(" b ")));
    t_expect_ok(listen_for(db, other, id_new(), S(" a b ")));
    t_expect_ok(store_event_trigger_any(db, t_arena(), &any));
    t_expect(any);
    t_expect_ok(put_event(db, tenant, S("a")));
    t_expect_int(take(db, NOW, &rows), 1);
    t_expect(id_eq(rows.at[0].workflow, one) && id_eq(rows.at[0].tenant, tenant));
    t_expect_ok(put_event(db, tenant, S("b")));
    t_expect_int(take(db, NOW, &rows), 2);
    t_expect_ok(put_event(db, tenant, S("c")));
    t_expect_int(take(db, NOW, &rows), 0);
    t_expect_ok(listen_for(db, tenant, one, S("")));
    t_expect_ok(put_event(db, tenant, S("a")));
    t_expect_int(take(db, NOW, &rows), 0);
}

DB_TEST(an_event_is_taken_by_one_and_let_go_once)
{
    Id tenant = id_new();
    EventStartRows rows, again;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(listen_for(db, tenant, id_new(), S(" a ")));
    t_expect_ok(put_event(db, tenant, S("a")));
    t_expect_int(take(db, NOW, &rows), 1);
    t_expect_int(rows.at[0].attempts, 1);
    t_expect_int(take(db, NOW + USEC_S, &again), 0);
    t_expect_int(take(db, NOW + USEC_MIN, &again), 1); /* who took it first is gone */
    t_expect_int(again.at[0].attempts, 2);
    t_expect_ok(store_event_start_free(db, t_arena(), ID_NONE));
    t_expect_int(take(db, NOW + USEC_MIN, &again), 1);
    t_expect_ok(store_event_start_free(db, t_arena(), id_new()));
    t_expect_int(take(db, NOW + USEC_MIN, &again), 0);
    struct db_tx *tx = db_begin(db, t_arena());
    store_event_start_done(tx, &rows.at[0]);
    t_expect_ok(db_commit(tx));
    tx = db_begin(db, t_arena());
    store_event_start_done(tx, &rows.at[0]);
    t_expect_err(db_commit(tx), E_CONFLICT);
}

DB_TEST(what_is_refused_is_kept_for_a_while_and_not_tried_again)
{
    Id tenant = id_new(), workflow = id_new();
    EventStartRows rows;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(listen_for(db, tenant, workflow, S(" a ")));
    t_expect_ok(put_event(db, tenant, S("a")));
    t_expect_int(take(db, NOW, &rows), 1);
    t_expect_ok(
        store_event_start_tried(db, t_arena(), &rows.at[0], NOW + USEC_S, false, S("later")));
    t_expect_int(take(db, NOW, &rows), 0);
    t_expect_int(take(db, NOW + USEC_S, &rows), 1);
    t_expect_ok(store_event_start_tried(db, t_arena(), &rows.at[0], 0, true, S("never")));
    t_expect_int(take(db, NOW + USEC_DAY, &rows), 0);
    t_expect_ok(store_event_start_list(db, t_arena(), tenant, workflow, ID_NONE, 10, &rows));
    t_expect_int(rows.n, 1);
    t_expect(rows.at[0].refused);
    t_expect_str(rows.at[0].error, S("never"));
    t_expect_ok(store_event_start_list(db, t_arena(), id_new(), workflow, ID_NONE, 10, &rows));
    t_expect_int(rows.n, 0);
    t_expect_ok(store_event_start_expire(db, t_arena(), NOW, 10));
    t_expect_ok(store_event_start_list(db, t_arena(), tenant, workflow, ID_NONE, 10, &rows));
    t_expect_int(rows.n, 1);
    t_expect_ok(store_event_start_expire(db, t_arena(), NOW + 1, 10));
    t_expect_ok(store_event_start_list(db, t_arena(), tenant, workflow, ID_NONE, 10, &rows));
    t_expect_int(rows.n, 0);
}
