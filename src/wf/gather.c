/* src/wf/gather.c - starts that become one run: debounce and batch.
 *
 * What is gathered stands in the store (store_gather.h), with the run it will be. A fiber closes
 * what is due: it knows what is due in the next seconds, and looks at the rest from time to time,
 * so what a dead node had in mind is made up for. Any node may close, and any may take up the run.
 */
#include "base/crypto.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "store/store_gather.h"
#include "wf/engine_private.h"
#include "wf/flow_plan.h"
#include "wf/schedule_queue.h"

#include <stdlib.h>

static const Usec TICK = USEC_S;
static const Usec HORIZON = 3 * USEC_S;
static const Usec RETRY = 200 * USEC_MS;
enum {
    AT_ONCE = 32,
    READ_MAX = 1000,
    CLOCK_TURNS = 10,
    TRIES = 3,
    INPUT_MAX = 20 << 20, /* of one start */
    BATCH_BYTES = 4 << 20 /* of a batch: it is full then */
};

static struct metric gathered_total = {"heddle_flow_gathered_total",
                                       "Starts that were gathered into runs, and those runs.",
                                       METRIC_COUNTER, "what"};

/* ---- a start comes ---- */

bool wf_start_gathers(const struct wf_start *s)
{
    return s->def->flow && wf_flow_gathers(s->def->flow) && !s->kept && !s->rerun_of && !s->dry_run;
}

/* Of one workflow in one version, whatever pool its runs are in. */
static Id gather_id(const struct wf_run *run, Str key)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    char id[ID_TEXT_SIZE];
    Id ret;
    AUTO_BUF(text, MIB(16));

    buf_add_c(&text, "gather ");
    buf_add(&text, id_text(run->row.workflow, id));
    buf_add_char(&text, ' ');
    buf_add(&text, run->row.hash);
    buf_add(&text, key);
    crypto_blake2b(buf_str(&text), hash);
    memcpy(ret.b, hash, sizeof ret.b);
    return ret;
}

static Err input_text(struct wf_run *run, const struct wf_start *s, Str *ret_text)
{
    struct json *o = json_obj(run->a, "input", s->input ? s->input : json_null(run->a), "request",
                              s->request, "vars", s->vars, "cause", s->cause, NULL);
    AUTO_BUF(text, INPUT_MAX);

    json_write(&text, o);
    if (buf_ok(&text) != OK)
        return err_detail(E_TOO_LARGE, "The input of a run may have %d MiB as JSON.",
                          INPUT_MAX >> 20);
    *ret_text = str_dup(run->a, buf_str(&text));
    return OK;
}

static Err join_of(struct wf_run *run, const struct wf_start *s, struct gather_join *ret_join)
{
    const struct wf_flow *f = run->def->flow;
    bool all = f->batch.size > 0;
    struct gather_join j = {.run = &run->row,
                            .kind = all                                      ? GATHER_ALL
                                    : str_eq(f->debounce.mode, S("leading")) ? GATHER_FIRST
                                                                             : GATHER_LAST,
                            .delay = all ? f->batch.timeout : f->debounce.delay,
                            .max_delay = f->debounce.max_delay,
                            .size = f->batch.size,
                            .size_bytes = BATCH_BYTES,
                            .key = run->key,
                            .fingerprint = run->fingerprint,
                            .now = run->row.created_at};
    Str key;

    if (all && json_len(s->vars))
        return err_detail(E_INVALID,
                          "Runs of this workflow are started by several at once (batch): "
                          "none of them can set variables.");
    TRY(run_flow_key(run, s->input, &key, &j.name));
    TRY(input_text(run, s, &j.input));
    j.gate = gather_id(run, key);
    *ret_join = j;
    return OK;
}

static Err join_once(struct wf_run *run, const struct wf_start *s, const struct gather_join *join,
                     struct gathered *ret_gathered)
{
    AUTO(arena) *a = arena_new(MIB(1));
    AUTO(db_cursor) *c = NULL;
    struct db_tx *tx = db_begin(run->engine->db, a);

    if (s->store_def)
        store_definition_put(tx, run->row.hash, run->def->text);
    if (s->also)
        s->also(tx, ID_NONE, s->also_ctx);
    store_gather_join(tx, a, join, &c);
    TRY(INJECT("wf.gather.before_join"));
    TRY(db_commit(tx));
    INJECT_VOID("wf.gather.after_join");
    store_gather_joined(c, join, ret_gathered);
    return OK;
}

static void expect(struct gatherer *g, const struct gathered *what, Usec now);

static Err gather(struct wf_engine *e, const struct wf_start *start, struct gathered *ret_gathered)
{
    AUTO(wf_run) *run = NULL;
    struct gather_join join;

    if (atomic_load(&e->draining))
        return err_detail(E_SHUTDOWN, "The server is stopping; try again in a moment.");
    run = run_of_start(e, start); /* as if it was to be driven: its names answer the templates */
    run->row.state = WF_RUN_QUEUED;
    TRY(run_note_start(run, start, start->input));
    TRY(join_of(run, start, &join));
    TRY(join_once(run, start, &join, ret_gathered));
    if (ret_gathered->closed)
        engine_kick(e);
    else if (ret_gathered->n == 1)
        expect(e->gatherer, ret_gathered, join.now);
    return OK;
}

