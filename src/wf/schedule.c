/* src/wf/schedule.c - the scheduler: one fiber that waits, and those that fire.
 *
 * The fiber knows only ids and times. Who fires reads the row, decides by schedule_plan.c, and
 * starts the run together with the row's next time; a row that somebody else has moved refuses, and
 * is looked at again. Times are compared with the wall clock at every look: when it is set ahead
 * what was passed over was missed, when it is set back rows that went too far are brought back, and
 * the keys of runs keep a time that comes again from firing again.
 */
#include "wf/schedule.h"

#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "wf/engine_private.h"
#include "wf/schedule_plan.h"
#include "wf/schedule_queue.h"

#include <stdlib.h>

static const Usec TICK = USEC_S;
static const Usec HORIZON = 30 * USEC_S;
static const Usec RELOAD = 5 * USEC_S; /* where other nodes may publish */
static const Usec TAKEOVER = 10 * USEC_S;
static const Usec RETRY = USEC_S;
static const Usec RETRY_FAULT = USEC_MIN; /* after what time alone does not mend */
static const Usec FLEET_SLACK = USEC_MIN;
static const Usec ROOM_TICK = 50 * USEC_MS;
static const Usec LATE = USEC_S;
enum { FIRING_MAX = 128, QUEUE_MAX = 200000, AHEAD_MAX = 500, TRIES = 5, CLOCK_CHECKS = 5 };

static struct metric turns_total = {
    "heddle_schedule_turns_total",
    "Turns of schedules: fired; of these late (by more than a second); missed (times given up); "
    "skipped (the run before was under way, or flow control refused it); failed (to be tried "
    "again).",
    METRIC_COUNTER, "outcome"};
static struct metric lag_seconds = {"heddle_schedule_lag_seconds",
                                    "From the time a schedule was due to the start of its run.",
                                    METRIC_HISTOGRAM, NULL};
static struct metric queue_gauge = {
    "heddle_schedules_soon", "Schedules in memory: due in the next half minute, or being fired.",
    METRIC_GAUGE, NULL};

struct wf_scheduler {
    struct wf_engine *engine;
    struct shard *shard;
    struct fiber *fiber;
    struct schedule_queue *queue;
    struct bell bell;
    bool loaded, failing;
    int clock_checks;          /* how many more looks mind the clock */
    Usec loaded_to;            /* wall: rows due before it are in the queue */
    Usec load_at;              /* monotonic */
    Usec seen_wall, seen_mono; /* both clocks at the last turn */
    Id *nodes;                 /* of the fleet, sorted */
    size_t n_nodes, self;      /* self: place in nodes */
    int firing;
    unsigned next_shard;
    atomic_bool stopping;
    _Atomic Usec said_at; /* monotonic */
};

static void count(const char *outcome)
{
    metric_add(metric_series(&turns_total, outcome), 1);
}

/* ---- firing one ---- */

/* One firing, on any shard. */
struct firing {
    struct wf_scheduler *s;
    Id workflow;
    Usec due; /* in: when it was due; out: when it is due next; 0: there is no such schedule */
    Err error;
};

/* What the transaction of the run takes along. */
struct step {
    const struct schedule_row *row;
    struct wf_schedule_turn turn;
    Usec due_at;
    Usec now; /* wall: when this was found */
};

static void advance(struct db_tx *tx, Id run, void *ctx)
{
    const struct step *step = ctx;
    store_schedule_advance(tx, step->row, step->turn.next_at, step->due_at, step->turn.fire_at, run,
                           step->now);
}

/* Move the row on without a run. */
static Err pass(struct wf_scheduler *s, struct arena *a, struct step *step)
{
    struct db_tx *tx = db_begin(s->engine->db, a);

    advance(tx, ID_NONE, step);
    return db_commit(tx);
}

