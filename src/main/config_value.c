/* src/main/config_value.c - the values of settings: from text, checked, and back to text. */
#include "base/guess.h"
#include "main/config_private.h"
#include "net/http.h"
#include "net/redis.h"
#include "store/db.h"

#define FIELD_OF(type, config, s) ((type *)((char *)(config) + (s)->at))
#define FIELD_IN(type, config, s) ((const type *)((const char *)(config) + (s)->at))

/* The next of the words of @list, which are separated by spaces; empty at the end. */
static Str next_word(Str *list)
{
    Str word;

    if (!list->p)
        return S("");
    *list = str_cut(*list, ' ', &word);
    return word;
}

static Str with_commas(struct arena *a, const char *words)
{
    AUTO_BUF(b, KIB(1));
    Str list = str_c(words);

    while (list.p) {
        buf_add(&b, next_word(&list));
        buf_add_c(&b, list.p ? ", " : "");
    }
    return str_dup(a, buf_str(&b));
}

static Str span_text(struct arena *a, Usec span)
{
    char text[TIME_RFC3339_SIZE];

    return str_dup(a, time_span(span, text));
}

/* In the largest unit that is exact: "32k". */
static Str size_text(struct arena *a, size_t n)
{
    static const char units[] = {0, 'k', 'M', 'G'};
    size_t unit = 0;

    while (n && n % 1024 == 0 && unit + 1 < ARRAY_LEN(units)) {
        n /= 1024;
        unit++;
    }
    return unit ? str_fmt(a, "%zu%c", n, units[unit]) : str_fmt(a, "%zu", n);
}

/* ---- from text ---- */

static Err set_bool(Str text, bool *out)
{
    if (str_to_bool(text, out) != OK)
        return err_detail(E_INVALID, "\"%.*s\" is neither true nor false", P(text));
    return OK;
}

static Err set_int(const struct config_setting *s, Str text, int64_t *out)
{
    int64_t v;
    Err e = str_to_i64(text, &v);

    if (e == E_SYNTAX)
        return err_detail(E_INVALID, "\"%.*s\" is no whole number", P(text));
    if (e != OK || v < s->min || v > s->max)
        return err_detail(E_INVALID, "%.*s is out of range; it must be from %lld to %lld", P(text),
                          (long long)s->min, (long long)s->max);
    *out = v;
    return OK;
}

static Err set_size(struct arena *a, const struct config_setting *s, Str text, size_t *out)
{
    size_t v;
    Err e = str_to_size(text, &v);

    if (e == E_SYNTAX)
        return err_detail(E_INVALID, "\"%.*s\" is no size; write it like 512, 64k or 8M", P(text));
    if (e != OK || v < (size_t)s->min || v > (size_t)s->max)
        return err_detail(E_INVALID, "%.*s is out of range; it must be from %.*s to %.*s", P(text),
                          P(size_text(a, (size_t)s->min)), P(size_text(a, (size_t)s->max)));
    *out = v;
    return OK;
}

static Err set_span(struct arena *a, const struct config_setting *s, Str text, Usec *out)
{
    Usec v;
    Err e = time_parse_span(text, &v);

    if (e == E_SYNTAX)
        return err_detail(E_INVALID, "\"%.*s\" is no time span; write it like 250ms, 30s or 1h30m",
                          P(text));
    if (e != OK || v < s->min || v > s->max)
        return err_detail(E_INVALID, "%.*s is out of range; it must be from %.*s to %.*s", P(text),
                          P(span_text(a, s->min)), P(span_text(a, s->max)));
    *out = v;
    return OK;
}

static Err set_enum(struct arena *a, const struct config_setting *s, Str text, int *out)
{
    Str list = str_c(s->one_of);
    struct guess near = guess_begin(text);
    for (int i = 0; list.p; i++) {
        Str word = next_word(&list);
        if (str_eq(word, text)) {
            *out = i;
            return OK;
        }
        guess_try(&near, word);
    }
    return err_detail(E_INVALID, "\"%.*s\" is none of %.*s.%.*s", P(text),
                      P(with_commas(a, s->one_of)), P(guess_text(a, &near)));
}

static bool is_scheme(const struct config_setting *s, Str scheme)
{
    Str list = str_c(s->one_of);

    while (list.p)
        if (str_eq(next_word(&list), scheme))
            return true;
    return false;
}

