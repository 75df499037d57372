/* src/wf/core.c - the workflow engine as a pure state machine.
 *
 * Bookkeeping is by counters: each node knows how many of its in-edges are still unknown and how
 * many were taken, so that an event costs as much as the node it is about has edges, however large
 * the graph.
 */
#include "wf/core.h"

#include <math.h>

static const char *const state_names[] = {
    [WF_RUN_QUEUED] = "queued",   [WF_RUN_RUNNING] = "running",
    [WF_RUN_WAITING] = "waiting", [WF_RUN_SUCCEEDED] = "succeeded",
    [WF_RUN_FAILED] = "failed",   [WF_RUN_CANCELLED] = "cancelled",
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

static void push_ready(struct wf_state *s, int node)
{
    s->ready[s->ready_n++] = node; /* each node becomes ready once: the queue has room for all */
}

/* Make the out-edges of @node known: taken where they leave by @handle, else skipped; NULL p: all
 * skipped. */
static void resolve_out(struct wf_state *s, int node, Str handle)
{
    const struct wf_node *n = &s->def->nodes[node];

    for (int i = 0; i < n->n_out; i++) {
        const struct wf_edge *e = &s->def->edges[n->out[i]];
        s->taken_in[e->to] += handle.p && str_eq(e->handle, handle);
        if (--s->waiting_in[e->to] == 0 && s->nodes[e->to].state == WF_NODE_IDLE)
            push_ready(s, e->to);
    }
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
        if (!reached[i])
            resolve_out(s, i, (Str){NULL, 0});
}

struct wf_state *wf_core_new(struct arena *a, const struct wf_def *def)
{
    struct wf_state *s = arena_new_of(a, struct wf_state);

    s->def = def;
    s->run = WF_RUN_QUEUED;
    s->error_node = s->failed_node = -1;
    s->nodes = arena_array(a, struct wf_node_run, def->n_nodes);
    s->waiting_in = arena_array(a, int, def->n_nodes);
    s->taken_in = arena_array(a, int, def->n_nodes);
    s->ready = arena_array(a, int, def->n_nodes);
    s->retrying = arena_array(a, int, def->n_nodes);
    s->waits = arena_array(a, int, def->n_nodes);
    s->a = a;
    for (int i = 0; i < def->n_nodes; i++)
        s->waiting_in[i] = def->nodes[i].n_in;
    skip_unreachable(a, s);
    return s;
}

static Err corrupt(const struct wf_event *ev, const char *why)
{
    return err_set(E_CORRUPT, "journal event %lld (%s) %s", (long long)ev->seq,
                   wf_event_name(ev->kind), why);
}

/* Whether @node is at the place in the queue from which it may begin: anywhere in it. */
static bool take_ready(struct wf_state *s, int node)
{
    for (int i = s->ready_head; i < s->ready_n; i++) {
        if (s->ready[i] != node)
            continue;
        /* Mostly the first: keep the order of the others. */
        for (; i > s->ready_head; i--)
            s->ready[i] = s->ready[i - 1];
        s->ready_head++;
        return true;
    }
    return false;
}

static void leave(int *list, int *n, int node)
{
    for (int i = 0; i < *n; i++) {
        if (list[i] == node) {
            list[i] = list[--*n];
            return;
        }
    }
}

/* A step begins: it was ready, or is tried again. */
static bool begin_step(struct wf_state *s, const struct wf_event *ev)
{
    struct wf_node_run *n = &s->nodes[ev->node];

    if (n->state == WF_NODE_RETRY && ev->attempt == n->attempt + 1)
        leave(s->retrying, &s->n_retry, ev->node);
    else if (n->state != WF_NODE_IDLE || ev->attempt != 1 || !take_ready(s, ev->node))
        return false;
    n->state = WF_NODE_RUNNING;
    n->attempt = ev->attempt;
    n->started_at = ev->at - ev->took;
    if (!n->first_at)
        n->first_at = n->started_at;
    s->steps++;
    s->n_running++;
    return true;
}

/* A step ends: the attempt that runs or waits, or one that is recorded by its end alone. */
static bool end_step(struct wf_state *s, const struct wf_event *ev)
{
    struct wf_node_run *n = &s->nodes[ev->node];
    bool waited = n->state == WF_NODE_WAITING;

    if (n->state != WF_NODE_RUNNING && !waited && !begin_step(s, ev))
        return false;
    if (n->attempt != ev->attempt)
        return false;
    if (waited)
        leave(s->waits, &s->n_waits, ev->node);
    else
        s->n_running--;
    n->ended_at = ev->at;
    n->took = ev->took;
    return true;
}

static Err apply_finished(struct wf_state *s, const struct wf_event *ev)
{
    struct wf_node_run *n = &s->nodes[ev->node];

    if (!end_step(s, ev))
        return corrupt(ev, "ends a step that does not run");
    n->state = WF_NODE_DONE;
    n->output = ev->data;
    n->handle = ev->handle.n ? ev->handle : S("out");
    n->kept_by = ev->kept_by;
    n->retry_at = 0;
    n->error = (struct wf_error){0};
    resolve_out(s, ev->node, n->handle);
    return OK;
}

static Err apply_waiting(struct wf_state *s, const struct wf_event *ev)
{
    struct wf_node_run *n = &s->nodes[ev->node];

    if (!begin_step(s, ev))
        return corrupt(ev, "starts a step that cannot start");
    s->n_running--;
    s->has_waited = true;
    s->waits[s->n_waits++] = ev->node;
    n->state = WF_NODE_WAITING;
    n->due_at = ev->until;
    n->relative = ev->relative;
    n->due_handle = ev->handle;
    n->wait = ev->data;
    return OK;
}

static Err apply_answered(struct wf_state *s, const struct wf_event *ev)
{
    struct wf_node_run *n = &s->nodes[ev->node];

    if (n->state != WF_NODE_WAITING || n->attempt != ev->attempt)
        return corrupt(ev, "answers a step that does not wait");
    if (!n->answers)
        n->answers = json_arr(s->a);
    json_push(s->a, n->answers, ev->data);
    return OK;
}

/* The wall clock was set: what is so long after something else moves along. */
static void apply_clock(struct wf_state *s, Usec shift)
{
    s->clock_shift += shift;
    s->idle += shift;
    if (s->idle_since)
        s->idle_since += shift;
    for (int i = 0; i < s->n_retry; i++) {
        struct wf_node_run *n = &s->nodes[s->retrying[i]];
        n->retry_at += shift;
        n->ended_at += shift;
    }
    for (int i = 0; i < s->n_waits; i++) {
        struct wf_node_run *n = &s->nodes[s->waits[i]];
        n->started_at += shift;
        if (n->relative && n->due_at)
            n->due_at += shift;
    }
}

static Err apply_failed(struct wf_state *s, const struct wf_event *ev)
{
    struct wf_node_run *n = &s->nodes[ev->node];

    if (!end_step(s, ev))
        return corrupt(ev, "ends a step that does not run");
    n->error = ev->error;
    n->retry_at = ev->retry_at;
    if (ev->retry_at) {
        n->state = WF_NODE_RETRY;
        s->retrying[s->n_retry++] = ev->node;
        return OK;
    }
    if (ev->handled == WF_UNHANDLED) {
        n->state = WF_NODE_FAILED;
        if (s->failed_node < 0) {
            s->failed_node = ev->node;
            s->error = ev->error;
            s->error_node = ev->node;
        }
        return OK;
    }
    n->state = WF_NODE_DONE;
    n->output = ev->data;
    n->handle = ev->handled == WF_HANDLED_BRANCH ? S("error") : S("out");
    resolve_out(s, ev->node, n->handle);
    return OK;
}

static void end_run(struct wf_state *s, const struct wf_event *ev, enum wf_run_state state)
{
    s->run = state;
    s->ended_at = ev->at;
    s->wait_until = 0;
}

static Err apply_step(struct wf_state *s, const struct wf_event *ev)
{
    if (ev->node < 0 || ev->node >= s->def->n_nodes)
        return corrupt(ev, "names no node");
    if (s->run == WF_RUN_QUEUED)
        return corrupt(ev, "comes before the start of the run");
    switch (ev->kind) {
    case WF_EV_STEP_STARTED:
        return begin_step(s, ev) ? OK : corrupt(ev, "starts a step that cannot start");
    case WF_EV_STEP_FINISHED:
        return apply_finished(s, ev);
    case WF_EV_STEP_FAILED:
        return apply_failed(s, ev);
    case WF_EV_STEP_WAITING:
        return apply_waiting(s, ev);
    case WF_EV_STEP_ANSWERED:
        return apply_answered(s, ev);
    default:
        if (s->nodes[ev->node].state != WF_NODE_IDLE || !take_ready(s, ev->node))
            return corrupt(ev, "skips a step that is not to be decided");
        s->nodes[ev->node].state = WF_NODE_SKIPPED;
        resolve_out(s, ev->node, (Str){NULL, 0});
        return OK;
    }
}

static Err apply_run(struct wf_state *s, const struct wf_event *ev)
{
    switch (ev->kind) {
    case WF_EV_RUN_STARTED:
        if (s->seq)
            return corrupt(ev, "starts a run twice");
        s->run = WF_RUN_RUNNING;
        s->input = ev->data;
        s->request = ev->request;
        s->vars = ev->vars;
        s->kept = ev->kept;
        s->rerun_of = ev->rerun_of;
        s->started_at = ev->at;
        push_ready(s, s->def->trigger);
        return OK;
    case WF_EV_RUN_QUEUED:
        if (s->run != WF_RUN_RUNNING || s->n_running)
            return corrupt(ev, "queues a run in the middle of a step");
        s->run = WF_RUN_QUEUED;
        s->flow = ev->data;
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
    case WF_EV_RUN_RESUMED:
        if (s->run != WF_RUN_QUEUED)
            s->run = WF_RUN_RUNNING;
        s->wait_until = 0;
        return OK;
    case WF_EV_CLOCK_SET:
        apply_clock(s, json_int_of(ev->data, 0));
        return OK;
    case WF_EV_CANCEL_REQUESTED:
        s->cancel_requested = true;
        if (s->run == WF_RUN_WAITING)
            s->run = WF_RUN_RUNNING;
        return OK;
    case WF_EV_RUN_SUCCEEDED:
        end_run(s, ev, WF_RUN_SUCCEEDED);
        s->output = ev->data;
        return OK;
    case WF_EV_RUN_FAILED:
        end_run(s, ev, WF_RUN_FAILED);
        s->error = ev->error;
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
    if (s->run == WF_RUN_QUEUED)
        return true;
    return s->n_waits && !s->n_running && !s->n_retry && s->ready_head == s->ready_n;
}

Err wf_core_apply(struct wf_state *s, const struct wf_event *ev)
{
    if (ev->seq != s->seq + 1)
        return corrupt(ev, "leaves a gap");
    if (wf_run_state_is_final(s->run))
        return corrupt(ev, "comes after the end of the run");
    bool of_step = ev->kind >= WF_EV_STEP_STARTED && ev->kind <= WF_EV_STEP_SKIPPED;
    TRY(of_step ? apply_step(s, ev) : apply_run(s, ev));
    s->seq = ev->seq;
    if (ev->clock.n)
        s->clock = ev->clock;
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
    } else if (s->steps >= s->def->max_steps && (s->ready_head < s->ready_n || s->n_retry)) {
        d->what = WF_DO_FAIL;
        d->error = (struct wf_error){S("too_many_steps"),
                                     S("The run reached the number of steps its workflow allows.")};
    } else {
        return false;
    }
    if (s->n_running)
        d->what = WF_DO_NOTHING;
    return true;
}

/* A failure that lies ahead of now: the clock was set back, and nobody knows how much of the wait
 * is left. Better too early than a day late. */
static const Usec CLOCK_SLACK = 5 * USEC_S;

static bool is_due(const struct wf_node_run *n, Usec now)
{
    return n->retry_at <= now || n->ended_at > now + CLOCK_SLACK;
}

static bool decide_retry(struct wf_state *s, Usec now, struct wf_decision *d)
{
    for (int i = 0; i < s->n_retry; i++) {
        int node = s->retrying[i];
        Usec at = s->nodes[node].retry_at;
        if (is_due(&s->nodes[node], now)) {
            d->what = WF_DO_START;
            d->node = node;
            d->attempt = s->nodes[node].attempt + 1;
            return true;
        }
        if (!d->until || at < d->until)
            d->until = at;
    }
    return false;
}

static bool decide_wake(struct wf_state *s, Usec now, struct wf_decision *d)
{
    for (int i = 0; i < s->n_waits; i++) {
        const struct wf_node_run *n = &s->nodes[s->waits[i]];
        if (!n->due_at)
            continue;
        if (n->due_at <= now || (n->relative && n->started_at > now + CLOCK_SLACK)) {
            d->what = WF_DO_WAKE;
            d->node = s->waits[i];
            d->attempt = n->attempt;
            return true;
        }
        if (!d->until || n->due_at < d->until)
            d->until = n->due_at;
    }
    return false;
}

void wf_core_next(struct wf_state *s, Usec now, struct wf_decision *d)
{
    *d = (struct wf_decision){.what = WF_DO_NOTHING, .node = -1};
    if (!s->seq || wf_run_state_is_final(s->run) || decide_end(s, now, d))
        return;
    if (s->run == WF_RUN_QUEUED) {
        d->until = wf_core_deadline(s) == USEC_NEVER ? 0 : wf_core_deadline(s);
        return;
    }
    if (decide_wake(s, now, d))
        return;
    if (s->ready_head < s->ready_n) {
        int node = s->ready[s->ready_head];
        if (s->taken_in[node] == 0 && node != s->def->trigger) {
            d->what = WF_DO_SKIP;
            d->node = node;
            return;
        }
        if (json_get(s->kept, s->def->nodes[node].id)) {
            d->what = WF_DO_KEEP;
            d->node = node;
            return;
        }
        if (s->n_running < s->def->max_parallel) {
            d->what = WF_DO_START;
            d->node = node;
            d->attempt = 1;
            return;
        }
    }
    if (s->n_running < s->def->max_parallel && decide_retry(s, now, d))
        return;
    if (s->ready_head == s->ready_n && !s->n_running && !s->n_retry && !s->n_waits) {
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
static Usec next_attempt_at(const struct wf_state *s, int node, int attempt, Err e, Usec now,
                            Usec retry_after, double chance)
{
    const struct wf_node *n = &s->def->nodes[node];

    if (attempt >= n->retry.max_attempts || !(n->retry.on & retry_class(e)))
        return 0;
    if (s->cancel_requested || s->failed_node >= 0)
        return 0;
    Usec at = now + usec_max(backoff(&n->retry, attempt, chance), retry_after);
    Usec first = s->nodes[node].first_at ? s->nodes[node].first_at : now;
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

void wf_core_failure(struct arena *a, const struct wf_state *s, int node, int attempt, Err e,
                     Str message, Usec now, Usec retry_after, double chance,
                     struct wf_event *ret_event)
{
    *ret_event = (struct wf_event){
        .kind = WF_EV_STEP_FAILED,
        .node = node,
        .attempt = attempt,
        .error = {str_c(err_slug(e)), message},
        .retry_at = next_attempt_at(s, node, attempt, e, now, retry_after, chance),
    };
    /* A step that is stopped because its run ends has not failed by itself: nothing handles that.
     */
    if (!ret_event->retry_at && !s->cancel_requested && e != E_CANCELLED)
        give_up(a, &s->def->nodes[node], ret_event);
}

void wf_core_interrupted(struct arena *a, const struct wf_state *s, int node, Usec now,
                         struct wf_event *ret_event)
{
    const struct wf_node *n = &s->def->nodes[node];
    bool repeat = n->on_unknown == WF_UNKNOWN_REPEAT ||
                  (n->on_unknown == WF_UNKNOWN_TYPE && wf_node_effects(n) != WF_EXTERNAL);

    *ret_event = (struct wf_event){
        .kind = WF_EV_STEP_FAILED,
        .node = node,
        .attempt = s->nodes[node].attempt,
        .error =
            {S("unknown_outcome"),
             repeat
                 ? S("The server stopped while this step ran; it is run again.")
                 : S("The server stopped while this step ran, and it is not known whether its "
                     "call took effect. Set on_unknown to \"repeat\" if a repeat does no harm.")},
        .retry_at = repeat && !s->cancel_requested && s->failed_node < 0 ? now : 0,
    };
    if (!ret_event->retry_at && !s->cancel_requested)
        give_up(a, n, ret_event);
}

/* ---- results that are kept ---- */

void wf_core_kept(const struct wf_state *s, int node, struct wf_event *ret_event)
{
    const struct json *kept = json_get(s->kept, s->def->nodes[node].id);

    *ret_event = (struct wf_event){
        .kind = WF_EV_STEP_FINISHED,
        .node = node,
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

void wf_core_due(struct arena *a, const struct wf_state *s, int node, struct wf_event *ret_event)
{
    const struct wf_node_run *n = &s->nodes[node];
    bool timeout = str_eq(n->due_handle, S("timeout"));

    *ret_event = (struct wf_event){
        .kind = WF_EV_STEP_FINISHED,
        .node = node,
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

bool wf_core_answer(struct arena *a, const struct wf_state *s, int node, const struct json *answer,
                    struct wf_event *ret_event)
{
    const struct wf_node_run *n = &s->nodes[node];

    if (n->state != WF_NODE_WAITING)
        return false;
    *ret_event = (struct wf_event){.kind = WF_EV_STEP_FINISHED,
                                   .node = node,
                                   .attempt = n->attempt,
                                   .handle = S("out"),
                                   .data = answer};
    if (str_eq(json_str_of(json_at(n->wait, "kind"), S("")), S("approval")))
        return answer_approval(a, n, answer, ret_event);
    return true;
}

/* ---- output and names ---- */

static bool is_output(const struct wf_state *s, int i, bool of_type)
{
    const struct wf_node *n = &s->def->nodes[i];
    if (s->nodes[i].state != WF_NODE_DONE)
        return false;
    return of_type ? str_eq(str_c(n->type->name), S("output")) : n->n_out == 0;
}

static const struct json *collect_outputs(struct arena *a, const struct wf_state *s, bool of_type,
                                          int *ret_n)
{
    struct json *all = NULL;
    int only = -1, n = 0;

    for (int i = 0; i < s->def->n_nodes; i++) {
        if (!is_output(s, i, of_type))
            continue;
        if (n++ == 0) {
            only = i;
            continue;
        }
        if (!all) {
            all = json_obj(a, NULL);
            json_set(a, all, s->def->nodes[only].id, s->nodes[only].output);
        }
        json_set(a, all, s->def->nodes[i].id, s->nodes[i].output);
    }
    *ret_n = n;
    return all ? all : only >= 0 ? s->nodes[only].output : NULL;
}

const struct json *wf_core_output(struct arena *a, const struct wf_state *s)
{
    int n;
    const struct json *output = collect_outputs(a, s, true, &n);
    if (n == 0)
        output = collect_outputs(a, s, false, &n);
    return output;
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

static struct json *root(void *ctx, Str name)
{
    struct wf_names *names = ctx;
    const struct wf_state *s = names->state;
    const struct wf_facts *f = names->facts;
    struct arena *a = names->a;
    int node = wf_def_node(s->def, name);

    /* A node that did not run has no output: a path into it leads nowhere. */
    if (node >= 0)
        return s->nodes[node].state == WF_NODE_DONE
                   ? (struct json *)(uintptr_t)s->nodes[node].output
                   : NULL;
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
    return find_variable(s, name);
}

struct wf_scope wf_core_scope(struct wf_names *names)
{
    return (struct wf_scope){root, names};
}
