/* src/wf/engine.c - the engine as a whole: starting, cancelling and taking up runs; leases; the
 * drain.
 *
 * One upkeep fiber says every few seconds that this node lives, takes runs whose time has come,
 * runs without a holder and runs of nodes that are gone, hears of cancels asked elsewhere, and
 * has what is past retention deleted. It does no more at a time than memory allows: the rest waits
 * in the store.
 */
#include "base/crypto.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "store/store_chat.h"
#include "store/store_listen.h"
#include "store/store_workflow.h"
#include "wf/event_start.h"
#include "wf/mail.h"
#include "wf/poll.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const Usec TICK = USEC_S;
/* Runs are taken so long before they are due and wait for the rest in memory: never late by the
 * pace of the upkeep, and of ten thousand that are due at one moment only the ends are left then.
 */
static const Usec TAKE_AHEAD = 3 * USEC_S + 200 * USEC_MS;
static const Usec CLAIM_PAUSE = 200 * USEC_MS;
enum { CLAIM_MAX = 256, DEFS_MAX = 512, EXPIRE_MAX = 500, SIGNS = 6, START_TRIES = 3 };

static struct metric runs_total = {"heddle_runs_total", "Runs that ended, by state.",
                                   METRIC_COUNTER, "state"};
static struct metric run_seconds = {
    "heddle_run_duration_seconds",
    "Time from the start of a run to its end, as far as it was in memory.", METRIC_HISTOGRAM,
    "state"};
static struct metric steps_total = {"heddle_steps_total", "Attempts of steps that ended.",
                                    METRIC_COUNTER, "type,outcome"};
static struct metric step_seconds = {"heddle_step_duration_seconds",
                                     "Time of one attempt of a step.", METRIC_HISTOGRAM, "type"};
static struct metric active_gauge = {"heddle_runs_active", "Runs in the memory of this node.",
                                     METRIC_GAUGE, NULL};

/* ---- counting ---- */

void run_count_end(enum wf_run_state state, Usec took)
{
    static _Thread_local struct metric_series *ends[WF_RUN_CANCELLED + 1];
    static _Thread_local struct metric_series *times[WF_RUN_CANCELLED + 1];

    if (!ends[state]) {
        ends[state] = metric_series(&runs_total, wf_run_state_name(state));
        times[state] = metric_series(&run_seconds, wf_run_state_name(state));
    }
    metric_add(ends[state], 1);
    metric_observe(times[state], (double)took / USEC_S);
}

void run_count_step(const struct wf_node *node, bool ok, Usec took)
{
    /* A handful of types: their series are kept by the address of the type. */
    static _Thread_local struct {
        const struct wf_node_type *type;
        struct metric_series *ok, *failed, *time;
    } cache[16];
    size_t i = ((uintptr_t)node->type >> 4) % ARRAY_LEN(cache);

    if (cache[i].type != node->type) {
        cache[i].type = node->type;
        cache[i].ok = metric_series(&steps_total, node->type->name, "ok");
        cache[i].failed = metric_series(&steps_total, node->type->name, "failed");
        cache[i].time = metric_series(&step_seconds, node->type->name);
    }
    metric_add(ok ? cache[i].ok : cache[i].failed, 1);
    metric_observe(cache[i].time, (double)took / USEC_S);
}

/* ---- definitions ---- */

void wf_def_content_hash(const struct wf_def *def, uint8_t out[32])
{
    memcpy(out, def->text_hash, sizeof def->text_hash);
}

static struct wf_def *def_cached(struct wf_engine *e, Str hash)
{
    uv_mutex_lock(&e->def_lock);
    struct def_entry *entry = map_get(e->defs, hash);
    struct wf_def *def = NULL;
    if (entry) {
        entry->used = ++e->def_clock;
        def = wf_def_ref(entry->def);
    }
    uv_mutex_unlock(&e->def_lock);
    return def;
}

static void free_entry(void *value)
{
    struct def_entry *entry = value;
    wf_def_unref(entry->def);
    free(entry);
}

/* Under the lock: make room by dropping the one that was not used for longest. */
static void evict_def(struct wf_engine *e)
{
    size_t at = 0;
    Str key, oldest_key = S("");
    void *value;
    uint64_t oldest = UINT64_MAX;

    while (map_next(e->defs, &at, &key, &value)) {
        struct def_entry *entry = value;
        if (entry->used < oldest) {
            oldest = entry->used;
            oldest_key = key;
        }
    }
    if (oldest != UINT64_MAX)
        free_entry(map_take(e->defs, oldest_key));
}

