/* src/wf/core.c - the workflow engine as a pure state machine.
 *
 * Bookkeeping is by counters: each node knows how many of its in-edges are still unknown and how
 * many were taken, so that an event costs as much as the node it is about has edges, however large
 * the graph.
 */
#include "wf/core_private.h"

#include <math.h>

static const char *const state_names[] = {
    [WF_RUN_QUEUED] = "queued",   [WF_RUN_RUNNING] = "running",
    [WF_RUN_WAITING] = "waiting", [WF_RUN_SUCCEEDED] = "succeeded",
    [WF_RUN_FAILED] = "failed",   [WF_RUN_CANCELLED] = "cancelled",
    [WF_RUN_PAUSED] = "paused",   [WF_RUN_POISONED] = "poisoned",
};

const char *wf_run_state_name(enum wf_run_state s)
{
    return state_names[s];
}

bool wf_run_state_parse(Str name, enum wf_run_state *ret_state)
{
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++) {
        if (str_eq(name, str_c(state_names[i]))) {
            *ret_state = (enum wf_run_state)i;
            return true;
        }
    }
    return false;
}

/* ---- the fold ---- */

void core_push_ready(struct wf_state *s, struct wf_node_run *n)
{
    n->queued = true;
    core_list_add(&s->ready, n);
}

const struct json *core_keep(struct wf_state *s, const struct wf_frame *f, const struct json *v)
{
    return s->copies && v ? json_dup(core_arena(s, f), v) : v;
}

Str core_keep_str(struct wf_state *s, const struct wf_frame *f, Str text)
{
    return s->copies && text.n ? str_dup(core_arena(s, f), text) : text;
}

static struct wf_error keep_error(struct wf_state *s, const struct wf_frame *f,
                                  const struct wf_error *e)
{
    return (struct wf_error){core_keep_str(s, f, e->code), core_keep_str(s, f, e->message)};
}

/* An in-edge of @n becomes known. What is skipped in a body is not told by events: it is put on
 * @skips. */
static void know_edge(struct wf_state *s, struct wf_node_run *n, bool taken,
                      struct wf_node_run **skips)
{
    bool first = taken && s->def->nodes[n->node].joins_first;

    n->taken_in += taken;
    if ((--n->waiting_in && !first) || n->state != WF_NODE_IDLE || n->queued)
        return;
    if (n->taken_in || !n->frame->cycle) {
        core_push_ready(s, n);
        return;
    }
    n->state = WF_NODE_SKIPPED;
    n->frame->left--;
    n->next = *skips;
    *skips = n;
}

/* Whether @e leaves a node that took @handle; NULL p: none. */
static bool leaves_by(const struct wf_edge *e, Str handle)
{
    if (handle.p && str_eq(handle, S(WF_ALL_HANDLES)))
        return !str_eq(e->handle, S("error"));
    return handle.p && str_eq(e->handle, handle);
}

const struct wf_node_run *wf_core_came(const struct wf_state *s, const struct wf_node_run *to,
                                       const struct wf_edge *e)
{
    const struct wf_node_run *from = core_step_in(s, to->frame, e->from);

    return from && from->state == WF_NODE_DONE && leaves_by(e, from->handle) ? from : NULL;
}

/* Make the out-edges of @n known: taken where they leave by @handle, else skipped; NULL p: all
 * skipped. */
static void resolve_out(struct wf_state *s, struct wf_node_run *n, Str handle)
{
    struct wf_node_run *skips = NULL;

    do {
        const struct wf_node *node = &s->def->nodes[n->node];
        for (int i = 0; i < node->n_out; i++) {
            const struct wf_edge *e = &s->def->edges[node->out[i]];
            know_edge(s, core_step_in(s, n->frame, e->to), leaves_by(e, handle), &skips);
        }
        n = skips;
        handle = (Str){NULL, 0};
        skips = n ? n->next : NULL;
        if (n)
            n->next = NULL;
    } while (n);
}

/* Nodes that the trigger does not lead to take no part: they and their edges count as skipped. */
static void skip_unreachable(struct arena *a, struct wf_state *s)
{
    const struct wf_def *def = s->def;
    bool *reached = arena_array(a, bool, def->n_nodes);
    int *stack = arena_array(a, int, def->n_nodes);
    int n = 0;

    stack[n++] = def->trigger;
    reached[def->trigger] = true;
    while (n) {
        const struct wf_node *at = &def->nodes[stack[--n]];
        for (int i = 0; i < at->n_out; i++) {
            int to = def->edges[at->out[i]].to;
            if (!reached[to]) {
                reached[to] = true;
                stack[n++] = to;
            }
        }
    }
    for (int i = 0; i < def->n_nodes; i++)
        if (!reached[i])
            s->nodes[i].state = WF_NODE_SKIPPED;
    for (int i = 0; i < def->n_nodes; i++)
        if (!reached[i] && def->nodes[i].parent < 0)
            resolve_out(s, &s->nodes[i], (Str){NULL, 0});
}

