/* src/wf/flow.c - runs before gates, and the fiber that lets them in.
 *
 * A run of a workflow with flow control is accepted, queued and, where there is room, let in by one
 * and the same transaction. Otherwise it waits as a row, like any long wait: no fiber, no memory.
 * When a place may be free (a run ended, waits, or came; a throttle's time is over) the gate is
 * looked at again: who is next is admitted by a transaction that counts for itself, and hears of it
 * as of any answer (store_wait.h). Any node may look at any gate. A look that was lost with its
 * process is made up for by going through all gates with a queue from time to time.
 */
#include "wf/flow_plan.h"

#include "base/crypto.h"
#include "base/utf8.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "wf/engine_private.h"
#include "wf/schedule_queue.h"

#include <math.h>
#include <stdlib.h>

static const Usec SWEEP = 5 * USEC_S;
static const Usec TICK = USEC_S;
static const Usec GATE_KEPT = USEC_DAY;
static const Usec RETRY = 200 * USEC_MS;
static const double PRIORITY_MAX = 7 * 86400; /* seconds */
enum { ADMIT_MAX = 256, GATES_AT_ONCE = 32, GATES_READ = 1000, NAME_BYTES = 200, TRIES = 5 };

static struct metric admitted_total = {"heddle_flow_admitted_total",
                                       "Runs that waited at a gate and were admitted.",
                                       METRIC_COUNTER, NULL};

/* ---- a run comes ---- */

/* What brings a run to its gate; kept until it is accepted. */
struct run_flow {
    struct flow_gate gate;
    struct flow_entry entry;
    struct db_cursor *entered;
};

static Id hash_id(Str text)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    Id id;

    crypto_blake2b(text, hash);
    memcpy(id.b, hash, sizeof id.b);
    return id;
}

static Id gate_id(const struct wf_run *run, Str key)
{
    const struct wf_flow *f = run->def->flow;
    char owner[ID_TEXT_SIZE];
    AUTO_BUF(text, MIB(16));

    buf_add(&text, f->pool.n ? S("pool ") : S("workflow "));
    buf_add(&text, id_text(f->pool.n ? run->row.tenant : run->row.workflow, owner));
    buf_add_fmt(&text, " %zu:", f->pool.n);
    buf_add(&text, f->pool);
    buf_add_char(&text, ':');
    buf_add(&text, key);
    return hash_id(buf_str(&text));
}

static Str gate_name(struct wf_run *run, Str key)
{
    const struct wf_flow *f = run->def->flow;
    Str owner = f->pool.n ? f->pool : run->def->name;

    key = str_head(key, str_find_char(key, 0));
    key = str_head(key, utf8_valid_prefix(str_head(key, NAME_BYTES)));
    return key.n ? str_fmt(run->a, "%.*s: %.*s", P(owner), P(key)) : owner;
}

static Err eval_text(struct wf_run *run, const struct wf_scope *scope, const struct wf_template *t,
                     const char *what, Str *ret_text)
{
    *ret_text = S("");
    if (!t)
        return OK;
    Err e = wf_template_text(run->a, t, scope, USEC_NEVER, ret_text);
    return e == OK ? OK : err_add(e, "settings.flow.%s", what);
}

/* By how much a run goes before others. */
static Err eval_priority(struct wf_run *run, const struct wf_scope *scope, Usec *ret_ahead)
{
    const struct wf_value *v = run->def->flow->priority;
    struct json *value;

    *ret_ahead = 0;
    if (!v)
        return OK;
    TRY(wf_value_eval(run->a, v, scope, USEC_NEVER, &value));
    double seconds = json_double_of(value, NAN);
    if (!json_is_number(value) || !(fabs(seconds) <= PRIORITY_MAX))
        return err_detail(E_INVALID,
                          "settings.flow.priority must give a number of seconds within a week.");
    *ret_ahead = (Usec)(seconds * (double)USEC_S);
    return OK;
}

/* The names of a run, with an input of its own. */
struct one_input {
    struct wf_scope all;
    const struct json *input;
};

static struct json *name_of_one(void *ctx, Str name)
{
    struct one_input *one = ctx;

    if (one->input && str_eq(name, S("input")))
        return (struct json *)(uintptr_t)one->input;
    return one->all.root(one->all.ctx, name);
}

Err run_flow_key(struct wf_run *run, const struct json *input, Str *ret_key, Str *ret_name)
{
    struct wf_names names = {run->a, run->state, &run->facts};
    struct one_input one = {wf_core_scope(&names), input};
    struct wf_scope scope = {name_of_one, &one};

    TRY(eval_text(run, &scope, run->def->flow->key, "key", ret_key));
    *ret_name = gate_name(run, *ret_key);
    return OK;
}

