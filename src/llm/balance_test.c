/* src/llm/balance_test.c - shares by weight, the better of two, sessions that stay. */
#include "llm/balance.h"

#include "base/test.h"

static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void draw_all(struct llm_candidate *choices, unsigned n, uint64_t *state)
{
    for (unsigned i = 0; i < n; i++)
        choices[i].draw = next(state);
}

TEST(balance_by_order_leaves_targets_as_they_stand)
{
    struct llm_candidate c[3] = {{.weight = 1}, {.weight = 1000}, {.weight = 5, .draw = 7}};
    unsigned char order[3];

    llm_balance_order(LLM_ORDER, c, 3, order);
    t_expect(order[0] == 0 && order[1] == 1 && order[2] == 2);
}

TEST(balance_by_weight_gives_each_target_its_share_and_names_each_once)
{
    struct llm_candidate c[3] = {{.weight = 1}, {.weight = 2}, {.weight = 7}};
    unsigned first[3] = {0};
    uint64_t state = 1;

    for (int i = 0; i < 20000; i++) {
        unsigned char order[3];
        draw_all(c, 3, &state);
        llm_balance_order(LLM_WEIGHTED, c, 3, order);
        first[order[0]]++;
        t_expect_int((1 << order[0]) + (1 << order[1]) + (1 << order[2]), 7);
    }
    t_expect(first[0] > 1800 && first[0] < 2200);
    t_expect(first[1] > 3700 && first[1] < 4300);
    t_expect(first[2] > 13600 && first[2] < 14400);
}

TEST(balance_by_speed_avoids_the_slow_one_but_tries_what_it_does_not_know)
{
    struct llm_candidate c[3] = {{.weight = 1, .latency = 100},
                                 {.weight = 1, .latency = 100000},
                                 {.weight = 1, .latency = 100, .under_way = 1}};
    unsigned first[3] = {0};
    uint64_t state = 2;
    unsigned char order[3];

    for (int i = 0; i < 3000; i++) {
        draw_all(c, 3, &state);
        llm_balance_order(LLM_FASTEST, c, 3, order);
        first[order[0]]++;
    }
    t_expect_int(first[1], 0);
    t_expect(first[0] > first[2] && first[2] > 500);
    c[1].latency = 0;
    for (int i = 0; i < 100; i++) {
        draw_all(c, 3, &state);
        llm_balance_order(LLM_FASTEST, c, 3, order);
        first[1] += order[0] == 1;
    }
    t_expect(first[1] > 40);
}

TEST(balance_of_a_session_stays_and_moves_only_from_what_is_gone)
{
    static const char *const models[] = {"a", "b", "c", "d"};
    int stayed = 0, moved = 0;

    for (int s = 0; s < 400; s++) {
        Str session = str_fmt(t_arena(), "session-%d", s);
        struct llm_candidate c[4];
        unsigned char four[4], again[4], three[3];
        for (unsigned i = 0; i < 4; i++)
            c[i] = (struct llm_candidate){
                .weight = 1, .draw = llm_balance_draw(session, S("p"), str_c(models[i]))};
        llm_balance_order(LLM_WEIGHTED, c, 4, four);
        llm_balance_order(LLM_WEIGHTED, c, 4, again);
        t_expect(memcmp(four, again, sizeof four) == 0);
        llm_balance_order(LLM_WEIGHTED, c, 3, three); /* "d" is gone */
        if (four[0] == 3) {
            moved++;
            t_expect_int(three[0], four[1]);
        } else {
            stayed++;
            t_expect_int(three[0], four[0]);
        }
    }
    t_expect(moved > 60 && moved < 140 && stayed == 400 - moved);
}

TEST(balance_remembers_a_slow_answer_and_forgives_it)
{
    struct llm_latency l = {0};
    Usec now = USEC_S;

    llm_latency_add(&l, 1000, now);
    t_expect_int(l.mean, 1000);
    llm_latency_add(&l, 50000, now += USEC_MS);
    t_expect_int(l.mean, 50000);
    llm_latency_add(&l, 1000, now += USEC_MS);
    t_expect(l.mean > 45000);
    llm_latency_add(&l, 1000, now + 60 * USEC_S);
    t_expect(l.mean < 1200);
}
