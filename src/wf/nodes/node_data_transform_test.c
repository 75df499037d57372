/* src/wf/nodes/node_data_transform_test.c - the modes of the data-transform node, and output and
 * trigger. */
#include "wf/test_node.h"

static const char scope[] =
    "{'t':{'a':1,'b':{'c':2,'d':[{'e':3},{'e':4}]},'s':'{\\'x\\':[1,2]}','n':null},"
    "'input':{'q':1}}";

#define GIVES(type, data, want) t_expect_str(t_node_output(type, data, scope), S(want))

TEST(transform_template_gives_text_or_json)
{
    GIVES("data-transform", "{'mode':'template','template':'a={{ t.a }}'}", "'a=1'");
    GIVES("data-transform", "{'mode':'template','template':'{{ t.a }}'}", "'1'");
    GIVES("data-transform",
          "{'mode':'template','template':'[{{ t.a }}, {{ t.b.d }}]',"
          "'parse_json':true}",
          "[1,[{'e':3},{'e':4}]]");
    t_expect(
        str_starts(t_node_output("data-transform",
                                 "{'mode':'template','template':'{','parse_json':true}", scope),
                   S("E_INVALID: The text that the template of node n makes is not JSON")));
}

TEST(transform_set_merges_over_from)
{
    GIVES("data-transform", "{'mode':'set','values':{'x':'{{ t.a }}'}}", "{'x':1}");
    GIVES("data-transform", "{'mode':'set','values':['{{ t.a }}']}", "[1]");
    GIVES("data-transform", "{'mode':'set','from':'{{ t.b }}','values':{'c':9,'z':null}}",
          "{'c':9,'d':[{'e':3},{'e':4}],'z':null}");
    t_expect(str_starts(
        t_node_output("data-transform", "{'mode':'set','from':'{{ t.a }}','values':{}}", scope),
        S("E_INVALID: \"from\" of node n must be an object")));
    t_expect(str_starts(
        t_node_output("data-transform", "{'mode':'set','from':'{{ t.b }}','values':[1]}", scope),
        S("E_INVALID: \"values\" of node n must be an object")));
}

TEST(transform_pick_keeps_by_last_or_new_name)
{
    GIVES("data-transform", "{'mode':'pick','from':'{{ t }}','keys':['a','b.c','b.d.1.e','x.y']}",
          "{'a':1,'c':2,'e':4}");
    GIVES("data-transform",
          "{'mode':'pick','from':'{{ t }}','keys':{'first':'b.d.0','again':'b.d.0','n':'n'}}",
          "{'first':{'e':3},'again':{'e':3},'n':null}");
    GIVES("data-transform", "{'mode':'pick','from':'{{ t.b.d }}','keys':['e']}",
          "[{'e':3},{'e':4}]");
    t_expect(str_starts(
        t_node_output("data-transform", "{'mode':'pick','from':'{{ t.s }}','keys':['e']}", scope),
        S("E_INVALID: \"from\" of node n must be")));
}

TEST(transform_omit_leaves_out_along_paths)
{
    GIVES("data-transform", "{'mode':'omit','from':'{{ t }}','keys':['s','b.d.0','x.y','a.b']}",
          "{'a':1,'b':{'c':2,'d':[{'e':4}]},'n':null}");
    GIVES("data-transform", "{'mode':'omit','from':'{{ t }}','keys':['b.c','b','n','s']}",
          "{'a':1}");
    GIVES("data-transform", "{'mode':'omit','from':'{{ t.b.d }}','keys':['e']}", "[{},{}]");
}

TEST(transform_jsonpath_gives_matches_or_the_first)
{
    GIVES("data-transform", "{'mode':'jsonpath','from':'{{ t }}','path':'$.b.d[?@.e > 3]'}",
          "[{'e':4}]");
    GIVES("data-transform", "{'mode':'jsonpath','from':'{{ t }}','path':'$..e','first':true}", "3");
    GIVES("data-transform", "{'mode':'jsonpath','from':'{{ t }}','path':'$.zz','first':true}",
          "null");
    t_expect_str(t_node_problem("data-transform", "{'mode':'jsonpath','from':1,'path':'$['}"),
                 S("bad_path /nodes/1/data/path"));
    t_expect_str(t_node_problem("data-transform", "{'mode':'jsonpath','path':'$'}"),
                 S("required /nodes/1/data/from"));
}

