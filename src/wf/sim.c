/* src/wf/sim.c - see sim.h: the turns of a world. What drive.c does with fibers and a store, this
 * does with a virtual clock. */
#include "wf/sim.h"

#include "base/map.h"

static const Usec PARK_AFTER = 5 * USEC_S;

void sim_init(struct sim *m, struct arena *a, uint64_t seed, Usec epoch)
{
    *m = (struct sim){.state = seed * 0x9e3779b97f4a7c15u + 1, .a = a, .epoch = epoch};
    m->now = 1;
    m->turns_max = 100000;
    m->memory_max = arena_max(a) / 2;
}

void sim_done(struct sim *m)
{
    vec_each(&m->runs, r) {
        map_free((*r)->by_key, NULL);
        wf_def_unref((*r)->def);
        vec_each(&(*r)->steps, step)
            wf_def_unref((*step)->child_def);
    }
    m->runs.n = 0;
}

/* xorshift64 */
uint64_t sim_random(struct sim *m)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 7;
    m->state ^= m->state << 17;
    return m->state;
}

bool sim_chance(struct sim *m, double part)
{
    return part > 0 && (double)(sim_random(m) >> 11) / 9007199254740992.0 < part;
}

Usec sim_wall(const struct sim *m)
{
    return m->epoch + m->now + m->skew;
}

static Id id_of(struct sim *m)
{
    Id id = id_floor(m->epoch);

    for (int i = 7; i < 16; i++)
        id.b[i] = (uint8_t)(sim_random(m) >> 32);
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    return id;
}

struct sim_run *sim_add(struct sim *m, struct wf_def *def, const struct json *input,
                        const struct json *kept)
{
    struct sim_run *r = arena_new_of(m->a, struct sim_run);

    r->sim = m;
    r->id = (int)m->runs.n;
    r->def = def;
    r->by_key = map_new();
    r->input = input ? input : json_null(m->a);
    r->kept = kept;
    r->s = wf_core_new(m->a, def);
    r->facts = (struct wf_facts){.run = id_of(m),
                                 .workflow = id_of(m),
                                 .created_at = sim_wall(m),
                                 .trigger = S("simulation")};
    r->began = m->now;
    r->first_skew = m->skew;
    vec_push(m->a, &m->runs, r);
    return r;
}

/* ---- what is under way ---- */

static bool has_ended(const struct sim_run *r)
{
    return r->stuck || (wf_run_state_is_final(r->s->run) && r->n_durable == r->journal.n);
}

/* It is on its way to its end and only waits for steps in flight. */
static bool is_ending(const struct sim_run *r)
{
    const struct wf_state *s = r->s;

    return !s->undoing &&
           (s->cancel_requested || s->failed_node >= 0 || sim_wall(r->sim) >= wf_core_deadline(s));
}

static bool takes_answers(const struct sim_run *r)
{
    return !is_ending(r) && !r->s->undoing && r->s->run != WF_RUN_QUEUED;
}

static bool has_mail(const struct sim_run *r)
{
    for (size_t i = 0; i < r->mail.n; i++)
        if (!r->mail.at[i].taken)
            return true;
    return false;
}

/* Whether there is something for it to do now. */
static bool can_act(const struct sim_run *r)
{
    const struct sim *m = r->sim;

    if (has_ended(r))
        return false;
    if (!r->idle)
        return true;
    for (const struct sim_call *c = r->calls; c; c = c->next)
        if (c->ends_at <= m->now)
            return true;
    if (r->cancel_asked && !r->s->cancel_requested)
        return true;
    if (wf_run_state_rests(r->s->run))
        return !r->pause_asked || (r->resume_at && r->resume_at <= m->now) || has_mail(r);
    if (r->pause_asked && !r->holds && !is_ending(r))
        return true;
    return (r->until && r->until <= sim_wall(m)) || (r->admit_at && r->admit_at <= m->now) ||
           (has_mail(r) && takes_answers(r));
}

static void earlier(Usec *at, Usec other)
{
    if (other && other < *at)
        *at = other;
}

/* When the next thing happens by itself, on the steady clock. */
static Usec next_time(const struct sim *m)
{
    Usec at = USEC_NEVER;

    for (size_t i = 0; i < m->runs.n; i++) {
        const struct sim_run *r = m->runs.at[i];
        if (has_ended(r))
            continue;
        for (const struct sim_call *c = r->calls; c; c = c->next)
            earlier(&at, c->ends_at);
        if (r->until && !wf_run_state_rests(r->s->run))
            earlier(&at, usec_max(r->until - m->epoch - m->skew, 1));
        if (wf_run_state_rests(r->s->run))
            earlier(&at, r->resume_at);
        if (r->s->run == WF_RUN_QUEUED)
            earlier(&at, r->admit_at);
        for (size_t k = 0; k < r->asked.n; k++)
            earlier(&at, r->asked.at[k]->answer_at);
    }
    return at;
}

