/* src/llm/body_test.c - what the scanner finds, however a body is cut, and what it refuses. */
#include "llm/body.h"

#include "base/json.h"
#include "base/test.h"

static struct llm_member wanted[] = {
    {S_INIT("model"), 0, 0}, {S_INIT("stream"), 0, 0}, {S_INIT("stream_options"), 0, 0}};

static Err scan(Str text)
{
    return llm_scan_text(text, wanted, ARRAY_LEN(wanted));
}

static Str value(Str text, size_t i)
{
    return llm_member_text(text, &wanted[i]);
}

TEST(body_members_of_the_outermost_object_are_found)
{
    Str text = S(" {\"messages\":[{\"model\":\"no\",\"stream\":[1,{}]}],\"model\" : \"a\\\"b\" ,"
                 "\"n\":-1.5e3,\"stream\":true,\"stream_options\":{ \"x\":[] } } \n");

    t_expect_ok(scan(text));
    t_expect_str(value(text, 0), S("\"a\\\"b\""));
    t_expect_str(value(text, 1), S("true"));
    t_expect_str(value(text, 2), S("{ \"x\":[] }"));
    text = S("{\"stream\":12}");
    t_expect_ok(scan(text));
    t_expect_str(value(text, 1), S("12"));
    t_expect_int(wanted[0].to, 0);
    t_expect_ok(scan(S("{}")));
}

TEST(body_names_with_escapes_are_the_same_names)
{
    Str text = S("{\"\\u006d\\u006f\\u0064\\u0065\\u006c\":\"x\"}");

    t_expect_ok(scan(text));
    t_expect_str(value(text, 0), S("\"x\""));
    t_expect_err(scan(S("{\"model\":\"a\",\"mod\\u0065l\":\"b\"}")), E_BAD_INPUT);
    t_expect_err(scan(S("{\"mod\\q\":\"b\"}")), E_SYNTAX);
}

TEST(body_with_a_member_given_twice_is_refused)
{
    t_expect_err(scan(S("{\"model\":\"a\",\"model\":\"b\"}")), E_BAD_INPUT);
    t_expect(str_find(str_c(err_client_text(E_BAD_INPUT)), S("\"model\" twice")) != SIZE_MAX);
    t_expect_ok(scan(S("{\"other\":\"a\",\"other\":\"b\"}"))); /* the upstream's business */
}

TEST(body_that_is_no_object_is_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1}}",
        "{\"a\":[1}",
        "{\"a\":1]",
        "{a:1}",
        "{\"a\":tru}",
        "nul",
        "{\"a\":1 2}",
        "{\"a\":nulll}",
        "{\"a\":\"\n\"}",
        "{\"a\":[,1]}",
        "\"x\"",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (scan(str_c(bad[i])) == OK)
            t_fail(__FILE__, __LINE__, "%s was taken", bad[i]);
}

TEST(body_may_be_nested_just_so_deep)
{
    AUTO_BUF(b, KIB(8));

    buf_add_c(&b, "{\"a\":");
    for (int i = 1; i < LLM_SCAN_DEPTH; i++)
        buf_add_char(&b, '[');
    size_t open = b.n;
    for (int i = 1; i < LLM_SCAN_DEPTH; i++)
        buf_add_char(&b, ']');
    buf_add_c(&b, ",\"model\":\"m\"}");
    t_expect_ok(scan(buf_str(&b)));
    t_expect_str(value(buf_str(&b), 0), S("\"m\""));
    b.n = open;
    buf_add_char(&b, '[');
    t_expect_err(scan(buf_str(&b)), E_TOO_LARGE);
}

TEST(body_cut_at_every_byte_gives_the_same)
{
    Str text =
        S("{\"a\\u0062\":[true,null,{\"model\":1}],\"model\":\"gpt \\\\\\\"\\u00e9 \xc3\xa9\","
          "\"str\\u0065am\":false,\"n\":10,\"stream_options\":{\"include_usage\":true}}");
    struct llm_member parts[ARRAY_LEN(wanted)];

    t_expect_ok(scan(text));
    for (size_t cut = 0; cut <= text.n; cut++) {
        struct llm_scan s;
        memcpy(parts, wanted, sizeof parts);
        llm_scan_init(&s, parts, ARRAY_LEN(parts));
        t_expect_ok(llm_scan_feed(&s, str_head(text, cut)));
        t_expect_ok(llm_scan_feed(&s, str_skip(text, cut)));
        t_expect_ok(llm_scan_end(&s));
        t_expect(memcmp(parts, wanted, sizeof parts) == 0);
    }
    struct llm_scan s;
    llm_scan_init(&s, parts, ARRAY_LEN(parts));
    for (size_t i = 0; i < text.n; i++)
        t_expect_ok(llm_scan_feed(&s, str_from(text.p + i, 1)));
    t_expect_ok(llm_scan_end(&s));
    t_expect(memcmp(parts, wanted, sizeof parts) == 0);
}

TEST(body_is_edited_in_place_and_nowhere_else)
{
    Str text = S("{ \"x\": 1.0e5, \"model\": \"a/b\", \"y\": \"\\u0041\" }");
    AUTO_BUF(out, KIB(1));

    t_expect_ok(scan(text));
    struct llm_edit edit = {wanted[0].from, wanted[0].to, S("\"b\",\"z\":1")};
    llm_body_edit(text, &edit, 1, &out);
    t_expect_str(buf_str(&out),
                 S("{ \"x\": 1.0e5, \"model\": \"b\",\"z\":1, \"y\": \"\\u0041\" }"));
    struct json *v;
    t_expect_ok(json_parse(t_arena(), buf_str(&out), &v));
    t_expect_str(json_str_of(json_at(v, "model"), S("")), S("b"));
}
