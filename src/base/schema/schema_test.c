/* src/base/schema/schema_test.c - what the suite does not ask: errors, bounds, bad schemas. */
#include "base/json_schema.h"
#include "base/schema/private.h"
#include "base/test.h"

#include <pthread.h>

static struct json *parsed(Str text)
{
    struct json *v = NULL;
    if (json_parse(t_arena(), text, &v) != OK)
        t_fail(__FILE__, __LINE__, "%.*s: %s", P(text), err_text(E_SYNTAX));
    return v;
}

/* What checking @value against @schema gives. */
static Err check(const char *schema, const char *value, JsonSchemaErrors *errors)
{
    AUTO(json_schema) *s = NULL;

    TRY(json_schema_compile(parsed(str_c(schema)), NULL, 0, 0, &s));
    return json_schema_validate(s, t_arena(), parsed(str_c(value)), 10, errors);
}

/* ---- errors ---- */

TEST(schema_errors_name_path_keyword_and_reason)
{
    static const char schema[] =
        "{\"type\":\"object\",\"required\":[\"name\",\"age\"],\"additionalProperties\":false,"
        "\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":2},\"age\":{\"type\":"
        "\"integer\","
        "\"minimum\":0},\"a/"
        "b~c\":{\"type\":[\"null\",\"string\"]},\"tags\":{\"type\":\"array\",\"items\":"
        "{\"enum\":[\"x\",\"y\"]},\"uniqueItems\":true}}}";
    static const struct {
        const char *path, *keyword, *message;
    } want[] = {
        {"", "required", "the member \"age\" is missing"},
        {"/name", "minLength", "is shorter than 2 characters"},
        {"/a~1b~0c", "type", "expected null or string, found number"},
        {"/tags", "uniqueItems", "element 2 is there twice"},
        {"/tags/1", "enum", "must be one of [\"x\",\"y\"]"},
        {"", "additionalProperties", "the member \"more\" is not known"},
    };
    JsonSchemaErrors errors = {0};

    t_expect_err(check(schema,
                       "{\"name\":\"x\",\"a/b~c\":1,\"tags\":[\"x\",\"z\",\"x\"],\"more\":1}",
                       &errors),
                 E_INVALID);
    t_expect_str(str_c(err_client_text(E_INVALID)), S("the value: the member \"age\" is missing"));
    t_expect_int(errors.n, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        t_expect_str(errors.at[i].path, str_c(want[i].path));
        t_expect_str(errors.at[i].keyword, str_c(want[i].keyword));
        t_expect_str(errors.at[i].message, str_c(want[i].message));
    }
    t_expect_err(check(schema, "{\"name\":\"xy\",\"age\":1.5}", NULL), E_INVALID);
    t_expect_str(str_c(err_client_text(E_INVALID)),
                 S("/age: expected integer, found a number that is not whole"));
    t_expect_ok(check(schema, "{\"name\":\"xy\",\"age\":1.0}", NULL));
}

TEST(no_more_schema_errors_are_given_than_are_asked_for)
{
    AUTO(json_schema) *s = NULL;
    JsonSchemaErrors errors = {0};

    t_expect_ok(
        json_schema_compile(parsed(S("{\"items\":{\"type\":\"string\"}}")), NULL, 0, 0, &s));
    t_expect_err(json_schema_validate(s, t_arena(), parsed(S("[1,2,3,4,5]")), 3, &errors),
                 E_INVALID);
    t_expect_int(errors.n, 3);
    t_expect_str(errors.at[2].path, S("/2"));
    /* More are appended to what is there. */
    t_expect_err(json_schema_validate(s, t_arena(), parsed(S("[1]")), 3, &errors), E_INVALID);
    t_expect_int(errors.n, 4);
    t_expect_err(json_schema_validate(s, t_arena(), parsed(S("[1]")), 0, &errors), E_INVALID);
    t_expect_int(errors.n, 4);
}

