/* src/wf/schedule_test.c - the scheduler on a real store: what is due fires, and once. */
#include "store/migrate.h"
#include "store/store_workflow.h"
#include "store/test_store.h"
#include "wf/schedule.h"
#include "wf/schedule_plan.h"

static const char hourly[] =
    "{\"heddle\":1,\"name\":\"x\",\"nodes\":[{\"id\":\"t\",\"type\":\"trigger\",\"data\":"
    "{\"trigger\":\"schedule\",\"schedule\":{\"repeat\":\"interval\",\"every\":\"1h\"}}}],"
    "\"edges\":[]}";

struct world {
    struct db *db;
    struct wf_def *def;
    struct wf_engine *engine;
    struct wf_scheduler *scheduler;
    Str hash;
};

static Err world_start(struct world *w, struct db *db)
{
    WfProblems problems = {0};
    uint8_t hash[32];

    *w = (struct world){.db = db};
    TRY(db_migrate(db, migrations));
    TRY(wf_def_parse(t_arena(), str_c(hourly), &problems, &w->def));
    wf_def_content_hash(w->def, hash);
    w->hash = str_dup(t_arena(), str_from((char *)hash, sizeof hash));
    struct db_tx *tx = db_begin(db, t_arena());
    store_definition_put(tx, w->hash, w->def->text);
    TRY(db_commit(tx));
    struct wf_engine_options options = {
        .db = db, .node_name = S("test"), .alone = db_kind(db) == DB_SQLITE};
    return wf_engine_new(&options, &w->engine);
}

static void world_stop(struct world *w)
{
    wf_scheduler_stop(w->scheduler);
    if (w->engine)
        wf_engine_drain(w->engine, USEC_S);
    wf_scheduler_free(w->scheduler);
    wf_engine_free(w->engine);
    wf_def_unref(w->def);
}

/* @n schedules that are due at @at. */
static Err put(struct world *w, int n, Usec at, struct schedule_row *ret_last)
{
    struct db_tx *tx = db_begin(w->db, t_arena());

    for (int i = 0; i < n; i++) {
        wf_schedule_row(t_arena(), w->def, id_new(), id_new(), 1, at, ret_last);
        ret_last->hash = w->hash;
        ret_last->next_at = ret_last->due_at = at;
        store_schedule_put(tx, ret_last->workflow, ret_last);
    }
    return db_commit(tx);
}

static int64_t runs(struct world *w)
{
    return t_db_int(w->db, "SELECT COUNT(*) FROM run", DB_NO_ARGS);
}

/* Until @sql gives @want; false after a minute. */
static bool comes(struct world *w, const char *sql, int64_t want)
{
    for (Usec end = usec_in(USEC_MIN); time_mono() < end;) {
        if (t_db_int(w->db, sql, DB_NO_ARGS) == want)
            return true;
        if (fiber_sleep(5 * USEC_MS) != OK)
            return false;
    }
    return false;
}

DB_TEST(schedules_that_are_due_fire_once_and_move_on)
{
    struct schedule_row row, now;
    Usec at = time_wall() - USEC_S;
    struct world w;

    t_expect_ok(world_start(&w, db));
    t_expect_ok(put(&w, 300, at, &row));
    w.scheduler = wf_scheduler_new(w.engine);
    t_expect(comes(&w, "SELECT COUNT(*) FROM schedule WHERE last_run IS NOT NULL", 300));
    t_expect_int(runs(&w), 300);
    t_expect_int(t_db_int(db, "SELECT COUNT(DISTINCT last_run) FROM schedule", DB_NO_ARGS), 300);
    t_expect_ok(store_schedule_get(db, t_arena(), row.workflow, &now));
    t_expect_int(now.last_at, at);
    t_expect_int(now.next_at, at - at % USEC_S + USEC_H);
    world_stop(&w);
}

DB_TEST(a_time_that_comes_again_starts_no_second_run)
{
    struct schedule_row row;
    Usec at = time_wall() - USEC_S;
    struct world w;

    t_expect_ok(world_start(&w, db));
    t_expect_ok(put(&w, 1, at, &row));
    w.scheduler = wf_scheduler_new(w.engine);
    t_expect(comes(&w, "SELECT COUNT(*) FROM schedule WHERE last_run IS NOT NULL", 1));
    /* As after the clock, or the table, was set back. */
    t_expect_ok(t_db_exec(db, "UPDATE schedule SET next_at = ?1, due_at = ?1, last_run = NULL",
                          DB_ARGS(D_INT(at))));
    wf_scheduler_changed(w.scheduler, row.workflow);
    t_expect(comes(&w, "SELECT COUNT(*) FROM schedule WHERE next_at > last_at", 1));
    t_expect_int(runs(&w), 1);
    world_stop(&w);
}

