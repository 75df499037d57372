/* src/wf/poll.c - see poll.h: the fiber that takes what is due, and those that look. */
#include "wf/poll.h"

#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "store/store_poll_object.h"
#include "wf/nodes/node_trigger.h"
#include "wf/poll_source.h"

#include <stdlib.h>

static const Usec TICK = USEC_S;
static const Usec TAKEN = 5 * USEC_MIN;
static const Usec SWEEP = USEC_MIN, SWEEP_SOON = 200 * USEC_MS;
enum { AT_ONCE = 3 * STORE_POLL_TENANT_MAX, SWEPT = 1000 };

static struct metric polls_total = {"heddle_poll_looks_total",
                                    "Looks of triggers for something new.", METRIC_COUNTER,
                                    "kind,outcome"};
static struct metric items_total = {
    "heddle_poll_items_total",
    "New or changed things that triggers have found: started a run, skipped by flow control, or "
    "refused.",
    METRIC_COUNTER, "kind,outcome"};

struct polls {
    struct wf_engine *engine;
    struct shard *shard;
    struct fiber *fiber;
    struct wait *wake;
    bool poked, failing;
    struct look *looks; /* under way; on the shard of @fiber */
    int looking;        /* how many */
    bool stopping;
    Usec next_at;    /* wall: of what was looked at here */
    Usec sweep_at;   /* monotonic */
    atomic_int busy; /* messages and fibers under way */
    unsigned next_shard;
};

/* ---- what is looked at ---- */

static const struct poll_source *const sources[] = {&poll_file, &poll_s3};

static const struct poll_source *source_of(Str kind)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (str_eq(kind, str_c(sources[i]->kind)))
            return sources[i];
    return NULL;
}

Err wf_trigger_poll(struct wf_engine *e, struct arena *a, const struct wf_def *def,
                    struct poll_row *ret_row, bool *ret_has)
{
    const struct poll_source *source = source_of(wf_trigger_cfg(def)->trigger);
    struct poll_row row = {0};

    *ret_has = source != NULL;
    if (!source)
        return OK;
    row.kind = str_c(source->kind);
    TRY(source->spec(e, a, def, &row.spec));
    *ret_row = row;
    return OK;
}

/* ---- what a look finds ---- */

static void count(const struct poll_look *l, const char *outcome)
{
    metric_add(metric_series(&items_total, l->source->kind, outcome), 1);
}

bool poll_complain(struct poll_look *l, Str name, Err e)
{
    if (!l->row.error.n)
        l->row.error = str_fmt(l->a, "%.*s: %s", P(str_head(name, 1000)), err_client_text(e));
    return !str_eq(l->row.error, l->error);
}

static Err pass(struct poll_look *l, struct arena *a, const struct poll_find *f,
                const char *outcome)
{
    struct db_tx *tx = db_begin(l->engine->db, a);

    f->done(tx, f->ctx);
    Err e = db_commit(tx);
    if (e == OK)
        count(l, outcome);
    return e == E_CONFLICT ? OK : e; /* somebody else was faster */
}

Err poll_refuse(struct poll_look *l, struct arena *a, const struct poll_find *f, Err why)
{
    poll_complain(l, f->name, why);
    LOG_WARN("something new cannot start the workflow that looks for it",
             L_STR("kind", str_c(l->source->kind)), L_ERR(why));
    return pass(l, a, f, "refused");
}

void poll_fit(const struct poll_look *l, struct arena *a, struct json *input)
{
    AUTO_BUF(text, l->engine->o.env.max_output);

    json_write(&text, input);
    if (!text.failed)
        return;
    json_set(a, input, S("content"), json_null(a));
    json_set(a, input, S("content_omitted"), json_bool(a, true));
}

static void done_with_run(struct db_tx *tx, Id run, void *ctx)
{
    const struct poll_find *f = ctx;

    (void)run;
    f->done(tx, f->ctx);
}

static Err start(struct poll_look *l, struct arena *a, const struct poll_find *f)
{
    AUTO(wf_run) *run = NULL;
    struct wf_gathered gathered;

    TRY(wf_def_check_input(l->def, a, f->input, NULL));
    struct wf_start s = {
        .tenant = l->row.tenant,
        .workflow = l->row.workflow,
        .version = l->row.version,
        .def = l->def,
        .origin = str_c(l->source->kind),
        .input = f->input,
        .key = f->key,
        .fingerprint = S("00000000000000000000000000000000"),
        .also = done_with_run,
        .also_ctx = (void *)(uintptr_t)f,
    };
    TRY(INJECT("wf.poll.before_start"));
    TRY(wf_start_gathers(&s) ? wf_run_gather(l->engine, &s, &gathered)
                             : wf_run_start(l->engine, &s, &run));
    INJECT_VOID("wf.poll.after_start");
    count(l, "started");
    return OK;
}

