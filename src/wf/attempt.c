/* src/wf/attempt.c - the steps of one run: pure ones at once, those that call out in fibers.
 *
 * A step that calls out is started after its start is durable (commit.c) and never before. Its end
 * waits in run->outcomes until the driver (drive.c) records it.
 */
#include "rt/inject.h"
#include "wf/engine_private.h"

#include <stdlib.h>

static void publish_live(struct wf_step *step, Str kind, const struct json *data)
{
    struct wf_engine *e = step->engine;
    if (!wf_hub_watched(e->hub, step->run))
        return;
    struct json *o =
        json_obj(step->a, "type", json_str(step->a, kind), "run_id", json_id(step->a, step->run),
                 "node", json_str(step->a, step->node->id), NULL);
    if (step->where.n)
        json_set(step->a, o, S("scope"), json_str(step->a, step->where));
    for (size_t i = 0; json_is(data, JSON_OBJ) && i < data->n; i++)
        json_set(step->a, o, str_from(data->obj[i].key.s, data->obj[i].key.n), &data->obj[i].val);
    wf_hub_publish(e->hub, step->run, WF_HUB_LIVE, 0, kind, json_text(step->a, o));
}

/* Monotonic end of the whole run. */
Usec run_deadline(const struct wf_run *run)
{
    Usec at = wf_core_deadline(run->state);
    return at == USEC_NEVER ? at : usec_in(usec_max(at - run_now(run), 0));
}

/* The same for all attempts of a step, and of no other. */
static Str step_key(struct arena *a, const struct wf_run *run, const struct wf_node *node,
                    Str where)
{
    char id[ID_TEXT_SIZE];
    const Str parts[] = {id_text(run->row.id, id), S(":"), where, where.n ? S("/") : S(""),
                         node->id};
    return str_join(a, parts, ARRAY_LEN(parts), S(""));
}

struct arena *run_arena(const struct wf_run *run, const struct wf_node_run *n)
{
    return n->frame->cycle ? n->frame->a : run->a;
}

struct wf_step run_step(struct wf_run *run, struct arena *a, const struct wf_node_run *n,
                        int number, struct wf_names *names, struct wf_scope *scope)
{
    const struct wf_node *node = &run->def->nodes[n->node];
    Str where = wf_path_text(a, run->def, &n->frame->path);

    *names = (struct wf_names){a, run->state, &run->facts, n->frame};
    *scope = wf_core_scope(names);
    return (struct wf_step){
        .a = a,
        .env = &run->engine->o.env,
        .def = run->def,
        .node = node,
        .scope = scope,
        .tenant = run->row.tenant,
        .workflow = run->row.workflow,
        .run = run->row.id,
        .attempt = number,
        .where = where,
        .key = step_key(a, run, node, where),
        .deadline = usec_min(usec_in(node->timeout), run_deadline(run)),
        .input = run->state->input,
        .state = run->state,
        .self = n,
        .live = publish_live,
        .engine = run->engine,
    };
}

/* Run one attempt of @n in @a. */
static Err run_attempt(struct wf_run *run, struct arena *a, const struct wf_node_run *n, int number,
                       struct wf_outcome *ret_outcome)
{
    struct wf_names names;
    struct wf_scope scope;
    struct wf_step step = run_step(run, a, n, number, &names, &scope);
    return step.node->type->run(&step, step.node->settings, ret_outcome);
}

/* The bytes of @output as JSON, held to the limit of a step. */
static Err measure_output(struct wf_run *run, const struct wf_node *node, const struct json *output,
                          size_t *ret_n)
{
    size_t max = run->engine->o.env.max_output;
    AUTO_BUF(b, max);

    json_write(&b, output);
    if (buf_ok(&b) != OK)
        return err_detail(E_TOO_LARGE, "The output of node %.*s is larger than %zu bytes.",
                          P(node->id), max);
    *ret_n = b.n;
    return OK;
}

/* Whether a value of @n bytes as JSON goes into the run's memory. Looked at before each one: many
 * steps may end at once. */
Err run_check_memory(const struct wf_run *run, size_t n)
{
    if (arena_used(run->a) + run->state->frame_bytes + n * 4 > RUN_MEMORY_MAX)
        return err_detail(E_TOO_LARGE, "The values of this run are too large to keep in memory.");
    return OK;
}