Err run_flow_enter(struct wf_run *run)
{
    const struct wf_flow *f = run->def->flow;
    struct wf_names names = {run->a, run->state, &run->facts};
    struct wf_scope scope = wf_core_scope(&names);
    Str key, name, fair;
    Usec ahead;

    if (!f || !wf_flow_limits(f) || run->state->dry_run)
        return OK;
    /* The inputs of a batch have one key. */
    TRY(run_flow_key(run, f->batch.size ? json_item(run->state->input, 0) : run->state->input, &key,
                     &name));
    TRY(eval_text(run, &scope, f->fair, "fair", &fair));
    TRY(eval_priority(run, &scope, &ahead));
    bool rated = !f->rate_of.n || str_eq(run->facts.trigger, f->rate_of);
    struct run_flow *flow = run->flow = arena_new_of(run->a, struct run_flow);
    flow->gate = (struct flow_gate){.id = gate_id(run, key),
                                    .tenant = run->row.tenant,
                                    .name = name,
                                    .concurrency = f->concurrency,
                                    .throttle_gap = wf_flow_gap(&f->throttle),
                                    .throttle_slack = wf_flow_slack(&f->throttle)};
    flow->entry = (struct flow_entry){.run = run->row.id,
                                      .gate = flow->gate.id,
                                      .fair = f->fair ? hash_id(fair) : ID_NONE,
                                      .rank = run->row.created_at - ahead,
                                      .alone = str_eq(f->singleton, S("skip")),
                                      .replaces = str_eq(f->singleton, S("cancel")),
                                      .rate_gap = rated ? wf_flow_gap(&f->rate_limit) : 0,
                                      .rate_slack = rated ? wf_flow_slack(&f->rate_limit) : 0};
    run->gate = flow->gate.id;
    /* Noted, not recorded: with a large input that would commit, and the gate is not entered yet.
     */
    return run_note(
        run, &(struct wf_event){.seq = run->state->seq + 1,
                                .at = run_now(run),
                                .kind = WF_EV_RUN_QUEUED,
                                .node = -1,
                                .data = json_obj(run->a, "gate", json_id(run->a, run->gate), "name",
                                                 json_str(run->a, flow->gate.name), "yields",
                                                 json_bool(run->a, f->concurrency > 0), NULL)});
}

void run_flow_be_patient(struct wf_run *run)
{
    if (!run->flow)
        return;
    run->flow->entry.alone = false;
    run->flow->entry.rate_gap = run->flow->entry.rate_slack = 0;
}

void run_flow_write(struct wf_run *run, struct db_tx *tx)
{
    struct run_flow *flow = run->flow;

    if (flow)
        store_flow_enter(tx, &flow->gate, &flow->entry, run_now(run), &flow->entered);
}

void run_flow_written(struct wf_run *run, Err committed)
{
    struct run_flow *flow = run->flow;

    if (!flow)
        return;
    if (committed == OK && flow->entered && db_next(flow->entered))
        run->flow_open = db_int(flow->entered, 0) == FLOW_ADMITTED;
    run->flow_moved = !run->flow_open;
    run->kick = run->kick || flow->entry.replaces; /* those that were asked to stop hear it now */
    if (committed == E_UNKNOWN_OUTCOME) /* if it is there after all, the store says how it stands */
        run->mail = true;
    db_cursor_free(flow->entered);
    flow->entered = NULL;
}

/* Why a run was not taken, when its transaction stated something that does not hold. */
Err run_flow_refused(struct wf_run *run)
{
    struct run_flow *flow = run->flow;
    AUTO(arena) *a = arena_new(MIB(1));
    struct flow_look look;
    Usec now = run_now(run);

    TRY(store_flow_look(run->engine->db, a, flow->gate.id, 1, &look));
    Usec gap = flow->entry.rate_gap, slack = flow->entry.rate_slack;
    Usec at = wf_flow_clock(look.gate.rate_at, now, gap, slack);
    if (gap && at > now + slack) {
        const struct wf_flow_rate *rate = &run->def->flow->rate_limit;
        Str rate_of = run->def->flow->rate_of;
        char per[TIME_RFC3339_SIZE];
        Err e = err_detail(E_RATE_LIMITED, "This %s takes %lld %s in %.*s%s.",
                           rate_of.n ? str_dup_c(a, rate_of) : "workflow", (long long)rate->limit,
                           rate_of.n ? "calls" : "runs", P(time_span(rate->per, per)),
                           run->def->flow->key ? " of each key" : "");
        err_record()->retry_after_us = at - slack - now;
        return e;
    }
    bool used;
    TRY(store_flow_is_used(run->engine->db, a, run->gate, &used));
    if (flow->entry.alone && used)
        return err_detail(E_PRECONDITION, "A run of %.*s is under way, and only one may be.",
                          P(flow->gate.name));
    return err_set(E_CONFLICT, "what the transaction stated holds again, or it was not the gate");
}

