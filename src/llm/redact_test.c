/* src/llm/redact_test.c - what may not be kept is not. */
#include "llm/redact.h"

#include "base/test.h"
#include "base/time.h"

static Str redacted(const char *text, const char *pattern)
{
    LlmPatterns patterns = {0};

    if (pattern)
        vec_push(t_arena(), &patterns, str_c(pattern));
    return llm_redact(t_arena(), str_c(text), &patterns, S("the-providers-own"));
}

TEST(credentials_are_never_kept)
{
    static const char *const secrets[] = {
        "sk-proj-abcdefghijklmnop0123",
        "hdl_0123456789abcdefXYZ",
        "AKIAIOSFODNN7EXAMPLE",
        "Bearer abcdef0123456789.-_~",
        "ghp_0123456789abcdef0123",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "the-providers-own",
        "-----BEGIN RSA PRIVATE KEY-----\\nabc\\n-----END RSA PRIVATE KEY-----"};

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        Str body =
            str_fmt(t_arena(), "{\"messages\":[{\"content\":\"my key is %s, ok?\"}]}", secrets[i]);
        t_expect_str(llm_redact(t_arena(), body, &(LlmPatterns){0}, S("the-providers-own")),
                     S("{\"messages\":[{\"content\":\"my key is [redacted], ok?\"}]}"));
    }
    t_expect_str(
        redacted("{\"args\":{\"Password\":\"x\",\"API_KEY\":\"y\",\"key\":\"z\"}}", NULL),
        S("{\"args\":{\"Password\":\"[redacted]\",\"API_KEY\":\"[redacted]\",\"key\":\"z\"}}"));
    t_expect_str(redacted("no JSON, but sk-abcdefghijklmnop0123", NULL),
                 S("no JSON, but [redacted]"));
}

TEST(patterns_take_out_what_they_find)
{
    t_expect_str(
        redacted("{\"a\":\"mail ann@example.org and bob@example.org\",\"n\":7}", "[a-z]+@[a-z.]+"),
        S("{\"a\":\"mail [redacted] and [redacted]\",\"n\":7}"));
    t_expect_str(redacted("{\"a\":\"x\"}", "y*"), S("{\"a\":\"x\"}"));
    t_expect_str(redacted("{\"a\":\"äöü\"}", "ö"), S("{\"a\":\"ä[redacted]ü\"}"));
    t_expect_err(llm_redact_check(S("(")), E_INVALID);
    t_expect_err(llm_redact_check(S("")), E_INVALID);
    t_expect_ok(llm_redact_check(S("\\d{3}-\\d{4}")));
}

TEST(a_text_that_a_pattern_takes_too_long_for_goes_whole)
{
    AUTO_BUF(b, MIB(1));

    buf_add_c(&b, "{\"a\":\"");
    for (int i = 0; i < 5000; i++)
        buf_add_char(&b, 'a');
    buf_add_c(&b, "!\"}");
    LlmPatterns patterns = {0};
    vec_push(t_arena(), &patterns, S("(a+)+$"));
    t_expect_str(llm_redact(t_arena(), buf_str(&b), &patterns, S("")), S("{\"a\":\"[redacted]\"}"));
}

TEST(what_is_kept_is_bounded_and_can_be_stored)
{
    AUTO_BUF(b, MIB(4));

    buf_add_c(&b, "{\"image\":\"");
    for (int i = 0; i < 100000; i++)
        buf_add_c(&b, "\303\244");
    buf_add_c(&b, "\"}");
    Str kept = llm_redact(t_arena(), buf_str(&b), &(LlmPatterns){0}, S(""));
    t_expect(kept.n < LLM_VALUE_MAX + 100 && str_ends(kept, S("... [200000 bytes]\"}")));
    t_expect_str(redacted("a\377b", NULL), S("a\357\277\275b"));
    t_expect_str(llm_redact(t_arena(), str_from("a\0b", 3), &(LlmPatterns){0}, S("")), S("a b"));
    t_expect_str(redacted("{\"a\":\"\\u0000\"}", NULL), S("{\"a\":\"\\u0000\"}"));
}

TEST(any_value_of_a_member_with_a_secret_name_goes)
{
    t_expect_str(redacted("{\"password\":[\"x\"],\"api_key\":12345,\"secret\":{\"a\":1},"
                          "\"passwd\":null,\"n\":[1]}",
                          NULL),
                 S("{\"password\":\"[redacted]\",\"api_key\":\"[redacted]\",\"secret\":"
                   "\"[redacted]\",\"passwd\":null,\"n\":[1]}"));
    /* JSON in a string, and in a string of that, or in the middle of a text. */
    t_expect_str(redacted("{\"arguments\":\"{\\\"p\\u0061ssword\\\": [1], \\\"b\\\": 2}\"}", NULL),
                 S("{\"arguments\":\"{\\\"password\\\":\\\"[redacted]\\\",\\\"b\\\":2}\"}"));
    t_expect_str(redacted("[\"{\\\"a\\\":\\\"{\\\\\\\"secret\\\\\\\":7}\\\"}\"]", NULL),
                 S("[\"{\\\"a\\\":\\\"{\\\\\\\"secret\\\\\\\":\\\\\\\"[redacted]\\\\\\\"}"
                   "\\\"}\"]"));
    t_expect_str(redacted("[\"{\\\"a\\\": 1}\"]", NULL), S("[\"{\\\"a\\\": 1}\"]"));
    t_expect_str(redacted("[\"see {\\\"Secret\\\" : \\\"x\\\\\\\"y\\\", \\\"b\\\": 1}\"]", NULL),
                 S("[\"see {\\\"Secret\\\" : \\\"[redacted]\\\", \\\"b\\\": 1}\"]"));
}

