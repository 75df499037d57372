/* src/wf/examples_test.c - the examples are right, readable on the canvas, and do what they say. */
#include "wf/core.h"
#include "wf/test_node.h"

static const char *const names[] = {"lead-processing", "start-llm-end", "fan-out", "morning-report",
                                    "each-order"};

static Str example(const char *name)
{
    char path[1024];
    AUTO_BUF(b, MIB(1));

    snprintf(path, sizeof path, "%s/examples/%s.json", HEDDLE_SOURCE, name);
    FILE *f = fopen(path, "r");
    if (!f) {
        t_fail(__FILE__, __LINE__, "cannot read %s", path);
        return S("");
    }
    char *to = buf_room(&b, KIB(64));
    buf_added(&b, fread(to, 1, KIB(64), f));
    fclose(f);
    return str_dup(t_arena(), buf_str(&b));
}

static void release(void *def)
{
    wf_def_unref(def);
}

static Err parse(const char *name, struct wf_def **ret_def)
{
    WfProblems problems = {0};
    struct wf_def *def;

    TRY(wf_def_parse(t_arena(), example(name), &problems, &def));
    arena_defer(t_arena(), release, def);
    /* Their webhooks are open, so that one can try them; the console warns. */
    bool only_open = problems.n == 1 && str_eq(problems.at[0].code, S("open_webhook"));
    if (problems.n && !only_open)
        t_fail(__FILE__, __LINE__, "%s: %.*s", name, P(problems.at[0].message));
    *ret_def = def;
    return OK;
}

static double coordinate(const struct wf_def *def, int node, Str axis)
{
    const struct json *n = json_item(json_at(def->json, "nodes"), (size_t)node);

    return json_double_of(json_get(json_at(n, "position"), axis), -1);
}

TEST(examples_are_valid_and_their_nodes_do_not_overlap)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct wf_def *def;
        t_expect_ok(parse(names[i], &def));
        for (int k = 0; k < def->n_nodes; k++) {
            t_expect(!str_eq(def->nodes[k].title, def->nodes[k].id));
            for (int j = 0; j < k; j++) {
                if (def->nodes[k].parent != def->nodes[j].parent)
                    continue; /* what is inside of a node counts from its corner */
                double x = coordinate(def, k, S("x")) - coordinate(def, j, S("x"));
                double y = coordinate(def, k, S("y")) - coordinate(def, j, S("y"));
                t_expect(x >= 260 || x <= -260 || y >= 100 || y <= -100);
            }
        }
        for (int k = 0; k < def->n_edges; k++)
            t_expect(coordinate(def, def->edges[k].from, S("x")) + 260 <
                     coordinate(def, def->edges[k].to, S("x")));
    }
}

/* Run a workflow of pure nodes by the core alone. */
static Str run_pure(const char *name, const char *input)
{
    struct arena *a = t_arena();
    struct wf_def *def;
    struct wf_decision d;
    struct wf_event ev = {.seq = 1, .at = 1, .kind = WF_EV_RUN_STARTED, .node = -1};

    if (parse(name, &def) != OK)
        return S("");
    struct wf_state *state = wf_core_new(a, def);
    struct wf_facts facts = {.trigger = S("manual"), .version = 1};
    struct wf_names scope_names = {a, state, &facts};
    struct wf_scope scope = wf_core_scope(&scope_names);
    ev.data = t_json(input);
    for (;;) {
        if (wf_core_apply(state, &ev) != OK)
            return str_c(err_text(E_CORRUPT));
        if (wf_run_state_is_final(state->run))
            break;
        wf_core_next(state, 1, &d);
        ev =
            (struct wf_event){.seq = state->seq + 1, .at = 1, .node = d.node, .attempt = d.attempt};
        if (d.what == WF_DO_SKIP) {
            ev.kind = WF_EV_STEP_SKIPPED;
        } else if (d.what == WF_DO_SUCCEED) {
            ev.kind = WF_EV_RUN_SUCCEEDED;
            ev.node = -1;
            ev.data = wf_core_output(a, state);
        } else if (d.what == WF_DO_START) {
            struct wf_step step = {.a = a,
                                   .def = def,
                                   .node = &def->nodes[d.node],
                                   .scope = &scope,
                                   .attempt = 1,
                                   .input = state->input};
            struct wf_outcome out = {0};
            Err e = step.node->type->run(&step, step.node->settings, &out);
            if (e != OK)
                return str_fmt(a, "%s: %s", err_name(e), err_client_text(e));
            ev.kind = WF_EV_STEP_FINISHED;
            ev.handle = out.handle.n ? out.handle : S("out");
            ev.data = out.output;
        } else {
            return str_fmt(a, "the core decides %d", (int)d.what);
        }
    }
    return json_text(a, state->output);
}

TEST(example_fan_out_routes_tickets)
{
    Str gold = run_pure("fan-out", "{'subject':'Help','customer':{'name':'Ada','tier':'gold'}}");
    Str money = run_pure("fan-out", "{'subject':'My Invoice','priority':3}");
    Str other = run_pure("fan-out", "{'subject':'Hello'}");
    Str none = run_pure("fan-out", "{'text':'x'}");

    t_expect(
        str_starts(gold, S("{\"queue\":\"on-call\",\"ticket\":{\"customer\":{\"name\":\"Ada\"")));
    t_expect(
        str_starts(money, S("{\"queue\":\"billing\",\"ticket\":{\"customer\":{\"name\":\"unknown\","
                            "\"tier\":\"standard\"},\"summary\":\"My Invoice: no text\","
                            "\"priority\":3")));
    t_expect(str_starts(other, S("{\"queue\":\"desk\"")));
    t_expect(str_starts(none, S("E_INVALID: The input does not meet the schema")));
}
