/* src/wf/sim_report.c - many simulated runs of one workflow, and what came of them (simulate.h). */
#include "rt/fiber.h"
#include "wf/sample.h"
#include "wf/sim_play.h"

#include <stdlib.h>

enum { ERRORS_MAX = 50, BROKEN_MAX = 10, TURNS_MAX = 3000000 };
/* The simulated clock begins here for every seed. */
static const Usec EPOCH = 1767225600 * USEC_S; /* 2026-01-01T00:00:00Z */
static const size_t WORLD_MEMORY = MIB(1024);

/* What happened to one node, over all seeds. */
struct tally {
    int64_t runs, attempts, retries, failed, by_default, by_branch, skipped, unknown, repeated;
    int64_t waits_for_ever;
    uint64_t seed; /* of the first time it failed, or waited for ever */
    bool seen;     /* in this seed */
    Str message;   /* of the first failure that is not simulated */
};

/* Failures of runs that are alike. */
struct bucket {
    Str code, message;
    int node;
    int64_t n;
    uint64_t seed;
};

enum outcome { SUCCEEDED, FAILED, STUCK, TOO_LONG, OUTCOMES };
static const char *const outcome_names[] = {"succeeded", "failed", "stuck", "too_long"};

struct report {
    struct arena *a;
    const struct wf_simulate *s;
    struct sim_play play;
    const struct json *input;
    struct tally *nodes;
    int64_t outcomes[OUTCOMES];
    uint64_t outcome_seed[OUTCOMES];
    VEC(struct bucket) errors;
    int64_t other_errors;
    VEC(int64_t) took; /* microseconds */
    Usec longest;
    uint64_t longest_seed;
    int64_t undone, undone_in_part;
    uint64_t undone_seed;
    int64_t crashes, refused, lost_answers, doubled;
    VEC(struct bucket) broken;
    struct json *trace;
};

/* ---- one run ---- */

static void count_failure(struct report *r, struct tally *t, const struct wf_event *ev,
                          uint64_t seed)
{
    bool unknown = str_eq(ev->error.code, S("unknown_outcome"));
    bool own = !unknown && !str_starts(ev->error.message, S("simulated: "));

    if (own && !t->message.n)
        t->message = str_dup(r->a, str_head(ev->error.message, 1000));

    if (ev->retry_at) {
        t->retries++;
        t->repeated += unknown;
        return;
    }
    t->unknown += unknown;
    t->by_default += ev->handled == WF_HANDLED_DEFAULT;
    t->by_branch += ev->handled == WF_HANDLED_BRANCH;
    if (ev->handled == WF_UNHANDLED && !t->failed++)
        t->seed = seed;
}

static void count_event(struct report *r, const struct wf_event *ev, uint64_t seed)
{
    struct tally *t;
    bool ends = ev->kind == WF_EV_STEP_FINISHED || ev->kind == WF_EV_STEP_FAILED;

    if (ev->node < 0 || ev->kind < WF_EV_STEP_STARTED || ev->kind > WF_EV_STEP_SKIPPED)
        return;
    const struct wf_node *node = &r->s->def->nodes[ev->node];
    t = &r->nodes[ev->node];
    if (ev->kind == WF_EV_STEP_SKIPPED) {
        t->skipped++;
        return;
    }
    if (!t->seen)
        t->runs++;
    t->seen = true;
    bool computed = !node->body && !node->type->wait && wf_node_effects(node) == WF_PURE;
    t->attempts += ev->kind == WF_EV_STEP_STARTED || ev->kind == WF_EV_STEP_WAITING ||
                   ev->kind == WF_EV_STEP_OPENED || (computed && ends);
    if (ev->kind == WF_EV_STEP_FAILED)
        count_failure(r, t, ev, seed);
}

