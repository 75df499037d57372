/* src/net/http.h - what server and client share: methods, header lists, URLs. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/vec.h"

enum http_method {
    HTTP_GET = 1,
    HTTP_HEAD = 2,
    HTTP_POST = 4,
    HTTP_PUT = 8,
    HTTP_PATCH = 16,
    HTTP_DELETE = 32,
    HTTP_OPTIONS = 64,
};
#define HTTP_ANY_METHOD 127u

const char *http_method_name(enum http_method m);
/* 0 for an unknown one. Case-sensitive, as RFC 9110 has it. */
enum http_method http_method_parse(Str s);
const char *http_status_text(int status);

struct http_header {
    Str name, value;
};

typedef VEC(struct http_header) HttpHeaders;

/* The first value of @name (any case); an empty Str with p == NULL if there is none. */
Str http_header_get(const HttpHeaders *h, Str name);
void http_header_add(struct arena *a, HttpHeaders *h, Str name, Str value);
/* Whether @name is a token and @value has no control characters: what may be sent. */
bool http_header_valid(Str name, Str value);
/* Whether comma-separated @list has @token (any case), as in Connection and Accept-Encoding (q=0 is
 * no). */
bool http_list_has(Str list, Str token);
/* The next element of comma-separated *rest, trimmed, empty ones left out; false at the end. */
bool http_list_next(Str *rest, Str *ret_item);
/* The q of @token in @list (Accept-Encoding) in thousandths, by its own entry or by "*"; -1 if
 * neither is there; a bad q counts as 0. */
int http_quality(Str list, Str token);
/* Whether @s is a token of RFC 9110: not empty, no separators. */
bool http_is_token(Str s);
/* Whether the media type of @value, without parameters, is @type (any case). */
bool http_type_is(Str value, Str type);

struct url {
    Str scheme; /* lower case */
    Str host;   /* lower case, without brackets for IPv6 */
    Str userinfo;
    Str path;  /* at least "/", still encoded */
    Str query; /* without "?", still encoded; p == NULL if there is none */
    Str fragment;
    uint16_t port; /* the scheme's own if none is written */
    bool tls, ipv6;
};

/* Absolute http or https URL; the parts point into @s or @a. E_SYNTAX with a detail. Control
 * characters, spaces, back-slashes and bad escapes are refused; other bytes that RFC 3986 does not
 * allow in path and query (non-ASCII among them) are escaped. Hosts are ASCII: names of other
 * scripts in their xn-- form. */
Err url_parse(struct arena *a, Str s, struct url *ret_url);
/* @ref (absolute, or relative in any form of RFC 3986 section 4.2) against @base, as text. */
Err url_join(struct arena *a, const struct url *base, Str ref, Str *ret_url);
Str url_encode(struct arena *a, Str s); /* all but unreserved characters as %XX */
/* %XX (and "+" as space if @plus); E_SYNTAX; a decoded NUL is refused. */
Err url_decode(struct arena *a, Str s, bool plus, Str *ret_text);
/* The first value of @name in an application/x-www-form-urlencoded text, decoded; E_NOT_FOUND. */
Err url_query_get(struct arena *a, Str query, Str name, Str *ret_value);
/* Every pair of such a text, decoded. E_SYNTAX, E_TOO_LARGE past @max pairs. */
Err url_query_all(struct arena *a, Str query, size_t max, HttpHeaders *ret_pairs);

#endif
