/* src/wf/core_sim_test.c - the core by simulation: random graphs under every fault of sim.h.
 *
 * Graphs of calls, conditions, merges, waits, approvals, iterations, loops, other workflows and
 * compensation are run with random outcomes, crashes, commits that are refused or whose answer is
 * lost, cancels, pauses, and clocks that are set; some are run again with results of the run
 * before. What must hold in every run is in sim_check.c. A failing seed is printed with its trace:
 * HEDDLE_SIM_SEED=n runs it alone, HEDDLE_SIM_SEEDS=n sets how many there are, HEDDLE_SIM_FROM=n
 * where they begin.
 */
#include "base/test.h"
#include "wf/sim.h"
#include "wf/simulate.h"

#include <stdlib.h>

static bool chance(struct sim *m, unsigned percent)
{
    return sim_random(m) % 100 < percent;
}

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

/* ---- random graphs ---- */

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
                i, chance(m, 50) ? "GET" : "POST", (int)(sim_random(m) % 3) + 1, strategies[i % 3],
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
static bool add_wait(struct sim *m, struct buf *b, int i, bool runs)
{
    if (runs && chance(m, 30)) {
        buf_add_fmt(b, ",{\"id\":\"n%d\",\"type\":\"sub_workflow\",\"data\":{\"workflow\":\"w\",",
                    i);
        buf_add_fmt(b, "\"max_wait\":%d,\"on_error\":{\"strategy\":\"%s\"}}}",
                    chance(m, 30) ? (int)(sim_random(m) % 10000) + 1 : 0,
                    i % 3 == 1 ? "branch" : "fail");
        return false;
    }
    if (chance(m, 30)) {
        buf_add_fmt(b,
                    ",{\"id\":\"n%d\",\"type\":\"approval\",\"data\":{\"subject\":\"s\","
                    "\"approvals\":%d}}",
                    i, (int)(sim_random(m) % 3) + 1);
        return true;
    }
    if (chance(m, 50)) {
        buf_add_fmt(b, ",{\"id\":\"n%d\",\"type\":\"wait_event\",\"data\":{\"name\":\"e\"}}", i);
        return false;
    }
    buf_add_fmt(b, ",{\"id\":\"n%d\",\"type\":\"delay\",\"data\":{\"duration\":%d}}", i,
                (int)(sim_random(m) % 100000));
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
                i, (int)(sim_random(m) % 3) + 1, item_errors[sim_random(m) % 3], strategies[i % 3]);
}

enum { SIM_NODES = 24 };

struct sim_graph {
    enum { SIM_CALL, SIM_CONDITION, SIM_PLAIN, SIM_ASKS, SIM_BODY } kind[SIM_NODES];
    int parent[SIM_NODES], depth[SIM_NODES];
    bool undo[SIM_NODES]; /* there is a node that undoes it */
    bool undoes;          /* there may be such nodes */
    bool runs;            /* there may be nodes that run other workflows */
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
        g->kind[i] = add_wait(m, b, i, g->runs) ? SIM_ASKS : SIM_PLAIN;
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
static struct wf_def *random_graph(struct sim *m, bool runs)
{
    AUTO_BUF(b, MIB(1));
    struct sim_graph g = {
        .n = 2 + (int)(sim_random(m) % 14), .undoes = chance(m, 40), .runs = runs};

    buf_add_fmt(
        &b,
        "{\"heddle\":1,\"name\":\"sim\",\"settings\":{\"max_parallel\":%d%s},\"nodes\":[" TRIGGER,
        (int)(sim_random(m) % 4) + 1, chance(m, 20) ? ",\"deadline\":\"20h\"" : "");
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
        int edges = (g.parent[to] == 0) + (int)(sim_random(m) % 3);
        bool linked[SIM_NODES] = {0};
        for (int k = 0; k < edges; k++) {
            int from = (int)(sim_random(m) % (uint64_t)to);
            if (linked[from] || g.parent[from] != g.parent[to] || (from == 0 && g.parent[to]))
                continue;
            linked[from] = true;
            add_edge(m, &g, &b, from, to);
        }
    }
    buf_add_c(&b, "]}");
    return parse(m->a, str_dup_c(m->a, buf_str(&b)));
}

