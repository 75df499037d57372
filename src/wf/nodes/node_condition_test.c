/* src/wf/nodes/node_condition_test.c - every operator, what is refused, which case is taken. */
#include "wf/test_node.h"

static const char scope[] =
    "{'t':{'s':'abcdef','e':'','n':5,'neg':-2.5,'text':'12','zero':0,'yes':true,'no':false,"
    "'null':null,'list':[1,'a',{'x':1}],'none':[],'obj':{'k':1},'d':'2026-11-20T10:00:00+02:00',"
    "'big':9007199254740993,'uml':'\xc3\xa4\xc3\xb6\xc3\xbc'}}";

/* The case taken with one condition: "c", "else", or the error. */
static Str taken(const char *condition)
{
    Str data = str_fmt(t_arena(), "{'cases':[{'id':'c','conditions':[{%s}]}]}", condition);

    return t_node_output("condition", str_dup_c(t_arena(), data), scope);
}

#define HOLDS(left, op, right)                                                                     \
    t_expect_str(taken("'left':" left ",'operator':'" op "','right':" right), S("{'case':'c'}"))
#define FAILS(left, op, right)                                                                     \
    t_expect_str(taken("'left':" left ",'operator':'" op "','right':" right), S("{'case':'else'"   \
                                                                                "}"))
#define IS(left, op) t_expect_str(taken("'left':" left ",'operator':'" op "'"), S("{'case':'c'}"))
#define ISNT(left, op)                                                                             \
    t_expect_str(taken("'left':" left ",'operator':'" op "'"), S("{'case':'else'}"))
#define ERROR(condition) t_expect(str_starts(taken(condition), S("E_INVALID: ")))

TEST(condition_equality_is_of_any_json)
{
    HOLDS("'{{ t.n }}'", "equals", "5");
    HOLDS("'{{ t.n }}'", "equals", "5.0");
    FAILS("'{{ t.n }}'", "equals", "'5'");
    HOLDS("'{{ t.list }}'", "equals", "[1,'a',{'x':1}]");
    HOLDS("'{{ t.null }}'", "equals", "null");
    FAILS("'{{ t.big }}'", "equals", "9007199254740992");
    HOLDS("'{{ t.s }}'", "not_equals", "'x'");
    FAILS("'{{ t.s }}'", "not_equals", "'abcdef'");
    ERROR("'left':'{{ t.nope }}','operator':'equals','right':1");
}

TEST(condition_text_operators)
{
    HOLDS("'{{ t.s }}'", "contains", "'cd'");
    FAILS("'{{ t.s }}'", "contains", "'CD'");
    HOLDS("'{{ t.s }}'", "contains", "''");
    HOLDS("'{{ t.list }}'", "contains", "{'x':1}");
    FAILS("'{{ t.list }}'", "contains", "2");
    HOLDS("'{{ t.list }}'", "not_contains", "2");
    FAILS("'{{ t.s }}'", "not_contains", "'cd'");
    HOLDS("'{{ t.s }}'", "starts_with", "'ab'");
    FAILS("'{{ t.s }}'", "starts_with", "'b'");
    HOLDS("'{{ t.s }}'", "ends_with", "'ef'");
    FAILS("'{{ t.s }}'", "ends_with", "'e'");
    HOLDS("'{{ t.s }}'", "matches", "'^a.c'");
    FAILS("'{{ t.s }}'", "matches", "'^b'");
    HOLDS("'{{ t.uml }}'", "matches", "'^\\\\w{3}$'");
    HOLDS("'{{ t.s }}'", "matches", "'{{ t.s }}'");
    ERROR("'left':'{{ t.n }}','operator':'contains','right':'5'");
    ERROR("'left':'{{ t.null }}','operator':'contains','right':'5'");
    ERROR("'left':'{{ t.s }}','operator':'starts_with','right':5");
}

TEST(condition_number_operators_take_numbers_in_text)
{
    HOLDS("'{{ t.n }}'", "gt", "4");
    FAILS("'{{ t.n }}'", "gt", "5");
    HOLDS("'{{ t.n }}'", "gte", "5");
    HOLDS("'{{ t.neg }}'", "lt", "-2");
    FAILS("'{{ t.n }}'", "lt", "5");
    HOLDS("'{{ t.n }}'", "lte", "5");
    HOLDS("'{{ t.text }}'", "gt", "'11.5'");
    HOLDS("'{{ t.n }}'", "between", "[5,6]");
    FAILS("'{{ t.n }}'", "between", "[6,9]");
    HOLDS("'{{ t.big }}'", "gt", "9007199254740992");
    ERROR("'left':'{{ t.s }}','operator':'gt','right':1");
    ERROR("'left':'{{ t.yes }}','operator':'gt','right':1");
    ERROR("'left':'{{ t.e }}','operator':'lt','right':1");
    ERROR("'left':1,'operator':'lt','right':'{{ t.null }}'");
}

TEST(condition_date_operators)
{
    HOLDS("'{{ t.d }}'", "before", "'2026-11-20T08:00:01Z'");
    FAILS("'{{ t.d }}'", "before", "'2026-11-20T08:00:00Z'");
    HOLDS("'{{ t.d }}'", "after", "'2026-11-20'");
    FAILS("'{{ t.d }}'", "after", "'2026-11-21'");
    ERROR("'left':'{{ t.s }}','operator':'after','right':'2026-11-20'");
    ERROR("'left':'{{ t.d }}','operator':'after','right':'yesterday'");
}

TEST(condition_set_operators)
{
    HOLDS("'{{ t.n }}'", "in", "[1,5]");
    FAILS("'{{ t.n }}'", "in", "['5']");
    HOLDS("'{{ t.n }}'", "not_in", "[]");
    HOLDS("1", "in", "'{{ t.list }}'");
    ERROR("'left':1,'operator':'in','right':'{{ t.s }}'");
}