size_t wf_core_size(const struct wf_def *def)
{
    return sizeof(struct wf_state) + sizeof(struct wf_node_run) * (size_t)def->n_nodes;
}

struct wf_state *wf_core_new(struct arena *a, const struct wf_def *def)
{
    struct wf_state *s = arena_new_of(a, struct wf_state);

    s->def = def;
    s->run = WF_RUN_QUEUED;
    s->error_node = s->failed_node = -1;
    s->a = a;
    s->nodes = s->root.nodes = arena_array(a, struct wf_node_run, def->n_nodes);
    for (int i = 0; i < def->n_nodes; i++) {
        s->nodes[i].node = i;
        s->nodes[i].frame = &s->root;
        s->nodes[i].waiting_in = def->nodes[i].n_in;
    }
    arena_defer(a, core_free_frames, s);
    skip_unreachable(a, s);
    return s;
}

static Err corrupt(const struct wf_event *ev, const char *why)
{
    return err_set(E_CORRUPT, "journal event %lld (%s) %s", (long long)ev->seq,
                   wf_event_name(ev->kind), why);
}

/* Out of what is ready, wherever it stands there. */
static bool take_ready(struct wf_state *s, struct wf_node_run *n)
{
    if (n->state != WF_NODE_IDLE || !n->queued)
        return false;
    core_list_take(&s->ready, n);
    n->queued = false;
    return true;
}

/* A step begins: it was ready, or is tried again. It is in no list then. */
static bool begin_step(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    if (n->state == WF_NODE_RETRY && ev->attempt == n->attempt + 1)
        core_list_take(&s->retrying, n);
    else if (s->undoing ? core_next_undo(s) != n : ev->attempt != 1 || !take_ready(s, n))
        return false;
    n->attempt = ev->attempt;
    n->started_at = ev->at - ev->took;
    if (!n->first_at)
        n->first_at = n->started_at;
    s->steps++;
    return true;
}

static Err apply_started(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    if (!begin_step(s, n, ev))
        return corrupt(ev, "starts a step that cannot start");
    n->state = WF_NODE_RUNNING;
    core_list_add(&s->running, n);
    core_count_running(n->frame, 1);
    return OK;
}

/* A step ends: the attempt that runs or waits, a container, or one that is recorded by its end
 * alone. It is in no list then. */
static bool end_step(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    bool begun =
        n->state == WF_NODE_RUNNING || n->state == WF_NODE_WAITING || n->state == WF_NODE_OPEN;

    if (begun ? n->attempt != ev->attempt : !begin_step(s, n, ev))
        return false;
    if (n->state == WF_NODE_OPEN) {
        if (!n->queued)
            return false;
        core_list_take(&s->settled, n);
        n->queued = false;
        s->n_open -= !n->frame->cycle;
    } else if (n->state == WF_NODE_WAITING) {
        core_list_take(&s->waits, n);
    } else if (n->state == WF_NODE_RUNNING) {
        core_list_take(&s->running, n);
        core_count_running(n->frame, -1);
    }
    n->ended_at = ev->at;
    n->took = ev->took;
    n->done_seq = ev->seq;
    return true;
}

/* @n has come to its end, and its out-edges are known by it; not where nothing goes on. */
static void go_on(struct wf_state *s, struct wf_node_run *n)
{
    n->state = WF_NODE_DONE;
    n->frame->left--;
    if (!wf_frame_is_stopped(n->frame))
        resolve_out(s, n, n->handle);
}

static Err apply_finished(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    bool container = n->state == WF_NODE_OPEN;

    if (container && (!n->inside || n->inside->closing || n->inside->live || n->inside->over))
        return corrupt(ev, "ends a container that is not at its end");
    if (!end_step(s, n, ev))
        return corrupt(ev, "ends a step that does not run");
    n->output = container ? core_cycle_output(s, n) : core_keep(s, n->frame, ev->data);
    if (container)
        core_end_cycle(s, n->inside);
    n->handle = ev->handle.n ? core_keep_str(s, n->frame, ev->handle) : S("out");
    n->kept_by = core_keep_str(s, n->frame, ev->kept_by);
    n->retry_at = 0;
    n->error = (struct wf_error){0};
    if (s->def->nodes[n->node].type->wait)
        core_taken(s, n->frame, n->output);
    go_on(s, n);
    return OK;
}

