/* src/store/store_flow_test.c - gates on both databases. */
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_flow.h"
#include "store/store_run.h"
#include "store/test_store.h"

static const Usec NOW = 1700000000 * USEC_S;

static Id put_run(struct db *db)
{
    struct db_tx *tx = db_begin(db, t_arena());
    struct run_row row = {.id = id_new(),
                          .tenant = id_new(),
                          .workflow = id_new(),
                          .hash = S("01234567890123456789012345678901"),
                          .origin = S("api"),
                          .created_at = NOW,
                          .lease_node = id_new(),
                          .lease_epoch = 1};

    store_run_insert(tx, &row);
    if (db_commit(tx) != OK)
        t_fail(__FILE__, __LINE__, "a run could not be put");
    return row.id;
}

static Err enter(struct db *db, const struct flow_gate *gate, struct flow_entry entry,
                 enum flow_state *ret_state)
{
    struct db_tx *tx = db_begin(db, t_arena());
    AUTO(db_cursor) *c = NULL;

    entry.gate = gate->id;
    store_flow_enter(tx, gate, &entry, NOW, &c);
    TRY(db_commit(tx));
    *ret_state = db_next(c) ? (enum flow_state)db_int(c, 0) : FLOW_ASLEEP;
    return OK;
}

static void leave(struct db *db, Id run)
{
    struct db_tx *tx = db_begin(db, t_arena());
    store_flow_leave(tx, run);
    t_expect_ok(db_commit(tx));
}

DB_TEST(a_gate_admits_as_many_as_there_is_room_for)
{
    struct flow_gate gate = {.id = id_new(), .tenant = id_new(), .name = S("g"), .concurrency = 2};
    struct flow_look look;
    Id runs[4];

    t_expect_ok(db_migrate(db, migrations));
    for (int i = 0; i < 4; i++) {
        enum flow_state state;
        runs[i] = put_run(db);
        t_expect_ok(enter(db, &gate, (struct flow_entry){.run = runs[i], .rank = NOW + i}, &state));
        t_expect_int(state, i < 2 ? FLOW_ADMITTED : FLOW_QUEUED);
    }
    t_expect_ok(store_flow_look(db, t_arena(), gate.id, 10, &look));
    t_expect_int(look.admitted, 2);
    t_expect_int(look.n, 2);
    t_expect(id_eq(look.next[0].run, runs[2]));
    t_expect_err(store_flow_admit(db, t_arena(), &look, 1, 0, NOW), E_CONFLICT); /* it is full */
    leave(db, runs[0]);
    t_expect_err(store_flow_admit(db, t_arena(), &look, 2, 0, NOW), E_CONFLICT);
    t_expect_ok(store_flow_admit(db, t_arena(), &look, 1, 0, NOW));
    t_expect_err(store_flow_admit(db, t_arena(), &look, 1, 0, NOW), E_CONFLICT); /* twice */
    enum flow_state state;
    int64_t mail;
    t_expect_ok(store_flow_state_of(db, t_arena(), runs[2], &state, &mail));
    t_expect_int(state, FLOW_ADMITTED);
    t_expect_int(mail, 1);
    t_expect_ok(store_flow_state_of(db, t_arena(), runs[3], &state, &mail));
    t_expect_int(state, FLOW_QUEUED);
    t_expect_int(mail, 0);
}

DB_TEST(those_before_a_gate_take_turns)
{
    struct flow_gate gate = {.id = id_new(), .tenant = id_new(), .name = S("g"), .concurrency = 1};
    static const char who[] = "xaaabb", order[] = "ababa";
    enum flow_state state;
    struct flow_look look;
    Id runs[6];

    t_expect_ok(db_migrate(db, migrations));
    for (int i = 0; i < 6; i++) {
        Id fair = {{(uint8_t)who[i]}};
        runs[i] = put_run(db);
        t_expect_ok(enter(
            db, &gate, (struct flow_entry){.run = runs[i], .rank = NOW + i, .fair = fair}, &state));
    }
    t_expect_ok(store_flow_look(db, t_arena(), gate.id, 10, &look));
    t_expect_int(look.n, 5);
    for (size_t i = 0; i < look.n; i++)
        for (int k = 0; k < 6; k++)
            if (id_eq(look.next[i].run, runs[k]))
                t_expect_int(who[k], order[i]);
}