static void add_error(struct report *r, const struct wf_state *s, uint64_t seed)
{
    vec_each(&r->errors, b)
        if (b->node == s->error_node && str_eq(b->code, s->error.code)) {
            b->n++;
            return;
        }
    if (r->errors.n >= ERRORS_MAX) {
        r->other_errors++;
        return;
    }
    vec_push(r->a, &r->errors,
             ((struct bucket){str_dup(r->a, s->error.code), str_dup(r->a, s->error.message),
                              s->error_node, 1, seed}));
}

static void count_undone(struct report *r, const struct wf_state *s, uint64_t seed)
{
    bool left = false;

    if (!s->undoing)
        return;
    r->undone++;
    for (int i = 0; i < s->def->n_nodes; i++)
        left = left || (s->def->nodes[i].undoes >= 0 && s->nodes[i].state == WF_NODE_FAILED);
    if (left && !r->undone_in_part++)
        r->undone_seed = seed;
}

static enum outcome outcome_of(const struct sim *m, const struct sim_run *run)
{
    return m->spent                          ? TOO_LONG
           : run->stuck                      ? STUCK
           : run->s->run == WF_RUN_SUCCEEDED ? SUCCEEDED
                                             : FAILED;
}

static void count_run(struct report *r, const struct sim *m, uint64_t seed)
{
    const struct sim_run *run = m->runs.at[0];
    enum outcome outcome = outcome_of(m, run);

    for (int i = 0; i < r->s->def->n_nodes; i++)
        r->nodes[i].seen = false;
    vec_each(&run->journal, ev)
        count_event(r, ev, seed);
    if (!r->outcomes[outcome]++)
        r->outcome_seed[outcome] = seed;
    if (outcome == FAILED)
        add_error(r, run->s, seed);
    if (outcome == STUCK)
        for (const struct wf_node_run *n = run->s->waits.first; n; n = n->next)
            if (!r->nodes[n->node].waits_for_ever++ && !r->nodes[n->node].failed)
                r->nodes[n->node].seed = seed;
    count_undone(r, run->s, seed);
    r->crashes += m->crashes;
    r->refused += m->refused;
    r->lost_answers += m->lost_answers;
    r->doubled += m->doubled;
    if (m->broken && r->broken.n < BROKEN_MAX)
        vec_push(r->a, &r->broken, ((struct bucket){.message = str_c(m->broken), .seed = seed}));
    if (outcome == STUCK || outcome == TOO_LONG)
        return;
    vec_push(r->a, &r->took, run->ended - run->began);
    if (run->ended - run->began > r->longest) {
        r->longest = run->ended - run->began;
        r->longest_seed = seed;
    }
}

static void keep_trace(struct report *r, const struct sim *m)
{
    r->trace = json_arr(r->a);
    for (size_t i = 0; i < m->trace.n; i++)
        json_push(r->a, r->trace,
                  json_obj(r->a, "at_ms", json_double(r->a, (double)(m->trace.at[i].at - 1) / 1000),
                           "what", json_str(r->a, str_dup(r->a, m->trace.at[i].text)), NULL));
}

static void play(struct report *r, uint64_t seed, Usec until)
{
    AUTO(arena) *a = arena_new(WORLD_MEMORY);
    struct sim m;

    sim_init(&m, a, seed, EPOCH);
    m.player = &sim_play_player;
    m.ctx = &r->play;
    m.rates = sim_play_rates(r->s->fail);
    m.turns_max = TURNS_MAX;
    m.memory_max = WORLD_MEMORY / 4;
    m.deadline = until;
    m.traced = r->s->traced && seed == r->s->first;
    struct sim_run *run = sim_add(&m, wf_def_ref(r->s->def), r->input, r->play.kept);
    run->vars = r->s->vars;
    sim_go(&m);
    count_run(r, &m, seed);
    if (m.traced)
        keep_trace(r, &m);
    sim_done(&m);
}

/* ---- the report ---- */

static int compare(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return a < b ? -1 : a > b;
}

static struct json *millis(struct arena *a, int64_t us)
{
    return json_double(a, (double)us / 1000);
}