static Err apply_waiting(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    if (!begin_step(s, n, ev))
        return corrupt(ev, "starts a step that cannot start");
    core_list_add(&s->waits, n);
    s->was_open |= json_at(ev->data, "id") != NULL;
    s->has_children =
        s->has_children || str_eq(json_str_of(json_at(ev->data, "kind"), S("")), S("workflow"));
    n->state = WF_NODE_WAITING;
    n->due_at = ev->until;
    n->relative = ev->relative;
    n->due_handle = core_keep_str(s, n->frame, ev->handle);
    n->wait = core_keep(s, n->frame, ev->data);
    return OK;
}

static Err apply_answered(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    if (n->state != WF_NODE_WAITING || n->attempt != ev->attempt)
        return corrupt(ev, "answers a step that does not wait");
    if (!n->answers)
        n->answers = json_arr(core_arena(s, n->frame));
    json_push(core_arena(s, n->frame), n->answers, core_keep(s, n->frame, ev->data));
    return OK;
}

static Err apply_opened(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    if (!s->def->nodes[n->node].body || json_int_of(json_at(ev->data, "count"), -1) < 0)
        return corrupt(ev, "opens what is no container");
    if (!begin_step(s, n, ev))
        return corrupt(ev, "opens a step that cannot start");
    if (!core_open(s, n, ev->data))
        return corrupt(ev, "opens a container with too much in it");
    s->n_open += !n->frame->cycle;
    return OK;
}

static Err apply_round(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    return n->inside && core_round(s, n, ev) ? OK : corrupt(ev, "decides about no round");
}

/* The wall clock was set: what is so long after something else moves along. */
static void apply_clock(struct wf_state *s, Usec shift)
{
    s->clock_shift += shift;
    s->idle += shift;
    if (s->idle_since)
        s->idle_since += shift;
    for (struct wf_node_run *n = s->retrying.first; n; n = n->next) {
        n->retry_at += shift;
        n->ended_at += shift;
    }
    for (struct wf_node_run *n = s->waits.first; n; n = n->next) {
        n->started_at += shift;
        if (n->relative && n->due_at)
            n->due_at += shift;
    }
}

/* Nothing handles the failure of @n. */
static void fail(struct wf_state *s, struct wf_node_run *n)
{
    n->state = WF_NODE_FAILED;
    if (core_is_undo(s, n))
        return;
    if (n->frame->cycle) {
        core_fail_in_body(s, n);
    } else if (s->failed_node < 0) {
        s->failed_node = n->node;
        s->error = n->error;
        s->error_node = n->node;
    }
}

static Err apply_failed(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    if (!end_step(s, n, ev))
        return corrupt(ev, "ends a step that does not run");
    if (n->inside)
        core_end_cycle(s, n->inside);
    n->error = keep_error(s, n->frame, &ev->error);
    n->retry_at = ev->retry_at;
    if (ev->retry_at && !wf_frame_is_stopped(n->frame)) {
        n->state = WF_NODE_RETRY;
        core_list_add(&s->retrying, n);
        return OK;
    }
    if (ev->handled == WF_UNHANDLED) {
        fail(s, n);
        return OK;
    }
    n->output = core_keep(s, n->frame, ev->data);
    n->handle = ev->handled == WF_HANDLED_BRANCH ? S("error") : S("out");
    go_on(s, n);
    return OK;
}

static void end_run(struct wf_state *s, const struct wf_event *ev, enum wf_run_state state)
{
    s->run = state;
    s->ended_at = ev->at;
    s->wait_until = 0;
}

static Err apply_skipped(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    if (!take_ready(s, n))
        return corrupt(ev, "skips a step that is not to be decided");
    n->state = WF_NODE_SKIPPED;
    n->frame->left--;
    resolve_out(s, n, (Str){NULL, 0});
    return OK;
}

static Err apply_to(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    switch (ev->kind) {
    case WF_EV_STEP_STARTED:
        return apply_started(s, n, ev);
    case WF_EV_STEP_FINISHED:
        return apply_finished(s, n, ev);
    case WF_EV_STEP_FAILED:
        return apply_failed(s, n, ev);
    case WF_EV_STEP_WAITING:
        return apply_waiting(s, n, ev);
    case WF_EV_STEP_ANSWERED:
        return apply_answered(s, n, ev);
    case WF_EV_STEP_OPENED:
        return apply_opened(s, n, ev);
    case WF_EV_STEP_ROUND:
        return apply_round(s, n, ev);
    default:
        return apply_skipped(s, n, ev);
    }
}

static Err apply_step(struct wf_state *s, const struct wf_event *ev)
{
    struct wf_frame *f = wf_core_frame(s, &ev->in);
    struct wf_node_run *n = f ? core_step_in(s, f, ev->node) : NULL;

    if (!n)
        return corrupt(ev, "names no step");
    if (s->run == WF_RUN_QUEUED)
        return corrupt(ev, "comes before the start of the run");
    TRY(apply_to(s, n, ev));
    if (!f->cycle)
        return OK;
    size_t bytes = arena_used(f->a);
    s->frame_bytes += bytes - f->bytes;
    f->bytes = bytes;
    core_settle(s, f);
    return OK;
}

