/* src/wf/core_sim_test.c - the core on its own, by simulation.
 *
 * Random graphs are run with random outcomes and crashes at random places (what was not committed
 * is gone), and their journals folded again. What must hold in every run is checked at its end. A
 * failing seed is printed: HEDDLE_SIM_SEED=n runs it alone, HEDDLE_SIM_SEEDS=n sets how many there
 * are.
 */
#include "base/map.h"
#include "base/test.h"
#include "wf/core.h"

#include <stdlib.h>

static struct wf_def *parse(struct arena *a, const char *text)
{
    struct wf_def *def = NULL;
    WfProblems problems = {0};
    Err e = wf_def_parse(a, str_c(text), &problems, &def);
    if (e != OK)
        t_fail(__FILE__, __LINE__, "the random workflow is not valid: %.*s",
               P(problems.n ? problems.at[0].message : str_c(err_text(e))));
    return e == OK ? def : NULL;
}

#define TRIGGER                                                                                    \
    "{\"id\":\"t\",\"type\":\"trigger\",\"position\":{\"x\":0,\"y\":0},\"data\":{\"trigger\":"     \
    "\"api\"}}"

/* One step of one item, over all crashes. */
struct sim_step {
    struct wf_path in;
    int node;
    int effects, attempts;         /* calls made; starts recorded */
    const struct json *first_seen; /* the durable result */
    Usec wait_until;               /* when the wait is over, on the steady clock */
    bool waits_durably;            /* the store knows that it waits */
};

struct sim {
    uint64_t seed;
    struct arena *a;
    struct wf_def *def;
    struct wf_state *s;
    VEC(struct wf_event) journal; /* applied; the first n_durable survive a crash */
    size_t n_durable;
    Usec now;
    int crashes;
    Usec began;                   /* on the steady clock */
    Usec skew;                    /* the wall clock less the steady one */
    VEC(struct sim_step *) steps; /* all there ever were */
    struct map *by_key;
    VEC(struct sim_step *) mail; /* steps that were answered, as the store has it */
    const char *broken;
};

static uint64_t rnd(struct sim *m)
{
    m->seed ^= m->seed << 13;
    m->seed ^= m->seed >> 7;
    m->seed ^= m->seed << 17;
    return m->seed;
}

static bool chance(struct sim *m, unsigned percent)
{
    return rnd(m) % 100 < percent;
}

static void add_call(struct sim *m, struct buf *b, int i, bool undo)
{
    static const char *const strategies[] = {"fail", "branch", "default"};
    char compensate[40] = "";

    if (undo)
        snprintf(compensate, sizeof compensate, ",\"compensate\":\"u%d\"", i);
    buf_add_fmt(b,
                ",{\"id\":\"n%d\",\"type\":\"api-call\",\"position\":{\"x\":0,\"y\":0},\"data\":{"
                "\"url\":\"https://example.com/\",\"method\":\"%s\",\"on_unknown\":\"repeat\","
                "\"retry\":{\"max_attempts\":%d,\"delay\":\"1s\",\"on\":[\"any\"]},"
                "\"on_error\":{\"strategy\":\"%s\"%s}%s}}",
                i, chance(m, 50) ? "GET" : "POST", (int)(rnd(m) % 3) + 1, strategies[i % 3],
                i % 3 == 2 ? ",\"output\":{\"d\":1}" : "", compensate);
}

static void add_condition(struct buf *b, int i)
{
    buf_add_fmt(b,
                ",{\"id\":\"n%d\",\"type\":\"condition\",\"position\":{\"x\":0,\"y\":0},\"data\":{"
                "\"cases\":[{\"id\":\"yes\",\"conditions\":[{\"left\":1,\"operator\":\"equals\","
                "\"right\":1}]}]}}",
                i);
}

/* A node that waits; whether for people, with handles of its own. */
static bool add_wait(struct sim *m, struct buf *b, int i)
{
    if (chance(m, 30)) {
        buf_add_fmt(b,
                    ",{\"id\":\"n%d\",\"type\":\"approval\",\"data\":{\"subject\":\"s\","
                    "\"approvals\":%d}}",
                    i, (int)(rnd(m) % 3) + 1);
        return true;
    }
    if (chance(m, 50)) {
        buf_add_fmt(b, ",{\"id\":\"n%d\",\"type\":\"wait_event\",\"data\":{\"name\":\"e\"}}", i);
        return false;
    }
    buf_add_fmt(b, ",{\"id\":\"n%d\",\"type\":\"delay\",\"data\":{\"duration\":%d}}", i,
                (int)(rnd(m) % 100000));
    return false;
}

