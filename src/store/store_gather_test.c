/* src/store/store_gather_test.c - starts that become one run, on both databases. */
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_gather.h"
#include "store/test_store.h"

static const Usec NOW = 1700000000 * USEC_S;

static struct run_row new_run(Id workflow)
{
    return (struct run_row){.id = id_new(),
                            .tenant = id_new(),
                            .workflow = workflow,
                            .hash = S("01234567890123456789012345678901"),
                            .origin = S("api"),
                            .created_at = NOW};
}

/* A start of @kind at @at: quiet for 10 s, at most 25 s; three are a batch. */
static Err join_as(struct db *db, Id gate, enum gather_kind kind, Usec at, Str input, Str key,
                   struct gathered *ret_gathered)
{
    struct run_row run = new_run(gate);
    struct gather_join join = {.run = &run,
                               .gate = gate,
                               .name = S("g"),
                               .kind = kind,
                               .delay = 10 * USEC_S,
                               .max_delay = 25 * USEC_S,
                               .size = 3,
                               .size_bytes = 1000,
                               .input = input,
                               .key = key,
                               .fingerprint = S("00000000000000000000000000000000"),
                               .now = at};
    struct db_tx *tx = db_begin(db, t_arena());
    AUTO(db_cursor) *c = NULL;

    store_gather_join(tx, t_arena(), &join, &c);
    TRY(db_commit(tx));
    store_gather_joined(c, &join, ret_gathered);
    return OK;
}

static struct gathered join(struct db *db, Id gate, enum gather_kind kind, Usec at, Str input)
{
    struct gathered g = {0};
    if (join_as(db, gate, kind, at, input, S(""), &g) != OK)
        t_fail(__FILE__, __LINE__, "a start could not join");
    return g;
}

static Str inputs_of(struct db *db, Id run)
{
    GatherInputs inputs;
    Str all = S("");

    if (store_gather_inputs(db, t_arena(), run, &inputs) != OK)
        return S("failed");
    vec_each(&inputs, input)
        all = str_fmt(t_arena(), "%.*s%.*s|", P(all), P(*input));
    return all;
}

static struct run_row run_of(struct db *db, Id id)
{
    struct run_row row = {0};
    if (store_run_get_any(db, t_arena(), id, &row) != OK)
        t_fail(__FILE__, __LINE__, "there is no such run");
    return row;
}

DB_TEST(the_first_start_writes_a_run_that_nobody_takes_yet)
{
    Id gate = id_new();
    RunRows rows;

    t_expect_ok(db_migrate(db, migrations));
    struct gathered g = join(db, gate, GATHER_LAST, NOW, S("a"));
    struct run_row row = run_of(db, g.run);
    t_expect(id_is_none(row.lease_node));
    t_expect_int(row.wake_at, STORE_WAKE_NEVER);
    t_expect_ok(store_run_orphans(db, t_arena(), 10, &rows));
    t_expect_int(rows.n, 0);
    t_expect_ok(store_run_due(db, t_arena(), NOW + USEC_DAY, 10, &rows));
    t_expect_int(rows.n, 0);
}

DB_TEST(each_start_puts_off_what_is_due_but_not_for_ever)
{
    Id gate = id_new();

    t_expect_ok(db_migrate(db, migrations));
    struct gathered first = join(db, gate, GATHER_LAST, NOW, S("a"));
    t_expect_int(first.due_at, NOW + 10 * USEC_S);
    struct gathered second = join(db, gate, GATHER_LAST, NOW + 8 * USEC_S, S("b"));
    t_expect(id_eq(first.run, second.run));
    t_expect_int(second.n, 2);
    t_expect_int(second.due_at, NOW + 18 * USEC_S);
    struct gathered third = join(db, gate, GATHER_LAST, NOW + 16 * USEC_S, S("c"));
    t_expect_int(third.due_at, NOW + 25 * USEC_S);
    t_expect_str(inputs_of(db, first.run), S("c|"));
    struct gathered other = join(db, id_new(), GATHER_FIRST, NOW, S("x"));
    t_expect(!id_eq(first.run, other.run));
}

DB_TEST(the_first_input_is_kept_where_it_counts)
{
    Id gate = id_new();

    t_expect_ok(db_migrate(db, migrations));
    struct gathered g = join(db, gate, GATHER_FIRST, NOW, S("a"));
    (void)join(db, gate, GATHER_FIRST, NOW, S("b"));
    t_expect_str(inputs_of(db, g.run), S("a|"));
}

