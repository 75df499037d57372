/* src/wf/sim_check.c - what must hold in every simulated run, by name.
 *
 *  I1   a run that was accepted is not lost, and ends
 *  I2   the result of a step is recorded once, and never changes
 *  I3   what comes after a step sees its recorded result, and nothing else
 *  I4   what a step does outside: under as many keys as there are steps, and no more often than its
 *       recorded attempts and the crashes explain; never again once its result is durable
 *  I5   the end of a run is final
 *  I6   a wait ends once, and not before its time
 *  I7   limits hold, after crashes too (of gates: flow_sim_test.c)
 *  I8   what comes first goes first (gates: flow_sim_test.c), rounds go in order
 *  I9   what can go on does (of gates: flow_sim_test.c)
 *  I10  the folded journal is the live state
 *  I11  a run that is cancelled ends
 */
#include "base/map.h"
#include "wf/sim.h"

void sim_broken(struct sim *m, const char *what)
{
    if (!m->broken)
        m->broken = what;
}

/* ---- I10 ---- */

/* What the variables of a loop are. */
static bool vars_equal(struct arena *a, const struct wf_cycle *x, const struct wf_cycle *y)
{
    struct wf_frame fx = {.cycle = (struct wf_cycle *)(uintptr_t)x};
    struct wf_frame fy = {.cycle = (struct wf_cycle *)(uintptr_t)y};

    return !x->rules.rounds || json_equal(wf_frame_json(a, &fx), wf_frame_json(a, &fy));
}

static bool cycles_equal(struct arena *a, const struct wf_cycle *x, const struct wf_cycle *y)
{
    if (!x || !y)
        return x == y;
    return x->count == y->count && x->begun == y->begun && x->done == y->done &&
           x->failed == y->failed && x->live == y->live && x->closing == y->closing &&
           vars_equal(a, x, y) && json_equal(x->results, y->results) &&
           json_equal(x->errors, y->errors) && str_eq(x->error.message, y->error.message) &&
           str_eq(x->ended_by, y->ended_by);
}

static bool steps_equal(struct arena *a, const struct wf_node_run *p, const struct wf_node_run *q)
{
    return p->state == q->state && p->attempt == q->attempt && p->retry_at == q->retry_at &&
           p->due_at == q->due_at && json_len(p->answers) == json_len(q->answers) &&
           str_eq(p->handle, q->handle) && str_eq(p->kept_by, q->kept_by) &&
           p->waiting_in == q->waiting_in && p->taken_in == q->taken_in &&
           cycles_equal(a, p->inside, q->inside) &&
           json_equal(p->output ? p->output : &(struct json){0},
                      q->output ? q->output : &(struct json){0});
}

static bool frames_equal(struct arena *a, const struct wf_state *x, const struct wf_state *y)
{
    for (const struct wf_frame *f = x->frames; f; f = f->next) {
        const struct wf_frame *g = wf_core_frame_kept(y, &f->path);
        if (!g || f->left != g->left || f->running != g->running || f->stopped != g->stopped)
            return false;
        for (int i = 0; i < x->def->nodes[f->cycle->step->node].body->n; i++)
            if (!steps_equal(a, &f->nodes[i], &g->nodes[i]))
                return false;
    }
    return true;
}

bool sim_states_equal(struct arena *a, const struct wf_state *x, const struct wf_state *y)
{
    if (x->run != y->run || x->seq != y->seq || x->steps != y->steps ||
        x->running.n != y->running.n || x->retrying.n != y->retrying.n ||
        x->waits.n != y->waits.n || x->idle != y->idle || x->idle_since != y->idle_since ||
        x->ready.n != y->ready.n || x->settled.n != y->settled.n || x->n_open != y->n_open ||
        x->failed_node != y->failed_node || x->clock_shift != y->clock_shift ||
        x->cancel_requested != y->cancel_requested || x->undoing != y->undoing)
        return false;
    for (int i = 0; i < x->def->n_nodes; i++)
        if (!steps_equal(a, &x->nodes[i], &y->nodes[i]))
            return false;
    return frames_equal(a, x, y);
}

/* ---- as things become durable and are done ---- */

void sim_check_durable(struct sim_run *r, struct sim_step *step, const struct wf_event *ev)
{
    struct sim *m = r->sim;
    bool ends = ev->kind == WF_EV_STEP_FINISHED ||
                (ev->kind == WF_EV_STEP_FAILED && !ev->retry_at && ev->handled);
    if (!ends)
        return;
    if (step->ended)
        sim_broken(m, "I2: a step has a second durable result");
    step->ended = true;
    step->result = ev->data;
}

