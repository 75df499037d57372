/* src/base/schema/format.c - the values of "format", where it asserts. */
#include "base/schema/private.h"

#include "base/id.h"
#include "base/utf8.h"

#include <idn2.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    c = (char)(c | 32);
    return c >= 'a' && c <= 'z';
}

/* ---- times (RFC 3339) ---- */

static bool is_date_time(Str s)
{
    Usec wall;
    /* The parser takes a space for the T as well. */
    return s.n > 10 && (s.p[10] | 32) == 't' && time_parse_rfc3339(s, &wall) == OK;
}

/* Dates and times alone are checked as parts of a whole. */
static bool is_date(Str s)
{
    char whole[32];
    Usec wall;
    int n;

    if (s.n != 10)
        return false;
    n = snprintf(whole, sizeof whole, "%.*sT00:00:00Z", P(s));
    return n == 20 && time_parse_rfc3339(str_from(whole, 20), &wall) == OK;
}

static bool is_time(Str s)
{
    char whole[128];
    Usec wall;
    int n;

    if (s.n > 100)
        return false;
    n = snprintf(whole, sizeof whole, "1998-12-31T%.*s", P(s));
    return n == (int)s.n + 11 && time_parse_rfc3339(str_from(whole, (size_t)n), &wall) == OK;
}

/* A number and one of @units, in this order and without a gap, as often as there are; *s moves on.
 */
static bool duration_part(Str *s, const char *units, bool *ret_any)
{
    const char *at = NULL;

    *ret_any = false;
    while (s->n && is_digit(s->p[0])) {
        size_t n = 0;
        while (n < s->n && is_digit(s->p[n]))
            n++;
        const char *unit = n < s->n && s->p[n] ? strchr(units, s->p[n]) : NULL;
        if (!unit || (at && unit != at + 1))
            return false;
        at = unit;
        *s = str_skip(*s, n + 1);
        *ret_any = true;
    }
    return true;
}

/* RFC 3339 appendix A: P1Y2M3DT4H5M6S or P1W; a unit may not be left out between two others. */
static bool is_duration(Str s)
{
    bool date, time = false;

    if (!str_starts(s, S("P")))
        return false;
    s = str_skip(s, 1);
    if (s.n > 1 && s.p[s.n - 1] == 'W')
        return duration_part(&s, "W", &date) && s.n == 0;
    if (!duration_part(&s, "YMD", &date))
        return false;
    if (str_starts(s, S("T"))) {
        s = str_skip(s, 1);
        if (!duration_part(&s, "HMS", &time) || !time)
            return false;
    }
    return s.n == 0 && (date || time);
}

/* ---- addresses ---- */

static bool is_ipv4(Str s)
{
    Str part;

    for (int i = 0; i < 4; i++) {
        uint64_t v;
        s = str_cut(s, '.', &part);
        if (part.n == 0 || part.n > 3 || (part.n > 1 && part.p[0] == '0') ||
            str_to_u64(part, &v) != OK || v > 255 || (i < 3) != (s.p != NULL))
            return false;
    }
    return true;
}

static bool is_hex_group(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_digit(s.p[i]) && !((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'f'))
            return false;
    return s.n >= 1 && s.n <= 4;
}

/* Groups of 16 bits between colons, an IPv4 address counting two if it is the last of all; -1 if it
 * is something else. */
static int ipv6_groups(Str s, bool last)
{
    int n = 0;
    Str group;

    if (s.n == 0)
        return 0;
    while (s.p && n <= 8) {
        s = str_cut(s, ':', &group);
        if (is_hex_group(group))
            n++;
        else if (last && !s.p && is_ipv4(group))
            n += 2;
        else
            return -1;
    }
    return s.p ? -1 : n;
}

static bool is_ipv6(Str s)
{
    size_t gap = str_find(s, S("::"));

    if (gap == SIZE_MAX)
        return ipv6_groups(s, true) == 8;
    int before = ipv6_groups(str_head(s, gap), false);
    int after = ipv6_groups(str_skip(s, gap + 2), true);
    return before >= 0 && after >= 0 && before + after <= 7;
}

/* ---- names ---- */

static bool is_hostname(Str s);
static bool is_international_name(Str s, int flags);

