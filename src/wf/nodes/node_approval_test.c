/* src/wf/nodes/node_approval_test.c - what an approval makes of its settings. */
#include "wf/test_node.h"

static Str approvers_of(const char *data)
{
    struct wf_wait w;
    Err e = t_node_wait("approval", data, "{'t':{'list':['a','b'],'n':7,'nested':[1]}}", &w);

    return e == OK ? json_text(t_arena(), json_at(w.what, "approvers")) : str_c(err_name(e));
}

TEST(approvers_come_as_a_list_or_with_commas_and_each_once)
{
    t_expect_str(approvers_of("{'subject':'?'}"), S("[]"));
    t_expect_str(approvers_of("{'subject':'?','approvers':' a@x.org, b ,,a@x.org'}"),
                 S("[\"a@x.org\",\"b\"]"));
    t_expect_str(approvers_of("{'subject':'?','approvers':['x','{{ t.n }}']}"), S("E_INVALID"));
    t_expect_str(approvers_of("{'subject':'?','approvers':'{{ t.list }}'}"), S("[\"a\",\"b\"]"));
    t_expect_str(approvers_of("{'subject':'?','approvers':'{{ t.nested }}'}"), S("E_INVALID"));
    t_expect_str(approvers_of("{'subject':'?','approvers':'a','approvals':2}"), S("E_INVALID"));
}

TEST(an_approval_says_what_is_asked_and_for_how_long)
{
    struct wf_wait w;

    t_expect_ok(t_node_wait("approval",
                            "{'subject':'Pay {{ t.n }}?','message':'To {{ t.to }}','max_wait':'2d',"
                            "'approvals':2,'form':{'type':'object'}}",
                            "{'t':{'n':7,'to':'Ann'}}", &w));
    t_expect(w.people);
    t_expect_int(w.span, 2 * USEC_DAY);
    t_expect_str(w.handle, S("timeout"));
    t_expect_str(json_str_of(json_at(w.what, "subject"), S("")), S("Pay 7?"));
    t_expect_str(json_str_of(json_at(w.what, "message"), S("")), S("To Ann"));
    t_expect_int(json_int_of(json_at(w.what, "needed"), 0), 2);
    t_expect_str(json_text(t_arena(), json_at(w.what, "form")), S("{\"type\":\"object\"}"));
}

TEST(an_approval_that_cannot_be_is_refused)
{
    t_expect_str(t_node_problem("approval", "{}"), S("required /nodes/1/data/subject"));
    t_expect_str(t_node_problem("approval", "{'subject':'?','approvals':0}"),
                 S("range /nodes/1/data/approvals"));
    t_expect_str(t_node_problem("approval", "{'subject':'?','form':{'type':'thing'}}"),
                 S("schema /nodes/1/data/form"));
}