/* A node with a body: an iteration, or a loop. */
static void add_container(struct sim *m, struct buf *b, int i)
{
    static const char *const item_errors[] = {"fail", "skip", "null"};
    static const char *const strategies[] = {
        "{\"strategy\":\"fail\"}", "{\"strategy\":\"branch\"}",
        "{\"strategy\":\"default\",\"output\":{\"results\":[]}}"};
    if (chance(m, 40)) {
        buf_add_fmt(b,
                    ",{\"id\":\"n%d\",\"type\":\"loop\",\"data\":{\"variables\":[{\"name\":\"v\","
                    "\"value\":0},"
                    "{\"name\":\"l\",\"value\":[]}],\"on_error\":%s}",
                    i, strategies[i % 3]);
        return;
    }
    buf_add_fmt(b,
                ",{\"id\":\"n%d\",\"type\":\"iteration\",\"data\":{\"items\":[1],"
                "\"parallel\":%d,\"on_item_error\":\"%s\",\"on_error\":%s}",
                i, (int)(rnd(m) % 3) + 1, item_errors[rnd(m) % 3], strategies[i % 3]);
}

enum { SIM_NODES = 24 };

struct sim_graph {
    enum { SIM_CALL, SIM_CONDITION, SIM_PLAIN, SIM_ASKS, SIM_BODY } kind[SIM_NODES];
    int parent[SIM_NODES], depth[SIM_NODES];
    bool undo[SIM_NODES]; /* there is a node that undoes it */
    bool undoes;          /* there may be such nodes */
    int n, edges;
};

/* In which body node @i is: that of a container before it, or none; a fresh container has the next
 * node in it. */
static void place_node(struct sim *m, struct sim_graph *g, int i)
{
    g->parent[i] = 0;
    if (g->kind[i - 1] == SIM_BODY)
        g->parent[i] = i - 1;
    else if (chance(m, 50))
        for (int k = 1; k < i; k++)
            if (g->kind[k] == SIM_BODY && chance(m, 50))
                g->parent[i] = k;
    g->depth[i] = g->parent[i] ? g->depth[g->parent[i]] + 1 : 0;
}

static void add_node(struct sim *m, struct sim_graph *g, struct buf *b, int i)
{
    place_node(m, g, i);
    if (i < g->n - 1 && g->depth[i] < 2 && chance(m, 15)) {
        g->kind[i] = SIM_BODY;
        add_container(m, b, i);
    } else if (chance(m, 30)) {
        g->kind[i] = SIM_CONDITION;
        add_condition(b, i);
    } else if (chance(m, 12)) {
        g->kind[i] = SIM_PLAIN;
        buf_add_fmt(b, ",{\"id\":\"n%d\",\"type\":\"merge\",\"data\":{\"wait\":\"%s\"}}", i,
                    chance(m, 60) ? "first" : "all");
    } else if (chance(m, 25)) {
        g->kind[i] = add_wait(m, b, i) ? SIM_ASKS : SIM_PLAIN;
    } else {
        g->undo[i] = g->undoes && !g->parent[i] && chance(m, 50);
        add_call(m, b, i, g->undo[i]);
    }
    if (g->parent[i]) {
        b->n -= g->kind[i] != SIM_BODY; /* the brace that ends the node */
        buf_add_fmt(b, ",\"parentId\":\"n%d\"", g->parent[i]);
        if (g->kind[i] != SIM_BODY)
            buf_add_char(b, '}');
    }
    if (g->kind[i] == SIM_BODY)
        buf_add_char(b, '}');
}

static void add_edge(struct sim *m, struct sim_graph *g, struct buf *b, int from, int to)
{
    bool fails = g->kind[from] == SIM_CALL || g->kind[from] == SIM_BODY;

    const char *handle = g->kind[from] == SIM_ASKS        ? (chance(m, 60) ? "approve" : "reject")
                         : g->kind[from] == SIM_CONDITION ? (chance(m, 50) ? "yes" : "else")
                         : fails && from && from % 3 == 1 && chance(m, 30) ? "error"
                                                                           : "out";
    char source[8] = "t";

    if (from)
        snprintf(source, sizeof source, "n%d", from);
    buf_add_fmt(b,
                "%s{\"id\":\"e%d\",\"source\":\"%s\",\"target\":\"n%d\",\"sourceHandle\":\"%s\"}",
                g->edges ? "," : "", g->edges, source, to, handle);
    g->edges++;
}

