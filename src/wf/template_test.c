/* src/wf/template_test.c - what templates give, and what they refuse. */
#include "rt/test_rt.h"
#include "wf/template_private.h"
#include "wf/test_node.h"

static const char names[] =
    "{'input':{'name':'Ada','n':3,'none':null,'on':true,'pi':3.5,'big':12345678901234567890,"
    "'tags':['a','b'],'odd key':{'x.y':1},'gr\xc3\xb6\xc3\x9f"
    "e':'L','7':'seven'},"
    "'call-1':{'body':{'items':[{'id':1},{'id':2}],'text':'a\\nb'}},'1711527768326':{'text':'dify'}"
    ","
    "'empty':null,'v':7}";

/* What @text gives as JSON text with ' for ", or "E_CODE". Texts are written with " as in a file.
 */
static Str given(const char *text)
{
    struct wf_scope scope = t_scope(t_json(names));
    struct wf_template *t;
    struct json *v;
    Err e = wf_template_compile(t_arena(), str_c(text), &t);

    if (e == OK)
        e = wf_template_eval(t_arena(), t, &scope, USEC_NEVER, &v);
    if (e != OK)
        return str_c(err_name(e));
    Str out = json_text(t_arena(), v);
    for (size_t i = 0; i < out.n; i++)
        if (out.p[i] == '"')
            ((char *)(uintptr_t)out.p)[i] = '\'';
    return out;
}

#define GIVES(text, want)                                                                          \
    do {                                                                                           \
        Str given_ = given(text);                                                                  \
        if (!str_eq(given_, S(want))) {                                                            \
            t_fail(__FILE__, __LINE__, "%s gave %.*s, expected %s (%s)", text, P(given_), want,    \
                   err_record()->detail);                                                          \
            return;                                                                                \
        }                                                                                          \
    } while (0)

TEST(template_of_one_expression_keeps_the_type)
{
    GIVES("{{ input.n }}", "3");
    GIVES("{{input.on}}", "true");
    GIVES("{{ input.none }}", "null");
    GIVES("{{ input.pi }}", "3.5");
    GIVES("{{ input.big }}", "12345678901234567890");
    GIVES("{{ input.tags }}", "['a','b']");
    GIVES("{{ call-1.body.items }}", "[{'id':1},{'id':2}]");
    GIVES("{{ v }}", "7");
}

TEST(template_in_longer_text_joins_strings_as_they_are_and_the_rest_as_json)
{
    GIVES("Hello {{ input.name }}!", "'Hello Ada!'");
    GIVES("{{ input.name }}{{ input.n }}", "'Ada3'");
    GIVES("[{{ input.none }}]", "'[]'");
    GIVES(" {{ input.n }}", "' 3'");
    GIVES("{{ input.tags }} {{ input.on }}", "'[\\'a\\',\\'b\\'] true'");
    GIVES("no braces } }} {", "'no braces } }} {'");
    GIVES("", "''");
}

TEST(template_paths_take_every_form)
{
    GIVES("{{ call-1.body.items[1].id }}", "2");
    GIVES("{{ call-1.body.items.1.id }}", "2");
    GIVES("{{ call-1[\"body\"]['items'][ 0 ].id }}", "1");
    GIVES("{{ input[\"odd key\"][\"x.y\"] }}", "1");
    GIVES("{{ input.gr\xc3\xb6\xc3\x9f"
          "e }}",
          "'L'");
    GIVES("{{ input.7 }}", "'seven'");
    GIVES("{{ 1711527768326.text }}", "'dify'");
    GIVES("{{ input.tags.length }}", "2");
    GIVES("{{ input.name.length }}", "3");
    GIVES("{{\n  input.name\n}}", "'Ada'");
}

TEST(template_path_that_leads_nowhere_is_an_error)
{
    GIVES("{{ input.nope }}", "E_INVALID");
    GIVES("{{ input.tags[2] }}", "E_INVALID");
    GIVES("{{ input.name.first }}", "E_INVALID");
    GIVES("{{ input.none.x }}", "E_INVALID");
    GIVES("{{ nobody }}", "E_INVALID");
    GIVES("{{ nobody.x }}", "E_INVALID");
    GIVES("a {{ input.nope }}", "E_INVALID");
    t_expect(str_find(str_c(err_client_text(E_INVALID)), S("input.nope")) != SIZE_MAX);
}

