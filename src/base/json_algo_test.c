/* src/base/json_algo_test.c */
#include "base/json.h"
#include "base/test.h"

static struct json *parsed(Str text)
{
    struct json *v = NULL;
    if (json_parse(t_arena(), text, &v) != OK)
        t_fail(__FILE__, __LINE__, "%.*s: %s", P(text), err_text(E_SYNTAX));
    return v;
}

/* ---- equality and hashes ---- */

TEST(equal_values_are_equal_and_hash_alike)
{
    static const struct {
        const char *x, *y;
    } cases[] = {
        {"null", "null"},
        {"1", "1.0"},
        {"1", "1e0"},
        {"100", "1e2"},
        {"0", "-0"},
        {"0.1", "1e-1"},
        {"12345678901234567890", "12345678901234567890.0"},
        {"12345678901234567890", "1234567890123456789.0e1"},
        {"9007199254740993", "9007199254740993.0"},
        {"1e400", "0.1e401"},
        {"1e99999999999999999999", "1e99999999999999999999"},
        {"0.30000000000000000000000000000000001", "30000000000000000000000000000000001e-35"},
        {"\"a\\u0062\"", "\"ab\""},
        {"{\"a\":1,\"b\":[2,{}]}", "{\"b\":[2.0,{}],\"a\":1}"},
        {"[[],{},\"\",0]", "[[ ],{ },\"\",0e5]"},
        {"{\"a\":{\"x\":1,\"y\":2},\"b\":{\"x\":3}}", "{\"b\":{\"x\":3},\"a\":{\"y\":2,\"x\":1}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *x = parsed(str_c(cases[i].x)), *y = parsed(str_c(cases[i].y));
        if (!json_equal(x, y) || !json_equal(y, x) || json_hash(x) != json_hash(y))
            t_fail(__FILE__, __LINE__, "%s and %s", cases[i].x, cases[i].y);
    }
}

TEST(different_values_differ_and_hash_apart)
{
    static const char *const texts[] = {
        "null",
        "false",
        "true",
        "0",
        "1",
        "-1",
        "0.5",
        "0.1",
        "10",
        "1e1000",
        "1e1001",
        "-1e1000",
        "12345678901234567890",
        "12345678901234567891",
        "9007199254740993",
        "9007199254740992",
        "0.30000000000000004",
        "0.3",
        "0.30000000000000003",
        "1e99999999999999999999",
        "1e99999999999999999998",
        "\"\"",
        "\"0\"",
        "\"a\"",
        "\"null\"",
        "[]",
        "[0]",
        "[1]",
        "[0,0]",
        "[0,1]",
        "[1,0]",
        "[[]]",
        "[[],[]]",
        "[[[]]]",
        "[null]",
        "{}",
        "[{}]",
        "{\"a\":1}",
        "{\"a\":2}",
        "{\"b\":1}",
        "{\"a\":1,\"b\":2}",
        "{\"a\":2,\"b\":1}",
        "{\"a\":null}",
        "{\"a\":{\"a\":1}}",
        "{\"a\":[1]}",
        "{\"a\":{\"x\":1,\"y\":2}}",
        "{\"a\":{\"x\":2,\"y\":1}}",
        "[\"a\",1]",
        "\"a\\u0000\"",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
            struct json *x = parsed(str_c(texts[i])), *y = parsed(str_c(texts[j]));
            if (json_equal(x, y) != (i == j) || (json_hash(x) == json_hash(y)) != (i == j))
                t_fail(__FILE__, __LINE__, "%s and %s", texts[i], texts[j]);
        }
    }
    t_expect(json_equal(NULL, NULL));
}

TEST(large_objects_in_any_order_are_equal)
{
    enum { N = 20000 };
    struct arena *a = t_arena();
    struct json *x = json_obj(a, NULL), *y = json_obj(a, NULL);

    for (int i = 0; i < N; i++) {
        json_set(a, x, str_fmt(a, "k%d", i), json_int(a, i));
        json_set(a, y, str_fmt(a, "k%d", N - 1 - i), json_int(a, N - 1 - i));
    }
    t_expect(json_equal(x, y));
    t_expect(json_hash(x) == json_hash(y));
    json_set(a, y, S("k7"), json_int(a, 8));
    t_expect(!json_equal(x, y));
    t_expect(json_hash(x) != json_hash(y));
}

