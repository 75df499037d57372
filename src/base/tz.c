/* src/base/tz.c - reading TZif (RFC 8536) and the POSIX rule in its footer. */
#include "base/tz.h"

#include "base/time.h"

enum {
    TRANSITIONS_MAX = 4000,
    TYPES_MAX = 256,
    HEADER = 44,
    OFFSET_MAX = 26 * 3600, /* no place was ever further from UTC; POSIX allows 24 h and a change */
};

/* When a rule changes the clock: POSIX "Mm.w.d", "Jn", "n", and the local time of that day. */
enum when_kind { WHEN_WEEKDAY, WHEN_JULIAN, WHEN_ZERO };
struct when {
    enum when_kind kind;
    int month, week, day;
    int32_t time;
};

struct rule {
    int32_t offset, dst_offset;
    bool has_dst;
    struct when begins, ends;
};

struct tz {
    int64_t *at; /* rising: from at[i] on, the lead is offset[i + 1] */
    int32_t *offset;
    int n;
    bool has_rule;
    struct rule rule; /* after the last transition */
};

/* ---- the footer ---- */

struct scan {
    Str rest;
    bool bad;
};

static char peek(const struct scan *s)
{
    return s->rest.n ? s->rest.p[0] : 0;
}

static bool take(struct scan *s, char c)
{
    if (peek(s) != c)
        return false;
    s->rest = str_skip(s->rest, 1);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int number(struct scan *s, int min, int max)
{
    int v = 0, digits = 0;

    while (is_digit(peek(s)) && digits < 5) {
        v = v * 10 + (peek(s) - '0');
        s->rest = str_skip(s->rest, 1);
        digits++;
    }
    if (!digits || v < min || v > max)
        s->bad = true;
    return v;
}

/* "CET", "<+0330>": only its length matters. */
static void skip_name(struct scan *s)
{
    size_t n = 0;

    if (take(s, '<')) {
        while (s->rest.n && peek(s) != '>')
            s->rest = str_skip(s->rest, 1);
        s->bad |= !take(s, '>');
        return;
    }
    while ((peek(s) >= 'A' && peek(s) <= 'Z') || (peek(s) >= 'a' && peek(s) <= 'z')) {
        s->rest = str_skip(s->rest, 1);
        n++;
    }
    s->bad |= n < 3;
}

/* "[+-]hh[:mm[:ss]]" in seconds. */
static int32_t clock_time(struct scan *s, int max_hours)
{
    int sign = take(s, '-') ? -1 : 1;
    if (sign > 0)
        (void)take(s, '+'); /* may be there */
    int32_t v = number(s, 0, max_hours) * 3600;
    if (take(s, ':')) {
        v += number(s, 0, 59) * 60;
        if (take(s, ':'))
            v += number(s, 0, 59);
    }
    return sign * v;
}

static struct when read_when(struct scan *s)
{
    struct when w = {.kind = WHEN_ZERO, .time = 2 * 3600};

    if (take(s, 'M')) {
        w.kind = WHEN_WEEKDAY;
        w.month = number(s, 1, 12);
        s->bad |= !take(s, '.');
        w.week = number(s, 1, 5);
        s->bad |= !take(s, '.');
        w.day = number(s, 0, 6);
    } else if (take(s, 'J')) {
        w.kind = WHEN_JULIAN;
        w.day = number(s, 1, 365);
    } else {
        w.day = number(s, 0, 365);
    }
    if (take(s, '/'))
        w.time = clock_time(s, 167);
    return w;
}

/* "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX, with the times of RFC 8536 section 3.3.1). */
static bool read_rule(Str text, struct rule *ret_rule)
{
    struct scan s = {text, false};
    struct rule r = {0};

    skip_name(&s);
    r.offset = -clock_time(&s, 24);
    r.dst_offset = r.offset + 3600;
    if (s.rest.n) {
        r.has_dst = true;
        skip_name(&s);
        if (peek(&s) != ',')
            r.dst_offset = -clock_time(&s, 24);
        s.bad |= !take(&s, ',');
        r.begins = read_when(&s);
        s.bad |= !take(&s, ',');
        r.ends = read_when(&s);
    }
    *ret_rule = r;
    return !s.bad && !s.rest.n;
}

/* The local time of the change in @year, as seconds since 1970 on that clock. */
static int64_t when_in(const struct when *w, int64_t year)
{
    int64_t day;

    if (w->kind == WHEN_WEEKDAY) {
        day = time_days_of(year, w->month, 1);
        day += (w->day - time_date_of(day).weekday + 7) % 7 + (w->week - 1) * 7;
        if (w->week == 5 && time_date_of(day).month != w->month)
            day -= 7;
    } else {
        day = time_days_of(year, 1, 1) + w->day;
        /* "Jn" counts from 1 and never counts 29 February. */
        if (w->kind == WHEN_JULIAN && (w->day < 60 || time_month_days(year, 2) == 28))
            day--;
    }
    return day * 86400 + w->time;
}

/* The span of @utc by @rule alone: of the changes of three years, those around it. */
static struct tz_span rule_span(const struct rule *rule, int64_t utc)
{
    struct tz_span span = {INT64_MIN, INT64_MAX, rule->offset};
    /* Far beyond every calendar the changes of such years are not told any more. */
    const int64_t horizon = (int64_t)86400 * 366 * 100000;

    if (!rule->has_dst || utc > horizon || utc < -horizon)
        return span;
    int64_t days = utc >= 0 ? utc / 86400 : -((-utc + 86399) / 86400);
    int64_t year = time_date_of(days).year;
    for (int64_t y = year - 1; y <= year + 1; y++) {
        const struct tz_span changes[2] = {
            {when_in(&rule->begins, y) - rule->offset, 0, rule->dst_offset},
            {when_in(&rule->ends, y) - rule->dst_offset, 0, rule->offset},
        };
        for (int i = 0; i < 2; i++) {
            if (changes[i].from <= utc && changes[i].from >= span.from) {
                span.from = changes[i].from;
                span.offset = changes[i].offset;
            } else if (changes[i].from > utc && changes[i].from < span.to) {
                span.to = changes[i].from;
            }
        }
    }
    return span;
}

/* ---- the file ---- */

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static uint32_t be32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t be64(const char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static bool read_header(Str s, char *ret_version, struct counts *ret_counts)
{
    if (s.n < HEADER || memcmp(s.p, "TZif", 4) != 0)
        return false;
    *ret_version = s.p[4];
    *ret_counts = (struct counts){be32(s.p + 20), be32(s.p + 24), be32(s.p + 28),
                                  be32(s.p + 32), be32(s.p + 36), be32(s.p + 40)};
    return ret_counts->time <= TRANSITIONS_MAX && ret_counts->type >= 1 &&
           ret_counts->type <= TYPES_MAX && ret_counts->leap <= TRANSITIONS_MAX &&
           ret_counts->chars <= TZ_FILE_MAX && ret_counts->isut <= TYPES_MAX &&
           ret_counts->isstd <= TYPES_MAX;
}

static size_t data_size(const struct counts *c, size_t time_size)
{
    return c->time * (time_size + 1) + c->type * 6 + c->chars + c->leap * (time_size + 4) +
           c->isstd + c->isut;
}

/* Behind the header: the transitions, which type each leads to, the types. */
static bool read_data(struct arena *a, Str s, const struct counts *c, size_t time_size,
                      struct tz *tz)
{
    const char *kinds = s.p + c->time * time_size, *types = kinds + c->time;

    if (s.n < data_size(c, time_size))
        return false;
    tz->n = (int)c->time;
    tz->at = arena_array(a, int64_t, c->time + 1);
    tz->offset = arena_array(a, int32_t, c->time + 1);
    for (uint32_t i = 0; i <= c->time; i++) {
        unsigned kind = i ? (unsigned char)kinds[i - 1] : 0; /* type 0 before the first one */
        if (kind >= c->type)
            return false;
        tz->offset[i] = (int32_t)be32(types + kind * 6);
        if (tz->offset[i] > OFFSET_MAX || tz->offset[i] < -OFFSET_MAX)
            return false;
    }
    for (uint32_t i = 0; i < c->time; i++) {
        const char *at = s.p + i * time_size;
        tz->at[i] = time_size == 8 ? be64(at) : (int32_t)be32(at);
        if (i && tz->at[i] <= tz->at[i - 1])
            return false;
    }
    return true;
}

static bool read_footer(Str s, struct tz *tz)
{
    Str line;

    if (!s.n || s.p[0] != '\n' || !str_cut(str_skip(s, 1), '\n', &line).p)
        return false;
    tz->has_rule = line.n > 0; /* empty: the future is not known, the last lead stays */
    return !line.n || read_rule(line, &tz->rule);
}

static Err bad(void)
{
    return err_set(E_INVALID, "the time zone data is not well formed");
}

Err tz_parse(struct arena *a, Str bytes, const struct tz **ret_tz)
{
    struct tz *tz = arena_new_of(a, struct tz);
    struct counts c;
    char version;

    if (bytes.n > TZ_FILE_MAX || !read_header(bytes, &version, &c))
        return bad();
    Str rest = str_skip(bytes, HEADER);
    if (version >= '2') {
        /* What follows is for readers of version 1; the better data stands behind it. */
        if (rest.n < data_size(&c, 4))
            return bad();
        rest = str_skip(rest, data_size(&c, 4));
        if (!read_header(rest, &version, &c))
            return bad();
        rest = str_skip(rest, HEADER);
    }
    size_t time_size = version >= '2' ? 8 : 4;
    if (c.leap)
        return err_set(E_INVALID, "the time zone data counts leap seconds");
    if (!read_data(a, rest, &c, time_size, tz))
        return bad();
    if (version >= '2' && !read_footer(str_skip(rest, data_size(&c, time_size)), tz))
        return bad();
    *ret_tz = tz;
    return OK;
}

/* ---- asking ---- */

const struct tz *tz_utc(void)
{
    static int32_t offset;
    static const struct tz utc = {.offset = &offset};
    return &utc;
}

/* How many transitions lie at or before @utc. */
static int passed(const struct tz *tz, int64_t utc)
{
    int low = 0, high = tz->n;

    while (low < high) {
        int mid = low + (high - low) / 2;
        if (tz->at[mid] <= utc)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct tz_span tz_span_at(const struct tz *tz, int64_t utc)
{
    int i = passed(tz, utc);
    int64_t last = i ? tz->at[i - 1] : INT64_MIN;

    if (i == tz->n && tz->has_rule) {
        struct tz_span span = rule_span(&tz->rule, utc);
        if (span.from < last)
            span.from = last;
        return span;
    }
    return (struct tz_span){last, i < tz->n ? tz->at[i] : INT64_MAX, tz->offset[i]};
}