Err wf_run_gather(struct wf_engine *e, const struct wf_start *start,
                  struct wf_gathered *ret_gathered)
{
    struct gathered g;

    /* Counted before it looks whether the engine drains: then the drain waits for it. */
    atomic_fetch_add(&e->active, 1);
    fiber_shield(); /* the transaction looks at what stands on this stack */
    Err err = gather(e, start, &g);
    fiber_unshield();
    atomic_fetch_sub(&e->active, 1);
    TRY(err);
    metric_add(metric_series(&gathered_total, "starts"), 1);
    *ret_gathered = (struct wf_gathered){g.run, g.n, g.closed ? time_wall() : g.due_at};
    return OK;
}

struct json *wf_gather_json(struct arena *a, const struct gather_row *row)
{
    return json_obj(a, "kind", json_str_c(a, row->kind == GATHER_ALL ? "batch" : "debounce"),
                    "starts", json_int(a, row->n), "bytes", json_int(a, row->bytes), "first_at",
                    json_time(a, row->first_at), "due_at", json_time(a, row->due_at), NULL);
}

/* ---- the run begins ---- */

/* Nobody takes it before its time; unless it was closed a moment ago. */
static Err put_back(struct wf_run *run)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct db_tx *tx = db_begin(run->engine->db, a);

    store_gather_expect_open(tx, run->row.id);
    store_run_update(tx, run->row.id, run->row.lease_epoch, WF_RUN_QUEUED, 0, STORE_WAKE_NEVER,
                     true);
    return db_commit(tx);
}

/* Close it, if it is its time or somebody wants something of the run. */
static Err close_for(struct wf_run *run, struct arena *a, bool *ret_begins)
{
    struct db *db = run->engine->db;
    bool wanted = run->row.cancel_requested || run->row.pause;
    Err e = E_CONFLICT;

    *ret_begins = true;
    for (int i = 0; i < TRIES && e == E_CONFLICT; i++) {
        struct gather_row row;
        TRY(store_gather_get(db, a, run->row.id, &row));
        if (!row.is_open)
            return OK;
        e = store_gather_close(db, a, run->row.id, wanted ? STORE_WAKE_NEVER : time_wall());
        if (e != E_CONFLICT)
            continue;
        e = put_back(run);
        *ret_begins = e != OK;
    }
    return e;
}

static Err read_inputs(struct wf_run *run, struct arena *a, struct wf_event *ret_event)
{
    GatherInputs inputs;
    struct json *list = json_arr(run->a), *one = NULL, *first = NULL, *cause = NULL;

    TRY(store_gather_inputs(run->engine->db, a, run->row.id, &inputs));
    vec_each(&inputs, text) {
        /* It stays as long as the run: what is parsed refers to its text. */
        TRY(json_parse_limits(run->a, str_dup(run->a, *text),
                              &(struct json_limits){.bytes = INPUT_MAX}, &one));
        first = first ? first : one;
        /* The longest chain of runs counts: none is longer for being gathered. */
        if (json_at(one, "cause") && (!cause || json_len(json_at(json_at(one, "cause"), "path")) >
                                                    json_len(json_at(cause, "path"))))
            cause = json_at(one, "cause");
        json_push(run->a, list, json_at(one, "input"));
    }
    if (!first)
        return err_set(E_CORRUPT, "a run that was gathered has no input");
    *ret_event = (struct wf_event){
        .seq = 1,
        .at = run_now(run),
        .kind = WF_EV_RUN_STARTED,
        .node = -1,
        .data = run->def->flow && run->def->flow->batch.size ? list : json_at(first, "input"),
        .request = json_at(first, "request"),
        .vars = json_at(first, "vars"),
        .cause = cause};
    return OK;
}

Err run_gather_begin(struct wf_run *run, bool *ret_begun)
{
    AUTO(arena) *a = arena_new(MIB(128));
    struct wf_event ev;

    TRY(close_for(run, a, ret_begun));
    if (!*ret_begun)
        return OK;
    TRY(INJECT("wf.gather.before_begin"));
    TRY(read_inputs(run, a, &ev));
    TRY(run_note(run, &ev));
    run->gathered = true;
    metric_add(metric_series(&gathered_total, "runs"), 1);
    return OK;
}

/* ---- when it is time ---- */

struct gatherer {
    struct wf_engine *engine;
    struct shard *shard;
    struct fiber *fiber;
    struct schedule_queue *queue; /* runs to close, by the steady clock */
    struct bell bell;
    bool failing;
    atomic_int pokes;
    unsigned turn;
};