TEST(template_question_marks_allow_what_is_absent)
{
    GIVES("{{ input?.nope }}", "null");
    GIVES("{{ input?.nope.deeper.still }}", "null");
    GIVES("{{ input.none?.x.y }}", "null");
    GIVES("{{ empty?.text }}", "null");
    GIVES("{{ nobody?.x }}", "null");
    GIVES("{{ input?.[\"nope\"] }}", "null");
    GIVES("{{ input.tags?.[9] }}", "null");
    GIVES("{{ input.nope?.x }}", "E_INVALID");
    GIVES("-{{ input?.nope }}-", "'--'");
}

TEST(template_defaults_stand_behind_two_question_marks)
{
    GIVES("{{ input.nope ?? \"none\" }}", "'none'");
    GIVES("{{ input.none ?? 0 }}", "0");
    GIVES("{{ input.n ?? 9 }}", "3");
    GIVES("{{ nobody.x ?? empty.y ?? input.name }}", "'Ada'");
    GIVES("{{ nobody.x ?? input.nope }}", "E_INVALID");
    GIVES("{{ input.nope ?? [] }}", "[]");
    GIVES("{{ input.nope ?? {\"a\": {\"b\": 1}} }}", "{'a':{'b':1}}");
    GIVES("{{ input.nope ?? null }}", "null");
}

TEST(template_literals)
{
    GIVES("{{ \"{{\" }} and {{ '}}' }}", "'{{ and }}'");
    GIVES("{{ 'it\\'s' }}", "'it's'");
    GIVES("{{ \"\\u00e4\\ud83d\\ude00\\n\" }}", "'\xc3\xa4\xf0\x9f\x98\x80\\n'");
    GIVES("{{ -1.5e3 }}", "-1500.0");
    GIVES("{{ 12345678901234567890 }}", "12345678901234567890");
    GIVES("{{ true }}", "true");
    GIVES("{{ null }}", "null");
    GIVES("{{ [1, \"}}\", {\"x\": 2}] }}", "[1,'}}',{'x':2}]");
}

TEST(template_with_bad_syntax_says_where)
{
    static const char *const bad[] = {
        "{{ }}",           "{{",          "a {{ b",      "{{ a. }}",   "{{ a[ }}",   "{{ a[] }}",
        "{{ a[-1] }}",     "{{ a b }}",   "{{ \"x }}",   "{{ a ?? }}", "{{ ?? a }}", "{{ '\\x' }}",
        "{{ '\\ud800' }}", "{{ a.b[1 }}", "{{ a['b' }}", "{{ {a} }}",  "{{ [1 }}",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct wf_template *t;
        if (wf_template_compile(t_arena(), str_c(bad[i]), &t) != E_SYNTAX) {
            t_fail(__FILE__, __LINE__, "%s was not E_SYNTAX", bad[i]);
            return;
        }
        t_expect(str_find(str_c(err_client_text(E_SYNTAX)), S("line ")) != SIZE_MAX);
    }
    GIVES("one\n\xc3\xa4\xc3\xb6 {{ a..b }}", "E_SYNTAX");
    t_expect(str_find(str_c(err_client_text(E_SYNTAX)), S("line 2, column 9")) != SIZE_MAX);
}

TEST(template_of_javascript_is_refused_where_there_is_no_engine)
{
    GIVES("{{ input.n + 1 }}", "E_UNSUPPORTED");
    GIVES("{{ input.tags.join(\", \") }}", "E_UNSUPPORTED");
    GIVES("{{ input.on ? 1 : 2 }}", "E_UNSUPPORTED");
    GIVES("{{ `a` }}", "E_UNSUPPORTED");
    GIVES("{{ new Date() }}", "E_UNSUPPORTED");
    GIVES("{{ input.n - 1 }}", "E_UNSUPPORTED");
}

