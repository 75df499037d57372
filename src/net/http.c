/* src/net/http.c - names, lists and header fields of HTTP that server and client share. */
#include "net/http.h"

static const struct {
    enum http_method method;
    Str name;
} methods[] = {
    {HTTP_GET, S_INIT("GET")},         {HTTP_POST, S_INIT("POST")},   {HTTP_PUT, S_INIT("PUT")},
    {HTTP_DELETE, S_INIT("DELETE")},   {HTTP_PATCH, S_INIT("PATCH")}, {HTTP_HEAD, S_INIT("HEAD")},
    {HTTP_OPTIONS, S_INIT("OPTIONS")},
};

const char *http_method_name(enum http_method m)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (methods[i].method == m)
            return methods[i].name.p;
    return "?";
}

enum http_method http_method_parse(Str s)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_eq(methods[i].name, s))
            return methods[i].method;
    return 0;
}

static const char *const statuses[512] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [207] = "Multi-Status",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [424] = "Failed Dependency",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [499] = "Client Closed Request",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [511] = "Network Authentication Required",
};

const char *http_status_text(int status)
{
    const char *text = status >= 0 && status < 512 ? statuses[status] : NULL;
    return text ? text : "Unknown";
}

Str http_header_get(const HttpHeaders *h, Str name)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->at[i].name.n == name.n && str_eq_nocase(h->at[i].name, name))
            return h->at[i].value;
    return (Str){0};
}

void http_header_add(struct arena *a, HttpHeaders *h, Str name, Str value)
{
    *vec_add(a, h) = (struct http_header){name, value};
}

/* tchar of RFC 9110 section 5.6.2. */
static const bool tchar[256] = {
    ['!'] = true,         ['#' ... '\''] = true, ['*'] = true,         ['+'] = true,
    ['-'] = true,         ['.'] = true,          ['0' ... '9'] = true, ['A' ... 'Z'] = true,
    ['^' ... 'z'] = true, ['|'] = true,          ['~'] = true,
};

bool http_is_token(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!tchar[(unsigned char)s.p[i]])
            return false;
    return s.n > 0;
}

bool http_header_valid(Str name, Str value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return http_is_token(name);
}

bool http_list_next(Str *rest, Str *ret_item)
{
    while (rest->p) {
        Str head;
        *rest = str_cut(*rest, ',', &head);
        head = str_trim(head);
        if (head.n) {
            *ret_item = head;
            return true;
        }
    }
    return false;
}

/* "0", "0.5", "1.000" as thousandths; anything else is 0. */
static int parse_q(Str s)
{
    int q = 0, unit = 100;

    if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
        return 0;
    q = (s.p[0] - '0') * 1000;
    for (size_t i = 2; i < s.n; i++, unit /= 10) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return 0;
        q += (s.p[i] - '0') * unit;
    }
    return q > 1000 ? 0 : q;
}

/* The q among the parameters behind the first ";" of a list element. */
static int item_q(Str params)
{
    while (params.p) {
        Str one;
        params = str_cut(params, ';', &one);
        one = str_trim(one);
        if (str_starts_nocase(one, S("q=")))
            return parse_q(str_skip(one, 2));
    }
    return 1000;
}

int http_quality(Str list, Str token)
{
    Str rest = list, item, name;
    int any = -1;

    while (http_list_next(&rest, &item)) {
        Str params = str_cut(item, ';', &name);
        name = str_trim(name);
        if (str_eq_nocase(name, token))
            return item_q(params);
        if (str_eq(name, S("*")))
            any = item_q(params);
    }
    return any;
}

bool http_list_has(Str list, Str token)
{
    Str rest = list, item, name;

    while (http_list_next(&rest, &item)) {
        Str params = str_cut(item, ';', &name);
        if (str_eq_nocase(str_trim(name), token))
            return item_q(params) > 0;
    }
    return false;
}

bool http_type_is(Str value, Str type)
{
    Str head;
    (void)str_cut(value, ';', &head);
    return str_eq_nocase(str_trim(head), type);
}
