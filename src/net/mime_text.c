/* src/net/mime_text.c - values of headers: encoded words, addresses, dates. */
#include "base/buf.h"
#include "net/mime.h"

enum { VALUE_TEXT_MAX = 3 * MIME_HEAD_MAX };

/* ---- encoded words (RFC 2047) ---- */

struct word {
    Str charset, text;
    bool base64;
};

/* One at the beginning of @s: how long it is; 0: there is none. */
static size_t word_at(Str s, struct word *ret_word)
{
    Str charset, encoding, language, rest;

    if (!str_starts(s, S("=?")))
        return 0;
    rest = str_cut(str_head(str_skip(s, 2), 2000), '?', &charset);
    if (!rest.p || !charset.n || str_find_char(charset, ' ') != SIZE_MAX)
        return 0;
    rest = str_cut(rest, '?', &encoding);
    if (!rest.p || encoding.n != 1 || !strchr("bBqQ", encoding.p[0]))
        return 0;
    size_t end = str_find(rest, S("?="));
    if (end == SIZE_MAX)
        return 0;
    (void)str_cut(charset, '*', &language); /* RFC 2231: "utf-8*en" */
    *ret_word = (struct word){language, str_head(rest, end), (encoding.p[0] | 0x20) == 'b'};
    return (size_t)(rest.p - s.p) + end + 2;
}

static void add_word_bytes(struct buf *bytes, struct arena *a, const struct word *w)
{
    struct mime_part part = {.encoding = w->base64 ? MIME_BASE64 : MIME_QUOTED, .body = w->text};
    Str out;

    if (!w->base64) { /* "_" is a space there */
        char *p = arena_bytes(a, w->text.n + 1);
        for (size_t i = 0; i < w->text.n; i++)
            p[i] = w->text.p[i];
        for (size_t i = 0; i < w->text.n; i++)
            if (p[i] == '_')
                p[i] = ' ';
        /* A space at the end is meant here, and no line ends. */
        p[w->text.n] = '=';
        part.body = str_from(p, w->text.n + 1);
    }
    if (mime_part_bytes(a, &part, &out) == OK)
        buf_add(bytes, out);
}

static size_t space_at(Str s)
{
    size_t n = 0;
    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
        n++;
    return n;
}

Str mime_words(struct arena *a, Str value)
{
    AUTO(arena) *scratch = arena_new(MIB(4)); /* values are bounded with their head */
    AUTO_BUF(out, VALUE_TEXT_MAX);
    AUTO_BUF(bytes, MIME_HEAD_MAX);
    Str s = str_head(value, MIME_HEAD_MAX);
    struct word w;

    while (s.n) {
        size_t n = word_at(s, &w);
        if (n == 0) {
            size_t to = 1;
            while (to < s.n && s.p[to] != '=')
                to++;
            mime_decode_charset(&out, S("utf-8"), str_head(s, to));
            s = str_skip(s, to);
            continue;
        }
        /* Senders cut characters in two: words of one charset are decoded together. */
        Str charset = w.charset;
        while (n && str_eq_nocase(charset, w.charset)) {
            add_word_bytes(&bytes, scratch, &w);
            s = str_skip(s, n);
            size_t space = space_at(s);
            n = word_at(str_skip(s, space), &w);
            if (n) /* the space between two words is none */
                s = str_skip(s, space);
        }
        mime_decode_charset(&out, charset, buf_str(&bytes));
        buf_reset(&bytes);
    }
    return str_dup(a, buf_str(&out));
}

/* ---- addresses ---- */

/* One address as it is collected. */
struct collect {
    struct arena *a;
    struct buf text, angle, comment; /* outside of <>, in them, in () */
    bool has_angle;
    MimeAddresses *to;
};

static void finish_address(struct collect *c)
{
    Str text = str_trim(buf_str(&c->text)), angle = str_trim(buf_str(&c->angle)),
        comment = str_trim(buf_str(&c->comment));
    struct mime_address address = {.name = mime_words(c->a, c->has_angle ? text : comment),
                                   .address = mime_words(c->a, c->has_angle ? angle : text)};

    if ((address.name.n || address.address.n) && c->to->n < MIME_ADDRESSES_MAX)
        vec_push(c->a, c->to, address);
    buf_reset(&c->text);
    buf_reset(&c->angle);
    buf_reset(&c->comment);
    c->has_angle = false;
}

/* A quoted string or a comment from @i on; where it ends. */
static size_t take_quoted(Str s, size_t i, struct buf *to)
{
    bool comment = s.p[i] == '(';
    int depth = 1;

    for (i++; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n) {
            buf_add_char(to, s.p[++i]);
            continue;
        }
        if (comment && s.p[i] == '(')
            depth++;
        if (s.p[i] == (comment ? ')' : '"') && --depth == 0)
            return i;
        buf_add_char(to, s.p[i]);
    }
    return i;
}

