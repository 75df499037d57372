/* src/wf/run_show.c - a run as the API shows it: its document, and its events as they come. */
#include "rt/log.h"
#include "store/store_gather.h"
#include "store/store_workflow.h"
#include "wf/engine_private.h"

enum { RESULTS_SHOWN = 100 };

const char *run_step_state_name(enum wf_node_state s)
{
    switch (s) {
    case WF_NODE_RUNNING:
    case WF_NODE_OPEN:
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

/* How far a container is. */
static struct json *progress_json(struct arena *a, const struct wf_cycle *c)
{
    return json_obj(a, "total", json_int(a, c->count), "done", json_int(a, c->done), "running",
                    json_int(a, c->live), "failed", json_int(a, c->failed), NULL);
}

/* The output of @n; of a long list of results the first, which are also to be had page by page. */
static struct json *shown_output(struct arena *a, const struct wf_node_run *n)
{
    const struct json *results = json_at(n->output, "results");

    if (!n->inside || n->inside->rules.rounds || json_len(results) <= RESULTS_SHOWN)
        return or_null(a, n->output);
    struct json *some = json_arr(a), *output = json_obj(a, NULL);
    for (size_t i = 0; i < RESULTS_SHOWN; i++)
        json_push(a, some, json_item(results, i));
    for (size_t i = 0; i < json_len(n->output); i++)
        json_set(a, output, json_str_of(&n->output->obj[i].key, S("")), &n->output->obj[i].val);
    json_set(a, output, S("results"), some);
    json_set(a, output, S("truncated"), json_bool(a, true));
    return output;
}

static struct json *step_json(struct arena *a, const struct wf_state *s,
                              const struct wf_node_run *n)
{
    const struct wf_node *node = &s->def->nodes[n->node];
    enum wf_node_state state = n->state;

    /* What waited for its next attempt when the run ended gets none, and what waited for something
     * else did not come to its end. */
    if (state == WF_NODE_RETRY && wf_run_state_is_final(s->run))
        state = WF_NODE_FAILED;
    if ((state == WF_NODE_WAITING || state == WF_NODE_OPEN) && wf_run_state_is_final(s->run))
        state = WF_NODE_SKIPPED;
    /* A handled failure counts as succeeded for the run, and shows its error all the same. */
    bool ended = state == WF_NODE_DONE || state == WF_NODE_FAILED;
    Usec took = usec_max(n->ended_at - n->first_at, 0); /* the wall clock may have been set */
    bool waits = state == WF_NODE_WAITING;
    struct json *step = json_obj(
        a, "node", json_str(a, node->id), "title", json_str(a, node->title), "type",
        json_str_c(a, node->type->name), "state", json_str_c(a, run_step_state_name(state)),
        "attempts", json_int(a, n->attempt), "started_at", json_time(a, n->first_at), "finished_at",
        json_time(a, ended ? n->ended_at : 0), "duration_ms",
        ended ? json_double(a, (double)took / 1000) : json_null(a), "output", shown_output(a, n),
        "handle", n->handle.n ? json_str(a, n->handle) : json_null(a), "error",
        or_null(a, error_json(a, &n->error)), "retry_at",
        json_time(a, state == WF_NODE_RETRY ? n->retry_at : 0), "due_at",
        json_time(a, waits ? n->due_at : 0), "waiting_for", or_null(a, waits ? n->wait : NULL),
        "kept", n->kept_by.n ? json_str(a, n->kept_by) : json_null(a), NULL);
    if (n->inside)
        json_set(a, step, S("items"), progress_json(a, n->inside));
    return step;
}

static bool has_begun(const struct wf_node_run *n)
{
    return n->attempt > 0 || n->state == WF_NODE_DONE || n->state == WF_NODE_FAILED;
}

/* The steps of @f: those in bodies are shown with their items or rounds. */
static struct json *steps_json(struct arena *a, const struct wf_state *s,
                               const struct wf_facts *facts, const struct wf_frame *f)
{
    struct json *steps = json_arr(a);
    int parent = f->cycle ? f->cycle->step->node : -1;
    int count = f->cycle ? s->def->nodes[parent].body->n : s->def->n_nodes;

    for (int i = 0; i < count; i++) {
        const struct wf_node_run *n = &f->nodes[i];
        if (s->def->nodes[n->node].parent != parent)
            continue;
        struct json *step = step_json(a, s, n);
        if (facts)
            json_set(a, step, S("input"),
                     has_begun(n) ? run_step_input(a, s, facts, n) : json_null(a));
        json_push(a, steps, step);
    }
    return steps;
}

struct json *wf_run_row_json(struct arena *a, const struct run_row *row)
{
    Usec end = row->finished_at;
    return json_obj(a, "id", json_id(a, row->id), "workflow_id", json_id(a, row->workflow),
                    "workflow_name", json_str(a, row->workflow_name), "version",
                    json_int(a, row->version), "state",
                    json_str_c(a, wf_run_state_name((enum wf_run_state)row->state)), "trigger",
                    json_str(a, row->origin), "created_at", json_time(a, row->created_at),
                    "finished_at", json_time(a, end), "duration_ms",
                    end ? json_double(a, (double)(end - row->created_at) / 1000) : json_null(a),
                    "keep", json_bool(a, row->keep), "dry_run", json_bool(a, row->dry_run), NULL);
}

/* The step of another run that has started it. */
static struct json *parent_json(struct arena *a, const struct json *parent)
{
    if (!parent)
        return json_null(a);
    return json_obj(a, "run_id", json_at(parent, "run_id"), "node", json_at(parent, "node"), NULL);
}

/* The event that has started it. */
static struct json *cause_json(struct arena *a, const struct json *cause)
{
    if (!json_at(cause, "event_id"))
        return json_null(a);
    return json_obj(a, "event_id", json_at(cause, "event_id"), "type", json_at(cause, "type"),
                    "run_id", or_null(a, json_at(cause, "run_id")), NULL);
}

/* The runs that its steps have started; the first of them. */
static Err children_json(struct wf_engine *e, struct arena *a, Id run, struct json **ret_list)
{
    enum { CHILDREN_SHOWN = 100 };
    ChildEntries entries;

    TRY(store_child_list(e->db, a, run, CHILDREN_SHOWN, &entries));
    *ret_list = json_arr(a);
    vec_each(&entries, c)
        json_push(a, *ret_list,
                  json_obj(a, "run_id", json_id(a, c->run.id), "node", json_str(a, c->child.node),
                           "workflow_id", json_id(a, c->run.workflow), "workflow_name",
                           json_str(a, c->run.workflow_name), "state",
                           json_str_c(a, wf_run_state_name((enum wf_run_state)c->run.state)),
                           "waited_for", json_bool(a, !id_is_none(c->child.wait)), NULL));
    return OK;
}

static struct json *poison_json(struct arena *a)
{
    return json_obj(
        a, "code", json_str(a, S("crash_loop")), "message",
        json_str(a, S("The server stopped too often while this run was under way. It rests until "
                      "somebody resumes or cancels it.")),
        NULL);
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
    json_set(a, doc, S("parent"), parent_json(a, s->parent));
    json_set(a, doc, S("cause"), cause_json(a, s->cause));
    json_set(a, doc, S("input"), or_null(a, s->input));
    json_set(a, doc, S("output"), or_null(a, s->output));
    json_set(a, doc, S("error"), wf_run_state_is_final(s->run) ? or_null(a, error) : json_null(a));
    if (s->undoing)
        json_set(a, doc, S("compensation"), wf_undo_json(a, s));
    if (s->flow)
        json_set(
            a, doc, S("flow"),
            json_obj(a, "gate", json_at(s->flow, "gate"), "name", json_at(s->flow, "name"), NULL));
    if (s->run == WF_RUN_POISONED)
        json_set(a, doc, S("error"), poison_json(a));
    json_set(a, doc, S("pause_requested"), json_bool(a, row->pause && !row->finished_at));
    json_set(a, doc, S("steps"), steps_json(a, s, facts, &s->root));
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

/* What is loaded to be shown. */
struct loaded {
    struct run_row row;
    struct wf_def *def;
    struct wf_state *state;
    struct wf_facts facts;
};

static Err load(struct wf_engine *e, struct arena *a, Id tenant, Id id, const struct wf_keep *keep,
                struct loaded *l)
{
    size_t text;

    TRY(store_run_get(e->db, a, tenant, id, &l->row));
    TRY(wf_engine_def(e, l->row.hash, &l->def));
    arena_defer(a, unref_def, l->def); /* what is shown points into it */
    TRY(run_fold(e, a, id, l->def, keep, &l->state, &text));
    /* Its text goes into the same arena. */
    if (arena_used(a) + text + l->def->text.n * 2 + (size_t)l->def->n_nodes * KIB(1) + MIB(1) >
        arena_max(a))
        return err_detail(E_TOO_LARGE,
                          "The run is too large to be shown whole; follow its events.");
    l->facts = (struct wf_facts){.run = l->row.id,
                                 .workflow = l->row.workflow,
                                 .tenant = l->row.tenant,
                                 .version = l->row.version,
                                 .created_at = l->row.created_at,
                                 .trigger = l->row.origin};
    return OK;
}

/* What a run is gathered of that has not begun. */
static Err gather_json(struct wf_engine *e, struct arena *a, Id run, struct json **ret_json)
{
    struct gather_row row;
    Err err = store_gather_get(e->db, a, run, &row);

    *ret_json = json_null(a);
    if (err == E_NOT_FOUND) /* it has begun meanwhile */
        return OK;
    TRY(err);
    *ret_json = wf_gather_json(a, &row);
    return OK;
}

Err wf_run_load(struct wf_engine *e, struct arena *a, Id tenant, Id id, struct json **ret_json)
{
    struct loaded l;

    TRY(load(e, a, tenant, id, NULL, &l));
    struct json *doc = run_doc(a, &l.row, l.state, &l.facts);
    struct json *children, *gathering;
    TRY(children_json(e, a, id, &children));
    json_set(a, doc, S("children"), children);
    if (!l.state->seq) {
        TRY(gather_json(e, a, id, &gathering));
        json_set(a, doc, S("gathering"), gathering);
    }
    json_set(a, doc, S("definition"), l.def->json);
    *ret_json = doc;
    return OK;
}

/* ---- items and rounds ---- */

static const char *turn_state_name(const struct wf_frame *f, bool final)
{
    if (f->failed)
        return "failed";
    if (f->left == 0)
        return "succeeded";
    return f->stopped || final ? "skipped" : "running";
}

static struct json *turn_json(struct wf_engine *e, struct arena *a, const struct loaded *l,
                              const struct wf_frame *f)
{
    bool final = wf_run_state_is_final(l->state->run);
    /* What names an item is answered by it. Without one its steps are shown without their inputs.
     */
    Err err = run_find_items(&e->o.env, l->state, &l->facts, f);

    return json_obj(a, "index", json_int(a, f->index), "scope",
                    json_str(a, wf_path_text(a, l->def, &f->path)), "state",
                    json_str_c(a, turn_state_name(f, final)), "steps",
                    steps_json(a, l->state, err == OK ? &l->facts : NULL, f), NULL);
}

Err wf_run_items(struct wf_engine *e, struct arena *a, const struct wf_items_page *p,
                 struct json **ret_json)
{
    struct run_row row;
    AUTO(wf_def) *def = NULL;
    struct wf_keep keep = {.wanted = true, .from = p->from, .to = p->from + p->limit};
    struct loaded l;

    TRY(store_run_get(e->db, a, p->tenant, p->run, &row));
    TRY(wf_engine_def(e, row.hash, &def));
    TRY(wf_path_read(def, p->scope, &keep.in));
    keep.node = wf_def_node(def, p->node);
    if (keep.node < 0 || !def->nodes[keep.node].body ||
        def->nodes[keep.node].parent != (keep.in.depth ? keep.in.at[keep.in.depth - 1].node : -1))
        return err_detail(E_NOT_FOUND, "There is no node \"%.*s\" with items or rounds there.",
                          P(str_head(p->node, 64)));
    TRY(load(e, a, p->tenant, p->run, &keep, &l));
    struct wf_frame *in = wf_core_frame_kept(l.state, &keep.in);
    const struct wf_node_run *n = in ? wf_core_step(l.state, in, keep.node) : NULL;
    const struct wf_cycle *c = n ? n->inside : NULL;
    struct json *items = json_arr(a);
    for (int i = keep.from; c && i < keep.to && i < c->begun; i++) {
        const struct wf_frame *f = wf_core_turn(l.state, n, i);
        if (f)
            json_push(a, items, turn_json(e, a, &l, f));
        TRY(fiber_breathe());
    }
    bool more = c && keep.to < c->begun;
    *ret_json = json_obj(a, "items", items, "total", json_int(a, c ? c->count : 0), "next",
                         more ? json_int(a, keep.to) : json_null(a), NULL);
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
    AUTO(wf_watch) *own = f->watch ? NULL : wf_watch_new(e->hub, run);
    struct wf_watch *watch = f->watch ? f->watch : own;
    AUTO(arena) *a = arena_new(MIB(1));
    struct run_row row;
    Usec idle_at = usec_in(f->idle_after);

    if (!f->watch) { /* else nothing was missed, not a word */
        TRY(store_run_get(e->db, a, tenant, run, &row));
        TRY(read_journal(e, &w));
        /* Asked for what comes after the end: there is nothing, and will not be. */
        if (row.finished_at && !w.ended)
            return OK;
    }
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