/* ---- pointers: the examples of RFC 6901 section 5, and what it forbids ---- */

static const char rfc6901[] =
    "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"
    "\"k\\\"l\":6,\" \":7,\"m~n\":8}";

TEST(the_pointers_of_rfc6901_find_their_values)
{
    static const struct {
        const char *pointer, *value;
    } cases[] = {
        {"", rfc6901},         {"/foo", "[\"bar\",\"baz\"]"},
        {"/foo/0", "\"bar\""}, {"/", "0"},
        {"/a~1b", "1"},        {"/c%d", "2"},
        {"/e^f", "3"},         {"/g|h", "4"},
        {"/i\\j", "5"},        {"/k\"l", "6"},
        {"/ ", "7"},           {"/m~0n", "8"},
    };
    struct json *v = parsed(str_c(rfc6901)), *found;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        t_expect_ok(json_pointer(v, str_c(cases[i].pointer), &found));
        t_expect_str(json_text(t_arena(), found), str_c(cases[i].value));
    }
    t_expect_ok(json_pointer(parsed(S("{\"~1\":{\"\":{\"\":9}}}")), S("/~01//"), &found));
    t_expect_int(json_int_of(found, 0), 9);
}

TEST(pointers_that_lead_nowhere_or_are_malformed_are_told_apart)
{
    static const char *const nowhere[] = {
        "/bar",     "/foo/2",  "/foo/-", "/foo/01",  "/foo/+1", "/foo/",
        "/foo/0/0", "/a~1b/x", "/FOO",   "/foo/1e0", "//",      "/foo/99999999999999999999",
        "/foo/ 0"};
    static const char *const bad[] = {"foo", " ", "/~", "/~2", "/foo~", "/bar/~x", "0", "#/foo"};
    struct json *v = parsed(str_c(rfc6901)), *found = v;

    for (size_t i = 0; i < ARRAY_LEN(nowhere); i++)
        t_expect_err(json_pointer(v, str_c(nowhere[i]), &found), E_NOT_FOUND);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        t_expect_err(json_pointer(v, str_c(bad[i]), &found), E_SYNTAX);
    t_expect_err(json_pointer(NULL, S(""), &found), E_NOT_FOUND);
    t_expect(found == v);
}

/* ---- merge patch ---- */

TEST(the_merge_patches_of_rfc7396_give_their_results)
{
    static const struct {
        const char *target, *patch, *result;
    } cases[] = {
        /* Appendix A. */
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        /* Section 3. */
        {"{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},"
         "\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}",
         "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\",\"author\":"
         "{\"familyName\":null},\"tags\":[\"example\"]}",
         "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],"
         "\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}"},
        /* Arrays inside are taken as they are, nulls and all. */
        {"{}", "{\"a\":[{\"b\":null}]}", "{\"a\":[{\"b\":null}]}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *target = parsed(str_c(cases[i].target));
        struct json *patch = parsed(str_c(cases[i].patch));
        struct json *result = json_merge_patch(t_arena(), target, patch);
        t_expect_str(json_text(t_arena(), result), str_c(cases[i].result));
        t_expect_str(json_text(t_arena(), target), str_c(cases[i].target));
        t_expect_str(json_text(t_arena(), patch), str_c(cases[i].patch));
    }
    t_expect_str(json_text(t_arena(), json_merge_patch(t_arena(), NULL, parsed(S("{\"a\":null}")))),
                 S("{}"));
}

TEST(a_patch_of_many_members_takes_linear_time)
{
    enum { N = 50000 };
    struct arena *a = t_arena();
    struct json *target = json_obj(a, NULL), *patch = json_obj(a, NULL);

    for (int i = 0; i < N; i++) {
        json_set(a, target, str_fmt(a, "k%d", i), json_int(a, i));
        json_set(a, patch, str_fmt(a, "k%d", i + 1), i % 2 ? json_null(a) : json_int(a, -1));
    }
    Usec start = time_mono();
    struct json *result = json_merge_patch(a, target, patch);
    t_expect(time_mono() - start < 10 * USEC_S);
    t_expect_int(json_len(result),
                 N / 2 + 1); /* k0 and the odd ones, the last of them new or old */
    t_expect_int(json_int_of(json_at(result, "k0"), -7), 0);
    t_expect_int(json_int_of(json_at(result, "k1"), -7), -1);
    t_expect(!json_at(result, "k2"));
}