void mime_addresses(struct arena *a, Str value, MimeAddresses *ret_addresses)
{
    AUTO_BUF(text, MIME_HEAD_MAX);
    AUTO_BUF(angle, MIME_HEAD_MAX);
    AUTO_BUF(comment, MIME_HEAD_MAX);
    struct collect c = {a, text, angle, comment, false, ret_addresses};
    bool in_angle = false;

    *ret_addresses = (MimeAddresses){0};
    value = str_head(value, MIME_HEAD_MAX);
    for (size_t i = 0; i < value.n && ret_addresses->n < MIME_ADDRESSES_MAX; i++) {
        char ch = value.p[i];
        if (ch == '"' || ch == '(') {
            i = take_quoted(value, i, ch == '(' ? &c.comment : in_angle ? &c.angle : &c.text);
        } else if (ch == '<') {
            in_angle = c.has_angle = true;
        } else if (ch == '>') {
            in_angle = false;
        } else if (in_angle) {
            buf_add_char(&c.angle, ch);
        } else if (ch == ',' || ch == ';') {
            finish_address(&c);
        } else if (ch == ':') { /* the name of a group */
            buf_reset(&c.text);
        } else {
            buf_add_char(&c.text, ch);
        }
    }
    finish_address(&c);
    buf_done(&c.text);
    buf_done(&c.angle);
    buf_done(&c.comment);
}

/* ---- dates ---- */

static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

static int month_of(Str s)
{
    if (s.n < 3)
        return 0;
    for (int m = 0; m < 12; m++)
        if (str_starts_nocase(s, str_from(months + 3 * m, 3)))
            return m + 1;
    return 0;
}

static Str take_token(Str s, Str *ret_token)
{
    size_t n = 0, skip = 0;

    while (skip < s.n && strchr(" \t,-", s.p[skip]))
        skip++;
    s = str_skip(s, skip);
    while (n < s.n && !strchr(" \t,-", s.p[n]))
        n++;
    *ret_token = str_head(s, n);
    return str_skip(s, n);
}

/* "+0200", "-0700", "GMT", "EST": minutes east. */
static int zone_of(Str s)
{
    static const char names[] = "EDTESTCDTCSTMDTMSTPDTPST";
    static const int hours[] = {-4, -5, -5, -6, -6, -7, -7, -8};
    uint64_t hhmm;

    s = str_trim(s);
    if (s.n >= 5 && (s.p[0] == '+' || s.p[0] == '-') &&
        str_to_u64(str_from(s.p + 1, 4), &hhmm) == OK && hhmm % 100 < 60 && hhmm < 2400) {
        int minutes = (int)(hhmm / 100 * 60 + hhmm % 100);
        return s.p[0] == '-' ? -minutes : minutes;
    }
    for (size_t i = 0; i < ARRAY_LEN(hours); i++)
        if (str_starts_nocase(s, str_from(names + 3 * i, 3)))
            return 60 * hours[i];
    return 0;
}

static bool clock_of(Str s, Usec *ret_of_day)
{
    Str part;
    uint64_t v[3] = {0};

    for (int i = 0; i < 3 && s.p; i++) {
        s = str_cut(s, ':', &part);
        if (str_to_u64(part, &v[i]) != OK)
            return false;
    }
    if (v[0] >= 24 || v[1] >= 60 || v[2] > 60)
        return false;
    *ret_of_day = (Usec)(v[0] * 3600 + v[1] * 60 + v[2]) * USEC_S;
    return true;
}

Err mime_date(Str value, Usec *ret_wall)
{
    Str token, rest = take_token(str_trim(value), &token);
    uint64_t day, year;
    Usec of_day;

    if (str_to_u64(token, &day) != OK) { /* it begins with the day of the week */
        rest = take_token(rest, &token);
        if (str_to_u64(token, &day) != OK)
            return E_SYNTAX;
    }
    rest = take_token(rest, &token);
    int month = month_of(token);
    rest = take_token(rest, &token);
    if (!month || str_to_u64(token, &year) != OK)
        return E_SYNTAX;
    if (year < 100)
        year += year < 50 ? 2000 : 1900;
    rest = take_token(rest, &token);
    if (year < 1970 || year > 9999 || day < 1 ||
        day > (uint64_t)time_month_days((int64_t)year, month) || !clock_of(token, &of_day))
        return E_SYNTAX;
    *ret_wall =
        time_days_of((int64_t)year, month, (int)day) * USEC_DAY + of_day - zone_of(rest) * USEC_MIN;
    return OK;
}
