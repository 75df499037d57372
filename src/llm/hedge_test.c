/* src/llm/hedge_test.c - when a second target is called. */
#include "llm/hedge.h"

#include "base/test.h"

static Err read_hedge(const char *text, struct llm_hedge *ret_hedge)
{
    struct json *v;

    TRY(json_parse(t_arena(), str_c(text), &v));
    return llm_hedge_read(v, ret_hedge);
}

TEST(a_hedge_comes_back_as_it_was_written)
{
    struct llm_hedge h = {0};

    t_expect_ok(read_hedge("{\"after\": \"0.8s\"}", &h));
    t_expect(!h.usual && h.after == 800 * USEC_MS && h.max == 1);
    t_expect_str(json_text(t_arena(), llm_hedge_json(t_arena(), &h)),
                 S("{\"after\":\"800ms\",\"max\":1}"));
    t_expect_ok(read_hedge("{\"max\": 3, \"after\": \"p95\"}", &h));
    t_expect(h.usual && llm_hedge_is_on(&h) && h.max == 3);
    t_expect_str(json_text(t_arena(), llm_hedge_json(t_arena(), &h)),
                 S("{\"after\":\"p95\",\"max\":3}"));
    t_expect_ok(read_hedge("null", &h));
    t_expect(!llm_hedge_is_on(&h) && !llm_hedge_json(t_arena(), &h));
}

TEST(a_hedge_that_is_wrong_is_refused_by_name)
{
    static const char *const wrong[] = {"[]",
                                        "true",
                                        "{}",
                                        "{\"max\":1}",
                                        "{\"after\":800}",
                                        "{\"after\":\"\"}",
                                        "{\"after\":\"p50\"}",
                                        "{\"after\":\"9ms\"}",
                                        "{\"after\":\"11m\"}",
                                        "{\"after\":\"1s\",\"max\":0}",
                                        "{\"after\":\"1s\",\"max\":4}",
                                        "{\"after\":\"1s\",\"max\":\"1\"}",
                                        "{\"after\":\"1s\",\"delay\":1}"};
    struct llm_hedge h = {0};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        t_expect_err(read_hedge(wrong[i], &h), E_INVALID);
        t_expect(!llm_hedge_is_on(&h));
    }
}

TEST(the_pace_of_a_target_is_known_after_twenty_calls)
{
    struct llm_pace pace = {0};

    for (int i = 1; i < LLM_PACE_LEAST; i++)
        llm_pace_add(&pace, i * 100 * USEC_MS);
    t_expect_int(llm_pace_p95(&pace), 0);
    llm_pace_add(&pace, 2 * USEC_S);
    t_expect_int(llm_pace_p95(&pace), 1900 * USEC_MS);
}

TEST(the_pace_of_a_target_is_that_of_its_last_calls)
{
    struct llm_pace pace = {0};

    for (int i = 0; i < 1000; i++)
        llm_pace_add(&pace, USEC_MIN);
    for (int i = 0; i < LLM_PACE_LAST; i++)
        llm_pace_add(&pace, (i % 16 == 0 ? 500 : 50) * USEC_MS);
    t_expect_int(llm_pace_p95(&pace), 500 * USEC_MS); /* 4 of 64 are more than one in twenty */
    for (int i = 0; i < LLM_PACE_LAST; i++)
        llm_pace_add(&pace, (i == 7 ? 500 : 50) * USEC_MS);
    t_expect_int(llm_pace_p95(&pace), 50 * USEC_MS);
    for (int i = 0; i < LLM_PACE_LAST; i++)
        llm_pace_add(&pace, 1); /* an answer within a millisecond is none that is waited less for */
    t_expect_int(llm_pace_p95(&pace), 10 * USEC_MS);
}