/* It does not wait or rest any more; what was before its gate is there still. */
static void go_on_running(struct wf_state *s)
{
    if (wf_run_state_rests(s->run) && s->queued_before)
        s->run = WF_RUN_QUEUED;
    else if (s->run != WF_RUN_QUEUED)
        s->run = WF_RUN_RUNNING;
    s->queued_before = false;
}

static Err apply_run(struct wf_state *s, const struct wf_event *ev)
{
    switch (ev->kind) {
    case WF_EV_RUN_STARTED:
        if (s->seq)
            return corrupt(ev, "starts a run twice");
        s->run = WF_RUN_RUNNING;
        s->input = core_keep(s, &s->root, ev->data);
        s->request = core_keep(s, &s->root, ev->request);
        s->vars = core_keep(s, &s->root, ev->vars);
        s->kept = core_keep(s, &s->root, ev->kept);
        s->rerun_of = core_keep(s, &s->root, ev->rerun_of);
        s->parent = core_keep(s, &s->root, ev->parent);
        s->cause = core_keep(s, &s->root, ev->cause);
        s->dry_run = ev->dry_run;
        s->started_at = ev->at;
        core_push_ready(s, &s->nodes[s->def->trigger]);
        return OK;
    case WF_EV_RUN_QUEUED:
        if (s->run != WF_RUN_RUNNING || s->running.n || s->undoing)
            return corrupt(ev, "queues a run in the middle of a step");
        s->run = WF_RUN_QUEUED;
        s->flow = core_keep(s, &s->root, ev->data);
        return OK;
    case WF_EV_RUN_ADMITTED:
        if (s->run != WF_RUN_QUEUED || !s->seq)
            return corrupt(ev, "admits a run that does not queue");
        s->run = WF_RUN_RUNNING;
        return OK;
    case WF_EV_RUN_WAITING:
        s->run = WF_RUN_WAITING;
        s->wait_until = ev->until;
        return OK;
    case WF_EV_RUN_PAUSED:
        s->queued_before = s->run == WF_RUN_QUEUED || s->queued_before;
        s->run =
            str_eq(json_str_of(ev->data, S("")), S("crash_loop")) ? WF_RUN_POISONED : WF_RUN_PAUSED;
        s->wait_until = 0;
        return OK;
    case WF_EV_RUN_RESUMED:
        go_on_running(s);
        s->wait_until = 0;
        return OK;
    case WF_EV_CLOCK_SET:
        apply_clock(s, json_int_of(ev->data, 0));
        return OK;
    case WF_EV_CANCEL_REQUESTED:
        s->cancel_requested = true;
        go_on_running(s);
        return OK;
    case WF_EV_RUN_UNDOING:
        return core_undo(s, ev) ? OK : corrupt(ev, "undoes what cannot be undone");
    case WF_EV_RUN_SUCCEEDED:
        end_run(s, ev, WF_RUN_SUCCEEDED);
        s->output = core_keep(s, &s->root, ev->data);
        return OK;
    case WF_EV_RUN_FAILED:
        end_run(s, ev, WF_RUN_FAILED);
        s->error = keep_error(s, &s->root, &ev->error);
        s->error_node = ev->node;
        return OK;
    default:
        end_run(s, ev, WF_RUN_CANCELLED);
        return OK;
    }
}

/* Whether nothing but waits is left to go on. */
static bool is_idle(const struct wf_state *s)
{
    if (s->run == WF_RUN_QUEUED || wf_run_state_rests(s->run))
        return true;
    return s->waits.n && !s->running.n && !s->retrying.n && !s->ready.n && !s->settled.n;
}

Err wf_core_apply(struct wf_state *s, const struct wf_event *ev)
{
    if (ev->seq != s->seq + 1)
        return corrupt(ev, "leaves a gap");
    if (wf_run_state_is_final(s->run))
        return corrupt(ev, "comes after the end of the run");
    bool of_step = ev->kind >= WF_EV_STEP_STARTED && ev->kind <= WF_EV_STEP_SKIPPED;
    s->dropped.n = 0;
    core_tidy(s);
    TRY(of_step ? apply_step(s, ev) : apply_run(s, ev));
    s->seq = ev->seq;
    if (ev->clock.n)
        s->clock = core_keep_str(s, &s->root, ev->clock);
    if (s->idle_since)
        s->idle += usec_max(ev->at - s->idle_since, 0);
    s->idle_since = is_idle(s) ? usec_max(ev->at, 1) : 0;
    return OK;
}

