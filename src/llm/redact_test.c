/* src/llm/redact_test.c - what may not be kept is not. */
#include "llm/redact.h"

#include "base/test.h"

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
