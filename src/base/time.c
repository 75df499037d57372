/* src/base/time.c - clocks, and the text forms of times and spans.
 *
 * Calendar arithmetic is done here and not by the C library: it is the same on every machine, knows
 * no time zone, takes no lock and reads no file.
 */
#include "base/time.h"

#include <stdatomic.h>
#include <stdio.h>

static Usec read_clock(clockid_t which)
{
    struct timespec ts;

    if (clock_gettime(which, &ts) != 0)
        DIE("no clock %d", (int)which);
    return (Usec)ts.tv_sec * USEC_S + ts.tv_nsec / 1000;
}

static Usec real_wall(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_REALTIME);
}

static Usec real_mono(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_MONOTONIC);
}

static const struct time_source real_source = {real_wall, real_mono, NULL};
static _Atomic(const struct time_source *) current = &real_source;

void time_source_set(const struct time_source *source)
{
    atomic_store_explicit(&current, source ? source : &real_source, memory_order_release);
}

Usec time_wall(void)
{
    const struct time_source *s = atomic_load_explicit(&current, memory_order_acquire);
    return s->wall(s->ctx);
}

Usec time_mono(void)
{
    const struct time_source *s = atomic_load_explicit(&current, memory_order_acquire);
    return s->mono(s->ctx);
}

/* ---- the calendar: days since 1970-01-01, proleptic Gregorian ---- */

struct civil {
    int64_t year;
    int month, day, hour, min, sec, usec;
    int weekday; /* 0 is Sunday */
};

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char weekdays[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                     "Thursday", "Friday", "Saturday"};

/* Years are counted from March, so that the leap day is the last of its year; 400 years are one era
 * of 146,097 days. 719,468 days lie between 0000-03-01 and 1970-01-01. */