static void def_keep(struct wf_engine *e, Str hash, struct wf_def *def)
{
    struct def_entry *entry = malloc(sizeof *entry);
    if (!entry)
        DIE("out of memory");
    uv_mutex_lock(&e->def_lock);
    *entry = (struct def_entry){wf_def_ref(def), ++e->def_clock};
    void *former = map_put(e->defs, hash, entry);
    if (former)
        free_entry(former);
    if (map_count(e->defs) > DEFS_MAX)
        evict_def(e);
    uv_mutex_unlock(&e->def_lock);
}

Err wf_engine_def(struct wf_engine *e, Str hash, struct wf_def **ret_def)
{
    struct wf_def *def = def_cached(e, hash);

    if (!def) {
        AUTO(arena) *a = arena_new(MIB(256));
        WfProblems problems = {0};
        Str body;
        TRY(store_definition_get(e->db, a, hash, &body));
        Err err = wf_def_parse_aside(a, body, &problems, &def);
        if (err != OK)
            return err_add(err, "a stored definition is not valid any more");
        def_keep(e, hash, def);
    }
    *ret_def = def;
    return OK;
}

/* ---- starting ---- */

static struct json *dup_or_null(struct arena *a, const struct json *v)
{
    return v ? json_dup(a, v) : NULL;
}

struct wf_run *run_of_start(struct wf_engine *e, const struct wf_start *start)
{
    struct wf_run *run = run_new(e, start->def);
    uint8_t hash[32];

    wf_def_content_hash(start->def, hash);
    run->row = (struct run_row){
        .id = id_new(),
        .tenant = start->tenant,
        .workflow = start->workflow,
        .version = start->version,
        .hash = str_dup(run->a, str_from((char *)hash, sizeof hash)),
        .origin = str_dup(run->a, start->origin),
        .created_at = time_wall(),
        .dry_run = start->dry_run,
        .lease_node = e->node,
        .lease_epoch = 1,
    };
    run->facts = (struct wf_facts){run->row.id,    start->workflow,     start->tenant,
                                   start->version, run->row.created_at, run->row.origin};
    run->key = str_dup(run->a, start->key);
    run->fingerprint = str_dup(run->a, start->fingerprint);
    run->store_def = start->store_def;
    run->also = start->also;
    run->also_ctx = start->also_ctx;
    return run;
}

Err run_note_start(struct wf_run *run, const struct wf_start *start, const struct json *input)
{
    struct wf_event ev = {
        .seq = 1,
        .at = run->row.created_at,
        .kind = WF_EV_RUN_STARTED,
        .node = -1,
        .data = input ? json_dup(run->a, input) : json_null(run->a),
        .request = dup_or_null(run->a, start->request),
        .vars = dup_or_null(run->a, start->vars),
        .kept = dup_or_null(run->a, start->kept),
        .rerun_of = dup_or_null(run->a, start->rerun_of),
        .cause = dup_or_null(run->a, start->cause),
        .dry_run = start->dry_run,
    };
    Err e = run_note(run, &ev);
    if (e == E_TOO_LARGE)
        return err_detail(e, "The input of a run%s may have %d MiB as JSON.",
                          start->kept ? ", with the results that it takes over," : "",
                          EVENT_TEXT_MAX >> 20);
    return e;
}

static Err begin(struct wf_run *run, const struct wf_start *start)
{
    const struct json *input = start->rerun_of ? start->input /* it is as runs get it */
                                               : wf_def_run_input(run->def, run->a, start->input);

    TRY(run_note_start(run, start, input));
    return run_flow_enter(run);
}

static Err start_run(struct wf_engine *e, const struct wf_start *start, struct wf_run **ret_run)
{
    AUTO(wf_run) *run = NULL;
    AUTO(wf_watch) *watch = NULL;
    size_t max = e->o.max_active * shard_count();

    if (atomic_load(&e->draining))
        return err_detail(E_SHUTDOWN, "The server is stopping; try again in a moment.");
    if (atomic_load(&e->active) > max)
        return err_detail(E_OVERLOADED, "%zu runs are under way, as many as this node takes.", max);
    run = run_of_start(e, start);
    TRY(begin(run, start));
    if (start->ret_watch)
        watch = wf_watch_new(e->hub, run->row.id);
    run_register(run);
    run->refs++;
    fiber_start("run", run_drive, run);
    while (!run->accepted && !run->ended)
        TRY(wait_queue_wait(&run->accept_waiters, USEC_NEVER));
    if (!run->accepted) {
        if (run->start_record)
            *err_record() = *run->start_record;
        return run->start_error == E_CONFLICT && run->flow ? run_flow_refused(run)
                                                           : run->start_error;
    }
    if (start->ret_watch) {
        *start->ret_watch = watch;
        watch = NULL;
    }
    *ret_run = run;
    run = NULL;
    return OK;
}

