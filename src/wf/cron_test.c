/* src/wf/cron_test.c */
#include "base/test.h"
#include "wf/cron.h"
#include "wf/zone.h"

/* Whether @cron on the clock of @zone, asked after @after, fires next at @want. */
static void expect_next(int line, const char *text, const char *zone, const char *after,
                        const char *want)
{
    struct wf_cron cron;
    const struct tz *tz;
    char got[TIME_RFC3339_SIZE];
    Usec from, next;

    if (wf_cron_parse(str_c(text), &cron) != OK || wf_zone(str_c(zone), &tz) != OK ||
        time_parse_rfc3339(str_c(after), &from) != OK) {
        t_fail(__FILE__, line, "%s in %s after %s: %s", text, zone, after, err_record()->text);
        return;
    }
    next = wf_cron_next(&cron, tz, from);
    if (next == USEC_NEVER) {
        t_fail(__FILE__, line, "%s in %s after %s never fires", text, zone, after);
        return;
    }
    Str shown = time_rfc3339(next, got);
    Usec wanted;
    if (time_parse_rfc3339(str_c(want), &wanted) != OK || wanted != next)
        t_fail(__FILE__, line, "%s in %s after %s fires at %.*s, expected %s", text, zone, after,
               P(shown), want);
}
#define NEXT(text, after, want) expect_next(__LINE__, text, "UTC", after, want)
#define NEXT_IN(zone, text, after, want) expect_next(__LINE__, text, zone, after, want)

TEST(cron_finds_the_next_time_of_plain_fields)
{
    NEXT("* * * * *", "2026-11-20T10:00:00Z", "2026-11-20T10:01:00Z");
    NEXT("* * * * *", "2026-11-20T10:00:59.999999Z", "2026-11-20T10:01:00Z");
    NEXT("*/15 * * * *", "2026-11-20T10:46:00Z", "2026-11-20T11:00:00Z");
    NEXT("5/20 * * * *", "2026-11-20T10:26:00Z", "2026-11-20T10:45:00Z");
    NEXT("0 9 * * MON-FRI", "2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z");
    NEXT("0 9 * * mon,wed", "2026-11-23T09:00:00Z", "2026-11-25T09:00:00Z");
    NEXT("0 0 1 JAN *", "2026-11-20T09:00:00Z", "2027-01-01T00:00:00Z");
    NEXT("30 8-18/2 * * *", "2026-11-20T18:30:00Z", "2026-11-21T08:30:00Z");
    NEXT("59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z");
    NEXT("  0\t12  * * ? ", "2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z");
}

TEST(cron_with_six_fields_begins_with_seconds)
{
    NEXT("*/10 * * * * *", "2026-11-20T10:00:00Z", "2026-11-20T10:00:10Z");
    NEXT("30 59 23 * * *", "2026-11-20T23:59:30Z", "2026-11-21T23:59:30Z");
    NEXT("0 0 12 * * ?", "2026-11-20T11:59:59Z", "2026-11-20T12:00:00Z");
    NEXT("59 59 * * * *", "2026-11-20T23:59:59Z", "2026-11-21T00:59:59Z");
}

TEST(cron_knows_the_nicknames)
{
    NEXT("@hourly", "2026-11-20T10:30:00Z", "2026-11-20T11:00:00Z");
    NEXT("@daily", "2026-11-20T10:30:00Z", "2026-11-21T00:00:00Z");
    NEXT("@weekly", "2026-11-20T10:30:00Z", "2026-11-22T00:00:00Z");
    NEXT("@monthly", "2026-11-20T10:30:00Z", "2026-12-01T00:00:00Z");
    NEXT("@YEARLY", "2026-11-20T10:30:00Z", "2027-01-01T00:00:00Z");
}