/* ---- what steps give ---- */

static bool is_type(const struct sim_run *r, int node, const char *type)
{
    return strcmp(r->def->nodes[node].type->name, type) == 0;
}

static void attempt(struct sim_run *r, struct wf_node_run *n, int number, struct sim_gives *ret)
{
    static const Err errors[] = {E_TIMEOUT, E_UNAVAILABLE, E_INVALID, E_RATE_LIMITED, E_UPSTREAM};
    struct sim *m = r->sim;

    (void)number;
    ret->took = (Usec)(sim_random(m) % 20000000);
    if (chance(m, 25) && is_type(r, n->node, "api-call")) {
        ret->result = errors[sim_random(m) % ARRAY_LEN(errors)];
        ret->message = S("sim");
        return;
    }
    if (is_type(r, n->node, "condition"))
        ret->outcome.handle = chance(m, 50) ? S("yes") : S("else");
    ret->outcome.output = json_int(m->a, (int64_t)(sim_random(m) >> 1));
}

static Err begin_wait(struct sim_run *r, struct wf_node_run *n, int number, struct wf_wait *ret)
{
    struct sim *m = r->sim;
    bool answered = !is_type(r, n->node, "delay");

    (void)number;
    ret->handle = answered ? S("timeout") : S("out");
    ret->span = (Usec)(sim_random(m) % (chance(m, 30) ? 5000 : 100000000)) * USEC_MS + 1;
    if (answered && chance(m, 50))
        ret->span = 0;
    if (is_type(r, n->node, "sub_workflow"))
        ret->workflow = S("w");
    if (is_type(r, n->node, "approval"))
        ret->what = json_obj(m->a, "kind", json_str_c(m->a, "approval"), "needed",
                             json_int(m->a, (int64_t)(sim_random(m) % 3) + 1), NULL);
    return OK;
}

static Err open_body(struct sim_run *r, struct wf_node_run *n, struct wf_opening *ret)
{
    struct arena *a = r->sim->a;
    bool rounds = r->def->nodes[n->node].cycle.rounds;

    ret->count = (int64_t)(sim_random(r->sim) % 6) + rounds;
    if (rounds)
        ret->vars = json_obj(a, "v", json_int(a, 0), "l", json_arr(a), NULL);
    return OK;
}

/* A round sets one variable and appends to the other; now and then it cannot be decided. */
static Err end_round(struct sim_run *r, struct wf_node_run *n, struct wf_round *ret)
{
    struct sim *m = r->sim;

    ret->over = chance(m, 20);
    ret->set = json_obj(m->a, "v", json_int(m->a, (int64_t)(sim_random(m) >> 1)), NULL);
    ret->append = json_obj(m->a, "l", json_int(m->a, n->inside->done), NULL);
    return chance(m, 3) ? err_detail(E_INVALID, "sim") : OK;
}

static Usec answer_in(struct sim_run *r, const struct wf_node_run *n)
{
    if (is_type(r, n->node, "delay"))
        return USEC_NEVER;
    return (Usec)(sim_random(r->sim) % 150000) * USEC_S + 1;
}

/* One of four people, who may be asked again; or an event. */
static const struct json *answer(struct sim_run *r, const struct wf_node_run *n)
{
    static const char *const people[] = {"ann", "ben", "cleo", "dora"};
    struct sim *m = r->sim;

    if (!is_type(r, n->node, "approval"))
        return json_int(m->a, (int64_t)(sim_random(m) >> 1));
    return json_obj(m->a, "by", json_str_c(m->a, people[sim_random(m) % 4]), "decision",
                    json_str_c(m->a, chance(m, 80) ? "approve" : "reject"), NULL);
}