Err wf_run_start(struct wf_engine *e, const struct wf_start *start, struct wf_run **ret_run)
{
    Err err = E_CONFLICT;

    /* Counted before it looks whether the engine drains: then the drain waits for it. */
    atomic_fetch_add(&e->active, 1);
    if (start->also)
        fiber_shield(); /* the transaction looks at what is the caller's */
    for (int i = 0; i < START_TRIES && err == E_CONFLICT; i++)
        err = start_run(e, start, ret_run);
    if (start->also)
        fiber_unshield();
    atomic_fetch_sub(&e->active, 1);
    return err;
}

/* ---- cancelling ---- */

struct cancel_message {
    struct wf_engine *engine;
    Id id;
};

static void cancel_here(void *arg)
{
    struct cancel_message *m = arg;
    struct wf_run *run =
        map_get(m->engine->shards[shard_index(shard_self())].runs, str_from((char *)m->id.b, 16));
    if (run) {
        run->cancel_asked = true;
        run_poke(run);
    }
    free(m);
}

/* Tell every shard: the one that has it in memory stops it. */
static void cancel_everywhere(struct wf_engine *e, Id id)
{
    for (unsigned i = 0; i < shard_count(); i++) {
        struct cancel_message *m = malloc(sizeof *m);
        if (!m)
            DIE("out of memory");
        *m = (struct cancel_message){e, id};
        shard_post(shard_at(i), cancel_here, m);
    }
}

Err wf_run_cancel(struct wf_engine *e, struct arena *a, Id tenant, Id id)
{
    TRY(store_run_request_cancel(e->db, a, tenant, id));
    cancel_everywhere(e, id);
    return OK;
}

/* ---- upkeep ---- */

struct taken {
    struct wf_engine *engine;
    struct arena *a;
    struct run_row row;
};

static Err resume_fiber(void *arg)
{
    struct taken *t = arg;
    struct wf_engine *e = t->engine;
    Err err = run_resume(e, &t->row);

    if (err != OK && err != E_CONFLICT) {
        LOG_ERROR("an interrupted run could not be taken up", L_ERR(err));
        run_give_up(e, &t->row, err);
    }
    arena_free(t->a);
    free(t);
    atomic_fetch_sub(&e->active, 1);
    return OK;
}

/* Drive a run that was claimed, on the next shard. */
static void take(struct wf_engine *e, const struct run_row *row, bool crashed)
{
    struct taken *t = calloc(1, sizeof *t);

    if (!t)
        DIE("out of memory");
    t->engine = e;
    t->a = arena_new(KIB(64));
    t->row = *row;
    t->row.hash = str_dup(t->a, row->hash);
    t->row.origin = str_dup(t->a, row->origin);
    t->row.lease_node = e->node;
    t->row.lease_epoch++;
    t->row.crashes += crashed;
    t->row.wake_at = 0;
    t->row.state = WF_RUN_RUNNING;
    atomic_fetch_add(&e->active,
                     1); /* on its way; run_register counts it again while it is driven */
    unsigned shard = atomic_fetch_add(&e->next_shard, 1) % shard_count();
    shard_start(shard_at(shard), "resume", resume_fiber, t);
}

/* Claim all of @rows at once; some may be another node's by now. What was claimed is driven: nobody
 * else looks for it as long as this node lives. */
static Err take_all(struct wf_engine *e, const RunRows *rows, bool crashed)
{
    struct run_claim claim = {e->node, crashed, WF_RUN_RUNNING};
    bool taken[CLAIM_MAX];
    Err err = store_run_claim(e->db, rows, &claim, taken);

    if (err == E_UNKNOWN_OUTCOME) {
        while ((err = store_run_claimed(e->db, rows, e->node, taken)) != OK &&
               !atomic_load(&e->draining))
            TRY(fiber_sleep(CLAIM_PAUSE));
    }
    TRY(err);
    for (size_t i = 0; i < rows->n; i++)
        if (taken[i])
            take(e, &rows->at[i], crashed && !id_is_none(rows->at[i].lease_node));
    return OK;
}