/* A random graph: node i takes edges from nodes before it in the same body. */
static struct wf_def *random_graph(struct sim *m)
{
    AUTO_BUF(b, MIB(1));
    struct sim_graph g = {.n = 2 + (int)(rnd(m) % 14), .undoes = chance(m, 40)};

    buf_add_fmt(
        &b,
        "{\"heddle\":1,\"name\":\"sim\",\"settings\":{\"max_parallel\":%d%s},\"nodes\":[" TRIGGER,
        (int)(rnd(m) % 4) + 1, chance(m, 20) ? ",\"deadline\":\"20h\"" : "");
    for (int i = 1; i < g.n; i++)
        add_node(m, &g, &b, i);
    for (int i = 1; i < g.n; i++)
        if (g.undo[i])
            buf_add_fmt(&b,
                        ",{\"id\":\"u%d\",\"type\":\"api-call\",\"data\":{\"url\":"
                        "\"https://example.com/\",\"method\":\"POST\",\"on_unknown\":\"repeat\","
                        "\"retry\":{\"max_attempts\":3,\"delay\":\"1s\",\"on\":[\"any\"]}}}",
                        i);
    buf_add_c(&b, "],\"edges\":[");
    for (int to = 1; to < g.n; to++) {
        int edges = (g.parent[to] == 0) + (int)(rnd(m) % 3);
        bool linked[SIM_NODES] = {0};
        for (int k = 0; k < edges; k++) {
            int from = (int)(rnd(m) % (uint64_t)to);
            if (linked[from] || g.parent[from] != g.parent[to] || (from == 0 && g.parent[to]))
                continue;
            linked[from] = true;
            add_edge(m, &g, &b, from, to);
        }
    }
    buf_add_c(&b, "]}");
    return parse(m->a, str_dup_c(m->a, buf_str(&b)));
}

static struct sim_step *step_at(struct sim *m, const struct wf_path *in, int node)
{
    char key[128];
    int n = snprintf(key, sizeof key, "%d", node);

    for (int i = 0; i < in->depth; i++)
        n += snprintf(key + n, sizeof key - (size_t)n, "/%d[%d]", in->at[i].node, in->at[i].index);
    struct sim_step *step = map_get(m->by_key, str_from(key, (size_t)n));
    if (step)
        return step;
    step = arena_new_of(m->a, struct sim_step);
    *step = (struct sim_step){.in = *in, .node = node};
    map_put(m->by_key, str_from(key, (size_t)n), step);
    vec_push(m->a, &m->steps, step);
    return step;
}

static struct sim_step *step_of(struct sim *m, const struct wf_node_run *n)
{
    return step_at(m, &n->frame->path, n->node);
}

/* What is under way of it now; NULL. */
static struct wf_node_run *live(const struct sim *m, const struct sim_step *step)
{
    const struct wf_frame *f = wf_core_frame(m->s, &step->in);
    struct wf_node_run *n = f ? wf_core_step(m->s, f, step->node) : NULL;
    return n && n->frame == f ? n : NULL;
}

static void fault(struct sim *m, const char *what)
{
    if (!m->broken)
        m->broken = what;
}

static void record(struct sim *m, struct wf_event ev)
{
    ev.seq = m->s->seq + 1;
    ev.at = m->now;
    if (ev.kind == WF_EV_RUN_STARTED)
        m->began = m->now - m->skew;
    struct wf_event kept = ev; /* what it holds may be of an item, and go with it */
    kept.data = ev.data ? json_dup(m->a, ev.data) : NULL;
    kept.handle = str_dup(m->a, ev.handle);
    kept.error = (struct wf_error){str_dup(m->a, ev.error.code), str_dup(m->a, ev.error.message)};
    if (wf_core_apply(m->s, &ev) != OK)
        fault(m, "an event that the core decided cannot be applied");
    else
        vec_push(m->a, &m->journal, kept);
}

