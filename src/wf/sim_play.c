/* src/wf/sim_play.c - see sim_play.h. */
#include "wf/sim_play.h"

#include "wf/sample.h"

#include <math.h>

/* ---- chance ---- */

static double part(struct sim *m)
{
    return (double)(sim_random(m) >> 11) / 9007199254740992.0;
}

/* A time between the two, short ones as often as long ones. */
static Usec between(struct sim *m, Usec least, Usec most)
{
    return (Usec)((double)least * pow((double)most / (double)least, part(m)));
}

struct sim_rates sim_play_rates(double fail)
{
    return (struct sim_rates){.crash = fail / 10,
                              .refused = fail / 5,
                              .lost_answer = fail / 5,
                              .again = fail,
                              .max_crashes = fail > 0 ? 5 : 0,
                              .down_max = USEC_MIN};
}

/* ---- steps ---- */

static const struct sim_play *play_of(const struct sim_run *r)
{
    return r->sim->ctx;
}

static void no_live(struct wf_step *step, Str kind, const struct json *data)
{
    (void)step, (void)kind, (void)data; /* nobody watches */
}

static struct wf_step step_of(struct sim_run *r, const struct wf_node_run *n, int number,
                              struct wf_names *names, struct wf_scope *scope)
{
    struct arena *a = r->sim->a;
    const struct wf_node *node = &r->def->nodes[n->node];
    Str where = wf_path_text(a, r->def, &n->frame->path);

    *names = (struct wf_names){a, r->s, &r->facts, n->frame};
    *scope = wf_core_scope(names);
    return (struct wf_step){.a = a,
                            .env = &play_of(r)->env,
                            .def = r->def,
                            .node = node,
                            .scope = scope,
                            .run = r->facts.run,
                            .attempt = number,
                            .where = where,
                            .key =
                                str_fmt(a, "%.*s%s%.*s", P(where), where.n ? "/" : "", P(node->id)),
                            .deadline = usec_in(5 * USEC_S),
                            .input = r->s->input,
                            .state = r->s,
                            .self = n,
                            .live = no_live};
}

static Err open_of(struct sim_run *r, const struct wf_node_run *n, struct wf_opening *ret);

/* After a crash the items of the iterations around a step are asked for again. */
static Err find_items(struct sim_run *r, const struct wf_frame *frame)
{
    struct wf_cycle *c;

    while ((c = wf_core_lacks(frame))) {
        struct wf_opening opening = {0};
        TRY(open_of(r, c->step, &opening));
        if (opening.count != c->count)
            return err_set(E_CORRUPT, "an iteration has other items now");
        c->items = opening.items;
    }
    return OK;
}

/* A failure of those that such calls have; whether the far end did it all the same is not known.
 * */
static void fail_call(struct sim *m, struct sim_gives *ret)
{
    static const struct {
        Err e;
        const char *text;
    } failures[] = {
        {E_TIMEOUT, "simulated: it did not answer in time"},
        {E_UNAVAILABLE, "simulated: it answered 503"},
        {E_CONNECT, "simulated: it could not be reached"},
        {E_RATE_LIMITED, "simulated: it answered 429"},
        {E_UPSTREAM_CUT, "simulated: the answer was cut off"},
        {E_UPSTREAM, "simulated: the answer could not be used"},
    };
    size_t i = sim_random(m) % ARRAY_LEN(failures);

    ret->result = failures[i].e;
    ret->message = str_c(failures[i].text);
    if (ret->result == E_TIMEOUT)
        ret->took = USEC_NEVER / 4; /* until the step's own time is up */
    if (ret->result == E_RATE_LIMITED && part(m) < 0.5)
        ret->retry_after = between(m, USEC_S, 30 * USEC_S);
}

static Err give(struct sim_run *r, struct wf_node_run *n, int number, struct sim_gives *ret)
{
    const struct sim_play *play = play_of(r);
    const struct wf_node *node = &r->def->nodes[n->node];
    const struct json *mock = play->mock[n->node];
    struct wf_names names;
    struct wf_scope scope;

    TRY(find_items(r, n->frame));
    struct wf_step step = step_of(r, n, number, &names, &scope);
    if (wf_node_effects(node) == WF_PURE)
        return node->type->run(&step, node->settings, &ret->outcome);
    TRY(wf_sample_run(&step, &ret->outcome));
    if (mock) {
        ret->outcome.output = json_at(mock, "output");
        ret->outcome.handle = json_str_of(json_at(mock, "handle"), S(""));
    }
    return OK;
}

static void attempt(struct sim_run *r, struct wf_node_run *n, int number, struct sim_gives *ret)
{
    struct sim *m = r->sim;
    const struct wf_node *node = &r->def->nodes[n->node];
    bool calls = wf_node_effects(node) != WF_PURE;
    bool model = str_eq(str_c(node->type->group), S("ai"));

    ret->result = give(r, n, number, ret);
    if (ret->result != OK)
        ret->message = str_dup(m->a, str_c(err_client_text(ret->result)));
    if (!calls)
        return;
    ret->took =
        model ? between(m, 500 * USEC_MS, 30 * USEC_S) : between(m, 10 * USEC_MS, 3 * USEC_S);
    if (ret->result == OK && sim_chance(m, play_of(r)->what->fail))
        fail_call(m, ret);
}

static Err wait_of(struct sim_run *r, struct wf_node_run *n, int number, struct wf_wait *ret)
{
    const struct wf_node *node = &r->def->nodes[n->node];
    struct wf_names names;
    struct wf_scope scope;

    TRY(find_items(r, n->frame));
    struct wf_step step = step_of(r, n, number, &names, &scope);
    return node->type->wait(&step, node->settings, ret);
}

