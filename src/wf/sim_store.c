/* src/wf/sim_store.c - the store of a simulated world, and the deaths of its process.
 *
 * A commit is refused for a while, or its answer gets lost and the process looks, or the process
 * dies before, in the middle of or after it. What was applied and not committed is gone then; what
 * was in flight may or may not have happened.
 */
#include "base/map.h"
#include "wf/sim.h"

#include <stdarg.h>
#include <stdio.h>

enum { TRACE_MAX = 20000 };

void sim_note(struct sim_run *r, const char *fmt, ...)
{
    struct sim *m = r->sim;
    char text[512];
    va_list args;

    if (!m->traced || m->trace.n >= TRACE_MAX)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct sim_line line = {m->now, str_dup(m->a, str_c(text))};
    if (r->id)
        line.text = str_fmt(m->a, "[run %d] %s", r->id, text);
    vec_push(m->a, &m->trace, line);
}

/* ---- steps ---- */

struct sim_step *sim_step_at(struct sim_run *r, const struct wf_path *in, int node)
{
    struct arena *a = r->sim->a;
    char key[160];
    int n = snprintf(key, sizeof key, "%d", node);

    for (int i = 0; i < in->depth; i++)
        n += snprintf(key + n, sizeof key - (size_t)n, "/%d[%d]", in->at[i].node, in->at[i].index);
    struct sim_step *step = map_get(r->by_key, str_from(key, (size_t)n));
    if (step)
        return step;
    step = arena_new_of(a, struct sim_step);
    *step = (struct sim_step){.in = *in, .node = node};
    (void)map_put(r->by_key, str_from(key, (size_t)n), step);
    vec_push(a, &r->steps, step);
    return step;
}

struct sim_step *sim_step_of(struct sim_run *r, const struct wf_node_run *n)
{
    return sim_step_at(r, &n->frame->path, n->node);
}

struct wf_node_run *sim_live(const struct sim_run *r, const struct sim_step *step)
{
    const struct wf_frame *f = wf_core_frame(r->s, &step->in);
    struct wf_node_run *n = f ? wf_core_step(r->s, f, step->node) : NULL;

    return n && n->frame == f ? n : NULL;
}

/* ---- recording ---- */

static void trace_event(struct sim_run *r, const struct wf_event *ev)
{
    struct sim *m = r->sim;
    Str name = str_c(wf_event_name(ev->kind)), where = S("");
    Str node = ev->node >= 0 ? r->def->nodes[ev->node].id : S("");
    char more[300] = "";

    if (!m->traced)
        return;
    if (ev->in.depth)
        where = wf_path_text(m->a, r->def, &ev->in);
    if (ev->error.code.n)
        snprintf(more, sizeof more, ": %.*s: %.*s", P(str_head(ev->error.code, 60)),
                 P(str_head(ev->error.message, 200)));
    else if (ev->handle.n && !str_eq(ev->handle, S("out")))
        snprintf(more, sizeof more, " -> %.*s", P(str_head(ev->handle, 60)));
    sim_note(r, "%.*s%s%.*s%s%.*s%s%s%s", P(name), node.n ? " " : "", P(node),
             where.n ? " in " : "", P(where), ev->attempt > 1 ? " (again)" : "", more,
             ev->retry_at  ? "; it will be tried again"
             : ev->handled ? "; handled"
                           : "");
}

/* Children that an event has given up with the waits for them. */
static void stop_dropped(struct sim_run *r)
{
    vec_each(&r->s->dropped, n) {
        struct sim_step *step = sim_step_of(r, *n);
        if (step->child)
            vec_push(r->sim->a, &r->stops, step->child);
    }
    r->s->dropped.n = 0;
}

void sim_record(struct sim_run *r, struct wf_event ev)
{
    struct sim *m = r->sim;

    ev.seq = r->s->seq + 1;
    ev.at = sim_wall(m);
    /* What it holds may be of an item, and go with it. */
    ev.data = ev.data ? json_dup(m->a, ev.data) : NULL;
    ev.handle = str_dup(m->a, ev.handle);
    ev.error = (struct wf_error){str_dup(m->a, ev.error.code), str_dup(m->a, ev.error.message)};
    if (wf_core_apply(r->s, &ev) != OK) {
        sim_broken(m, "I10: an event that the core decided cannot be applied");
        return;
    }
    vec_push(m->a, &r->journal, ev);
    trace_event(r, &ev);
    stop_dropped(r);
}

