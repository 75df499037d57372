/* src/wf/undo.c - compensation ("saga"): when a run fails or is cancelled, what its steps did is
 * undone, the latest first.
 *
 * A node names another that undoes it ("compensate"). Those stand beside the graph and never run
 * otherwise. Once nothing is in flight any more the run records that it undoes; from then on only
 * they run, one after the other, each a durable step like any other, with retries of its own and
 * without the run's time limits. One that fails for good is passed over, and shows.
 */
#include "wf/core_private.h"

/* Whether what @n did is to be undone: it ran to its end here. What was taken over from another run
 * is that run's. */
static bool has_effect(const struct wf_state *s, int node)
{
    const struct wf_node_run *n = &s->nodes[node];

    return s->def->nodes[node].undo >= 0 && n->state == WF_NODE_DONE && !n->error.code.n &&
           !n->kept_by.n;
}

struct wf_node_run *core_next_undo(const struct wf_state *s)
{
    struct wf_node_run *latest = NULL;

    if (!s->def->undoes)
        return NULL;
    for (int i = 0; i < s->def->n_nodes; i++) {
        if (!has_effect(s, i) || s->nodes[s->def->nodes[i].undo].attempt)
            continue;
        if (!latest || s->nodes[i].done_seq > latest->done_seq)
            latest = &s->nodes[i];
    }
    return latest ? &s->nodes[s->def->nodes[latest->node].undo] : NULL;
}

bool core_is_undo(const struct wf_state *s, const struct wf_node_run *n)
{
    return !n->frame->cycle && s->def->nodes[n->node].undoes >= 0;
}

bool core_undo(struct wf_state *s, const struct wf_event *ev)
{
    if (s->undoing || s->running.n || !core_next_undo(s) || s->run == WF_RUN_WAITING)
        return false;
    s->run = WF_RUN_RUNNING; /* also out of a queue: to undo takes no place */
    s->undoing = true;
    s->undo_cancelled = str_eq(json_str_of(json_at(ev->data, "because"), S("")), S("cancelled"));
    s->error = (struct wf_error){core_keep_str(s, &s->root, ev->error.code),
                                 core_keep_str(s, &s->root, ev->error.message)};
    s->error_node = ev->node;
    return true;
}

void core_decide_undo(struct wf_state *s, Usec now, struct wf_decision *d)
{
    struct wf_node_run *n = s->retrying.first, *next;

    while (n && !core_is_undo(s, n))
        n = n->next;
    if (s->running.n)
        return;
    if (n) {
        if (core_is_due(n, now))
            core_decide_on(d, WF_DO_START, n, n->attempt + 1);
        else
            d->until = n->retry_at;
        return;
    }
    next = core_next_undo(s);
    if (next) {
        core_decide_on(d, WF_DO_START, next, 1);
        return;
    }
    d->what = s->undo_cancelled ? WF_DO_CANCELLED : WF_DO_FAIL;
    d->node = s->error_node;
    d->error = s->error;
}

void wf_core_undo(struct arena *a, const struct wf_decision *d, bool cancelled,
                  struct wf_event *ret_event)
{
    *ret_event = (struct wf_event){
        .kind = WF_EV_RUN_UNDOING,
        .node = d->node,
        .error = d->error,
        .data = json_obj(a, "because", json_str_c(a, cancelled ? "cancelled" : "failed"), NULL),
    };
}

struct json *wf_undo_json(struct arena *a, const struct wf_state *s)
{
    const char *state = wf_run_state_is_final(s->run) ? "done" : "running";
    struct json *failed = json_arr(a);

    if (!s->undoing)
        return NULL;
    for (int i = 0; i < s->def->n_nodes; i++)
        if (s->def->nodes[i].undoes >= 0 && s->nodes[i].state == WF_NODE_FAILED)
            json_push(a, failed, json_str(a, s->def->nodes[i].id));
    if (json_len(failed))
        state = "incomplete";
    return json_obj(a, "because", json_str_c(a, s->undo_cancelled ? "cancelled" : "failed"),
                    "state", json_str_c(a, state), "failed", failed, NULL);
}