/* E_TOO_LARGE: nothing was recorded. */
static Err record_success(struct wf_run *run, struct wf_node_run *n, int number,
                          struct wf_outcome *o, Usec took)
{
    TRY(run_record(run, (struct wf_event){.kind = WF_EV_STEP_FINISHED,
                                          .node = n->node,
                                          .in = n->frame->path,
                                          .attempt = number,
                                          .handle = o->handle,
                                          .data = o->output,
                                          .took = took}));
    run_count_step(&run->def->nodes[n->node], true, took);
    /* Kept by itself: what the step is in may be over and its memory gone before it is sent. */
    if (run->def->nodes[n->node].type->answers && run->def->answered && !run->answer)
        run->answer = json_dup(run->a, o->output);
    return OK;
}

Err run_record_failure(struct wf_run *run, struct wf_node_run *n, int number, Err e, Str message,
                       Usec retry_after, Usec took)
{
    struct wf_event ev;
    double chance = (double)(crypto_random_u64() >> 11) / 9007199254740992.0;

    wf_core_failure(run_arena(run, n), run->state, n, number, e, message, run_now(run), retry_after,
                    chance, &ev);
    ev.took = took;
    run_count_step(&run->def->nodes[n->node], false, took);
    return run_record(run, ev);
}

/* A step that fails as the workflow says. */
static Err record_stop(struct wf_run *run, struct wf_node_run *n, int number, struct wf_error error,
                       Usec took)
{
    struct wf_event ev;

    wf_core_give_up(run_arena(run, n), run->state, n, number, error, &ev);
    ev.took = took;
    run_count_step(&run->def->nodes[n->node], false, took);
    return run_record(run, ev);
}

/* A pure step: computed here and now, in the memory of what it belongs to. */
static Err run_pure(struct wf_run *run, struct wf_node_run *n, int number)
{
    struct wf_outcome outcome = {0};
    struct arena *a = run_arena(run, n);
    Usec began = time_mono();
    Err e = run_check_memory(run, 0);

    if (e == OK)
        e = run_attempt(run, a, n, number, &outcome);
    if (e == OK && outcome.output == NULL)
        outcome.output = json_null(a);
    Usec took = time_mono() - began;
    if (e == OK) {
        e = record_success(run, n, number, &outcome, took);
        if (e != E_TOO_LARGE)
            return e;
    }
    if (e == E_CANCELLED && fiber_cancelled())
        return e;
    Str message = str_dup(a, str_c(err_client_text(e)));
    return e == E_STOPPED && outcome.error_code.n
               ? record_stop(run, n, number, (struct wf_error){outcome.error_code, message}, took)
               : run_record_failure(run, n, number, e, message, 0, took);
}

static Err attempt_fiber(void *arg)
{
    struct attempt *t = arg;
    struct wf_run *run = t->run;
    Usec deadline = usec_min(usec_in(run->def->nodes[t->node].timeout), run_deadline(run));

    (void)fiber_deadline_set(deadline);
    t->began = time_mono();
    t->fiber = fiber_self();
    INJECT_VOID("wf.step.before_call");
    t->result = t->stopped ? err_detail(E_CANCELLED, "It was stopped before it began.")
                           : run_attempt(run, t->a, t->step, t->number, &t->outcome);
    INJECT_VOID("wf.step.after_call");
    t->fiber = NULL;
    t->took = time_mono() - t->began;
    if (t->result == OK) {
        if (!t->outcome.output)
            t->outcome.output = json_null(t->a);
        t->result = measure_output(run, &run->def->nodes[t->node], t->outcome.output, &t->output_n);
    }
    if (t->result != OK) {
        t->message = str_dup(t->a, str_c(err_client_text(t->result)));
        t->retry_after = err_record()->code == t->result ? err_record()->retry_after_us : 0;
    }
    t->next = run->outcomes;
    run->outcomes = t;
    run_poke(run);
    return OK;
}

static struct attempt *attempt_new(struct wf_run *run, struct wf_node_run *n, int number)
{
    struct attempt *t = calloc(1, sizeof *t);
    if (!t)
        DIE("out of memory");
    t->run = run;
    t->step = n;
    t->node = n->node;
    t->number = number;
    t->a = arena_new(ATTEMPT_MEMORY_MAX);
    n->attempt_of = t;
    return t;
}

static void attempt_free(struct attempt *t)
{
    arena_free(t->a);
    free(t);
}

