/* src/store/store_child_test.c - runs that other runs have started, as rows. */
#include "store/migrate.h"
#include "store/store_child.h"
#include "store/store_wait.h"
#include "store/test_store.h"

static struct run_row row_of(Id tenant)
{
    return (struct run_row){.id = id_new(),
                            .tenant = tenant,
                            .workflow = id_new(),
                            .hash = S("00000000000000000000000000000000"),
                            .origin = S("workflow"),
                            .created_at = time_wall(),
                            .lease_node = id_new(),
                            .lease_epoch = 1};
}

/* A run that waits, put away, and a child that it waits for (or not). */
static Err put_family(struct db *db, struct run_row *parent, struct run_row *child, Id wait)
{
    struct db_tx *tx = db_begin(db, t_arena());

    *parent = row_of(id_new());
    *child = row_of(parent->tenant);
    store_run_insert(tx, parent);
    store_run_insert_due(tx, child, &(struct journal_batch){.stored = S("[]")});
    store_child_insert(tx, &(struct child_row){child->id, parent->id, S("a"), wait});
    store_run_update(tx, parent->id, 1, 2, 0, STORE_WAKE_NEVER, true);
    return db_commit(tx);
}

static Err report(struct db *db, Id child)
{
    struct db_tx *tx = db_begin(db, t_arena());

    store_child_report(tx, &child, S("{}"), time_wall());
    return db_commit(tx);
}

DB_TEST(a_child_is_due_at_once_and_its_end_makes_its_parent_due_once)
{
    struct run_row parent, child;
    AnswerRows answers;
    RunRows due;
    Id wait = id_new();
    int64_t mail;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put_family(db, &parent, &child, wait));
    t_expect_ok(store_run_due(db, t_arena(), 0, 10, &due));
    t_expect_int(due.n, 1);
    t_expect(due.n == 1 && id_eq(due.at[0].id, child.id));
    t_expect_ok(report(db, child.id));
    t_expect_ok(report(db, child.id));
    t_expect_ok(store_run_due(db, t_arena(), 0, 10, &due));
    t_expect_int(due.n, 2);
    t_expect_ok(store_answers_of(db, t_arena(), parent.id, 10, &mail, &answers));
    t_expect_int(answers.n, 1);
    t_expect(answers.n == 1 && id_eq(answers.at[0].wait, wait));
}

DB_TEST(nobody_hears_of_a_child_that_is_not_waited_for_and_nobody_stops_it)
{
    struct run_row parent, child, row;
    AnswerRows answers;
    int64_t mail;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put_family(db, &parent, &child, ID_NONE));
    t_expect_ok(report(db, child.id));
    t_expect_ok(store_answers_of(db, t_arena(), parent.id, 10, &mail, &answers));
    t_expect_int(answers.n, 0);
    t_expect_int(mail, 0);
    struct db_tx *tx = db_begin(db, t_arena());
    store_child_cancel_all(tx, parent.id);
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_run_get_any(db, t_arena(), child.id, &row));
    t_expect(!row.cancel_requested);
}

DB_TEST(a_parent_stops_the_children_it_waits_for_and_they_are_listed)
{
    struct run_row parent, child, row;
    ChildEntries entries;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put_family(db, &parent, &child, id_new()));
    struct db_tx *tx = db_begin(db, t_arena());
    store_child_cancel_all(tx, parent.id);
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_run_get_any(db, t_arena(), child.id, &row));
    t_expect(row.cancel_requested);
    t_expect_ok(store_child_list(db, t_arena(), parent.id, 10, &entries));
    t_expect_int(entries.n, 1);
    t_expect(entries.n == 1 && id_eq(entries.at[0].run.id, child.id));
    t_expect(entries.n == 1 && str_eq(entries.at[0].child.node, S("a")));
    struct run_filter filter = {
        .tenant = parent.tenant, .parent = parent.id, .state = -1, .limit = 10};
    RunRows rows;
    t_expect_ok(store_run_list(db, t_arena(), &filter, &rows));
    t_expect_int(rows.n, 1);
}