/* ---- decisions ---- */

/* The end of all, waits included. */
static Usec last_moment(const struct wf_state *s)
{
    return s->def->deadline ? usec_add(s->started_at + s->clock_shift, s->def->deadline)
                            : USEC_NEVER;
}

Usec wf_core_deadline(const struct wf_state *s)
{
    if (s->undoing)
        return USEC_NEVER;
    if (!s->def->timeout || s->idle_since)
        return last_moment(s);
    return usec_min(last_moment(s), usec_add(s->started_at + s->idle, s->def->timeout));
}

/* A run that is to end takes no new step; its end waits for those in flight. */
static bool decide_end(struct wf_state *s, Usec now, struct wf_decision *d)
{
    if (s->cancel_requested) {
        d->what = WF_DO_CANCELLED;
    } else if (s->failed_node >= 0) {
        d->what = WF_DO_FAIL;
        d->node = s->failed_node;
        d->error = s->error;
    } else if (now >= last_moment(s)) {
        d->what = WF_DO_FAIL;
        d->error = (struct wf_error){S("deadline"), S("The run did not end by its deadline.")};
    } else if (now >= wf_core_deadline(s)) {
        d->what = WF_DO_FAIL;
        d->error =
            (struct wf_error){S("timeout"), S("The run took longer than its workflow allows.")};
    } else if (s->steps >= s->def->max_steps && (s->ready.n || s->retrying.n)) {
        d->what = WF_DO_FAIL;
        d->error = (struct wf_error){S("too_many_steps"),
                                     S("The run reached the number of steps its workflow allows.")};
    } else {
        return false;
    }
    if (s->running.n)
        d->what = WF_DO_NOTHING;
    return true;
}

/* A failure that lies ahead of now: the clock was set back, and nobody knows how much of the wait
 * is left. Better too early than a day late. */
static const Usec CLOCK_SLACK = 5 * USEC_S;

bool core_is_due(const struct wf_node_run *n, Usec now)
{
    return n->retry_at <= now || n->ended_at > now + CLOCK_SLACK;
}

void core_decide_on(struct wf_decision *d, enum wf_do what, struct wf_node_run *n, int attempt)
{
    d->what = what;
    d->step = n;
    d->node = n->node;
    d->attempt = attempt;
}

static bool decide_retry(struct wf_state *s, Usec now, struct wf_decision *d)
{
    for (struct wf_node_run *n = s->retrying.first; n; n = n->next) {
        if (core_is_due(n, now)) {
            core_decide_on(d, WF_DO_START, n, n->attempt + 1);
            return true;
        }
        if (!d->until || n->retry_at < d->until)
            d->until = n->retry_at;
    }
    return false;
}

static bool decide_wake(struct wf_state *s, Usec now, struct wf_decision *d)
{
    for (struct wf_node_run *n = s->waits.first; n; n = n->next) {
        if (!n->due_at)
            continue;
        if (n->due_at <= now || (n->relative && n->started_at > now + CLOCK_SLACK)) {
            core_decide_on(d, WF_DO_WAKE, n, n->attempt);
            return true;
        }
        if (!d->until || n->due_at < d->until)
            d->until = n->due_at;
    }
    return false;
}

/* What comes next of what is ready; false: nothing may begin. */
static bool decide_ready(struct wf_state *s, struct wf_decision *d)
{
    struct wf_node_run *n = s->ready.first;

    if (!n)
        return false;
    bool starts = n->frame->cycle ? s->def->nodes[n->node].n_in == 0 : n->node == s->def->trigger;
    if (n->taken_in == 0 && !starts)
        core_decide_on(d, WF_DO_SKIP, n, 0);
    else if (!n->frame->cycle && json_get(s->kept, s->def->nodes[n->node].id))
        core_decide_on(d, WF_DO_KEEP, n, 1);
    else if (s->running.n < s->def->max_parallel)
        core_decide_on(d, WF_DO_START, n, 1);
    else
        return false;
    return true;
}

void wf_core_next(struct wf_state *s, Usec now, struct wf_decision *d)
{
    *d = (struct wf_decision){.what = WF_DO_NOTHING, .node = -1};
    if (!s->seq || wf_run_state_is_final(s->run) || wf_run_state_rests(s->run))
        return;
    if (s->undoing) {
        core_decide_undo(s, now, d);
        return;
    }
    if (decide_end(s, now, d)) {
        if (d->what != WF_DO_NOTHING && core_next_undo(s))
            d->what = WF_DO_UNDO;
        return;
    }
    if (s->run == WF_RUN_QUEUED) {
        d->until = wf_core_deadline(s) == USEC_NEVER ? 0 : wf_core_deadline(s);
        return;
    }
    if (decide_wake(s, now, d))
        return;
    if (s->settled.first) {
        const struct wf_cycle *c = s->settled.first->inside;
        core_decide_on(d, c->over ? WF_DO_ROUND : WF_DO_CLOSE, s->settled.first, 1);
        return;
    }
    if (decide_ready(s, d))
        return;
    if (s->running.n < s->def->max_parallel && decide_retry(s, now, d))
        return;
    if (!s->ready.n && !s->running.n && !s->retrying.n && !s->waits.n && !s->n_open) {
        d->what = WF_DO_SUCCEED;
        return;
    }
    Usec deadline = wf_core_deadline(s);
    if (deadline != USEC_NEVER && (!d->until || deadline < d->until))
        d->until = deadline;
}