static Err open_of(struct sim_run *r, const struct wf_node_run *n, struct wf_opening *ret)
{
    const struct wf_node *node = &r->def->nodes[n->node];
    struct wf_names names;
    struct wf_scope scope;
    struct wf_step step = step_of(r, n, 1, &names, &scope);

    return node->type->open(&step, node->settings, ret);
}

static Err open_body(struct sim_run *r, struct wf_node_run *n, struct wf_opening *ret)
{
    TRY(find_items(r, n->frame));
    return open_of(r, n, ret);
}

static Err end_round(struct sim_run *r, struct wf_node_run *n, struct wf_round *ret)
{
    const struct wf_node *node = &r->def->nodes[n->node];
    struct wf_names names;
    struct wf_scope scope;
    struct wf_step step = step_of(r, n, 1, &names, &scope);

    names.frame = n->inside->over;
    TRY(find_items(r, n->inside->over));
    return node->type->round(&step, node->settings, ret);
}

/* ---- who answers ---- */

static bool asks_people(const struct wf_node_run *n)
{
    return str_eq(json_str_of(json_at(n->wait, "kind"), S("")), S("approval"));
}

static bool runs_workflow(const struct wf_node_run *n)
{
    return str_eq(json_str_of(json_at(n->wait, "kind"), S("")), S("workflow"));
}

static Usec answer_in(struct sim_run *r, const struct wf_node_run *n)
{
    struct sim *m = r->sim;

    if (str_eq(json_str_of(json_at(n->wait, "kind"), S("")), S("delay")))
        return USEC_NEVER;
    if (runs_workflow(n)) /* a run always ends */
        return between(m, 100 * USEC_MS, 5 * USEC_MIN);
    if (sim_chance(m, play_of(r)->what->fail / 2))
        return USEC_NEVER;
    return asks_people(n) ? between(m, 10 * USEC_S, 48 * USEC_H) : between(m, USEC_S, 2 * USEC_H);
}

static const struct json *decision(struct sim_run *r, const struct wf_node_run *n)
{
    struct sim *m = r->sim;
    const struct json *approvers = json_at(n->wait, "approvers");
    size_t count = json_len(approvers);
    Str by = str_fmt(m->a, "person %d", (int)(sim_random(m) % 20) + 1);

    if (count)
        by = json_str_of(json_item(approvers, sim_random(m) % count), by);
    bool approves = part(m) < 0.75;
    return json_obj(m->a, "by", json_str(m->a, by), "decision",
                    json_str_c(m->a, approves ? "approve" : "reject"), "data",
                    approves ? wf_sample_answer(m->a, r->def, n->node) : json_null(m->a), "comment",
                    json_str_c(m->a, ""), NULL);
}

static const struct json *answer(struct sim_run *r, const struct wf_node_run *n)
{
    struct sim *m = r->sim;
    const struct json *mock = play_of(r)->mock[n->node];
    const struct json *output =
        mock ? json_at(mock, "output") : wf_sample_answer(m->a, r->def, n->node);

    if (asks_people(n))
        return decision(r, n);
    if (!runs_workflow(n))
        return output;
    if (!sim_chance(m, play_of(r)->what->fail))
        return json_obj(m->a, "state", json_str_c(m->a, "succeeded"), "output", output, NULL);
    return json_obj(m->a, "state", json_str_c(m->a, "failed"), "error",
                    json_obj(m->a, "code", json_str_c(m->a, "unavailable"), "message",
                             json_str_c(m->a, "simulated: a step of it failed"), NULL),
                    NULL);
}

static struct wf_def *child(struct sim_run *r, Str name)
{
    (void)r, (void)name;
    return NULL; /* its definition is not at hand: it is answered */
}

const struct sim_player sim_play_player = {attempt,   wait_of, open_body, end_round,
                                           answer_in, answer,  child};

/* ---- mocks ---- */

/* What calls out, or is answered from outside but by people, keeps running and may fail: its mock
 * is what it gives. The others do not run. */
static bool is_played(const struct wf_node *node)
{
    return wf_node_effects(node) != WF_PURE || str_eq(str_c(node->type->name), S("wait_event")) ||
           str_eq(str_c(node->type->name), S("sub_workflow"));
}

Err sim_play_init(struct arena *a, const struct wf_simulate *what, struct sim_play *ret_play)
{
    const struct wf_def *def = what->def;
    struct json *kept = json_obj(a, NULL);
    struct sim_play play = {.what = what,
                            .env = {.max_output = what->max_output, .sends_mail = true}};

    play.mock = arena_array(a, const struct json *, def->n_nodes);
    if (what->mocks && !json_is(what->mocks, JSON_OBJ))
        return err_detail(E_INVALID, "The mocks must be an object by the ids of steps.");
    for (size_t i = 0; what->mocks && i < what->mocks->n; i++) {
        const struct json *mock = &what->mocks->obj[i].val;
        Str id = str_from(what->mocks->obj[i].key.s, what->mocks->obj[i].key.n), handle;
        const struct wf_node *node;
        int index = wf_def_node(def, id);
        bool inside = index >= 0 && is_played(&def->nodes[index]);
        TRY(wf_mock_read(def, id, mock, inside, &node, &handle));
        if (inside)
            play.mock[node->index] = mock;
        else
            json_set(a, kept, node->id,
                     json_obj(a, "output", json_at(mock, "output"), "handle", json_str(a, handle),
                              "by", json_str_c(a, "mock"), NULL));
    }
    play.kept = json_len(kept) ? kept : NULL;
    *ret_play = play;
    return OK;
}
