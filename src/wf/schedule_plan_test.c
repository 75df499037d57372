/* src/wf/schedule_plan_test.c - what becomes of times that were missed. */
#include "wf/schedule_plan.h"
#include "wf/test_node.h"
#include "wf/zone.h"

static const Usec NOON = 1795176000 * USEC_S; /* 2026-11-20T12:00:00Z */

static struct wf_schedule_cfg interval(Usec every, const char *catch_up)
{
    return (struct wf_schedule_cfg){.repeat = S("interval"),
                                    .every = every,
                                    .timezone = S("UTC"),
                                    .catch_up = str_c(catch_up),
                                    .catch_up_limit = 3,
                                    .overlap = S("allow"),
                                    .tz = tz_utc()};
}

static struct schedule_row row_at(Usec next)
{
    return (struct schedule_row){.anchor = NOON, .next_at = next, .due_at = next};
}

/* What is fired, one turn after the other, when the clock stands still at @now; at most @max. */
static size_t fires(const struct wf_schedule_cfg *cfg, struct schedule_row row, Usec now,
                    Usec *fired, size_t max, Usec *ret_next)
{
    size_t n = 0;

    for (size_t turns = 0; row.due_at <= now && turns < 5000; turns++) {
        struct wf_schedule_turn turn = wf_schedule_turn(cfg, &row, now);
        if (turn.fire_at && n < max)
            fired[n++] = turn.fire_at;
        row.next_at = row.due_at = turn.next_at;
    }
    *ret_next = row.next_at;
    return n;
}

TEST(interval_is_counted_from_its_publication)
{
    struct wf_schedule_cfg cfg = interval(90 * USEC_S, "last");

    t_expect_int(wf_schedule_next(&cfg, NOON, NOON), NOON + 90 * USEC_S);
    t_expect_int(wf_schedule_next(&cfg, NOON, NOON + 90 * USEC_S - 1), NOON + 90 * USEC_S);
    t_expect_int(wf_schedule_next(&cfg, NOON, NOON + 90 * USEC_S), NOON + 180 * USEC_S);
    t_expect_int(wf_schedule_next(&cfg, NOON, NOON - USEC_DAY - 1), NOON - USEC_DAY);
    t_expect_int(wf_schedule_next(&cfg, NOON, USEC_NEVER), USEC_NEVER);
}

TEST(schedule_fires_nothing_before_its_time)
{
    struct wf_schedule_cfg cfg = interval(USEC_H, "all");
    struct schedule_row row = row_at(NOON + USEC_H);
    struct wf_schedule_turn turn = wf_schedule_turn(&cfg, &row, NOON + USEC_H - 1);

    t_expect(turn.fire_at == 0 && turn.next_at == row.next_at && !turn.missed);
    turn = wf_schedule_turn(&cfg, &row, NOON + USEC_H);
    t_expect_int(turn.fire_at, NOON + USEC_H);
    t_expect_int(turn.next_at, NOON + 2 * USEC_H);
}

TEST(schedule_fires_what_is_less_than_a_minute_late_whatever_the_policy)
{
    static const char *const policies[] = {"skip", "last", "all"};
    Usec fired[100], next;

    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct wf_schedule_cfg cfg = interval(USEC_S, policies[i]);
        size_t n = fires(&cfg, row_at(NOON + USEC_S), NOON + 30 * USEC_S, fired, 100, &next);
        t_expect_int(n, 30);
        t_expect_int(fired[0], NOON + USEC_S);
        t_expect_int(fired[29], NOON + 30 * USEC_S);
        t_expect_int(next, NOON + 31 * USEC_S);
    }
}

TEST(missed_times_are_skipped_or_the_last_or_the_latest_few_made_up_for)
{
    Usec fired[100], next, now = NOON + USEC_DAY + 90 * USEC_S;
    struct wf_schedule_cfg skip = interval(USEC_H, "skip"), last = interval(USEC_H, "last"),
                           all = interval(USEC_H, "all");

    t_expect_int(fires(&skip, row_at(NOON + USEC_H), now, fired, 100, &next), 0);
    t_expect_int(next, NOON + 25 * USEC_H);
    t_expect_int(fires(&last, row_at(NOON + USEC_H), now, fired, 100, &next), 1);
    t_expect_int(fired[0], NOON + USEC_DAY);
    t_expect_int(next, NOON + 25 * USEC_H);
    t_expect_int(fires(&all, row_at(NOON + USEC_H), now, fired, 100, &next), 3);
    t_expect_int(fired[0], NOON + 22 * USEC_H);
    t_expect_int(fired[2], NOON + 24 * USEC_H);
    t_expect_int(next, NOON + 25 * USEC_H);
    /* Fewer than the limit. */
    t_expect_int(fires(&all, row_at(NOON + 23 * USEC_H), now, fired, 100, &next), 2);
    t_expect_int(fired[0], NOON + 23 * USEC_H);
}

TEST(skipping_keeps_what_is_only_late)
{
    struct wf_schedule_cfg cfg = interval(10 * USEC_S, "skip");
    Usec fired[100], next;

    t_expect_int(fires(&cfg, row_at(NOON + 10 * USEC_S), NOON + USEC_H, fired, 100, &next), 6);
    t_expect_int(fired[0], NOON + USEC_H - 50 * USEC_S);
    t_expect_int(next, NOON + USEC_H + 10 * USEC_S);
}