/* Everything applied becomes durable; a durable result must be the first one seen. */
static void commit(struct sim *m)
{
    for (; m->n_durable < m->journal.n; m->n_durable++) {
        const struct wf_event *ev = &m->journal.at[m->n_durable];
        if (ev->node < 0)
            continue;
        struct sim_step *step = step_at(m, &ev->in, ev->node);
        step->waits_durably = ev->kind == WF_EV_STEP_WAITING || ev->kind == WF_EV_STEP_ANSWERED;
        if (ev->kind != WF_EV_STEP_FINISHED || !ev->data)
            continue;
        if (step->first_seen)
            fault(m, "a step has a second durable result");
        step->first_seen = ev->data;
    }
}

/* What the variables of a loop are. */
static bool vars_equal(const struct wf_cycle *x, const struct wf_cycle *y)
{
    struct wf_frame fx = {.cycle = (struct wf_cycle *)(uintptr_t)x};
    struct wf_frame fy = {.cycle = (struct wf_cycle *)(uintptr_t)y};

    return !x->rules.rounds ||
           json_equal(wf_frame_json(t_arena(), &fx), wf_frame_json(t_arena(), &fy));
}

static bool cycles_equal(const struct wf_cycle *x, const struct wf_cycle *y)
{
    if (!x || !y)
        return x == y;
    return x->count == y->count && x->begun == y->begun && x->done == y->done &&
           x->failed == y->failed && x->live == y->live && x->closing == y->closing &&
           vars_equal(x, y) && json_equal(x->results, y->results) &&
           json_equal(x->errors, y->errors) && str_eq(x->error.message, y->error.message) &&
           str_eq(x->ended_by, y->ended_by);
}

static bool steps_equal(const struct wf_node_run *p, const struct wf_node_run *q)
{
    return p->state == q->state && p->attempt == q->attempt && p->retry_at == q->retry_at &&
           p->due_at == q->due_at && json_len(p->answers) == json_len(q->answers) &&
           str_eq(p->handle, q->handle) && p->waiting_in == q->waiting_in &&
           p->taken_in == q->taken_in && cycles_equal(p->inside, q->inside) &&
           json_equal(p->output ? p->output : &(struct json){0},
                      q->output ? q->output : &(struct json){0});
}

static bool states_equal(const struct wf_state *x, const struct wf_state *y)
{
    if (x->run != y->run || x->seq != y->seq || x->steps != y->steps ||
        x->running.n != y->running.n || x->retrying.n != y->retrying.n ||
        x->waits.n != y->waits.n || x->idle != y->idle || x->idle_since != y->idle_since ||
        x->ready.n != y->ready.n || x->settled.n != y->settled.n || x->n_open != y->n_open ||
        x->failed_node != y->failed_node)
        return false;
    for (int i = 0; i < x->def->n_nodes; i++)
        if (!steps_equal(&x->nodes[i], &y->nodes[i]))
            return false;
    for (const struct wf_frame *f = x->frames; f; f = f->next) {
        const struct wf_frame *g = wf_core_frame_kept(y, &f->path);
        if (!g || f->left != g->left || f->running != g->running || f->stopped != g->stopped)
            return false;
        for (int i = 0; i < x->def->nodes[f->cycle->step->node].body->n; i++)
            if (!steps_equal(&f->nodes[i], &g->nodes[i]))
                return false;
    }
    return true;
}

static struct wf_state *fold(struct sim *m, size_t n)
{
    struct wf_state *s = wf_core_new(m->a, m->def);
    s->copies = true;
    for (size_t i = 0; i < n; i++) {
        /* By way of its JSON, as the store has it. */
        struct wf_event ev;
        struct json *json = wf_event_json(m->a, m->def, &m->journal.at[i]);
        if (wf_event_read(m->def, json, &ev) != OK || wf_core_apply(s, &ev) != OK)
            fault(m, "a durable journal cannot be folded");
    }
    s->copies = false;
    return s;
}

/* The process dies: what was not committed is gone, what was in flight may or may not have
 * happened. */
static void crash(struct sim *m)
{
    m->crashes++;
    m->journal.n = m->n_durable;
    m->s = fold(m, m->n_durable);
    if (!m->s->seq) {
        record(m, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1});
        commit(m);
        return;
    }
    if (wf_run_state_is_final(m->s->run))
        return;
    record(m, (struct wf_event){.kind = WF_EV_RUN_RESUMED, .node = -1});
    while (m->s->running.first && !m->broken) {
        struct wf_event ev;
        wf_core_interrupted(m->a, m->s, m->s->running.first, m->now, &ev);
        record(m, ev);
    }
}