TEST(errors_inside_alternatives_are_not_reported_by_themselves)
{
    JsonSchemaErrors errors = {0};

    t_expect_err(
        check("{\"anyOf\":[{\"type\":\"string\"},{\"properties\":{\"a\":{\"type\":\"string\"}},"
              "\"required\":[\"a\"],\"type\":\"object\"}]}",
              "{\"a\":1}", &errors),
        E_INVALID);
    t_expect_int(errors.n, 1);
    t_expect_str(errors.at[0].keyword, S("anyOf"));
    t_expect_str(errors.at[0].message, S("matches none of the 2 alternatives"));
}

/* ---- schemas that are none ---- */

TEST(bad_schemas_are_refused_with_their_place)
{
    static const struct {
        const char *schema, *detail;
    } cases[] = {
        {"1", "schema at its root: \"\" is no schema: number"},
        {"{\"type\":\"strnig\"}",
         "schema at its root: \"type\" must name one of the seven types or list some"},
        {"{\"properties\":{\"a\":{\"items\":{\"minimum\":\"x\"}}}}",
         "schema /properties/a/items: \"minimum\" must be a number"},
        {"{\"properties\":[]}", "schema at its root: \"properties\" must be an object of schemas"},
        {"{\"allOf\":{}}", "schema at its root: \"allOf\" must be an array of schemas"},
        {"{\"allOf\":[{\"not\":3}]}", "schema /allOf/0: \"not\" is no schema: number"},
        {"{\"required\":[1]}", "schema at its root: \"required\" must be an array of strings"},
        {"{\"minLength\":-1}",
         "schema at its root: \"minLength\" must be a whole number that is not negative"},
        {"{\"maxItems\":1.5}",
         "schema at its root: \"maxItems\" must be a whole number that is not negative"},
        {"{\"multipleOf\":0}", "schema at its root: \"multipleOf\" must be greater than 0"},
        {"{\"pattern\":\"(\"}", "schema at its root: \"pattern\" is no regular expression: the "
                                "pattern is refused: missing "
                                "closing parenthesis"},
        {"{\"$ref\":\"#/$defs/x\"}", "schema at its root: \"$ref\" leads nowhere: #/$defs/x"},
        {"{\"$ref\":\"https://example.org/x\"}",
         "schema at its root: \"$ref\" leads nowhere: https://example.org/x"},
        {"{\"$ref\":\"#/a\",\"a\":[]}", "schema at its root: \"$ref\" is no schema: array"},
        {"{\"$ref\":1}", "schema at its root: \"$ref\" must be a string"},
        {"{\"enum\":1}", "schema at its root: \"enum\" must be an array"},
        {"{\"uniqueItems\":1}", "schema at its root: \"uniqueItems\" must be true or false"},
        {"{\"dependentRequired\":{\"a\":1}}",
         "schema at its root: \"dependentRequired\" must hold arrays of strings"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(json_schema) *s = NULL;
        t_expect_err(json_schema_compile(parsed(str_c(cases[i].schema)), NULL, 0, 0, &s),
                     E_INVALID);
        t_expect(!s);
        t_expect_str(str_c(err_client_text(E_INVALID)), str_c(cases[i].detail));
    }
    AUTO(json_schema) *s = NULL;
    t_expect_err(json_schema_compile(NULL, NULL, 0, 0, &s), E_INVALID);
}

TEST(a_required_vocabulary_that_is_not_known_is_refused)
{
    struct json_schema_remote remote = {
        S("https://example.org/meta"),
        parsed(S("{\"$vocabulary\":{\"https://json-schema.org/draft/2020-12/vocab/core\":true,"
                 "\"https://example.org/vocab\":true}}")),
    };
    AUTO(json_schema) *s = NULL;

    t_expect_err(json_schema_compile(parsed(S("{\"$schema\":\"https://example.org/meta\"}")),
                                     &remote, 1, 0, &s),
                 E_INVALID);
}

/* ---- bounds ---- */

TEST(schemas_that_refer_to_themselves_end)
{
    static const char *const schemas[] = {
        "{\"$ref\":\"#\"}",
        "{\"allOf\":[{\"$ref\":\"#\"}]}",
        "{\"$defs\":{\"a\":{\"$ref\":\"#/b\"}},\"b\":{\"$ref\":\"#/$defs/a\"},\"$ref\":\"#/b\"}",
        "{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}",
        "{\"not\":{\"$ref\":\"#\"}}",
        "{\"$dynamicAnchor\":\"x\",\"$dynamicRef\":\"#x\"}",
        "{\"if\":{\"$ref\":\"#\"},\"then\":true}",
    };

    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        t_expect_err(check(schemas[i], "1", NULL), E_TOO_LARGE);
        t_expect_str(str_c(err_client_text(E_TOO_LARGE)),
                     S("the schema refers to itself without end"));
    }
}

