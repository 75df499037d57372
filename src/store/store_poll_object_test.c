/* src/store/store_poll_object_test.c - what was seen in a bucket, on both databases. */
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_poll_object.h"
#include "store/test_store.h"

static Err put(struct db *db, Id watch, Str name, Str mark, enum poll_state state)
{
    struct db_tx *tx = db_begin(db, t_arena());
    store_poll_object_put(tx, watch, &(struct poll_object){name, mark, state});
    return db_commit(tx);
}

static Err done(struct db *db, Id watch, Str name, Str mark)
{
    struct db_tx *tx = db_begin(db, t_arena());
    store_poll_object_done(tx, watch, &(struct poll_object){.name = name, .mark = mark});
    return db_commit(tx);
}

/* "name=mark/state ..." behind @after. */
static Str seen(struct db *db, Id watch, Str after, int limit)
{
    PollObjects objects;
    Str all = S("");

    if (store_poll_objects(db, t_arena(), watch, after, limit, &objects) != OK)
        return S("failed");
    vec_each(&objects, o)
        all = str_fmt(t_arena(), "%.*s%.*s=%.*s/%d ", P(all), P(o->name), P(o->mark), o->state);
    return all;
}

DB_TEST(objects_come_in_the_byte_order_of_their_names)
{
    Id watch = id_new();

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put(db, watch, S("b"), S("1"), POLL_NEW));
    t_expect_ok(put(db, watch, S("\xc3\xa4"), S("1"), POLL_NEW));
    t_expect_ok(put(db, watch, S("B"), S("1"), POLL_DONE));
    t_expect_ok(put(db, watch, S("a/ 'x"), S("1"), POLL_CHANGED));
    t_expect_ok(put(db, id_new(), S("other"), S("1"), POLL_NEW));
    t_expect_str(seen(db, watch, S(""), 10), S("B=1/1 a/ 'x=1/2 b=1/0 \xc3\xa4=1/0 "));
    t_expect_str(seen(db, watch, S("B"), 2), S("a/ 'x=1/2 b=1/0 "));
    struct db_tx *tx = db_begin(db, t_arena());
    store_poll_object_drop(tx, watch, S("b"));
    t_expect_ok(db_commit(tx));
    t_expect_str(seen(db, watch, S("a/ 'x"), 10), S("\xc3\xa4=1/0 "));
}

DB_TEST(an_object_is_done_once_and_who_comes_late_does_not_undo_it)
{
    Id watch = id_new();

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put(db, watch, S("a"), S("1"), POLL_NEW));
    t_expect_err(done(db, watch, S("a"), S("2")), E_CONFLICT);
    t_expect_ok(done(db, watch, S("a"), S("1")));
    t_expect_err(done(db, watch, S("a"), S("1")), E_CONFLICT);
    t_expect_ok(put(db, watch, S("a"), S("1"), POLL_NEW));
    t_expect_str(seen(db, watch, S(""), 10), S("a=1/1 "));
    t_expect_ok(put(db, watch, S("a"), S("2"), POLL_CHANGED));
    t_expect_str(seen(db, watch, S(""), 10), S("a=2/2 "));
}

DB_TEST(what_was_seen_in_watches_that_are_over_is_swept_away_piece_by_piece)
{
    Id workflow = id_new(), tenant = id_new();
    struct poll_row row = {.tenant = tenant,
                           .kind = S("s3"),
                           .version = 1,
                           .hash = S("01234567890123456789012345678901"),
                           .spec = S("a")};
    struct poll_row was, is;
    bool more = true;

    t_expect_ok(db_migrate(db, migrations));
    struct db_tx *tx = db_begin(db, t_arena());
    store_poll_put(tx, workflow, &row);
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_poll_get(db, t_arena(), tenant, workflow, &was));
    for (int i = 0; i < 5; i++)
        t_expect_ok(put(db, was.watch, str_fmt(t_arena(), "%d", i), S("1"), POLL_DONE));
    tx = db_begin(db, t_arena());
    store_poll_put(tx, workflow, &row);
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_poll_sweep(db, t_arena(), 2, &more));
    t_expect(!more); /* the same is looked at */
    row.spec = S("b");
    tx = db_begin(db, t_arena());
    store_poll_put(tx, workflow, &row);
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_poll_get(db, t_arena(), tenant, workflow, &is));
    t_expect_ok(put(db, is.watch, S("x"), S("1"), POLL_DONE));
    t_expect_ok(store_poll_sweep(db, t_arena(), 2, &more));
    t_expect(more);
    t_expect_str(seen(db, was.watch, S(""), 10), S("2=1/1 3=1/1 4=1/1 "));
    t_expect_ok(store_poll_sweep(db, t_arena(), 10, &more));
    t_expect_ok(store_poll_sweep(db, t_arena(), 10, &more));
    t_expect(!more);
    t_expect_str(seen(db, was.watch, S(""), 10), S(""));
    t_expect_str(seen(db, is.watch, S(""), 10), S("x=1/1 "));
    tx = db_begin(db, t_arena());
    store_poll_put(tx, workflow, NULL);
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_poll_sweep(db, t_arena(), 10, &more));
    t_expect_str(seen(db, is.watch, S(""), 10), S(""));
}