static struct json *seed_json(struct arena *a, uint64_t seed)
{
    return json_int(a, (int64_t)seed);
}

static struct json *durations(struct report *r)
{
    struct arena *a = r->a;
    size_t n = r->took.n;

    if (!n)
        return json_null(a);
    qsort(r->took.at, n, sizeof *r->took.at, compare);
    return json_obj(a, "min", millis(a, r->took.at[0]), "median", millis(a, r->took.at[n / 2]),
                    "p95", millis(a, r->took.at[(n - 1) * 95 / 100]), "max",
                    millis(a, r->took.at[n - 1]), "max_seed", seed_json(a, r->longest_seed), NULL);
}

static struct json *outcomes(struct report *r)
{
    struct json *o = json_obj(r->a, NULL);

    for (int i = 0; i < OUTCOMES; i++)
        if (r->outcomes[i])
            json_set(r->a, o, str_c(outcome_names[i]),
                     json_obj(r->a, "runs", json_int(r->a, r->outcomes[i]), "seed",
                              seed_json(r->a, r->outcome_seed[i]), NULL));
    return o;
}

static Str node_id(const struct report *r, int node)
{
    return node >= 0 ? r->s->def->nodes[node].id : S("");
}

static struct json *errors(struct report *r)
{
    struct json *list = json_arr(r->a);

    vec_each(&r->errors, b)
        json_push(r->a, list,
                  json_obj(r->a, "node",
                           b->node >= 0 ? json_str(r->a, node_id(r, b->node)) : json_null(r->a),
                           "code", json_str(r->a, b->code), "message", json_str(r->a, b->message),
                           "runs", json_int(r->a, b->n), "seed", seed_json(r->a, b->seed), NULL));
    return list;
}

/* What a repeat after a crash does: nothing, something that the far end can tell, or all again. */
static const char *repeat_of(const struct wf_node *node)
{
    enum wf_effects fx = wf_node_effects(node);
    bool repeats = node->on_unknown == WF_UNKNOWN_REPEAT ||
                   (node->on_unknown == WF_UNKNOWN_TYPE && fx != WF_EXTERNAL);

    if (fx == WF_PURE)
        return NULL;
    if (!repeats)
        return "fails";
    if (!node->type->keyed)
        return "without_key";
    return node->type->effects_of && fx == WF_IDEMPOTENT ? "harmless" : "with_key";
}

static const char *stands_for(const struct report *r, const struct wf_node *node)
{
    bool outside = wf_node_effects(node) != WF_PURE ||
                   (node->type->wait && !str_eq(str_c(node->type->name), S("delay")));

    if (r->play.mock[node->index] || json_get(r->play.kept, node->id))
        return "mock";
    return outside ? "placeholder" : NULL;
}

static struct json *or_null(struct arena *a, const char *text)
{
    return text ? json_str_c(a, text) : json_null(a);
}

static struct json *step_json(struct report *r, const struct wf_node *node)
{
    const struct tally *t = &r->nodes[node->index];
    struct arena *a = r->a;
    struct json *o = json_obj(
        a, "id", json_str(a, node->id), "type", json_str_c(a, node->type->name), "simulated",
        or_null(a, stands_for(r, node)), "after_crash", or_null(a, repeat_of(node)), NULL);
    const struct {
        const char *name;
        int64_t n;
    } counts[] = {{"runs", t->runs},
                  {"attempts", t->attempts},
                  {"retries", t->retries},
                  {"failed", t->failed},
                  {"handled_by_default", t->by_default},
                  {"handled_by_branch", t->by_branch},
                  {"skipped", t->skipped},
                  {"unknown_outcome", t->unknown},
                  {"repeated_after_crash", t->repeated},
                  {"waits_for_ever", t->waits_for_ever}};

    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        json_set(a, o, str_c(counts[i].name), json_int(a, counts[i].n));
    if (t->message.n)
        json_set(a, o, S("error"), json_str(a, t->message));
    if (t->failed || t->waits_for_ever)
        json_set(a, o, S("seed"), seed_json(a, t->seed));
    return o;
}

