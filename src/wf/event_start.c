/* src/wf/event_start.c - see event_start.h: what is written, and the fiber that starts runs. */
#include "wf/event_start.h"

#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "wf/nodes/node_trigger.h"

#include <stdlib.h>

static const Usec TICK = USEC_S;
static const Usec LOOK = 2 * USEC_S; /* for triggers that other nodes have published */
static const Usec TAKEN = USEC_MIN;
static const Usec KEPT = 3 * USEC_DAY;
static const Usec PAUSE = USEC_S, PAUSE_MAX = USEC_MIN;
static const Usec PATIENCE = 5 * USEC_S; /* of conditions */
enum { AT_ONCE = 32, CHAIN_MAX = 16, EXPIRE_MAX = 500, NAMES_BYTES = 8 << 10 };

static struct metric starts_total = {
    "heddle_event_starts_total",
    "Events that reached a workflow's trigger: started a run, were filtered out, skipped by flow "
    "control, or refused.",
    METRIC_COUNTER, "outcome"};

struct event_starts {
    struct wf_engine *engine;
    struct shard *shard;
    struct fiber *fiber;
    struct bell bell;
    bool failing;
    atomic_bool any; /* somebody listens */
    atomic_uint changes;
    atomic_int busy; /* messages and fibers under way */
    int starting;    /* of these, fibers; on the shard of @fiber */
    unsigned next_shard;
};

static void count(const char *outcome)
{
    metric_add(metric_series(&starts_total, outcome), 1);
}

/* ---- what is written ---- */

bool event_starts_any(struct wf_engine *e)
{
    return atomic_load(&e->event_starts->any);
}

static struct json *path_below(const struct wf_run *run, struct arena *a)
{
    const struct json *above = json_at(run->state->cause, "path");
    struct json *path = json_arr(a);

    for (size_t i = 0; i < json_len(above); i++)
        json_push(a, path, json_item(above, i));
    json_push(a, path, json_id(a, run->row.workflow));
    return path;
}

struct json *run_cause_below(const struct wf_run *run, struct arena *a)
{
    return json_obj(a, "path", path_below(run, a), NULL);
}

/* An event as the run that it starts gets it. */
static Str body_text(struct arena *a, Id id, Str name, const struct json *key, Usec at,
                     const struct json *data)
{
    return json_text(a, json_obj(a, "id", json_id(a, id), "type", json_str(a, name), "key",
                                 key ? key : json_null(a), "at", json_time(a, at), "data",
                                 data ? data : json_null(a), NULL));
}

void run_event_put(struct wf_run *run, struct arena *a, struct db_tx *tx, Str name, Usec at,
                   const struct json *data)
{
    struct event_start_row row = {
        .id = id_new(), .tenant = run->row.tenant, .event = name, .created_at = time_wall()};

    if (!event_starts_any(run->engine))
        return;
    row.body = body_text(a, row.id, name, NULL, at, data);
    row.cause = json_text(
        a, json_obj(a, "run_id", json_id(a, run->row.id), "path", path_below(run, a), NULL));
    store_event_start_put(tx, &row);
    run->told = true;
}

void event_noticed_put(struct wf_engine *e, struct arena *a, struct db_tx *tx, Id tenant, Str name,
                       Usec at, const struct json *data)
{
    struct event_start_row row = {.id = id_new(),
                                  .tenant = tenant,
                                  .event = name,
                                  .cause = S("{\"path\":[]}"),
                                  .created_at = time_wall()};

    if (!event_starts_any(e))
        return;
    row.body = body_text(a, row.id, name, NULL, at, data);
    store_event_start_put(tx, &row);
}

void event_sent_put(struct wf_engine *e, struct arena *a, struct db_tx *tx,
                    const struct event_row *sent, const struct wf_send *send)
{
    struct event_start_row row = {.id = sent->id,
                                  .tenant = sent->tenant,
                                  .event = send->name,
                                  .cause = S("{\"path\":[]}"),
                                  .created_at = time_wall()};

    if (!event_starts_any(e))
        return;
    row.body = body_text(a, row.id, send->name, json_str(a, send->key), row.created_at, send->data);
    store_event_start_put(tx, &row);
}

