/* src/net/url.c - URLs of http and https (RFC 3986, strict) and form-encoded text. */
#include "net/http.h"

#include <arpa/inet.h>

static const char hex_digits[] = "0123456789ABCDEF";

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_unreserved(char c)
{
    return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* What may stand in path, query or fragment as it is; "%" is checked apart. */
static bool is_url_char(char c)
{
    return is_unreserved(c) || (c && strchr("!$&'()*+,;=:@/?%[]", c));
}

/* Refuse what no part of a URL may have. */
static Err check_chars(Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c == 0x7f)
            return err_detail(E_SYNTAX, "The URL has a space or control character at position %zu.",
                              i + 1);
        if (c == '\\')
            return err_detail(E_SYNTAX, "The URL has a back-slash at position %zu.", i + 1);
        if (c == '%' && (i + 2 >= s.n || hex_value(s.p[i + 1]) < 0 || hex_value(s.p[i + 2]) < 0))
            return err_detail(E_SYNTAX, "The URL has a bad %% escape at position %zu.", i + 1);
    }
    return OK;
}

static Str escape_where(struct arena *a, Str s, bool (*keep)(char c))
{
    size_t bad = 0;
    for (size_t i = 0; i < s.n; i++)
        bad += !keep(s.p[i]);
    if (!bad)
        return s;

    char *out = arena_bytes(a, s.n + 2 * bad);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (keep(s.p[i])) {
            out[n++] = s.p[i];
        } else {
            out[n++] = '%';
            out[n++] = hex_digits[c >> 4];
            out[n++] = hex_digits[c & 15];
        }
    }
    return str_from(out, n);
}

Str url_encode(struct arena *a, Str s)
{
    return escape_where(a, s, is_unreserved);
}

static Err parse_port(Str s, struct url *u)
{
    uint64_t port;

    if (s.n == 0)
        return OK;
    if (s.n > 5 || str_to_u64(s, &port) != OK || port == 0 || port > 65535)
        return err_detail(E_SYNTAX, "The URL's port \"%.*s\" is not a number from 1 to 65535.",
                          P(s));
    u->port = (uint16_t)port;
    return OK;
}

static Err check_host_name(Str host)
{
    if (host.n == 0)
        return err_detail(E_SYNTAX, "The URL has no host.");
    if (host.n > 253)
        return err_detail(E_SYNTAX, "The URL's host is longer than 253 characters.");
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (!is_alnum(c) && c != '-' && c != '.' && c != '_')
            return err_detail(E_SYNTAX, "The URL's host has a character that no host name has.");
        if (c == '.' && (i == 0 || host.p[i - 1] == '.'))
            return err_detail(E_SYNTAX, "The URL's host has an empty label.");
    }
    return OK;
}

static Err parse_ipv6(Str s, struct url *u, Str *ret_after)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;
    size_t end = str_find_char(s, ']');

    if (end == SIZE_MAX || end - 1 >= sizeof text)
        return err_detail(E_SYNTAX, "The URL's IPv6 address is not closed by \"]\".");
    memcpy(text, s.p + 1, end - 1);
    text[end - 1] = 0;
    if (inet_pton(AF_INET6, text, &addr) != 1)
        return err_detail(E_SYNTAX, "The URL's host is not an IPv6 address.");
    u->host = str_from(s.p + 1, end - 1);
    u->ipv6 = true;
    *ret_after = str_skip(s, end + 1);
    return OK;
}

static Err parse_authority(struct arena *a, Str s, struct url *u)
{
    size_t at = str_find_char(s, '@');
    Str after;

    if (at != SIZE_MAX) {
        u->userinfo = str_head(s, at);
        s = str_skip(s, at + 1);
        if (str_find_char(s, '@') != SIZE_MAX)
            return err_detail(E_SYNTAX, "The URL has more than one \"@\" before its path.");
    }
    if (s.n && s.p[0] == '[') {
        TRY(parse_ipv6(s, u, &after));
        if (after.n && after.p[0] != ':')
            return err_detail(E_SYNTAX,
                              "The URL's host is followed by something else than a port.");
        after = str_skip(after, 1);
    } else {
        after = str_cut(s, ':', &u->host);
        TRY(check_host_name(u->host));
    }
    u->host = str_lower(a, u->host);
    return parse_port(after, u);
}

static size_t find_any(Str s, const char *set)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] && strchr(set, s.p[i]))
            return i;
    return s.n;
}

Err url_parse(struct arena *a, Str s, struct url *ret_url)
{
    struct url u = {0};
    size_t n;

    TRY(check_chars(s));
    if (str_starts_nocase(s, S("https://"))) {
        u.scheme = S("https");
        u.tls = true;
        u.port = 443;
    } else if (str_starts_nocase(s, S("http://"))) {
        u.scheme = S("http");
        u.port = 80;
    } else {
        return err_detail(E_SYNTAX, "The URL does not begin with http:// or https://.");
    }
    s = str_skip(s, u.scheme.n + 3);

    n = find_any(s, "/?#");
    TRY(parse_authority(a, str_head(s, n), &u));
    s = str_skip(s, n);

    n = find_any(s, "?#");
    u.path = n ? escape_where(a, str_head(s, n), is_url_char) : S("/");
    s = str_skip(s, n);
    if (s.n && s.p[0] == '?') {
        n = find_any(s, "#");
        u.query = escape_where(a, str_head(str_skip(s, 1), n - 1), is_url_char);
        s = str_skip(s, n);
    }
    if (s.n)
        u.fragment = str_skip(s, 1);
    *ret_url = u;
    return OK;
}