static Err start_run(struct wf_scheduler *s, struct arena *a, struct wf_def *def, struct step *step)
{
    const struct wf_schedule_cfg *cfg = &wf_trigger_cfg(def)->schedule;
    const struct schedule_row *row = step->row;
    char at[TIME_RFC3339_SIZE];
    AUTO(wf_run) *run = NULL;
    Usec now = time_wall();
    struct wf_start start = {
        .tenant = row->tenant,
        .workflow = row->workflow,
        .version = row->version,
        .def = def,
        .origin = S("schedule"),
        .input = wf_schedule_input(a, cfg, step->turn.fire_at, now),
        .key = str_fmt(a, "schedule:%.*s", P(time_rfc3339(step->turn.fire_at, at))),
        .fingerprint = S("00000000000000000000000000000000"),
        .also = advance,
        .also_ctx = step,
    };
    TRY(INJECT("wf.schedule.before_start"));
    Err e = wf_run_start(s->engine, &start, &run);
    if (e == E_EXISTS)
        return pass(s, a, step); /* this time has fired, before the clock was set back */
    if (e == E_INVALID) { /* the key of its flow control: that of the next time may be found */
        LOG_WARN("a schedule's run was not accepted; this time is passed over", L_ERR(e));
        count("failed");
        return pass(s, a, step);
    }
    if (e == E_RATE_LIMITED || e == E_PRECONDITION) {
        count("skipped");
        return pass(s, a, step);
    }
    TRY(e);
    INJECT_VOID("wf.schedule.after_start");
    Usec lag = usec_max(now - wf_schedule_due(cfg, row->workflow, step->turn.fire_at), 0);
    metric_observe(metric_series(&lag_seconds), (double)lag / USEC_S);
    count("fired");
    if (lag > LATE)
        count("late");
    return OK;
}

/* Whether the run that was started last is still under way. */
static Err is_under_way(struct wf_scheduler *s, struct arena *a, Id id, bool *ret_is)
{
    struct run_row run;

    *ret_is = false;
    if (id_is_none(id))
        return OK;
    Err e = store_run_get_any(s->engine->db, a, id, &run);
    if (e == E_NOT_FOUND)
        return OK; /* ended so long ago that it is gone */
    TRY(e);
    *ret_is = !run.finished_at;
    return OK;
}

/* Do what is due for the row as it stands. E_CONFLICT: it does not stand so any more. */
static Err turn(struct wf_scheduler *s, struct arena *a, Id workflow, Usec *ret_due)
{
    AUTO(wf_def) *def = NULL;
    struct schedule_row row;
    bool under_way = false;

    TRY(store_schedule_get(s->engine->db, a, workflow, &row));
    *ret_due = row.due_at;
    if (row.due_at > time_wall())
        return OK;
    TRY(wf_engine_def(s->engine, row.hash, &def));
    if (!wf_schedule_is_set(def))
        return err_set(E_CORRUPT, "the version of a schedule has none");
    const struct wf_schedule_cfg *cfg = &wf_trigger_cfg(def)->schedule;
    Usec now = time_wall();
    struct step step = {&row, wf_schedule_turn(cfg, &row, now), 0, now};
    step.due_at = wf_schedule_due(cfg, workflow, step.turn.next_at);
    if (step.turn.fire_at && str_eq(cfg->overlap, S("skip")))
        TRY(is_under_way(s, a, row.last_run, &under_way));
    if (step.turn.fire_at && !under_way)
        TRY(start_run(s, a, def, &step));
    else
        TRY(pass(s, a, &step));
    if (step.turn.missed)
        count("missed");
    if (under_way)
        count("skipped");
    *ret_due = step.due_at;
    return OK;
}

static void fired(void *arg);

/* Sixty thousand schedules and a store that is gone are one line a second. */
static bool may_say(struct wf_scheduler *s)
{
    Usec now = time_mono(), said = atomic_load(&s->said_at);
    return now - said >= USEC_S && atomic_compare_exchange_strong(&s->said_at, &said, now);
}

static Err fire_fiber(void *arg)
{
    struct firing *f = arg;
    Err e = E_CONFLICT;

    fiber_shield(); /* the transaction looks at what stands on this stack */
    for (int i = 0; i < TRIES && e == E_CONFLICT; i++) {
        AUTO(arena) *a = arena_new(MIB(64));
        e = turn(f->s, a, f->workflow, &f->due);
    }
    if (e == E_NOT_FOUND) {
        f->due = 0;
        e = OK;
    }
    if (e != OK && e != E_SHUTDOWN && e != E_OVERLOADED && may_say(f->s))
        LOG_WARN("a schedule could not fire; it will be tried again", L_ERR(e));
    fiber_unshield();
    f->error = e;
    shard_post(f->s->shard, fired, f);
    return OK;
}

/* ---- the queue ---- */

static bool is_own(const struct wf_scheduler *s, Id workflow)
{
    uint64_t hash = str_hash(str_from((const char *)workflow.b, sizeof workflow.b));
    return s->n_nodes < 2 || (hash >> 32) % s->n_nodes == s->self;
}

