/* src/wf/json_path_test.c - JSONPath: the RFC's examples, what is refused, and the limits. */
#include "rt/test_rt.h"
#include "wf/json_path.h"
#include "wf/test_node.h"

#include <stdlib.h>

/* The document of RFC 9535 section 1.5. */
static const char store[] =
    "{'store':{'book':["
    "{'category':'reference','author':'Nigel Rees','title':'Sayings of the Century','price':8.95},"
    "{'category':'fiction','author':'Evelyn Waugh','title':'Sword of Honour','price':12.99},"
    "{'category':'fiction','author':'Herman Melville','title':'Moby Dick','isbn':'0-553-21311-3',"
    "'price':8.99},"
    "{'category':'fiction','author':'J. R. R. Tolkien','title':'The Lord of the Rings',"
    "'isbn':'0-395-19395-8','price':22.99}],"
    "'bicycle':{'color':'red','price':399}}}";

/* What @path selects in @doc as an array in text, with ' for "; or "E_CODE". */
static Str selected(const char *doc, const char *path)
{
    struct wf_jsonpath *p;
    WfJsonNodes nodes;
    Err e = wf_jsonpath_compile(t_arena(), str_c(path), &p);

    if (e == OK)
        e = wf_jsonpath_query(p, t_arena(), t_json(doc), &nodes);
    if (e != OK)
        return str_c(err_name(e));
    struct json *arr = json_arr(t_arena());
    vec_each(&nodes, node)
        json_push(t_arena(), arr, *node);
    Str text = json_text(t_arena(), arr);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '"')
            ((char *)(uintptr_t)text.p)[i] = '\'';
    return text;
}

#define SELECTS(doc, path, want) t_expect_str(selected(doc, path), S(want))

TEST(jsonpath_examples_of_the_rfc)
{
    SELECTS(store, "$.store.book[*].author",
            "['Nigel Rees','Evelyn Waugh','Herman Melville','J. R. R. Tolkien']");
    SELECTS(store, "$..author",
            "['Nigel Rees','Evelyn Waugh','Herman Melville','J. R. R. Tolkien']");
    SELECTS(store, "$.store..price", "[8.95,12.99,8.99,22.99,399]");
    SELECTS(store, "$..book[2].title", "['Moby Dick']");
    SELECTS(store, "$..book[-1].title", "['The Lord of the Rings']");
    SELECTS(store, "$..book[:2].price", "[8.95,12.99]");
    SELECTS(store, "$..book[0,1].price", "[8.95,12.99]");
    SELECTS(store, "$..book[?@.isbn].price", "[8.99,22.99]");
    SELECTS(store, "$..book[?@.price<10].title", "['Sayings of the Century','Moby Dick']");
    SELECTS(store, "$.store.bicycle[*]", "['red',399]");
    SELECTS(store, "$['store']['bicycle'][\"color\"]", "['red']");
}

TEST(jsonpath_slices)
{
    static const char doc[] = "['a','b','c','d','e','f','g']";

    SELECTS(doc, "$[1:3]", "['b','c']");
    SELECTS(doc, "$[5:]", "['f','g']");
    SELECTS(doc, "$[1:5:2]", "['b','d']");
    SELECTS(doc, "$[5:1:-2]", "['f','d']");
    SELECTS(doc, "$[::-1]", "['g','f','e','d','c','b','a']");
    SELECTS(doc, "$[::0]", "[]");
    SELECTS(doc, "$[-3:-1]", "['e','f']");
    SELECTS(doc, "$[ 1 : 3 : 1 ]", "['b','c']");
    SELECTS(doc, "$[10:]", "[]");
    SELECTS(doc, "$[-9007199254740991:9007199254740991]", "['a','b','c','d','e','f','g']");
    SELECTS(doc, "$[:: -9007199254740991]", "['g']");
}