/* ---- the store ---- */

/* The run that a step waits for is there with the event that says so. */
static void begin_child(struct sim_run *r, struct sim_step *step)
{
    struct sim_run *child;

    if (!step->child_def)
        return;
    child = sim_add(r->sim, step->child_def, step->child_input, NULL);
    step->child_def = NULL;
    step->child = child;
    child->parent = r;
    child->parent_step = step;
    child->depth = r->depth + 1;
    sim_note(r, "run %d begins for %.*s", child->id, P(r->def->nodes[step->node].id));
}

static void store_event(struct sim_run *r, const struct wf_event *ev)
{
    struct sim_step *step;

    if (ev->node < 0 || ev->kind < WF_EV_STEP_STARTED || ev->kind > WF_EV_STEP_SKIPPED)
        return;
    r->crashes = 0;
    step = sim_step_at(r, &ev->in, ev->node);
    step->waits = ev->kind == WF_EV_STEP_WAITING || ev->kind == WF_EV_STEP_ANSWERED;
    if (ev->kind == WF_EV_STEP_STARTED)
        step->starts++;
    if (ev->kind == WF_EV_STEP_WAITING)
        begin_child(r, step);
    sim_check_durable(r, step, ev);
}

/* The last transaction of a run tells the one that waits for it, and those it waits for. */
static void store_end(struct sim_run *r)
{
    struct sim *m = r->sim;
    const struct wf_state *s = r->s;

    r->ended = m->now;
    vec_each(&m->runs, child)
        if ((*child)->parent == r)
            (*child)->cancel_asked = true;
    if (!r->parent)
        return;
    struct json *o = json_obj(m->a, "id", json_id(m->a, r->facts.run), "state",
                              json_str_c(m->a, wf_run_state_name(s->run)), "output",
                              s->output ? json_dup(m->a, s->output) : NULL, NULL);
    if (s->error.code.n)
        json_set(m->a, o, S("error"),
                 json_obj(m->a, "code", json_str(m->a, s->error.code), "message",
                          json_str(m->a, s->error.message), NULL));
    struct sim_answer answer = {.step = r->parent_step, .body = o};
    if (r->parent_step->child == r) /* a later attempt waits for another */
        vec_push(m->a, &r->parent->mail, answer);
}

static void store_all(struct sim_run *r)
{
    struct sim *m = r->sim;
    size_t left = 0;
    bool news = r->n_durable < r->journal.n;

    m->commits++;
    for (; r->n_durable < r->journal.n; r->n_durable++)
        store_event(r, &r->journal.at[r->n_durable]);
    for (size_t i = 0; i < r->mail.n; i++)
        if (!r->mail.at[i].taken)
            r->mail.at[left++] = r->mail.at[i];
    r->mail.n = left;
    vec_each(&r->stops, child)
        (*child)->cancel_asked = true;
    r->stops.n = 0;
    if (news && wf_run_state_is_final(r->s->run))
        store_end(r);
}

static bool is_pending(const struct sim_run *r)
{
    bool taken = false;

    for (size_t i = 0; i < r->mail.n; i++)
        taken = taken || r->mail.at[i].taken;
    return r->n_durable < r->journal.n || taken || r->stops.n;
}

static bool dies_here(struct sim *m)
{
    return m->crashes < m->rates.max_crashes && sim_chance(m, m->rates.crash);
}

/* One try. false: it has to be tried again. */
static bool commit_once(struct sim_run *r)
{
    struct sim *m = r->sim;

    if (sim_chance(m, m->rates.refused)) {
        m->refused++;
        m->now += 1 + (Usec)(sim_random(m) % 2000000);
        sim_note(r, "the store is away, the run waits for it");
        return false;
    }
    if (!sim_chance(m, m->rates.lost_answer)) {
        store_all(r);
        return true;
    }
    /* It happened or it did not: the process looks before it tries again. */
    m->lost_answers++;
    bool happened = sim_chance(m, 0.5);
    if (happened)
        store_all(r);
    m->now += 1 + (Usec)(sim_random(m) % 200000);
    sim_note(r, "the answer of a commit got lost; it had %s",
             happened ? "happened" : "not happened");
    return r->n_durable == r->journal.n;
}