static struct wf_def *child(struct sim_run *r, Str name)
{
    (void)name;
    return random_graph(r->sim, r->depth < 1);
}

static const struct sim_player player = {attempt,   begin_wait, open_body, end_round,
                                         answer_in, answer,     child};

/* ---- the test ---- */

/* A loop's list has each of its rounds once, in order (I8). */
static void check_lists(struct sim *m, const struct sim_run *r)
{
    for (int i = 0; i < r->def->n_nodes; i++) {
        const struct wf_node_run *n = &r->s->nodes[i];
        const struct json *list = json_at(json_at(n->output, "vars"), "l");
        if (n->state != WF_NODE_DONE || !n->inside || !n->inside->ended_by.n)
            continue;
        if (json_len(list) != (size_t)n->inside->done)
            sim_broken(m, "I8: a loop has lost a round");
        for (size_t k = 0; k < json_len(list); k++)
            if (json_int_of(json_item(list, k), -1) != (int64_t)k + 1)
                sim_broken(m, "I8: a loop's rounds are out of order");
    }
}

/* Results that a run of the same graph may take over: of some steps before which all are kept. */
static struct json *keep_some(struct sim *m, const struct sim_run *r)
{
    struct json *kept = json_obj(m->a, NULL);

    for (int i = 0; i < r->def->n_nodes; i++) {
        const struct wf_node *node = &r->def->nodes[i];
        const struct wf_node_run *n = &r->s->nodes[i];
        bool may = i != r->def->trigger && n->state == WF_NODE_DONE && node->parent < 0 &&
                   node->undoes < 0 && chance(m, 70);
        if (may)
            json_set(m->a, kept, node->id,
                     json_obj(m->a, "output", n->output ? n->output : json_null(m->a), "handle",
                              json_str(m->a, n->handle), "by", json_str_c(m->a, "run"), NULL));
    }
    return kept;
}

static void random_rates(struct sim *m)
{
    m->rates = (struct sim_rates){.crash = (double)(sim_random(m) % 10) / 100,
                                  .refused = chance(m, 30) ? 0.05 : 0,
                                  .lost_answer = chance(m, 50) ? 0.1 : 0,
                                  .again = 0.3,
                                  .cancel = chance(m, 15) ? 0.03 : 0,
                                  .pause = chance(m, 20) ? 0.04 : 0,
                                  .clock = chance(m, 20) ? 0.05 : 0,
                                  .queue = chance(m, 20) ? 0.2 : 0,
                                  .max_crashes = 30,
                                  .poison_after = chance(m, 20) ? 3 : 0,
                                  .down_max = 100 * USEC_S};
}

/* A run that did not come so far does not take over what it would have found. */
static void again(struct sim *m)
{
    const struct sim_run *first = m->runs.at[0];

    if (!wf_run_state_is_final(first->s->run) || !chance(m, 20))
        return;
    struct sim_run *r = sim_add(m, wf_def_ref(first->def), NULL, keep_some(m, first));
    sim_go(m);
    check_lists(m, r);
}

static const char *simulate(uint64_t seed, bool traced)
{
    AUTO(arena) *a = arena_new(MIB(512));
    struct sim m;

    sim_init(&m, a, seed, 1700000000000000);
    m.player = &player;
    m.checks = true;
    m.traced = traced;
    struct wf_def *def = random_graph(&m, chance(&m, 40));
    if (!def)
        return "the graph is not valid";
    random_rates(&m);
    sim_add(&m, def, NULL, NULL);
    sim_go(&m);
    for (size_t i = 0; i < m.runs.n && !m.broken; i++)
        check_lists(&m, m.runs.at[i]);
    if (!m.broken && !m.spent)
        again(&m);
    if (m.spent)
        sim_broken(&m, "I9: the runs do not end");
    for (size_t i = 0; i < m.runs.n; i++)
        if (m.runs.at[i]->stuck)
            sim_broken(&m, "I9: a run waits for what never comes");
    if (traced)
        fprintf(stderr, "%llu turns, %zu KiB, %d crashes, %d commits\n",
                (unsigned long long)m.turns, arena_used(a) >> 10, m.crashes, m.commits);
    vec_each(&m.trace, line)
        fprintf(stderr, "%12.6f %.*s\n", (double)line->at / 1e6, P(line->text));
    sim_done(&m);
    return m.broken;
}