Str wf_trigger_events(struct arena *a, const struct wf_def *def)
{
    const struct wf_trigger_cfg *cfg = wf_trigger_cfg(def);
    AUTO_BUF(names, NAMES_BYTES); /* 20 of 200 bytes */

    if (!str_eq(cfg->trigger, S("event")))
        return S("");
    buf_add_char(&names, ' ');
    for (size_t i = 0; i < json_len(cfg->event.on); i++) {
        buf_add(&names, json_str_of(json_item(cfg->event.on, i), S("")));
        buf_add_char(&names, ' ');
    }
    return str_dup(a, buf_str(&names));
}

/* ---- starting one ---- */

/* One event for one workflow, on any shard. */
struct starting {
    struct event_starts *s;
    struct arena *a;
    struct event_start_row row;
};

static bool listens(const struct wf_def *def, Str name)
{
    const struct wf_trigger_cfg *cfg = wf_trigger_cfg(def);

    for (size_t i = 0; str_eq(cfg->trigger, S("event")) && i < json_len(cfg->event.on); i++)
        if (str_eq(json_str_of(json_item(cfg->event.on, i), S("")), name))
            return true;
    return false;
}

/* Of whose runs, or with which key. */
static bool is_meant(const struct wf_event_cfg *cfg, const struct event_start_row *row,
                     const struct json *event)
{
    const struct json *data = json_at(event, "data");
    char own[ID_TEXT_SIZE];

    if (!trigger_event_is_own(row->event))
        return !cfg->key.n || str_eq(cfg->key, json_str_of(json_at(event, "key"), S("")));
    Str id = json_str_of(json_at(data, "workflow_id"), S(""));
    if (!id.n) /* it is of no workflow: a provider, a budget */
        return true;
    if (cfg->workflow.n)
        return str_eq(cfg->workflow, id) ||
               str_eq(cfg->workflow, json_str_of(json_at(data, "workflow_name"), S("")));
    return !str_eq(id, id_text(row->workflow, own));
}

static Err check_chain(const struct json *path, Id workflow)
{
    char id[ID_TEXT_SIZE];
    Str text = id_text(workflow, id);

    for (size_t i = 0; i < json_len(path); i++)
        if (str_eq(json_str_of(json_item(path, i), S("")), text))
            return err_detail(E_INVALID, "A run of this workflow has led to the event: it would "
                                         "start itself again and again.");
    if (json_len(path) >= CHAIN_MAX)
        return err_detail(E_INVALID, "Events may start each other's workflows %d deep at most.",
                          CHAIN_MAX);
    return OK;
}

/* Ask the conditions of the trigger, with the names that the run would have. */
static Err holds(struct wf_engine *e, struct arena *a, const struct wf_start *start, bool *ret_hold)
{
    const struct wf_event_cfg *cfg = &wf_trigger_cfg(start->def)->event;
    AUTO(wf_run) *run = NULL;

    *ret_hold = true;
    if (!cfg->conditions.n)
        return OK;
    run = run_of_start(e, start);
    TRY(run_note_start(run, start, start->input));
    struct wf_names names = {a, run->state, &run->facts};
    struct wf_scope scope = wf_core_scope(&names);
    struct wf_step step = {.a = a,
                           .env = &e->o.env,
                           .def = run->def,
                           .node = &run->def->nodes[run->def->trigger],
                           .scope = &scope,
                           .tenant = run->row.tenant,
                           .run = run->row.id,
                           .deadline = usec_in(PATIENCE)};
    return conditions_hold(&step, &cfg->conditions, cfg->logic, S("the trigger"), ret_hold);
}

static void let_go(struct db_tx *tx, Id run, void *ctx)
{
    (void)run;
    store_event_start_done(tx, ctx);
}

/* It starts nothing, and that is right. */
static Err drop(struct wf_engine *e, struct arena *a, struct event_start_row *row,
                const char *outcome)
{
    struct db_tx *tx = db_begin(e->db, a);

    store_event_start_done(tx, row);
    TRY(db_commit(tx));
    count(outcome);
    return OK;
}