/* Begin the steps whose start is durable now. */
Err run_launch(struct wf_run *run)
{
    while (run->starting) {
        struct attempt *t = run->starting;
        run->starting = t->next;
        t->next = NULL;
        Err e = fiber_group_start(run->group, "step", attempt_fiber, t);
        if (e != OK) {
            attempt_free(t);
            return e;
        }
        run->in_flight++;
    }
    return OK;
}

/* Stop the calls of frames that were stopped since this was looked at last. */
void run_stop_attempts(struct wf_run *run)
{
    if (run->stops_seen == run->state->stops)
        return;
    run->stops_seen = run->state->stops;
    for (struct wf_node_run *n = run->state->running.first; n; n = n->next) {
        struct attempt *t = n->attempt_of;
        if (!t || !wf_frame_is_stopped(n->frame))
            continue;
        t->stopped = true;
        if (t->fiber)
            fiber_cancel(t->fiber);
    }
}

Err run_begin_step(struct wf_run *run, struct wf_node_run *n, int number)
{
    const struct wf_node *node = &run->def->nodes[n->node];
    Err e = run_find_items(&run->engine->o.env, run->state, &run->facts, n->frame);

    if (e == E_CANCELLED && fiber_cancelled())
        return e;
    if (e != OK)
        return run_record_failure(run, n, number, e,
                                  str_dup(run_arena(run, n), str_c(err_client_text(e))), 0, 0);
    if (node->body) {
        TRY(run_open(run, n));
        return fiber_breathe();
    }
    if (run_is_pretended(run, node)) {
        TRY(run_pretend(run, n, number));
        return fiber_breathe();
    }
    if (node->type->wait) {
        TRY(run_begin_wait(run, n, number));
        return fiber_breathe();
    }
    if (wf_node_effects(node) == WF_PURE) {
        TRY(run_pure(run, n, number));
        return fiber_breathe();
    }
    TRY(run_record(run, (struct wf_event){.kind = WF_EV_STEP_STARTED,
                                          .node = n->node,
                                          .in = n->frame->path,
                                          .attempt = number}));
    struct attempt *t = attempt_new(run, n, number);
    struct attempt **at = &run->starting;
    while (*at)
        at = &(*at)->next;
    *at = t;
    return OK;
}

static Err record_end(struct wf_run *run, struct attempt *t)
{
    Err e = t->result == OK ? run_check_memory(run, t->output_n) : t->result;
    struct arena *a = run_arena(run, t->step);
    Str message = t->message;

    t->step->attempt_of = NULL;
    if (e == OK) {
        t->outcome.output = json_dup(a, t->outcome.output);
        t->outcome.handle = str_dup(a, t->outcome.handle);
        e = record_success(run, t->step, t->number, &t->outcome, t->took);
        if (e != E_TOO_LARGE)
            return e;
    }
    if (t->result == OK)
        message = str_c(err_client_text(e));
    return run_record_failure(run, t->step, t->number, e, str_dup(a, message), t->retry_after,
                              t->took);
}

/* Stopped because the time of the run was over, which is why it failed, and not that it was
 * stopped. */
static void name_timeout(struct wf_run *run, struct attempt *t)
{
    const struct wf_state *s = run->state;

    if (t->result != E_CANCELLED || run->stopping || s->cancel_requested || s->failed_node >= 0 ||
        t->stopped || run_now(run) < wf_core_deadline(s))
        return;
    t->result = E_TIMEOUT;
    t->message = S("The run took longer than its workflow allows.");
}

/* Record the ends of attempts that came in; oldest first. */
Err run_take_outcomes(struct wf_run *run)
{
    struct attempt *in_order = NULL;

    while (run->outcomes) {
        struct attempt *t = run->outcomes;
        run->outcomes = t->next;
        t->next = in_order;
        in_order = t;
    }
    Err e = OK;
    while (in_order) {
        struct attempt *t = in_order;
        in_order = t->next;
        run->in_flight--;
        /* Broken off by the stop: its end is not known, and the next start decides. */
        bool unknown = run->stopping && t->result == E_CANCELLED && !t->stopped &&
                       (!run->state->cancel_requested || run->state->undoing);
        name_timeout(run, t);
        if (e == OK && !unknown)
            e = record_end(run, t);
        attempt_free(t);
    }
    return e;
}

void run_drop_attempts(struct wf_run *run)
{
    for (struct attempt **list = &run->starting; list;
         list = list == &run->starting ? &run->outcomes : NULL) {
        while (*list) {
            struct attempt *t = *list;
            *list = t->next;
            attempt_free(t);
        }
    }
}
