/* src/wf/poll.c - see poll.h: the fiber that takes what is due, and those that look. */
#include "wf/poll.h"

#include "base/crypto.h"
#include "base/utf8.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "wf/folder.h"
#include "wf/nodes/node_trigger.h"

#include <stdlib.h>

static const Usec TICK = USEC_S;
static const Usec TAKEN = 5 * USEC_MIN;
static const Usec PAUSE = 10 * USEC_S; /* after a look that failed */
enum { AT_ONCE = 16, STARTS_MAX = 100, BATCH = 500 };

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
    int looking;     /* fibers; on the shard of @fiber */
    Usec next_at;    /* wall: of what was looked at here */
    atomic_int busy; /* messages and fibers under way */
    unsigned next_shard;
};

/* ---- what is looked at ---- */

Err wf_trigger_poll(struct wf_engine *e, struct arena *a, const struct wf_def *def,
                    struct poll_row *ret_row, bool *ret_has)
{
    const struct wf_trigger_cfg *cfg = wf_trigger_cfg(def);
    const struct wf_file_cfg *file = &cfg->file;

    *ret_has = str_eq(cfg->trigger, S("file"));
    if (!*ret_has)
        return OK;
    TRY(folder_check(e->o.env.folders, file->folder));
    *ret_row = (struct poll_row){
        .kind = S("file"),
        .spec = str_fmt(a, "file %.*s %.*s %.*s", P(file->on), P(file->folder), P(file->pattern))};
    return OK;
}

/* ---- one look ---- */

/* One row, on any shard. */
struct look {
    struct polls *p;
    struct arena *a;
    struct poll_row row;
    struct wf_def *def;
    const struct wf_file_cfg *cfg;
    struct folder_files files;
    struct map *known; /* item -> struct known_item */
    PollItems changes; /* to be written */
    VEC(struct ready) ready;
    Usec now, next_at; /* wall */
    size_t unread;     /* of the ready ones: they cannot be read, and stay so */
    bool soon;         /* something is new, and has to settle */
    Str error;
};

struct known_item {
    struct poll_item item;
    bool is_there;
};

struct ready {
    const struct folder_file *file;
    struct poll_item item;
};

static Id item_of(Str name)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    Id id;

    crypto_blake2b(name, hash);
    memcpy(id.b, hash, sizeof id.b);
    return id;
}

static Str id_bytes(const Id *id)
{
    return str_from((const char *)id->b, sizeof id->b);
}

static Str mark_of(struct arena *a, const struct folder_file *f)
{
    return str_fmt(a, "%lld %lld", (long long)f->size, (long long)f->mtime_ns);
}

static Err read_known(struct look *l)
{
    PollItems items;

    TRY(store_poll_items(l->p->engine->db, l->a, l->row.workflow, &items));
    vec_each(&items, item) {
        struct known_item *k = arena_new_of(l->a, struct known_item);
        k->item = *item;
        map_put(l->known, id_bytes(&k->item.item), k);
    }
    return OK;
}

static Err write_changes(struct look *l)
{
    struct db *db = l->p->engine->db;

    for (size_t at = 0; at < l->changes.n; at += BATCH) {
        AUTO(arena) *a = arena_new(MIB(4));
        struct db_tx *tx = db_begin(db, a);
        for (size_t i = at; i < l->changes.n && i < at + BATCH; i++)
            store_poll_item_put(tx, l->row.workflow, &l->changes.at[i]);
        TRY(db_commit(tx));
    }
    return OK;
}

/* What is there no more may come again, and is new then. */
static Err drop_gone(struct look *l)
{
    size_t at = 0, n = 1;
    void *value;

    while (n) {
        AUTO(arena) *a = arena_new(MIB(4));
        struct db_tx *tx = db_begin(l->p->engine->db, a);
        n = 0;
        while (n < BATCH && map_next(l->known, &at, NULL, &value)) {
            struct known_item *k = value;
            if (k->is_there)
                continue;
            store_poll_item_drop(tx, l->row.workflow, k->item.item);
            n++;
        }
        if (n)
            TRY(db_commit(tx));
    }
    return OK;
}

/* It is the same as before: has it been for long enough? */
static void look_same(struct look *l, const struct folder_file *file, const struct poll_item *item)
{
    if (item->state == POLL_DONE)
        return;
    if (llabs(l->now - item->since) < l->cfg->settle)
        l->soon = true;
    else
        vec_push(l->a, &l->ready, ((struct ready){file, *item}));
}