TEST(jsonpath_filters)
{
    static const char doc[] = "{'a':[3,5,1,2,4,6,{'b':'j'},{'b':'k'},{'b':{}},{'b':'kilo'}],"
                              "'o':{'p':1,'q':2,'r':3,'s':5,'t':{'u':6}},'e':'f'}";

    SELECTS(doc, "$.a[?@.b == 'kilo']", "[{'b':'kilo'}]");
    SELECTS(doc, "$.a[?(@.b == 'kilo')]", "[{'b':'kilo'}]");
    SELECTS(doc, "$.a[?@>3.5]", "[5,4,6]");
    SELECTS(doc, "$.a[?@.b]", "[{'b':'j'},{'b':'k'},{'b':{}},{'b':'kilo'}]");
    SELECTS(doc, "$[?@.*].p", "[1]");
    SELECTS(doc, "$[?@[?@.b]][0]", "[3]");
    SELECTS(doc, "$.o[?@<3, ?@<3]", "[1,2,1,2]");
    SELECTS(doc, "$.a[?@<2 || @.b == \"k\"]", "[1,{'b':'k'}]");
    SELECTS(doc, "$.a[?match(@.b, \"[jk]\")]", "[{'b':'j'},{'b':'k'}]");
    SELECTS(doc, "$.a[?search(@.b, \"[jk]\")]", "[{'b':'j'},{'b':'k'},{'b':'kilo'}]");
    SELECTS(doc, "$.o[?@>1 && @<4]", "[2,3]");
    SELECTS(doc, "$.o[?@.u || @.x]", "[{'u':6}]");
    SELECTS(doc, "$.a[?@.b == $.x]", "[3,5,1,2,4,6]");
    SELECTS(doc, "$.a[?@ == @].b", "['j','k',{},'kilo']");
    SELECTS(doc, "$.a[?!(@.b) && !(@ > 2)]", "[1,2]");
    SELECTS(doc, "$.a[?!@.b == 1]", "E_SYNTAX");
    SELECTS(doc, "$[?length(@) == 10][0]", "[3]");
    SELECTS(doc, "$[?count(@.*) == 5].q", "[2]");
    SELECTS(doc, "$.o[?value(@..u) == 6]", "[{'u':6}]");
    SELECTS(doc, "$.a[?match(@.b, '(')]", "[]");
    SELECTS(doc, "$.a[?match(@.b, $.e)]", "[]");
}

TEST(jsonpath_that_is_none_says_where)
{
    static const char *const bad[] = {
        "",
        "a",
        "$ ",
        " $",
        "$.",
        "$..",
        "$[",
        "$[]",
        "$['a'",
        "$[01]",
        "$[-0]",
        "$[1.0]",
        "$[a]",
        "$['\\q']",
        "$['\\ud800']",
        "$.1",
        "$.a b",
        "$[?]",
        "$[?@.a==]",
        "$[?1]",
        "$[?'a']",
        "$[?@.*==1]",
        "$[?nope(@)]",
        "$[?length(@)]",
        "$[?count(1)>1]",
        "$[?match(@,'a')==true]",
        "$[?@.a=1]",
        "$[?(@.a]",
        "$[?@.a &&]",
        "$[9007199254740992]",
        "$[?length (@)==1]",
        "$. a",
        "$[?@ == 01]",
        "$[?@<[1]]",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct wf_jsonpath *p;
        if (wf_jsonpath_compile(t_arena(), str_c(bad[i]), &p) == E_SYNTAX)
            continue;
        t_fail(__FILE__, __LINE__, "%s was not refused", bad[i]);
        return;
    }
    SELECTS("{}", "$.\xc3\xa4.1", "E_SYNTAX");
    t_expect(str_find(str_c(err_client_text(E_SYNTAX)), S("character 5")) != SIZE_MAX);
}

TEST(jsonpath_nesting_is_bounded_and_chains_are_not_deep)
{
    AUTO_BUF(b, KIB(64));
    struct wf_jsonpath *p;

    buf_add_c(&b, "$[?");
    for (int i = 0; i < 100; i++)
        buf_add_char(&b, '(');
    t_expect_err(wf_jsonpath_compile(t_arena(), buf_str(&b), &p), E_SYNTAX);
    buf_reset(&b);
    buf_add_c(&b, "$[?@==0");
    for (int i = 0; i < 2000; i++)
        buf_add_c(&b, "||@==1");
    buf_add_c(&b, "]");
    buf_add_char(&b, 0);
    SELECTS("[5,1,7]", b.p, "[1]");
    buf_reset(&b);
    for (int i = 0; i < 50; i++)
        buf_add_c(&b, i ? "[?@" : "$[?@");
    t_expect_err(wf_jsonpath_compile(t_arena(), buf_str(&b), &p), E_SYNTAX);
}