/* Whether @n gives out what is recorded of it. */
static bool is_recorded(struct sim_run *r, const struct wf_node_run *n)
{
    const struct sim_step *step = sim_step_of(r, n);

    /* A pure step's may not be durable yet; that of a container follows from its items. */
    return !step->result || json_equal(step->result, n->output);
}

void sim_check_call(struct sim_run *r, const struct wf_node_run *n)
{
    struct sim *m = r->sim;
    const struct wf_node *node = &r->def->nodes[n->node];
    const struct sim_step *step = sim_step_of(r, n);
    bool pure = wf_node_effects(node) == WF_PURE;

    for (int i = 0; i < node->n_in; i++) {
        const struct wf_node_run *from = wf_core_came(r->s, n, &r->def->edges[node->in[i]]);
        if (!from)
            continue;
        if (!is_recorded(r, from))
            sim_broken(m, "I3: a step sees another result than the recorded one");
        if (!pure && !sim_step_of(r, from)->ended)
            sim_broken(m, "I3: a step calls out before what it depends on is durable");
    }
    if (pure)
        return;
    if (step->ended)
        sim_broken(m, "I4: a step whose result is durable is done again");
    if (!n->frame->cycle && json_get(r->kept, node->id))
        sim_broken(m, "I4: a step whose result was taken over is done");
    if (!step->starts)
        sim_broken(m, "I4: a step is done before its start is durable");
    if (r->n_durable != r->journal.n)
        sim_broken(m, "I4: a step is done while something is not durable");
    if (step->calls > step->starts)
        sim_broken(m, "I4: a step is done more often than it was recorded");
}

void sim_check_now(struct sim_run *r)
{
    struct sim *m = r->sim;

    if (r->s->running.n > r->def->max_parallel)
        sim_broken(m, "I7: more steps run at once than allowed");
    for (const struct wf_frame *f = r->s->frames; f; f = f->next)
        if (f->cycle->live > (f->cycle->rules.rounds ? 1 : f->cycle->rules.parallel))
            sim_broken(m, "I7: more items run at once than allowed");
    if (!m->checks || sim_random(m) % 64)
        return;
    AUTO(arena) *a = arena_new(MIB(64));
    if (!sim_states_equal(a, r->s, sim_fold(r, r->journal.n)))
        sim_broken(m, "I10: the folded journal is not the live state");
}

/* ---- at the end ---- */

/* The results of an iteration are what its items' last steps gave, in the order of the list. */
static void check_results(struct sim_run *r, const struct wf_node_run *n)
{
    struct sim *m = r->sim;
    const struct wf_body *body = r->def->nodes[n->node].body;
    const struct json *results = json_at(n->output, "results");
    bool leaves_out = r->def->nodes[n->node].cycle.on_item_error == WF_ITEM_SKIP;

    if (!n->inside || n->inside->rules.rounds || n->inside->closing || body->n != 1)
        return;
    if (json_len(results) + (leaves_out ? (size_t)n->inside->failed : 0) !=
        (size_t)n->inside->count)
        sim_broken(m, "I2: an iteration has not as many results as items");
    for (int i = 0; n->inside->failed == 0 && i < n->inside->count; i++) {
        struct wf_path in = n->frame->path;
        in.at[in.depth].node = n->node;
        in.at[in.depth++].index = i;
        const struct json *seen = sim_step_at(r, &in, body->nodes[0])->result;
        if (seen && !json_equal(seen, json_item(results, (size_t)i)))
            sim_broken(m, "I3: an item's result is not what its step gave");
    }
}

static void check_rounds(struct sim_run *r, const struct wf_node_run *n)
{
    if (!n->inside || !n->inside->rules.rounds || !n->inside->ended_by.n)
        return;
    if (json_int_of(json_at(n->output, "rounds"), -1) != n->inside->done)
        sim_broken(r->sim, "I8: a loop has lost a round");
}

/* What a run that did not succeed has done is undone, the latest first; nothing else is. */
static void check_undone(struct sim_run *r)
{
    const struct wf_state *s = r->s;
    bool ends = s->run != WF_RUN_SUCCEEDED;
    int64_t last = INT64_MAX;

    for (int64_t at = 1; r->def->undoes && at <= s->seq; at++) /* as the undoing steps ended */
        for (int i = 0; i < r->def->n_nodes; i++) {
            int of = r->def->nodes[i].undoes;
            if (of < 0 || s->nodes[i].done_seq != at)
                continue;
            if (s->nodes[of].done_seq >= last)
                sim_broken(r->sim, "I8: steps are undone in the wrong order");
            last = s->nodes[of].done_seq;
        }
    for (int i = 0; i < r->def->n_nodes; i++) {
        int undo = r->def->nodes[i].undo;
        const struct wf_node_run *n = &s->nodes[i];
        if (undo < 0)
            continue;
        bool did = n->state == WF_NODE_DONE && !n->error.code.n && !n->kept_by.n;
        enum wf_node_state is = s->nodes[undo].state;
        if (ends && did && is != WF_NODE_DONE && is != WF_NODE_FAILED)
            sim_broken(r->sim, "I9: a step is not undone");
        if (!(ends && did) && s->nodes[undo].attempt)
            sim_broken(r->sim, "I4: a step is undone that should not be");
    }
}

