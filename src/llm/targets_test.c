/* src/llm/targets_test.c - what is told of targets that go down and come back. */
#include "llm/targets.h"

#include "llm/llm_private.h"
#include "rt/test_rt.h"

static Err note(void *ctx, const struct llm_alert *alert)
{
    AUTO(arena) *a = arena_new(KIB(16));
    struct buf *seen = ctx;

    buf_add_fmt(seen, "%s %.*s\n", alert->event, P(json_text(a, llm_alert_json(a, alert))));
    return OK;
}

TEST_FIBER(targets_that_go_down_and_come_back_are_told_once)
{
    struct llm llm = {.targets = map_new(), .states = map_new(), .alerts = llm_alerts_new()};
    struct llm_provider p = {.id = id_new(), .name = S("shelf")};
    struct llm_target t = {&p, S("llama")};
    AUTO_BUF(seen, KIB(4));

    t_expect(uv_mutex_init(&llm.lock) == 0);
    for (int i = 0; i < LLM_FAILURES_MAX + 2; i++)
        llm_target_note(&llm, &t, LLM_FAILED, 0, 0);
    llm_target_note(&llm, &t, LLM_WELL, 0, 0);
    llm_target_note(&llm, &t, LLM_FAILED, 0, 0);
    llm_target_note(&llm, &t, LLM_WELL, 0, 0);
    llm_alerts_begin(llm.alerts, note, &seen);
    for (int i = 0; i < 3000 && str_find(buf_str(&seen), S("up")) == SIZE_MAX; i++)
        t_expect_ok(fiber_sleep(10 * USEC_MS));
    llm_alerts_free(llm.alerts);
    t_expect_str(buf_str(&seen), S("provider.down {\"provider\":\"shelf\",\"model\":\"llama\"}\n"
                                   "provider.up {\"provider\":\"shelf\",\"model\":\"llama\"}\n"));
    map_free(llm.targets, free);
    map_free(llm.states, free);
    uv_mutex_destroy(&llm.lock);
}

TEST_FIBER(a_target_that_lost_a_race_is_no_worse_but_no_quicker)
{
    struct llm llm = {.targets = map_new(), .states = map_new(), .alerts = llm_alerts_new()};
    struct llm_provider p = {.id = id_new(), .name = S("shelf")};
    struct llm_target t = {&p, S("llama")};

    t_expect(uv_mutex_init(&llm.lock) == 0);
    t_expect(llm_target_take(&llm, &t, 1, false) == LLM_TAKEN);
    llm_target_note(&llm, &t, LLM_WELL, 0, 100 * USEC_MS);
    t_expect(llm_target_take(&llm, &t, 1, false) == LLM_TAKEN);
    llm_target_lost(&llm, &t, 50 * USEC_MS); /* it may have been about to answer */
    t_expect_int(llm_target_look(&llm, &t).latency.mean, 100 * USEC_MS);
    t_expect(llm_target_take(&llm, &t, 1, false) == LLM_TAKEN);
    llm_target_lost(&llm, &t, 800 * USEC_MS);
    struct llm_target_state s = llm_target_look(&llm, &t);
    t_expect_int(s.latency.mean, 800 * USEC_MS);
    t_expect_int(s.health.failures, 0);
    t_expect_int(s.under_way, 0);
    t_expect_int(s.pace.n, 3);
    /* One that is tried after its rest is tried again. */
    for (int i = 0; i < LLM_FAILURES_MAX; i++)
        llm_target_note(&llm, &t, LLM_FAILED, 0, 0);
    uv_mutex_lock(&llm.lock);
    struct llm_target_state *state = NULL;
    size_t at = 0;
    void *value;
    Str key;
    while (map_next(llm.targets, &at, &key, &value))
        state = value;
    state->health.rest_until = 1;
    uv_mutex_unlock(&llm.lock);
    t_expect(llm_target_take(&llm, &t, 0, false) == LLM_TAKEN);
    t_expect(llm_target_take(&llm, &t, 0, false) == LLM_RESTS);
    llm_target_lost(&llm, &t, USEC_S);
    t_expect(llm_target_take(&llm, &t, 0, false) == LLM_TAKEN);
    llm_alerts_free(llm.alerts);
    map_free(llm.targets, free);
    map_free(llm.states, free);
    uv_mutex_destroy(&llm.lock);
}

TEST_FIBER(alerts_that_nobody_takes_are_dropped_beyond_a_thousand)
{
    struct llm_alerts *alerts = llm_alerts_new();
    struct llm_alert alert = {.event = "budget.warning", .per = "day"};
    AUTO_BUF(seen, MIB(1));
    size_t lines = 0;

    for (int i = 0; i < LLM_ALERTS_MAX + 5; i++)
        llm_alerts_add(alerts, &alert);
    llm_alerts_begin(alerts, note, &seen);
    for (int i = 0; i < 3000 && lines < LLM_ALERTS_MAX; i++) {
        t_expect_ok(fiber_sleep(10 * USEC_MS));
        lines = 0;
        for (size_t k = 0; k < seen.n; k++)
            lines += seen.p[k] == '\n';
    }
    llm_alerts_end(alerts);
    t_expect_int(lines, LLM_ALERTS_MAX);
    llm_alerts_free(alerts);
}