TEST(a_recursive_schema_follows_a_deep_value_without_stack)
{
    enum { DEPTH = 9000 };
    struct json_limits limits = {.depth = DEPTH + 1};
    char *text = arena_bytes(t_arena(), DEPTH * 2 + 1);
    AUTO(json_schema) *s = NULL;
    struct json *v;

    memset(text, '[', DEPTH);
    text[DEPTH] = '1';
    memset(text + DEPTH + 1, ']', DEPTH);
    t_expect_ok(json_parse_limits(t_arena(), str_from(text, DEPTH * 2 + 1), &limits, &v));
    t_expect_ok(json_schema_compile(
        parsed(S(
            "{\"anyOf\":[{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}},{\"type\":\"number\"}]}")),
        NULL, 0, 0, &s));
    t_expect_err(json_schema_validate(s, t_arena(), v, 0, NULL), E_TOO_LARGE);
    t_expect_str(str_c(err_client_text(E_TOO_LARGE)),
                 S("the value or its schema is nested too deep"));
    while (json_len(v) && --limits.depth > 4000)
        v = json_item(v, 0);
    t_expect_ok(json_schema_validate(s, t_arena(), v, 0, NULL));
}

/* 2^40 ways to go: each level asks the next one twice. */
TEST(a_schema_that_multiplies_the_work_is_given_up)
{
    AUTO_BUF(b, KIB(16));
    Usec start = time_mono();

    buf_add(&b, S("{\"$defs\":{"));
    for (int i = 0; i < 40; i++)
        buf_add_fmt(&b,
                    "\"d%d\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]},",
                    i, i + 1, i + 1);
    buf_add(&b, S("\"d40\":{\"type\":\"number\"}},\"$ref\":\"#/$defs/d0\"}"));
    buf_add_char(&b, 0);
    t_expect_err(check(b.p, "1", NULL), E_TOO_LARGE);
    t_expect_str(str_c(err_client_text(E_TOO_LARGE)),
                 S("checking the value against its schema takes too many steps"));
    t_expect(time_mono() - start < 10 * USEC_S);
}

TEST(a_pattern_that_tries_everything_is_given_up)
{
    Usec start = time_mono();

    t_expect_err(check("{\"pattern\":\"^(a+)+$\"}",
                       "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", NULL),
                 E_TOO_LARGE);
    t_expect_err(check("{\"patternProperties\":{\"^(a|a)*$\":true}}",
                       "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\":1}", NULL),
                 E_TOO_LARGE);
    t_expect_str(str_c(err_client_text(E_TOO_LARGE)),
                 S("a pattern of the schema takes too long to match"));
    t_expect(time_mono() - start < 10 * USEC_S);
}

TEST(a_pattern_that_takes_the_square_of_a_text_ends_with_an_error)
{
    char text[50004];
    Usec start = time_mono();

    memset(text, ' ', sizeof text);
    text[0] = text[sizeof text - 2] = '"';
    text[sizeof text - 3] = 'x';
    text[sizeof text - 1] = 0;
    t_expect_err(check("{\"pattern\":\"\\\\s+$\"}", text, NULL), E_TOO_LARGE);
    t_expect(time_mono() - start < 5 * USEC_S);
}

TEST(patterns_that_each_take_long_end_with_an_error_together)
{
    AUTO_BUF(text, MIB(16));
    Usec start = time_mono();

    for (int i = 0; i < 3000; i++) {
        buf_add_c(&text, i ? ",\"" : "[\"");
        for (int k = 0; k < 3000; k++)
            buf_add_char(&text, ' ');
        buf_add_c(&text, "x\"");
    }
    buf_add_c(&text, "]");
    buf_add_char(&text, 0);
    t_expect_err(check("{\"items\":{\"not\":{\"pattern\":\"\\\\s+$\"}}}", text.p, NULL),
                 E_TOO_LARGE);
    t_expect(time_mono() - start < 8 * USEC_S);
}