/* ---- people and other workflows ---- */

/* The answers whose time has come are durable now, whether somebody waits for them or not. */
static void answer_due(struct sim_run *r)
{
    struct sim *m = r->sim;
    size_t left = 0;

    for (size_t i = 0; i < r->asked.n; i++) {
        struct sim_step *step = r->asked.at[i];
        const struct wf_node_run *n = sim_live(r, step);
        if (!step->waits && n && n->state == WF_NODE_WAITING)
            step->answer_at = usec_max(step->answer_at, m->now + USEC_S); /* not known yet */
        if (step->answer_at > m->now) {
            r->asked.at[left++] = step;
            continue;
        }
        step->listed = false;
        step->answer_at = 0;
        if (!n || n->state != WF_NODE_WAITING)
            continue;
        struct sim_answer answer = {.step = step, .body = m->player->answer(r, n)};
        vec_push(m->a, &r->mail, answer);
        if (sim_chance(m, m->rates.again)) {
            vec_push(m->a, &r->mail, answer);
            m->doubled++;
            sim_note(r, "the answer to %.*s is delivered twice", P(r->def->nodes[step->node].id));
        }
    }
    r->asked.n = left;
}

static void ask_answer(struct sim_run *r, struct sim_step *step, const struct wf_node_run *n)
{
    struct sim *m = r->sim;
    bool of_run = step->child || step->child_def;
    Usec in = of_run ? USEC_NEVER : m->player->answer_in(r, n);

    if (in == USEC_NEVER)
        return;
    step->answer_at = m->now + usec_max(in, 1);
    if (!step->listed)
        vec_push(m->a, &r->asked, step);
    step->listed = true;
}

static void take_answer(struct sim_run *r, struct sim_answer *answer)
{
    struct sim *m = r->sim;
    struct wf_node_run *n = sim_live(r, answer->step);
    struct wf_event ev;

    answer->taken = true;
    if (!n || n->state != WF_NODE_WAITING)
        return;
    if (str_eq(json_str_of(json_at(n->wait, "kind"), S("")), S("workflow"))) {
        wf_core_child_answer(m->a, r->s, n, answer->body, sim_wall(m), &ev);
        sim_record(r, ev);
    } else if (wf_core_answer(m->a, n, answer->body, &ev)) {
        sim_record(r, ev);
    }
    if (n->state == WF_NODE_WAITING)
        ask_answer(r, answer->step, n); /* it was not enough */
}

/* Take what was answered. The transaction of what it leads to deletes it: a crash before leaves it
 * there. */
static bool take_mail(struct sim_run *r)
{
    for (size_t i = 0; i < r->mail.n; i++)
        if (!r->mail.at[i].taken)
            take_answer(r, &r->mail.at[i]);
    return sim_commit(r);
}

/* ---- attempts ---- */

/* One attempt that ended, or that is stopped: its end is recorded. */
static void end_call(struct sim_run *r, struct sim_call *c)
{
    struct sim *m = r->sim;
    struct wf_node_run *n = c->n;
    struct sim_gives *g = &c->gives;
    struct wf_event ev;

    if (c->cut && g->result == E_CANCELLED && !r->s->cancel_requested && r->s->failed_node < 0 &&
        !wf_frame_is_stopped(n->frame) && sim_wall(m) >= wf_core_deadline(r->s)) {
        g->result = E_TIMEOUT;
        g->message = S("The run took longer than its workflow allows.");
    }
    n->attempt_of = NULL;
    if (g->result == OK) {
        ev = (struct wf_event){.kind = WF_EV_STEP_FINISHED,
                               .node = n->node,
                               .in = n->frame->path,
                               .attempt = c->number,
                               .handle = g->outcome.handle,
                               .data = g->outcome.output ? g->outcome.output : json_null(m->a)};
    } else if (g->result == E_STOPPED && g->outcome.error_code.n) {
        wf_core_give_up(m->a, r->s, n, c->number,
                        (struct wf_error){g->outcome.error_code, g->message}, &ev);
    } else {
        double part = (double)(sim_random(m) >> 11) / 9007199254740992.0;
        wf_core_failure(m->a, r->s, n, c->number, g->result, g->message, sim_wall(m),
                        g->retry_after, part, &ev);
    }
    ev.took = g->took;
    sim_record(r, ev);
}

