/* src/wf/simulate_test.c - what a simulation says of workflows, and what stands for what is not
 * called. */
#include "base/json_schema.h"
#include "wf/sample.h"
#include "wf/simulate.h"
#include "wf/test_node.h"

static struct wf_def *def_of(const char *nodes, const char *edges)
{
    WfProblems problems = {0};
    struct wf_def *def = NULL;
    Str text = str_fmt(t_arena(),
                       "{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':{}}%s],"
                       "'edges':[%s]}",
                       nodes, edges);

    if (t_def(str_dup_c(t_arena(), text), &problems, &def) != OK)
        t_fail(__FILE__, __LINE__, "%.*s", P(problems.at[0].message));
    return def;
}

#define EDGE(id, from, to) "{'id':'" id "','source':'" from "','target':'" to "'}"

static struct json *report_of(struct wf_def *def, double fail, const char *mocks)
{
    struct wf_simulate what = {.def = def,
                               .first = 1,
                               .seeds = 200,
                               .fail = fail,
                               .mocks = mocks ? t_json(mocks) : NULL,
                               .max_output = MIB(8)};
    struct json *report = NULL;

    if (wf_simulate(t_arena(), &what, &report) != OK)
        t_fail(__FILE__, __LINE__, "%s", err_client_text(err_record()->code));
    return report;
}

static const struct json *step_of(const struct json *report, const char *id)
{
    const struct json *steps = json_at(report, "steps");

    for (size_t i = 0; i < json_len(steps); i++)
        if (str_eq(json_str_of(json_at(json_item(steps, i), "id"), S("")), str_c(id)))
            return json_item(steps, i);
    return NULL;
}

static int64_t count(const struct json *report, const char *id, const char *what)
{
    return json_int_of(json_get(step_of(report, id), str_c(what)), -1);
}

static int64_t ended(const struct json *report, const char *outcome)
{
    return json_int_of(json_at(json_get(json_at(report, "outcomes"), str_c(outcome)), "runs"), 0);
}

static const char call_and_condition[] =
    ",{'id':'a','type':'api-call','data':{'url':'https://x.example/','retry':{'max_attempts':3,"
    "'delay':'1s'}}},{'id':'c','type':'condition','data':{'cases':[{'id':'yes','conditions':["
    "{'left':'{{ a.body.level }}','operator':'equals','right':'high'}]}]}},"
    "{'id':'high','type':'output','data':{'output':'{{ a.body.level }}'}}";
static const char call_edges[] =
    EDGE("1", "t", "a") "," EDGE("2", "a", "c") ",{'id':'3','source':'c','target':'high',"
                                                "'sourceHandle':'yes'}";

TEST(without_failures_every_simulated_run_succeeds_and_takes_one_attempt_a_step)
{
    struct json *report = report_of(def_of(call_and_condition, call_edges), 0, NULL);

    t_expect_int(ended(report, "succeeded"), 200);
    t_expect_int(count(report, "a", "attempts"), 200);
    t_expect_int(count(report, "a", "retries"), 0);
    t_expect_int(json_int_of(json_at(json_at(report, "faults"), "crashes"), -1), 0);
}

TEST(a_placeholder_leads_where_it_leads_and_what_is_never_reached_is_named)
{
    struct json *report = report_of(def_of(call_and_condition, call_edges), 0, NULL);

    t_expect_str(json_str_of(json_at(step_of(report, "a"), "simulated"), S("")), S("placeholder"));
    t_expect_int((long long)json_len(json_at(report, "never_reached")), 1);
    t_expect_str(json_str_of(json_item(json_at(report, "never_reached"), 0), S("")), S("high"));
}

TEST(a_mock_is_what_a_call_gives_and_the_call_still_fails_now_and_then)
{
    struct json *report = report_of(def_of(call_and_condition, call_edges), 0.3,
                                    "{'a':{'output':{'body':{'level':'high'}}}}");

    t_expect_str(json_str_of(json_at(step_of(report, "a"), "simulated"), S("")), S("mock"));
    t_expect(count(report, "a", "retries") > 0);
    t_expect(count(report, "a", "repeated_after_crash") > 0);
    t_expect(count(report, "high", "runs") > 100);
    t_expect(ended(report, "failed") > 0);
    t_expect_int((long long)json_len(json_at(report, "never_reached")), 0);
    t_expect_int((long long)json_len(json_at(report, "broken_promises")), 0);
}

TEST(mocks_that_fit_no_step_are_refused_by_name)
{
    struct json *report;
    static const char *const wrong[][2] = {
        {"{'nope':{'output':1}}", "The workflow has no step \"nope\"."},
        {"{'a':{'out':1}}", "mocks.a must be an object with an \"output\"."},
        {"{'c':{'output':1,'handle':'maybe'}}",
         "Step \"c\" has no handle \"maybe\": say one it has."},
        {"[]", "The mocks must be an object by the ids of steps."},
    };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct wf_simulate what = {.def = def_of(call_and_condition, call_edges),
                                   .seeds = 1,
                                   .mocks = t_json(wrong[i][0])};
        t_expect_err(wf_simulate(t_arena(), &what, &report), E_INVALID);
        t_expect_str(str_c(err_client_text(E_INVALID)), str_c(wrong[i][1]));
    }
}

TEST(an_approval_without_a_limit_waits_for_ever_when_nobody_answers)
{
    static const char asks[] = ",{'id':'ok','type':'approval','data':{'subject':'s'%s}}";
    Str open = str_fmt(t_arena(), asks, ""), limited = str_fmt(t_arena(), asks, ",'max_wait':'3d'");
    struct json *report =
        report_of(def_of(str_dup_c(t_arena(), open), EDGE("1", "t", "ok")), 0.5, NULL);

    t_expect(ended(report, "stuck") > 10);
    t_expect_int(count(report, "ok", "waits_for_ever"), ended(report, "stuck"));
    report = report_of(def_of(str_dup_c(t_arena(), limited), EDGE("1", "t", "ok")), 0.5, NULL);
    t_expect_int(ended(report, "stuck"), 0);
    t_expect_int(ended(report, "succeeded"), 200);
}