TEST(cron_counts_days_from_the_end_of_the_month)
{
    NEXT("0 0 L * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z");
    NEXT("0 0 L * *", "2028-02-01T00:00:00Z", "2028-02-29T00:00:00Z");
    NEXT("0 0 L-3 * *", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z");
    NEXT("0 0 L-30 * *", "2026-11-20T00:00:00Z", "2026-12-01T00:00:00Z");
    NEXT("0 0 LW * *", "2026-10-02T00:00:00Z", "2026-10-30T00:00:00Z"); /* the 31st is Saturday */
    NEXT("0 0 LW * *", "2026-05-02T00:00:00Z", "2026-05-29T00:00:00Z"); /* the 31st is Sunday */
    NEXT("0 0 1,L * *", "2026-11-20T00:00:00Z", "2026-11-30T00:00:00Z");
}

TEST(cron_finds_the_weekday_nearest_to_a_day_without_leaving_the_month)
{
    NEXT("0 0 15W * *", "2026-08-01T00:00:00Z", "2026-08-14T00:00:00Z"); /* Saturday */
    NEXT("0 0 15W * *", "2026-11-01T00:00:00Z", "2026-11-16T00:00:00Z"); /* Sunday */
    NEXT("0 0 1W * *", "2026-07-31T12:00:00Z", "2026-08-03T00:00:00Z");  /* Saturday the 1st */
    NEXT("0 0 31W * *", "2026-05-01T00:00:00Z", "2026-05-29T00:00:00Z"); /* Sunday the 31st */
    NEXT("0 0 30W 2,3 *", "2026-01-01T00:00:00Z", "2026-03-30T00:00:00Z");
}

TEST(cron_finds_the_nth_and_the_last_weekday_of_a_month)
{
    NEXT("0 0 * * MON#2", "2026-11-01T00:00:00Z", "2026-11-09T00:00:00Z");
    NEXT("0 0 * * 1#5", "2026-11-20T00:00:00Z", "2026-11-30T00:00:00Z");
    NEXT("0 0 * * FRIL", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z");
    NEXT("0 0 * * 7L", "2026-11-20T00:00:00Z", "2026-11-29T00:00:00Z");
    NEXT("0 0 ? FEB MON#5", "2026-01-01T00:00:00Z", "2044-02-29T00:00:00Z");
}

TEST(cron_takes_either_day_field_when_both_are_limited)
{
    NEXT("0 0 13 * FRI", "2026-11-12T12:00:00Z", "2026-11-13T00:00:00Z");
    NEXT("0 0 13 * FRI", "2026-11-13T12:00:00Z", "2026-11-20T00:00:00Z");
    NEXT("0 0 13 * FRI", "2026-12-11T12:00:00Z", "2026-12-13T00:00:00Z");
    /* One that begins with "*": both count. */
    NEXT("0 0 1-7 * */7", "2026-11-20T12:00:00Z", "2026-12-06T00:00:00Z");
    NEXT("0 0 */2 * MON", "2026-11-20T12:00:00Z", "2026-11-23T00:00:00Z");
}

TEST(cron_takes_sunday_at_both_ends_of_the_week)
{
    NEXT("0 0 * * 0", "2026-11-20T12:00:00Z", "2026-11-22T00:00:00Z");
    NEXT("0 0 * * 7", "2026-11-20T12:00:00Z", "2026-11-22T00:00:00Z");
    NEXT("0 0 * * SAT-SUN", "2026-11-21T12:00:00Z", "2026-11-22T00:00:00Z");
    NEXT("0 0 * * 5-7", "2026-11-22T12:00:00Z", "2026-11-27T00:00:00Z");
}

TEST(cron_goes_far_for_a_rare_day)
{
    NEXT("0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z");
    NEXT("0 0 29 2 ?", "2026-11-20T00:00:00Z", "2028-02-29T00:00:00Z");
}

static void expect_wrong(int line, const char *text, const char *says)
{
    struct wf_cron cron;
    Err e = wf_cron_parse(str_c(text), &cron);

    if (e != E_INVALID || !strstr(err_record()->detail, says))
        t_fail(__FILE__, line, "\"%s\" gave %s: %s", text, err_name(e),
               e == OK ? "" : err_record()->detail);
}
#define WRONG(text, says) expect_wrong(__LINE__, text, says)

TEST(cron_says_which_field_is_wrong_and_why)
{
    WRONG("", "this has 0");
    WRONG("* * * *", "this has 4");
    WRONG("* * * * * * *", "this has 7");
    WRONG("60 * * * *", "The minute field, \"60\": 60 is not within 0-59.");
    WRONG("* 24 * * *", "The hour field");
    WRONG("* * 0 * *", "The day-of-month field, \"0\": 0 is not within 1-31.");
    WRONG("* * * 13 *", "The month field");
    WRONG("* * * * 8", "The day-of-week field");
    WRONG("61 * * * * *", "The second field");
    WRONG("* * * FOO *", "\"FOO\" is no number or name here");
    WRONG("x * * * *", "\"x\" is no number.");
    WRONG("1,,2 * * * *", "a part of the list is empty");
    WRONG("5- * * * *", "a value is missing");
    WRONG("30-10 * * * *", "runs backwards");
    WRONG("*/0 * * * *", "a step is a number from 1 on");
    WRONG("*/90 * * * *", "a step of 90 is longer than the field");
    WRONG("*/x * * * *", "a step is a number");
    WRONG("1-2-3 * * * *", "\"-3\" is not understood");
    WRONG("? * * * *", "stands for any day only");
    WRONG("L * * * *", "is no number");
    WRONG("* * L-0 * *", "1 to 30");
    WRONG("* * LX * *", "may be followed by");
    WRONG("* * * * L", "is no number or name");
    WRONG("* * * * MON#6", "1 to 5");
    WRONG("* * * * MONDAY", "\"DAY\" is not understood");
    WRONG("@reboot", "There is no \"@reboot\"");
    WRONG("99999999999999999999 * * * *", "is not within 0-59");
}

TEST(cron_refuses_a_day_that_never_comes)
{
    struct wf_cron cron;

    WRONG("0 0 30 2 *", "never fires");
    WRONG("0 0 31 4,6,9,11 *", "never fires");
    WRONG("0 0 30W 2 ?", "never fires");
    WRONG("0 0 L-30 2 *", "never fires");
    /* Either day counts, so the Mondays of February remain. */
    t_expect_ok(wf_cron_parse(S("0 0 30 2 MON"), &cron));
    t_expect_ok(wf_cron_parse(S("0 0 29 2 *"), &cron));
}

TEST(cron_fires_once_after_a_gap_for_what_stood_in_it)
{
    /* 29 March 2026: 02:00 becomes 03:00 in Berlin, at 01:00 UTC. */
    NEXT_IN("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z");
    NEXT_IN("Europe/Berlin", "30 2 * * *", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z");
    NEXT_IN("Europe/Berlin", "30 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    NEXT_IN("Europe/Berlin", "0,20,40 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z");
    NEXT_IN("Europe/Berlin", "0 2,3 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z");
    NEXT_IN("Europe/Berlin", "0 2,3 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z");
    NEXT_IN("America/New_York", "30 2 8 3 *", "2026-01-01T00:00:00Z", "2026-03-08T07:00:00Z");
    /* Half an hour: 4 October 2026, 02:00 becomes 02:30 on Lord Howe. */
    NEXT_IN("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z");
    /* A whole day: 30 December 2011 never was on Samoa. */
    NEXT_IN("Pacific/Apia", "0 9 30 12 *", "2011-12-29T12:00:00Z", "2011-12-30T10:00:00Z");
    NEXT_IN("Pacific/Apia", "0 9 * * *", "2011-12-29T20:00:00Z", "2011-12-30T10:00:00Z");
    NEXT_IN("Pacific/Apia", "0 9 * * *", "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z");
}

TEST(cron_fires_the_first_time_only_when_a_local_time_comes_twice)
{
    /* 25 October 2026: 03:00 becomes 02:00 in Berlin, at 01:00 UTC. */
    NEXT_IN("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
    NEXT_IN("Europe/Berlin", "30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    NEXT_IN("Europe/Berlin", "30 2 * * *", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z");
    NEXT_IN("Europe/Berlin", "0 3 * * *", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z");
    NEXT_IN("America/New_York", "30 1 1 11 *", "2026-10-01T00:00:00Z", "2026-11-01T05:30:00Z");
    NEXT_IN("America/New_York", "30 1 1 11 *", "2026-11-01T05:30:00Z", "2027-11-01T05:30:00Z");
}

TEST(cron_keeps_its_pace_through_changes_of_the_clock)
{
    NEXT_IN("Europe/Berlin", "*/15 * * * *", "2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z");
    NEXT_IN("Europe/Berlin", "*/15 * * * *", "2026-10-25T01:00:00Z", "2026-10-25T01:15:00Z");
    NEXT_IN("Europe/Berlin", "30 * * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
    NEXT_IN("Europe/Berlin", "30 * * * *", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z");
    NEXT_IN("Europe/Berlin", "*/20 * * * *", "2026-03-29T00:40:00Z", "2026-03-29T01:00:00Z");
    /* Limited to that hour: both passes; a gap is made up for once. */
    NEXT_IN("Europe/Berlin", "*/30 2 * * 0", "2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z");
    NEXT_IN("Europe/Berlin", "*/30 2 * * 0", "2026-10-25T01:30:00Z", "2026-11-01T01:00:00Z");
    NEXT_IN("Europe/Berlin", "*/30 2 * * *", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z");
    NEXT_IN("Australia/Lord_Howe", "*/10 * * * *", "2026-10-03T15:20:00Z", "2026-10-03T15:30:00Z");
}

/* What the documentation promises, looked up minute by minute on the local clock. */
static bool matches_slowly(const struct wf_cron *c, const struct tz *tz, int64_t utc)
{
    int64_t local = utc + tz_offset_at(tz, utc), day = local / 86400;
    struct time_date d = time_date_of(day);
    int m = (int)(local % 86400 / 60);

    return (c->minutes >> m % 60 & 1) && (c->hours >> m / 60 & 1) && (c->months >> d.month & 1) &&
           (c->days >> d.day & 1) && (c->weekdays >> d.weekday & 1);
}

TEST(cron_agrees_with_a_walk_minute_by_minute)
{
    static const char *const texts[] = {"*/7 * * * *", "13 * * * *", "0-30/10 * 1-9 * *"};
    static const char *const zones[] = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                                        "Asia/Kathmandu"};
    for (size_t i = 0; i < ARRAY_LEN(texts) * ARRAY_LEN(zones); i++) {
        struct wf_cron cron;
        const struct tz *tz;
        t_expect_ok(wf_cron_parse(str_c(texts[i % ARRAY_LEN(texts)]), &cron));
        t_expect_ok(wf_zone(str_c(zones[i / ARRAY_LEN(texts)]), &tz));
        int64_t from = time_days_of(2026, 1, 1) * 86400, to = from + (int64_t)366 * 86400;
        Usec next = wf_cron_next(&cron, tz, from * USEC_S);
        for (int64_t t = from + 60; t < to; t += 60) {
            bool fires = next == t * USEC_S;
            t_expect(fires == matches_slowly(&cron, tz, t));
            if (fires)
                next = wf_cron_next(&cron, tz, next);
        }
    }
}

TEST(a_zone_that_is_unknown_is_refused_by_name)
{
    const struct tz *tz;

    t_expect_err(wf_zone(S("Europe/Berln"), &tz), E_INVALID);
    t_expect(strstr(err_record()->detail, "There is no time zone \"Europe/Berln\""));
    t_expect_err(wf_zone(S("Europe"), &tz), E_INVALID);
    t_expect_err(wf_zone(S("tzdata.zi"), &tz), E_INVALID);
    t_expect_err(wf_zone(S("../../../etc/passwd"), &tz), E_INVALID);
    t_expect_err(wf_zone(S("/etc/localtime"), &tz), E_INVALID);
    t_expect_err(wf_zone(S(""), &tz), E_INVALID);
    t_expect_err(wf_zone(S("Europe/"), &tz), E_INVALID);
    t_expect_err(wf_zone(S("leapseconds"), &tz), E_INVALID);
    t_expect_ok(wf_zone(S("Etc/GMT+12"), &tz));
    t_expect_int(tz_offset_at(tz, 0), -12 * 3600);
}