/* Record what has ended; whether anything has. */
static void take_ends(struct sim_run *r)
{
    struct sim_call **at = &r->calls;

    while (*at) {
        struct sim_call *c = *at;
        if (c->ends_at > r->sim->now) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        end_call(r, c);
    }
}

/* Steps in flight that nobody wants any more are stopped; some end by themselves first. */
static void stop_calls(struct sim_run *r)
{
    struct sim *m = r->sim;

    for (struct sim_call *c = r->calls; c; c = c->next) {
        if (c->cut || !(is_ending(r) || wf_frame_is_stopped(c->n->frame)))
            continue;
        c->cut = true;
        c->ends_at = usec_min(c->ends_at, m->now + 1 + (Usec)(sim_random(m) % 1000));
        if (sim_chance(m, 0.2))
            continue;
        c->gives = (struct sim_gives){.result = E_CANCELLED, .message = S("It was stopped.")};
    }
}

/* Begin what is durable now. */
static void launch(struct sim_run *r)
{
    struct sim *m = r->sim;

    vec_each(&r->starting, n) {
        struct sim_call *c = arena_new_of(m->a, struct sim_call);
        const struct wf_node *node = &r->def->nodes[(*n)->node];
        Usec limit = node->timeout;
        Usec deadline = wf_core_deadline(r->s);

        c->n = *n;
        c->step = sim_step_of(r, *n);
        c->number = (*n)->attempt;
        c->step->calls++;
        sim_check_call(r, *n);
        m->player->attempt(r, *n, c->number, &c->gives);
        if (deadline != USEC_NEVER)
            limit = usec_min(limit, usec_max(deadline - sim_wall(m), 1));
        if (c->gives.took > limit) {
            c->gives.result = E_TIMEOUT;
            c->gives.message = S("simulated: it did not answer in time");
            c->gives.took = limit;
        }
        c->ends_at = m->now + usec_max(c->gives.took, 1);
        (*n)->attempt_of = c;
        struct sim_call **at = &r->calls;
        while (*at)
            at = &(*at)->next;
        *at = c;
    }
    r->starting.n = 0;
}

/* A pure step, computed at once. */
static void compute(struct sim_run *r, struct wf_node_run *n, int number)
{
    struct sim_call c = {.n = n, .number = number};

    sim_check_call(r, n);
    r->sim->player->attempt(r, n, number, &c.gives);
    c.gives.took = 0;
    end_call(r, &c);
}

static void fail_step(struct sim_run *r, struct wf_node_run *n, int number, Err e)
{
    struct sim *m = r->sim;
    struct wf_event ev;

    wf_core_failure(m->a, r->s, n, number, e, str_dup(m->a, str_c(err_client_text(e))), sim_wall(m),
                    0, 0.5, &ev);
    sim_record(r, ev);
}

/* ---- waits ---- */

static Str run_name(struct sim *m, const struct sim_run *r)
{
    return id_str(m->a, r->facts.run);
}

/* The run that @w asks for begins with the commit of the event that says so. */
static void add_child(struct sim_run *r, struct sim_step *step, struct wf_wait *w)
{
    struct sim *m = r->sim;

    w->what = json_obj(m->a, "kind", json_str_c(m->a, "workflow"), "workflow",
                       json_str(m->a, w->workflow), NULL);
    wf_def_unref(step->child_def);
    step->child = NULL;
    step->child_def = m->player->child(r, w->workflow);
    step->child_input = w->input;
}

static void begin_wait(struct sim_run *r, struct wf_node_run *n, int number)
{
    struct sim *m = r->sim;
    struct sim_step *step = sim_step_of(r, n);
    struct wf_wait w = {0};
    Err e = m->player->wait(r, n, number, &w);

    if (e != OK) {
        fail_step(r, n, number, e);
        return;
    }
    if (w.workflow.n && w.detached) { /* its run goes its own way */
        sim_record(
            r, (struct wf_event){.kind = WF_EV_STEP_FINISHED,
                                 .node = n->node,
                                 .in = n->frame->path,
                                 .attempt = number,
                                 .data = json_obj(m->a, "run_id", json_str(m->a, run_name(m, r)),
                                                  "workflow", json_str(m->a, w.workflow), NULL)});
        return;
    }
    if (w.workflow.n)
        add_child(r, step, &w);
    step->due = w.span ? m->now + w.span : w.until ? w.until - m->epoch - m->skew : 0;
    sim_record(r, (struct wf_event){.kind = WF_EV_STEP_WAITING,
                                    .node = n->node,
                                    .in = n->frame->path,
                                    .attempt = number,
                                    .until = w.span ? usec_add(sim_wall(m), w.span) : w.until,
                                    .relative = w.span != 0,
                                    .handle = w.handle,
                                    .data = w.what});
    ask_answer(r, step, n);
}