static void end_attempt(struct sim *m, struct wf_node_run *r, int attempt)
{
    const struct wf_node *n = &m->def->nodes[r->node];
    if (chance(m, 25) && r->node != m->def->trigger &&
        str_eq(str_c(n->type->name), S("api-call"))) {
        static const Err errors[] = {E_TIMEOUT, E_UNAVAILABLE, E_INVALID, E_RATE_LIMITED,
                                     E_UPSTREAM};
        Err e = wf_frame_is_stopped(r->frame) ? E_CANCELLED : errors[rnd(m) % ARRAY_LEN(errors)];
        struct wf_event ev;
        wf_core_failure(m->a, m->s, r, attempt, e, S("sim"), m->now, 0, 0.5, &ev);
        record(m, ev);
        return;
    }
    bool condition = str_eq(str_c(n->type->name), S("condition"));
    record(m, (struct wf_event){.kind = WF_EV_STEP_FINISHED,
                                .node = r->node,
                                .in = r->frame->path,
                                .attempt = attempt,
                                .handle =
                                    condition ? (chance(m, 50) ? S("yes") : S("else")) : S("out"),
                                .data = json_int(m->a, (int64_t)(rnd(m) >> 1))});
}

/* End one step in flight, whichever; false if there is none. */
static bool end_one(struct sim *m)
{
    int pick = m->s->running.n ? (int)(rnd(m) % (uint64_t)m->s->running.n) : -1;
    for (struct wf_node_run *n = m->s->running.first; n; n = n->next) {
        if (pick-- > 0)
            continue;
        end_attempt(m, n, n->attempt);
        commit(m);
        return true;
    }
    return false;
}

static bool is_approval(const struct sim *m, int node)
{
    return str_eq(str_c(m->def->nodes[node].type->name), S("approval"));
}

static bool is_answered(const struct sim *m, int node)
{
    return is_approval(m, node) || str_eq(str_c(m->def->nodes[node].type->name), S("wait_event"));
}

/* One of four people, who may be asked again. */
static const struct json *random_answer(struct sim *m, int node)
{
    static const char *const people[] = {"ann", "ben", "cleo", "dora"};

    if (!is_approval(m, node))
        return json_int(m->a, (int64_t)(rnd(m) >> 1));
    return json_obj(m->a, "by", json_str_c(m->a, people[rnd(m) % 4]), "decision",
                    json_str_c(m->a, chance(m, 80) ? "approve" : "reject"), NULL);
}

/* Somebody answers: durably, and only to what is known to wait. */
static bool answer_some(struct sim *m)
{
    bool any = false;

    vec_each(&m->steps, step) {
        if (!(*step)->waits_durably || !chance(m, 50) || !is_answered(m, (*step)->node))
            continue;
        vec_push(m->a, &m->mail, *step);
        any = true;
    }
    return any;
}

/* Take what was answered. The transaction of what it leads to deletes it: a crash before leaves it
 * there. */
static void take_mail(struct sim *m)
{
    vec_each(&m->mail, step) {
        struct wf_event ev;
        struct wf_node_run *n = live(m, *step);
        if (n && wf_core_answer(m->a, n, random_answer(m, n->node), &ev))
            record(m, ev);
    }
    if (chance(m, 20))
        return; /* it dies before the commit, or is slow: the same again */
    commit(m);
    m->mail.n = 0;
}

/* The wall clock is set; the run hears of it, as production does, before it decides again. */
static void set_clock(struct sim *m)
{
    Usec shift = ((Usec)(rnd(m) % 200001) - 100000) * USEC_S;

    m->now += shift;
    m->skew += shift;
    record(m,
           (struct wf_event){.kind = WF_EV_CLOCK_SET, .node = -1, .data = json_int(m->a, shift)});
    commit(m); /* who forgets that the clock was set cannot know it */
}

static void begin_wait(struct sim *m, struct wf_node_run *n, int attempt)
{
    Usec span = (Usec)(rnd(m) % 100000) * USEC_S + 1;
    bool open = is_answered(m, n->node) && chance(m, 50);

    const struct json *what = json_obj(m->a, "kind", json_str_c(m->a, "approval"), "needed",
                                       json_int(m->a, (int64_t)(rnd(m) % 3) + 1), NULL);
    step_of(m, n)->wait_until = m->now - m->skew + span;
    record(m, (struct wf_event){.kind = WF_EV_STEP_WAITING,
                                .node = n->node,
                                .in = n->frame->path,
                                .attempt = attempt,
                                .until = open ? 0 : m->now + span,
                                .relative = true,
                                .handle = S("timeout"),
                                .data = is_approval(m, n->node) ? what : NULL});
    if (chance(m, 70))
        commit(m);
}