TEST(condition_operators_without_right_side)
{
    IS("'{{ t.e }}'", "is_empty");
    IS("'{{ t.none }}'", "is_empty");
    IS("'{{ t.null }}'", "is_empty");
    IS("'{{ t.nope.deeper }}'", "is_empty");
    ISNT("'{{ t.zero }}'", "is_empty");
    IS("'{{ t.s }}'", "is_not_empty");
    IS("'{{ t.null }}'", "exists");
    ISNT("'{{ t.nope }}'", "exists");
    IS("'{{ t.nope }}'", "not_exists");
    IS("'{{ t.null }}'", "is_null");
    IS("'{{ t.nope }}'", "is_null");
    IS("'{{ t.zero }}'", "is_not_null");
    IS("'{{ t.yes }}'", "is_true");
    ISNT("'{{ t.no }}'", "is_true");
    IS("'{{ t.no }}'", "is_false");
    ERROR("'left':'{{ t.n }}','operator':'is_true'");
    ERROR("'left':'{{ t.nope }}','operator':'is_true'");
}

TEST(condition_type_and_length_operators)
{
    HOLDS("'{{ t.list }}'", "type_is", "'array'");
    FAILS("'{{ t.list }}'", "type_is", "'object'");
    HOLDS("'{{ t.big }}'", "type_is", "'number'");
    HOLDS("'{{ t.uml }}'", "length_equals", "3");
    HOLDS("'{{ t.list }}'", "length_gt", "2");
    HOLDS("'{{ t.obj }}'", "length_lt", "'2'");
    ERROR("'left':'{{ t.n }}','operator':'length_gt','right':1");
}

TEST(condition_takes_the_first_case_that_holds)
{
    struct wf_outcome out;
#define COND(l, r) "{'left':" l ",'operator':'equals','right':" r "}"
    static const char data[] = "{'cases':[{'id':'one','conditions':[" COND("1", "1") "," COND(
        "1", "2") "]},"
                  "{'id':'two','logic':'or','conditions':[" COND("1", "2") "," COND(
                      "1", "1") "]},"
                                "{'id':'three','conditions':[" COND("1", "1") "]}]}";

    t_expect_ok(t_node_run("condition", data, scope, NULL, &out));
    t_expect_str(out.handle, S("two"));
    t_expect_ok(t_node_run("condition", "{'cases':[{'id':'a','conditions':[" COND("1", "2") "]}]}",
                           scope, NULL, &out));
    t_expect_str(out.handle, S("else"));
}

TEST(condition_error_names_the_condition)
{
    Str e = taken("'left':'{{ t.s }}','operator':'gt','right':1");

    t_expect(str_find(e, S("Condition 1 of case \"c\" of node n (gt)")) != SIZE_MAX);
    t_expect(str_find(e, S("abcdef")) == SIZE_MAX);
}

TEST(condition_settings_are_checked)
{
#define CHECK(c, want)                                                                             \
    t_expect_str(t_node_problem("condition", "{'cases':[{'id':'c','conditions':[{" c "}]}]}"),     \
                 S(want))
    CHECK("'left':1,'operator':'equals'", "required /nodes/1/data/cases/0/conditions/0/right");
    CHECK("'left':1,'operator':'exists','right':1",
          "not_used /nodes/1/data/cases/0/conditions/0/right");
    CHECK("'left':1,'operator':'eq','right':1",
          "one_of /nodes/1/data/cases/0/conditions/0/operator");
    CHECK("'operator':'exists'", "required /nodes/1/data/cases/0/conditions/0/left");
    CHECK("'left':1,'operator':'matches','right':'('",
          "pattern /nodes/1/data/cases/0/conditions/0/right");
    CHECK("'left':1,'operator':'between','right':[1]",
          "type /nodes/1/data/cases/0/conditions/0/right");
    CHECK("'left':1,'operator':'in','right':1", "type /nodes/1/data/cases/0/conditions/0/right");
    CHECK("'left':1,'operator':'type_is','right':'str'",
          "one_of /nodes/1/data/cases/0/conditions/0/right");
    CHECK("'left':'{{ nope.x }}','operator':'exists'",
          "unknown_name /nodes/1/data/cases/0/conditions/0/left");
    t_expect_str(t_node_problem("condition", "{'cases':[]}"), S("range /nodes/1/data/cases"));
    t_expect_str(t_node_problem("condition", "{'cases':[{'id':'c','conditions':[]}]}"),
                 S("range /nodes/1/data/cases/0/conditions"));
    t_expect_str(
        t_node_problem("condition", "{'cases':[{'id':'else','conditions':[" COND("1", "1") "]}]}"),
        S("reserved /nodes/1/data/cases/0/id"));
    t_expect_str(t_node_problem("condition",
                                "{'cases':[{'id':'a','conditions':[" COND(
                                    "1", "1") "]},{'id':'a','conditions':[" COND("1", "1") "]}]}"),
                 S("duplicate_id /nodes/1/data/cases/1/id"));
}

TEST(condition_pattern_that_explodes_is_an_error)
{
    struct wf_outcome out;
    AUTO_BUF(b, KIB(64));

    buf_add_c(&b, "{'t':'");
    for (int i = 0; i < 5000; i++)
        buf_add_char(&b, 'a');
    buf_add_c(&b, "!'}");
    t_expect_err(t_node_run("condition",
                            "{'cases':[{'id':'c','conditions':[{'left':'{{ t }}','operator':"
                            "'matches','right':'^(a+)+$'}]}]}",
                            str_dup_c(t_arena(), buf_str(&b)), NULL, &out),
                 E_TOO_LARGE);
}