static void stop_child(struct sim_run *r, const struct wf_node_run *n)
{
    struct sim_step *step = sim_step_of(r, n);

    if (step->child)
        vec_push(r->sim->a, &r->stops, step->child);
}

static bool end_wait(struct sim_run *r, struct wf_node_run *n)
{
    struct sim *m = r->sim;
    struct sim_step *step = sim_step_of(r, n);
    struct wf_event ev;

    if (m->now < step->due && n->relative)
        sim_broken(m, "I6: a wait ends too early");
    /* What was answered in time counts, also when it was not heard yet. */
    if (has_mail(r) && takes_answers(r)) {
        if (!take_mail(r) || sim_live(r, step) != n || n->state != WF_NODE_WAITING)
            return false;
    }
    wf_core_due(m->a, n, &ev);
    stop_child(r, n);
    sim_record(r, ev);
    return true;
}

/* ---- bodies ---- */

static void open_container(struct sim_run *r, struct wf_node_run *n)
{
    struct wf_opening opening = {0};
    struct wf_event ev;
    Err e = r->sim->player->open(r, n, &opening);

    if (e == OK && opening.count > WF_CYCLE_MAX)
        e = err_detail(E_TOO_LARGE, "There are too many items.");
    if (e == OK && !r->def->nodes[n->node].cycle.rounds &&
        opening.count > r->def->max_steps - r->s->steps)
        e = err_detail(E_TOO_LARGE,
                       "The run may not take so many steps: raise settings.max_steps.");
    if (e != OK) {
        fail_step(r, n, 1, e);
        return;
    }
    wf_core_open(r->sim->a, n, &opening, &ev);
    sim_record(r, ev);
    if (n->inside)
        n->inside->items = opening.items;
}

static void end_round(struct sim_run *r, struct wf_node_run *n)
{
    struct wf_round round = {0};
    struct wf_event ev;
    Err e = r->sim->player->round(r, n, &round);

    if (e != OK) {
        fail_step(r, n, 1, e);
        return;
    }
    if (!round.over && round.must_end && n->inside->begun == n->inside->count)
        wf_core_give_up(r->sim->a, r->s, n, 1,
                        (struct wf_error){S("too_many_rounds"),
                                          S("There were too many rounds, and its condition did "
                                            "not hold.")},
                        &ev);
    else
        wf_core_round(r->sim->a, n, &round, &ev);
    sim_record(r, ev);
}

/* ---- the turn of one run ---- */

static void start_step(struct sim_run *r, const struct wf_decision *d)
{
    const struct wf_node *node = &r->def->nodes[d->node];

    if (node->body) {
        open_container(r, d->step);
    } else if (node->type->wait) {
        begin_wait(r, d->step, d->attempt);
    } else if (wf_node_effects(node) == WF_PURE) {
        compute(r, d->step, d->attempt);
    } else {
        sim_record(r, (struct wf_event){.kind = WF_EV_STEP_STARTED,
                                        .node = d->node,
                                        .in = d->step->frame->path,
                                        .attempt = d->attempt});
        vec_push(r->sim->a, &r->starting, d->step);
    }
}

static void end_run(struct sim_run *r, const struct wf_decision *d)
{
    struct wf_event ev = {.node = d->what == WF_DO_FAIL ? d->node : -1, .error = d->error};

    ev.kind = d->what == WF_DO_SUCCEED ? WF_EV_RUN_SUCCEEDED
              : d->what == WF_DO_FAIL  ? WF_EV_RUN_FAILED
                                       : WF_EV_RUN_CANCELLED;
    if (d->what == WF_DO_SUCCEED)
        ev.data = wf_core_output(r->sim->a, r->s);
    sim_record(r, ev);
    (void)sim_commit(r); /* in either case the next turn finds out */
}

