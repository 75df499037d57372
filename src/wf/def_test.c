/* src/wf/def_test.c - what a definition may be, and that everything wrong with one is told with its
 * place. */
#include "base/crypto.h"
#include "wf/test_node.h"

#define TRIGGER "{'id':'t','type':'trigger','data':{}}"

/* A definition with @rest behind the name. */
static Str problem_of(const char *rest)
{
    WfProblems problems = {0};
    struct wf_def *def;
    Str text = str_fmt(t_arena(), "{'heddle':1,'name':'x',%s}", rest);

    (void)t_def(str_dup_c(t_arena(), text), &problems, &def); /* the problems tell */
    return t_problem(&problems);
}

#define PROBLEM(rest, want) t_expect_str(problem_of(rest), S(want))
#define NODES(nodes) "'nodes':[" TRIGGER "," nodes "],'edges':[]"
#define EDGES(edges)                                                                               \
    "'nodes':[" TRIGGER ",{'id':'n','type':'output','data':{'output':1}},"                         \
    "{'id':'c','type':'condition','data':{'cases':[{'id':'yes','conditions':[{'left':1,"           \
    "'operator':'equals','right':1}]}]}}],'edges':[" edges "]"

static Err parse(const char *text, WfProblems *problems, struct wf_def **def)
{
    return t_def(text, problems, def);
}

static const char small[] =
    "{'heddle':1,'name':'Small','description':'d','viewport':{'x':1,'y':2,'zoom':1},"
    "'variables':[{'name':'channel','type':'string','value':'#sales','description':'w'}],"
    "'settings':{'timeout':'10m','max_steps':7,'max_parallel':3},'nodes':["
    "{'id':'t','type':'trigger','position':{'x':0,'y':0},'selected':true,'data':{'title':'Go'}},"
    "{'id':'mid','type':'data-transform','data':{'mode':'template',"
    "'template':'{{ t.x }} {{ channel }} {{ vars.channel }}',"
    "'retry':{'max_attempts':4,'backoff':'constant','delay':'2s','jitter':0,'on':['timeout']},"
    "'timeout':'5s','total_timeout':'1m','on_error':{'strategy':'default','output':{'a':1}},"
    "'on_unknown':'repeat'}},"
    "{'id':'end','type':'output','data':{'output':{'text':'{{ mid }}','run':'{{ run.id }}'}}}],"
    "'edges':[{'id':'e1','source':'t','target':'mid','label':'l','selected':false},"
    "{'id':'e2','source':'mid','target':'end','sourceHandle':'out','targetHandle':'in'}]}";

TEST(def_of_all_fields_is_compiled)
{
    WfProblems problems = {0};
    struct wf_def *def;

    t_expect_ok(parse(small, &problems, &def));
    t_expect_int(problems.n, 0);
    t_expect_str(def->name, S("Small"));
    t_expect_int(def->timeout, 600 * USEC_S);
    t_expect_int(def->max_steps, 7);
    t_expect_int(def->max_parallel, 3);
    t_expect_int(def->n_nodes, 3);
    t_expect_int(def->trigger, 0);
    const struct wf_node *mid = &def->nodes[wf_def_node(def, S("mid"))];
    t_expect_int(mid->index, 1);
    t_expect_int(mid->retry.max_attempts, 4);
    t_expect(!mid->retry.exponential && mid->retry.jitter == 0);
    t_expect_int(mid->retry.delay, 2 * USEC_S);
    t_expect_int(mid->retry.on, WF_RETRY_TIMEOUT);
    t_expect_int(mid->timeout, 5 * USEC_S);
    t_expect_int(mid->total_timeout, USEC_MIN);
    t_expect_int(mid->on_error, WF_ERROR_DEFAULT);
    t_expect(json_equal(mid->default_output, t_json("{'a':1}")));
    t_expect_int(mid->on_unknown, WF_UNKNOWN_REPEAT);
    t_expect(mid->reachable && mid->n_in == 1 && mid->n_out == 1);
    t_expect_int(def->edges[mid->in[0]].from, 0);
    t_expect_str(def->edges[mid->out[0]].handle, S("out"));
    t_expect_str(def->nodes[0].title, S("Go"));
    t_expect_str(def->nodes[2].title, S("end"));
    t_expect_int(wf_def_node(def, S("nobody")), -1);
    t_expect_int(def->n_variables, 1);
}

