/* src/wf/nodes/node_delay_test.c - what a delay reads as a duration or a time, and what it refuses.
 */
#include "wf/test_node.h"

static Usec span_of(const char *data)
{
    struct wf_wait w;
    Err e = t_node_wait("delay", data, "{'t':{'n':3,'s':'PT5S'}}", &w);

    return e == OK ? w.span : -1;
}

TEST(a_delay_takes_numbers_with_a_unit_and_texts_of_two_kinds)
{
    t_expect_int(span_of("{'duration':90}"), 90 * USEC_S);
    t_expect_int(span_of("{'duration':0.5}"), 500 * USEC_MS);
    t_expect_int(span_of("{'duration':2,'unit':'minutes'}"), 2 * USEC_MIN);
    t_expect_int(span_of("{'duration':'2','unit':'hours'}"), 2 * USEC_H);
    t_expect_int(span_of("{'duration':7,'unit':'days'}"), 7 * USEC_DAY);
    t_expect_int(span_of("{'duration':'1h30m','unit':'days'}"), 90 * USEC_MIN);
    t_expect_int(span_of("{'duration':'PT1H30M'}"), 90 * USEC_MIN);
    t_expect_int(span_of("{'duration':'{{ t.n }}','unit':'minutes'}"), 3 * USEC_MIN);
    t_expect_int(span_of("{'duration':'{{ t.s }}'}"), 5 * USEC_S);
    t_expect_int(span_of("{'duration':0}"), 1);
}

TEST(a_delay_until_a_time_waits_for_the_clock)
{
    struct wf_wait w;

    t_expect_ok(
        t_node_wait("delay", "{'mode':'until','until':'2030-01-01T01:00:00+01:00'}", "{}", &w));
    t_expect_int(w.span, 0);
    t_expect_int(w.until, 1893456000 * USEC_S);
    t_expect_ok(t_node_wait("delay", "{'mode':'until','until':'{{ t.at }}'}",
                            "{'t':{'at':'2001-01-01T00:00:00Z'}}", &w));
    t_expect(w.until > 0 && w.until < time_wall());
}

TEST(a_delay_that_cannot_be_is_refused_as_early_as_it_can_be_seen)
{
    struct wf_wait w;

    t_expect_str(t_node_problem("delay", "{}"), S("required /nodes/1/data/duration"));
    t_expect_str(t_node_problem("delay", "{'duration':-1}"), S("range /nodes/1/data/duration"));
    t_expect_str(t_node_problem("delay", "{'duration':'P1M'}"), S("range /nodes/1/data/duration"));
    t_expect_str(t_node_problem("delay", "{'duration':'soon'}"), S("range /nodes/1/data/duration"));
    t_expect_str(t_node_problem("delay", "{'duration':9999,'unit':'days'}"),
                 S("range /nodes/1/data/duration"));
    t_expect_str(t_node_problem("delay", "{'duration':1,'until':'2030-01-01T00:00:00Z'}"),
                 S("not_used /nodes/1/data/until"));
    t_expect_str(t_node_problem("delay", "{'mode':'until','until':'tomorrow'}"),
                 S("type /nodes/1/data/until"));
    t_expect_err(t_node_wait("delay", "{'duration':'{{ t.x }}'}", "{'t':{'x':'never'}}", &w),
                 E_INVALID);
    t_expect_err(t_node_wait("delay", "{'duration':'{{ t.x }}'}", "{'t':{'x':1e300}}", &w),
                 E_INVALID);
    t_expect_err(t_node_wait("delay", "{'mode':'until','until':'{{ t.x }}'}",
                             "{'t':{'x':'9999-12-31T00:00:00Z'}}", &w),
                 E_INVALID);
    t_expect_err(t_node_wait("delay", "{'mode':'until','until':'{{ t.x }}'}", "{'t':{'x':7}}", &w),
                 E_INVALID);
}
