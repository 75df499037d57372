/* src/wf/cycles.c - containers of a run: what they go through is asked of their types, and
 * recorded.
 *
 * The items of an iteration are not recorded: they follow from what is, and are asked for again
 * when the run is taken up. What a round sets its variables to is.
 */
#include "wf/engine_private.h"

static Err ask_open(struct wf_run *run, const struct wf_node_run *n, struct wf_opening *ret_opening)
{
    struct wf_names names;
    struct wf_scope scope;
    struct wf_step step = run_step(run, run_arena(run, n), n, 1, &names, &scope);

    TRY(run_check_memory(run, 0));
    TRY(step.node->type->open(&step, step.node->settings, ret_opening));
    return run_check_memory(run, (size_t)ret_opening->count * 8);
}

/* Each item takes a step at least: those that can never all be run are refused before the first has
 * done anything. */
static Err check_steps(const struct wf_run *run, const struct wf_node_run *n, int64_t items)
{
    const struct wf_node *node = &run->def->nodes[n->node];
    int64_t left = run->def->max_steps - run->state->steps;

    if (node->cycle.rounds || items <= left)
        return OK;
    return err_detail(E_TOO_LARGE,
                      "Node %.*s was given %lld items, and the run may take %lld steps more: raise "
                      "settings.max_steps.",
                      P(node->id), (long long)items, (long long)(left > 0 ? left : 0));
}

/* The failure of a container by itself: of what it goes through, or how. */
static Err record_own_failure(struct wf_run *run, struct wf_node_run *n, Err e)
{
    if (e == E_CANCELLED && fiber_cancelled())
        return e;
    return run_record_failure(run, n, 1, e, str_dup(run_arena(run, n), str_c(err_client_text(e))),
                              0, 0);
}

Err run_open(struct wf_run *run, struct wf_node_run *n)
{
    struct wf_opening opening = {0};
    struct wf_event ev;
    Err e = ask_open(run, n, &opening);

    if (e == OK)
        e = check_steps(run, n, opening.count);
    if (e != OK)
        return record_own_failure(run, n, e);
    wf_core_open(run_arena(run, n), n, &opening, &ev);
    e = run_record(run, ev);
    if (e == E_TOO_LARGE)
        return record_own_failure(run, n, e);
    TRY(e);
    n->inside->items = opening.items;
    return OK;
}

/* The step of @n as its type sees it in the frame of the round that is over. */
static Err ask_round(struct wf_run *run, const struct wf_node_run *n, struct wf_round *ret_round)
{
    struct wf_frame *over = n->inside->over;
    struct wf_names names;
    struct wf_scope scope;
    struct wf_step step = run_step(run, over->a, n, 1, &names, &scope);

    names.frame = over;
    TRY(run_find_items(&run->engine->o.env, run->state, &run->facts, over));
    TRY(run_check_memory(run, 0));
    return step.node->type->round(&step, step.node->settings, ret_round);
}

/* There are no more rounds, and its condition did not hold. */
static Err record_too_many(struct wf_run *run, struct wf_node_run *n)
{
    struct arena *a = run_arena(run, n);
    struct wf_event ev;
    struct wf_error error = {S("too_many_rounds"),
                             str_fmt(a, "Node %.*s had %d rounds, and its condition did not hold.",
                                     P(run->def->nodes[n->node].id), n->inside->done)};

    wf_core_give_up(a, run->state, n, 1, error, &ev);
    run_count_step(&run->def->nodes[n->node], false, 0);
    return run_record(run, ev);
}

Err run_round(struct wf_run *run, struct wf_node_run *n)
{
    struct wf_round round = {0};
    struct wf_event ev;
    Err e = ask_round(run, n, &round);

    if (e != OK)
        return record_own_failure(run, n, e);
    if (!round.over && round.must_end && n->inside->begun == n->inside->count)
        return record_too_many(run, n);
    wf_core_round(n->inside->over->a, n, &round, &ev);
    e = run_record(run, ev);
    if (e == E_TOO_LARGE)
        return record_own_failure(run, n, e);
    TRY(e);
    return fiber_breathe();
}

Err run_close(struct wf_run *run, struct wf_node_run *n)
{
    struct wf_event ev;

    wf_core_close(run_arena(run, n), run->state, n, &ev);
    ev.took = usec_max(run_now(run) - n->started_at, 0);
    TRY(run_record(run, ev));
    run_count_step(&run->def->nodes[n->node], n->state == WF_NODE_DONE, ev.took);
    return OK;
}

static Err find_items_of(const struct wf_env *env, const struct wf_state *s,
                         const struct wf_facts *facts, struct wf_cycle *c)
{
    const struct wf_node_run *n = c->step;
    const struct wf_node *node = &s->def->nodes[n->node];
    struct wf_names names = {c->a, s, facts, n->frame};
    struct wf_scope scope = wf_core_scope(&names);
    struct wf_opening opening = {0};
    struct wf_step step = {.a = c->a,
                           .env = env,
                           .def = s->def,
                           .node = node,
                           .scope = &scope,
                           .tenant = facts->tenant,
                           .run = facts->run,
                           .attempt = 1,
                           .deadline = usec_in(node->timeout),
                           .input = s->input};

    TRY(node->type->open(&step, node->settings, &opening));
    if (opening.count != c->count)
        return err_set(E_CORRUPT, "node %.*s has %lld items now and had %d", P(node->id),
                       (long long)opening.count, c->count);
    c->items = opening.items;
    return OK;
}

Err run_find_items(const struct wf_env *env, const struct wf_state *s, const struct wf_facts *facts,
                   const struct wf_frame *frame)
{
    struct wf_cycle *c;

    while ((c = wf_core_lacks(frame)))
        TRY(find_items_of(env, s, facts, c));
    return OK;
}