static Err script_eval(struct arena *a, Str source, const struct wf_scope *scope, Usec deadline,
                       struct json **ret_value)
{
    (void)deadline;
    *ret_value = json_obj(a, "source", json_str(a, str_trim(source)), "n",
                          json_at(scope->root(scope->ctx, S("input")), "n"), NULL);
    return OK;
}

static Err script_check(struct arena *a, Str source)
{
    (void)a;
    return str_find(source, S("bad(")) == SIZE_MAX ? OK : err_detail(E_SYNTAX, "bad script");
}

TEST(template_gives_javascript_to_the_engine_when_there_is_one)
{
    static const struct wf_script engine = {script_eval, script_check};

    wf_script_set(&engine);
    Str sum = given("{{ input.n + 1 }}"), braces = given("{{ f({a:{b:1}}) }}"),
        bad = given("{{ bad() }}"), native = given("{{ input.n }}"), slip = given("{{ a..b }}");
    wf_script_set(NULL);
    t_expect_str(sum, S("{'source':'input.n + 1','n':3}"));
    t_expect_str(braces, S("{'source':'f({a:{b:1}})','n':3}"));
    t_expect_str(bad, S("E_SYNTAX"));
    t_expect_str(native, S("3"));
    t_expect_str(slip, S("E_SYNTAX"));
}

TEST(template_text_of_values)
{
    struct wf_scope scope = t_scope(t_json(names));
    struct wf_template *t;
    Str text;

    t_expect_ok(wf_template_compile(t_arena(), S("{{ input.none }}"), &t));
    t_expect_ok(wf_template_text(t_arena(), t, &scope, USEC_NEVER, &text));
    t_expect_str(text, S(""));
    t_expect(!wf_template_is_fixed(t));
    t_expect_ok(wf_template_compile(t_arena(), S("{{ input.tags }}"), &t));
    t_expect_ok(wf_template_text(t_arena(), t, &scope, USEC_NEVER, &text));
    t_expect_str(text, S("[\"a\",\"b\"]"));
    t_expect_ok(wf_template_compile(t_arena(), S("plain"), &t));
    t_expect_ok(wf_template_text(t_arena(), t, &scope, USEC_NEVER, &text));
    t_expect_str(text, S("plain"));
    t_expect(wf_template_is_fixed(t));
}

static Str value_of(const char *json)
{
    struct wf_scope scope = t_scope(t_json(names));
    struct wf_value *v;
    struct json *out;
    Err e = wf_value_compile(t_arena(), t_json(json), &v);

    if (e == OK)
        e = wf_value_eval(t_arena(), v, &scope, USEC_NEVER, &out);
    return e == OK ? json_text(t_arena(), out) : str_c(err_name(e));
}

TEST(value_replaces_templates_wherever_they_stand)
{
    t_expect_str(value_of("{'a':['{{ input.n }}',{'b':'x{{ input.n }}'}],'c':1}"),
                 S("{\"a\":[3,{\"b\":\"x3\"}],\"c\":1}"));
    t_expect_str(value_of("'{{ input.tags }}'"), S("[\"a\",\"b\"]"));
    t_expect_str(value_of("[1,2.5,null,true]"), S("[1,2.5,null,true]"));
    t_expect_str(value_of("[{},[]]"), S("[{},[]]"));
    t_expect_str(value_of("{'{{ input.n }}':1}"), S("E_UNSUPPORTED"));
    t_expect_str(value_of("['{{ input.nope }}']"), S("E_INVALID"));
    t_expect_str(value_of("['{{ }}']"), S("E_SYNTAX"));
}

TEST(value_find_tells_absence_from_null)
{
    struct wf_scope scope = t_scope(t_json(names));
    struct wf_value *v;
    struct json *out;

    t_expect_ok(wf_value_compile(t_arena(), t_json("'{{ input.a.b.c }}'"), &v));
    t_expect_ok(wf_value_find(t_arena(), v, &scope, USEC_NEVER, &out));
    t_expect(out == NULL);
    t_expect_ok(wf_value_compile(t_arena(), t_json("'{{ input.none }}'"), &v));
    t_expect_ok(wf_value_find(t_arena(), v, &scope, USEC_NEVER, &out));
    t_expect(json_is(out, JSON_NULL));
    t_expect_ok(wf_value_compile(t_arena(), t_json("'x {{ input.nope }}'"), &v));
    t_expect_err(wf_value_find(t_arena(), v, &scope, USEC_NEVER, &out), E_INVALID);
}