TEST(honest_patterns_match_long_strings)
{
    AUTO_BUF(b, MIB(4));

    buf_add_char(&b, '"');
    for (int i = 0; i < 100000; i++)
        buf_add(&b, S("word "));
    buf_add(&b, S("\""));
    buf_add_char(&b, 0);
    t_expect_ok(check("{\"pattern\":\"^([a-z]+ )*$\"}", b.p, NULL));
    t_expect_err(check("{\"pattern\":\"^([a-y]+ )*$\",\"minLength\":500001}", b.p, NULL),
                 E_INVALID);
}

TEST(large_values_have_the_steps_they_need)
{
    AUTO_BUF(b, MIB(16));

    buf_add_char(&b, '[');
    for (int i = 0; i < 100000; i++)
        buf_add_fmt(&b, "%s{\"id\":%d,\"name\":\"n%d\",\"kind\":\"b\"}", i ? "," : "", i, i);
    buf_add(&b, S("]"));
    buf_add_char(&b, 0);
    t_expect_ok(check(
        "{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"$ref\":\"#/$defs/r\"},\"$defs\":"
        "{\"r\":{\"type\":\"object\",\"required\":[\"id\",\"name\"],\"properties\":{\"id\":"
        "{\"type\":\"integer\",\"minimum\":0},\"name\":{\"type\":\"string\",\"pattern\":"
        "\"^n[0-9]+$\"},\"kind\":{\"anyOf\":[{\"const\":\"a\"},{\"const\":\"b\"}]}},"
        "\"unevaluatedProperties\":false}}}",
        b.p, NULL));
}

TEST(a_schema_of_too_many_values_is_refused)
{
    AUTO_BUF(b, MIB(4));
    AUTO(json_schema) *s = NULL;

    buf_add(&b, S("{\"enum\":[0"));
    for (int i = 0; i < 600000; i++)
        buf_add(&b, S(",0"));
    buf_add(&b, S("]}"));
    t_expect_err(json_schema_compile(parsed(buf_str(&b)), NULL, 0, 0, &s), E_TOO_LARGE);
}

/* ---- numbers ---- */

TEST(numbers_are_checked_in_decimal)
{
    static const struct {
        const char *schema, *value;
        Err want;
    } cases[] = {
        {"{\"multipleOf\":0.01}", "19.99", OK},
        {"{\"multipleOf\":0.01}", "19.999", E_INVALID},
        {"{\"multipleOf\":0.1}", "0.3", OK},
        {"{\"multipleOf\":3}", "1e20", E_INVALID},
        {"{\"multipleOf\":3}", "300000000000000000000000000003", OK},
        {"{\"multipleOf\":3}", "300000000000000000000000000004", E_INVALID},
        {"{\"multipleOf\":7}", "0", OK},
        {"{\"multipleOf\":0.5}", "1e400", OK},
        {"{\"multipleOf\":1e-10}", "1", OK},
        {"{\"maximum\":12345678901234567890}", "12345678901234567890", OK},
        {"{\"maximum\":12345678901234567890}", "12345678901234567891", E_INVALID},
        {"{\"exclusiveMinimum\":0.1}", "0.1", E_INVALID},
        {"{\"exclusiveMinimum\":0.1}", "0.10000000000000000000000001", OK},
        {"{\"minimum\":-1e400}", "-1e399", OK},
        {"{\"minimum\":-1e399}", "-1e400", E_INVALID},
        {"{\"type\":\"integer\"}", "1e400", OK},
        {"{\"type\":\"integer\"}", "12345678901234567890.0", OK},
        {"{\"type\":\"integer\"}", "1e-400", E_INVALID},
        {"{\"const\":1.0}", "1", OK},
        {"{\"enum\":[1,2,3,4,5,6,7,8,9,10.0]}", "1e1", OK},
        {"{\"enum\":[1,2,3,4,5,6,7,8,9,10.0]}", "11", E_INVALID},
        {"{\"uniqueItems\":true}", "[1,1.0]", E_INVALID},
        {"{\"maxLength\":1e400}", "\"x\"", OK},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Err e = check(cases[i].schema, cases[i].value, NULL);
        if (e != cases[i].want)
            t_fail(__FILE__, __LINE__, "%s on %s gave %s", cases[i].value, cases[i].schema,
                   err_name(e));
    }
}

