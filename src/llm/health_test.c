/* src/llm/health_test.c - when targets rest, for how long, and who tries them again. */
#include "llm/health.h"

#include "base/test.h"

static void fail_often(struct llm_health *h, unsigned n, Usec now)
{
    while (n--)
        llm_health_note(h, LLM_FAILED, 0, now);
}

TEST(health_rests_a_target_after_five_failures_in_a_row_and_lets_one_call_try)
{
    struct llm_health h = {0};

    fail_often(&h, 4, 100);
    t_expect(llm_health_take(&h, 100));
    llm_health_note(&h, LLM_WELL, 0, 100);
    fail_often(&h, 4, 100);
    t_expect(llm_health_take(&h, 100)); /* those before the success do not count */
    llm_health_note(&h, LLM_FAILED, 0, 100);
    t_expect(!llm_health_take(&h, 100));
    t_expect(!llm_health_take(&h, 99 + 30 * USEC_S));
    t_expect_str(str_c(llm_health_name(&h, 99 + 30 * USEC_S)), S("resting"));
    Usec later = 100 + 30 * USEC_S;
    t_expect(llm_health_take(&h, later));
    t_expect_str(str_c(llm_health_name(&h, later)), S("probing"));
    t_expect(!llm_health_take(&h, later)); /* one tries */
    llm_health_note(&h, LLM_FAILED, 0, later);
    t_expect(!llm_health_take(&h, later + 29 * USEC_S)); /* and rests it again by one failure */
    t_expect(llm_health_take(&h, later + 30 * USEC_S));
    llm_health_note(&h, LLM_WELL, 0, later);
    t_expect(llm_health_take(&h, later) && llm_health_take(&h, later));
}

TEST(health_gives_the_next_call_a_try_that_said_nothing)
{
    struct llm_health h = {0};

    fail_often(&h, 5, 0);
    t_expect(llm_health_take(&h, 30 * USEC_S));
    llm_health_drop(&h);
    t_expect(llm_health_take(&h, 30 * USEC_S));
}

TEST(health_rests_a_limited_target_as_long_as_it_asks_within_bounds)
{
    static const Usec asked[] = {0, 1, 7 * USEC_S, USEC_H};
    static const Usec rests[] = {5 * USEC_S, USEC_S, 7 * USEC_S, 5 * USEC_MIN};

    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        struct llm_health h = {0};
        llm_health_note(&h, LLM_LIMITED, asked[i], 1000);
        t_expect(!llm_health_take(&h, 999 + rests[i]));
        t_expect(llm_health_take(&h, 1000 + rests[i]));
    }
}