TEST(def_defaults_are_those_of_the_format)
{
    WfProblems problems = {0};
    struct wf_def *def;

    t_expect_ok(parse("{'heddle':1,'name':'x','nodes':[" TRIGGER "]}", &problems, &def));
    t_expect_int(def->timeout, USEC_H);
    t_expect_int(def->max_steps, 10000);
    t_expect_int(def->max_parallel, 16);
    t_expect_int(def->nodes[0].retry.max_attempts, 1);
    t_expect_int(def->nodes[0].retry.on, WF_RETRY_USUAL);
    t_expect_int(def->nodes[0].timeout, USEC_MIN);
    t_expect_int(def->nodes[0].on_error, WF_ERROR_FAIL);
}

TEST(def_is_normalised_and_its_hash_overlooks_looks)
{
    WfProblems problems = {0};
    struct wf_def *def, *again, *moved, *other;
    Str text = t_quoted(small);

    t_expect_ok(parse(small, &problems, &def));
    t_expect(!json_at(json_item(json_at(def->json, "nodes"), 0), "selected"));
    t_expect(!json_at(json_item(json_at(def->json, "edges"), 0), "selected"));
    t_expect(json_at(json_item(json_at(def->json, "edges"), 0), "label"));
    t_expect(json_equal(json_at(json_item(json_at(def->json, "nodes"), 1), "position"),
                        t_json("{'x':280,'y':0}")));
    t_expect_ok(t_def(str_dup_c(t_arena(), def->text), &problems, &again));
    t_expect_str(again->text, def->text);
    t_expect(memcmp(again->hash, def->hash, 32) == 0);
    size_t at = str_find(text, S("\"x\":0,\"y\":0"));
    ((char *)(uintptr_t)text.p)[at + 4] = '9';
    t_expect_ok(t_def(str_dup_c(t_arena(), text), &problems, &moved));
    t_expect(memcmp(moved->hash, def->hash, 32) == 0);
    at = str_find(text, S("#sales"));
    ((char *)(uintptr_t)text.p)[at] = '!';
    t_expect_ok(t_def(str_dup_c(t_arena(), text), &problems, &other));
    t_expect(memcmp(other->hash, def->hash, 32) != 0);
}

TEST(def_of_broken_json_is_a_syntax_error_with_its_place)
{
    WfProblems problems = {0};
    struct wf_def *def;

    t_expect_err(parse("{'heddle':1,", &problems, &def), E_SYNTAX);
    t_expect_str(t_problem(&problems), S("syntax "));
    problems.n = 0;
    t_expect_err(parse("[1]", &problems, &def), E_INVALID);
    t_expect_str(t_problem(&problems), S("type "));
}

TEST(def_top_level_problems)
{
    PROBLEM("'nodes':[" TRIGGER "],'edgse':[]", "unknown_field /edgse");
    PROBLEM("'nodes':[]", "no_trigger /nodes");
    PROBLEM("'edges':[]", "required /nodes");
    PROBLEM("'nodes':{}", "type /nodes");
    PROBLEM("'nodes':[" TRIGGER "],'heddle':2", "version /heddle");
    PROBLEM("'nodes':[" TRIGGER "],'name':''", "required /name");
    PROBLEM("'nodes':[" TRIGGER "],'name':7", "type /name");
    PROBLEM("'nodes':[" TRIGGER "],'settings':{'timeout':'soon'}", "type /settings/timeout");
    PROBLEM("'nodes':[" TRIGGER "],'settings':{'max_steps':0}", "range /settings/max_steps");
    PROBLEM("'nodes':[" TRIGGER "],'settings':{'max_steps':1.5}", "type /settings/max_steps");
    PROBLEM("'nodes':[" TRIGGER "],'settings':{'step':1}", "unknown_field /settings/step");
    PROBLEM("'nodes':[" TRIGGER "],'a/b~c':1", "unknown_field /a~1b~0c");
}