/* Nothing to decide: make things durable, act, and wait for what comes next. */
static void rest(struct sim_run *r, const struct wf_decision *d)
{
    struct sim *m = r->sim;
    Usec until = d->until;

    if (!sim_commit(r))
        return;
    launch(r);
    stop_calls(r);
    bool far = until ? until - sim_wall(m) > PARK_AFTER : r->s->waits.n > 0;
    if (far && !r->calls && r->s->run == WF_RUN_RUNNING) {
        sim_record(r, (struct wf_event){.kind = WF_EV_RUN_WAITING, .node = -1, .until = until});
        if (!sim_commit(r))
            return;
        r->parked = true;
    }
    r->until = until;
    r->idle = true;
}

/* Put away, and taken up again: what is known of it is its journal. */
static void take_up(struct sim_run *r)
{
    if (r->sim->checks) {
        struct wf_state *folded = sim_fold(r, r->journal.n);
        if (!sim_states_equal(r->sim->a, folded, r->s))
            sim_broken(r->sim, "I10: the folded journal is not the live state");
        r->s = folded;
    }
    sim_resume(r);
}

/* The wall clock was set: the run hears of it before it decides again. */
static void mind_clock(struct sim_run *r)
{
    Usec shift = r->sim->skew - r->first_skew - r->s->clock_shift;

    if (shift)
        sim_record(r, (struct wf_event){
                          .kind = WF_EV_CLOCK_SET, .node = -1, .data = json_int(r->sim->a, shift)});
}

/* Somebody wants it to rest: nothing new is begun, steps in flight end by themselves. */
static void hold(struct sim_run *r)
{
    struct sim *m = r->sim;

    if (has_mail(r) && r->s->run != WF_RUN_QUEUED && !take_mail(r))
        return;
    if (!sim_commit(r))
        return;
    launch(r);
    r->idle = r->holds = true;
    r->until = 0;
    if (r->calls)
        return;
    if (!wf_run_state_rests(r->s->run))
        sim_record(r, (struct wf_event){.kind = WF_EV_RUN_PAUSED,
                                        .node = -1,
                                        .data = json_str(m->a, S("asked"))});
    if (!sim_commit(r))
        return;
    if (!r->resume_at)
        r->resume_at = m->now + (Usec)(sim_random(m) % 3600) * USEC_S + 1;
}

/* false: there is nothing more to do in this turn. */
static bool hear(struct sim_run *r)
{
    struct sim *m = r->sim;

    if (r->resume_at && r->resume_at <= m->now) {
        r->pause_asked = false;
        r->resume_at = 0;
        r->crashes = 0;
    }
    if (wf_run_state_rests(r->s->run) &&
        (!r->pause_asked || (r->cancel_asked && !r->s->cancel_requested)))
        r->parked = true;
    if (r->parked)
        take_up(r);
    mind_clock(r);
    if (r->cancel_asked && !r->s->cancel_requested)
        sim_record(r, (struct wf_event){.kind = WF_EV_CANCEL_REQUESTED,
                                        .node = -1,
                                        .data = json_str(m->a, S("asked"))});
    if (r->pause_asked && (wf_run_state_rests(r->s->run) || !is_ending(r))) {
        hold(r);
        return false;
    }
    bool admitted = r->admit_at && r->admit_at <= m->now;
    if (admitted)
        r->admit_at = 0;
    if (admitted && r->s->run == WF_RUN_QUEUED) {
        sim_record(r, (struct wf_event){.kind = WF_EV_RUN_ADMITTED, .node = -1});
    }
    return !has_mail(r) || !takes_answers(r) || take_mail(r);
}

static void begin(struct sim_run *r)
{
    r->began = r->sim->now;
    r->first_skew = r->sim->skew;
    sim_record(r, (struct wf_event){.kind = WF_EV_RUN_STARTED,
                                    .node = -1,
                                    .data = r->input,
                                    .vars = r->vars,
                                    .kept = r->kept});
}

/* At a gate nothing begins and its time stands still. */
static void queue_up(struct sim_run *r, const struct wf_decision *d)
{
    if (d->what != WF_DO_NOTHING)
        sim_broken(r->sim, "I7: a run that queues does something");
    if (!r->admit_at)
        r->admit_at = r->sim->now + (Usec)(sim_random(r->sim) % 1000) * USEC_S + 1;
    if (!sim_commit(r))
        return;
    r->until = d->until;
    r->idle = true;
}

