/* src/base/json_diff_test.c - where two JSON values differ. */
#include "base/json_diff.h"
#include "base/test.h"

static struct json *read(const char *text)
{
    struct json *v = NULL;
    if (json_parse(t_arena(), str_c(text), &v) != OK)
        t_fail(__FILE__, __LINE__, "the test's JSON is not valid: %s", text);
    return v;
}

/* "path left right; ..." */
static Str diff(const char *x, const char *y, size_t max)
{
    JsonDifferences found = {0};
    AUTO_BUF(b, KIB(64));

    bool whole = json_diff(t_arena(), read(x), read(y), max, &found);
    vec_each(&found, d) {
        buf_add_fmt(&b, "%s%.*s ", b.n ? "; " : "", P(d->path));
        if (d->left)
            json_write(&b, d->left);
        buf_add_char(&b, ' ');
        if (d->right)
            json_write(&b, d->right);
    }
    if (!whole)
        buf_add_c(&b, " ...");
    return str_dup(t_arena(), buf_str(&b));
}

TEST(equal_values_do_not_differ_whatever_the_order_of_their_members)
{
    t_expect_str(diff("{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2.0],\"a\":1}", 10), S(""));
    t_expect_str(diff("null", "null", 10), S(""));
    t_expect_str(diff("[]", "[]", 10), S(""));
}

TEST(differences_are_told_by_their_paths_in_the_order_of_the_left)
{
    t_expect_str(diff("{\"a\":1,\"b\":{\"c\":[1,2,3]},\"x\":0}",
                      "{\"b\":{\"c\":[1,5,3,4]},\"a\":2,\"y\":null}", 10),
                 S("/a 1 2; /b/c/1 2 5; /b/c/3  4; /x 0 ; /y  null"));
    t_expect_str(diff("{\"a\":[1]}", "{\"a\":{\"0\":1}}", 10), S("/a [1] {\"0\":1}"));
    t_expect_str(diff("1", "\"1\"", 10), S(" 1 \"1\""));
    t_expect_str(diff("[1,2]", "[1]", 10), S("/1 2 "));
}

TEST(names_in_paths_are_escaped_as_json_pointer_wants_it)
{
    t_expect_str(diff("{\"a/b\":{\"~\":1}}", "{\"a/b\":{\"~\":2}}", 10), S("/a~1b/~0 1 2"));
}

TEST(no_more_differences_are_told_than_asked_for)
{
    t_expect_str(diff("[1,2,3,4]", "[5,6,7,8]", 2), S("/0 1 5; /1 2 6 ..."));
    t_expect_str(diff("[1,2,3,4]", "[5,6,3,4]", 2), S("/0 1 5; /1 2 6"));
}

TEST(values_that_are_nested_deeply_are_compared_without_recursion)
{
    AUTO_BUF(x, KIB(1));
    AUTO_BUF(y, KIB(1));
    for (int i = 0; i < 190; i++) {
        buf_add_char(&x, '[');
        buf_add_char(&y, '[');
    }
    buf_add_char(&x, '1');
    buf_add_char(&y, '2');
    for (int i = 0; i < 190; i++) {
        buf_add_char(&x, ']');
        buf_add_char(&y, ']');
    }
    JsonDifferences found = {0};
    t_expect(json_diff(t_arena(), read(str_dup_c(t_arena(), buf_str(&x))),
                       read(str_dup_c(t_arena(), buf_str(&y))), 10, &found));
    t_expect_int((int64_t)found.n, 1);
    t_expect_int((int64_t)found.at[0].path.n, 380);
}