/* ---- older drafts, as tools still send them ---- */

TEST(tuples_and_dependencies_of_older_drafts_are_understood)
{
    static const char tuple[] =
        "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"items\":[{\"type\":"
        "\"string\"},{\"type\":\"number\"}],\"additionalItems\":false,"
        "\"definitions\":{\"x\":{\"$id\":\"#named\",\"type\":\"null\"}}}";

    t_expect_ok(check(tuple, "[\"a\",1]", NULL));
    t_expect_err(check(tuple, "[1]", NULL), E_INVALID);
    t_expect_err(check(tuple, "[\"a\",1,2]", NULL), E_INVALID);
    t_expect_ok(
        check("{\"definitions\":{\"x\":{\"$id\":\"#n\",\"type\":\"null\"}},\"$ref\":\"#n\"}",
              "null", NULL));
}

/* ---- patterns ---- */

TEST(patterns_mean_what_they_mean_in_ecmascript)
{
    static const struct {
        const char *pattern;
        Str text;
        bool matches;
    } cases[] = {
        {"^.$", S_INIT("\n"), false},
        {"^.$", S_INIT("\xe2\x80\xa8"), false},
        {"^.$", S_INIT("\v"), true},
        {"^[^]$", S_INIT("\n"), true},
        {"[]", S_INIT("x"), false},
        {"^a$", S_INIT("a\n"), false},
        {"^[\\s]$", S_INIT("\xef\xbb\xbf"), true},
        {"^[\\S]$", S_INIT("\xef\xbb\xbf"), false},
        {"^[\\Sx ]$", S_INIT("\xf0\x9f\x98\x80"), true},
        {"^\\S$", S_INIT("\xc2\xa0"), false},
        {"^\\v$", S_INIT("\v"), true},
        {"^\\v$", S_INIT("\n"), false},
        {"^[\\b]$", S_INIT("\b"), true},
        {"^\\0$", S_INIT("\0"), true},
        {"^\\x41\\u0042\\u{43}$", S_INIT("ABC"), true},
        {"^\\ud83d\\ude00$", S_INIT("\xf0\x9f\x98\x80"), true},
        {"^[\\u{1f600}-\\u{1f64f}]$", S_INIT("\xf0\x9f\x98\x80"), true},
        {"^[[:alpha:]]$", S_INIT(":]"), true},
        {"^(a)|b\\1$", S_INIT("b"), true}, /* a group that took no part matches the empty text */
        {"^(?<x>a)\\k<x>$", S_INIT("aa"), true},
        {"^a{2}$", S_INIT("aa"), true},
        {"^a{,2}$", S_INIT("a{,2}"), true},
        {"^}]$", S_INIT("}]"), true},
        {"^\\/\\-\\.\\_\\@$", S_INIT("/-._@"), true},
        {"(?<!a)b", S_INIT("ab"), false},
        {"^\\p{Script=Greek}+$", S_INIT("\xce\xb1\xce\xb2"), true},
        {"^\\p{Lu}\\P{Lu}$", S_INIT("Aa"), true},
        {"^\\p{gc=Uppercase_Letter}$", S_INIT("A"), true},
        {"^a+?$", S_INIT("aaa"), true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct schema_pattern *pattern;
        struct schema_matcher *m = schema_matcher_new();
        bool matches = !cases[i].matches;
        Err e = schema_pattern_new(t_arena(), str_c(cases[i].pattern), &pattern);
        if (e == OK)
            e = schema_pattern_match(m, pattern, cases[i].text, &matches);
        schema_matcher_free(m);
        if (e != OK || matches != cases[i].matches)
            t_fail(__FILE__, __LINE__, "%s: %s", cases[i].pattern, e ? err_text(e) : "wrong");
    }
}

TEST(patterns_that_are_not_ecmascript_are_refused)
{
    static const char *const bad[] = {
        "(",
        ")",
        "[",
        "[b-a]",
        "a**",
        "a++",
        "*a",
        "+",
        "?",
        "{2}",
        "a{3,2}",
        "\\",
        "\\a",
        "\\A",
        "\\Z",
        "\\z",
        "\\h",
        "\\R",
        "\\X",
        "\\Q",
        "\\K",
        "\\C",
        "\\G",
        "\\e",
        "\\N",
        "\\y",
        "(?i)a",
        "(?i:a)",
        "(?>a)",
        "(?#a)",
        "(?P<n>a)",
        "(?P=n)",
        "(?|a)",
        "(?R)",
        "(?1)",
        "(*UTF)",
        "(*ACCEPT)",
        "(*LIMIT_MATCH=9)a",
        "(?<n",
        "(?<n>a)(?<n>b)",
        "\\1",
        "\\k<n>",
        "\\k",
        "\\x4",
        "\\u12",
        "\\u{}",
        "\\u{110000}",
        "\\u{0000041}",
        "\\ud800",
        "\\udc00",
        "\\c1",
        "\\c",
        "\\01",
        "\\p",
        "\\p{Nonsense}",
        "\\p{",
        "[\\B]",
        "[\\1]",
        "^*",
        "\\b+",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (schema_pattern_valid(str_c(bad[i])))
            t_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
    char nested[2 * 51 + 1];
    memset(nested, '(', 51);
    nested[51] = 'a';
    memset(nested + 52, ')', 51);
    t_expect(schema_pattern_valid(str_from(nested + 1, 101)));
    t_expect(!schema_pattern_valid(str_from(nested, 103)));
    char *long_one = arena_bytes(t_arena(), 20000);
    memset(long_one, 'a', 20000);
    t_expect(!schema_pattern_valid(str_from(long_one, 20000)));
}

/* ---- URIs ---- */

TEST(references_are_resolved_as_rfc3986_shows)
{
    static const struct {
        const char *ref, *want;
    } cases[] = {
        /* Sections 5.4.1 and 5.4.2. */
        {"g:h", "g:h"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/../x", "http://a/b/c/g#s/../x"},
        {"http:g", "http:g"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        t_expect_str(schema_uri_resolve(t_arena(), S("http://a/b/c/d;p?q"), str_c(cases[i].ref)),
                     str_c(cases[i].want));
    t_expect_str(schema_uri_resolve(t_arena(), S(""), S("x#y")), S("x#y"));
    t_expect_str(schema_uri_resolve(t_arena(), S("http://a"), S("b")), S("http://a/b"));
    t_expect_str(schema_uri_resolve(t_arena(), S("urn:x:y"), S("#z")), S("urn:x:y#z"));
    t_expect_str(schema_uri_decode(t_arena(), S("a%25%41%zz%4")), S("a%A%zz%4"));
}

/* ---- threads ---- */

static void *validate_often(void *arg)
{
    AUTO(arena) *a = arena_new(MIB(1));
    struct json *good, *bad;

    if (json_parse(a, S("{\"a\":[\"x1\",\"x2\"]}"), &good) != OK ||
        json_parse(a, S("{\"a\":[\"x1\",\"y\"]}"), &bad) != OK)
        return arg;
    for (int i = 0; i < 2000; i++) {
        JsonSchemaErrors errors = {0};
        if (json_schema_validate(arg, a, good, 1, &errors) != OK ||
            json_schema_validate(arg, a, bad, 0, NULL) != E_INVALID)
            return arg;
    }
    return NULL;
}

TEST(one_schema_serves_several_threads)
{
    AUTO(json_schema) *s = NULL;
    pthread_t threads[4];
    void *bad = NULL, *result;

    t_expect_ok(json_schema_compile(
        parsed(S("{\"properties\":{\"a\":{\"items\":{\"pattern\":\"^x[0-9]$\"}}},"
                 "\"unevaluatedProperties\":false}")),
        NULL, 0, 0, &s));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        t_expect_int(pthread_create(&threads[i], NULL, validate_often, s), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], &result);
        bad = result ? result : bad;
    }
    t_expect(!bad);
}
