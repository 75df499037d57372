/* src/base/tz_test.c - zones made by hand, and those of the system against what is known of them.
 */
#include "base/test.h"
#include "base/time.h"
#include "base/tz.h"

#include <stdio.h>

static const struct tz *zone(const char *name)
{
    char *bytes = arena_bytes(t_arena(), TZ_FILE_MAX);
    const struct tz *tz = NULL;
    FILE *f = fopen(str_fmt(t_arena(), "/usr/share/zoneinfo/%s%c", name, 0).p, "rbe");

    if (!f)
        return NULL;
    size_t n = fread(bytes, 1, TZ_FILE_MAX, f);
    (void)fclose(f);
    return tz_parse(t_arena(), str_from(bytes, n), &tz) == OK ? tz : NULL;
}

static int64_t utc(const char *text)
{
    Usec at = 0;
    return time_parse_rfc3339(str_c(text), &at) == OK ? at / USEC_S : -1;
}

TEST(utc_is_ahead_of_utc_by_nothing_at_all_times)
{
    struct tz_span span = tz_span_at(tz_utc(), 1800000000);
    t_expect(span.from == INT64_MIN && span.to == INT64_MAX && span.offset == 0);
}

TEST(zones_of_the_system_change_their_clocks_when_they_did)
{
    static const struct {
        const char *zone, *at;
        int before, after;
    } known[] = {
        {"Europe/Berlin", "2026-03-29T01:00:00Z", 3600, 7200},
        {"Europe/Berlin", "2026-10-25T01:00:00Z", 7200, 3600},
        {"Europe/Berlin", "2199-03-31T01:00:00Z", 3600, 7200},
        {"America/New_York", "2026-03-08T07:00:00Z", -18000, -14400},
        {"America/New_York", "2026-11-01T06:00:00Z", -14400, -18000},
        {"Australia/Lord_Howe", "2026-10-03T15:30:00Z", 37800, 39600},
        {"Australia/Lord_Howe", "2040-03-31T15:00:00Z", 39600, 37800},
        {"Pacific/Apia", "2011-12-30T10:00:00Z", -36000, 50400},
        {"Asia/Kolkata", "1945-10-14T17:30:00Z", 23400, 19800},
        {"America/Nuuk", "2040-03-25T01:00:00Z", -7200, -3600}, /* a rule with negative time */
    };
    if (!zone("Europe/Berlin")) {
        t_skip("this system has no tzdata");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const struct tz *tz = zone(known[i].zone);
        int64_t at = utc(known[i].at);
        t_expect(tz);
        struct tz_span before = tz_span_at(tz, at - 1), after = tz_span_at(tz, at);
        if (before.offset != known[i].before || after.offset != known[i].after)
            t_fail(__FILE__, __LINE__, "%s at %s: %d, then %d", known[i].zone, known[i].at,
                   before.offset, after.offset);
        t_expect_int(before.to, at);
        t_expect_int(after.from, at);
    }
}

enum { INSTANTS = 2000 };

/* "+02:00:00" in seconds. */
static bool read_lead(const char *line, int32_t *ret_lead)
{
    int64_t lead = 0, part;

    if (strlen(line) < sizeof "+00:00:00" - 1)
        return false;
    for (const char *p = line + 1; p <= line + 7; p += 3) {
        if (str_to_i64(str_from(p, 2), &part) != OK)
            return false;
        lead = lead * 60 + part;
    }
    *ret_lead = (int32_t)(line[0] == '-' ? -lead : lead);
    return true;
}

/* The leads that the system's date gives for the instants in @path; how many. */
static int ask_date(const char *name, Str path, int32_t *ret_offsets)
{
    char line[64];
    int n = 0;
    FILE *f = popen(str_fmt(t_arena(), "TZ=%s date -f %.*s +%%::z%c", name, P(path), 0).p, "re");

    while (f && n < INSTANTS && fgets(line, sizeof line, f) && read_lead(line, &ret_offsets[n]))
        n++;
    return f && pclose(f) == 0 ? n : -1;
}