int64_t time_days_of(int64_t year, int month, int day)
{
    if (month <= 2)
        year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct time_date time_date_of(int64_t days)
{
    struct time_date d;

    d.weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    d.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    d.month = (int)(month < 10 ? month + 3 : month - 9);
    d.year = year_of_era + era * 400 + (d.month <= 2);
    return d;
}

static struct civil civil_of(Usec wall)
{
    int64_t days = wall / USEC_DAY;
    int64_t left = wall % USEC_DAY;
    struct civil c;

    if (left < 0) {
        left += USEC_DAY;
        days--;
    }
    struct time_date d = time_date_of(days);
    c.weekday = d.weekday;
    c.day = d.day;
    c.month = d.month;
    c.year = d.year;
    c.hour = (int)(left / USEC_H);
    c.min = (int)(left / USEC_MIN % 60);
    c.sec = (int)(left / USEC_S % 60);
    c.usec = (int)(left % USEC_S);
    return c;
}

int time_month_days(int64_t year, int month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* The time of fields that were read; second 60 is taken as the leap second it can be: the last of a
 * UTC day, equal to the first moment of the next one. @offset_min is the zone's lead over UTC. */
static Err usec_of(const struct civil *c, int offset_min, Usec *ret_wall)
{
    if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > time_month_days(c->year, c->month))
        return E_SYNTAX;
    if (c->hour > 23 || c->min > 59 || c->sec > 60)
        return E_SYNTAX;
    int64_t secs = time_days_of(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->min * 60 +
                   c->sec - offset_min * 60;
    if (c->sec == 60 && secs % 86400 != 0)
        return E_SYNTAX;
    *ret_wall = secs * USEC_S + c->usec;
    return OK;
}

/* ---- writing ---- */

static char *put_digits(char *to, int64_t v, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        to[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return to + width;
}

/* The texts have four digits for the year: what lies outside is held at the nearest moment inside.
 */
static Usec in_four_digits(Usec wall)
{
    static const Usec first = -62167219200 * USEC_S;             /* 0000-01-01T00:00:00 */
    static const Usec last = 253402300799 * USEC_S + USEC_S - 1; /* 9999-12-31T23:59:59.999999 */
    return usec_min(usec_max(wall, first), last);
}

/* "2026-11-20T09:00:00." of a whole second. */
static void put_second(char *to, Usec second)
{
    struct civil c = civil_of(second * USEC_S);

    to = put_digits(to, c.year, 4);
    *to++ = '-';
    to = put_digits(to, c.month, 2);
    *to++ = '-';
    to = put_digits(to, c.day, 2);
    *to++ = 'T';
    to = put_digits(to, c.hour, 2);
    *to++ = ':';
    to = put_digits(to, c.min, 2);
    *to++ = ':';
    to = put_digits(to, c.sec, 2);
    *to = '.';
}

Str time_rfc3339(Usec wall, char *out)
{
    enum { TO_SECOND = sizeof "2026-11-20T09:00:00." - 1 };
    /* Most times that are written are of one second: now. */
    static _Thread_local Usec second;
    static _Thread_local char text[TO_SECOND];

    wall = in_four_digits(wall);
    Usec at = wall / USEC_S - (wall % USEC_S < 0);
    if (at != second || !text[0]) {
        put_second(text, at);
        second = at;
    }
    memcpy(out, text, TO_SECOND);
    char *to = put_digits(out + TO_SECOND, wall - at * USEC_S, 6);
    *to++ = 'Z';
    *to = 0;
    return (Str){out, (size_t)(to - out)};
}

Str time_http_date(Usec wall, char *out)
{
    struct civil c = civil_of(in_four_digits(wall));
    int n = snprintf(out, TIME_RFC3339_SIZE, "%.3s, %02d %s %04d %02d:%02d:%02d GMT",
                     weekdays[c.weekday], c.day, months[c.month - 1], (int)c.year, c.hour, c.min,
                     c.sec);
    return (Str){out, (size_t)n};
}

/* ---- reading: a scanner that remembers that something did not fit ---- */

struct scan {
    Str rest;
    bool bad;
};

static int scan_digits(struct scan *s, size_t n)
{
    int v = 0;

    if (s->rest.n < n) {
        s->bad = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        char c = s->rest.p[i];
        if (c < '0' || c > '9')
            s->bad = true;
        v = v * 10 + (c - '0');
    }
    s->rest = str_skip(s->rest, n);
    return s->bad ? 0 : v;
}

static bool scan_char(struct scan *s, char c)
{
    if (s->rest.n == 0 || s->rest.p[0] != c)
        return false;
    s->rest = str_skip(s->rest, 1);
    return true;
}

static void scan_text(struct scan *s, Str what)
{
    if (!str_starts(s->rest, what))
        s->bad = true;
    s->rest = str_skip(s->rest, what.n);
}

static void scan_clock(struct scan *s, struct civil *c)
{
    c->hour = scan_digits(s, 2);
    scan_text(s, S(":"));
    c->min = scan_digits(s, 2);
    scan_text(s, S(":"));
    c->sec = scan_digits(s, 2);
}

static int scan_month(struct scan *s)
{
    for (int i = 0; i < 12; i++) {
        if (!str_starts(s->rest, str_from(months[i], 3)))
            continue;
        s->rest = str_skip(s->rest, 3);
        return i + 1;
    }
    s->bad = true;
    return 0;
}

/* Digits behind the point: at least one, of any number; what is finer than a microsecond is cut. */
static int scan_fraction(struct scan *s)
{
    int usec = 0, unit = 100000;
    size_t n = 0;

    for (; n < s->rest.n && s->rest.p[n] >= '0' && s->rest.p[n] <= '9'; n++) {
        usec += (s->rest.p[n] - '0') * unit;
        unit /= 10;
    }
    if (n == 0)
        s->bad = true;
    s->rest = str_skip(s->rest, n);
    return usec;
}

static int scan_offset(struct scan *s)
{
    if (scan_char(s, 'Z') || scan_char(s, 'z'))
        return 0;
    int sign = scan_char(s, '-') ? -1 : 1;
    if (sign == 1)
        scan_text(s, S("+"));
    int hours = scan_digits(s, 2);
    scan_text(s, S(":"));
    int mins = scan_digits(s, 2);
    if (hours > 23 || mins > 59)
        s->bad = true;
    return sign * (hours * 60 + mins);
}

Err time_parse_rfc3339(Str text, Usec *ret_wall)
{
    struct scan s = {text, false};
    struct civil c = {0};

    c.year = scan_digits(&s, 4);
    scan_text(&s, S("-"));
    c.month = scan_digits(&s, 2);
    scan_text(&s, S("-"));
    c.day = scan_digits(&s, 2);
    if (!scan_char(&s, 'T') && !scan_char(&s, 't') && !scan_char(&s, ' '))
        return E_SYNTAX;
    scan_clock(&s, &c);
    if (scan_char(&s, '.'))
        c.usec = scan_fraction(&s);
    int offset_min = scan_offset(&s);
    if (s.bad || s.rest.n)
        return E_SYNTAX;
    return usec_of(&c, offset_min, ret_wall);
}

/* A two-digit year is of the century that puts it at most 50 years ahead (RFC 9110 section 5.6.7).
 */
static int64_t full_year(int two_digits)
{
    int64_t now = civil_of(time_wall()).year;
    int64_t year = now - now % 100 + two_digits;
    if (year > now + 50)
        year -= 100;
    else if (year <= now - 50)
        year += 100;
    return year;
}

/* "Sun Nov  6 08:49:37 1994", behind the day's name. */
static void scan_asctime(struct scan *s, struct civil *c)
{
    scan_text(s, S(" "));
    c->month = scan_month(s);
    scan_text(s, S(" "));
    c->day = scan_char(s, ' ') ? scan_digits(s, 1) : scan_digits(s, 2);
    scan_text(s, S(" "));
    scan_clock(s, c);
    scan_text(s, S(" "));
    c->year = scan_digits(s, 4);
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", behind the day's name. */
static void scan_rfc850(struct scan *s, struct civil *c)
{
    scan_text(s, S(", "));
    c->day = scan_digits(s, 2);
    scan_text(s, S("-"));
    c->month = scan_month(s);
    scan_text(s, S("-"));
    c->year = full_year(scan_digits(s, 2));
    scan_text(s, S(" "));
    scan_clock(s, c);
    scan_text(s, S(" GMT"));
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", behind the day's name. */
static void scan_imf(struct scan *s, struct civil *c)
{
    scan_text(s, S(", "));
    c->day = scan_digits(s, 2);
    scan_text(s, S(" "));
    c->month = scan_month(s);
    scan_text(s, S(" "));
    c->year = scan_digits(s, 4);
    scan_text(s, S(" "));
    scan_clock(s, c);
    scan_text(s, S(" GMT"));
}

Err time_parse_http_date(Str text, Usec *ret_wall)
{
    struct scan s = {text, false};
    struct civil c = {0};

    for (size_t i = 0; i < ARRAY_LEN(weekdays); i++) {
        Str day = str_c(weekdays[i]);
        if (!str_starts(text, str_head(day, 3)))
            continue;
        if (str_starts(text, day)) {
            s.rest = str_skip(text, day.n);
            scan_rfc850(&s, &c);
        } else {
            s.rest = str_skip(text, 3);
            if (str_starts(s.rest, S(",")))
                scan_imf(&s, &c);
            else
                scan_asctime(&s, &c);
        }
        return s.bad || s.rest.n ? E_SYNTAX : usec_of(&c, 0, ret_wall);
    }
    return E_SYNTAX;
}

/* ---- spans ---- */

static const struct {
    Str name;
    Usec size;
} units[] = {{S_INIT("d"), USEC_DAY}, {S_INIT("h"), USEC_H},   {S_INIT("m"), USEC_MIN},
             {S_INIT("s"), USEC_S},   {S_INIT("ms"), USEC_MS}, {S_INIT("us"), 1}};

/* The whole number and the fraction in millionths at the start of *s. */
static Err span_number(Str *s, uint64_t *ret_whole, int *ret_millionths)
{
    struct scan rest;
    size_t digits = 0;

    while (digits < s->n && s->p[digits] >= '0' && s->p[digits] <= '9')
        digits++;
    TRY(str_to_u64(str_head(*s, digits), ret_whole));
    rest = (struct scan){str_skip(*s, digits), false};
    *ret_millionths = scan_char(&rest, '.') ? scan_fraction(&rest) : 0;
    if (rest.bad)
        return E_SYNTAX;
    *s = rest.rest;
    return OK;
}

/* The unit at the start of *s that is smaller than unit @after; its place in the table. */
static Err span_unit(Str *s, size_t after, size_t *ret_unit)
{
    size_t n = 0;

    while (n < s->n && s->p[n] >= 'a' && s->p[n] <= 'z')
        n++;
    for (size_t i = after; i < ARRAY_LEN(units); i++) {
        if (!str_eq(str_head(*s, n), units[i].name))
            continue;
        *s = str_skip(*s, n);
        *ret_unit = i;
        return OK;
    }
    return E_SYNTAX;
}

Err time_parse_span(Str s, Usec *ret_span)
{
    Usec sum = 0, part;
    size_t unit, next = 0;
    uint64_t whole;
    int millionths;

    do {
        TRY(span_number(&s, &whole, &millionths));
        if (s.n == 0 && next == 0)
            unit = 3; /* a plain number is of seconds */
        else
            TRY(span_unit(&s, next, &unit));
        next = unit + 1;
        if (__builtin_mul_overflow(whole, units[unit].size, &part) ||
            __builtin_add_overflow(part, millionths * units[unit].size / USEC_S, &part) ||
            __builtin_add_overflow(sum, part, &sum))
            return E_RANGE;
    } while (s.n);
    *ret_span = sum;
    return OK;
}

/* The designator at the start of *s that is smaller than the one @after. */
static Err iso_unit(Str *s, bool of_time, size_t after, size_t *ret_unit, Usec *ret_size)
{
    static const struct {
        char name;
        bool of_time;
        Usec size;
    } names[] = {{'W', false, 7 * USEC_DAY},
                 {'D', false, USEC_DAY},
                 {'H', true, USEC_H},
                 {'M', true, USEC_MIN},
                 {'S', true, USEC_S}};

    for (size_t i = after; i < ARRAY_LEN(names) && s->n; i++) {
        if (names[i].of_time != of_time || names[i].name != s->p[0])
            continue;
        *s = str_skip(*s, 1);
        *ret_unit = i;
        *ret_size = names[i].size;
        return OK;
    }
    return E_SYNTAX;
}

Err time_parse_iso_span(Str s, Usec *ret_span)
{
    Usec sum = 0, part, size;
    size_t next = 0, unit;
    uint64_t whole;
    int millionths = 0;
    bool of_time = false;

    if (!str_starts(s, S("P")))
        return E_SYNTAX;
    s = str_skip(s, 1);
    do {
        if (!of_time && str_starts(s, S("T"))) {
            s = str_skip(s, 1);
            of_time = true;
        }
        if (millionths)
            return E_SYNTAX; /* only the last may have a fraction */
        TRY(span_number(&s, &whole, &millionths));
        TRY(iso_unit(&s, of_time, next, &unit, &size));
        next = unit + 1;
        if (__builtin_mul_overflow(whole, size, &part) ||
            __builtin_add_overflow(part, millionths * (size / USEC_S), &part) ||
            __builtin_add_overflow(sum, part, &sum))
            return E_RANGE;
    } while (s.n);
    *ret_span = sum;
    return OK;
}

Str time_span(Usec span, char *out)
{
    uint64_t left = span < 0 ? 0 - (uint64_t)span : (uint64_t)span;
    size_t n = 0;

    if (span == USEC_NEVER)
        return (Str){out, (size_t)snprintf(out, TIME_RFC3339_SIZE, "never")};
    if (span < 0)
        out[n++] = '-';
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        uint64_t count = left / (uint64_t)units[i].size;
        left %= (uint64_t)units[i].size;
        if (count)
            n += (size_t)snprintf(out + n, TIME_RFC3339_SIZE - n, "%llu%.*s",
                                  (unsigned long long)count, P(units[i].name));
    }
    if (span == 0)
        n = (size_t)snprintf(out, TIME_RFC3339_SIZE, "0s");
    return (Str){out, n};
}
