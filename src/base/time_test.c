/* src/base/time_test.c */
#include "base/test.h"
#include "base/time.h"

static Usec fixed_wall(void *ctx)
{
    return *(Usec *)ctx;
}

static Usec fixed_mono(void *ctx)
{
    return *(Usec *)ctx / 2;
}

TEST(time_comes_from_the_source_that_was_set)
{
    Usec now = 4000;
    struct time_source source = {fixed_wall, fixed_mono, &now};

    time_source_set(&source);
    Usec wall = time_wall(), mono = time_mono(), in = usec_in(5);
    time_source_set(NULL);
    t_expect_int(wall, 4000);
    t_expect_int(mono, 2000);
    t_expect_int(in, 2005);
    t_expect(time_wall() > 1700000000 * USEC_S);
}

TEST(the_monotonic_clock_does_not_go_back)
{
    Usec last = time_mono();
    for (int i = 0; i < 10000; i++) {
        Usec now = time_mono();
        t_expect(now >= last);
        last = now;
    }
}

TEST(adding_a_span_to_never_stays_never)
{
    t_expect_int(usec_add(USEC_NEVER, -5), USEC_NEVER);
    t_expect_int(usec_add(USEC_NEVER - 2, 5), USEC_NEVER);
    t_expect_int(usec_add(7, 5), 12);
    t_expect_int(usec_min(3, 4), 3);
    t_expect_int(usec_max(3, 4), 4);
}

TEST(times_are_written_as_rfc3339)
{
    static const struct {
        Usec wall;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {951782400 * USEC_S, "2000-02-29T00:00:00.000000Z"},
        {951868799 * USEC_S, "2000-02-29T23:59:59.000000Z"},
        {951868800 * USEC_S, "2000-03-01T00:00:00.000000Z"},
        {-2203891200 * USEC_S, "1900-03-01T00:00:00.000000Z"}, /* 1900 had no leap day */
        {-2203891200 * USEC_S - 1, "1900-02-28T23:59:59.999999Z"},
        {1795162530 * USEC_S + 123456, "2026-11-20T08:15:30.123456Z"},
        {4107542400 * USEC_S, "2100-03-01T00:00:00.000000Z"},
        {4107542399 * USEC_S, "2100-02-28T23:59:59.000000Z"},
        {253402300799 * USEC_S + 999999, "9999-12-31T23:59:59.999999Z"},
        {-62167219200 * USEC_S, "0000-01-01T00:00:00.000000Z"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[TIME_RFC3339_SIZE];
        Usec back = 0;
        t_expect_str(time_rfc3339(cases[i].wall, text), str_c(cases[i].text));
        t_expect_int(strlen(text), 27);
        t_expect_ok(time_parse_rfc3339(str_c(cases[i].text), &back));
        t_expect_int(back, cases[i].wall);
    }
}

TEST(times_outside_four_digit_years_are_held_at_the_border)
{
    char text[TIME_RFC3339_SIZE];

    t_expect_str(time_rfc3339(USEC_NEVER, text), S("9999-12-31T23:59:59.999999Z"));
    t_expect_str(time_rfc3339(INT64_MIN, text), S("0000-01-01T00:00:00.000000Z"));
    t_expect_str(time_http_date(USEC_NEVER, text), S("Fri, 31 Dec 9999 23:59:59 GMT"));
}

TEST(every_day_of_nine_centuries_is_written_and_read_back)
{
    char text[TIME_RFC3339_SIZE], date[TIME_RFC3339_SIZE];

    for (Usec day = -200 * 365; day < 700 * 365; day++) {
        Usec wall = day * USEC_DAY + 86399 * USEC_S, back = 0;
        t_expect_ok(time_parse_rfc3339(time_rfc3339(wall, text), &back));
        t_expect_int(back, wall);
        t_expect_ok(time_parse_http_date(time_http_date(wall, date), &back));
        t_expect_int(back, wall);
    }
}

TEST(rfc3339_with_offsets_is_read)
{
    static const struct {
        const char *text;
        Usec wall;
    } cases[] = {
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T19:00:00-05:00", 0},
        {"1970-01-01T05:45:00.5+05:45", 500000},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00Z", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T00:00:00.1Z", 100000},
        {"1970-01-01T00:00:00.1234567899Z", 123456},
        {"1998-12-31T23:59:60Z", 915148800 * USEC_S},
        {"1998-12-31T15:59:60-08:00", 915148800 * USEC_S},
        {"2024-02-29T00:00:00+23:59", 1709078460 * USEC_S},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Usec wall = -1;
        t_expect_ok(time_parse_rfc3339(str_c(cases[i].text), &wall));
        t_expect_int(wall, cases[i].wall);
    }
}