TEST(a_body_that_was_cut_is_without_secret_members_too)
{
    static const struct {
        const char *text, *kept;
    } rows[] = {
        {"{\"password\":\"a\\\"b\\\\\",\"n\":\"x", "{\"password\":\"[redacted]\",\"n\":\"x"},
        {"{\"api_key\" : 123,\"n\":\"x", "{\"api_key\" : [redacted],\"n\":\"x"},
        {"{\"secret\":[\"]\",{\"a\":2}],\"n\":", "{\"secret\":[redacted],\"n\":"},
        {"{\"secret\":{\"a\":[\"b", "{\"secret\":[redacted]"},
        {"{\"secret\":\"cut her", "{\"secret\":\"[redacted]"},
        {"{\"secret\":", "{\"secret\":"},
        {"{\"secret\"", "{\"secret\""},
        {"{\"passwd\":null,\"n\":", "{\"passwd\":null,\"n\":"},
        {"{\"args\":\"{\\n  \\\"password\\\":\\n \\\"a\\\\\\\"b\\\\\\\\\\\",\\\"n\\\":1}\",\"m",
         "{\"args\":\"{\\n  \\\"password\\\":\\n \\\"[redacted]\\\",\\\"n\\\":1}\",\"m"},
        {"{\"args\":\"{\\\"password\\\":\\\"a\",\"m",
         "{\"args\":\"{\\\"password\\\":\\\"[redacted]\",\"m"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        t_expect_str(redacted(rows[i].text, NULL), str_c(rows[i].kept));
}

TEST(nothing_is_found_in_a_mark_and_a_text_does_not_grow_by_marks)
{
    AUTO_BUF(b, MIB(2));
    LlmPatterns patterns = {0};
    AUTO(arena) *a = arena_new(MIB(4));

    t_expect_str(redacted("[\"a x b x\"]", "[xe]"), S("[\"a [redacted] b [redacted]\"]"));
    vec_push(t_arena(), &patterns, S("x"));
    for (int i = 0; i < 9; i++)
        vec_push(t_arena(), &patterns, S("e"));
    t_expect_str(llm_redact(a, S("[\"x!e!\"]"), &patterns, S("")),
                 S("[\"[redacted]![redacted]!\"]"));
    buf_add_c(&b, "[\"");
    for (int i = 0; i < 9000; i++)
        buf_add_c(&b, "x!");
    buf_add_c(&b, "\"]");
    t_expect_str(llm_redact(a, buf_str(&b), &patterns, S("")), S("[\"[redacted]\"]"));
    buf_reset(&b);
    for (int i = 0; i < 500000; i++)
        buf_add_c(&b, "x!");
    t_expect_str(llm_redact(a, buf_str(&b), &patterns, S("")), S("[redacted]"));
}

TEST(a_body_of_many_values_is_redacted_in_bounded_time_and_memory)
{
    static const char *const values[] = {
        "\"x!\",", "\"{\\\"a\\\":\\\"x!\\\"}\",", "{\"\":0},", "\"{}\",", "{\"secret\":0},", "[],"};
    LlmPatterns patterns = {0};

    vec_push(t_arena(), &patterns, S("x"));
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        AUTO_BUF(b, MIB(2));
        AUTO(arena) *a = arena_new(MIB(4));
        buf_add_char(&b, '[');
        while (b.n < MIB(1))
            buf_add_c(&b, values[i]);
        buf_add_c(&b, "0]");
        Str kept = llm_redact(a, buf_str(&b), &patterns, S(""));
        t_expect(kept.n > LLM_LOGGED_MAX && kept.n < LLM_LOGGED_MAX + 100);
    }
}

TEST(a_body_has_one_time_for_all_its_values)
{
    AUTO_BUF(b, MIB(1));
    LlmPatterns patterns = {0};

    vec_push(t_arena(), &patterns, S("(a+)+$"));
    buf_add_c(&b, "[\"short\"");
    for (int i = 0; i < 400; i++)
        buf_add_c(&b, ",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"");
    buf_add_c(&b, "]");
    Usec start = time_mono();
    Str kept = llm_redact(t_arena(), buf_str(&b), &patterns, S(""));
    t_expect(time_mono() - start < USEC_S);
    t_expect(str_starts(kept, S("[\"short\",")) && str_ends(kept, S("\"[redacted]\"]")));
}
