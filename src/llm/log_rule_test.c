/* src/llm/log_rule_test.c - rules of the log. */
#include "llm/log_rule.h"

#include "base/test.h"

static Err read_rule(const char *text, struct llm_log_rule *ret_rule)
{
    struct json *v;

    TRY(json_parse(t_arena(), str_c(text), &v));
    return llm_log_rule_read(t_arena(), v, ret_rule);
}

TEST(a_log_rule_comes_back_as_it_was_written)
{
    struct llm_log_rule rule = {0};

    t_expect_ok(read_rule("{\"rate\":0.25,\"redact\":[\"[a-z]+@[a-z]+\"]}", &rule));
    t_expect(rule.given && rule.rate == 0.25 && rule.redact.n == 1);
    t_expect_str(json_text(t_arena(), llm_log_rule_json(t_arena(), &rule)),
                 S("{\"rate\":0.25,\"redact\":[\"[a-z]+@[a-z]+\"]}"));
    t_expect_ok(read_rule("null", &rule));
    t_expect(!rule.given && !llm_log_rule_json(t_arena(), &rule));
}

TEST(a_log_rule_that_is_wrong_is_refused)
{
    static const char *const wrong[] = {"[]",
                                        "{}",
                                        "{\"rate\":\"1\"}",
                                        "{\"rate\":1.5}",
                                        "{\"rate\":-1}",
                                        "{\"rate\":1,\"redact\":\"x\"}",
                                        "{\"rate\":1,\"redact\":[\"(\"]}",
                                        "{\"rate\":1,\"redact\":[7]}",
                                        "{\"rate\":1,\"colour\":1}"};
    struct llm_log_rule rule = {0};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        t_expect_err(read_rule(wrong[i], &rule), E_INVALID);
}
