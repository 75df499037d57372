/* src/wf/retention_test.c - which runs are deleted when, and what goes with them. */
#include "store/migrate.h"
#include "store/test_store.h"
#include "wf/engine_private.h"

/* Who holds a run that is under way: nobody takes it up. */
static Id holder;

static struct wf_engine *engine_on(struct db *db, struct wf_retention_base base)
{
    struct wf_engine_options o = {
        .db = db, .node_name = S("test"), .alone = db_kind(db) == DB_SQLITE, .retention = base};
    struct wf_engine *e = NULL;

    Err err = db_migrate(db, migrations);
    if (err == OK)
        err = wf_engine_new(&o, &e);
    if (err != OK)
        t_fail(__FILE__, __LINE__, "no engine: %s", err_text(err));
    else
        holder = e->node;
    return e;
}

static void engine_off(struct wf_engine *e)
{
    wf_engine_drain(e, 0);
    wf_engine_free(e);
}

static void sweep_now(struct wf_engine *e)
{
    sweeper_turn(e->sweeper);
    while (atomic_load(&e->active)) {
        Err slept = fiber_sleep(2 * USEC_MS);
        (void)slept; /* nobody cancels a test */
    }
}

static Err put_workflow(struct db *db, Id tenant, const struct retention *rules, Id *ret_id)
{
    struct workflow_row row = {.id = id_new(),
                               .tenant = tenant,
                               .name = S("w"),
                               .description = S(""),
                               .draft = S("00000000000000000000000000000000"),
                               .created_at = time_wall()};

    *ret_id = row.id;
    TRY(store_workflow_create(db, t_arena(), &row, S("{}")));
    struct db_tx *tx = db_begin(db, t_arena());
    store_retention_put(tx, row.id, tenant, rules);
    return db_commit(tx);
}

/* A run of @workflow that ended in @state so long ago; 0: it is under way since. */
static Err put_run(struct db *db, Id tenant, Id workflow, int state, Usec age, Id *ret_id)
{
    Usec at = time_wall() - age;
    struct run_row row = {.id = id_floor(at),
                          .tenant = tenant,
                          .workflow = workflow,
                          .hash = S("00000000000000000000000000000000"),
                          .origin = S("api"),
                          .state = state ? state : WF_RUN_WAITING,
                          .created_at = at,
                          .finished_at = state ? at : 0,
                          .lease_node = holder,
                          .lease_epoch = 1};
    Id chance = id_new();
    struct db_tx *tx = db_begin(db, t_arena());

    memcpy(row.id.b + 8, chance.b + 8, 8);
    if (ret_id)
        *ret_id = row.id;
    store_run_insert(tx, &row);
    store_journal_append(tx, &row, 1, &(struct journal_batch){.stored = S("[]")}, true);
    store_run_key_insert(tx, t_arena(), workflow, str_from((char *)row.id.b, 16),
                         S("00000000000000000000000000000000"), row.id, at);
    return db_commit(tx);
}

static int64_t runs_of(struct db *db, Id workflow)
{
    return t_db_int(db, "SELECT COUNT(*) FROM run WHERE workflow_id = ?1", DB_ARGS(D_ID(workflow)));
}

static int64_t rows_of(struct db *db, const char *sql)
{
    return t_db_int(db, sql, DB_NO_ARGS);
}

static const struct wf_retention_base thirty_days = {.usual = {.age = 30 * USEC_DAY}};

DB_TEST(runs_that_are_old_enough_are_deleted_with_all_that_is_theirs)
{
    struct wf_engine *e = engine_on(db, thirty_days);
    Id tenant = id_new(), w, kept;

    t_expect_ok(put_workflow(db, tenant, NULL, &w));
    for (int i = 0; i < 130; i++)
        t_expect_ok(put_run(db, tenant, w, WF_RUN_SUCCEEDED + i % 3, 31 * USEC_DAY, NULL));
    t_expect_ok(put_run(db, tenant, w, WF_RUN_SUCCEEDED, 29 * USEC_DAY, NULL));
    t_expect_ok(put_run(db, tenant, w, WF_RUN_FAILED, 400 * USEC_DAY, &kept));
    t_expect_ok(store_run_keep(db, t_arena(), tenant, kept, true));
    t_expect_ok(put_run(db, tenant, w, 0, 500 * USEC_DAY, NULL)); /* it has not ended */
    sweep_now(e);
    t_expect_int(runs_of(db, w), 3);
    t_expect_int(rows_of(db, "SELECT COUNT(*) FROM journal"), 3);
    t_expect_int(rows_of(db, "SELECT COUNT(*) FROM run_key"), 3);
    /* Somebody lets it go: found when all is looked at again. */
    t_expect_ok(store_run_keep(db, t_arena(), tenant, kept, false));
    for (int i = 0; i < 60; i++)
        sweep_now(e);
    t_expect_int(runs_of(db, w), 2);
    engine_off(e);
}

