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
    struct llm llm = {.targets = map_new(), .alerts = llm_alerts_new()};
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