DB_TEST(a_row_that_was_moved_by_another_node_fires_nothing_here)
{
    struct schedule_row row;
    struct world w;

    t_expect_ok(world_start(&w, db));
    t_expect_ok(put(&w, 1, time_wall(), &row));
    struct db_tx *tx = db_begin(db, t_arena());
    store_schedule_advance(tx, &row, row.next_at + USEC_H, row.due_at + USEC_H, 0, ID_NONE,
                           time_wall());
    t_expect_ok(db_commit(tx));
    tx = db_begin(db, t_arena());
    store_schedule_advance(tx, &row, row.next_at + 2 * USEC_H, row.due_at + USEC_H, 0, ID_NONE,
                           time_wall());
    t_expect_err(db_commit(tx), E_CONFLICT);
    world_stop(&w);
}

DB_TEST(a_step_found_by_a_clock_that_was_ahead_is_known_by_it)
{
    Usec now = time_wall();
    struct schedule_row row;
    ScheduleRows ahead;
    struct world w;

    t_expect_ok(world_start(&w, db));
    t_expect_ok(put(&w, 1, now + 2 * USEC_DAY, &row));
    t_expect_ok(store_schedule_ahead(db, t_arena(), now + USEC_MIN, 10, &ahead));
    t_expect_int(ahead.n, 0);
    struct db_tx *tx = db_begin(db, t_arena());
    store_schedule_advance(tx, &row, row.next_at + USEC_DAY, row.due_at + USEC_DAY, 0, ID_NONE,
                           now + USEC_DAY);
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_schedule_ahead(db, t_arena(), now + USEC_MIN, 10, &ahead));
    t_expect_int(ahead.n, 1);
    world_stop(&w);
}

DB_TEST(a_publication_of_the_same_schedule_keeps_its_time_and_another_does_not)
{
    struct schedule_row row, next, got;
    struct world w;

    t_expect_ok(world_start(&w, db));
    t_expect_ok(put(&w, 1, time_wall() + USEC_MIN, &row));
    next = row;
    next.version = 2;
    next.next_at = next.due_at = row.next_at + USEC_H;
    struct db_tx *tx = db_begin(db, t_arena());
    store_schedule_put(tx, row.workflow, &next);
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_schedule_get(db, t_arena(), row.workflow, &got));
    t_expect(got.version == 2 && got.next_at == row.next_at && got.due_at == row.due_at);
    next.spec = S("another");
    tx = db_begin(db, t_arena());
    store_schedule_put(tx, row.workflow, &next);
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_schedule_get(db, t_arena(), row.workflow, &got));
    t_expect_int(got.next_at, next.next_at);
    tx = db_begin(db, t_arena());
    store_schedule_put(tx, row.workflow, NULL);
    t_expect_ok(db_commit(tx));
    t_expect_err(store_schedule_get(db, t_arena(), row.workflow, &got), E_NOT_FOUND);
    world_stop(&w);
}

/* A clock that was a year ahead has moved rows there. */
DB_TEST(rows_from_a_future_that_was_none_are_brought_back)
{
    struct schedule_row row;
    struct world w;

    t_expect_ok(world_start(&w, db));
    t_expect_ok(put(&w, 3, time_wall() + 365 * USEC_DAY, &row));
    t_expect_ok(t_db_exec(db, "UPDATE schedule SET moved_at = next_at, anchor = 0", DB_NO_ARGS));
    w.scheduler = wf_scheduler_new(w.engine);
    for (Usec end = usec_in(USEC_MIN); time_mono() < end;) {
        t_expect_ok(fiber_sleep(USEC_MS));
        t_expect_ok(store_schedule_get(db, t_arena(), row.workflow, &row));
        if (row.next_at < time_wall() + USEC_DAY)
            break;
    }
    t_expect(row.next_at > time_wall() && row.next_at <= time_wall() + USEC_H);
    t_expect_int(runs(&w), 0);
    world_stop(&w);
}