/* ---- a run passes, waits, and comes back ---- */

static bool yields(const struct wf_run *run)
{
    return json_bool_of(json_at(run->state->flow, "yields"), false);
}

Err run_flow_pass(struct wf_run *run)
{
    run->flow_open = false;
    return run_record(run, (struct wf_event){.kind = WF_EV_RUN_ADMITTED, .node = -1});
}

Err run_flow_hear(struct wf_run *run)
{
    AUTO(arena) *a = arena_new(MIB(1));
    enum flow_state state;
    int64_t mail = 0;
    Err e;

    do
        e = store_flow_state_of(run->engine->db, a, run->row.id, &state, &mail);
    while (run_try_again(run, e));
    TRY(e);
    run->mail = state == FLOW_ADMITTED; /* then also look at what came meanwhile */
    if (state == FLOW_ADMITTED)
        return run_flow_pass(run);
    run->flow_moved = true; /* so that the gate is looked at, whoever was to do that */
    if (mail)
        run_see_mail(run, mail);
    return run_commit(run);
}

void run_flow_sleep(struct wf_run *run)
{
    if (!yields(run) || run->flow_asleep || run->state->run == WF_RUN_QUEUED)
        return;
    run->flow_asleep = run->flow_moved = true;
    run_add_side(run)->kind = SIDE_FLOW_SLEEP;
}

Err run_flow_return(struct wf_run *run)
{
    run->flow_asleep = false;
    run->flow_moved = true;
    TRY(run_record(
        run, (struct wf_event){.kind = WF_EV_RUN_QUEUED, .node = -1, .data = run->state->flow}));
    run_add_side(run)->kind = SIDE_FLOW_RETURN;
    return OK;
}

Err run_flow_resume(struct wf_run *run)
{
    AUTO(arena) *a = arena_new(MIB(1));
    enum flow_state state;
    int64_t mail;

    if (!run->state->flow)
        return OK;
    TRY(id_parse(json_str_of(json_at(run->state->flow, "gate"), S("")), &run->gate));
    if (run->state->run == WF_RUN_QUEUED) {
        run->mail = true;
        return OK;
    }
    if (!yields(run) || run->state->undoing || wf_run_state_is_final(run->state->run))
        return OK;
    TRY(store_flow_state_of(run->engine->db, a, run->row.id, &state, &mail));
    return state == FLOW_ASLEEP ? run_flow_return(run) : OK;
}

/* ---- the gates ---- */

struct flow_pump {
    struct wf_engine *engine;
    struct shard *shard;
    struct fiber *fiber;
    struct schedule_queue *queue; /* gates to look at, by the steady clock */
    struct wait *wake;
    bool poked, failing;
    uint64_t turn;
};

struct looking {
    struct flow_pump *pump;
    Id gate;
    Usec next_at; /* wall; 0: when somebody says so */
    size_t admitted;
};

/* Let in who may pass. E_CONFLICT: others do the same right now. */
static Err look_at(struct looking *l)
{
    struct wf_engine *e = l->pump->engine;
    struct flow_room room;

    do {
        AUTO(arena) *a = arena_new(MIB(1));
        struct flow_look look;
        Usec now = time_wall();
        TRY(store_flow_look(e->db, a, l->gate, ADMIT_MAX, &look));
        room = wf_flow_room(&look, now);
        l->next_at = room.next_at;
        if (!room.n)
            return OK;
        TRY(INJECT("wf.flow.before_admit"));
        TRY(store_flow_admit(e->db, a, &look, room.n, room.throttle_at, now));
        l->admitted += room.n;
    } while (room.n == ADMIT_MAX);
    return OK;
}

static Err look_fiber(void *arg)
{
    struct looking *l = arg;
    Err e = E_CONFLICT;

    for (int i = 0; i < TRIES && e == E_CONFLICT; i++)
        e = look_at(l);
    if (e == E_NOT_FOUND) /* nobody was here for a day */
        e = OK;
    if (e != OK)
        l->next_at = time_wall() + RETRY;
    return e == E_CONFLICT ? OK : e;
}

