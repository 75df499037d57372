/* src/wf/nodes/node_merge_test.c - what comes together, and how; branches and errors beside it. */
#include "wf/test_node.h"

TEST(merge_puts_lists_objects_and_values_together)
{
    static const char scope[] = "{'t':{'a':[1,2],'b':[3],'o':{'x':1,'y':1},'p':{'y':2},'n':null}}";

    t_expect_str(
        t_node_output("merge", "{'mode':'append','inputs':['{{ t.a }}','{{ t.b }}',9]}", scope),
        S("[1,2,3,9]"));
    t_expect_str(t_node_output("merge",
                               "{'mode':'combine','inputs':['{{ t.o }}','{{ t.n }}',"
                               "'{{ t.p }}']}",
                               scope),
                 S("{'x':1,'y':2}"));
    t_expect_str(t_node_output("merge", "{'mode':'zip','inputs':['{{ t.a }}','{{ t.b }}']}", scope),
                 S("[[1,3],[2,null]]"));
    t_expect_str(
        t_node_output("merge", "{'mode':'pick','inputs':['{{ t?.nope ?? t.n }}',0,1]}", scope),
        S("0"));
    t_expect_str(t_node_output("merge", "{'inputs':{'first':'{{ t.b }}'}}", scope),
                 S("{'first':[3]}"));
    t_expect_str(t_node_output("merge", "{'mode':'pick','inputs':[]}", scope), S("null"));
    t_expect_str(t_node_output("merge", "{'mode':'zip','inputs':['{{ t.a }}',1]}", scope),
                 S("E_INVALID: Input 2 of node n must be an array, not number."));
    t_expect_str(t_node_output("merge", "{'mode':'append','inputs':'{{ t.o }}'}", scope),
                 S("E_INVALID: Input 1 of node n must be in an array, not object."));
    t_expect_str(t_node_problem("merge", "{'inputs':[1]}"), S("type /nodes/1/data/inputs"));
    t_expect_str(t_node_problem("merge", "{'mode':'zip','inputs':{}}"),
                 S("type /nodes/1/data/inputs"));
}

TEST(parallel_has_the_handles_of_its_branches_and_takes_all)
{
    struct wf_outcome outcome;

    t_expect_ok(
        t_node_run("parallel", "{'branches':[{'id':'a'},{'id':'b'}]}", "{'t':{}}", NULL, &outcome));
    t_expect_str(outcome.handle, S("*"));
    t_expect_str(t_node_problem("parallel", "{'branches':[{'id':'a'},{'id':'a'}]}"),
                 S("duplicate_id /nodes/1/data/branches/1/id"));
    t_expect_str(t_node_problem("parallel", "{'branches':[{'id':'error'}]}"),
                 S("reserved /nodes/1/data/branches/0/id"));
    t_expect_str(t_node_problem("parallel", "{'branches':[]}"), S("range /nodes/1/data/branches"));
}

TEST(an_error_node_fails_with_its_own_words)
{
    struct wf_outcome outcome;

    t_expect_str(t_node_output("error", "{'message':'No {{ t.what }}','code':'no_stock'}",
                               "{'t':{'what':'paper'}}"),
                 S("E_STOPPED: No paper"));
    t_expect_err(t_node_run("error", "{'message':'x'}", "{'t':{}}", NULL, &outcome), E_STOPPED);
    t_expect_str(outcome.error_code, S("stopped"));
    t_expect_str(t_node_problem("error", "{'message':'x','code':'Bad one'}"),
                 S("bad_name /nodes/1/data/code"));
}