/* RFC 5321: a dotted word or a quoted one, '@', a name or an address in brackets. */
static bool is_mail(Str s, bool international)
{
    static const char more[] = "!#$%&'*+-/=?^_`{|}~";
    size_t at = 0;

    if (!international)
        for (size_t i = 0; i < s.n; i++)
            if ((unsigned char)s.p[i] >= 0x80)
                return false;
    if (str_starts(s, S("\""))) {
        for (at = 1; at < s.n && s.p[at] != '"'; at++) {
            if ((unsigned char)s.p[at] < ' ' || s.p[at] == 0x7f)
                return false;
            at += s.p[at] == '\\';
        }
        at++;
    } else {
        bool dot = true; /* none at the start, at the end, or after another */
        for (; at < s.n && s.p[at] != '@'; at++) {
            char c = s.p[at];
            if (c == '.' ? dot
                         : !is_letter(c) && !is_digit(c) && (unsigned char)c < 0x80 &&
                               (c == 0 || !strchr(more, c)))
                return false;
            dot = c == '.';
        }
        if (dot)
            return false;
    }
    if (at >= s.n || s.p[at] != '@' || at > 64)
        return false;
    Str domain = str_skip(s, at + 1);
    if (str_starts(domain, S("[")) && str_ends(domain, S("]"))) {
        domain = str_from(domain.p + 1, domain.n - 2);
        return str_starts_nocase(domain, S("IPv6:")) ? is_ipv6(str_skip(domain, 5))
                                                     : is_ipv4(domain);
    }
    return international ? is_international_name(domain, IDN2_NFC_INPUT) : is_hostname(domain);
}

static bool is_email(Str s)
{
    return is_mail(s, false);
}

static bool is_idn_email(Str s)
{
    return is_mail(s, true);
}

/* Letters, digits and inner hyphens. */
static bool is_plain_label(Str s)
{
    if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_letter(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

/* A label that IDNA2008 would register, in its Unicode or in its "xn--" form: the length of the
 * latter, 0 if it is none. @flags are of libidn2. */
static size_t international_label(Str s, int flags)
{
    enum { LABEL_MAX = 4 * 63 }; /* bytes of UTF-8; the "xn--" form is longer than the characters */
    uint8_t text[LABEL_MAX + 1], *ascii = NULL;
    bool encoded = str_starts_nocase(s, S("xn--"));

    if (s.n == 0 || s.n > LABEL_MAX || memchr(s.p, 0, s.n))
        return 0;
    for (size_t i = 0; i < s.n; i++)
        text[i] = (uint8_t)(encoded && s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 32 : s.p[i]);
    text[s.n] = 0;
    int e = encoded ? idn2_register_u8(NULL, text, &ascii, flags)
                    : idn2_register_u8(text, NULL, &ascii, flags);
    size_t n = e == IDN2_OK ? strlen((char *)ascii) : 0;
    if (n > 63 || !str_starts(str_c((char *)ascii), S("xn--")) ||
        (encoded &&
         strcmp((char *)ascii, (char *)text) != 0)) /* spelled in another way than Punycode's */
        n = 0;
    idn2_free(ascii);
    return n;
}

static bool is_hostname(Str s)
{
    Str label;

    if (s.n == 0 || s.n > 253)
        return false;
    while (s.p) {
        s = str_cut(s, '.', &label);
        if (!is_plain_label(label))
            return false;
        if (str_starts_nocase(label, S("xn--")) && !international_label(label, 0))
            return false;
    }
    return true;
}

/* Cut @s at the first full stop, ASCII or one of the three that IDNA takes for it. */
static Str cut_label(Str s, Str *ret_label)
{
    static const Str stops[] = {S_INIT("."), S_INIT("\xe3\x80\x82"), S_INIT("\xef\xbc\x8e"),
                                S_INIT("\xef\xbd\xa1")};

    for (size_t i = 0; i < s.n; i++) {
        for (size_t j = 0; j < ARRAY_LEN(stops); j++) {
            if (!str_starts(str_skip(s, i), stops[j]))
                continue;
            *ret_label = str_head(s, i);
            return str_skip(s, i + stops[j].n);
        }
    }
    *ret_label = s;
    return (Str){NULL, 0};
}

/* What the Bidi rule (RFC 5893 section 2) wants to know of a label, beyond what libidn2 looks at.
 */
struct direction {
    bool right_to_left, digits, arabic_digits;
};

static struct direction direction_of(Str label)
{
    struct direction d = {0};

    for (size_t n; label.n; label = str_skip(label, n)) {
        uint32_t c = utf8_decode(label, &n);
        d.digits |= (c >= '0' && c <= '9') || (c >= 0x6f0 && c <= 0x6f9);
        d.arabic_digits |= c >= 0x660 && c <= 0x669;
        d.right_to_left |= (c >= 0x590 && c <= 0x8ff && !(c >= 0x6f0 && c <= 0x6f9)) ||
                           (c >= 0xfb1d && c <= 0xfdff) || (c >= 0xfe70 && c <= 0xfeff) ||
                           (c >= 0x10800 && c <= 0x10fff) || (c >= 0x1e800 && c <= 0x1efff);
    }
    return d;
}

static bool is_international_name(Str s, int flags)
{
    bool right_to_left = false, digit_first = false;
    size_t total = 0, n;
    Str label;

    if (s.n == 0 || s.n > 4 * 253)
        return false;
    while (s.p) {
        s = cut_label(s, &label);
        bool ascii = is_plain_label(label);
        n = ascii && !str_starts_nocase(label, S("xn--")) ? label.n : 0;
        if (n == 0 && (ascii || utf8_count(label) < label.n))
            n = international_label(label, flags);
        total += n + 1;
        if (n == 0 || total > 254)
            return false;
        struct direction d = direction_of(label);
        right_to_left |= d.right_to_left;
        digit_first |= label.p[0] >= '0' && label.p[0] <= '9';
        if (d.right_to_left && d.digits && d.arabic_digits)
            return false;
    }
    return !(right_to_left && digit_first);
}

static bool is_idn_hostname(Str s)
{
    return is_international_name(s, 0);
}

static bool is_uuid(Str s)
{
    Id id;
    return id_parse(s, &id) == OK;
}

/* ---- URIs ---- */

static bool is_uri(Str s)
{
    return schema_uri_valid(s, false, false);
}

static bool is_uri_reference(Str s)
{
    return schema_uri_valid(s, true, false);
}

static bool is_iri(Str s)
{
    return schema_uri_valid(s, false, true);
}

static bool is_iri_reference(Str s)
{
    return schema_uri_valid(s, true, true);
}

static bool is_hex_digit(char c)
{
    return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static bool is_escaped(Str s, size_t at)
{
    return s.n - at >= 3 && s.p[at] == '%' && is_hex_digit(s.p[at + 1]) &&
           is_hex_digit(s.p[at + 2]);
}

/* One variable of a template: a dotted name, "*" or ":" and up to four digits behind it. */
static bool is_varspec(Str s)
{
    size_t at = 0;
    bool dot = true;

    if (str_ends(s, S("*"))) {
        s.n--;
    } else if (str_find_char(s, ':') != SIZE_MAX) {
        Str digits = str_cut(s, ':', &s);
        if (digits.n == 0 || digits.n > 4 || digits.p[0] == '0')
            return false;
        for (size_t i = 0; i < digits.n; i++)
            if (!is_digit(digits.p[i]))
                return false;
    }
    for (; at < s.n; at++) {
        if (s.p[at] == '.'
                ? dot
                : !is_letter(s.p[at]) && !is_digit(s.p[at]) && s.p[at] != '_' && !is_escaped(s, at))
            return false;
        dot = s.p[at] == '.';
        at += s.p[at] == '%' ? 2 : 0;
    }
    return s.n && !dot;
}

/* RFC 6570. */
static bool is_uri_template(Str s)
{
    Str list, spec;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '{') {
            size_t end = str_find_char(str_skip(s, i), '}');
            if (end == SIZE_MAX || end == 1)
                return false;
            list = str_from(s.p + i + 1, end - 1);
            if (list.p[0] && strchr("+#./;?&=,!@|", list.p[0]))
                list = str_skip(list, 1);
            do {
                list = str_cut(list, ',', &spec);
                if (!is_varspec(spec))
                    return false;
            } while (list.p);
            i += end;
        } else if ((c == '%' && !is_escaped(s, i)) || (unsigned char)c <= ' ' || c == 0x7f ||
                   strchr("\"<>\\^`|}", c)) {
            return false;
        }
    }
    return true;
}

/* ---- pointers and patterns ---- */

static bool is_json_pointer(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '~' && (i + 1 == s.n || (s.p[i + 1] != '0' && s.p[i + 1] != '1')))
            return false;
    return s.n == 0 || s.p[0] == '/';
}

