/* src/main/apply_test.c - files that are applied, as trees. */
#include "base/arena.h"
#include "base/json.h"
#include "base/test.h"
#include "main/apply.h"

static Str parse(const char *text)
{
    struct json *v = NULL;
    Err e = apply_parse(t_arena(), str_c(text), &v);

    return e == OK ? json_text(t_arena(), v) : str_dup(t_arena(), str_c(err_client_text(e)));
}

TEST(apply_reads_yaml_and_json_alike)
{
    static const char *const same[] = {
        "a: 1\nb: [x, \"2\", true, null, -1.5]\nc:\n  - {d: 'e'}\n  - ~\n",
        "{\"a\": 1, \"b\": [\"x\", \"2\", true, null, -1.5], \"c\": [{\"d\": \"e\"}, null]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        t_expect_str(parse(same[i]), S("{\"a\":1,\"b\":[\"x\",\"2\",true,null,-1.5],\"c\":[{\"d\":"
                                       "\"e\"},null]}"));
    t_expect_str(parse(""), S("{}"));
    t_expect_str(parse("# nothing\n"), S("{}"));
    t_expect_str(parse("v: 2024-10-21\nw: 20s\nx: 1e3x\ny: 0x10\n"),
                 S("{\"v\":\"2024-10-21\",\"w\":\"20s\",\"x\":\"1e3x\",\"y\":\"0x10\"}"));
}

TEST(apply_names_the_line_of_what_it_does_not_take)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"a: 1\nb: &x 2\n", "Line 2: anchors"},
        {"a: 1\nb: *x\n", "Line 2: aliases"},
        {"a: 1\na: 2\n", "Line 2: this name"},
        {"a: !!str 1\n", "Line 1: anchors"},
        {"a: [1\n", "Line "},
        {"a: 1\n---\nb: 2\n", "second document"},
        {"? [a]\n: 1\n", "Line 1: a name must"},
        {"\xff\xfe", "not UTF-8"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_find(parse(rows[i].text), str_c(rows[i].says)) == SIZE_MAX)
            t_fail(__FILE__, __LINE__, "%s: %.*s", rows[i].text, P(parse(rows[i].text)));
}

TEST(apply_takes_no_depth_that_is_too_deep)
{
    char text[4096];

    memset(text, '[', sizeof text - 1);
    text[sizeof text - 1] = 0;
    t_expect(str_find(parse(text), S("nested too deep")) != SIZE_MAX);
}

TEST(apply_puts_the_environment_into_texts)
{
    static const char *const env[] = {"A=1", "AB=two", "EMPTY=", NULL};
    Str out;

    t_expect_ok(apply_expand(t_arena(), env, S("x${A}y${AB}${EMPTY}z$"), &out));
    t_expect_str(out, S("x1ytwoz$"));
    t_expect_err(apply_expand(t_arena(), env, S("${B}"), &out), E_NOT_FOUND);
    t_expect_err(apply_expand(t_arena(), env, S("${A"), &out), E_INVALID);
    t_expect_err(apply_expand(t_arena(), env, S("${}"), &out), E_INVALID);
}