TEST(what_is_not_rfc3339_is_refused)
{
    static const char *const bad[] = {
        "",
        "1970",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00Z",
        "1970-1-01T00:00:00Z",
        "70-01-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:60Z",
        "1998-12-31T23:58:60Z",
        "1998-12-31T22:59:60Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00,5Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00+0000",
        "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00Zx",
        " 1970-01-01T00:00:00Z",
        "1970-01-01_00:00:00Z",
        "-970-01-01T00:00:00Z",
        "1970-01-01T00:00:0/Z",
        "1970-01-01T00:00:00 Z",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        Usec wall = 77;
        Err e = time_parse_rfc3339(str_c(bad[i]), &wall);
        if (e != E_SYNTAX || wall != 77)
            t_fail(__FILE__, __LINE__, "\"%s\" gave %s", bad[i], err_name(e));
    }
}

TEST(the_three_http_dates_are_read)
{
    Usec now = 1795162530 * USEC_S, wall = 0; /* 2026 */
    struct time_source source = {fixed_wall, fixed_mono, &now};
    char text[TIME_RFC3339_SIZE];

    t_expect_str(time_http_date(784111777 * USEC_S + 5, text), S("Sun, 06 Nov 1994 08:49:37 GMT"));
    t_expect_ok(time_parse_http_date(S("Sun, 06 Nov 1994 08:49:37 GMT"), &wall));
    t_expect_int(wall, 784111777 * USEC_S);
    t_expect_ok(time_parse_http_date(S("Sun Nov  6 08:49:37 1994"), &wall));
    t_expect_int(wall, 784111777 * USEC_S);
    t_expect_ok(time_parse_http_date(S("Wed Nov 16 08:49:37 1994"), &wall));
    t_expect_int(wall, 784975777 * USEC_S);

    time_source_set(&source);
    Err past = time_parse_http_date(S("Sunday, 06-Nov-94 08:49:37 GMT"), &wall);
    Usec past_wall = wall;
    Err ahead = time_parse_http_date(S("Friday, 06-Nov-76 08:49:37 GMT"), &wall);
    time_source_set(NULL);
    t_expect_ok(past);
    t_expect_int(past_wall, 784111777 * USEC_S);
    t_expect_ok(ahead);
    t_expect_str(time_http_date(wall, text), S("Fri, 06 Nov 2076 08:49:37 GMT"));
}

TEST(what_is_no_http_date_is_refused)
{
    static const char *const bad[] = {
        "",
        "Sun",
        "Sun,",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun Nov 6 08:49:37 1994",
        "Sunday, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "0",
        "1000",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        Usec wall = 77;
        Err e = time_parse_http_date(str_c(bad[i]), &wall);
        if (e != E_SYNTAX || wall != 77)
            t_fail(__FILE__, __LINE__, "\"%s\" gave %s", bad[i], err_name(e));
    }
}