Err poll_start(struct poll_look *l, struct arena *a, const struct poll_find *f)
{
    Err e = start(l, a, f);

    switch (e) {
    case E_CONFLICT: /* somebody else was faster */
        return OK;
    case E_EXISTS: /* it was there before, exactly so */
    case E_PRECONDITION:
        return pass(l, a, f, "skipped");
    case E_INVALID:
    case E_TOO_LARGE:
        return poll_refuse(l, a, f, e);
    case E_RATE_LIMITED:
        l->row.next_at = usec_max(l->row.next_at, l->now + err_record()->retry_after_us);
        return e;
    default:
        return e;
    }
}

/* ---- one look ---- */

struct look {
    struct poll_look l;
    struct polls *p;
    struct shard *shard;
    struct fiber *fiber; /* on @shard */
    struct look *next;   /* of p->looks */
};

static Usec pause_after(const struct poll_source *source, int failures)
{
    Usec pause = source->pause;

    for (int i = 1; i < failures && pause < source->pause_max; i++)
        pause *= 2;
    return usec_min(pause, source->pause_max);
}

static Err look_once(struct poll_look *l)
{
    TRY(wf_engine_def(l->engine, l->row.hash, &l->def));
    /* Of a version that another program has published, which knows more kinds. */
    if (!l->source || !str_eq(wf_trigger_cfg(l->def)->trigger, l->row.kind))
        return err_detail(E_UNSUPPORTED, "This server cannot look at that (%.*s).", P(l->row.kind));
    return l->source->look(l);
}

static void failed(struct poll_look *l, Err e)
{
    static const struct poll_source unknown = {
        .noun = "something", .pause = USEC_MIN, .pause_max = USEC_MIN};
    const struct poll_source *source = l->source ? l->source : &unknown;

    l->row.error = str_dup(l->a, str_c(err_client_text(e)));
    if (l->row.failures < INT32_MAX)
        l->row.failures++;
    Usec pause = usec_max(pause_after(source, l->row.failures), err_record()->retry_after_us);
    l->row.next_at = l->now + usec_min(pause, USEC_DAY);
    if (!str_eq(l->row.error, l->error))
        LOG_WARN("what a workflow watches cannot be looked at", L_STR("what", str_c(source->noun)),
                 L_ERR(e));
}

/* The server stops: somebody else goes on at once. */
static void interrupted(struct poll_look *l)
{
    l->row.error = l->error;
    l->row.next_at = l->now;
}

static void looked(void *arg);

static Err look_fiber(void *arg)
{
    struct look *look = arg;
    struct poll_look *l = &look->l;

    fiber_shield(); /* transactions look at what stands in this arena */
    Err e = look_once(l);
    if (e == OK)
        l->row.failures = 0;
    else if (e == E_CANCELLED || e == E_SHUTDOWN)
        interrupted(l);
    else
        failed(l, e);
    if (e != E_CANCELLED && e != E_SHUTDOWN)
        metric_add(metric_series(&polls_total, l->source ? l->source->kind : "unknown",
                                 e == OK ? "ok" : "failed"),
                   1);
    e = store_poll_looked(l->engine->db, l->a, &l->row, l->now);
    (void)e; /* it is due again when the time is over for which it was taken */
    fiber_unshield();
    shard_post(look->p->shard, looked, look);
    return OK;
}

/* ---- the fiber ---- */

static void poke(struct polls *p)
{
    p->poked = true;
    if (p->wake)
        wait_end(p->wake, OK);
}

static void look_free(void *arg)
{
    struct look *look = arg;

    fiber_unref(look->fiber);
    wf_def_unref(look->l.def);
    arena_free(look->l.a);
    atomic_fetch_sub(&look->p->busy, 1);
    free(look);
}

/* Back on the shard of the fiber. */
static void looked(void *arg)
{
    struct look *look = arg, **at;
    struct polls *p = look->p;

    for (at = &p->looks; *at != look; at = &(*at)->next)
        ;
    *at = look->next;
    p->next_at = usec_min(p->next_at, look->l.row.next_at);
    p->looking--;
    poke(p);
    shard_post(look->shard, look_free, look); /* behind what was posted to cancel it */
}

static void look_start(void *arg)
{
    struct look *look = arg;

    look->fiber = fiber_start_ref("poll", look_fiber, look);
}

static void look_cancel(void *arg)
{
    struct look *look = arg;

    fiber_cancel(look->fiber);
}