TEST(def_variable_problems)
{
#define VARIABLE(v) "'nodes':[" TRIGGER "],'variables':[" v "]"
    PROBLEM(VARIABLE("{'name':'a-b','value':1}"), "bad_name /variables/0/name");
    PROBLEM(VARIABLE("{'name':'input','value':1}"), "reserved /variables/0/name");
    PROBLEM(VARIABLE("{'name':'t','value':1}"), "duplicate_name /variables/0/name");
    PROBLEM(VARIABLE("{'name':'a','value':1},{'name':'a','value':2}"),
            "duplicate_name /variables/1/name");
    PROBLEM(VARIABLE("{'name':'a','type':'string','value':1}"), "type /variables/0/value");
    PROBLEM(VARIABLE("{'name':'a'}"), "required /variables/0/value");
    PROBLEM(VARIABLE("{'name':'a','value':null}"), "");
    PROBLEM(VARIABLE("7"), "type /variables/0");
}

TEST(def_node_problems)
{
    PROBLEM(NODES("7"), "type /nodes/1");
    PROBLEM(NODES("{'type':'output','data':{'output':1}}"), "required /nodes/1/id");
    PROBLEM(NODES("{'id':'a b','type':'output','data':{'output':1}}"), "bad_id /nodes/1/id");
    PROBLEM(NODES("{'id':'input','type':'output','data':{'output':1}}"), "reserved /nodes/1/id");
    PROBLEM(NODES("{'id':'t','type':'output','data':{'output':1}}"), "duplicate_id /nodes/1/id");
    PROBLEM(NODES("{'id':'n'}"), "required /nodes/1/type");
    PROBLEM(NODES("{'id':'n','type':'outptu'}"), "unknown_type /nodes/1/type");
    PROBLEM(NODES("{'id':'n','type':'output','data':[]}"), "type /nodes/1/data");
    PROBLEM(NODES("{'id':'n','type':'output'}"), "required /nodes/1/data/output");
    PROBLEM(NODES("{'id':'n','type':'output','data':{'output':1,'titel':'x'}}"),
            "unknown_field /nodes/1/data/titel");
    PROBLEM(NODES("{'id':'n','type':'output','colour':1,'data':{'output':1}}"),
            "unknown_field /nodes/1/colour");
    PROBLEM(NODES("{'id':'n','type':'output','position':{'x':'1'},'data':{'output':1}}"),
            "type /nodes/1/position");
    PROBLEM(NODES("{'id':'t2','type':'trigger','data':{}}"), "second_trigger /nodes/1/type");
}

TEST(def_common_settings_problems)
{
#define COMMON(c) NODES("{'id':'n','type':'output','data':{'output':1," c "}}")
    PROBLEM(COMMON("'timeout':'0s'"), "range /nodes/1/data/timeout");
    PROBLEM(COMMON("'retry':{'max_attempts':101}"), "range /nodes/1/data/retry/max_attempts");
    PROBLEM(COMMON("'retry':{'backoff':'linear'}"), "one_of /nodes/1/data/retry/backoff");
    PROBLEM(COMMON("'retry':{'jitter':2}"), "range /nodes/1/data/retry/jitter");
    PROBLEM(COMMON("'retry':{'on':['timeuot']}"), "one_of /nodes/1/data/retry/on/0");
    PROBLEM(COMMON("'retry':{'delay':'2m','max_delay':'1m'}"),
            "range /nodes/1/data/retry/max_delay");
    PROBLEM(COMMON("'on_error':{'strategy':'default'}"), "required /nodes/1/data/on_error/output");
    PROBLEM(COMMON("'on_error':{'strategy':'fail','output':1}"),
            "not_used /nodes/1/data/on_error/output");
    PROBLEM(COMMON("'on_error':{'strategy':'default','output':['{{ t }}']}"),
            "unsupported /nodes/1/data/on_error/output");
    PROBLEM(COMMON("'on_unknown':'maybe'"), "one_of /nodes/1/data/on_unknown");
}