struct closing {
    struct gatherer *g;
    Id run;
    bool closed;
    Usec next_at; /* wall; 0: it is closed */
};

static Err close_fiber(void *arg)
{
    struct closing *c = arg;
    AUTO(arena) *a = arena_new(KIB(64));
    struct db *db = c->g->engine->db;
    struct gather_row row;
    Err e = store_gather_close(db, a, c->run, time_wall());

    c->closed = e == OK;
    if (e != E_CONFLICT)
        return e;
    e = store_gather_get(db, a, c->run, &row); /* others came: it is due later */
    if (e == OK && row.is_open)
        c->next_at = row.due_at;
    return e == E_NOT_FOUND ? OK : e;
}

static void meet(struct gatherer *g, Id run, Usec due_at)
{
    schedule_queue_put(g->queue, run, time_mono() + usec_max(due_at - time_wall(), 0));
}

static Err close_due(struct gatherer *g, bool *ret_any)
{
    struct closing at[AT_ONCE];
    size_t n = 0;
    bool closed = false;
    Usec due;

    FIBER_GROUP(group, AT_ONCE, false);
    while (n < AT_ONCE && schedule_queue_take(g->queue, time_mono(), &at[n].run, &due)) {
        at[n] = (struct closing){.g = g, .run = at[n].run};
        schedule_queue_forget(g->queue, at[n].run);
        TRY(fiber_group_start(&group, "gather", close_fiber, &at[n]));
        n++;
    }
    Err e = fiber_group_join(&group);
    for (size_t i = 0; i < n; i++) {
        closed = closed || at[i].closed;
        if (at[i].next_at)
            meet(g, at[i].run, at[i].next_at);
    }
    if (closed)
        engine_kick(g->engine);
    *ret_any = n > 0;
    return e;
}

/* What is due soon; *ret_more: there is more of it than was looked at. */
static Err look(struct gatherer *g, bool *ret_more)
{
    AUTO(arena) *a = arena_new(MIB(1));
    GatherDues dues;

    TRY(store_gather_due(g->engine->db, a, time_wall() + HORIZON, READ_MAX, &dues));
    vec_each(&dues, due)
        meet(g, due->run, due->due_at);
    *ret_more = dues.n == READ_MAX;
    if (g->turn++ % CLOCK_TURNS)
        return OK;
    TRY(store_gather_ahead(g->engine->db, a, time_wall(), READ_MAX, &dues));
    vec_each(&dues, due)
        meet(g, due->run, 0);
    return OK;
}

static Err wait_next(struct gatherer *g, Usec until)
{
    Err e = bell_wait(&g->bell, usec_min(until, schedule_queue_next(g->queue)));

    return e == E_TIMEOUT ? OK : e;
}

static Err watch(void *arg)
{
    struct gatherer *g = arg;
    Usec look_at = 0;

    while (!fiber_cancelled()) {
        bool any = true, more = false;
        Err e = OK;
        if (time_mono() >= look_at) {
            e = look(g, &more);
            look_at = usec_in(more ? RETRY : TICK);
        }
        while (e == OK && any)
            e = close_due(g, &any);
        if (e != OK && e != E_CANCELLED && !g->failing)
            LOG_WARN("gathered starts wait for the store", L_ERR(e));
        g->failing = e != OK;
        if (wait_next(g, e == OK ? look_at : usec_in(RETRY)) != OK)
            break;
    }
    return OK;
}

struct expect_message {
    struct gatherer *g;
    Id run;
    Usec due_at;
};

static void expect_here(void *arg)
{
    struct expect_message *m = arg;
    struct gatherer *g = m->g;

    meet(g, m->run, m->due_at);
    bell_ring(&g->bell);
    atomic_fetch_sub(&g->pokes, 1);
    free(m);
}

/* Something was begun; the looks would find it too late if it is due soon. */
static void expect(struct gatherer *g, const struct gathered *what, Usec now)
{
    if (what->due_at - now >= HORIZON)
        return;
    struct expect_message *m = malloc(sizeof *m);
    if (!m)
        DIE("out of memory");
    *m = (struct expect_message){g, what->run, what->due_at};
    atomic_fetch_add(&g->pokes, 1);
    shard_post(g->shard, expect_here, m);
}

struct gatherer *gatherer_new(struct wf_engine *e)
{
    struct gatherer *g = calloc(1, sizeof *g);

    if (!g)
        DIE("out of memory");
    g->engine = e;
    g->shard = shard_self();
    g->queue = schedule_queue_new();
    g->fiber = fiber_start_ref("gatherer", watch, g);
    return g;
}

void gatherer_stop(struct gatherer *g)
{
    fiber_cancel(g->fiber);
}

bool gatherer_stopped(struct gatherer *g)
{
    return fiber_ended(g->fiber) && !atomic_load(&g->pokes);
}

void gatherer_free(struct gatherer *g)
{
    if (!g)
        return;
    fiber_unref(g->fiber);
    schedule_queue_free(g->queue);
    free(g);
}