static void end_wait(struct sim *m, struct wf_node_run *n)
{
    struct wf_event ev;

    if (m->now - m->skew < step_of(m, n)->wait_until)
        fault(m, "a wait ends too early");
    wf_core_due(m->a, n, &ev);
    record(m, ev);
}

/* At a gate nothing begins, sooner or later it is admitted, and its time stands still. */
static void queue_on(struct sim *m, const struct wf_decision *d)
{
    commit(m);
    if (d->what != WF_DO_NOTHING)
        fault(m, "a run that queues does something");
    m->now = d->until && chance(m, 5) ? usec_max(m->now, d->until) : m->now;
    if (chance(m, 50))
        record(m, (struct wf_event){.kind = WF_EV_RUN_ADMITTED, .node = -1});
}

static void open_container(struct sim *m, struct wf_node_run *n)
{
    bool rounds = m->def->nodes[n->node].cycle.rounds;
    struct wf_opening opening = {.count = (int64_t)(rnd(m) % 6) + rounds};
    struct wf_event ev;

    if (rounds)
        opening.vars = json_obj(m->a, "v", json_int(m->a, 0), "l", json_arr(m->a), NULL);

    wf_core_open(m->a, n, &opening, &ev);
    record(m, ev);
}

/* A round sets one variable and appends to the other; now and then it cannot be decided. */
static void end_round(struct sim *m, struct wf_node_run *n)
{
    struct json *value = json_int(m->a, (int64_t)(rnd(m) >> 1));
    struct wf_round round = {.over = chance(m, 20),
                             .set = json_obj(m->a, "v", value, NULL),
                             .append = json_obj(m->a, "l", json_int(m->a, n->inside->done), NULL)};
    struct wf_event ev;

    if (chance(m, 3))
        wf_core_failure(m->a, m->s, n, 1, E_INVALID, S("sim"), m->now, 0, 0.5, &ev);
    else
        wf_core_round(m->a, n, &round, &ev);
    record(m, ev);
}

/* The list that each round appended to has each round once, in order. */
static void check_rounds(struct sim *m, const struct wf_node_run *n)
{
    const struct json *list = json_at(json_at(n->output, "vars"), "l");

    if (!n->inside || !n->inside->rules.rounds || !n->inside->ended_by.n)
        return;
    if (json_int_of(json_at(n->output, "rounds"), -1) != n->inside->done ||
        json_len(list) != (size_t)n->inside->done)
        fault(m, "a loop has lost a round");
    for (size_t i = 0; i < json_len(list); i++)
        if (json_int_of(json_item(list, i), -1) != (int64_t)i + 1)
            fault(m, "a loop's rounds are out of order");
}

static void close_container(struct sim *m, struct wf_node_run *n)
{
    struct wf_event ev;

    wf_core_close(m->a, m->s, n, &ev);
    record(m, ev);
}

/* What must hold at any time. */
static void check_limits(struct sim *m)
{
    if (m->s->running.n > m->def->max_parallel)
        fault(m, "more steps run at once than allowed");
    for (const struct wf_frame *f = m->s->frames; f; f = f->next)
        if (f->cycle->live > (f->cycle->rules.rounds ? 1 : f->cycle->rules.parallel))
            fault(m, "more items run at once than allowed");
}

static void start(struct sim *m, const struct wf_decision *d)
{
    const struct wf_node *node = &m->def->nodes[d->node];

    if (node->body) {
        open_container(m, d->step);
    } else if (node->type->wait) {
        begin_wait(m, d->step, d->attempt);
    } else if (wf_node_effects(node) == WF_PURE) {
        end_attempt(m, d->step, d->attempt);
    } else {
        struct sim_step *step = step_of(m, d->step);
        record(m, (struct wf_event){.kind = WF_EV_STEP_STARTED,
                                    .node = d->node,
                                    .in = d->step->frame->path,
                                    .attempt = d->attempt});
        step->attempts = d->attempt > step->attempts ? d->attempt : step->attempts;
        commit(m); /* before the call */
        step->effects++;
    }
}

