/* src/net/mime_param.c - parameters of MIME headers (RFC 2045), also continued and with characters
 * of other languages (RFC 2231). */
#include "base/buf.h"
#include "net/mime.h"

enum { VALUE_MAX = 8 << 10, PIECES_MAX = 100 };

static Str skip_space(Str s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t'))
        s = str_skip(s, 1);
    return s;
}

/* A value, quoted or not; what follows is the result. */
static Str take_value(struct arena *a, Str s, Str *ret_value)
{
    if (!s.n || *s.p != '"') {
        size_t n = 0;
        while (n < s.n && s.p[n] != ';')
            n++;
        *ret_value = str_trim(str_head(s, n));
        return str_skip(s, n);
    }
    AUTO_BUF(text, VALUE_MAX);
    size_t i = 1;
    for (; i < s.n && s.p[i] != '"'; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        buf_add_char(&text, s.p[i]);
    }
    *ret_value = str_dup(a, buf_str(&text));
    return str_skip(s, i + 1);
}

/* "filename*1*": its number, and whether its characters are encoded. */
static void read_name(struct arena *a, Str name, struct mime_param *p)
{
    Str base, rest = str_cut(name, '*', &base);
    uint64_t number;

    p->name = str_lower(a, base);
    p->number = -1;
    if (!rest.p)
        return;
    if (!rest.n) {
        p->extended = true;
        return;
    }
    if (rest.p[rest.n - 1] == '*') {
        p->extended = true;
        rest.n--;
    }
    if (str_to_u64(rest, &number) == OK && number < PIECES_MAX)
        p->number = (int)number;
    else
        p->name = S(""); /* nobody asks for that */
}

void mime_params(struct arena *a, Str value, struct mime_params *ret_params)
{
    Str head, rest = str_cut(value, ';', &head);

    ret_params->value = str_lower(a, str_trim(str_head(head, 200)));
    ret_params->n = 0;
    while (rest.p && ret_params->n < MIME_PARAMS_MAX) {
        struct mime_param p = {0};
        size_t n = 0;
        rest = skip_space(rest);
        while (n < rest.n && rest.p[n] != '=' && rest.p[n] != ';')
            n++;
        Str name = str_trim(str_head(rest, n < 100 ? n : 100));
        rest = str_skip(rest, n);
        if (rest.n && *rest.p == '=') {
            rest = take_value(a, skip_space(str_skip(rest, 1)), &p.value);
            read_name(a, name, &p);
            ret_params->at[ret_params->n++] = p;
        }
        rest = str_cut(rest, ';', &head);
    }
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_unescaped(struct buf *b, Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        int hi, lo;
        if (s.p[i] == '%' && i + 2 < s.n && (hi = hex_of(s.p[i + 1])) >= 0 &&
            (lo = hex_of(s.p[i + 2])) >= 0) {
            buf_add_char(b, (char)(hi << 4 | lo));
            i += 2;
        } else {
            buf_add_char(b, s.p[i]);
        }
    }
}

static const struct mime_param *find(const struct mime_params *params, Str name, int number)
{
    for (size_t i = 0; i < params->n; i++)
        if (params->at[i].number == number && str_eq(params->at[i].name, name))
            return &params->at[i];
    return NULL;
}

Str mime_param(struct arena *a, const struct mime_params *params, Str name)
{
    AUTO_BUF(bytes, VALUE_MAX);
    AUTO_BUF(text, 4 * VALUE_MAX);
    const struct mime_param *p = find(params, name, 0);
    Str charset = S("utf-8");
    bool extended = false;
    int number = 0;

    if (!p) {
        p = find(params, name, -1);
        if (p && !p->extended)
            return mime_words(a, p->value); /* not as it should be, but as it often is */
    }
    for (; p; p = find(params, name, ++number)) {
        Str value = p->value, language;
        if (p->extended && bytes.n == 0 && !extended) {
            Str rest = str_cut(value, '\'', &charset);
            extended = true;
            if (rest.p)
                value = str_cut(rest, '\'', &language);
        }
        if (p->extended)
            add_unescaped(&bytes, value);
        else
            buf_add(&bytes, value);
    }
    mime_decode_charset(&text, charset, buf_str(&bytes));
    return str_dup(a, buf_str(&text));
}