static bool is_relative_json_pointer(Str s)
{
    size_t n = 0;

    while (n < s.n && is_digit(s.p[n]))
        n++;
    if (n == 0 || (n > 1 && s.p[0] == '0'))
        return false;
    s = str_skip(s, n);
    return str_eq(s, S("#")) || is_json_pointer(s);
}

schema_format_fn *schema_format(Str name)
{
    static const struct {
        Str name;
        schema_format_fn *is;
    } formats[] = {
        {S_INIT("date"), is_date},
        {S_INIT("date-time"), is_date_time},
        {S_INIT("duration"), is_duration},
        {S_INIT("email"), is_email},
        {S_INIT("hostname"), is_hostname},
        {S_INIT("idn-email"), is_idn_email},
        {S_INIT("idn-hostname"), is_idn_hostname},
        {S_INIT("ipv4"), is_ipv4},
        {S_INIT("ipv6"), is_ipv6},
        {S_INIT("iri"), is_iri},
        {S_INIT("iri-reference"), is_iri_reference},
        {S_INIT("json-pointer"), is_json_pointer},
        {S_INIT("regex"), schema_pattern_valid},
        {S_INIT("relative-json-pointer"), is_relative_json_pointer},
        {S_INIT("time"), is_time},
        {S_INIT("uri"), is_uri},
        {S_INIT("uri-reference"), is_uri_reference},
        {S_INIT("uri-template"), is_uri_template},
        {S_INIT("uuid"), is_uuid},
    };

    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_eq(name, formats[i].name))
            return formats[i].is;
    return NULL;
}