/* A path to a SQLite file, and not what looks like a URL with a slip in it. It may have a password
 * in it and is not shown. */
static Err check_path(Str text)
{
    size_t colon = str_find_char(text, ':'), slash = str_find_char(text, '/');
    bool doubled = slash != SIZE_MAX && slash + 1 < text.n && text.p[slash + 1] == '/';

    if (text.p[0] == '.' || text.p[0] == '/')
        return OK;
    if (colon >= slash && !doubled && !str_starts_nocase(text, S("postgres")))
        return OK;
    return err_detail(E_INVALID, "this looks like a mistyped URL; write postgres://USER@HOST/NAME, "
                                 "sqlite:///PATH, or \"./\" before the name of a file");
}

/* The parts of an http URL that no setting has a use for. */
static Err check_http(struct arena *a, Str text, Str masked)
{
    struct url url;

    if (url_parse(a, text, &url) != OK) {
        Str why = str_dup(a, str_c(err_client_text(E_SYNTAX)));
        return err_detail(E_INVALID, "\"%.*s\" is no valid URL: %.*s", P(masked), P(why));
    }
    if (url.query.p || str_find_char(text, '#') != SIZE_MAX)
        return err_detail(E_INVALID,
                          "\"%.*s\" has a query or a fragment; leave out what begins with \"%s\"",
                          P(masked), url.query.p ? "?" : "#");
    return OK;
}

/* A URL of a known scheme. A plain path is taken where "sqlite" is. Details show no password. */
static Err set_url(struct arena *a, const struct config_setting *s, Str text, Str *out)
{
    size_t colon = str_find(text, S("://"));
    Str scheme = str_head(text, colon);
    Str masked = config_url_masked(a, text);

    if (colon == SIZE_MAX && is_scheme(s, S("sqlite"))) {
        TRY(check_path(text));
        *out = text;
        return OK;
    }
    if (colon == SIZE_MAX || !is_scheme(s, scheme))
        return err_detail(E_INVALID,
                          "\"%.*s\" is no URL of a known kind; it must begin with one of "
                          "%.*s and \"://\"",
                          P(masked), P(with_commas(a, s->one_of)));
    if (str_starts(scheme, S("http")))
        TRY(check_http(a, text, masked));
    if (str_skip(text, colon + 3).n == 0)
        return err_detail(E_INVALID, "\"%.*s\" names no host or file", P(masked));
    if (str_starts(scheme, S("postgres")))
        TRY(db_url_check(text));
    if (str_starts(scheme, S("redis")))
        TRY(redis_url_check(text));
    *out = text;
    return OK;
}

static Err set_secret(Str text, Str *out)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 127)
            return err_detail(E_INVALID,
                              "the value has white space or control characters in it; was "
                              "it pasted in part or twice?");
    *out = text;
    return OK;
}

static Err set_listen(Str text, Str *out)
{
    Str host;
    uint16_t port;

    TRY(config_listen(text, &host, &port));
    *out = text;
    return OK;
}

Err config_value_set(struct arena *a, const struct config_setting *s, Str text,
                     struct config *config)
{
    if (memchr(text.n ? text.p : "", 0, text.n))
        return err_detail(E_INVALID, "the value has a NUL character in it");
    if (text.n == 0 && s->dflt[0] != 0)
        return err_detail(E_INVALID, "there is no value; leave the setting out for its default, %s",
                          s->dflt);
    switch (s->type) {
    case CONFIG_BOOL:
        return set_bool(text, FIELD_OF(bool, config, s));
    case CONFIG_INT:
        return set_int(s, text, FIELD_OF(int64_t, config, s));
    case CONFIG_SIZE:
        return set_size(a, s, text, FIELD_OF(size_t, config, s));
    case CONFIG_SPAN:
        return set_span(a, s, text, FIELD_OF(Usec, config, s));
    case CONFIG_ENUM:
        return set_enum(a, s, text, FIELD_OF(int, config, s));
    case CONFIG_URL:
        if (text.n)
            return set_url(a, s, text, FIELD_OF(Str, config, s));
        break;
    case CONFIG_SECRET:
        return set_secret(text, FIELD_OF(Str, config, s));
    case CONFIG_LISTEN:
        return set_listen(text, FIELD_OF(Str, config, s));
    case CONFIG_TEXT:
    case CONFIG_PATH:
    case CONFIG_LIST:
        break;
    }
    *FIELD_OF(Str, config, s) = text;
    return OK;
}