bool sim_commit(struct sim_run *r)
{
    struct sim *m = r->sim;

    if (!is_pending(r) || m->broken)
        return true;
    if (dies_here(m)) { /* before it, or in the middle of it */
        if (sim_chance(m, 0.5))
            store_all(r);
        sim_crash(m);
        return false;
    }
    for (int i = 0; !commit_once(r) && i < 100; i++)
        ;
    if (is_pending(r))
        store_all(r); /* the store is not away for ever */
    if (dies_here(m)) {
        sim_crash(m);
        return false;
    }
    r->accepted = true;
    return true;
}

struct wf_state *sim_fold(struct sim_run *r, size_t n)
{
    struct sim *m = r->sim;
    struct wf_state *s = wf_core_new(m->a, r->def);

    s->copies = true;
    for (size_t i = 0; i < n; i++) {
        /* By way of its JSON, as the store has it. */
        struct wf_event ev;
        struct json *json = wf_event_json(m->a, r->def, &r->journal.at[i]);
        if (wf_event_read(r->def, json, &ev) != OK || wf_core_apply(s, &ev) != OK) {
            sim_broken(m, "I10: a journal cannot be folded");
            break;
        }
    }
    s->copies = false;
    s->dropped.n = 0;
    return s;
}

/* ---- death ---- */

void sim_resume(struct sim_run *r)
{
    struct sim *m = r->sim;

    r->parked = false;
    sim_record(r, (struct wf_event){.kind = WF_EV_RUN_RESUMED, .node = -1});
    if (m->rates.poison_after && r->crashes >= m->rates.poison_after && !r->cancel_asked) {
        r->pause_asked = true;
        sim_record(r, (struct wf_event){.kind = WF_EV_RUN_PAUSED,
                                        .node = -1,
                                        .data = json_str(m->a, S("crash_loop"))});
        return;
    }
    for (struct wf_node_run *n = r->s->running.first; n && !m->broken; n = r->s->running.first) {
        struct wf_event ev;
        wf_core_interrupted(m->a, r->s, n, sim_wall(m), &ev);
        sim_record(r, ev);
    }
}

/* What a run that was interrupted hears first. */
static void come_back(struct sim_run *r)
{
    struct sim *m = r->sim;
    Usec shift = m->skew - r->first_skew - r->s->clock_shift;

    if (wf_run_state_rests(r->s->run))
        return;
    if (r->s->run == WF_RUN_WAITING) { /* a row, whose time is still to come */
        r->parked = r->idle = true;
        r->until = r->s->wait_until;
        return;
    }
    if (shift)
        sim_record(r, (struct wf_event){
                          .kind = WF_EV_CLOCK_SET, .node = -1, .data = json_int(m->a, shift)});
    r->crashes++;
    sim_resume(r);
}

static void lose(struct sim_run *r)
{
    size_t lost = r->journal.n - r->n_durable;

    if (lost)
        sim_note(r, "%zu events that were not committed are lost", lost);
    r->journal.n = r->n_durable;
    r->calls = NULL;
    r->starting.n = 0;
    r->stops.n = 0;
    r->idle = false;
    r->until = 0;
    for (size_t i = 0; i < r->mail.n; i++)
        r->mail.at[i].taken = false;
    r->s = sim_fold(r, r->n_durable);
    if (r->accepted && !r->s->seq)
        sim_broken(r->sim, "I1: an accepted run is lost");
}

void sim_crash(struct sim *m)
{
    m->crashes++;
    vec_each(&m->runs, r) {
        struct sim_run *one = *r;
        if (one->stuck || (wf_run_state_is_final(one->s->run) && one->n_durable == one->journal.n))
            continue;
        sim_note(one, "the process dies%s", one->calls ? " while steps are in flight" : "");
        lose(one);
    }
    m->now += 1 + (Usec)(sim_random(m) % (uint64_t)usec_max(m->rates.down_max, 1));
    vec_each(&m->runs, r) {
        struct sim_run *one = *r;
        if (!one->s->seq || wf_run_state_is_final(one->s->run) || one->stuck)
            continue;
        sim_note(one, "it is up again");
        come_back(one);
    }
}
