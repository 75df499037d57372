/* src/wf/engine_test.c - how runs are started, on a real store. */
#include "rt/fiber.h"
#include "store/migrate.h"
#include "store/test_store.h"
#include "wf/engine.h"

static const char by_hand[] =
    "{\"heddle\":1,\"name\":\"x\",\"nodes\":[{\"id\":\"t\",\"type\":\"trigger\",\"data\":{}}],"
    "\"edges\":[]}";

struct caller {
    struct wf_engine *engine;
    struct wf_def *def;
    bool is_gone; /* what @also looks at is no more */
    int seen, seen_late;
    Err gave;
};

static void look(struct db_tx *tx, Id run, void *ctx)
{
    struct caller *c = ctx;

    (void)tx;
    (void)run;
    c->seen++;
    c->seen_late += c->is_gone;
}

static Err start_cancelled(void *arg)
{
    struct caller *c = arg;
    AUTO(wf_run) *run = NULL;
    struct wf_start s = {.tenant = id_new(),
                         .workflow = id_new(),
                         .def = c->def,
                         .store_def = true,
                         .origin = S("api"),
                         .also = look,
                         .also_ctx = c};

    fiber_cancel(fiber_self());
    c->gave = wf_run_start(c->engine, &s, &run);
    c->is_gone = true;
    return OK;
}

DB_TEST(a_caller_that_is_cancelled_is_there_until_its_run_is_accepted)
{
    struct wf_engine_options options = {
        .db = db, .node_name = S("test"), .alone = db_kind(db) == DB_SQLITE};
    struct caller c = {.gave = E_INTERNAL};
    WfProblems problems = {0};

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(wf_def_parse(t_arena(), str_c(by_hand), &problems, &c.def));
    t_expect_ok(wf_engine_new(&options, &c.engine));
    AUTO(fiber) *f = fiber_start_ref("caller", start_cancelled, &c);
    while (!fiber_ended(f))
        t_expect_ok(fiber_sleep(USEC_MS));
    wf_engine_drain(c.engine, USEC_S);
    t_expect_ok(c.gave);
    t_expect_int(c.seen, 1);
    t_expect_int(c.seen_late, 0);
    t_expect_int(t_db_int(db, "SELECT COUNT(*) FROM run", DB_NO_ARGS), 1);
    wf_engine_free(c.engine);
    wf_def_unref(c.def);
}