/* Back on the scheduler's shard. */
static void fired(void *arg)
{
    struct firing *f = arg;
    struct wf_scheduler *s = f->s;

    s->firing--;
    if (f->error != OK) {
        count("failed");
        schedule_queue_put(s->queue, f->workflow,
                           time_wall() + (err_retry(f->error) == RETRY_NO ? RETRY_FAULT : RETRY));
    } else if (f->due && f->due < time_wall() + HORIZON && is_own(s, f->workflow)) {
        schedule_queue_put(s->queue, f->workflow, f->due);
    } else {
        schedule_queue_forget(s->queue, f->workflow); /* a later look brings it in again */
    }
    free(f);
    bell_ring(&s->bell);
}

/* Whether more may be fired now. The rest of a herd waits in the queue, not in the engine. */
static bool has_room(const struct wf_scheduler *s)
{
    size_t max = s->engine->o.max_active * shard_count();

    return s->firing < FIRING_MAX && !atomic_load(&s->stopping) &&
           atomic_load(&s->engine->active) + FIRING_MAX < max;
}

static void fire_due(struct wf_scheduler *s)
{
    Id workflow;
    Usec due;

    while (has_room(s) && schedule_queue_take(s->queue, time_wall(), &workflow, &due)) {
        struct firing *f = malloc(sizeof *f);
        if (!f)
            DIE("out of memory");
        *f = (struct firing){s, workflow, due, OK};
        s->firing++;
        shard_start(shard_at(s->next_shard++ % shard_count()), "schedule", fire_fiber, f);
    }
}

struct loading {
    struct wf_scheduler *s;
    Usec overdue, last;
};

static void meet(void *ctx, Id workflow, Usec due)
{
    struct loading *l = ctx;

    l->last = due;
    if (due < l->overdue || is_own(l->s, workflow))
        schedule_queue_meet(l->s->queue, workflow, due);
}

/* Bring in what is due from @from up to the horizon; as much as there is room for. */
static Err load(struct wf_scheduler *s, Usec from)
{
    AUTO(arena) *a = arena_new(MIB(4));
    Usec now = time_wall(), to = now + HORIZON;
    struct loading l = {s, now - TAKEOVER, from};
    size_t known = schedule_queue_count(s->queue), n = 0;

    if (known >= QUEUE_MAX || from >= to)
        return OK;
    TRY(store_schedule_due(s->engine->db, a, from, to, QUEUE_MAX - known, meet, &l, &n));
    s->loaded_to = n == QUEUE_MAX - known ? l.last : to;
    return OK;
}

static int compare_ids(const void *a, const void *b)
{
    return id_cmp(*(const Id *)a, *(const Id *)b);
}

/* Who shares the work: this node's place among those on the list. */
static Err look_at_fleet(struct wf_scheduler *s)
{
    AUTO(arena) *a = arena_new(MIB(4));
    NodeRows rows;

    if (s->engine->o.alone)
        return OK;
    TRY(store_node_list(s->engine->db, a, &rows));
    Id *nodes = calloc(rows.n + 1, sizeof *nodes);
    if (!nodes)
        DIE("out of memory");
    for (size_t i = 0; i < rows.n; i++)
        nodes[i] = rows.at[i].id;
    qsort(nodes, rows.n, sizeof *nodes, compare_ids);
    free(s->nodes);
    s->nodes = nodes;
    s->n_nodes = rows.n;
    s->self = 0;
    for (size_t i = 0; i < rows.n; i++)
        if (id_eq(nodes[i], s->engine->node))
            s->self = i;
    return OK;
}

/* ---- the clock ---- */

static Err bring_back(struct wf_scheduler *s, struct arena *a, const struct schedule_row *row,
                      Usec now)
{
    AUTO(wf_def) *def = NULL;

    TRY(wf_engine_def(s->engine, row->hash, &def));
    const struct wf_schedule_cfg *cfg = &wf_trigger_cfg(def)->schedule;
    struct step step = {row, {.next_at = wf_schedule_next(cfg, row->anchor, now)}, 0, now};
    step.due_at = wf_schedule_due(cfg, row->workflow, step.turn.next_at);
    struct db_tx *tx = db_begin(s->engine->db, a);
    advance(tx, ID_NONE, &step);
    Err e = db_commit(tx);
    return e == E_CONFLICT ? OK : e;
}

/* At every turn: a clock that is set ahead and back again may have fired in between. */
static bool went_back(struct wf_scheduler *s)
{
    Usec wall = time_wall(), mono = time_mono();
    bool back = s->seen_mono && wall - s->seen_wall < mono - s->seen_mono - CLOCK_SLACK;

    s->seen_wall = wall;
    s->seen_mono = mono;
    return back;
}

/* Rows that were moved on in what is the future now went by a clock that was wrong: they would be
 * silent until then. */
