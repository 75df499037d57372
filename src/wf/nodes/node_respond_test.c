/* src/wf/nodes/node_respond_test.c - what a caller is answered, and what a workflow may not say. */
#include "wf/test_node.h"

TEST(respond_gives_status_headers_and_body)
{
    static const char scope[] = "{'t':{'n':201,'s':'x','o':{'a':1}}}";

    t_expect_str(t_node_output("respond", "{'body':'{{ t.o }}','status':'{{ t.n }}'}", scope),
                 S("{'status':201,'headers':{'content-type':'application/json'},'as':'json',"
                   "'body':{'a':1}}"));
    t_expect_str(t_node_output("respond",
                               "{'respond_with':'text','body':'<b>{{ t.s }}</b>','headers':"
                               "{'Content-Type':'text/html','X-A':'{{ t.n }}','X-B':null}}",
                               scope),
                 S("{'status':200,'headers':{'content-type':'text/html','x-a':'201'},'as':'text',"
                   "'body':'<b>x</b>'}"));
    t_expect_str(t_node_output("respond", "{'respond_with':'none'}", scope),
                 S("{'status':204,'headers':{},'as':'none','body':null}"));
    t_expect_str(
        t_node_output("respond", "{'respond_with':'redirect','location':'/a/{{ t.s }}'}", scope),
        S("{'status':302,'headers':{'location':'/a/x'},'as':'redirect','body':null}"));
    t_expect_str(t_node_output("respond", "{'respond_with':'base64','body':'AAEC'}", scope),
                 S("{'status':200,'headers':{'content-type':'application/octet-stream'},"
                   "'as':'base64','body':'AAEC'}"));
}

TEST(respond_refuses_at_the_run_what_no_answer_can_be)
{
    static const char scope[] = "{'t':{'n':99,'s':'a\\r\\nSet-Cookie: x=1','u':'javascript:1'}}";

    t_expect_str(t_node_output("respond", "{'body':1,'status':'{{ t.n }}'}", scope),
                 S("E_INVALID: The status that node n answers with must be from 200 to 599."));
    t_expect_str(
        t_node_output("respond", "{'body':1,'headers':{'X-A':'{{ t.s }}'}}", scope),
        S("E_INVALID: The header \"X-A\" of node n would have a value that a header cannot "
          "have."));
    t_expect_str(
        t_node_output("respond", "{'respond_with':'redirect','location':'{{ t.u }}'}", scope),
        S("E_INVALID: The address that node n redirects to must begin with http://, https:// or "
          "/."));
    t_expect_str(t_node_output("respond", "{'respond_with':'base64','body':'{{ t.u }}'}", scope),
                 S("E_INVALID: What node n answers with is not base64."));
}

TEST(respond_settings_are_checked)
{
    t_expect_str(t_node_problem("respond", "{}"), S("required /nodes/1/data/body"));
    t_expect_str(t_node_problem("respond", "{'body':1,'status':100}"),
                 S("range /nodes/1/data/status"));
    t_expect_str(t_node_problem("respond", "{'body':1,'headers':{'Set-Cookie':'a=b'}}"),
                 S("reserved /nodes/1/data/headers"));
    t_expect_str(t_node_problem("respond", "{'respond_with':'none','body':1}"),
                 S("not_used /nodes/1/data/body"));
    t_expect_str(t_node_problem("respond", "{'body':1}"), S("nobody_waits /nodes/1"));
}

/* The first problem of a webhook with @settings and a respond node. */
static Str hook_problem(const char *webhook, const char *settings)
{
    WfProblems problems = {0};
    struct wf_def *def = NULL;
    Str text =
        str_fmt(t_arena(),
                "{'heddle':1,'name':'x','settings':%s,'nodes':[{'id':'t','type':'trigger','data':"
                "{'trigger':'webhook','webhook':%s}},{'id':'n','type':'respond','data':"
                "{'body':1}}],'edges':[{'id':'e','source':'t','target':'n'}]}",
                settings, webhook);

    (void)t_def(str_dup_c(t_arena(), text), &problems, &def); /* the problems tell */
    vec_each(&problems, p)
        if (!p->warning)
            return str_fmt(t_arena(), "%.*s %.*s", P(p->code), P(p->path));
    return S("");
}

TEST(a_webhook_names_who_answers_whose_words_are_streamed_and_one_rate)
{
    static const char rate[] = "{'auth':'none','rate_limit':{'limit':2,'per':'1m'}}";

    t_expect_str(hook_problem("{'respond':'node'}", "{}"), S(""));
    t_expect_str(hook_problem(rate, "{}"), S(""));
    t_expect_str(hook_problem(rate, "{'flow':{'concurrency':2}}"), S(""));
    t_expect_str(hook_problem(rate, "{'flow':{'rate_limit':{'limit':1,'per':'1s'}}}"),
                 S("not_used /nodes/0/data/webhook/rate_limit"));
    t_expect_str(hook_problem("{'respond':'stream','stream_nodes':['n']}", "{}"),
                 S("unknown_node /nodes/0/data/webhook/stream_nodes"));
    t_expect_str(hook_problem("{'respond':'result','stream_nodes':['n']}", "{}"),
                 S("not_used /nodes/0/data/webhook/stream_nodes"));
    WfProblems problems = {0};
    struct wf_def *def = NULL;
    t_expect_err(t_def("{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':"
                       "{'trigger':'webhook','webhook':{'respond':'node'}}}]}",
                       &problems, &def),
                 E_INVALID);
    bool found = false;
    vec_each(&problems, p)
        found = found || str_eq(p->code, S("no_respond"));
    t_expect(found);
}