static void look_at_file(struct look *l, const struct folder_file *file)
{
    struct poll_item item = {item_of(file->name), mark_of(l->a, file), POLL_NEW, l->now};
    struct known_item *k = map_get(l->known, id_bytes(&item.item));

    if (k) {
        k->is_there = true;
        if (str_eq(k->item.mark, item.mark)) {
            look_same(l, file, &k->item);
            return;
        }
        if (k->item.state == POLL_DONE && str_eq(l->cfg->on, S("new")))
            return;
        item.state = k->item.state == POLL_NEW ? POLL_NEW : POLL_CHANGED;
    } else if (l->row.is_first && !l->cfg->existing) {
        item.state = POLL_DONE;
    }
    l->soon = l->soon || item.state != POLL_DONE;
    vec_push(l->a, &l->changes, item);
}

/* ---- what is new starts a run ---- */

static void note_done(struct db_tx *tx, Id run, void *ctx)
{
    const struct look *l = ((void **)ctx)[0];
    const struct ready *r = ((void **)ctx)[1];

    (void)run;
    store_poll_item_done(tx, l->row.workflow, &r->item);
}

/* It starts nothing, and not later either. */
static Err pass(struct look *l, struct arena *a, const struct ready *r, const char *outcome)
{
    struct db_tx *tx = db_begin(l->p->engine->db, a);

    store_poll_item_done(tx, l->row.workflow, &r->item);
    TRY(db_commit(tx));
    metric_add(metric_series(&items_total, "file", outcome), 1);
    return OK;
}

static Err add_content(struct look *l, struct arena *a, const struct ready *r, struct json *input)
{
    const struct wf_file_cfg *cfg = l->cfg;
    bool text = str_eq(cfg->content, S("text"));
    Str content;

    if (str_eq(cfg->content, S("none")))
        return OK;
    if ((size_t)r->file->size > cfg->max_size) {
        json_set(a, input, S("content"), json_null(a));
        json_set(a, input, S("content_omitted"), json_bool(a, true));
        return OK;
    }
    TRY(folder_read(a, l->p->engine->o.env.folders, cfg->folder, r->file, &content));
    if (text && !utf8_valid(content))
        return err_detail(E_INVALID, "What is in it is not UTF-8: take its content as base64.");
    json_set(a, input, S("content"), json_str(a, text ? content : crypto_base64(a, content)));
    return OK;
}

static Err input_of(struct look *l, struct arena *a, const struct ready *r, struct json **ret_input)
{
    const struct folder_file *f = r->file;
    struct json *input = json_obj(
        a, "event", json_str_c(a, r->item.state == POLL_CHANGED ? "changed" : "created"), "folder",
        json_str(a, l->cfg->folder), "name", json_str(a, f->name), "path",
        json_str(a, str_fmt(a, "%.*s%s%.*s", P(l->cfg->folder), l->cfg->folder.n > 1 ? "/" : "",
                            P(f->name))),
        "size", json_int(a, f->size), "modified_at", json_time(a, f->mtime_ns / 1000), NULL);

    TRY(add_content(l, a, r, input));
    *ret_input = input;
    return OK;
}

static Err start(struct look *l, struct arena *a, const struct ready *r, struct json *input)
{
    struct wf_engine *e = l->p->engine;
    void *ctx[] = {l, (void *)(uintptr_t)r};
    AUTO(wf_run) *run = NULL;
    struct wf_gathered gathered;

    TRY(wf_def_check_input(l->def, a, input, NULL));
    struct wf_start s = {
        .tenant = l->row.tenant,
        .workflow = l->row.workflow,
        .version = l->row.version,
        .def = l->def,
        .origin = S("file"),
        .input = input,
        .key = str_fmt(a, "file:%.*s:%.*s", P(l->cfg->folder), P(r->file->name)),
        .fingerprint = S("00000000000000000000000000000000"),
        .also = note_done,
        .also_ctx = ctx,
    };
    s.key = str_fmt(a, "%.*s:%.*s", P(s.key), P(r->item.mark));
    TRY(INJECT("wf.poll.before_start"));
    TRY(wf_start_gathers(&s) ? wf_run_gather(e, &s, &gathered) : wf_run_start(e, &s, &run));
    INJECT_VOID("wf.poll.after_start");
    metric_add(metric_series(&items_total, "file", "started"), 1);
    return OK;
}

static void add_error(struct look *l, Str name, Err e)
{
    if (!l->error.n) /* one of them says enough */
        l->error = str_fmt(l->a, "%.*s: %s", P(name), err_client_text(e));
}

/* It waits until it can be read, and nothing else waits for it. */
static void put_off(struct look *l, const struct ready *r, Err e)
{
    add_error(l, r->file->name, e);
    if (!l->unread++ && !str_eq(l->error, l->row.error))
        LOG_WARN("a file in a folder that a workflow watches cannot be read", L_ERR(e));
}