/* ---- failures ---- */

static unsigned retry_class(Err e)
{
    switch (e) {
    case E_TIMEOUT:
        return WF_RETRY_TIMEOUT;
    case E_RATE_LIMITED:
        return WF_RETRY_RATE_LIMITED;
    case E_CONNECT:
    case E_UNAVAILABLE:
    case E_OVERLOADED:
    case E_UPSTREAM_CUT:
        return WF_RETRY_UNAVAILABLE;
    case E_UPSTREAM:
        return WF_RETRY_BAD_ANSWER;
    case E_CANCELLED:
    case E_INVALID:
    case E_STOPPED:
    case E_EGRESS:
    case E_UNSUPPORTED:
        return 0;
    default:
        return WF_RETRY_ANY & ~(unsigned)(WF_RETRY_USUAL | WF_RETRY_BAD_ANSWER);
    }
}

static Usec backoff(const struct wf_retry *r, int attempt, double chance)
{
    double delay = (double)r->delay;
    if (r->exponential)
        delay *= pow(2, attempt - 1 < 40 ? attempt - 1 : 40);
    if (r->max_delay && delay > (double)r->max_delay)
        delay = (double)r->max_delay;
    return (Usec)(delay * (1 - r->jitter * chance));
}

/* When the step is tried again; 0: not. */
static Usec next_attempt_at(const struct wf_state *s, const struct wf_node_run *r, int attempt,
                            Err e, Usec now, Usec retry_after, double chance)
{
    const struct wf_node *n = &s->def->nodes[r->node];

    if (attempt >= n->retry.max_attempts || !(n->retry.on & retry_class(e)))
        return 0;
    bool ends = s->cancel_requested || s->failed_node >= 0 || wf_frame_is_stopped(r->frame);
    if (ends && !s->undoing)
        return 0;
    Usec at = now + usec_max(backoff(&n->retry, attempt, chance), retry_after);
    Usec first = r->first_at ? r->first_at : now;
    if (n->total_timeout && at > first + n->total_timeout)
        return 0;
    return at < wf_core_deadline(s) ? at : 0;
}

static void give_up(struct arena *a, const struct wf_node *n, struct wf_event *ev)
{
    if (n->on_error == WF_ERROR_DEFAULT) {
        ev->handled = WF_HANDLED_DEFAULT;
        ev->data = n->default_output;
    } else if (n->on_error == WF_ERROR_BRANCH) {
        ev->handled = WF_HANDLED_BRANCH;
        ev->data = json_obj(a, "error",
                            json_obj(a, "code", json_str(a, ev->error.code), "message",
                                     json_str(a, ev->error.message), NULL),
                            NULL);
    }
}

void wf_core_give_up(struct arena *a, const struct wf_state *s, const struct wf_node_run *n,
                     int attempt, struct wf_error error, struct wf_event *ret_event)
{
    *ret_event = (struct wf_event){.kind = WF_EV_STEP_FAILED,
                                   .node = n->node,
                                   .in = n->frame->path,
                                   .attempt = attempt,
                                   .error = error};
    if (s->undoing || (!s->cancel_requested && !wf_frame_is_stopped(n->frame)))
        give_up(a, &s->def->nodes[n->node], ret_event);
}

void wf_core_failure(struct arena *a, const struct wf_state *s, const struct wf_node_run *n,
                     int attempt, Err e, Str message, Usec now, Usec retry_after, double chance,
                     struct wf_event *ret_event)
{
    *ret_event = (struct wf_event){
        .kind = WF_EV_STEP_FAILED,
        .node = n->node,
        .in = n->frame->path,
        .attempt = attempt,
        .error = {str_c(err_slug(e)), message},
        .retry_at = next_attempt_at(s, n, attempt, e, now, retry_after, chance),
    };
    /* A step that is stopped because its run or its item ends has not failed by itself: nothing
     * handles that. */
    if (!ret_event->retry_at && e != E_CANCELLED)
        wf_core_give_up(a, s, n, attempt, ret_event->error, ret_event);
}

