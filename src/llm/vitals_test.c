/* src/llm/vitals_test.c - what is known of calls of late. */
#include "llm/vitals.h"

#include "base/test.h"

static int64_t sum_of(const struct llm_vitals *v, Usec now, enum llm_fate fate)
{
    int64_t n[LLM_FATES];

    llm_vitals_sum(v, now, n);
    return n[fate];
}

TEST(vitals_count_a_quarter_of_an_hour)
{
    struct llm_vitals v = {0};
    Usec now = USEC_DAY;

    for (int i = 0; i < 20; i++, now += USEC_MIN)
        llm_vitals_note(&v, i % 2 ? LLM_FATE_TIMEOUT : LLM_FATE_OK, 5 * USEC_MS, now, now);
    now -= USEC_MIN;
    t_expect_int(sum_of(&v, now, LLM_FATE_OK), 7);
    t_expect_int(sum_of(&v, now, LLM_FATE_TIMEOUT), 8);
    t_expect_int(sum_of(&v, now + 14 * USEC_MIN, LLM_FATE_TIMEOUT), 1);
    t_expect_int(sum_of(&v, now + 15 * USEC_MIN, LLM_FATE_TIMEOUT), 0);
    t_expect_int(v.latency.mean, 5 * USEC_MS);
    t_expect(v.last == LLM_FATE_TIMEOUT && v.last_at == now);
}

TEST(vitals_know_whose_fault_a_failure_is)
{
    static const struct {
        int status;
        enum llm_fate fate;
    } rows[] = {{400, LLM_FATE_REFUSED},  {401, LLM_FATE_DENIED},  {403, LLM_FATE_DENIED},
                {404, LLM_FATE_REFUSED},  {408, LLM_FATE_FAILED},  {429, LLM_FATE_LIMITED},
                {500, LLM_FATE_FAILED},   {529, LLM_FATE_FAILED},  {302, LLM_FATE_UNUSABLE},
                {204, LLM_FATE_UNUSABLE}, {600, LLM_FATE_UNUSABLE}};
    struct llm_vitals v = {0};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        t_expect(llm_fate_of(rows[i].status) == rows[i].fate);
    t_expect(llm_fate_of_error(E_CONNECT) == LLM_FATE_UNREACHABLE);
    t_expect(llm_fate_of_error(E_TIMEOUT) == LLM_FATE_TIMEOUT);
    t_expect(llm_fate_of_error(E_UPSTREAM_CUT) == LLM_FATE_CUT);
    t_expect(llm_fate_of_error(E_UPSTREAM) == LLM_FATE_UNUSABLE);
    llm_vitals_note(&v, LLM_FATE_FAILED, 0, 1, 1);
    llm_vitals_note(&v, LLM_FATE_CUT, 0, 1, 1);
    t_expect_int(v.in_a_row, 2);
    llm_vitals_note(&v, LLM_FATE_REFUSED, 7, 1, 1);
    t_expect_int(v.in_a_row, 0);
    t_expect_int(v.latency.mean, 0); /* refusals are quick */
}