/* "b" always has one run before the gate when its last one passes; "a" has many. */
DB_TEST(who_comes_one_at_a_time_does_not_pass_those_who_wait_in_line)
{
    struct flow_gate gate = {.id = id_new(), .tenant = id_new(), .name = S("g"), .concurrency = 1};
    Id a = {{'a'}}, b = {{'b'}}, in, next = ID_NONE;
    enum flow_state state;
    struct flow_look look;
    int of_a = 0;

    t_expect_ok(db_migrate(db, migrations));
    in = put_run(db);
    t_expect_ok(enter(db, &gate, (struct flow_entry){.run = in, .rank = NOW, .fair = b}, &state));
    for (int i = 1; i < 4; i++)
        t_expect_ok(enter(db, &gate,
                          (struct flow_entry){.run = put_run(db), .rank = NOW + i, .fair = a},
                          &state));
    for (int i = 4; i < 12; i++) {
        if (id_is_none(next)) {
            next = put_run(db);
            t_expect_ok(enter(
                db, &gate, (struct flow_entry){.run = next, .rank = NOW + i, .fair = b}, &state));
        }
        leave(db, in);
        t_expect_ok(store_flow_look(db, t_arena(), gate.id, 1, &look));
        t_expect_ok(store_flow_admit(db, t_arena(), &look, 1, 0, NOW));
        in = look.next[0].run;
        of_a += !id_eq(in, next);
        if (id_eq(in, next))
            next = ID_NONE;
    }
    t_expect_int(of_a, 3);
}

DB_TEST(a_gate_refuses_a_second_run_and_one_that_comes_too_fast)
{
    struct flow_gate gate = {.id = id_new(), .tenant = id_new(), .name = S("g")};
    enum flow_state state;
    Id first;
    struct flow_look look;

    t_expect_ok(db_migrate(db, migrations));
    first = put_run(db);
    t_expect_ok(enter(db, &gate, (struct flow_entry){.run = first, .alone = true}, &state));
    t_expect_int(state, FLOW_ADMITTED);
    t_expect_err(enter(db, &gate, (struct flow_entry){.run = put_run(db), .alone = true}, &state),
                 E_CONFLICT);
    leave(db, first);
    t_expect_ok(enter(db, &gate, (struct flow_entry){.run = put_run(db), .alone = true}, &state));
    gate.id = id_new();
    for (int i = 0; i < 5; i++) {
        struct flow_entry entry = {
            .run = put_run(db), .rate_gap = USEC_S, .rate_slack = 2 * USEC_S};
        Err e = enter(db, &gate, entry, &state);
        t_expect_int(e, i < 3 ? OK : E_CONFLICT);
    }
    t_expect_ok(store_flow_look(db, t_arena(), gate.id, 10, &look));
    t_expect_int(look.gate.rate_at, NOW + 3 * USEC_S);
}

DB_TEST(nothing_is_left_of_runs_that_are_gone)
{
    struct flow_gate gate = {.id = id_new(), .tenant = id_new(), .name = S("g"), .concurrency = 1};
    struct flow_look look;
    enum flow_state state;
    FlowGates waiting;
    FlowLooks looks;
    Id run, other;

    t_expect_ok(db_migrate(db, migrations));
    run = put_run(db);
    other = put_run(db);
    t_expect_ok(enter(db, &gate, (struct flow_entry){.run = run}, &state));
    t_expect_ok(enter(db, &gate, (struct flow_entry){.run = other}, &state));
    t_expect_ok(store_flow_waiting(db, t_arena(), ID_NONE, 1000, &waiting));
    bool found = false;
    vec_each(&waiting, id)
        found = found || id_eq(*id, gate.id);
    t_expect(found);
    t_expect_ok(store_flow_list(db, t_arena(), gate.tenant, ID_NONE, 10, &looks));
    t_expect_int(looks.n, 1);
    t_expect_int(looks.at[0].queued, 1);
    t_expect_int(looks.at[0].admitted, 1);
    t_expect_ok(store_run_close(db, t_arena(), run, 1, 4));
    t_expect_ok(store_run_close(db, t_arena(), other, 1, 4));
    t_expect_ok(store_flow_list(db, t_arena(), gate.tenant, ID_NONE, 10, &looks));
    t_expect_int(looks.n, 0);
    t_expect_ok(store_flow_expire(db, t_arena(), NOW + 1, 1000));
    t_expect_err(store_flow_look(db, t_arena(), gate.id, 10, &look), E_NOT_FOUND);
}