TEST_FIBER(jsonpath_work_is_bounded)
{
    AUTO_BUF(b, MIB(8));
    struct wf_jsonpath *p;
    WfJsonNodes nodes;
    struct json *doc;

    buf_add_c(&b, "[");
    for (int i = 0; i < 20000; i++)
        buf_add_c(&b, "[{\"a\":1}],");
    buf_add_c(&b, "0]");
    t_expect_ok(json_parse(t_arena(), buf_str(&b), &doc));
    t_expect_ok(wf_jsonpath_compile(t_arena(), S("$..a"), &p));
    t_expect_ok(wf_jsonpath_query(p, t_arena(), doc, &nodes));
    t_expect_int(nodes.n, 20000);
    t_expect_ok(wf_jsonpath_compile(t_arena(), S("$[?@[?$[*].a]]"), &p));
    t_expect_err(wf_jsonpath_query(p, t_arena(), doc, &nodes), E_TOO_LARGE);
    t_expect_ok(wf_jsonpath_compile(t_arena(), S("$..*..*..*"), &p));
    t_expect_ok(wf_jsonpath_query(p, t_arena(), doc, &nodes));
    t_expect_ok(wf_jsonpath_compile(t_arena(), S("$[*,*,*,*,*,*,*,*][*,*,*,*,*,*,*,*]"), &p));
    t_expect_err(wf_jsonpath_query(p, t_arena(), doc, &nodes), E_TOO_LARGE);
    /* Comparing large values costs what they are large. */
    t_expect_ok(wf_jsonpath_compile(t_arena(), S("$[?$ == $]"), &p));
    t_expect_err(wf_jsonpath_query(p, t_arena(), doc, &nodes), E_TOO_LARGE);
}

/* The compliance test suite, where it is at hand: HEDDLE_JSONPATH_CTS names its cts.json. */
TEST(jsonpath_compliance_test_suite_is_passed)
{
    const char *path = getenv("HEDDLE_JSONPATH_CTS");
    AUTO_BUF(text, MIB(16));
    struct json *suite;
    size_t n;

    if (!path) {
        t_skip("HEDDLE_JSONPATH_CTS is not set");
        return;
    }
    FILE *f = fopen(path, "r");
    t_expect(f);
    while ((n = fread(buf_room(&text, KIB(64)), 1, KIB(64), f)) > 0)
        buf_added(&text, n);
    fclose(f);
    t_expect_ok(json_parse(t_arena(), buf_str(&text), &suite));
    const struct json *tests = json_at(suite, "tests");
    t_expect(json_len(tests) > 400);
    for (size_t i = 0; i < json_len(tests); i++) {
        const struct json *one = json_item(tests, i), *results = json_at(one, "results");
        struct wf_jsonpath *p;
        WfJsonNodes nodes;
        Str name = json_str_of(json_at(one, "name"), S(""));
        Err e = wf_jsonpath_compile(t_arena(), json_str_of(json_at(one, "selector"), S("")), &p);
        bool invalid = json_bool_of(json_at(one, "invalid_selector"), false);
        if (invalid || e != OK) {
            if (invalid != (e != OK))
                t_fail(__FILE__, __LINE__, "%.*s: %s %s", P(name), err_name(e), err_client_text(e));
            continue;
        }
        t_expect_ok(wf_jsonpath_query(p, t_arena(), json_at(one, "document"), &nodes));
        struct json *arr = json_arr(t_arena());
        vec_each(&nodes, node)
            json_push(t_arena(), arr, *node);
        bool same = results ? false : json_equal(arr, json_at(one, "result"));
        for (size_t k = 0; k < json_len(results); k++)
            same |= json_equal(arr, json_item(results, k));
        if (!same)
            t_fail(__FILE__, __LINE__, "%.*s: %.*s", P(name), P(json_text(t_arena(), arr)));
    }
}