TEST(template_text_is_bounded)
{
    char *wide = arena_bytes(t_arena(), MIB(3));
    memset(wide, 'x', MIB(3));
    struct json *scope_json =
        json_obj(t_arena(), "s", json_str(t_arena(), (Str){wide, MIB(3)}), NULL);
    struct wf_scope scope = t_scope(scope_json);
    AUTO(arena) *small = arena_new(MIB(4));
    struct wf_template *t;
    Str text;

    t_expect_ok(wf_template_compile(t_arena(), S("{{ s }}{{ s }}"), &t));
    t_expect_ok(wf_template_text(t_arena(), t, &scope, USEC_NEVER, &text));
    t_expect_int(text.n, MIB(6));
    t_expect_err(wf_template_text(small, t, &scope, USEC_NEVER, &text), E_TOO_LARGE);
    t_expect_ok(wf_template_compile(t_arena(), S("{{ s }}{{ s }}{{ s }}"), &t));
    t_expect_err(wf_template_text(t_arena(), t, &scope, USEC_NEVER, &text), E_TOO_LARGE);
    /* Many templates of one value share the limit. */
    struct wf_value *v;
    struct json *out;
    t_expect_ok(wf_value_compile(t_arena(), t_json("['{{ s }}.','{{ s }}.','{{ s }}.']"), &v));
    t_expect_err(wf_value_eval(t_arena(), v, &scope, USEC_NEVER, &out), E_TOO_LARGE);
    /* Whole values are shared, not copied. */
    t_expect_ok(wf_value_compile(t_arena(), t_json("['{{ s }}','{{ s }}','{{ s }}']"), &v));
    t_expect_ok(wf_value_eval(t_arena(), v, &scope, USEC_NEVER, &out));
}

TEST(template_paths_may_be_deep_but_not_endless)
{
    AUTO_BUF(deep, MIB(1));
    AUTO_BUF(json, MIB(1));
    struct wf_template *t;
    struct json *v, *names_json;

    buf_add_c(&deep, "{{ a");
    for (int i = 0; i < 150; i++) {
        buf_add_c(&deep, ".a");
        buf_add_c(&json, "{\"a\":");
    }
    buf_add_c(&deep, " }}");
    buf_add_c(&json, "{\"a\":5}");
    for (int i = 0; i < 150; i++)
        buf_add_char(&json, '}');
    t_expect_ok(json_parse(t_arena(), buf_str(&json), &names_json));
    struct wf_scope scope = t_scope(names_json);
    t_expect_ok(wf_template_compile(t_arena(), buf_str(&deep), &t));
    t_expect_ok(wf_template_eval(t_arena(), t, &scope, USEC_NEVER, &v));
    t_expect_int(json_int_of(v, 0), 5);
    buf_reset(&deep);
    buf_add_c(&deep, "{{ a");
    for (int i = 0; i < 300; i++)
        buf_add_c(&deep, "[0]");
    buf_add_c(&deep, " }}");
    t_expect_err(wf_template_compile(t_arena(), buf_str(&deep), &t), E_SYNTAX);
}

static void note(void *ctx, Str name)
{
    buf_add(ctx, name);
    buf_add_char(ctx, ' ');
}

TEST(template_roots_are_the_first_names_of_paths)
{
    AUTO_BUF(b, KIB(1));
    struct wf_value *v;

    t_expect_ok(wf_value_compile(
        t_arena(), t_json("{'a':'{{ x.y }} {{ y ?? z.q }}','b':['{{ 1 }}','{{ x }}']}"), &v));
    wf_value_roots(v, note, &b);
    t_expect_str(buf_str(&b), S("x y z x "));
}