static void launch(struct polls *p, const struct poll_row *row)
{
    struct look *look = calloc(1, sizeof *look);

    if (!look)
        DIE("out of memory");
    look->p = p;
    struct poll_look *l = &look->l;
    l->engine = p->engine;
    l->source = source_of(row->kind);
    l->a = arena_new(POLL_MEMORY);
    l->row = *row;
    l->row.kind = str_dup(l->a, row->kind);
    l->row.hash = str_dup(l->a, row->hash);
    l->row.cursor = str_dup(l->a, row->cursor);
    l->error = str_dup(l->a, row->error);
    l->row.error = S("");
    l->row.next_at = l->now = time_wall();
    look->shard = shard_at(p->next_shard++ % shard_count());
    look->next = p->looks;
    p->looks = look;
    p->looking++;
    atomic_fetch_add(&p->busy, 1);
    shard_post(look->shard, look_start, look);
    if (p->stopping)
        shard_post(look->shard, look_cancel, look);
}

/* A piece of what was seen in watches that are over. */
static Err sweep(struct polls *p)
{
    AUTO(arena) *a = arena_new(MIB(1));
    bool more;

    if (time_mono() < p->sweep_at)
        return OK;
    TRY(store_poll_sweep(p->engine->db, a, SWEPT, &more));
    p->sweep_at = usec_in(more ? SWEEP_SOON : SWEEP);
    return OK;
}

static Err take(struct polls *p)
{
    AUTO(arena) *a = arena_new(MIB(4));
    struct wf_engine *e = p->engine;
    int room = AT_ONCE - p->looking; /* if all is taken the end of one pokes */
    PollRows rows;
    Usec now = time_wall();
    bool due;

    p->next_at = now + TICK;
    TRY(store_poll_is_due(e->db, a, now, &due));
    if (!due || room <= 0)
        return OK;
    TRY(store_poll_take(e->db, a, e->node, now, now + TAKEN, room, &rows));
    vec_each(&rows, row)
        launch(p, row);
    return OK;
}

static Err wait_next(struct polls *p)
{
    Err e = OK;

    if (!p->poked) {
        struct wait w;
        wait_init(&w);
        p->wake = &w;
        e = wait_for(&w, usec_in(usec_min(usec_max(p->next_at - time_wall(), 10 * USEC_MS), TICK)));
        p->wake = NULL;
    }
    p->poked = false;
    return e == E_TIMEOUT ? OK : e;
}

/* Next looks are never far; if one seems to be, the clock was set back. */
static bool is_time(const struct polls *p)
{
    Usec now = time_wall();
    return p->failing || now >= p->next_at || p->next_at > now + 2 * TICK;
}

static Err watch(void *arg)
{
    struct polls *p = arg;

    while (!fiber_cancelled()) {
        Err e = is_time(p) ? take(p) : OK;
        if (e == OK)
            e = sweep(p);
        if (e != OK && e != E_CANCELLED && !p->failing)
            LOG_WARN("triggers that look for something wait for the store", L_ERR(e));
        p->failing = e != OK;
        if (wait_next(p) != OK)
            break;
    }
    return OK;
}

static void poke_here(void *arg)
{
    struct polls *p = arg;

    p->next_at = p->sweep_at = 0;
    poke(p);
    atomic_fetch_sub(&p->busy, 1);
}

void wf_polls_changed(struct wf_engine *e)
{
    atomic_fetch_add(&e->polls->busy, 1);
    shard_post(e->polls->shard, poke_here, e->polls);
}

Err polls_new(struct wf_engine *e, struct polls **ret_polls)
{
    AUTO(arena) *a = arena_new(MIB(1));
    struct polls *p = calloc(1, sizeof *p);
    Err err = OK;

    if (!p)
        DIE("out of memory");
    p->engine = e;
    p->shard = shard_self();
    if (e->o.alone || !id_is_none(e->o.former))
        err = store_poll_free(e->db, a, e->o.alone ? ID_NONE : e->o.former);
    if (err != OK) {
        free(p);
        return err;
    }
    p->fiber = fiber_start_ref("polls", watch, p);
    *ret_polls = p;
    return OK;
}

void polls_stop(struct polls *p)
{
    p->stopping = true;
    fiber_cancel(p->fiber);
    for (struct look *look = p->looks; look; look = look->next)
        shard_post(look->shard, look_cancel, look);
}

bool polls_stopped(struct polls *p)
{
    return fiber_ended(p->fiber) && !atomic_load(&p->busy);
}

void polls_free(struct polls *p)
{
    if (!p)
        return;
    fiber_unref(p->fiber);
    free(p);
}