static void carry_out(struct sim *m, const struct wf_decision *d)
{
    bool ends = d->what == WF_DO_CANCELLED || d->what == WF_DO_FAIL || d->what == WF_DO_UNDO;
    struct wf_event undo;

    if (m->s->run == WF_RUN_QUEUED && !ends) {
        queue_on(m, d);
        return;
    }
    switch (d->what) {
    case WF_DO_WAKE:
        end_wait(m, d->step);
        return;
    case WF_DO_START:
        start(m, d);
        return;
    case WF_DO_ROUND:
        end_round(m, d->step);
        return;
    case WF_DO_CLOSE:
        close_container(m, d->step);
        return;
    case WF_DO_SKIP:
        record(m, (struct wf_event){.kind = WF_EV_STEP_SKIPPED, .node = d->node});
        return;
    case WF_DO_UNDO:
        wf_core_undo(m->a, d, m->s->cancel_requested, &undo);
        record(m, undo);
        return;
    case WF_DO_NOTHING:
        commit(m);
        if (!end_one(m)) {
            if (!d->until && m->s->waits.n && !m->s->undoing) {
                (void)answer_some(m); /* sooner or later somebody does */
                return;
            }
            if (!d->until)
                fault(m, "the run is stuck: nothing in flight and nothing to wait for");
            m->now = usec_max(m->now, d->until);
        }
        return;
    default:
        record(m, (struct wf_event){.kind = d->what == WF_DO_SUCCEED ? WF_EV_RUN_SUCCEEDED
                                            : d->what == WF_DO_FAIL  ? WF_EV_RUN_FAILED
                                                                     : WF_EV_RUN_CANCELLED,
                                    .node = -1,
                                    .error = d->error});
        commit(m);
    }
}

/* The results of an iteration are what its items' last steps gave first, in the order of the list.
 */
static void check_results(struct sim *m, const struct wf_node_run *n)
{
    const struct wf_body *body = m->def->nodes[n->node].body;
    const struct json *results = json_at(n->output, "results");

    if (!n->inside || n->inside->rules.rounds || n->inside->closing || body->n != 1)
        return;
    if (json_len(results) + (m->def->nodes[n->node].cycle.on_item_error == WF_ITEM_SKIP
                                 ? (size_t)n->inside->failed
                                 : 0) !=
        (size_t)n->inside->count)
        fault(m, "an iteration has not as many results as items");
    for (int i = 0; n->inside->failed == 0 && i < n->inside->count; i++) {
        struct wf_path in = n->frame->path;
        in.at[in.depth].node = n->node;
        in.at[in.depth++].index = i;
        const struct json *seen = step_at(m, &in, body->nodes[0])->first_seen;
        if (seen && !json_equal(seen, json_item(results, (size_t)i)))
            fault(m, "an item's result is not what its step gave");
    }
}

/* What a run that did not succeed has done is undone, the latest first; nothing else is. */
static void check_undone(struct sim *m)
{
    bool ends = m->s->run != WF_RUN_SUCCEEDED;
    int64_t last = INT64_MAX;

    for (int64_t at = 0; at < m->s->seq; at++) /* in the order in which the undoing steps ended */
        for (int i = 0; i < m->def->n_nodes; i++) {
            int of = m->def->nodes[i].undoes;
            if (of < 0 || m->s->nodes[i].done_seq != at || !at)
                continue;
            if (m->s->nodes[of].done_seq >= last)
                fault(m, "steps are undone in the wrong order");
            last = m->s->nodes[of].done_seq;
        }
    for (int i = 0; i < m->def->n_nodes; i++) {
        int undo = m->def->nodes[i].undo;
        const struct wf_node_run *n = &m->s->nodes[i];
        if (undo < 0)
            continue;
        bool did = n->state == WF_NODE_DONE && !n->error.code.n;
        enum wf_node_state is = m->s->nodes[undo].state;
        if (ends && did && is != WF_NODE_DONE && is != WF_NODE_FAILED)
            fault(m, "a step is not undone");
        if (!(ends && did) && m->s->nodes[undo].attempt)
            fault(m, "a step is undone that should not be");
    }
}

/* At the end: every node's state follows from its in-edges, and effects were made as often as
 * recorded. */
