/* src/wf/run_show.c - a run as the API shows it: its document, and its events as they come. */
#include "rt/log.h"
#include "store/store_workflow.h"
#include "wf/engine_private.h"

const char *run_step_state_name(enum wf_node_state s)
{
    switch (s) {
    case WF_NODE_RUNNING:
        return "running";
    case WF_NODE_RETRY:
        return "retrying";
    case WF_NODE_WAITING:
        return "waiting";
    case WF_NODE_DONE:
        return "succeeded";
    case WF_NODE_FAILED:
        return "failed";
    case WF_NODE_SKIPPED:
        return "skipped";
    default:
        return "idle";
    }
}

static struct json *error_json(struct arena *a, const struct wf_error *error)
{
    if (!error->code.n)
        return NULL;
    return json_obj(a, "code", json_str(a, error->code), "message", json_str(a, error->message),
                    NULL);
}

static struct json *or_null(struct arena *a, const struct json *v)
{
    return v ? (struct json *)(uintptr_t)v : json_null(a);
}

static struct json *step_json(struct arena *a, const struct wf_state *s, int i)
{
    const struct wf_node *node = &s->def->nodes[i];
    const struct wf_node_run *n = &s->nodes[i];
    enum wf_node_state state = n->state;

    /* What waited for its next attempt when the run ended gets none, and what waited for something
     * else did not come to its end. */
    if (state == WF_NODE_RETRY && wf_run_state_is_final(s->run))
        state = WF_NODE_FAILED;
    if (state == WF_NODE_WAITING && wf_run_state_is_final(s->run))
        state = WF_NODE_SKIPPED;
    /* A handled failure counts as succeeded for the run, and shows its error all the same. */
    bool ended = state == WF_NODE_DONE || state == WF_NODE_FAILED;
    Usec took = usec_max(n->ended_at - n->first_at, 0); /* the wall clock may have been set */
    bool waits = state == WF_NODE_WAITING;
    return json_obj(
        a, "node", json_str(a, node->id), "title", json_str(a, node->title), "type",
        json_str_c(a, node->type->name), "state", json_str_c(a, run_step_state_name(state)),
        "attempts", json_int(a, n->attempt), "started_at", json_time(a, n->first_at), "finished_at",
        json_time(a, ended ? n->ended_at : 0), "duration_ms",
        ended ? json_double(a, (double)took / 1000) : json_null(a), "output", or_null(a, n->output),
        "handle", n->handle.n ? json_str(a, n->handle) : json_null(a), "error",
        or_null(a, error_json(a, &n->error)), "retry_at",
        json_time(a, state == WF_NODE_RETRY ? n->retry_at : 0), "due_at",
        json_time(a, waits ? n->due_at : 0), "waiting_for", or_null(a, waits ? n->wait : NULL),
        "kept", n->kept_by.n ? json_str(a, n->kept_by) : json_null(a), NULL);
}

static bool has_begun(const struct wf_node_run *n)
{
    return n->attempt > 0 || n->state == WF_NODE_DONE || n->state == WF_NODE_FAILED;
}

static struct json *steps_json(struct arena *a, const struct wf_state *s,
                               const struct wf_facts *facts)
{
    struct json *steps = json_arr(a);
    for (int i = 0; i < s->def->n_nodes; i++) {
        struct json *step = step_json(a, s, i);
        if (facts)
            json_set(a, step, S("input"),
                     has_begun(&s->nodes[i]) ? run_step_input(a, s, facts, i) : json_null(a));
        json_push(a, steps, step);
    }
    return steps;
}

struct json *wf_run_row_json(struct arena *a, const struct run_row *row)
{
    Usec end = row->finished_at;
    return json_obj(
        a, "id", json_id(a, row->id), "workflow_id", json_id(a, row->workflow), "workflow_name",
        json_str(a, row->workflow_name), "version", json_int(a, row->version), "state",
        json_str_c(a, wf_run_state_name((enum wf_run_state)row->state)), "trigger",
        json_str(a, row->origin), "created_at", json_time(a, row->created_at), "finished_at",
        json_time(a, end), "duration_ms",
        end ? json_double(a, (double)(end - row->created_at) / 1000) : json_null(a), NULL);
}

struct json *run_doc(struct arena *a, const struct run_row *row, const struct wf_state *s,
                     const struct wf_facts *facts)
{
    struct json *doc = wf_run_row_json(a, row);
    Usec end = s->ended_at;
    struct json *error = error_json(a, &s->error);

    if (error && s->error_node >= 0)
        json_set(a, error, S("node"), json_str(a, s->def->nodes[s->error_node].id));
    json_set(a, doc, S("state"), json_str_c(a, wf_run_state_name(s->run)));
    json_set(a, doc, S("started_at"), json_time(a, s->started_at));
    json_set(a, doc, S("finished_at"), json_time(a, end));
    json_set(a, doc, S("duration_ms"),
             end ? json_double(a, (double)(end - s->started_at) / 1000) : json_null(a));
    json_set(a, doc, S("rerun_of"), or_null(a, s->rerun_of));
    json_set(a, doc, S("input"), or_null(a, s->input));
    json_set(a, doc, S("output"), or_null(a, s->output));
    json_set(a, doc, S("error"), wf_run_state_is_final(s->run) ? or_null(a, error) : json_null(a));
    if (s->flow)
        json_set(
            a, doc, S("flow"),
            json_obj(a, "gate", json_at(s->flow, "gate"), "name", json_at(s->flow, "name"), NULL));
    json_set(a, doc, S("steps"), steps_json(a, s, facts));
    return doc;
}