static Err mind_clock(struct wf_scheduler *s)
{
    /* Other nodes' clocks may be ahead of this one's. */
    Usec wall = time_wall(), slack = s->engine->o.alone ? CLOCK_SLACK : FLEET_SLACK;
    ScheduleRows rows = {.n = AHEAD_MAX};

    while (s->clock_checks && rows.n == AHEAD_MAX) {
        AUTO(arena) *a = arena_new(MIB(64));
        TRY(store_schedule_ahead(s->engine->db, a, wall + slack, AHEAD_MAX, &rows));
        vec_each(&rows, row)
            TRY(bring_back(s, a, row, wall));
        if (rows.n) {
            LOG_WARN("the clock was set back; schedules go by it again",
                     L_INT("schedules", rows.n));
            s->loaded = false;
        }
    }
    s->clock_checks -= s->clock_checks > 0;
    return OK;
}

/* ---- the fiber ---- */

static Err look(struct wf_scheduler *s)
{
    bool whole = !s->loaded || (!s->engine->o.alone && time_mono() >= s->load_at);

    TRY(mind_clock(s));
    if (whole || !s->loaded) {
        TRY(look_at_fleet(s));
        TRY(load(s, 0));
        s->loaded = true;
        s->load_at = usec_in(RELOAD);
        return OK;
    }
    return load(s, s->loaded_to);
}

/* Until the next is due, something ends, or it is time to look into the store. */
static Err wait_next(struct wf_scheduler *s, Usec look_at)
{
    Usec next = schedule_queue_next(s->queue), until = look_at;

    if (next != USEC_NEVER && s->firing < FIRING_MAX)
        until = usec_min(until,
                         time_mono() + (has_room(s) ? usec_max(next - time_wall(), 0) : ROOM_TICK));
    Err e = bell_wait(&s->bell, until);
    return e == E_TIMEOUT ? OK : e;
}

static Err watch(void *arg)
{
    struct wf_scheduler *s = arg;
    struct metric_series *gauge = metric_series(&queue_gauge);
    Usec look_at = 0;

    while (!fiber_cancelled()) {
        if (went_back(s)) {
            /* More than once: what was being fired meanwhile is written a little later. */
            s->clock_checks = CLOCK_CHECKS;
            s->loaded = false;
            look_at = 0;
        }
        if (time_mono() >= look_at) {
            Err e = look(s);
            if (e != OK && e != E_CANCELLED && !s->failing)
                LOG_WARN("the scheduler waits for the store", L_ERR(e));
            s->failing = e != OK;
            look_at = usec_in(TICK);
        }
        fire_due(s);
        metric_set(gauge, (int64_t)schedule_queue_count(s->queue));
        if (wait_next(s, look_at) != OK)
            break;
    }
    return OK;
}

struct change {
    struct wf_scheduler *s;
    Id workflow;
};

/* Due at once: whoever fires it reads when it really is. */
static void change_here(void *arg)
{
    struct change *c = arg;

    if (!atomic_load(&c->s->stopping)) {
        schedule_queue_put(c->s->queue, c->workflow, time_wall());
        bell_ring(&c->s->bell);
    }
    free(c);
}

void wf_scheduler_changed(struct wf_scheduler *s, Id workflow)
{
    struct change *c = s ? malloc(sizeof *c) : NULL;

    if (!s)
        return;
    if (!c)
        DIE("out of memory");
    *c = (struct change){s, workflow};
    shard_post(s->shard, change_here, c);
}

/* ---- life ---- */

struct wf_scheduler *wf_scheduler_new(struct wf_engine *e)
{
    struct wf_scheduler *s = calloc(1, sizeof *s);

    if (!s)
        DIE("out of memory");
    s->engine = e;
    s->shard = shard_self();
    s->queue = schedule_queue_new();
    s->clock_checks = 1; /* of a clock that was set back while nobody looked */
    s->fiber = fiber_start_ref("scheduler", watch, s);
    return s;
}

void wf_scheduler_stop(struct wf_scheduler *s)
{
    if (!s)
        return;
    atomic_store(&s->stopping, true);
    fiber_shield();
    fiber_cancel(s->fiber);
    while (s->firing || !fiber_ended(s->fiber)) {
        Err slept = fiber_sleep(2 * USEC_MS);
        (void)slept; /* shielded: it ends by itself */
    }
    fiber_unshield();
}

void wf_scheduler_free(struct wf_scheduler *s)
{
    if (!s)
        return;
    fiber_unref(s->fiber);
    schedule_queue_free(s->queue);
    free(s->nodes);
    free(s);
}
