/* src/base/time.h - clocks and times.
 *
 * Usec is a number of microseconds. Wall times count from 1970-01-01 UTC; deadlines and durations
 * are on the monotonic clock. The clock can be replaced, for tests and for the simulator.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/str.h"

typedef int64_t Usec;

#define USEC_MS ((Usec)1000)
#define USEC_S ((Usec)1000000)
#define USEC_MIN (60 * USEC_S)
#define USEC_H (60 * USEC_MIN)
#define USEC_DAY (24 * USEC_H)
/* No deadline. */
#define USEC_NEVER INT64_MAX

/* A source of time; both functions must be safe on any thread. */
struct time_source {
    Usec (*wall)(void *ctx);
    Usec (*mono)(void *ctx);
    void *ctx;
};

/* Replace the clock of the whole process; NULL puts the real one back. Only while one thread runs.
 */
void time_source_set(const struct time_source *source);

Usec time_wall(void);
Usec time_mono(void);

static inline Usec usec_min(Usec a, Usec b)
{
    return a < b ? a : b;
}
static inline Usec usec_max(Usec a, Usec b)
{
    return a > b ? a : b;
}
/* The sum, held at USEC_NEVER. */
static inline Usec usec_add(Usec at, Usec span)
{
    Usec sum;
    return at == USEC_NEVER || __builtin_add_overflow(at, span, &sum) ? USEC_NEVER : sum;
}
/* The monotonic time @span from now: a deadline. */
static inline Usec usec_in(Usec span)
{
    return usec_add(time_mono(), span);
}

/* ---- the calendar: proleptic Gregorian, days count from 1970-01-01 ---- */

struct time_date {
    int64_t year;
    int month, day, weekday; /* 1..12, 1..31, 0 (Sunday)..6 */
};
int64_t time_days_of(int64_t year, int month, int day);
struct time_date time_date_of(int64_t days);
int time_month_days(int64_t year, int month);

/* ---- text ---- */

enum { TIME_RFC3339_SIZE = 32 };
/* "2026-11-20T08:15:30.123456Z" into @out (of TIME_RFC3339_SIZE), NUL-terminated; gives the text.
 * Always six digits, so that texts sort as times do. */
Str time_rfc3339(Usec wall, char *out);
/* "Fri, 20 Nov 2026 08:15:30 GMT" (RFC 9110 section 5.6.7), same buffer size. */
Str time_http_date(Usec wall, char *out);
/* RFC 3339 with any offset; E_SYNTAX. */
Err time_parse_rfc3339(Str s, Usec *ret_wall);
/* The three date forms of RFC 9110; E_SYNTAX. */
Err time_parse_http_date(Str s, Usec *ret_wall);
/* A span such as "250ms", "30s", "10m", "1h30m", "7d", or a plain number of seconds; E_SYNTAX,
 * E_RANGE. */
Err time_parse_span(Str s, Usec *ret_span);
/* A duration of ISO 8601 such as "PT1H30M", "P1DT12H", "P2W"; the last number may have a fraction.
 * Years and months are refused: they are of no fixed length. E_SYNTAX, E_RANGE. */
Err time_parse_iso_span(Str s, Usec *ret_span);
/* The shortest such text, e.g. "1h30m"; same buffer size. */
Str time_span(Usec span, char *out);

#endif