static struct json *steps(struct report *r)
{
    struct json *list = json_arr(r->a);

    for (int i = 0; i < r->s->def->n_nodes; i++)
        json_push(r->a, list, step_json(r, &r->s->def->nodes[i]));
    return list;
}

static struct json *never_reached(struct report *r)
{
    struct json *list = json_arr(r->a);

    for (int i = 0; i < r->s->def->n_nodes; i++)
        if (!r->nodes[i].runs)
            json_push(r->a, list, json_str(r->a, r->s->def->nodes[i].id));
    return list;
}

static struct json *broken(struct report *r)
{
    struct json *list = json_arr(r->a);

    vec_each(&r->broken, b)
        json_push(r->a, list,
                  json_obj(r->a, "promise", json_str(r->a, b->message), "seed",
                           seed_json(r->a, b->seed), NULL));
    return list;
}

static struct json *report_json(struct report *r, uint64_t done)
{
    struct arena *a = r->a;
    struct json *undone =
        json_obj(a, "runs", json_int(a, r->undone), "incomplete", json_int(a, r->undone_in_part),
                 "seed", r->undone_in_part ? seed_json(a, r->undone_seed) : NULL, NULL);
    struct json *o =
        json_obj(a, "workflow", json_str(a, r->s->def->name), "first_seed",
                 seed_json(a, r->s->first), "seeds", seed_json(a, r->s->seeds), "done",
                 seed_json(a, done), "fail", json_double(a, r->s->fail), "input",
                 json_dup(a, r->input), "input_made_up", json_bool(a, !r->s->input), "outcomes",
                 outcomes(r), "errors", errors(r), "duration_ms", durations(r), NULL);

    json_set(a, o, S("steps"), steps(r));
    json_set(a, o, S("never_reached"), never_reached(r));
    json_set(a, o, S("compensation"), undone);
    json_set(a, o, S("faults"),
             json_obj(a, "crashes", json_int(a, r->crashes), "store_away", json_int(a, r->refused),
                      "lost_answers", json_int(a, r->lost_answers), "answered_twice",
                      json_int(a, r->doubled), NULL));
    json_set(a, o, S("broken_promises"), broken(r));
    if (r->trace)
        json_set(a, o, S("trace"), r->trace);
    return o;
}

static Err find_input(struct report *r)
{
    bool given = r->s->input != NULL;

    r->input = given ? r->s->input : wf_sample_input(r->a, r->s->def);
    if (wf_def_check_input(r->s->def, r->a, r->input, NULL) == OK)
        return OK;
    return given ? err_detail(E_INVALID, "%s", str_dup_c(r->a, str_c(err_client_text(E_INVALID))))
                 : err_detail(E_INVALID, "No input that meets the trigger's schema could be made "
                                         "up: give one.");
}

Err wf_simulate(struct arena *a, const struct wf_simulate *s, struct json **ret_report)
{
    struct report r = {.a = a, .s = s};
    Usec until = s->budget ? time_mono() + s->budget : USEC_NEVER;
    uint64_t done = 0;

    if (!(s->fail >= 0 && s->fail <= 1))
        return err_detail(E_INVALID, "The rate of failures must be between 0 and 1.");
    if (s->seeds < 1 || s->seeds > WF_SEEDS_MAX)
        return err_detail(E_INVALID, "There may be 1 to %d seeds.", WF_SEEDS_MAX);
    TRY(sim_play_init(a, s, &r.play));
    TRY(find_input(&r));
    r.nodes = arena_array(a, struct tally, s->def->n_nodes);
    do {
        play(&r, s->first + done, s->budget ? until : 0);
        done++;
        if (fiber_self())
            TRY(fiber_breathe());
    } while (done < s->seeds && time_mono() < until);
    *ret_report = report_json(&r, done);
    return OK;
}