/* Start the run, gathered with others or by itself. */
static Err start_run(struct wf_engine *e, const struct wf_start *start)
{
    AUTO(wf_run) *run = NULL;
    struct wf_gathered gathered;

    TRY(INJECT("wf.event.before_start"));
    TRY(wf_start_gathers(start) ? wf_run_gather(e, start, &gathered)
                                : wf_run_start(e, start, &run));
    INJECT_VOID("wf.event.after_start");
    count("started");
    return OK;
}

static Err begin(struct wf_engine *e, struct arena *a, struct event_start_row *row)
{
    AUTO(wf_def) *def = NULL;
    struct workflow_row workflow;
    struct json *event, *cause;
    char id[ID_TEXT_SIZE];
    bool hold;

    Err err = store_workflow_get(e->db, a, row->tenant, row->workflow, &workflow);
    if (err == E_NOT_FOUND || (err == OK && !workflow.published_version))
        return drop(e, a, row, "filtered");
    TRY(err);
    TRY(wf_engine_def(e, workflow.published, &def));
    TRY(json_parse_limits(a, row->body, &(struct json_limits){.bytes = MIB(32)}, &event));
    TRY(json_parse(a, row->cause, &cause));
    if (!listens(def, row->event) || !is_meant(&wf_trigger_cfg(def)->event, row, event))
        return drop(e, a, row, "filtered");
    json_set(a, cause, S("event_id"), json_id(a, row->id));
    json_set(a, cause, S("type"), json_str(a, row->event));
    struct wf_start start = {
        .tenant = row->tenant,
        .workflow = row->workflow,
        .version = workflow.published_version,
        .def = def,
        .origin = S("event"),
        .input = event,
        .cause = cause,
        .key = str_fmt(a, "event:%.*s", P(id_text(row->id, id))),
        .fingerprint = S("00000000000000000000000000000000"),
        .also = let_go,
        .also_ctx = row,
    };
    TRY(holds(e, a, &start, &hold));
    if (!hold)
        return drop(e, a, row, "filtered");
    TRY(check_chain(json_at(cause, "path"), row->workflow));
    TRY(wf_def_check_input(def, a, event, NULL));
    err = start_run(e, &start);
    /* E_EXISTS: it has started its run already. */
    return err == E_PRECONDITION || err == E_EXISTS ? drop(e, a, row, "skipped") : err;
}

/* What cannot be started is shown; the rest is tried again. */
static void put_off(struct starting *t, Err e)
{
    struct wf_engine *engine = t->s->engine;
    Usec pause = PAUSE;
    Usec asked = err_record()->code == e ? err_record()->retry_after_us : 0;
    bool refused = e == E_INVALID || e == E_TOO_LARGE || e == E_CORRUPT || e == E_UNSUPPORTED;
    Str why = str_dup(t->a, str_c(err_client_text(e)));

    for (int i = 1; i < t->row.attempts && pause < PAUSE_MAX; i++)
        pause *= 2;
    pause = usec_max(usec_min(pause, PAUSE_MAX), asked);
    if (refused) {
        LOG_WARN("an event cannot start a workflow that listens for it", L_ERR(e));
        count("refused");
    }
    Err err = store_event_start_tried(engine->db, t->a, &t->row, time_wall() + pause, refused, why);
    (void)err; /* it is due again when the time is over for which it was taken */
}

static void started(void *arg);

static Err start_fiber(void *arg)
{
    struct starting *t = arg;

    fiber_shield(); /* the transaction looks at what stands in this arena */
    Err e = begin(t->s->engine, t->a, &t->row);
    if (e != OK && e != E_CONFLICT) /* that: it was let go by somebody else */
        put_off(t, e);
    fiber_unshield();
    shard_post(t->s->shard, started, t);
    return OK;
}

/* Back on the shard of the fiber. */
static void started(void *arg)
{
    struct starting *t = arg;
    struct event_starts *s = t->s;

    arena_free(t->a);
    free(t);
    s->starting--;
    bell_ring(&s->bell);
    atomic_fetch_sub(&s->busy, 1);
}

/* ---- the fiber ---- */