void wf_core_interrupted(struct arena *a, const struct wf_state *s, const struct wf_node_run *r,
                         Usec now, struct wf_event *ret_event)
{
    const struct wf_node *n = &s->def->nodes[r->node];
    bool repeat = n->on_unknown == WF_UNKNOWN_REPEAT ||
                  (n->on_unknown == WF_UNKNOWN_TYPE && wf_node_effects(n) != WF_EXTERNAL);
    bool goes_on = s->undoing ||
                   (!s->cancel_requested && s->failed_node < 0 && !wf_frame_is_stopped(r->frame));

    *ret_event = (struct wf_event){
        .kind = WF_EV_STEP_FAILED,
        .node = r->node,
        .in = r->frame->path,
        .attempt = r->attempt,
        .error =
            {S("unknown_outcome"),
             repeat
                 ? S("The server stopped while this step ran; it is run again.")
                 : S("The server stopped while this step ran, and it is not known whether its "
                     "call took effect. Set on_unknown to \"repeat\" if a repeat does no harm.")},
        .retry_at = repeat && goes_on ? now : 0,
    };
    if (!ret_event->retry_at)
        wf_core_give_up(a, s, r, r->attempt, ret_event->error, ret_event);
}

/* ---- results that are kept ---- */

void wf_core_kept(const struct wf_state *s, const struct wf_node_run *n, struct wf_event *ret_event)
{
    const struct json *kept = json_get(s->kept, s->def->nodes[n->node].id);

    *ret_event = (struct wf_event){
        .kind = WF_EV_STEP_FINISHED,
        .node = n->node,
        .in = n->frame->path,
        .attempt = 1,
        .handle = json_str_of(json_at(kept, "handle"), S("out")),
        .data = json_at(kept, "output"),
        .kept_by = json_str_of(json_at(kept, "by"), S("run")),
    };
}

/* ---- waits ---- */

static struct json *wait_output(struct arena *a, const struct wf_node_run *n, const char *outcome)
{
    struct json *o =
        json_obj(a, "outcome", json_str_c(a, outcome), "since", json_time(a, n->started_at), NULL);

    if (n->due_at)
        json_set(a, o, S("until"), json_time(a, n->due_at));
    if (n->answers)
        json_set(a, o, S("answers"), n->answers);
    return o;
}

void wf_core_due(struct arena *a, const struct wf_node_run *n, struct wf_event *ret_event)
{
    bool timeout = str_eq(n->due_handle, S("timeout"));

    *ret_event = (struct wf_event){
        .kind = WF_EV_STEP_FINISHED,
        .node = n->node,
        .in = n->frame->path,
        .attempt = n->attempt,
        .handle = n->due_handle,
        .data = wait_output(a, n, timeout ? "timeout" : "due"),
    };
}

/* Whether @by has answered the wait before. */
static bool has_answered(const struct wf_node_run *n, Str by)
{
    for (size_t i = 0; i < json_len(n->answers); i++)
        if (str_eq(json_str_of(json_at(json_item(n->answers, i), "by"), S("")), by))
            return true;
    return false;
}

/* One of several people decided: the last that is needed, or one who rejects, ends the wait. All
 * answers that are kept have approved. */
static bool answer_approval(struct arena *a, const struct wf_node_run *n, const struct json *answer,
                            struct wf_event *ev)
{
    bool approves = str_eq(json_str_of(json_at(answer, "decision"), S("")), S("approve"));
    int64_t needed = json_int_of(json_at(n->wait, "needed"), 1);

    if (has_answered(n, json_str_of(json_at(answer, "by"), S(""))))
        return false;
    if (approves && (int64_t)json_len(n->answers) + 1 < needed) {
        ev->kind = WF_EV_STEP_ANSWERED;
        ev->data = answer;
        return true;
    }
    struct json *all = n->answers ? json_dup(a, n->answers) : json_arr(a);
    json_push(a, all, answer);
    ev->handle = approves ? S("approve") : S("reject");
    ev->data = json_obj(a, "outcome", json_str(a, ev->handle), "by", json_at(answer, "by"), "data",
                        json_at(answer, "data"), "comment", json_at(answer, "comment"), "since",
                        json_time(a, n->started_at), "answers", all, NULL);
    return true;
}

bool wf_core_answer(struct arena *a, const struct wf_node_run *n, const struct json *answer,
                    struct wf_event *ret_event)
{
    if (n->state != WF_NODE_WAITING)
        return false;
    *ret_event = (struct wf_event){.kind = WF_EV_STEP_FINISHED,
                                   .node = n->node,
                                   .in = n->frame->path,
                                   .attempt = n->attempt,
                                   .handle = S("out"),
                                   .data = answer};
    if (str_eq(json_str_of(json_at(n->wait, "kind"), S("")), S("approval")))
        return answer_approval(a, n, answer, ret_event);
    return true;
}