/* RFC 3986 section 5.2.4 on a path that begins with "/". */
static Str remove_dots(struct arena *a, Str path)
{
    char *out = arena_bytes(a, path.n + 1);
    size_t n = 0, i = 0;

    while (i < path.n) {
        size_t end = i + 1;
        while (end < path.n && path.p[end] != '/')
            end++;
        Str seg = str_from(path.p + i + 1, end - i - 1);
        bool last = end == path.n;
        if (str_eq(seg, S(".")) || str_eq(seg, S(".."))) {
            if (seg.n == 2)
                while (n > 0 && out[--n] != '/')
                    ;
            if (last)
                out[n++] = '/';
        } else {
            memcpy(out + n, path.p + i, end - i);
            n += end - i;
        }
        i = end;
    }
    return n ? str_from(out, n) : S("/");
}

/* Whether @s begins with "scheme:". */
static bool has_scheme(Str s)
{
    size_t n = find_any(s, ":/?#");
    if (n == 0 || n == s.n || s.p[n] != ':' || (s.p[0] >= '0' && s.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '+' && s.p[i] != '-' && s.p[i] != '.')
            return false;
    return true;
}

/* The path of @ref put in the place of the last segment of the base's. */
static Str merge_path(struct arena *a, Str base, Str ref)
{
    size_t n = base.n;
    while (n > 0 && base.p[n - 1] != '/')
        n--;
    Str parts[] = {str_head(base, n), ref};
    return remove_dots(a, str_join(a, parts, 2, S("")));
}

static Str authority_text(struct arena *a, const struct url *u)
{
    Str user = u->userinfo.p ? str_fmt(a, "%.*s@", P(u->userinfo)) : S("");
    Str port = u->port == (u->tls ? 443 : 80) ? S("") : str_fmt(a, ":%d", u->port);
    return str_fmt(a, u->ipv6 ? "%.*s[%.*s]%.*s" : "%.*s%.*s%.*s", P(user), P(u->host), P(port));
}

Err url_join(struct arena *a, const struct url *base, Str ref, Str *ret_url)
{
    Str path = base->path, query = base->query, text;
    struct url check;

    TRY(check_chars(ref));
    if (has_scheme(ref)) {
        text = str_dup(a, ref);
    } else if (str_starts(ref, S("//"))) {
        text = str_fmt(a, "%.*s:%.*s", P(base->scheme), P(ref));
    } else {
        size_t hash = find_any(ref, "#");
        Str fragment = str_skip(ref, hash);
        Str rest = str_head(ref, hash);
        size_t mark = find_any(rest, "?");
        if (mark > 0) {
            Str head = str_head(rest, mark);
            path = head.p[0] == '/' ? remove_dots(a, head) : merge_path(a, base->path, head);
            query = (Str){0};
        }
        if (mark < rest.n)
            query = str_skip(rest, mark + 1);
        text = str_fmt(a, "%.*s://%.*s%.*s%s%.*s%.*s", P(base->scheme), P(authority_text(a, base)),
                       P(path), query.p ? "?" : "", P(query), P(fragment));
    }
    TRY(url_parse(a, text, &check));
    *ret_url = text;
    return OK;
}

Err url_decode(struct arena *a, Str s, bool plus, Str *ret_text)
{
    if (str_find_char(s, '%') == SIZE_MAX && (!plus || str_find_char(s, '+') == SIZE_MAX)) {
        if (s.n && memchr(s.p, 0, s.n))
            return err_set(E_SYNTAX, "NUL in encoded text");
        *ret_text = s;
        return OK;
    }

    char *out = arena_bytes(a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int hi = i + 2 < s.n ? hex_value(s.p[i + 1]) : -1;
            int lo = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return err_set(E_SYNTAX, "bad %% escape at byte %zu", i);
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (!c)
            return err_set(E_SYNTAX, "NUL in encoded text");
        out[n++] = c;
    }
    *ret_text = str_from(out, n);
    return OK;
}

Err url_query_get(struct arena *a, Str query, Str name, Str *ret_value)
{
    while (query.p) {
        Str pair, key, decoded;
        query = str_cut(query, '&', &pair);
        Str value = str_cut(pair, '=', &key);
        TRY(url_decode(a, key, true, &decoded));
        if (str_eq(decoded, name) && (key.n || value.p))
            return url_decode(a, value.p ? value : S(""), true, ret_value);
    }
    return E_NOT_FOUND;
}

Err url_query_all(struct arena *a, Str query, size_t max, HttpHeaders *ret_pairs)
{
    HttpHeaders pairs = {0};

    while (query.p) {
        Str pair, key;
        struct http_header h;
        query = str_cut(query, '&', &pair);
        if (pair.n == 0)
            continue;
        if (pairs.n == max)
            return err_set(E_TOO_LARGE, "more than %zu pairs in a form", max);
        Str value = str_cut(pair, '=', &key);
        TRY(url_decode(a, key, true, &h.name));
        TRY(url_decode(a, value.p ? value : S(""), true, &h.value));
        vec_push(a, &pairs, h);
    }
    *ret_pairs = pairs;
    return OK;
}
