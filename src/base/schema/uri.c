/* src/base/schema/uri.c - URI references (RFC 3986, RFC 3987): resolving and checking. */
#include "base/schema/private.h"

#include "base/utf8.h"

/* The parts of a reference. Those that are not there have p == NULL; the path is always there. */
struct uri {
    Str scheme, authority, path, query, fragment;
};

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t scheme_length(Str s)
{
    size_t n = 0;

    if (s.n == 0 || !is_alpha(s.p[0]))
        return 0;
    while (n < s.n && (is_alpha(s.p[n]) || is_digit(s.p[n]) || (s.p[n] && strchr("+-.", s.p[n]))))
        n++;
    return n < s.n && s.p[n] == ':' ? n : 0;
}

static struct uri split(Str s)
{
    struct uri u = {0};
    size_t at = str_find_char(s, '#');

    if (at != SIZE_MAX) {
        u.fragment = str_skip(s, at + 1);
        s = str_head(s, at);
    }
    at = str_find_char(s, '?');
    if (at != SIZE_MAX) {
        u.query = str_skip(s, at + 1);
        s = str_head(s, at);
    }
    at = scheme_length(s);
    if (at) {
        u.scheme = str_head(s, at);
        s = str_skip(s, at + 1);
    }
    if (str_starts(s, S("//"))) {
        s = str_skip(s, 2);
        at = str_find_char(s, '/');
        u.authority = str_head(s, at);
        s = at == SIZE_MAX ? str_skip(s, s.n) : str_skip(s, at);
    }
    u.path = s;
    return u;
}

/* Section 5.2.4. */
static Str without_dots(struct arena *a, Str path)
{
    char *out = arena_bytes(a, path.n);
    size_t n = 0;

    while (path.p && path.n) {
        if (str_starts(path, S("../")) || str_starts(path, S("./"))) {
            path = str_skip(path, path.p[1] == '.' ? 3 : 2);
        } else if (str_starts(path, S("/./")) || str_eq(path, S("/."))) {
            path = path.n == 2 ? S("/") : str_skip(path, 2);
        } else if (str_starts(path, S("/../")) || str_eq(path, S("/.."))) {
            path = path.n == 3 ? S("/") : str_skip(path, 3);
            while (n && out[--n] != '/')
                ;
        } else if (str_eq(path, S(".")) || str_eq(path, S(".."))) {
            break;
        } else {
            size_t end = str_find_char(str_skip(path, 1), '/');
            end = end == SIZE_MAX ? path.n : end + 1;
            memcpy(out + n, path.p, end);
            n += end;
            path = str_skip(path, end);
        }
    }
    return str_from(out, n);
}

/* Section 5.2.3: @ref in the place of the last segment of @base. */
static Str merged(struct arena *a, const struct uri *base, Str ref)
{
    size_t keep = base->path.n;

    if (base->authority.p && base->path.n == 0)
        return str_fmt(a, "/%.*s", P(ref));
    while (keep && base->path.p[keep - 1] != '/')
        keep--;
    return str_fmt(a, "%.*s%.*s", P(str_head(base->path, keep)), P(ref));
}

Str schema_uri_resolve(struct arena *a, Str base, Str ref)
{
    struct uri b = split(base), r = split(ref), t = r;
    AUTO_BUF(out, base.n + ref.n + 16);

    if (r.scheme.p) {
        t.path = without_dots(a, r.path);
    } else {
        t.scheme = b.scheme;
        if (r.authority.p) {
            t.path = without_dots(a, r.path);
        } else {
            t.authority = b.authority;
            if (r.path.n == 0) {
                t.path = b.path;
                t.query = r.query.p ? r.query : b.query;
            } else {
                t.path = without_dots(a, r.path.p[0] == '/' ? r.path : merged(a, &b, r.path));
            }
        }
    }
    if (t.scheme.p) {
        buf_add(&out, t.scheme);
        buf_add_char(&out, ':');
    }
    if (t.authority.p) {
        buf_add(&out, S("//"));
        buf_add(&out, t.authority);
    }
    buf_add(&out, t.path);
    if (t.query.p) {
        buf_add_char(&out, '?');
        buf_add(&out, t.query);
    }
    if (t.fragment.p) {
        buf_add_char(&out, '#');
        buf_add(&out, t.fragment);
    }
    return str_dup(a, buf_str(&out));
}

Str schema_uri_split(Str uri, Str *ret_uri)
{
    size_t at = str_find_char(uri, '#');
    *ret_uri = str_head(uri, at);
    return at == SIZE_MAX ? S("") : str_skip(uri, at + 1);
}