TEST(ten_thousand_random_runs_with_crashes_keep_every_promise)
{
    const char *one = getenv("HEDDLE_SIM_SEED"), *many = getenv("HEDDLE_SIM_SEEDS");
    const char *from = getenv("HEDDLE_SIM_FROM");
    uint64_t first = one ? strtoull(one, NULL, 10) : from ? strtoull(from, NULL, 10) : 1;
    uint64_t n = one ? 1 : many ? strtoull(many, NULL, 10) : 10000;

    for (uint64_t seed = first; seed < first + n; seed++) {
        const char *broken = simulate(seed, one != NULL);
        if (broken) {
            t_fail(__FILE__, __LINE__, "seed %llu: %s (HEDDLE_SIM_SEED=%llu runs it alone)",
                   (unsigned long long)seed, broken, (unsigned long long)seed);
            return;
        }
    }
}

/* What is never simulated is not tested. */
TEST(every_kind_of_event_comes_up_in_simulation)
{
    bool seen[WF_EV_COUNT] = {0};

    for (uint64_t seed = 1; seed <= 400; seed++) {
        AUTO(arena) *a = arena_new(MIB(512));
        struct sim m;
        sim_init(&m, a, seed, 1700000000000000);
        m.player = &player;
        struct wf_def *def = random_graph(&m, true);
        random_rates(&m);
        sim_add(&m, def, NULL, NULL);
        sim_go(&m);
        for (size_t i = 0; i < m.runs.n; i++)
            vec_each(&m.runs.at[i]->journal, ev)
                seen[ev->kind] = true;
        sim_done(&m);
    }
    for (int k = 0; k < WF_EV_COUNT; k++)
        if (!seen[k])
            t_fail(__FILE__, __LINE__, "no simulated run has %s",
                   wf_event_name((enum wf_event_kind)k));
}

/* The same graphs with what their nodes really compute, as "heddle simulate" plays them. */
TEST(random_workflows_keep_every_promise_as_users_simulate_them)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        AUTO(arena) *a = arena_new(MIB(512));
        AUTO(wf_def) *def = NULL;
        struct sim m;
        struct json *report;
        sim_init(&m, a, seed, 1);
        def = random_graph(&m, true);
        struct wf_simulate what = {
            .def = def, .first = seed, .seeds = 10, .fail = 0.4, .max_output = MIB(8)};
        t_expect_ok(wf_simulate(a, &what, &report));
        const struct json *broken = json_item(json_at(report, "broken_promises"), 0);
        t_expect_str(json_str_of(json_at(broken, "promise"), S("")), S(""));
        t_expect(json_at(json_at(report, "outcomes"), "too_long") == NULL);
    }
}

TEST(a_seed_is_the_same_history_each_time)
{
    t_expect(simulate(7, false) == NULL);
    AUTO(arena) *a = arena_new(MIB(512));
    struct sim m[2];
    for (int i = 0; i < 2; i++) {
        sim_init(&m[i], a, 4711, 1700000000000000);
        m[i].player = &player;
        struct wf_def *def = random_graph(&m[i], true);
        random_rates(&m[i]);
        sim_add(&m[i], def, NULL, NULL);
        sim_go(&m[i]);
    }
    t_expect_int((long long)m[0].state, (long long)m[1].state);
    t_expect_int(m[0].now, m[1].now);
    t_expect_int((long long)m[0].runs.n, (long long)m[1].runs.n);
    sim_done(&m[0]);
    sim_done(&m[1]);
}