/* Look at the gates that are due, some at once. */
static Err look_at_due(struct flow_pump *p, bool *ret_any)
{
    struct looking at[GATES_AT_ONCE];
    size_t n = 0, admitted = 0;
    Usec due;

    FIBER_GROUP(g, GATES_AT_ONCE, false);
    while (n < GATES_AT_ONCE && schedule_queue_take(p->queue, time_mono(), &at[n].gate, &due)) {
        at[n] = (struct looking){.pump = p, .gate = at[n].gate};
        schedule_queue_forget(p->queue, at[n].gate); /* if it is named from now on, look again */
        TRY(fiber_group_start(&g, "gate", look_fiber, &at[n]));
        n++;
    }
    Err e = fiber_group_join(&g);
    for (size_t i = 0; i < n; i++) {
        admitted += at[i].admitted;
        if (at[i].next_at)
            schedule_queue_meet(p->queue, at[i].gate,
                                time_mono() + usec_max(at[i].next_at - time_wall(), USEC_MS));
    }
    metric_add(metric_series(&admitted_total), (int64_t)admitted);
    if (admitted)
        engine_answered(p->engine);
    *ret_any = n > 0;
    return e;
}

/* All gates with a queue: who was to look at one may be gone. */
static Err sweep(struct flow_pump *p)
{
    Id after = ID_NONE;
    FlowGates gates = {.n = GATES_READ};

    while (gates.n == GATES_READ) {
        AUTO(arena) *a = arena_new(MIB(1));
        TRY(store_flow_waiting(p->engine->db, a, after, GATES_READ, &gates));
        vec_each(&gates, gate) {
            schedule_queue_meet(p->queue, *gate, time_mono());
            after = *gate;
        }
    }
    if (p->turn % 12 == 6) {
        AUTO(arena) *a = arena_new(MIB(1));
        TRY(store_flow_expire(p->engine->db, a, time_wall() - GATE_KEPT, GATES_READ));
    }
    p->turn++;
    return OK;
}

static Err wait_next(struct flow_pump *p, Usec until)
{
    Err e = OK;

    if (!p->poked) {
        struct wait w;
        wait_init(&w);
        p->wake = &w;
        e = wait_for(&w, usec_min(until, schedule_queue_next(p->queue)));
        p->wake = NULL;
    }
    p->poked = false;
    return e == E_TIMEOUT ? OK : e;
}

static Err pump(void *arg)
{
    struct flow_pump *p = arg;
    Usec sweep_at = 0;

    while (!fiber_cancelled()) {
        bool any = true;
        Err e = OK;
        if (time_mono() >= sweep_at) {
            e = sweep(p);
            sweep_at = usec_in(e == OK ? SWEEP : TICK);
        }
        while (e == OK && any)
            e = look_at_due(p, &any);
        if (e != OK && e != E_CANCELLED && !p->failing)
            LOG_WARN("gates wait for the store", L_ERR(e));
        p->failing = e != OK;
        if (wait_next(p, e == OK ? sweep_at : usec_in(RETRY)) != OK)
            break;
    }
    return OK;
}

struct poke_message {
    struct wf_engine *engine;
    Id gate;
};

static void poke_here(void *arg)
{
    struct poke_message *m = arg;
    struct flow_pump *p = m->engine->pump;

    schedule_queue_put(p->queue, m->gate, 0);
    p->poked = true;
    if (p->wake)
        wait_end(p->wake, OK);
    atomic_fetch_sub(&m->engine->flow_pokes, 1);
    free(m);
}

void engine_flow_moved(struct wf_engine *e, Id gate)
{
    struct poke_message *m = malloc(sizeof *m);

    if (!m)
        DIE("out of memory");
    *m = (struct poke_message){e, gate};
    atomic_fetch_add(&e->flow_pokes, 1);
    shard_post(e->pump->shard, poke_here, m);
}

struct flow_pump *flow_pump_new(struct wf_engine *e)
{
    struct flow_pump *p = calloc(1, sizeof *p);

    if (!p)
        DIE("out of memory");
    p->engine = e;
    p->shard = shard_self();
    p->queue = schedule_queue_new();
    p->fiber = fiber_start_ref("gates", pump, p);
    return p;
}

void flow_pump_stop(struct flow_pump *p)
{
    fiber_cancel(p->fiber);
}

bool flow_pump_stopped(struct flow_pump *p)
{
    return fiber_ended(p->fiber) && !atomic_load(&p->engine->flow_pokes);
}

void flow_pump_free(struct flow_pump *p)
{
    if (!p)
        return;
    fiber_unref(p->fiber);
    schedule_queue_free(p->queue);
    free(p);
}