TEST(zones_agree_with_the_date_command_at_any_time)
{
    static const char *const names[] = {
        "Europe/Berlin", "America/New_York", "Europe/Dublin",       "Australia/Lord_Howe",
        "Pacific/Apia",  "Africa/Cairo",     "America/Santiago",    "Asia/Gaza",
        "Asia/Tehran",   "Antarctica/Troll", "America/Scoresbysund"};
    static int32_t offsets[INSTANTS];
    static int64_t at[INSTANTS];
    Str path = str_fmt(t_arena(), "%s/instants%c", t_dir(), 0);
    FILE *f = fopen(path.p, "we");
    uint64_t chance = 0x9e3779b97f4a7c15;

    t_expect(f);
    for (int i = 0; i < INSTANTS; i++) {
        chance = chance * 6364136223846793005 + 1442695040888963407;
        at[i] = (int64_t)(chance >> 30) % 17000000000 - 1000000000; /* 1938 to 2477 */
        (void)fprintf(f, "@%lld\n", (long long)at[i]);
    }
    t_expect(fclose(f) == 0);
    for (size_t z = 0; z < ARRAY_LEN(names); z++) {
        const struct tz *tz = zone(names[z]);
        if (!tz || ask_date(names[z], str_head(path, path.n - 1), offsets) != INSTANTS) {
            t_skip("this system has no tzdata, or a date command of another kind");
            return;
        }
        for (int i = 0; i < INSTANTS; i++)
            if (tz_offset_at(tz, at[i]) != offsets[i])
                t_fail(__FILE__, __LINE__, "%s at %lld: %d, date says %d", names[z],
                       (long long)at[i], tz_offset_at(tz, at[i]), offsets[i]);
    }
}

/* A file of version 2 without transitions, and with @footer. */
static Str file_of(const char *footer)
{
    char head[44 + 6 + 4] = "TZif2";
    size_t n = strlen(footer);
    char *p = arena_bytes(t_arena(), 2 * sizeof head + n + 2);

    head[39] = 1;
    head[43] = 4;
    memcpy(p, head, sizeof head);
    memcpy(p + sizeof head, head, sizeof head);
    p[2 * sizeof head] = '\n';
    memcpy(p + 2 * sizeof head + 1, footer, n);
    p[2 * sizeof head + 1 + n] = '\n';
    return str_from(p, 2 * sizeof head + n + 2);
}

TEST(a_rule_holds_for_ever)
{
    const struct tz *tz;

    t_expect_ok(tz_parse(t_arena(), file_of("CET-1CEST,M3.5.0,M10.5.0/3"), &tz));
    t_expect_int(tz_offset_at(tz, utc("2026-03-29T00:59:59Z")), 3600);
    t_expect_int(tz_offset_at(tz, utc("2026-03-29T01:00:00Z")), 7200);
    t_expect_int(tz_offset_at(tz, utc("2926-07-01T00:00:00Z")), 7200);
    t_expect_int(tz_offset_at(tz, utc("2026-12-31T23:59:59Z")), 3600);
    t_expect_ok(tz_parse(t_arena(), file_of("<+0330>-3:30"), &tz));
    t_expect_int(tz_offset_at(tz, 0), 12600);
    t_expect(tz_span_at(tz, 0).to == INT64_MAX);
    /* Days by number, and a time before the day begins. */
    t_expect_ok(tz_parse(t_arena(), file_of("AAA3BBB,J60/-1,300"), &tz));
    t_expect_int(tz_span_at(tz, utc("2028-02-01T00:00:00Z")).to, utc("2028-03-01T02:00:00Z"));
    t_expect_int(tz_span_at(tz, utc("2026-02-01T00:00:00Z")).to, utc("2026-03-01T02:00:00Z"));
    t_expect_int(tz_span_at(tz, utc("2026-07-01T00:00:00Z")).to, utc("2026-10-28T04:00:00Z"));
    /* Summer all year: the changes fall together. */
    t_expect_ok(tz_parse(t_arena(), file_of("XXX3EDT4,0/0,J365/23"), &tz));
    t_expect_int(tz_offset_at(tz, utc("2026-01-01T03:59:59Z")), -14400);
    t_expect_int(tz_offset_at(tz, utc("2026-07-01T00:00:00Z")), -14400);
}

TEST(zone_data_that_is_damaged_is_refused)
{
    static const char *const rules[] = {
        "C-1",
        "CET",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,J1",
        "CET-25",
        "CET-1x",
        "CET-1CEST,M3.6.0,1",
        "CET-1CEST,J0,J2",
        "CET-1CEST,1,366",
        "<CET-1",
        "CET-1:60",
        "CET-1CEST,M3.5.0/168,1",
    };
    Str good = file_of("CET-1CEST,M3.5.0,M10.5.0/3");
    const struct tz *tz;

    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        t_expect_err(tz_parse(t_arena(), file_of(rules[i]), &tz), E_INVALID);
    for (size_t n = 0; n < good.n; n++)
        t_expect_err(tz_parse(t_arena(), str_head(good, n), &tz), E_INVALID);
    t_expect_err(tz_parse(t_arena(), S("TZif2"), &tz), E_INVALID);
}