TEST(spans_are_read_and_written)
{
    static const struct {
        const char *text;
        Usec span;
        const char *shortest;
    } cases[] = {
        {"0", 0, "0s"},
        {"30", 30 * USEC_S, "30s"},
        {"0.25", 250 * USEC_MS, "250ms"},
        {"250ms", 250 * USEC_MS, "250ms"},
        {"7us", 7, "7us"},
        {"30s", 30 * USEC_S, "30s"},
        {"90s", 90 * USEC_S, "1m30s"},
        {"10m", 10 * USEC_MIN, "10m"},
        {"1h30m", 90 * USEC_MIN, "1h30m"},
        {"1.5h", 90 * USEC_MIN, "1h30m"},
        {"7d", 7 * USEC_DAY, "7d"},
        {"1d2h3m4s5ms6us", 93784005006, "1d2h3m4s5ms6us"},
        {"0.000001s", 1, "1us"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[TIME_RFC3339_SIZE];
        Usec span = -1;
        t_expect_ok(time_parse_span(str_c(cases[i].text), &span));
        t_expect_int(span, cases[i].span);
        t_expect_str(time_span(span, text), str_c(cases[i].shortest));
    }
}

TEST(iso_8601_durations_are_read)
{
    static const struct {
        const char *text;
        Usec span;
    } cases[] = {
        {"PT30S", 30 * USEC_S},
        {"PT1H30M", 90 * USEC_MIN},
        {"P1DT12H", 36 * USEC_H},
        {"P2W", 14 * USEC_DAY},
        {"PT0S", 0},
        {"PT1.5S", 1500 * USEC_MS},
        {"P0.5D", 12 * USEC_H},
        {"P1W2DT3H4M5S", 788645 * USEC_S},
        {"PT0.000001S", 1},
    };
    static const char *const bad[] = {"",          "P",    "PT",     "P1Y",    "P1M",   "1H",
                                      "PT1D",      "P1H",  "PT1M1H", "PT1H1H", "PT1",   "PT-1S",
                                      "PT1.5H30M", "pt1s", "PT1S ",  "P1DT",   "PTT1S", "PT.5S"};
    Usec span;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        span = -1;
        t_expect_ok(time_parse_iso_span(str_c(cases[i].text), &span));
        t_expect_int(span, cases[i].span);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        t_expect(time_parse_iso_span(str_c(bad[i]), &span) != OK);
    t_expect_err(time_parse_iso_span(S("P99999999999999999D"), &span), E_RANGE);
}

TEST(the_widest_spans_fit_their_buffer)
{
    char text[TIME_RFC3339_SIZE];

    t_expect_str(time_span(USEC_NEVER, text), S("never"));
    t_expect_str(time_span(USEC_NEVER - 1, text), S("106751991d4h54s775ms806us"));
    t_expect_str(time_span(INT64_MIN, text), S("-106751991d4h54s775ms808us"));
    t_expect_str(time_span(-(90 * USEC_MIN), text), S("-1h30m"));
    /* The longest that exists: every unit with all its digits. */
    Str longest = time_span(-(106751990 * USEC_DAY + 86399999999), text);
    t_expect_str(longest, S("-106751990d23h59m59s999ms999us"));
    t_expect(longest.n < TIME_RFC3339_SIZE);
}

TEST(what_is_no_span_is_refused)
{
    static const char *const bad[] = {"",      "s",   "-1s", "1x",   "1 s", "1h30", "30m1h",
                                      "1s1s",  "1.s", ".5s", "1h ",  "1S",  "+1s",  "1e3",
                                      "1..5s", "1ss", "1sm", "0x1s", "1h,", "1h2h", "1ms1s"};
    static const char *const wide[] = {"106751992d", "9223372036855s", "99999999999999999999s",
                                       "106751991d5h"};
    Usec span = 77;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        Err e = time_parse_span(str_c(bad[i]), &span);
        if (e != E_SYNTAX)
            t_fail(__FILE__, __LINE__, "\"%s\" gave %s", bad[i], err_name(e));
    }
    for (size_t i = 0; i < ARRAY_LEN(wide); i++)
        t_expect_err(time_parse_span(str_c(wide[i]), &span), E_RANGE);
    t_expect_int(span, 77);
}
