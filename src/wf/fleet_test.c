/* src/wf/fleet_test.c - nodes that are slow, gone, or have wrong clocks. */
#include "store/migrate.h"
#include "store/test_store.h"
#include "wf/fleet.h"

static const Usec PATIENCE = 30 * USEC_S;

static Err join(struct db *db, struct fleet *f, Str name)
{
    *f = (struct fleet){.self = id_new(), .name = name, .patience = PATIENCE};
    return store_node_register(db, f->self, name, false);
}

static int64_t count(struct db *db)
{
    return t_db_int(db, "SELECT count(*) FROM node", DB_NO_ARGS);
}

DB_TEST(a_node_without_a_sign_of_life_is_taken_off_the_list_and_may_come_back)
{
    struct fleet a, b;
    Usec now = 0;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(join(db, &a, S("a")));
    t_expect_ok(join(db, &b, S("b")));
    for (int i = 0; i < 10; i++, now += PATIENCE / 3) { /* both live */
        t_expect_ok(fleet_turn(&a, db, now));
        t_expect_ok(fleet_turn(&b, db, now));
    }
    t_expect_int(count(db), 2);
    t_expect_ok(fleet_turn(&a, db, now)); /* the last sign of b is seen here */
    t_expect_ok(fleet_turn(&a, db, now + PATIENCE - 1));
    t_expect_int(count(db), 2);
    t_expect_ok(fleet_turn(&a, db, now + PATIENCE));
    t_expect_int(count(db), 1);
    t_expect_ok(fleet_turn(&b, db, now + PATIENCE + 1)); /* it was only slow */
    t_expect_int(count(db), 2);
    fleet_done(&a);
    fleet_done(&b);
}

DB_TEST(a_node_whose_clock_is_wrong_is_not_taken_for_dead)
{
    struct fleet a;
    Id b = id_new();
    Usec now = 0;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(join(db, &a, S("a")));
    t_expect_ok(store_node_register(db, b, S("b"), false));
    for (int i = 0; i < 6; i++, now += PATIENCE / 3) {
        t_expect_ok(t_db_exec(db, "UPDATE node SET seen_at = ?1 WHERE id = ?2",
                              DB_ARGS(D_INT(1000 - i), D_ID(b)))); /* 1970, and running backwards */
        t_expect_ok(fleet_turn(&a, db, now));
    }
    t_expect_int(count(db), 2);
    fleet_done(&a);
}

DB_TEST(a_node_that_gave_a_sign_in_the_last_moment_stays)
{
    struct node_row row = {.id = id_new(), .seen_at = 5};

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(store_node_register(db, row.id, S("a"), false));
    t_expect_ok(store_node_bury(db, &row)); /* it has another time by now */
    t_expect_int(count(db), 1);
}