static bool has_room(struct wf_engine *e)
{
    return atomic_load(&e->active) + CLAIM_MAX <= e->o.max_active * shard_count();
}

/* Those that are due by @when. */
static Err take_due(struct wf_engine *e, Usec when)
{
    for (;;) {
        AUTO(arena) *a = arena_new(MIB(16));
        RunRows rows;
        if (!has_room(e) || atomic_load(&e->draining))
            return OK;
        TRY(store_run_due(e->db, a, when, CLAIM_MAX, &rows));
        TRY(take_all(e, &rows, false));
        if (rows.n < CLAIM_MAX)
            return OK;
    }
}

void engine_answered(struct wf_engine *e)
{
    Err err = engine_hear_mail(e);
    if (err == OK)
        err = take_due(e, 0); /* those that the answer made due */
    (void)err;                /* upkeep does the same every second */
}

static Err hear_cancels(struct wf_engine *e);

static Err kick_fiber(void *arg)
{
    struct wf_engine *e = arg;

    atomic_store(&e->kicked, false); /* whoever comes from now on has one of their own */
    Err err = hear_cancels(e);
    (void)err; /* upkeep does the same every second */
    engine_answered(e);
    atomic_fetch_sub(&e->active, 1);
    return OK;
}

void engine_kick(struct wf_engine *e)
{
    if (atomic_exchange(&e->kicked, true))
        return;
    atomic_fetch_add(&e->active, 1); /* the drain waits for it */
    fiber_start("kick", kick_fiber, e);
}

static Err take_orphans(struct wf_engine *e)
{
    for (;;) {
        AUTO(arena) *a = arena_new(MIB(16));
        RunRows rows;
        if (!has_room(e) || atomic_load(&e->draining))
            return OK;
        TRY(store_run_orphans(e->db, a, CLAIM_MAX, &rows));
        if (rows.n)
            LOG_INFO("taking up interrupted runs", L_INT("runs", rows.n));
        TRY(take_all(e, &rows, true));
        if (rows.n < CLAIM_MAX)
            return OK;
    }
}

static Err hear_cancels(struct wf_engine *e)
{
    AUTO(arena) *a = arena_new(MIB(4));
    RunRows rows;

    TRY(store_run_cancels(e->db, a, e->node, &rows));
    vec_each(&rows, row)
        cancel_everywhere(e, row->id);
    return OK;
}

struct mail_message {
    struct wf_engine *engine;
    size_t n;
    Id ids[];
};

static void mail_here(void *arg)
{
    struct mail_message *m = arg;
    struct map *runs = m->engine->shards[shard_index(shard_self())].runs;

    for (size_t i = 0; i < m->n; i++) {
        struct wf_run *run = map_get(runs, str_from((char *)m->ids[i].b, 16));
        if (run) {
            run->mail = true;
            run_poke(run);
        }
    }
    free(m);
}

Err engine_hear_mail(struct wf_engine *e)
{
    AUTO(arena) *a = arena_new(MIB(4));
    struct run_ids *ids = arena_new_of(a, struct run_ids);

    TRY(store_runs_with_mail(e->db, a, e->node, ids));
    for (unsigned i = 0; ids->n && i < shard_count(); i++) {
        struct mail_message *m = malloc(sizeof *m + ids->n * sizeof(Id));
        if (!m)
            DIE("out of memory");
        *m = (struct mail_message){e, ids->n};
        memcpy(m->ids, ids->at, ids->n * sizeof(Id));
        shard_post(shard_at(i), mail_here, m);
    }
    return OK;
}

static Err expire_events(struct wf_engine *e)
{
    int n = EXPIRE_MAX;

    while (n == EXPIRE_MAX && !atomic_load(&e->draining)) {
        AUTO(arena) *a = arena_new(MIB(4));
        TRY(store_events_expire(e->db, a, time_wall(), EXPIRE_MAX, &n));
    }
    AUTO(arena) *a = arena_new(MIB(1));
    TRY(store_chat_expire(e->db, a, time_wall(), EXPIRE_MAX, &n));
    return store_listen_expire(e->db, a, time_wall() - USEC_DAY);
}