Err config_listen(Str listen, Str *ret_host, uint16_t *ret_port)
{
    static const char how[] =
        "it must be HOST:PORT, like 127.0.0.1:3000, 0.0.0.0:3000 or [::1]:3000";
    size_t colon = listen.n;
    uint64_t port;
    Str host;

    while (colon > 0 && listen.p[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return err_detail(E_INVALID, "\"%.*s\" has no port; %s", P(listen), how);
    host = str_head(listen, colon - 1);
    if (str_to_u64(str_skip(listen, colon), &port) != OK || port > 65535)
        return err_detail(E_INVALID, "\"%.*s\" has no valid port; %s", P(listen), how);
    if (str_starts(host, S("[")) && str_ends(host, S("]")))
        host = str_from(host.p + 1, host.n - 2);
    else if (str_find_char(host, ':') != SIZE_MAX)
        return err_detail(E_INVALID, "the IPv6 address in \"%.*s\" needs brackets; %s", P(listen),
                          how);
    if (host.n == 0)
        return err_detail(E_INVALID, "\"%.*s\" has no host; %s", P(listen), how);
    *ret_host = host;
    *ret_port = (uint16_t)port;
    return OK;
}

/* ---- back to text ---- */

/* The password between "://user:" and the last "@" before the path; empty if there is none. */
static Str url_password(Str url)
{
    size_t start = str_find(url, S("://"));
    Str rest, authority;
    size_t at;

    if (start == SIZE_MAX)
        return S("");
    rest = str_skip(url, start + 3);
    for (at = 0; at < rest.n && !strchr("/?#", rest.p[at]); at++)
        ;
    authority = str_head(rest, at);
    while (at > 0 && authority.p[at - 1] != '@')
        at--;
    if (at == 0)
        return S("");
    Str user = str_head(authority, at - 1);
    size_t colon = str_find_char(user, ':');
    return colon == SIZE_MAX ? S("") : str_skip(user, colon + 1);
}

Str config_url_masked(struct arena *a, Str url)
{
    Str password = url_password(url);

    if (password.n == 0)
        return url;
    size_t before = (size_t)(password.p - url.p);
    return str_fmt(a, "%.*s***%.*s", P(str_head(url, before)),
                   P(str_skip(url, before + password.n)));
}

Str config_value_secret(const struct config_setting *s, const struct config *config)
{
    if (s->type == CONFIG_SECRET)
        return *FIELD_IN(Str, config, s);
    return s->type == CONFIG_URL ? url_password(*FIELD_IN(Str, config, s)) : S("");
}

static Str enum_word(const struct config_setting *s, int i)
{
    Str list = str_c(s->one_of);
    Str word = S("");

    while (i-- >= 0)
        word = next_word(&list);
    return word;
}

Str config_value_text(struct arena *a, const struct config_setting *s, const struct config *config)
{
    switch (s->type) {
    case CONFIG_BOOL:
        return *FIELD_IN(bool, config, s) ? S("true") : S("false");
    case CONFIG_INT:
        return str_fmt(a, "%lld", (long long)*FIELD_IN(int64_t, config, s));
    case CONFIG_SIZE:
        return size_text(a, *FIELD_IN(size_t, config, s));
    case CONFIG_SPAN:
        return span_text(a, *FIELD_IN(Usec, config, s));
    case CONFIG_ENUM:
        return enum_word(s, *FIELD_IN(int, config, s));
    case CONFIG_URL:
        return config_url_masked(a, *FIELD_IN(Str, config, s));
    case CONFIG_SECRET:
        return FIELD_IN(Str, config, s)->n ? S("***") : S("");
    case CONFIG_TEXT:
    case CONFIG_PATH:
    case CONFIG_LIST:
    case CONFIG_LISTEN:
        break;
    }
    return *FIELD_IN(Str, config, s);
}

struct json *config_value_json(struct arena *a, const struct config_setting *s,
                               const struct config *config)
{
    switch (s->type) {
    case CONFIG_BOOL:
        return json_bool(a, *FIELD_IN(bool, config, s));
    case CONFIG_INT:
        return json_int(a, *FIELD_IN(int64_t, config, s));
    case CONFIG_SIZE:
        return json_int(a, (int64_t)*FIELD_IN(size_t, config, s));
    default:
        return json_str(a, config_value_text(a, s, config));
    }
}