DB_TEST(workflow_says_how_long_its_runs_are_kept_before_its_tenant_and_the_operator)
{
    struct wf_engine *e = engine_on(
        db, (struct wf_retention_base){.usual = {.age = 30 * USEC_DAY}, .max_age = 100 * USEC_DAY});
    Id tenant = id_new(), other = id_new(), own, plain, foreign;
    struct retention rules = {.of = {[RETENTION_SUCCEEDED] = {.age = USEC_DAY},
                                     [RETENTION_FAILED] = {.age = 1000 * USEC_DAY}}};
    struct retention of_tenant = {
        .of = {{.age = 10 * USEC_DAY}, {.age = 10 * USEC_DAY}, {.age = 10 * USEC_DAY}}};
    struct db_tx *tx = db_begin(db, t_arena());

    store_retention_put(tx, tenant, tenant, &of_tenant);
    t_expect_ok(db_commit(tx));
    t_expect_ok(put_workflow(db, tenant, &rules, &own));
    t_expect_ok(put_workflow(db, tenant, NULL, &plain));
    t_expect_ok(put_workflow(db, other, NULL, &foreign));
    t_expect_ok(put_run(db, tenant, own, WF_RUN_SUCCEEDED, 2 * USEC_DAY, NULL));     /* deleted */
    t_expect_ok(put_run(db, tenant, own, WF_RUN_FAILED, 2 * USEC_DAY, NULL));        /* kept */
    t_expect_ok(put_run(db, tenant, own, WF_RUN_FAILED, 99 * USEC_DAY, NULL));       /* kept */
    t_expect_ok(put_run(db, tenant, own, WF_RUN_FAILED, 101 * USEC_DAY, NULL));      /* deleted */
    t_expect_ok(put_run(db, tenant, own, WF_RUN_CANCELLED, 9 * USEC_DAY, NULL));     /* kept */
    t_expect_ok(put_run(db, tenant, own, WF_RUN_CANCELLED, 11 * USEC_DAY, NULL));    /* deleted */
    t_expect_ok(put_run(db, tenant, plain, WF_RUN_SUCCEEDED, 11 * USEC_DAY, NULL));  /* deleted */
    t_expect_ok(put_run(db, other, foreign, WF_RUN_SUCCEEDED, 11 * USEC_DAY, NULL)); /* kept */
    sweep_now(e);
    t_expect_int(runs_of(db, own), 3);
    t_expect_int(runs_of(db, plain), 0);
    t_expect_int(runs_of(db, foreign), 1);
    engine_off(e);
}

DB_TEST(so_many_runs_of_each_outcome_are_kept_the_newest)
{
    struct wf_engine *e = engine_on(db, (struct wf_retention_base){0});
    struct retention rules = {
        .of = {[RETENTION_SUCCEEDED] = {.count = 5}, [RETENTION_FAILED] = {.count = 2}}};
    Id tenant = id_new(), w, oldest;

    t_expect_ok(put_workflow(db, tenant, &rules, &w));
    t_expect_ok(put_run(db, tenant, w, WF_RUN_SUCCEEDED, 900 * USEC_DAY, &oldest));
    t_expect_ok(store_run_keep(db, t_arena(), tenant, oldest, true));
    for (int i = 1; i <= 20; i++) {
        t_expect_ok(put_run(db, tenant, w, WF_RUN_SUCCEEDED, i * USEC_MIN, NULL));
        t_expect_ok(put_run(db, tenant, w, WF_RUN_FAILED, i * USEC_MIN, NULL));
        t_expect_ok(put_run(db, tenant, w, WF_RUN_CANCELLED, i * USEC_MIN, NULL));
    }
    sweep_now(e);
    t_expect_int(runs_of(db, w), 1 + 5 + 2 + 20);
    struct run_row row;
    t_expect_ok(store_run_get(db, t_arena(), tenant, oldest, &row));
    t_expect(row.keep);
    t_expect_err(store_run_keep(db, t_arena(), id_new(), oldest, false), E_NOT_FOUND);
    engine_off(e);
}

DB_TEST(run_that_is_marked_while_it_is_deleted_is_kept_whole)
{
    struct wf_engine *e = engine_on(db, thirty_days);
    struct retention_range range = {.first_state = 0, .last_state = 9};
    Id tenant = id_new(), w, run;
    EndedRuns runs;
    size_t n;

    memset(range.before.b, 0xff, sizeof range.before.b);
    t_expect_ok(put_workflow(db, tenant, NULL, &w));
    t_expect_ok(put_run(db, tenant, w, WF_RUN_SUCCEEDED, 40 * USEC_DAY, &run));
    range.workflow = w;
    t_expect_ok(store_retention_find(db, t_arena(), &range, 10, &runs));
    t_expect_int(runs.n, 1);
    t_expect_ok(store_run_keep(db, t_arena(), tenant, run, true));
    t_expect_err(store_retention_delete(db, t_arena(), &runs, &n), E_CONFLICT);
    t_expect_int(rows_of(db, "SELECT COUNT(*) FROM journal"), 1);
    sweep_now(e);
    t_expect_int(runs_of(db, w), 1);
    engine_off(e);
}