DB_TEST(a_full_batch_is_closed_and_the_next_start_opens_another)
{
    Id gate = id_new();
    struct gathered g[4];

    t_expect_ok(db_migrate(db, migrations));
    for (int i = 0; i < 4; i++)
        g[i] = join(db, gate, GATHER_ALL, NOW + i, str_from(&"abcd"[i], 1));
    t_expect(!g[1].closed && g[2].closed && !g[3].closed);
    t_expect_int(g[2].due_at, NOW + 10 * USEC_S); /* of a batch it does not move */
    t_expect_str(inputs_of(db, g[0].run), S("a|b|c|"));
    t_expect_int(run_of(db, g[0].run).wake_at, 0);
    t_expect(!id_eq(g[3].run, g[0].run));
    t_expect_int(g[3].n, 1);
    /* So is one with many bytes. */
    struct gathered large = join(db, gate, GATHER_ALL, NOW, str_fmt(t_arena(), "%01200d", 0));
    t_expect(id_eq(large.run, g[3].run) && large.closed);
}

DB_TEST(it_is_closed_when_it_is_due_and_once)
{
    Id gate = id_new();
    GatherDues dues;

    t_expect_ok(db_migrate(db, migrations));
    struct gathered g = join(db, gate, GATHER_LAST, NOW, S("a"));
    t_expect_err(store_gather_close(db, t_arena(), g.run, NOW + USEC_S), E_CONFLICT);
    t_expect_ok(store_gather_due(db, t_arena(), NOW + 11 * USEC_S, 10, &dues));
    t_expect_int(dues.n, 1);
    t_expect_ok(store_gather_close(db, t_arena(), g.run, NOW + 10 * USEC_S));
    t_expect_err(store_gather_close(db, t_arena(), g.run, NOW + 10 * USEC_S), E_CONFLICT);
    t_expect_int(run_of(db, g.run).wake_at, 0);
    t_expect_ok(store_gather_due(db, t_arena(), NOW + 11 * USEC_S, 10, &dues));
    t_expect_int(dues.n, 0);
    struct db_tx *tx = db_begin(db, t_arena());
    store_gather_expect_open(tx, g.run); /* nobody puts it back now */
    t_expect_err(db_commit(tx), E_CONFLICT);
}

DB_TEST(what_began_in_the_future_is_due_because_the_clock_was_set_back)
{
    GatherDues dues;

    t_expect_ok(db_migrate(db, migrations));
    struct gathered g = join(db, id_new(), GATHER_LAST, NOW, S("a"));
    t_expect_ok(store_gather_ahead(db, t_arena(), NOW - USEC_S, 10, &dues));
    t_expect_int(dues.n, 0);
    t_expect_ok(store_gather_ahead(db, t_arena(), NOW - USEC_MIN, 10, &dues));
    t_expect_int(dues.n, 1);
    t_expect_ok(store_gather_close(db, t_arena(), g.run, NOW - USEC_MIN));
}

DB_TEST(a_key_that_was_used_adds_nothing)
{
    Id gate = id_new(), run;
    struct gathered g, again;
    struct gather_row row;
    Str fingerprint;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(join_as(db, gate, GATHER_ALL, NOW, S("a"), S("k"), &g));
    t_expect_err(join_as(db, gate, GATHER_ALL, NOW, S("a"), S("k"), &again), E_EXISTS);
    t_expect_ok(store_run_by_key(db, t_arena(), gate, S("k"), &run, &fingerprint));
    t_expect(id_eq(run, g.run));
    t_expect_ok(join_as(db, gate, GATHER_ALL, NOW, S("b"), S("l"), &again));
    t_expect_ok(store_run_by_key(db, t_arena(), gate, S("l"), &run, &fingerprint));
    t_expect(id_eq(run, g.run));
    t_expect_ok(store_gather_get(db, t_arena(), g.run, &row));
    t_expect_int(row.n, 2);
    struct db_tx *tx = db_begin(db, t_arena());
    store_gather_drop(tx, g.run);
    t_expect_ok(db_commit(tx));
    t_expect_err(store_gather_get(db, t_arena(), g.run, &row), E_NOT_FOUND);
    t_expect_str(inputs_of(db, g.run), S(""));
}