TEST(transform_settings_are_checked)
{
#define CHECK(data, want) t_expect_str(t_node_problem("data-transform", data), S(want))
    CHECK("{}", "required /nodes/1/data/mode");
    CHECK("{'mode':'merge'}", "one_of /nodes/1/data/mode");
    CHECK("{'mode':'template'}", "required /nodes/1/data/template");
    CHECK("{'mode':'template','template':'x','keys':['a']}", "not_used /nodes/1/data/keys");
    CHECK("{'mode':'set'}", "required /nodes/1/data/values");
    CHECK("{'mode':'pick','keys':['a']}", "required /nodes/1/data/from");
    CHECK("{'mode':'pick','from':1}", "required /nodes/1/data/keys");
    CHECK("{'mode':'pick','from':1,'keys':[]}", "type /nodes/1/data/keys");
    CHECK("{'mode':'omit','from':1,'keys':{'a':'b'}}", "type /nodes/1/data/keys");
    CHECK("{'mode':'pick','from':1,'keys':['a.id','b.id']}", "duplicate_name /nodes/1/data/keys/1");
    CHECK("{'mode':'pick','from':1,'keys':['a..b']}", "bad_path /nodes/1/data/keys/0");
    CHECK("{'mode':'pick','from':1,'keys':[7]}", "type /nodes/1/data/keys/0");
}

TEST(transform_that_would_explode_is_refused)
{
    AUTO_BUF(data, MIB(1));
    AUTO_BUF(input, MIB(16));
    struct wf_outcome out;

    buf_add_c(&data, "{'mode':'pick','from':'{{ t }}','keys':{'k0':'x'");
    for (int i = 1; i < 1000; i++)
        buf_add_fmt(&data, ",'k%d':'x'", i);
    buf_add_c(&data, "}}");
    buf_add_c(&input, "{'t':[{'x':1}");
    for (int i = 1; i < 100000; i++)
        buf_add_c(&input, ",{'x':1}");
    buf_add_c(&input, "]}");
    t_expect_err(t_node_run("data-transform", str_dup_c(t_arena(), buf_str(&data)),
                            str_dup_c(t_arena(), buf_str(&input)), NULL, &out),
                 E_TOO_LARGE);
}

TEST(output_gives_its_value_and_trigger_its_input)
{
    GIVES("output", "{'output':{'a':'{{ t.a }}','b':'x{{ t.n }}'}}", "{'a':1,'b':'x'}");
    GIVES("output", "{'output':null}", "null");
    t_expect(str_starts(t_node_output("output", "{'output':'{{ t.nope }}'}", scope),
                        S("E_INVALID: {{ t.nope }} leads nowhere")));
}

TEST(trigger_input_must_meet_its_schema)
{
    WfProblems problems = {0};
    JsonSchemaErrors errors = {0};
    struct wf_def *def;

    t_expect_ok(t_def("{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':{'input':"
                      "{'type':'object','required':['email'],"
                      "'properties':{'email':{'type':'string'}}}}}]}",
                      &problems, &def));
    t_expect_ok(wf_def_check_input(def, t_arena(), t_json("{'email':'a@b'}"), &errors));
    t_expect_err(wf_def_check_input(def, t_arena(), t_json("{'email':7}"), &errors), E_INVALID);
    t_expect_int(errors.n, 1);
    t_expect_str(errors.at[0].path, S("/email"));
    t_expect(str_find(str_c(err_client_text(E_INVALID)), S("/email")) != SIZE_MAX);
    t_expect_err(wf_def_check_input(def, t_arena(), NULL, NULL), E_INVALID);
    t_expect_err(t_def("{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':{'input':"
                       "{'type':'obiect'}}}]}",
                       &problems, &def),
                 E_INVALID);
    t_expect_str(t_problem(&problems), S("schema /nodes/0/data/input"));
}

TEST(trigger_settings_are_checked)
{
#define TRIGGER(data, want)                                                                        \
    do {                                                                                           \
        WfProblems p_ = {0};                                                                       \
        struct wf_def *def_;                                                                       \
        (void)t_def("{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':" data      \
                    "}]}",                                                                         \
                    &p_, &def_);                                                                   \
        t_expect_str(t_problem(&p_), S(want));                                                     \
    } while (0)
    TRIGGER("{'trigger':'webhook'}", "open_webhook /nodes/0/data/webhook/auth");
    TRIGGER("{'trigger':'cron'}", "one_of /nodes/0/data/trigger");
    TRIGGER("{'webhook':{}}", "not_used /nodes/0/data/webhook");
    TRIGGER("{'trigger':'webhook','webhook':{'auth':'bearer'}}",
            "required /nodes/0/data/webhook/secret");
    TRIGGER("{'trigger':'webhook','webhook':{'auth':'none','secret':'x'}}",
            "not_used /nodes/0/data/webhook/secret");
    TRIGGER("{'trigger':'webhook','webhook':{'auth':'header','header':'a b','secret':'x'}}",
            "bad_name /nodes/0/data/webhook/header");
    TRIGGER("{'trigger':'webhook','webhook':{'auth':'hmac','secret':'x','timestamp_header':''}}",
            "");
    TRIGGER("{'trigger':'webhook','webhook':{'auth':'hmac','secret':'whsec_?'}}",
            "bad_secret /nodes/0/data/webhook/secret");
    TRIGGER("{'trigger':'webhook','webhook':{'auth':'hmac','secret':'x','tolerance':'2d'}}",
            "range /nodes/0/data/webhook/tolerance");
}
