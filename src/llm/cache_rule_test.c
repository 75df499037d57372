/* src/llm/cache_rule_test.c - what is kept, and what requests say of it. */
#include "llm/cache_rule.h"

#include "base/test.h"

static Err read_rule(const char *text, struct llm_cache_rule *ret_rule)
{
    struct json *v;

    TRY(json_parse(t_arena(), str_c(text), &v));
    return llm_cache_rule_read(v, ret_rule);
}

TEST(a_cache_rule_comes_back_as_it_was_written)
{
    struct llm_cache_rule rule = {0};

    t_expect_ok(read_rule("{\"ttl\": \"60m\"}", &rule));
    t_expect(rule.given && !rule.shared && rule.ttl == USEC_H);
    t_expect_str(json_text(t_arena(), llm_cache_rule_json(t_arena(), &rule)),
                 S("{\"ttl\":\"1h\",\"scope\":\"key\"}"));
    t_expect_ok(read_rule("{\"scope\": \"tenant\", \"ttl\": \"0s\"}", &rule));
    t_expect(rule.given && rule.shared && rule.ttl == 0);
    t_expect_ok(read_rule("{\"ttl\": \"1h\", \"similarity\": 0.95, \"embeddings\": \"e\"}", &rule));
    t_expect_str(json_text(t_arena(), llm_cache_rule_json(t_arena(), &rule)),
                 S("{\"ttl\":\"1h\",\"scope\":\"key\",\"similarity\":0.95,\"embeddings\":\"e\"}"));
    t_expect_ok(read_rule("null", &rule));
    t_expect(!rule.given && !llm_cache_rule_json(t_arena(), &rule));
}

TEST(a_cache_rule_that_is_wrong_is_refused_by_name)
{
    static const char *const wrong[] = {
        "[]",
        "true",
        "{}",
        "{\"scope\":\"key\"}",
        "{\"ttl\":60}",
        "{\"ttl\":\"10ms\"}",
        "{\"ttl\":\"31d\"}",
        "{\"ttl\":\"1h\",\"scope\":\"user\"}",
        "{\"ttl\":\"1h\",\"colour\":1}",
        "{\"ttl\":\"1h\",\"similarity\":0.9}",
        "{\"ttl\":\"1h\",\"embeddings\":\"e\"}",
        "{\"ttl\":\"1h\",\"similarity\":0.4,\"embeddings\":\"e\"}",
        "{\"ttl\":\"1h\",\"similarity\":\"1\",\"embeddings\":\"e\"}",
        "{\"ttl\":\"1h\",\"similarity\":1,\"embeddings\":\"\"}"};
    struct llm_cache_rule rule = {0};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        t_expect_err(read_rule(wrong[i], &rule), E_INVALID);
        t_expect(!rule.given);
    }
}

TEST(cache_control_is_read_as_http_says)
{
    struct llm_cache_control c = llm_cache_control_read(S(""));
    t_expect(!c.no_cache && !c.no_store && !c.only && c.max_age == USEC_NEVER);

    c = llm_cache_control_read(S("No-Cache"));
    t_expect(c.no_cache && !c.no_store && !c.only);
    c = llm_cache_control_read(S(" max-age=60 , ONLY-IF-CACHED,max-stale=7, x=\"a,b\",,"));
    t_expect(c.only && c.max_age == 60 * USEC_S && !c.no_cache);
    c = llm_cache_control_read(S("max-age=\"5\", no-store"));
    t_expect(c.no_store && c.max_age == 5 * USEC_S);
    t_expect_int(llm_cache_control_read(S("max-age=")).max_age, 0);
    t_expect_int(llm_cache_control_read(S("max-age=soon")).max_age, 0);
    t_expect_int(llm_cache_control_read(S("max-age=60, max-age=5")).max_age, 5 * USEC_S);
    t_expect(llm_cache_control_read(S("max-age=99999999999999999")).max_age == USEC_NEVER);
    t_expect(!llm_cache_control_read(S("no-caches")).no_cache);
}