TEST(def_edge_problems)
{
    PROBLEM(EDGES("{'id':'e','source':'t','target':'c'},{'id':'f','source':'c','target':'n',"
                  "'sourceHandle':'yes'}"),
            "");
    PROBLEM(EDGES("{'source':'t','target':'n'}"), "required /edges/0/id");
    PROBLEM(EDGES("{'id':'e','source':'t','target':'m'}"), "unknown_node /edges/0/target");
    PROBLEM(EDGES("{'id':'e','source':'x','target':'n'}"), "unknown_node /edges/0/source");
    PROBLEM(EDGES("{'id':'e','source':'t','target':'n','sourceHandle':'yes'}"),
            "unknown_handle /edges/0/sourceHandle");
    PROBLEM(EDGES("{'id':'e','source':'t','target':'n','sourceHandle':'error'}"),
            "unknown_handle /edges/0/sourceHandle");
    PROBLEM(EDGES("{'id':'e','source':'t','target':'n','targetHandle':'left'}"),
            "unknown_handle /edges/0/targetHandle");
    PROBLEM(EDGES("{'id':'e','source':'n','target':'c'}"), "unknown_handle /edges/0/sourceHandle");
    PROBLEM(EDGES("{'id':'e','source':'c','target':'n'}"), "unknown_handle /edges/0/sourceHandle");
    PROBLEM(EDGES("{'id':'e','source':'t','target':'n'},{'id':'e','source':'t','target':'c'}"),
            "duplicate_id /edges/1/id");
    PROBLEM(EDGES("{'id':'e','source':'t','target':'n'},{'id':'f','source':'t','target':'n'}"),
            "duplicate_edge /edges/1");
    PROBLEM(EDGES("{'id':'e','source':'c','sourceHandle':'yes','target':'t'}"),
            "into_trigger /edges/0/target");
    PROBLEM(EDGES("{'id':'e','source':'t','target':'n','colour':1}"),
            "unknown_field /edges/0/colour");
}

/* Nodes a, b, c of templates "x" but for @extra of c, and @edges. */
static WfProblems graph(const char *c_template, const char *edges)
{
    WfProblems problems = {0};
    struct wf_def *def;
    Str text = str_fmt(
        t_arena(),
        "{'heddle':1,'name':'g','variables':[{'name':'channel','value':1}],'nodes':[" TRIGGER
        ",{'id':'a','type':'data-transform','data':{'mode':'template','template':'x'}},"
        "{'id':'b','type':'data-transform','data':{'mode':'template','template':'x'}},"
        "{'id':'c','type':'data-transform','data':{'mode':'template','template':'%s'}}],"
        "'edges':[%s]}",
        c_template, edges);

    (void)t_def(str_dup_c(t_arena(), text), &problems, &def); /* the problems tell */
    return problems;
}

#define CHAIN                                                                                      \
    "{'id':'1','source':'t','target':'a'},{'id':'2','source':'a','target':'b'},"                   \
    "{'id':'3','source':'b','target':'c'}"

TEST(def_cycle_is_named_with_its_nodes)
{
    WfProblems p = graph("x", CHAIN ",{'id':'4','source':'c','target':'a'}");

    t_expect_int(p.n, 1);
    t_expect_str(p.at[0].code, S("cycle"));
    t_expect(str_find(p.at[0].message, S("a -> b -> c -> a")) != SIZE_MAX ||
             str_find(p.at[0].message, S("b -> c -> a -> b")) != SIZE_MAX ||
             str_find(p.at[0].message, S("c -> a -> b -> c")) != SIZE_MAX);
    p = graph("x", CHAIN ",{'id':'4','source':'b','target':'b'}");
    t_expect_str(t_problem(&p), S("cycle /nodes/2"));
    t_expect(str_find(p.at[0].message, S("b -> b.")) != SIZE_MAX);
}