/* Whether some in-edge of @i is taken, and all are known. */
static void look_in(const struct wf_state *s, int i, bool *ret_taken, bool *ret_known)
{
    const struct wf_def *def = s->def;

    *ret_taken = i == def->trigger;
    *ret_known = true;
    for (int k = 0; k < def->nodes[i].n_in; k++) {
        const struct wf_edge *e = &def->edges[def->nodes[i].in[k]];
        const struct wf_node_run *from = &s->nodes[e->from];
        bool all = str_eq(from->handle, S(WF_ALL_HANDLES)) && !str_eq(e->handle, S("error"));
        if (from->state == WF_NODE_DONE)
            *ret_taken = *ret_taken || all || str_eq(from->handle, e->handle);
        else if (from->state != WF_NODE_SKIPPED)
            *ret_known = false;
    }
}

/* Every node's state follows from its in-edges. */
static void check_nodes(struct sim_run *r)
{
    const struct wf_state *s = r->s;

    for (int i = 0; i < r->def->n_nodes; i++) {
        const struct wf_node_run *n = &s->nodes[i];
        bool taken, known;
        if (r->def->nodes[i].parent >= 0 || r->def->nodes[i].undoes >= 0)
            continue;
        look_in(s, i, &taken, &known);
        if (s->run == WF_RUN_SUCCEEDED && n->state != (taken ? WF_NODE_DONE : WF_NODE_SKIPPED))
            sim_broken(r->sim, "I9: a node did neither run nor was it rightly skipped");
        if (n->state != WF_NODE_DONE)
            continue;
        if (!(taken && (known || r->def->nodes[i].joins_first)))
            sim_broken(r->sim, "I3: a node ran whose in-edges did not allow it");
        check_results(r, n);
        check_rounds(r, n);
    }
}

/* A run that has ended takes no event any more. */
static void check_final(struct sim_run *r)
{
    struct wf_event ev = {.kind = WF_EV_RUN_RESUMED, .node = -1, .seq = r->s->seq + 1};
    struct wf_event again = {.kind = WF_EV_RUN_FAILED, .node = -1, .seq = r->s->seq + 1};
    enum wf_run_state state = r->s->run;

    if (wf_core_apply(r->s, &ev) == OK || wf_core_apply(r->s, &again) == OK || r->s->run != state)
        sim_broken(r->sim, "I5: something follows the end of a run");
}

void sim_check_end(struct sim_run *r)
{
    struct sim *m = r->sim;
    const struct wf_state *s = r->s;
    bool succeeded = s->run == WF_RUN_SUCCEEDED;

    if (!wf_run_state_is_final(s->run)) {
        sim_broken(m, r->cancel_asked ? "I11: a cancelled run does not end"
                                      : "I1: an accepted run does not end");
        return;
    }
    if (s->cancel_requested && s->run != WF_RUN_CANCELLED && !s->undoing)
        sim_broken(m, "I11: a cancelled run ends as if it were none");
    check_nodes(r);
    check_undone(r);
    if (r->mail.n && succeeded && s->waits.n)
        sim_broken(m, "I6: an answer was not taken");
    vec_each(&r->steps, step) {
        if ((*step)->starts > r->def->nodes[(*step)->node].retry.max_attempts + m->crashes)
            sim_broken(m, "I4: a step is done more often than attempts and crashes explain");
        if ((*step)->starts && (*step)->ended && !(*step)->calls && !m->crashes)
            sim_broken(m, "I4: a step has a result and was never done");
    }
    if (succeeded && (s->frames || s->frame_bytes))
        sim_broken(m, "I9: items are left behind");
    if (succeeded && r->def->deadline && r->ended - r->began >= r->def->deadline)
        sim_broken(m, "I6: a run succeeded after its deadline");
    check_final(r);
    AUTO(arena) *a = arena_new(MIB(64));
    if (!sim_states_equal(a, s, sim_fold(r, r->journal.n)))
        sim_broken(m, "I10: the folded journal is not the live state");
}