/* ---- output and names ---- */

static bool is_output(const struct wf_state *s, const struct wf_node_run *r, bool of_type)
{
    const struct wf_node *n = &s->def->nodes[r->node];
    if (r->state != WF_NODE_DONE)
        return false;
    return of_type ? str_eq(str_c(n->type->name), S("output")) : n->n_out == 0;
}

static const struct json *collect_outputs(struct arena *a, const struct wf_state *s,
                                          const struct wf_frame *f, bool of_type, int *ret_n)
{
    int count = f->cycle ? s->def->nodes[f->cycle->step->node].body->n : s->def->n_nodes;
    const struct wf_node_run *only = NULL;
    struct json *all = NULL;
    int n = 0;

    for (int i = 0; i < count; i++) {
        const struct wf_node_run *r = &f->nodes[i];
        if (!is_output(s, r, of_type))
            continue;
        if (n++ == 0) {
            only = r;
            continue;
        }
        if (!all) {
            all = json_obj(a, NULL);
            json_set(a, all, s->def->nodes[only->node].id, only->output);
        }
        json_set(a, all, s->def->nodes[r->node].id, r->output);
    }
    *ret_n = n;
    return all ? all : only ? only->output : NULL;
}

const struct json *wf_core_output_of(struct arena *a, const struct wf_state *s,
                                     const struct wf_frame *f)
{
    int n;
    const struct json *output = collect_outputs(a, s, f, true, &n);
    if (n == 0)
        output = collect_outputs(a, s, f, false, &n);
    return output;
}

const struct json *wf_core_output(struct arena *a, const struct wf_state *s)
{
    return wf_core_output_of(a, s, &s->root);
}

static struct json *find_variable(const struct wf_state *s, Str name)
{
    struct json *set = json_get(s->vars, name);
    for (int i = 0; i < s->def->n_variables && !set; i++)
        if (str_eq(s->def->variables[i].name, name))
            return (struct json *)(uintptr_t)s->def->variables[i].value;
    return set;
}

static struct json *all_variables(struct arena *a, const struct wf_state *s)
{
    struct json *vars = json_obj(a, NULL);
    for (int i = 0; i < s->def->n_variables; i++)
        json_set(a, vars, s->def->variables[i].name, find_variable(s, s->def->variables[i].name));
    return vars;
}

/* What the name of a node means in @f: its output, or what the container around gives the body. A
 * node that did not run has no output: a path into it leads nowhere. */
static struct json *of_node(struct wf_names *names, int node)
{
    const struct wf_state *s = names->state;

    for (const struct wf_frame *f = names->frame; f && f->cycle; f = wf_frame_above(f))
        if (f->cycle->step->node == node)
            return wf_frame_json(names->a, f);
    const struct wf_node_run *n = wf_core_step(s, names->frame, node);
    return n && n->state == WF_NODE_DONE ? (struct json *)(uintptr_t)n->output : NULL;
}

/* "item" and "index" of the innermost iteration. */
static struct json *of_item(struct wf_names *names, Str name)
{
    const struct wf_frame *f = names->frame;

    while (f && f->cycle && f->cycle->rules.rounds)
        f = wf_frame_above(f);
    if (!f || !f->cycle)
        return NULL;
    if (str_eq(name, S("item")))
        return wf_cycle_item(names->a, f->cycle, f->index);
    return str_eq(name, S("index")) ? json_int(names->a, f->index) : NULL;
}

static struct json *root(void *ctx, Str name)
{
    struct wf_names *names = ctx;
    const struct wf_state *s = names->state;
    const struct wf_facts *f = names->facts;
    struct arena *a = names->a;
    int node = wf_def_node(s->def, name);

    if (node >= 0)
        return of_node(names, node);
    if (str_eq(name, S("input")))
        return s->input ? (struct json *)(uintptr_t)s->input : json_null(a);
    if (str_eq(name, S("vars")))
        return all_variables(a, s);
    if (str_eq(name, S("run")))
        return json_obj(a, "id", json_id(a, f->run), "started_at", json_time(a, s->started_at),
                        "trigger", json_str(a, f->trigger), NULL);
    if (str_eq(name, S("workflow")))
        return json_obj(a, "id", json_id(a, f->workflow), "name", json_str(a, s->def->name),
                        "version", json_int(a, f->version), NULL);
    if (str_eq(name, S("request")))
        return s->request ? (struct json *)(uintptr_t)s->request : json_null(a);
    struct json *variable = find_variable(s, name);
    return variable ? variable : of_item(names, name);
}

struct wf_scope wf_core_scope(struct wf_names *names)
{
    return (struct wf_scope){root, names};
}