static void carry_out(struct sim_run *r, const struct wf_decision *d)
{
    struct wf_event ev;
    bool ends = d->what == WF_DO_CANCELLED || d->what == WF_DO_FAIL || d->what == WF_DO_UNDO;

    if (r->s->run == WF_RUN_QUEUED && !ends) {
        queue_up(r, d);
        return;
    }
    switch (d->what) {
    case WF_DO_START:
        start_step(r, d);
        return;
    case WF_DO_KEEP:
        wf_core_kept(r->s, d->step, &ev);
        break;
    case WF_DO_SKIP:
        ev = (struct wf_event){.kind = WF_EV_STEP_SKIPPED, .node = d->node};
        break;
    case WF_DO_WAKE:
        (void)end_wait(r, d->step); /* the next turn goes on in either case */
        return;
    case WF_DO_ROUND:
        end_round(r, d->step);
        return;
    case WF_DO_CLOSE:
        wf_core_close(r->sim->a, r->s, d->step, &ev);
        break;
    case WF_DO_UNDO:
        wf_core_undo(r->sim->a, d, r->s->cancel_requested, &ev);
        break;
    case WF_DO_NOTHING:
        rest(r, d);
        return;
    default:
        end_run(r, d);
        return;
    }
    sim_record(r, ev);
}

static void run_turn(struct sim_run *r)
{
    struct sim *m = r->sim;
    struct wf_decision d;

    r->idle = r->holds = false;
    if (!r->s->seq)
        begin(r);
    take_ends(r);
    if (wf_run_state_is_final(r->s->run)) {
        (void)sim_commit(r);
        return;
    }
    if (!hear(r))
        return;
    if (r->s->run == WF_RUN_RUNNING && !r->s->running.n && !r->s->undoing && !r->starting.n &&
        sim_chance(m, m->rates.queue))
        sim_record(
            r, (struct wf_event){.kind = WF_EV_RUN_QUEUED, .node = -1, .data = json_null(m->a)});
    wf_core_next(r->s, sim_wall(m), &d);
    carry_out(r, &d);
    if (!m->broken)
        sim_check_now(r);
}

/* ---- the world ---- */

/* Somebody does something, or the clock is set. */
static void meddle(struct sim *m, struct sim_run *r)
{
    if (!r->cancel_asked && sim_chance(m, m->rates.cancel)) {
        r->cancel_asked = true;
        r->cancelled_at = m->now;
        sim_note(r, "somebody cancels the run");
    }
    if (!r->pause_asked && sim_chance(m, m->rates.pause)) {
        r->pause_asked = true;
        sim_note(r, "somebody pauses the run");
    }
    if (sim_chance(m, m->rates.clock)) {
        Usec shift = ((Usec)(sim_random(m) % 200001) - 100000) * USEC_S;
        m->skew += shift;
        sim_note(r, "the wall clock is set by %lld s", (long long)(shift / USEC_S));
        vec_each(&m->runs, other)
            (*other)->idle = false;
    }
}

/* One of those that can act, whichever; NULL. */
static struct sim_run *pick(struct sim *m)
{
    struct sim_run *found = NULL;
    uint64_t n = 0;

    vec_each(&m->runs, r)
        if (can_act(*r) && sim_random(m) % ++n == 0)
            found = *r;
    return found;
}

/* Nothing can act: the clock goes on. false: nothing ever will. */
static bool go_on(struct sim *m)
{
    Usec at = next_time(m);

    if (at == USEC_NEVER)
        return false;
    m->now = usec_max(m->now + 1, at);
    vec_each(&m->runs, r)
        if (!has_ended(*r))
            answer_due(*r);
    return true;
}

static bool all_ended(const struct sim *m)
{
    for (size_t i = 0; i < m->runs.n; i++)
        if (!has_ended(m->runs.at[i]))
            return false;
    return true;
}

void sim_go(struct sim *m)
{
    while (!all_ended(m) && !m->broken) {
        bool late = m->deadline && m->turns % 1024 == 0 && time_mono() > m->deadline;
        if (m->turns++ >= m->turns_max || arena_used(m->a) > m->memory_max || late) {
            m->spent = true;
            break;
        }
        if (m->crashes < m->rates.max_crashes && sim_chance(m, m->rates.crash)) {
            sim_crash(m);
            continue;
        }
        struct sim_run *r = pick(m);
        if (r) {
            meddle(m, r);
            run_turn(r);
        } else if (!go_on(m)) {
            vec_each(&m->runs, one)
                (*one)->stuck = !has_ended(*one);
        }
    }
    for (size_t i = 0; i < m->runs.n && !m->broken && !m->spent; i++)
        if (!m->runs.at[i]->stuck)
            sim_check_end(m->runs.at[i]);
}