static void poke_runs_here(void *arg)
{
    struct wf_engine *e = arg;
    size_t at = 0;
    void *run;

    while (map_next(e->shards[shard_index(shard_self())].runs, &at, NULL, &run))
        run_poke(run);
}

/* Times at which parked runs wake stand in the store by the wall clock. When that was set back they
 * would sleep for longer than they should: all of them look again. Those in memory look whenever it
 * was set. */
static Err mind_clock(struct wf_engine *e)
{
    AUTO(arena) *a = arena_new(KIB(64));
    Usec wall = time_wall(), mono = time_mono();
    Usec shift = e->seen_mono ? wall - e->seen_wall - (mono - e->seen_mono) : 0;

    for (unsigned i = 0; llabs(shift) > CLOCK_SLACK && i < shard_count(); i++)
        shard_post(shard_at(i), poke_runs_here, e);
    if (shift < -CLOCK_SLACK) {
        LOG_WARN("the clock was set back; waiting runs look at it again",
                 L_INT("seconds", -shift / USEC_S));
        TRY(store_run_wake_all(e->db, a, wall));
    }
    e->seen_wall = wall;
    e->seen_mono = mono;
    return OK;
}

static Err upkeep_turn(struct wf_engine *e, uint64_t turn)
{
    uint64_t every = (uint64_t)usec_max(e->o.takeover_after / SIGNS / TICK, 1);

    TRY(mind_clock(e));
    TRY(take_due(e, time_wall() + TAKE_AHEAD));
    if (turn % every == 0) {
        TRY(fleet_turn(&e->fleet, e->db, time_mono()));
        TRY(take_orphans(e));
    }
    TRY(hear_cancels(e));
    TRY(engine_hear_pauses(e));
    TRY(engine_hear_mail(e));
    if (turn % 15 == 7)
        TRY(engine_deliver_left(e));
    if (turn % 60 == 5) {
        TRY(expire_events(e));
        sweeper_turn(e->sweeper);
    }
    return OK;
}

static Err upkeep(void *arg)
{
    struct wf_engine *e = arg;
    bool failing = false;

    for (uint64_t turn = 0; !fiber_cancelled(); turn++) {
        Err err = upkeep_turn(e, turn);
        if (err != OK && err != E_CANCELLED && !failing)
            LOG_WARN("the engine's upkeep waits for the store", L_ERR(err));
        failing = err != OK;
        if (fiber_sleep(TICK) != OK)
            break;
    }
    atomic_store(&e->upkeep_ended, true);
    return OK;
}

/* ---- life ---- */

static struct wf_engine *metrics_of; /* one engine a process is counted */

static void count_active(void)
{
    struct wf_engine *e = metrics_of;
    if (e)
        metric_set(metric_series(&active_gauge), (int64_t)atomic_load(&e->active));
}

/* Tells one start of this machine from others: times of the steady clock compare only within one.
 */
static void read_boot(struct wf_engine *e)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, e->boot, sizeof e->boot - 1) : -1;

    if (fd >= 0)
        close(fd);
    if (n < 8) /* none: this process alone */
        snprintf(e->boot, sizeof e->boot, "%08llx", (unsigned long long)crypto_random_u64() >> 32);
    e->boot[8] = 0;
}

Err wf_engine_new(const struct wf_engine_options *options, struct wf_engine **ret_engine)
{
    static bool counted;
    struct wf_engine *e = calloc(1, sizeof *e);

    if (!e || !(e->shards = calloc(shard_count(), sizeof *e->shards)))
        DIE("out of memory");
    e->o = *options;
    e->o.max_active = e->o.max_active ? e->o.max_active : 20000;
    e->o.max_crashes = e->o.max_crashes ? e->o.max_crashes : 10;
    if (!e->o.takeover_after)
        e->o.takeover_after = 30 * USEC_S;
    if (!e->o.max_values)
        e->o.max_values = RUN_TEXT_MAX;
    if (!e->o.env.max_output)
        e->o.env.max_output = MIB(8);
    e->db = options->db;
    e->node = id_is_none(options->node) ? id_new() : options->node;
    read_boot(e);
    for (unsigned i = 0; i < shard_count(); i++)
        e->shards[i].runs = map_new();
    e->defs = map_new();
    uv_mutex_init(&e->def_lock);
    e->hub = wf_hub_new();
    e->fleet =
        (struct fleet){.self = e->node, .name = e->o.node_name, .patience = e->o.takeover_after};
    Err err = OK;
    if (!id_is_none(options->former))
        err = store_node_forget(e->db, options->former);
    if (err == OK)
        err = store_node_register(e->db, e->node, options->node_name, options->alone);
    if (err == OK)
        err = notices_new(e, &e->notices);
    if (err == OK)
        err = event_starts_new(e, &e->event_starts);
    if (err == OK)
        err = polls_new(e, &e->polls);
    if (err == OK)
        err = mails_new(e, &e->mails);
    if (err == OK)
        err = approval_mails_new(e, &e->approval_mails);
    if (err != OK) {
        atomic_store(&e->upkeep_ended, true);
        wf_engine_free(e);
        return err;
    }
    e->upkeep_shard = shard_self();
    e->pump = flow_pump_new(e);
    e->sweeper = sweeper_new(e);
    e->gatherer = gatherer_new(e);
    e->upkeep = fiber_start_ref("upkeep", upkeep, e);
    metrics_of = e;
    if (!counted)
        metric_on_render(count_active);
    counted = true;
    *ret_engine = e;
    return OK;
}