/* Errors that end the look are given. */
static Err start_one(struct look *l, const struct ready *r)
{
    AUTO(arena) *a = arena_new(MIB(128));
    struct json *input;
    Err e = input_of(l, a, r, &input);

    if (e == E_FORBIDDEN || e == E_IO) {
        put_off(l, r, e);
        return OK;
    }
    if (e == OK)
        e = start(l, a, r, input);
    switch (e) {
    case E_CONFLICT: /* it changes, or is gone, or somebody else was faster */
        return OK;
    case E_EXISTS: /* it was there before, exactly so */
    case E_PRECONDITION:
        return pass(l, a, r, "skipped");
    case E_INVALID:
    case E_TOO_LARGE:
        add_error(l, r->file->name, e);
        LOG_WARN("a file cannot start the workflow that watches its folder", L_ERR(e));
        return pass(l, a, r, "refused");
    default:
        return e;
    }
}

static Err start_ready(struct look *l)
{
    size_t i = 0;

    for (; i < l->ready.n && i - l->unread < STARTS_MAX; i++) {
        Err e = start_one(l, &l->ready.at[i]);
        if (e == E_RATE_LIMITED) {
            l->next_at = l->now + usec_max(err_record()->retry_after_us, l->cfg->every);
            return OK;
        }
        TRY(e);
    }
    if (i < l->ready.n)
        l->next_at = l->now;
    return OK;
}

static Err look_once(struct look *l)
{
    struct wf_engine *e = l->p->engine;

    TRY(wf_engine_def(e, l->row.hash, &l->def));
    l->cfg = &wf_trigger_cfg(l->def)->file;
    l->next_at = l->now + l->cfg->every;
    TRY(folder_list(l->a, e->o.env.folders, l->cfg->folder, l->cfg->pattern, &l->files));
    if (l->files.odd)
        l->error = str_fmt(l->a, "%d files have names that are not UTF-8; they are passed over.",
                           l->files.odd);
    TRY(read_known(l));
    vec_each(&l->files.list, file)
        look_at_file(l, file);
    TRY(write_changes(l));
    TRY(drop_gone(l));
    l->row.is_first = false;
    if (l->soon)
        l->next_at = usec_min(l->next_at, l->now + l->cfg->settle);
    return start_ready(l);
}

static void looked(void *arg);

static Err look_fiber(void *arg)
{
    struct look *l = arg;
    bool was_first = l->row.is_first;

    fiber_shield(); /* transactions look at what stands in this arena */
    Err e = look_once(l);
    if (e != OK) {
        l->error = str_dup(l->a, str_c(err_client_text(e)));
        l->next_at = l->now + PAUSE;
        if (!str_eq(l->error, l->row.error) && e != E_SHUTDOWN)
            LOG_WARN("a folder that a workflow watches cannot be looked at", L_ERR(e));
    }
    metric_add(metric_series(&polls_total, "file", e == OK ? "ok" : "failed"), 1);
    e = store_poll_looked(l->p->engine->db, l->a, &l->row, l->now, l->next_at,
                          was_first && !l->row.is_first, l->error);
    (void)e; /* it is due again when the time is over for which it was taken */
    fiber_unshield();
    shard_post(l->p->shard, looked, l);
    return OK;
}

/* ---- the fiber ---- */

static void poke(struct polls *p)
{
    p->poked = true;
    if (p->wake)
        wait_end(p->wake, OK);
}

/* Back on the shard of the fiber. */
static void looked(void *arg)
{
    struct look *l = arg;
    struct polls *p = l->p;

    p->next_at = usec_min(p->next_at, l->next_at);
    wf_def_unref(l->def);
    map_free(l->known, NULL);
    arena_free(l->a);
    free(l);
    p->looking--;
    poke(p);
    atomic_fetch_sub(&p->busy, 1);
}

static void launch(struct polls *p, const struct poll_row *row)
{
    struct look *l = calloc(1, sizeof *l);

    if (!l)
        DIE("out of memory");
    l->p = p;
    l->a = arena_new(MIB(256));
    l->row = *row;
    l->row.hash = str_dup(l->a, row->hash);
    l->row.error = str_dup(l->a, row->error);
    l->known = map_new();
    l->now = time_wall();
    p->looking++;
    atomic_fetch_add(&p->busy, 1);
    shard_start(shard_at(p->next_shard++ % shard_count()), "poll", look_fiber, l);
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

    p->next_at = 0;
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
    fiber_cancel(p->fiber);
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
