/* src/store/store_run_test.c - rows of runs under races that a whole server meets only by chance.
 */
#include "store/migrate.h"
#include "store/store_run.h"
#include "store/test_store.h"

static Err put_run(struct db *db, struct run_row *row)
{
    *row = (struct run_row){.id = id_new(),
                            .tenant = id_new(),
                            .workflow = id_new(),
                            .hash = S("00000000000000000000000000000000"),
                            .origin = S("api"),
                            .state = 1,
                            .created_at = time_wall(),
                            .lease_node = id_new(),
                            .lease_epoch = 1};
    struct db_tx *tx = db_begin(db, t_arena());
    store_run_insert(tx, row);
    store_journal_append(tx, row, 1, &(struct journal_batch){.stored = S("[]")}, true);
    return db_commit(tx);
}

static Err put_down(struct db *db, const struct run_row *row, Usec wake_at)
{
    struct db_tx *tx = db_begin(db, t_arena());
    store_run_update(tx, row->id, 1, 2, 0, wake_at, true);
    return db_commit(tx);
}

DB_TEST(run_that_is_put_away_after_a_cancel_was_asked_is_due_at_once)
{
    Usec later = time_wall() + USEC_DAY;
    struct run_row row, other;
    RunRows due;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put_run(db, &row));
    t_expect_ok(put_run(db, &other));
    t_expect_ok(store_run_request_cancel(db, t_arena(), row.tenant, row.id));
    t_expect_ok(put_down(db, &row, later));
    t_expect_ok(put_down(db, &other, later));
    t_expect_ok(store_run_due(db, t_arena(), time_wall(), 10, &due));
    t_expect_int(due.n, 1);
    t_expect(due.n == 1 && id_eq(due.at[0].id, row.id));
    t_expect(due.n == 1 && due.at[0].cancel_requested);
    t_expect_ok(store_run_due(db, t_arena(), later, 10, &due));
    t_expect_int(due.n, 2);
}

DB_TEST(runs_are_claimed_together_and_each_by_one_node)
{
    struct run_claim first = {.node = id_new(), .running_state = 1}, second = {.node = id_new()};
    struct run_row rows[3], now;
    bool taken[3];
    RunRows due;

    t_expect_ok(db_migrate(db, migrations));
    for (int i = 0; i < 3; i++) {
        t_expect_ok(put_run(db, &rows[i]));
        t_expect_ok(put_down(db, &rows[i], 1 + i));
    }
    t_expect_ok(store_run_due(db, t_arena(), time_wall(), 10, &due));
    t_expect_int(due.n, 3);
    due.n = 2; /* somebody who looked before one more was due */
    t_expect_ok(store_run_claim(db, &due, &first, taken));
    t_expect(taken[0] && taken[1]);
    due.n = 3;
    t_expect_ok(store_run_claim(db, &due, &second, taken));
    t_expect(!taken[0] && !taken[1] && taken[2]);
    t_expect_ok(store_run_claimed(db, &due, first.node, taken));
    t_expect(taken[0] && taken[1] && !taken[2]);
    t_expect_ok(store_run_get_any(db, t_arena(), due.at[0].id, &now));
    t_expect_int(now.lease_epoch, 2);
    t_expect_int(now.state, 1);
    t_expect_int(now.wake_at, 0);
    t_expect_int(now.crashes, 0);
    t_expect_ok(store_run_due(db, t_arena(), time_wall(), 10, &due));
    t_expect_int(due.n, 0);
}