TEST(what_could_not_be_undone_and_what_is_done_twice_without_a_key_shows)
{
    static const char saga[] =
        ",{'id':'book','type':'api-call','data':{'url':'https://x.example/','method':'POST',"
        "'compensate':'back','on_unknown':'repeat','retry':{'max_attempts':9,'delay':'1s'}}},"
        "{'id':'back','type':'api-call','data':{'url':'https://x.example/','method':'DELETE',"
        "'on_unknown':'repeat'}},"
        "{'id':'think','type':'llm','data':{'model':'m','prompt':'p'}},"
        "{'id':'pay','type':'api-call','data':{'url':'https://x.example/','method':'POST'}}";
    static const char edges[] =
        EDGE("1", "t", "book") "," EDGE("2", "book", "think") "," EDGE("3", "think", "pay");
    struct json *report = report_of(def_of(saga, edges), 0.4, NULL);

    t_expect(json_int_of(json_at(json_at(report, "compensation"), "incomplete"), 0) > 0);
    t_expect(json_int_of(json_at(json_at(report, "compensation"), "runs"), 0) >
             json_int_of(json_at(json_at(report, "compensation"), "incomplete"), 0));
    t_expect_str(json_str_of(json_at(step_of(report, "book"), "after_crash"), S("")),
                 S("with_key"));
    t_expect_str(json_str_of(json_at(step_of(report, "think"), "after_crash"), S("")),
                 S("without_key"));
    t_expect_str(json_str_of(json_at(step_of(report, "pay"), "after_crash"), S("")), S("fails"));
    t_expect(count(report, "pay", "unknown_outcome") > 0);
    t_expect_int((long long)json_len(json_at(report, "broken_promises")), 0);
}

TEST(the_same_seed_is_the_same_report_and_its_trace_is_told)
{
    struct wf_simulate what = {.def = def_of(call_and_condition, call_edges),
                               .first = 77,
                               .seeds = 3,
                               .fail = 0.4,
                               .traced = true,
                               .max_output = MIB(8)};
    struct json *one, *two;

    t_expect_ok(wf_simulate(t_arena(), &what, &one));
    t_expect_ok(wf_simulate(t_arena(), &what, &two));
    t_expect(json_equal(one, two));
    t_expect(json_len(json_at(one, "trace")) > 4);
    what.first = 78;
    t_expect_ok(wf_simulate(t_arena(), &what, &two));
    t_expect(!json_equal(one, two));
}

TEST(a_budget_of_time_ends_a_simulation_after_a_seed)
{
    struct wf_simulate what = {
        .def = def_of(call_and_condition, call_edges), .seeds = 1000000, .budget = 1};
    struct json *report;

    t_expect_ok(wf_simulate(t_arena(), &what, &report));
    int64_t done = json_int_of(json_at(report, "done"), 0);
    t_expect(done >= 1 && done < 1000000);
}

TEST(a_placeholder_has_the_shape_that_the_workflow_reads)
{
    struct wf_def *def =
        def_of(",{'id':'a','type':'api-call','data':{'url':'https://x.example/'}},"
               "{'id':'each','type':'iteration','data':{'items':'{{ a.body.rows }}'}},"
               "{'id':'in','type':'output','parentId':'each','data':{'output':'{{ item.name }}'}},"
               "{'id':'o','type':'output','data':{'output':'{{ a.body.who?.name }} "
               "{{ a.body.list[1].n ?? 3 }} {{ a.status }}'}}",
               EDGE("1", "t", "a") "," EDGE("2", "a", "each") "," EDGE("3", "each", "o"));
    struct json *body = json_at(wf_sample_output(t_arena(), def, wf_def_node(def, S("a"))), "body");

    t_expect_str(json_text(t_arena(), body),
                 t_quoted("{'rows':[{'name':'placeholder'},{'name':'placeholder'},{'name':"
                          "'placeholder'}],'who':{'name':'placeholder'},'list':["
                          "'placeholder',{'n':'placeholder'}]}"));
    struct json *report = report_of(def, 0, NULL);
    t_expect_int(ended(report, "succeeded"), 200);
    t_expect_int(count(report, "in", "attempts"), 600);
}

TEST(a_made_up_value_meets_the_schema_it_is_made_by)
{
    static const char *const schemas[][2] = {
        {"{'type':'object','required':['a'],'properties':{'a':{'type':'integer','minimum':7},"
         "'b':{'enum':['x','y']},'c':{'type':'array','minItems':2,'items':{'type':'boolean'}}}}",
         "{'a':7,'b':'x','c':[true,true]}"},
        {"{'type':'string','format':'email'}", "'placeholder@example.com'"},
        {"{'type':'string','maxLength':4}", "'plac'"},
        {"{'type':['null','string']}", "null"},
        {"{'anyOf':[{'type':'number'}]}", "1"},
        {"{'const':{'k':1}}", "{'k':1}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        AUTO(json_schema) *schema = NULL;
        struct json *json = t_json(schemas[i][0]), *made = wf_sample_schema(t_arena(), json);
        t_expect_str(json_text(t_arena(), made), t_quoted(schemas[i][1]));
        t_expect_ok(json_schema_compile(json, NULL, 0, 0, &schema));
        t_expect_ok(json_schema_validate(schema, t_arena(), made, 1, NULL));
    }
}