TEST(long_outage_of_a_dense_schedule_is_looked_over_quickly)
{
    struct wf_schedule_cfg cfg = interval(0, "all");
    Usec fired[100], next, now = NOON + 3650 * USEC_DAY;

    cfg.repeat = S("cron");
    cfg.catch_up_limit = 100;
    t_expect_ok(wf_zone(S("Europe/Berlin"), &cfg.tz));
    t_expect_ok(wf_cron_parse(S("* * * * * *"), &cfg.plan));
    t_expect_int(fires(&cfg, row_at(NOON), now, fired, 100, &next), 100);
    t_expect_int(fired[0], now - 99 * USEC_S);
    t_expect_int(next, now + USEC_S);
    /* And of a rare one. */
    t_expect_ok(wf_cron_parse(S("0 0 29 2 *"), &cfg.plan));
    t_expect_int(fires(&cfg, row_at(wf_schedule_next(&cfg, 0, NOON)), now, fired, 100, &next), 3);
}

TEST(jitter_puts_each_time_off_by_its_own_part)
{
    struct wf_schedule_cfg cfg = interval(USEC_H, "last");
    Id one = id_new(), other = id_new();
    Usec due;

    t_expect_int(wf_schedule_due(&cfg, one, NOON), NOON);
    cfg.jitter = 10 * USEC_MIN;
    due = wf_schedule_due(&cfg, one, NOON);
    t_expect(due >= NOON && due <= NOON + cfg.jitter);
    t_expect_int(wf_schedule_due(&cfg, one, NOON), due);
    t_expect(wf_schedule_due(&cfg, other, NOON) != due);
    t_expect(wf_schedule_due(&cfg, one, NOON + USEC_H) != due + USEC_H);
    t_expect_int(wf_schedule_due(&cfg, one, USEC_NEVER), USEC_NEVER);
}

static Str problem(const char *data)
{
    WfProblems problems = {0};
    struct wf_def *def = NULL;
    Str text = str_fmt(t_arena(),
                       "{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':{%s}}],"
                       "'edges':[]}",
                       data);

    (void)t_def(str_dup_c(t_arena(), text), &problems, &def); /* the problems tell */
    return problems.n
               ? str_fmt(t_arena(), "%.*s %.*s", P(problems.at[0].field), P(problems.at[0].code))
               : S("");
}

TEST(trigger_says_what_is_wrong_with_a_schedule)
{
    t_expect_str(problem("'trigger':'schedule','schedule':{'cron':'0 9 * * MON-FRI',"
                         "'timezone':'Europe/Berlin','catch_up':'all','catch_up_limit':5,"
                         "'overlap':'skip','jitter':'30s'}"),
                 S(""));
    t_expect_str(problem("'trigger':'schedule','schedule':{'repeat':'interval','every':'90s'}"),
                 S(""));
    t_expect_str(problem("'trigger':'schedule'"), S("schedule required"));
    t_expect_str(problem("'trigger':'schedule','schedule':{'cron':'61 * * * *'}"),
                 S("schedule/cron bad_cron"));
    t_expect_str(problem("'trigger':'schedule','schedule':{'cron':'0 0 30 2 *'}"),
                 S("schedule/cron bad_cron"));
    t_expect_str(problem("'trigger':'schedule','schedule':{'cron':'@daily','timezone':'Mars'}"),
                 S("schedule/timezone bad_timezone"));
    t_expect_str(problem("'trigger':'schedule','schedule':{'cron':'@daily','every':'5m'}"),
                 S("schedule/every not_used"));
    t_expect_str(problem("'trigger':'schedule','schedule':{'repeat':'interval','every':'10ms'}"),
                 S("schedule/every range"));
    t_expect_str(problem("'trigger':'manual','schedule':{'cron':'@daily'}"),
                 S("schedule not_used"));
}

TEST(row_of_a_version_stands_at_its_next_time)
{
    WfProblems problems = {0};
    struct wf_def *def = NULL;
    struct schedule_row row, again;
    Id workflow = id_new();

    t_expect_ok(t_def("{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':{"
                      "'trigger':'schedule','schedule':{'cron':'30 9 * * *','timezone':"
                      "'Europe/Berlin'}}}],'edges':[]}",
                      &problems, &def));
    t_expect(wf_schedule_row(t_arena(), def, id_new(), workflow, 3, NOON, &row));
    t_expect(id_eq(row.workflow, workflow) && row.version == 3);
    t_expect_int(row.next_at, NOON + 20 * USEC_H + 30 * USEC_MIN);
    t_expect_int(row.due_at, row.next_at);
    t_expect(wf_schedule_row(t_arena(), def, row.tenant, workflow, 4, NOON + USEC_DAY, &again));
    t_expect_str(again.spec, row.spec);
    t_expect_str(wf_schedule_local(t_arena(), wf_trigger_cfg(def)->schedule.tz, row.next_at),
                 S("2026-11-21T09:30:00+01:00"));
}