static void launch(struct event_starts *s, const struct event_start_row *row)
{
    struct starting *t = calloc(1, sizeof *t);

    if (!t)
        DIE("out of memory");
    t->s = s;
    t->a = arena_new(MIB(256));
    t->row = *row;
    t->row.event = str_dup(t->a, row->event);
    t->row.body = str_dup(t->a, row->body);
    t->row.cause = str_dup(t->a, row->cause);
    s->starting++;
    atomic_fetch_add(&s->busy, 1);
    shard_start(shard_at(s->next_shard++ % shard_count()), "event", start_fiber, t);
}

/* Take as many as there is room for. The first tries are short: a node that dies holds up what it
 * took for no longer than TAKEN. */
static Err take(struct event_starts *s)
{
    AUTO(arena) *a = arena_new((size_t)1 << 30);
    int room = AT_ONCE - s->starting; /* if all is taken the end of one pokes */
    EventStartRows rows;
    Usec now = time_wall();

    if (room <= 0)
        return OK;
    TRY(store_event_start_take(s->engine->db, a, s->engine->node, now, now + TAKEN, room, &rows));
    vec_each(&rows, row)
        launch(s, row);
    return OK;
}

static Err wait_next(struct event_starts *s, Usec until)
{
    Err e = bell_wait(&s->bell, until);

    return e == E_TIMEOUT ? OK : e;
}

static Err look(struct event_starts *s)
{
    AUTO(arena) *a = arena_new(MIB(1));
    unsigned seen = atomic_load(&s->changes);
    bool any;

    TRY(store_event_trigger_any(s->engine->db, a, &any));
    if (any || atomic_load(&s->changes) == seen) /* else somebody has begun to listen meanwhile */
        atomic_store(&s->any, any);
    return OK;
}

static Err watch(void *arg)
{
    struct event_starts *s = arg;
    Usec look_at = usec_in(LOOK), expire_at = usec_in(USEC_MIN);

    while (!fiber_cancelled()) {
        Err e = OK;
        bool looked = time_mono() >= look_at;
        if (looked) {
            e = look(s);
            look_at = usec_in(LOOK);
        }
        if (e == OK && time_mono() >= expire_at) {
            AUTO(arena) *a = arena_new(MIB(1));
            e = store_event_start_expire(s->engine->db, a, time_wall() - KEPT, EXPIRE_MAX);
            expire_at = usec_in(USEC_MIN);
        }
        if (e == OK && (looked || atomic_load(&s->any)))
            e = take(s);
        if (e != OK && e != E_CANCELLED && !s->failing)
            LOG_WARN("events wait for the store", L_ERR(e));
        s->failing = e != OK;
        if (wait_next(s, usec_in(TICK)) != OK)
            break;
    }
    return OK;
}

static void poke_here(void *arg)
{
    struct event_starts *s = arg;

    bell_ring(&s->bell);
    atomic_fetch_sub(&s->busy, 1);
}

void event_starts_moved(struct event_starts *s)
{
    if (!atomic_load(&s->any))
        return;
    atomic_fetch_add(&s->busy, 1);
    shard_post(s->shard, poke_here, s);
}

void wf_event_starts_changed(struct wf_engine *e)
{
    atomic_fetch_add(&e->event_starts->changes, 1);
    atomic_store(&e->event_starts->any, true); /* the next look knows better */
}

Err event_starts_new(struct wf_engine *e, struct event_starts **ret_starts)
{
    AUTO(arena) *a = arena_new(MIB(1));
    struct event_starts *s = calloc(1, sizeof *s);
    bool any = false;

    if (!s)
        DIE("out of memory");
    s->engine = e;
    s->shard = shard_self();
    Err err = store_event_trigger_any(e->db, a, &any);
    if (err == OK && (e->o.alone || !id_is_none(e->o.former)))
        err = store_event_start_free(e->db, a, e->o.alone ? ID_NONE : e->o.former);
    if (err != OK) {
        free(s);
        return err;
    }
    atomic_store(&s->any, any);
    s->fiber = fiber_start_ref("events", watch, s);
    *ret_starts = s;
    return OK;
}

void event_starts_stop(struct event_starts *s)
{
    fiber_cancel(s->fiber);
}

bool event_starts_stopped(struct event_starts *s)
{
    return fiber_ended(s->fiber) && !atomic_load(&s->busy);
}

void event_starts_free(struct event_starts *s)
{
    if (!s)
        return;
    fiber_unref(s->fiber);
    free(s);
}