struct stop_message {
    struct wf_engine *engine;
    Usec deadline;
};

static void stop_here(void *arg)
{
    struct stop_message *m = arg;
    struct map *runs = m->engine->shards[shard_index(shard_self())].runs;
    size_t at = 0;
    void *value;

    while (map_next(runs, &at, NULL, &value)) {
        struct wf_run *run = value;
        run->stopping = true;
        run->stop_deadline = m->deadline;
        run_poke(run);
    }
    free(m);
}

void wf_engine_drain(struct wf_engine *e, Usec grace)
{
    Usec deadline = usec_in(grace), next = 0;

    atomic_store(&e->draining, true);
    fiber_shield();
    fiber_cancel(e->upkeep);
    flow_pump_stop(e->pump);
    gatherer_stop(e->gatherer);
    event_starts_stop(e->event_starts);
    polls_stop(e->polls);
    mails_stop(e->mails);
    notices_stop(e->notices);
    approval_mails_stop(e->approval_mails);
    while (atomic_load(&e->active) || !atomic_load(&e->upkeep_ended) ||
           !flow_pump_stopped(e->pump) || !gatherer_stopped(e->gatherer) ||
           !notices_stopped(e->notices) || !event_starts_stopped(e->event_starts) ||
           !polls_stopped(e->polls) || !mails_stopped(e->mails) ||
           !approval_mails_stopped(e->approval_mails)) {
        /* Again from time to time: a run may have been on its way into memory. */
        if (time_mono() >= next) {
            for (unsigned i = 0; i < shard_count(); i++) {
                struct stop_message *m = malloc(sizeof *m);
                if (!m)
                    DIE("out of memory");
                *m = (struct stop_message){e, deadline};
                shard_post(shard_at(i), stop_here, m);
            }
            next = usec_in(100 * USEC_MS);
        }
        Err slept = fiber_sleep(2 * USEC_MS);
        (void)slept; /* shielded: it ends by itself */
    }
    Err err = store_node_forget(e->db, e->node);
    if (err != OK)
        LOG_WARN("the node could not be taken off the list", L_ERR(err));
    fiber_unshield();
}

void wf_engine_free(struct wf_engine *e)
{
    if (!e)
        return;
    if (atomic_load(&e->active) || !atomic_load(&e->upkeep_ended))
        DIE("the engine is freed before it was drained");
    if (metrics_of == e)
        metrics_of = NULL;
    fiber_unref(e->upkeep);
    flow_pump_free(e->pump);
    gatherer_free(e->gatherer);
    event_starts_free(e->event_starts);
    polls_free(e->polls);
    mails_free(e->mails);
    notices_free(e->notices);
    approval_mails_free(e->approval_mails);
    sweeper_free(e->sweeper);
    fleet_done(&e->fleet);
    for (unsigned i = 0; i < shard_count(); i++)
        map_free(e->shards[i].runs, NULL);
    free(e->shards);
    map_free(e->defs, free_entry);
    uv_mutex_destroy(&e->def_lock);
    wf_hub_free(e->hub);
    free(e);
}

struct wf_hub *wf_engine_hub(struct wf_engine *e)
{
    return e->hub;
}

struct db *wf_engine_db(struct wf_engine *e)
{
    return e->db;
}

const struct wf_retention_base *wf_engine_retention(const struct wf_engine *e)
{
    return &e->o.retention;
}