TEST(def_node_that_nothing_leads_to_is_a_warning)
{
    WfProblems p = graph("x", "{'id':'1','source':'t','target':'a'},"
                              "{'id':'3','source':'b','target':'c'}");

    t_expect_int(p.n, 2);
    t_expect(p.at[0].warning && p.at[1].warning);
    t_expect_str(p.at[0].code, S("unreachable"));
    t_expect_str(p.at[0].node, S("b"));
}

TEST(def_names_in_templates_must_be_known_where_they_stand)
{
    static const struct {
        const char *template, *problem;
    } cases[] = {
        {"{{ a }} {{ b }} {{ t.x }} {{ input }} {{ vars.channel }} {{ channel }} {{ "
         "request.query.x }}",
         ""},
        {"{{ run.started_at }} {{ workflow.version }} {{ vars }} {{ request.headers }}", ""},
        {"{{ c }}", "not_before /nodes/3/data/template"},
        {"{{ d.x }}", "unknown_name /nodes/3/data/template"},
        {"{{ a ?? chanel }}", "unknown_name /nodes/3/data/template"},
        {"{{ vars.chanel }}", "unknown_variable /nodes/3/data/template"},
        {"{{ run.sart }}", "unknown_name /nodes/3/data/template"},
        {"{{ request.body }}", "unknown_name /nodes/3/data/template"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        WfProblems p = graph(cases[i].template, CHAIN);
        t_expect_str(t_problem(&p), str_c(cases[i].problem));
    }
    WfProblems p = graph("{{ a ?? chanel }}", CHAIN);
    t_expect(str_find(p.at[0].message, S("Did you mean \"channel\"?")) != SIZE_MAX);
    p = graph("{{ b.x }}", "{'id':'1','source':'t','target':'a'},"
                           "{'id':'2','source':'a','target':'b'},"
                           "{'id':'3','source':'a','target':'c'}");
    t_expect_str(t_problem(&p), S("not_before /nodes/3/data/template"));
}

TEST(def_template_errors_name_the_string_they_stand_in)
{
    t_expect_str(t_node_problem("output", "{'output':{'a':[1,{'b/c':'{{ '}]}}"),
                 S("template /nodes/1/data/output/a/1/b~1c"));
    t_expect_str(t_node_problem("output", "{'output':{'a':[1,{'b':'{{ x.y }}'}]}}"),
                 S("unknown_name /nodes/1/data/output/a/1/b"));
    t_expect_str(t_node_problem("output", "{'output':'{{ t.n + 1 }}'}"),
                 S("unsupported /nodes/1/data/output"));
}

TEST(def_shows_at_most_a_hundred_problems)
{
    AUTO_BUF(b, MIB(1));
    WfProblems problems = {0};
    struct wf_def *def;

    buf_add_c(&b, "{'heddle':1,'name':'x','nodes':[" TRIGGER "]");
    for (int i = 0; i < 500; i++)
        buf_add_fmt(&b, ",'unknown%d':1", i);
    buf_add_char(&b, '}');
    t_expect_err(t_def(str_dup_c(t_arena(), buf_str(&b)), &problems, &def), E_INVALID);
    t_expect_int(problems.n, 100);
    t_expect(str_find(str_c(err_client_text(E_INVALID)), S("500 errors")) != SIZE_MAX);
}

TEST(def_problems_as_json)
{
    WfProblems problems = {0};
    struct wf_def *def;

    t_expect_err(t_node_def("output", "{}", &problems, &def), E_INVALID);
    struct json *first = json_item(wf_problems_json(t_arena(), &problems), 0);
    t_expect_str(json_str_of(json_at(first, "path"), S("")), S("/nodes/1/data/output"));
    t_expect_str(json_str_of(json_at(first, "node"), S("")), S("n"));
    t_expect_str(json_str_of(json_at(first, "field"), S("")), S("output"));
    t_expect_str(json_str_of(json_at(first, "code"), S("")), S("required"));
    t_expect(json_is(json_at(first, "warning"), JSON_FALSE));
}

/* @n nodes, each reading two before it, and about four times as many edges. */
static Str large(int n)
{
    struct buf b = BUF(MIB(16));

    buf_add_c(&b, "{\"heddle\":1,\"name\":\"large\",\"nodes\":[{\"id\":\"n0\",\"type\":\"trigger\","
                  "\"position\":{\"x\":0,\"y\":0},\"data\":{}}");
    for (int i = 1; i < n; i++)
        buf_add_fmt(
            &b,
            ",{\"id\":\"n%d\",\"type\":\"data-transform\",\"position\":{\"x\":%d,\"y\":0},"
            "\"data\":{\"mode\":\"set\",\"values\":{\"a\":\"{{ n%d.x }}\",\"b\":\"x {{ n%d }} "
            "{{ input.y ?? 1 }}\"}}}",
            i, i, i - 1, i / 2);
    buf_add_c(&b, "],\"edges\":[");
    int edges = 0;
    for (int i = 1; i < n; i++)
        for (int k = 1; k <= 4 && i - k * k >= 0 && edges < WF_EDGES_MAX; k++)
            buf_add_fmt(&b, "%s{\"id\":\"e%d\",\"source\":\"n%d\",\"target\":\"n%d\"}",
                        edges ? "," : "", edges, i - k * k, i),
                edges++;
    buf_add_c(&b, "]}");
    Str text = str_dup(t_arena(), buf_str(&b));
    buf_done(&b);
    return text;
}

/* What this thread has used of the processor: other processes do not count. */
static Usec cpu_time(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * USEC_S + ts.tv_nsec / 1000;
}

TEST(def_of_five_thousand_nodes_is_checked_in_time)
{
    WfProblems problems = {0};
    struct wf_def *def;
    Str text = large(WF_NODES_MAX);
    Usec best = USEC_NEVER;

    for (int i = 0; i < 3; i++) {
        Usec began = cpu_time();
        t_expect_ok(wf_def_parse(t_arena(), text, &problems, &def));
        best = usec_min(best, cpu_time() - began);
        t_expect_int(def->n_nodes, WF_NODES_MAX);
        t_expect(def->n_edges > 19000);
        wf_def_unref(def);
    }
    /* Measured: 25 ms. Ten times that would be a quadratic algorithm. */
    if (getenv("HEDDLE_SHOW_TIMES"))
        fprintf(stderr, "5,000 nodes: %lld us\n", (long long)best);
    t_expect(best < 2 * USEC_S);
    text = large(WF_NODES_MAX + 1);
    problems.n = 0;
    t_expect_err(wf_def_parse(t_arena(), text, &problems, &def), E_INVALID);
    t_expect_str(t_problem(&problems), S("too_many /nodes"));
}

TEST(node_types_are_listed_in_order_with_their_fields)
{
    struct json *all = wf_node_types_json(t_arena()), *types = json_at(all, "types");

    t_expect(json_len(types) > 0 && json_len(json_at(all, "common")) > 0);
    for (size_t i = 0; i < json_len(types); i++) {
        t_expect(!i || strcmp(wf_node_types[i - 1]->name, wf_node_types[i]->name) < 0);
        t_expect(wf_node_type_find(str_c(wf_node_types[i]->name)) == wf_node_types[i]);
        t_expect(json_len(json_at(json_item(types, i), "fields")) > 0);
        t_expect(json_is(json_at(json_item(types, i), "help"), JSON_STR));
    }
    t_expect(wf_node_type_find(S("nobody")) == NULL);
}

TEST(definition_with_a_nul_character_in_a_name_is_refused_where_it_stands)
{
    WfProblems problems = {0};
    struct wf_def *def;

    t_expect_err(t_def("{'heddle':1,'name':'a\\u0000b','nodes':[{'id':'t','type':'trigger',"
                       "'data':{}}],'edges':[]}",
                       &problems, &def),
                 E_INVALID);
    t_expect_str(t_problem(&problems), S("range /name"));
}
