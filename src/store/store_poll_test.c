/* src/store/store_poll_test.c - where workflows look for something new, on both databases. */
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_poll.h"
#include "store/test_store.h"

static const Usec NOW = 1700000000 * USEC_S;

static Err put(struct db *db, Id workflow, Id tenant, int version, Str spec)
{
    struct poll_row row = {.tenant = tenant,
                           .kind = S("file"),
                           .version = version,
                           .hash = S("01234567890123456789012345678901"),
                           .spec = spec};
    struct db_tx *tx = db_begin(db, t_arena());
    store_poll_put(tx, workflow, spec.n ? &row : NULL);
    return db_commit(tx);
}

static Err put_item(struct db *db, Id workflow, const struct poll_item *item)
{
    struct db_tx *tx = db_begin(db, t_arena());
    store_poll_item_put(tx, workflow, item);
    return db_commit(tx);
}

static Err done(struct db *db, Id workflow, struct poll_item item)
{
    struct db_tx *tx = db_begin(db, t_arena());
    store_poll_item_done(tx, workflow, &item);
    return db_commit(tx);
}

static Err looked(struct db *db, struct poll_row row, Usec now)
{
    row.is_first = false;
    row.next_at = now + USEC_S;
    return store_poll_looked(db, t_arena(), &row, now);
}

DB_TEST(one_takes_what_is_due_and_says_when_to_look_again)
{
    Id workflow = id_new(), tenant = id_new();
    PollRows rows, again;
    struct poll_row row;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put(db, workflow, tenant, 1, S("a")));
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 10, &rows));
    t_expect_int(rows.n, 1);
    t_expect(rows.at[0].is_first && id_eq(rows.at[0].tenant, tenant));
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 10, &again));
    t_expect_int(again.n, 0);
    rows.at[0].error = S("x");
    t_expect_ok(looked(db, rows.at[0], NOW));
    t_expect_ok(store_poll_get(db, t_arena(), tenant, workflow, &row));
    t_expect(!row.is_first);
    t_expect_int(row.next_at, NOW + USEC_S);
    t_expect_str(row.error, S("x"));
    t_expect_err(store_poll_get(db, t_arena(), id_new(), workflow, &row), E_NOT_FOUND);
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW + USEC_S, NOW + USEC_MIN, 10, &again));
    t_expect_int(again.n, 1);
    t_expect_ok(store_poll_free(db, t_arena(), ID_NONE)); /* who took it is gone */
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 10, &again));
    t_expect_int(again.n, 1);
}

/* How many of @rows are of @tenant. */
static int count(const PollRows *rows, Id tenant)
{
    int n = 0;

    vec_each(rows, row)
        n += id_eq(row->tenant, tenant);
    return n;
}

DB_TEST(a_tenant_with_many_to_be_looked_at_leaves_places_to_others)
{
    Id many = id_new(), few = id_new();
    PollRows rows, more;

    t_expect_ok(db_migrate(db, migrations));
    for (int i = 0; i < STORE_POLL_TENANT_MAX + 5; i++)
        t_expect_ok(put(db, id_new(), many, 1, S("a")));
    t_expect_ok(put(db, id_new(), few, 1, S("a")));
    t_expect_ok(put(db, id_new(), few, 1, S("a")));
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 12, &rows));
    t_expect_int(rows.n, 12);
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 100, &more));
    t_expect_int(count(&rows, many) + count(&more, many), STORE_POLL_TENANT_MAX);
    t_expect_int(count(&rows, few) + count(&more, few), 2);
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 100, &more));
    t_expect_int(more.n, 0);
    vec_each(&rows, row)
        if (id_eq(row->tenant, many)) {
            t_expect_ok(looked(db, *row, NOW + USEC_H));
            t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 100, &more));
            t_expect_int(more.n, 1); /* its place is free */
            break;
        }
}

