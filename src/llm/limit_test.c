/* src/llm/limit_test.c - policies as they are written, windows of the calendar, and counters. */
#include "llm/limit.h"

#include "base/test.h"

static struct json *parse(const char *text)
{
    struct json *v = NULL;

    return json_parse(t_arena(), str_c(text), &v) == OK ? v : NULL;
}

TEST(limit_policy_reads_back_what_it_writes)
{
    static const char text[] =
        "{\"limits\":{\"requests\":{\"minute\":60},\"cost_micros\":{\"day\":0,"
        "\"month\":5000000}},\"models\":[\"chat\",\"openai/*\"],"
        "\"endpoints\":[\"chat\"]}";
    struct llm_policy p;

    t_expect_ok(llm_policy_read(t_arena(), parse(text), &p));
    t_expect_str(json_text(t_arena(), llm_policy_json(t_arena(), &p)), str_c(text));
    t_expect_int(p.max[LLM_REQUESTS * LLM_PERS + LLM_PER_MINUTE], 60);
    t_expect_int(p.max[LLM_REQUESTS * LLM_PERS + LLM_PER_HOUR], -1);
    t_expect_int(p.max[LLM_COST * LLM_PERS + LLM_PER_DAY], 0);
    t_expect(llm_policy_has_limits(&p));
    t_expect_ok(llm_policy_read(t_arena(), parse("{}"), &p));
    t_expect(!llm_policy_has_limits(&p));
}

TEST(limit_policy_refuses_what_it_does_not_know)
{
    static const char *const bad[] = {
        "[]",
        "{\"colour\":1}",
        "{\"limits\":[]}",
        "{\"limits\":{\"words\":{\"day\":1}}}",
        "{\"limits\":{\"tokens\":5}}",
        "{\"limits\":{\"tokens\":{\"week\":5}}}",
        "{\"limits\":{\"tokens\":{\"day\":-1}}}",
        "{\"limits\":{\"tokens\":{\"day\":1.5}}}",
        "{\"limits\":{\"tokens\":{\"day\":\"1\"}}}",
        "{\"limits\":{\"tokens\":{\"day\":9223372036854775807}}}",
        "{\"models\":\"chat\"}",
        "{\"models\":[\"\"]}",
        "{\"endpoints\":[3]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct llm_policy p;
        t_expect_err(llm_policy_read(t_arena(), parse(bad[i]), &p), E_INVALID);
    }
}

TEST(limit_policy_allows_names_and_beginnings)
{
    struct llm_policy p;

    t_expect_ok(llm_policy_read(
        t_arena(), parse("{\"models\":[\"chat\",\"openai/*\"],\"endpoints\":[\"chat\"]}"), &p));
    t_expect(llm_policy_allows_model(&p, S("chat")));
    t_expect(llm_policy_allows_model(&p, S("openai/gpt-4o")));
    t_expect(llm_policy_allows_model(&p, S("openai/")));
    t_expect(!llm_policy_allows_model(&p, S("chats")));
    t_expect(!llm_policy_allows_model(&p, S("openai")));
    t_expect(!llm_policy_allows_model(&p, S("gpt-4o")));
    t_expect(llm_policy_allows_endpoint(&p, S("chat")));
    t_expect(!llm_policy_allows_endpoint(&p, S("embeddings")));
    t_expect_ok(llm_policy_read(t_arena(), parse("{}"), &p));
    t_expect(llm_policy_allows_model(&p, S("any")) && llm_policy_allows_endpoint(&p, S("any")));
}

TEST(limit_windows_are_those_of_the_calendar)
{
    static const struct {
        enum llm_per per;
        const char *at, *from, *to;
    } cases[] = {
        {LLM_PER_MINUTE, "2027-01-31T23:59:59.9Z", "2027-01-31T23:59:00Z", "2027-02-01T00:00:00Z"},
        {LLM_PER_HOUR, "2027-01-31T23:59:59Z", "2027-01-31T23:00:00Z", "2027-02-01T00:00:00Z"},
        {LLM_PER_DAY, "2027-01-31T00:00:00Z", "2027-01-31T00:00:00Z", "2027-02-01T00:00:00Z"},
        {LLM_PER_MONTH, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
        {LLM_PER_MONTH, "2027-12-31T23:59:59Z", "2027-12-01T00:00:00Z", "2028-01-01T00:00:00Z"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Usec at, from, to, want;
        t_expect_ok(time_parse_rfc3339(str_c(cases[i].at), &at));
        llm_window(cases[i].per, at, &from, &to);
        t_expect_ok(time_parse_rfc3339(str_c(cases[i].from), &want));
        t_expect_int(from, want);
        t_expect_ok(time_parse_rfc3339(str_c(cases[i].to), &want));
        t_expect_int(to, want);
    }
}

TEST(limit_counter_reserves_no_more_than_is_granted)
{
    struct llm_counter c = {.max = 100};

    llm_counter_roll(&c, LLM_PER_MINUTE, 5 * USEC_MIN + 1);
    t_expect_int(c.from, 5 * USEC_MIN);
    t_expect(!llm_counter_reserve(&c, 1));
    t_expect(llm_counter_reserve(&c, 0)); /* what needs nothing lacks nothing */
    c.granted = 10;
    t_expect(llm_counter_reserve(&c, 7));
    t_expect(!llm_counter_reserve(&c, 4));
    llm_counter_settle(&c, 7, 2);
    t_expect_int(llm_counter_free(&c), 8);
    t_expect(llm_counter_reserve(&c, 8));
    llm_counter_settle(&c, 8, 20);
    t_expect_int(llm_counter_free(&c), -12); /* it used more than anybody thought */
}

TEST(limit_counter_owes_what_is_reserved_to_the_next_window)
{
    struct llm_counter c = {.max = 100, .granted = 10};

    llm_counter_roll(&c, LLM_PER_MINUTE, 0);
    c.granted = 10;
    t_expect(llm_counter_reserve(&c, 7));
    llm_counter_settle(&c, 0, 3);
    llm_counter_roll(&c, LLM_PER_MINUTE, USEC_MIN);
    t_expect_int(c.used, 0);
    t_expect_int(c.reserved, 7);
    t_expect_int(llm_counter_free(&c), -7);
}