static void check_end(struct sim *m)
{
    const struct wf_def *def = m->def;
    bool succeeded = m->s->run == WF_RUN_SUCCEEDED;

    for (int i = 0; i < def->n_nodes; i++) {
        const struct wf_node_run *n = &m->s->nodes[i];
        bool taken = i == def->trigger, known = true;
        if (def->nodes[i].parent >= 0 || def->nodes[i].undoes >= 0)
            continue;
        for (int k = 0; k < def->nodes[i].n_in; k++) {
            const struct wf_edge *e = &def->edges[def->nodes[i].in[k]];
            const struct wf_node_run *from = &m->s->nodes[e->from];
            if (from->state == WF_NODE_DONE)
                taken = taken || str_eq(from->handle, e->handle);
            else if (from->state != WF_NODE_SKIPPED)
                known = false;
        }
        if (succeeded && n->state != (taken ? WF_NODE_DONE : WF_NODE_SKIPPED))
            fault(m, "a node of a succeeded run did neither run nor was it rightly skipped");
        if (n->state == WF_NODE_DONE && !(taken && (known || def->nodes[i].joins_first)))
            fault(m, "a node ran whose in-edges did not allow it");
        if (n->state == WF_NODE_DONE) {
            check_results(m, n);
            check_rounds(m, n);
        }
    }
    check_undone(m);
    vec_each(&m->steps, step)
        if ((*step)->effects > (*step)->attempts + m->crashes)
            fault(m, "a step was called more often than attempts and crashes explain");
    if (succeeded && (m->s->frames || m->s->frame_bytes))
        fault(m, "items are left behind");
    if (succeeded && def->deadline && m->now - m->skew - m->began >= def->deadline)
        fault(m, "a run succeeded after its deadline");
    if (!states_equal(m->s, fold(m, m->journal.n)))
        fault(m, "the folded journal is not the live state");
}

static void turn(struct sim *m, unsigned crash_rate, bool cancels, bool sets_clock, bool queues)
{
    struct wf_decision d;

    if (m->crashes < 30 && chance(m, crash_rate)) {
        crash(m);
        return;
    }
    if (cancels && chance(m, 5) && !m->s->cancel_requested)
        record(m, (struct wf_event){.kind = WF_EV_CANCEL_REQUESTED, .node = -1});
    if (chance(m, 5))
        (void)answer_some(m);
    if (queues && m->s->run == WF_RUN_RUNNING && !m->s->running.n && !m->s->undoing &&
        chance(m, 20))
        record(m, (struct wf_event){.kind = WF_EV_RUN_QUEUED, .node = -1, .data = json_null(m->a)});
    if (m->mail.n && m->s->run == WF_RUN_RUNNING && !m->s->cancel_requested && !m->s->undoing &&
        chance(m, 50))
        take_mail(m);
    if (sets_clock && chance(m, 5))
        set_clock(m);
    m->now += (Usec)(rnd(m) % 1000000);
    wf_core_next(m->s, m->now, &d);
    carry_out(m, &d);
    check_limits(m);
}

static const char *simulate(uint64_t seed)
{
    AUTO(arena) *a = arena_new(MIB(256));
    struct sim m = {.seed = seed * 0x9e3779b97f4a7c15u + 1, .a = a, .now = 1700000000000000};
    struct map *by_key = m.by_key = map_new();

    m.def = random_graph(&m);
    if (!m.def)
        return "the graph is not valid";
    m.s = wf_core_new(a, m.def);
    record(&m, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1});
    if (chance(&m, 50))
        commit(&m);
    unsigned crash_rate = (unsigned)(rnd(&m) % 15);
    bool cancels = chance(&m, 10), sets_clock = chance(&m, 20), queues = chance(&m, 20);
    for (int n = 0; !wf_run_state_is_final(m.s->run) && !m.broken; n++) {
        if (n > 20000)
            fault(&m, "the run does not end");
        turn(&m, crash_rate, cancels, sets_clock, queues);
    }
    if (!m.broken)
        check_end(&m);
    wf_def_unref(m.def);
    map_free(by_key, NULL);
    return m.broken;
}

TEST(ten_thousand_random_runs_with_crashes_keep_every_promise)
{
    const char *one = getenv("HEDDLE_SIM_SEED"), *many = getenv("HEDDLE_SIM_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t n = one ? 1 : many ? strtoull(many, NULL, 10) : 10000;

    for (uint64_t seed = first; seed < first + n; seed++) {
        const char *broken = simulate(seed);
        if (broken) {
            t_fail(__FILE__, __LINE__, "seed %llu: %s (HEDDLE_SIM_SEED=%llu runs it alone)",
                   (unsigned long long)seed, broken, (unsigned long long)seed);
            return;
        }
    }
}
