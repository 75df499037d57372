/* src/wf/cron.c - cron expressions as sets of bits, and the walk to the next time.
 *
 * The walk goes by months, days and bits, never second by second: the rarest date there is (29
 * February on one weekday) is found in a few hundred steps.
 */
#include "wf/cron.h"

enum { YEAR_MAX = 3000, DAY_SECONDS = 86400, PARTS_MAX = 100 };

/* ---- parsing ---- */

enum field_id { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY };

struct field_rule {
    const char *name;
    int min, max;
    const char *names; /* three letters each, from .min on */
};

static const struct field_rule rules[] = {
    [SECOND] = {"second", 0, 59, NULL},
    [MINUTE] = {"minute", 0, 59, NULL},
    [HOUR] = {"hour", 0, 23, NULL},
    [DAY] = {"day-of-month", 1, 31, NULL},
    [MONTH] = {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
    [WEEKDAY] = {"day-of-week", 0, 7, "SUNMONTUEWEDTHUFRISAT"},
};

struct parser {
    struct wf_cron *cron;
    enum field_id id;
    const struct field_rule *rule;
    Str part; /* the one of the list that is being read */
    uint64_t bits;
};

#define WRONG(p, fmt, ...)                                                                         \
    err_detail(E_INVALID, "The %s field, \"%.*s\": " fmt, (p)->rule->name,                         \
               P(str_head((p)->part, 40)), ##__VA_ARGS__)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number or a name at the head of *rest. */
static Err value(struct parser *p, Str *rest, int *ret_value)
{
    size_t n = 0;
    int v = 0;

    while (n < rest->n && n < 4 && is_digit(rest->p[n])) {
        v = v * 10 + (rest->p[n] - '0');
        n++;
    }
    for (int i = 0; !n && p->rule->names && p->rule->names[i * 3]; i++) {
        Str name = {p->rule->names + (size_t)i * 3, 3};
        if (str_starts_nocase(*rest, name)) {
            v = p->rule->min + i;
            n = 3;
        }
    }
    if (!n && !rest->n)
        return WRONG(p, "a value is missing.");
    if (!n)
        return WRONG(p, "\"%.*s\" is no %s.", P(str_head(*rest, 20)),
                     p->rule->names ? "number or name here" : "number");
    if (v < p->rule->min || v > p->rule->max)
        return WRONG(p, "%d is not within %d-%d.", v, p->rule->min, p->rule->max);
    *rest = str_skip(*rest, n);
    *ret_value = v;
    return OK;
}

static bool take(Str *rest, char c)
{
    if (!rest->n || (rest->p[0] != c && rest->p[0] != c + ('a' - 'A') * (c >= 'A' && c <= 'Z')))
        return false;
    *rest = str_skip(*rest, 1);
    return true;
}

/* "L", "L-3", "LW" of the month. */
static Err last_day(struct parser *p, Str rest)
{
    int64_t back = 0;

    if (take(&rest, 'W') && !rest.n) {
        p->cron->last_weekday_of_month = true;
        return OK;
    }
    if (take(&rest, '-') && (str_to_i64(rest, &back) != OK || back < 1 || back > 30))
        return WRONG(p, "\"L-\" is followed by how many days before the last, 1 to 30.");
    if (back)
        rest = S("");
    if (rest.n)
        return WRONG(p, "\"L\" may be followed by \"-\" and a number, or by \"W\".");
    p->cron->last_days |= 1U << back;
    return OK;
}

/* What stands behind a single day: "15W", "FRIL", "MON#2". *ret_done if that was all of it. */
static Err day_suffix(struct parser *p, int v, Str rest, bool *ret_done)
{
    int64_t nth;

    *ret_done = true;
    if (p->id == DAY && take(&rest, 'W') && !rest.n) {
        p->cron->near_days |= 1U << v;
        return OK;
    }
    if (p->id == WEEKDAY && take(&rest, 'L') && !rest.n) {
        p->cron->last_weekdays |= (uint8_t)(1U << v % 7);
        return OK;
    }
    if (p->id == WEEKDAY && take(&rest, '#')) {
        if (str_to_i64(rest, &nth) != OK || nth < 1 || nth > 5)
            return WRONG(p, "\"#\" is followed by which one of the month, 1 to 5.");
        p->cron->nth_weekdays[nth - 1] |= (uint8_t)(1U << v % 7);
        return OK;
    }
    *ret_done = false;
    return OK;
}

static Err step(struct parser *p, Str rest, int *ret_step)
{
    int64_t n;

    if (str_to_i64(rest, &n) != OK || n < 1)
        return WRONG(p, "a step is a number from 1 on.");
    if (n > p->rule->max - p->rule->min)
        return WRONG(p, "a step of %lld is longer than the field, %d-%d.", (long long)n,
                     p->rule->min, p->rule->max);
    *ret_step = (int)n;
    return OK;
}

static void set_bits(struct parser *p, int low, int high, int by)
{
    for (int v = low; v <= high; v += by)
        p->bits |= 1ULL << (p->id == WEEKDAY ? v % 7 : v);
}

/* "1-5", "FRI-SUN": Sunday ends a range as the 7th day. */
static Err range(struct parser *p, Str *rest, int low, int *ret_high)
{
    int high;

    TRY(value(p, rest, &high));
    if (p->id == WEEKDAY && high == 0 && low > 0)
        high = 7;
    if (high < low)
        return WRONG(p, "the range %d-%d runs backwards; write it as two, separated by a comma.",
                     low, high);
    *ret_high = high;
    return OK;
}

/* One part of a list. */
static Err part(struct parser *p)
{
    int low = p->rule->min, high = p->id == WEEKDAY ? 6 : p->rule->max, by = 1;
    bool single = false, done;
    Str rest = p->part;

    if (!rest.n)
        return WRONG(p, "a part of the list is empty.");
    if (p->id == DAY && take(&rest, 'L'))
        return last_day(p, rest);
    if (!take(&rest, '*')) {
        TRY(value(p, &rest, &low));
        TRY(day_suffix(p, low, rest, &done));
        if (done)
            return OK;
        single = !take(&rest, '-');
        if (single)
            high = rest.n && rest.p[0] == '/' ? high : low;
        else
            TRY(range(p, &rest, low, &high));
    }
    if (take(&rest, '/')) {
        TRY(step(p, rest, &by));
        rest = S("");
    }
    if (rest.n)
        return WRONG(p, "\"%.*s\" is not understood.", P(str_head(rest, 20)));
    set_bits(p, low, high < low ? low : high, by);
    return OK;
}

static void keep(struct parser *p, Str text)
{
    struct wf_cron *c = p->cron;
    bool any = str_starts(text, S("*")) || str_starts(text, S("?"));

    switch (p->id) {
    case SECOND:
        c->seconds = p->bits;
        break;
    case MINUTE:
        c->minutes = p->bits;
        c->keeps_pace =
            str_find_char(text, '*') != SIZE_MAX || str_find_char(text, '/') != SIZE_MAX;
        break;
    case HOUR:
        c->hours = (uint32_t)p->bits;
        c->every_hour = c->hours == (1U << 24) - 1;
        break;
    case DAY:
        c->days = (uint32_t)p->bits;
        c->any_day = any;
        break;
    case MONTH:
        c->months = (uint16_t)p->bits;
        break;
    case WEEKDAY:
        c->weekdays = (uint8_t)p->bits;
        c->any_weekday = any;
        break;
    }
}

static Err field(struct wf_cron *cron, enum field_id id, Str text)
{
    struct parser p = {cron, id, &rules[id], text, 0};
    Str rest = text;
    int parts = 0;

    if (str_eq(text, S("?"))) {
        if (id != DAY && id != WEEKDAY)
            return WRONG(&p, "\"?\" stands for any day only; write \"*\".");
        rest = S("*");
    }
    do {
        if (++parts > PARTS_MAX)
            return WRONG(&p, "the list is longer than %d.", PARTS_MAX);
        rest = str_cut(rest, ',', &p.part);
        TRY(part(&p));
    } while (rest.p);
    keep(&p, text);
    return OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The text of a nickname; empty if there is none of that name. */
static Str nickname(Str text)
{
    static const struct {
        Str name, text;
    } names[] = {
        {S_INIT("@hourly"), S_INIT("0 * * * *")},   {S_INIT("@daily"), S_INIT("0 0 * * *")},
        {S_INIT("@midnight"), S_INIT("0 0 * * *")}, {S_INIT("@weekly"), S_INIT("0 0 * * 0")},
        {S_INIT("@monthly"), S_INIT("0 0 1 * *")},  {S_INIT("@yearly"), S_INIT("0 0 1 1 *")},
        {S_INIT("@annually"), S_INIT("0 0 1 1 *")},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(text, names[i].name))
            return names[i].text;
    return S("");
}

static Err split(Str text, Str ret_fields[6], int *ret_n)
{
    size_t at = 0, begin;
    int n = 0;

    while (at < text.n) {
        while (at < text.n && is_space(text.p[at]))
            at++;
        begin = at;
        while (at < text.n && !is_space(text.p[at]))
            at++;
        if (at == begin)
            break;
        if (n < 6)
            ret_fields[n] = str_from(text.p + begin, at - begin);
        n++;
    }
    if (n != 5 && n != 6)
        return err_detail(E_INVALID,
                          "A cron expression has five fields (minute, hour, day of month, month, "
                          "day of week), or six with seconds before them; this has %d.",
                          n);
    *ret_n = n;
    return OK;
}

static int64_t next_day(const struct wf_cron *c, int64_t from);

Err wf_cron_parse(Str text, struct wf_cron *ret_cron)
{
    struct wf_cron c = {.seconds = 1};
    Str fields[6];
    int n = 0;

    if (text.n > WF_CRON_TEXT_MAX)
        return err_detail(E_INVALID, "A cron expression may have %d bytes at most.",
                          WF_CRON_TEXT_MAX);
    text = str_trim(text);
    if (text.n && text.p[0] == '@') {
        Str meant = nickname(text);
        if (!meant.n)
            return err_detail(E_INVALID,
                              "There is no \"%.*s\": @hourly, @daily, @midnight, @weekly, "
                              "@monthly, @yearly and @annually are known.",
                              P(str_head(text, 40)));
        text = meant;
    }
    TRY(split(text, fields, &n));
    for (int i = 0; i < n; i++)
        TRY(field(&c, (enum field_id)(i + 6 - n), fields[i]));
    if (next_day(&c, time_days_of(2000, 1, 1)) == INT64_MAX)
        return err_detail(E_INVALID, "\"%.*s\" never fires: no month of its has such a day.",
                          P(str_head(text, 100)));
    *ret_cron = c;
    return OK;
}

/* ---- days ---- */

static uint32_t day_bit(int day)
{
    return 1U << (day & 31);
}

/* The weekday (Monday to Friday) nearest to @day, within the month. */
static int nearest_weekday(int day, int last, int weekday)
{
    if (weekday == 6)
        return day > 1 ? day - 1 : day + 2;
    if (weekday == 0)
        return day < last ? day + 1 : day - 2;
    return day;
}

/* The days of the month that the day-of-month field means; @first is the weekday of the 1st. */
static uint32_t days_by_date(const struct wf_cron *c, int last, int first)
{
    uint32_t set = c->days;

    for (int d = 1; d <= last; d++) {
        if (c->near_days & day_bit(d))
            set |= day_bit(nearest_weekday(d, last, (first + d - 1) % 7));
        if (c->last_days & (1U << (last - d)))
            set |= day_bit(d);
    }
    if (c->last_weekday_of_month)
        set |= day_bit(nearest_weekday(last, last, (first + last - 1) % 7));
    return set;
}

/* The same for the day-of-week field. */
static uint32_t days_by_week(const struct wf_cron *c, int last, int first)
{
    uint32_t set = 0;

    for (int d = 1; d <= last; d++) {
        uint8_t bit = (uint8_t)(1U << (first + d - 1) % 7);
        if ((c->weekdays & bit) || (c->nth_weekdays[(d - 1) / 7] & bit) ||
            (d + 7 > last && (c->last_weekdays & bit)))
            set |= day_bit(d);
    }
    return set;
}

static uint32_t days_of_month(const struct wf_cron *c, int64_t year, int month)
{
    int last = time_month_days(year, month);
    int first = time_date_of(time_days_of(year, month, 1)).weekday;
    uint32_t by_date = days_by_date(c, last, first), by_week = days_by_week(c, last, first);
    uint32_t set = c->any_day || c->any_weekday ? by_date & by_week : by_date | by_week;

    return set & (uint32_t)((1ULL << (last + 1)) - 2);
}

/* The first day from @from on that counts; INT64_MAX if none does. The calendar repeats itself
 * after 400 years. */
static int64_t next_day(const struct wf_cron *c, int64_t from)
{
    struct time_date d = time_date_of(from);
    uint32_t mask = ~(day_bit(d.day) - 1);

    for (int i = 0; i <= 400 * 12 && d.year <= YEAR_MAX; i++) {
        uint32_t set = c->months & (1U << d.month) ? days_of_month(c, d.year, d.month) & mask : 0;
        if (set)
            return time_days_of(d.year, d.month, __builtin_ctz(set));
        mask = UINT32_MAX;
        d.year += d.month == 12;
        d.month = d.month % 12 + 1;
    }
    return INT64_MAX;
}

/* ---- times ---- */

/* The first bit of @set from @from on; -1. */
static int next_bit(uint64_t set, int from)
{
    if (from > 63)
        return -1;
    set &= ~0ULL << from;
    return set ? __builtin_ctzll(set) : -1;
}

/* The first time of day from @from on, in seconds; -1. */
static int next_time(const struct wf_cron *c, int from)
{
    int h = from / 3600, m = from / 60 % 60, s = next_bit(c->seconds, from % 60);

    if (s < 0) {
        m++;
        s = next_bit(c->seconds, 0);
    }
    int hour = next_bit(c->hours, h);
    if (hour == h) {
        int minute = next_bit(c->minutes, m);
        if (minute >= 0)
            return h * 3600 + minute * 60 + (minute == m ? s : next_bit(c->seconds, 0));
        hour = next_bit(c->hours, h + 1);
    }
    if (hour < 0)
        return -1;
    return hour * 3600 + next_bit(c->minutes, 0) * 60 + next_bit(c->seconds, 0);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The first match from @local on, on a clock that never changes; INT64_MAX. */
static int64_t next_local(const struct wf_cron *c, int64_t local)
{
    int64_t day = floor_div(local, DAY_SECONDS);
    int64_t found = next_day(c, day);

    if (found == day) {
        int time = next_time(c, (int)(local - day * DAY_SECONDS));
        if (time >= 0)
            return day * DAY_SECONDS + time;
        found = next_day(c, day + 1);
    }
    return found == INT64_MAX ? INT64_MAX : found * DAY_SECONDS + next_time(c, 0);
}

/* Whether it follows elapsed time where the clock jumps back. */
static bool keeps_pace(const struct wf_cron *c)
{
    return c->every_hour || c->keeps_pace;
}

/* Whether a match stands in the gap that ends where @span begins; @before is the lead before it. */
static bool in_gap(const struct wf_cron *c, const struct tz_span *span, int32_t before)
{
    return !c->every_hour && before < span->offset &&
           next_local(c, span->from + before) < span->from + span->offset;
}

/* Span by span. In one span the local clock is steady: a match there is exact. For one behind its
 * end the next spans are looked at, from shortly before it on. */
static int64_t next_utc(const struct wf_cron *c, const struct tz *tz, int64_t utc)
{
    const int64_t end = time_days_of(YEAR_MAX, 1, 1) * DAY_SECONDS;

    while (utc < end) {
        struct tz_span span = tz_span_at(tz, utc);
        int64_t first = utc + span.offset;
        if (span.from != INT64_MIN) {
            int32_t before = tz_offset_at(tz, span.from - 1);
            if (utc == span.from && in_gap(c, &span, before))
                return utc;
            /* The first local times of this span have been before. */
            if (!keeps_pace(c) && first < span.from + before)
                first = span.from + before;
        }
        int64_t local = next_local(c, first);
        if (local == INT64_MAX || local - span.offset < span.to)
            return local == INT64_MAX ? INT64_MAX : local - span.offset;
        /* No lead changes by more than two days; but what keeps its pace may match again in
         * the local times that come twice. */
        int64_t near = local - span.offset - 2 * (int64_t)DAY_SECONDS;
        bool again = keeps_pace(c) && tz_offset_at(tz, span.to) < span.offset;
        utc = near > span.to && !again ? near : span.to;
    }
    return INT64_MAX;
}

Usec wf_cron_next(const struct wf_cron *cron, const struct tz *tz, Usec after)
{
    int64_t from = floor_div(after, USEC_S) + 1;
    int64_t at = next_utc(cron, tz, from);

    return at == INT64_MAX ? USEC_NEVER : at * USEC_S;
}
