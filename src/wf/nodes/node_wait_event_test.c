/* src/wf/nodes/node_wait_event_test.c - what a wait for an event makes of its settings. */
#include "wf/test_node.h"

TEST(an_event_is_waited_for_by_name_and_key)
{
    struct wf_wait w;

    t_expect_ok(t_node_wait("wait_event",
                            "{'name':'paid','key':'{{ t.order }}','max_wait':'1h',"
                            "'accept_past':'1m'}",
                            "{'t':{'order':17}}", &w));
    t_expect_str(w.event, S("paid"));
    t_expect_str(w.key, S("17"));
    t_expect_int(w.span, USEC_H);
    t_expect_int(w.accept_past, USEC_MIN);
    t_expect_str(w.handle, S("timeout"));
    t_expect_str(json_text(t_arena(), w.what),
                 S("{\"kind\":\"event\",\"name\":\"paid\",\"key\":\"17\"}"));
    t_expect_ok(t_node_wait("wait_event", "{'name':'x'}", "{}", &w));
    t_expect_int(w.span, 0);
    t_expect_int(w.accept_past, 10 * USEC_S);
    t_expect_str(w.key, S(""));
}

TEST(a_wait_for_nothing_or_for_too_long_a_name_is_refused)
{
    struct wf_wait w;
    Str scope = str_fmt(t_arena(), "{'t':{'n':'%0201d','k':'%01001d'}}", 0, 0);
    const char *text = str_dup_c(t_arena(), scope);

    t_expect_str(t_node_problem("wait_event", "{}"), S("required /nodes/1/data/name"));
    t_expect_str(t_node_problem("wait_event", "{'name':'x','accept_past':'2d'}"),
                 S("range /nodes/1/data/accept_past"));
    t_expect_err(t_node_wait("wait_event", "{'name':'{{ t.e }}'}", "{'t':{'e':''}}", &w),
                 E_INVALID);
    t_expect_err(t_node_wait("wait_event", "{'name':'{{ t.n }}'}", text, &w), E_INVALID);
    t_expect_err(t_node_wait("wait_event", "{'name':'x','key':'{{ t.k }}'}", text, &w), E_INVALID);
}