struct json *wf_run_json(struct arena *a, const struct wf_run *run, Str workflow_name)
{
    struct run_row row = run->row;
    row.workflow_name = workflow_name;
    return run_doc(a, &row, run->state, NULL);
}

static void unref_def(void *def)
{
    wf_def_unref(def);
}

Err wf_run_load(struct wf_engine *e, struct arena *a, Id tenant, Id id, struct json **ret_json)
{
    struct run_row row;
    struct wf_def *def;
    struct wf_state *state;
    size_t text;

    TRY(store_run_get(e->db, a, tenant, id, &row));
    TRY(wf_engine_def(e, row.hash, &def));
    arena_defer(a, unref_def, def); /* the document points into it */
    TRY(run_fold(e, a, id, def, &state, &text));
    /* Its text goes into the same arena. */
    if (arena_used(a) + text + def->text.n * 2 + (size_t)def->n_nodes * KIB(1) + MIB(1) >
        arena_max(a))
        return err_detail(E_TOO_LARGE,
                          "The run is too large to be shown whole; follow its events.");
    const struct wf_facts facts = {.run = row.id,
                                   .workflow = row.workflow,
                                   .tenant = row.tenant,
                                   .version = row.version,
                                   .created_at = row.created_at,
                                   .trigger = row.origin};
    struct json *doc = run_doc(a, &row, state, &facts);
    json_set(a, doc, S("definition"), def->json);
    *ret_json = doc;
    return OK;
}

/* ---- following ---- */

struct follower {
    const struct wf_follow *f;
    Id run;
    int64_t seen;
    bool ended;
};

static bool is_end(Str name)
{
    return str_eq(name, S("run.succeeded")) || str_eq(name, S("run.failed")) ||
           str_eq(name, S("run.cancelled"));
}

/* Give the events of one batch that were not given yet. */
static Err give_batch(void *ctx, int64_t seq, Str events)
{
    struct follower *w = ctx;
    AUTO(arena) *a = arena_new(MIB(512));
    struct json *list;
    const struct json_limits limits = {.bytes = MIB(128)};

    (void)seq;
    TRY(json_parse_limits(a, events, &limits, &list));
    for (size_t i = 0; i < json_len(list); i++) {
        struct json *ev = json_item(list, i);
        int64_t at = json_int_of(json_at(ev, "seq"), 0);
        if (at <= w->seen)
            continue;
        Str name = json_str_of(json_at(ev, "type"), S(""));
        json_set(a, ev, S("run_id"), json_id(a, w->run));
        TRY(w->f->event(w->f->ctx, at, name, ev));
        w->seen = at;
        w->ended = w->ended || is_end(name);
    }
    return OK;
}

static Err give_live(struct follower *w, const struct wf_hub_message *m)
{
    AUTO(arena) *a = arena_new(MIB(64));
    struct json *data;

    TRY(json_parse(a, m->text, &data));
    return w->f->event(w->f->ctx, 0, m->event, data);
}

static Err read_journal(struct wf_engine *e, struct follower *w)
{
    AUTO(arena) *a = arena_new((size_t)RUN_MEMORY_MAX * 2);
    return store_journal_read(e->db, a, w->run, w->seen, give_batch, w);
}

/* What another node wrote, and whether the run was ended without a word in its journal. */
static Err look_again(struct wf_engine *e, struct follower *w, Id tenant)
{
    AUTO(arena) *a = arena_new(MIB(1));
    struct run_row row;

    TRY(store_run_get(e->db, a, tenant, w->run, &row));
    TRY(read_journal(e, w));
    w->ended = w->ended || row.finished_at;
    return OK;
}

Err wf_run_follow(struct wf_engine *e, Id tenant, Id run, int64_t after, const struct wf_follow *f)
{
    struct follower w = {.f = f, .run = run, .seen = after};
    /* A run of another node is not heard here: the journal is looked at now and then. */
    const Usec look = 2 * USEC_S;
    /* First of all: what is said while the store answers is not in the journal if it is live. */
    AUTO(wf_watch) *watch = wf_watch_new(e->hub, run);
    AUTO(arena) *a = arena_new(MIB(1));
    struct run_row row;
    Usec idle_at = usec_in(f->idle_after);

    TRY(store_run_get(e->db, a, tenant, run, &row));
    TRY(read_journal(e, &w));
    /* Asked for what comes after the end: there is nothing, and will not be. */
    if (row.finished_at && !w.ended)
        return OK;
    while (!w.ended) {
        struct wf_hub_message m;
        Err err = wf_watch_next(watch, usec_min(usec_in(look), idle_at), &m);
        if (err == E_TIMEOUT) {
            if (time_mono() >= idle_at) {
                TRY(f->idle(f->ctx));
                idle_at = usec_in(f->idle_after);
            }
            TRY(look_again(e, &w, tenant));
            continue;
        }
        TRY(err);
        idle_at = usec_in(f->idle_after);
        if (m.kind == WF_HUB_LIVE)
            TRY(give_live(&w, &m));
        else if (m.kind == WF_HUB_EVENTS && m.seq <= w.seen + 1)
            TRY(give_batch(&w, m.seq, m.text));
        else
            TRY(read_journal(e, &w));
    }
    return OK;
}