static int nibble(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_escape(Str s, size_t i)
{
    return s.n - i >= 3 && s.p[i] == '%' && nibble(s.p[i + 1]) >= 0 && nibble(s.p[i + 2]) >= 0;
}

Str schema_uri_decode(struct arena *a, Str s)
{
    size_t n = 0;

    if (str_find_char(s, '%') == SIZE_MAX)
        return s;
    char *out = arena_bytes(a, s.n);
    for (size_t i = 0; i < s.n; i++) {
        if (is_escape(s, i)) {
            out[n++] = (char)(nibble(s.p[i + 1]) << 4 | nibble(s.p[i + 2]));
            i += 2;
        } else {
            out[n++] = s.p[i];
        }
    }
    return str_from(out, n);
}

/* ---- checking ---- */

/* RFC 3987 section 2.2: what an IRI may hold beyond ASCII; @private_use only in its query. */
static bool is_ucschar(uint32_t c, bool private_use)
{
    if (c >= 0xe000 && c <= 0xf8ff)
        return private_use;
    if (c >= 0xf0000)
        return private_use && (c & 0xffff) <= 0xfffd;
    if (c < 0xa0 || (c >= 0xfdd0 && c <= 0xfdef) || (c >= 0xfff0 && c <= 0xffff))
        return false;
    return c < 0x10000 || ((c & 0xffff) <= 0xfffd && !(c >= 0xe0000 && c < 0xe1000));
}

/* Whether @s is made of unreserved characters, sub-delimiters, escapes and what @more lists. */
static bool is_made_of(Str s, const char *more, bool international, bool private_use)
{
    for (size_t i = 0, n = 1; i < s.n; i += n) {
        char c = s.p[i];
        n = 1;
        if ((unsigned char)c >= 0x80) {
            if (!international || !is_ucschar(utf8_decode(str_skip(s, i), &n), private_use))
                return false;
        } else if (c == '%') {
            if (!is_escape(s, i))
                return false;
            n = 3;
        } else if (!is_alpha(c) && !is_digit(c) &&
                   (c == 0 || (!strchr("-._~!$&'()*+,;=", c) && !strchr(more, c)))) {
            return false;
        }
    }
    return true;
}

/* "v" hex "." text, or an IPv6 address: what stands between brackets. */
static bool is_literal(Str s)
{
    size_t dot;

    if (s.n == 0 || (s.p[0] | 32) != 'v')
        return schema_format(S("ipv6"))(s);
    dot = str_find_char(s, '.');
    if (dot == SIZE_MAX || dot < 2 || dot + 1 == s.n)
        return false;
    for (size_t i = 1; i < dot; i++)
        if (nibble(s.p[i]) < 0)
            return false;
    return str_find_char(s, '%') == SIZE_MAX && is_made_of(str_skip(s, dot + 1), ":", false, false);
}

static bool is_authority(Str s, bool international)
{
    size_t at = str_find_char(s, '@');
    Str host = at == SIZE_MAX ? s : str_skip(s, at + 1), port = S("");

    if (at != SIZE_MAX && !is_made_of(str_head(s, at), ":", international, false))
        return false;
    if (str_starts(host, S("["))) {
        size_t end = str_find_char(host, ']');
        if (end == SIZE_MAX || !is_literal(str_head(str_skip(host, 1), end - 1)))
            return false;
        port = str_skip(host, end + 1);
        if (port.n && port.p[0] != ':')
            return false;
        port = str_skip(port, 1);
    } else {
        size_t colon = str_find_char(host, ':');
        if (colon != SIZE_MAX)
            port = str_skip(host, colon + 1);
        if (!is_made_of(str_head(host, colon), "", international, false))
            return false;
    }
    for (size_t i = 0; i < port.n; i++)
        if (!is_digit(port.p[i]))
            return false;
    return true;
}

bool schema_uri_valid(Str s, bool relative, bool international)
{
    struct uri u = split(s);

    if (!u.scheme.p) {
        /* "1:b" is no path: its first segment would be read as a scheme. */
        size_t colon = str_find_char(u.path, ':');
        if (!relative || (!u.authority.p && colon < str_find_char(u.path, '/')))
            return false;
    }
    if (u.authority.p && !is_authority(u.authority, international))
        return false;
    return is_made_of(u.path, ":@/", international, false) &&
           is_made_of(u.query, ":@/?", international, true) &&
           is_made_of(u.fragment, ":@/?", international, false);
}