DB_TEST(after_the_clock_was_set_back_it_is_looked_at_once_and_then_as_before)
{
    const Usec later = NOW + 3600 * USEC_S;
    Id workflow = id_new(), tenant = id_new();
    PollRows rows, again;
    bool due;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put(db, workflow, tenant, 1, S("a")));
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), later, later + USEC_MIN, 10, &rows));
    t_expect_int(rows.n, 1);
    t_expect_ok(looked(db, rows.at[0], later));
    t_expect_ok(store_poll_is_due(db, t_arena(), later - USEC_S, &due));
    t_expect(!due); /* so far clocks differ */
    t_expect_ok(store_poll_is_due(db, t_arena(), NOW, &due));
    t_expect(due);
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 10, &rows));
    t_expect_int(rows.n, 1);
    t_expect_ok(store_poll_is_due(db, t_arena(), NOW, &due));
    t_expect(!due); /* it is being looked at */
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 10, &again));
    t_expect_int(again.n, 0);
    t_expect_ok(looked(db, rows.at[0], NOW));
    t_expect_ok(store_poll_is_due(db, t_arena(), NOW, &due));
    t_expect(!due);
    t_expect_ok(store_poll_is_due(db, t_arena(), NOW + USEC_S, &due));
    t_expect(due);
}

DB_TEST(what_was_seen_stays_as_long_as_the_same_is_looked_at)
{
    Id workflow = id_new(), tenant = id_new();
    struct poll_item item = {id_new(), S("1 2"), POLL_NEW, NOW};
    PollItems items;
    struct poll_row row;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put(db, workflow, tenant, 1, S("a")));
    t_expect_ok(put_item(db, workflow, &item));
    t_expect_ok(put(db, workflow, tenant, 2, S("a")));
    t_expect_ok(store_poll_items(db, t_arena(), workflow, &items));
    t_expect_int(items.n, 1);
    t_expect_ok(put(db, workflow, tenant, 3, S("b")));
    t_expect_ok(store_poll_items(db, t_arena(), workflow, &items));
    t_expect_int(items.n, 0);
    t_expect_ok(store_poll_get(db, t_arena(), tenant, workflow, &row));
    t_expect(row.is_first);
    t_expect_ok(put_item(db, workflow, &item));
    t_expect_ok(put(db, workflow, tenant, 0, S("")));
    t_expect_ok(store_poll_items(db, t_arena(), workflow, &items));
    t_expect_int(items.n, 0);
    t_expect_err(store_poll_get(db, t_arena(), tenant, workflow, &row), E_NOT_FOUND);
}

DB_TEST(how_far_a_look_came_stays_as_long_as_the_same_is_looked_at)
{
    Id workflow = id_new(), tenant = id_new();
    PollRows rows;
    struct poll_row row;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put(db, workflow, tenant, 1, S("a")));
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 10, &rows));
    t_expect(!rows.at[0].failures && !rows.at[0].cursor.n);
    rows.at[0].cursor = S("so far");
    rows.at[0].failures = 3;
    t_expect_ok(looked(db, rows.at[0], NOW));
    t_expect_ok(store_poll_get(db, t_arena(), tenant, workflow, &row));
    t_expect_str(row.cursor, S("so far"));
    t_expect_int(row.failures, 3);
    t_expect_ok(put(db, workflow, tenant, 2, S("a")));
    t_expect_ok(store_poll_get(db, t_arena(), tenant, workflow, &row));
    t_expect_str(row.cursor, S("so far"));
    t_expect(id_eq(row.watch, rows.at[0].watch) && !row.failures);
    t_expect_ok(put(db, workflow, tenant, 3, S("b")));
    t_expect_ok(store_poll_get(db, t_arena(), tenant, workflow, &row));
    t_expect(!row.cursor.n && row.is_first && !id_eq(row.watch, rows.at[0].watch));
    /* Who still looks at what was there before leaves no trace. */
    t_expect_ok(store_poll_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 10, &rows));
    row.cursor = S("old");
    row.watch = id_new();
    t_expect_ok(looked(db, row, NOW));
    t_expect_ok(store_poll_get(db, t_arena(), tenant, workflow, &row));
    t_expect(!row.cursor.n && row.is_first);
}

DB_TEST(an_item_is_done_once_and_only_as_it_was_seen)
{
    Id workflow = id_new();
    struct poll_item item = {id_new(), S("1 2"), POLL_NEW, NOW}, other = item;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put_item(db, workflow, &item));
    other.mark = S("1 3");
    t_expect_err(done(db, workflow, other), E_CONFLICT);
    t_expect_ok(done(db, workflow, item));
    t_expect_err(done(db, workflow, item), E_CONFLICT);
    other.state = POLL_CHANGED;
    t_expect_ok(put_item(db, workflow, &other));
    t_expect_ok(done(db, workflow, other));
}
