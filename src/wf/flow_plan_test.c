/* src/wf/flow_plan_test.c - who may pass a gate, by number and by time. */
#include "base/test.h"
#include "wf/flow_plan.h"

static struct flow_look look(size_t waiting, int64_t concurrency, int64_t admitted)
{
    return (struct flow_look){.gate.concurrency = concurrency, .admitted = admitted, .n = waiting};
}

static const Usec NOW = 1700000000 * USEC_S;

TEST(as_many_pass_as_there_are_places)
{
    struct flow_look five = look(10, 5, 2), full = look(10, 5, 5), lowered = look(10, 5, 9),
                     open = look(10, 0, 99);

    t_expect_int(wf_flow_room(&five, NOW).n, 3);
    t_expect_int(wf_flow_room(&full, NOW).n, 0);
    t_expect_int(wf_flow_room(&lowered, NOW).n, 0);
    t_expect_int(wf_flow_room(&open, NOW).n, 10);
    t_expect_int(wf_flow_room(&full, NOW).next_at, 0);
}

/* Let them in as time goes on, in steps of @step; how many begin in any span of @per at most. */
static size_t most_in(const struct wf_flow_rate *rate, Usec step, Usec per)
{
    struct flow_look l = look(1000, 0, 0);
    Usec began[1000];
    size_t n = 0, most = 0;

    l.gate.throttle_gap = wf_flow_gap(rate);
    l.gate.throttle_slack = wf_flow_slack(rate);
    for (Usec now = NOW; n < 1000; now += step) {
        l.n = 1000 - n;
        struct flow_room room = wf_flow_room(&l, now);
        l.gate.throttle_at = room.throttle_at;
        for (size_t i = 0; i < room.n; i++)
            began[n++] = now;
    }
    for (size_t i = 0, from = 0; i < n; i++) {
        while (began[i] - began[from] >= per)
            from++;
        most = i - from + 1 > most ? i - from + 1 : most;
    }
    return most;
}

TEST(a_throttle_keeps_its_rate_and_no_more_than_its_burst)
{
    struct wf_flow_rate even = {10, USEC_S, 0}, burst = {10, USEC_S, 4};

    t_expect_int(most_in(&even, USEC_MS, USEC_S), 10);
    t_expect_int(most_in(&burst, USEC_MS, USEC_S), 13);
    t_expect_int(most_in(&burst, 37 * USEC_MS, 50 * USEC_MS), 4);
    t_expect_int(most_in(&burst, 37 * USEC_MS, 120 * USEC_MS), 5); /* the burst, and one in time */
}

TEST(a_throttle_says_when_the_next_may_pass)
{
    struct flow_look l = look(3, 0, 0);
    struct wf_flow_rate rate = {1, USEC_S, 2};

    l.gate.throttle_gap = wf_flow_gap(&rate);
    l.gate.throttle_slack = wf_flow_slack(&rate);
    struct flow_room room = wf_flow_room(&l, NOW);
    t_expect_int(room.n, 2);
    t_expect_int(room.next_at, NOW + USEC_S);
    l.gate.throttle_at = room.throttle_at;
    l.n = 1;
    t_expect_int(wf_flow_room(&l, room.next_at - 1).n, 0);
    t_expect_int(wf_flow_room(&l, room.next_at).n, 1);
    t_expect_int(wf_flow_room(&l, NOW - USEC_DAY).n, 1); /* the clock was set back */
}

static Str fault_of(struct wf_flow flow)
{
    const char *field = "";

    if (!flow.singleton.p)
        flow.singleton = S("off");
    return wf_flow_fault(&flow, &field) ? str_c(field) : S("");
}

TEST(what_refuses_starts_does_not_go_with_what_gathers_them)
{
    struct wf_flow_debounce debounce = {.delay = USEC_S, .max_delay = 10 * USEC_S};
    struct wf_flow_batch batch = {.size = 2, .timeout = USEC_S};
    struct wf_flow_rate rate = {.limit = 1, .per = USEC_S};

    t_expect_str(fault_of((struct wf_flow){.debounce = debounce, .concurrency = 1}), S(""));
    t_expect_str(fault_of((struct wf_flow){.batch = batch, .singleton = S("cancel")}), S(""));
    t_expect_str(fault_of((struct wf_flow){.debounce = debounce, .batch = batch}), S("batch"));
    t_expect_str(fault_of((struct wf_flow){.batch = batch, .rate_limit = rate}), S("rate_limit"));
    t_expect_str(fault_of((struct wf_flow){.batch = batch, .singleton = S("skip")}),
                 S("singleton"));
    debounce.max_delay = USEC_MS;
    t_expect_str(fault_of((struct wf_flow){.debounce = debounce}), S("debounce/max_delay"));
}
