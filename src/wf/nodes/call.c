/* src/wf/nodes/call.c - requests from settings, answers as JSON, failures as sentences. */
#include "wf/nodes/call.h"

#include "base/utf8.h"
#include "wf/nodes/step.h"

enum {
    PAIRS_MAX = 10000,
    PAIRS_SIZE_MAX = 1 << 20, /* of headers or a query */
    LATIN_MAX = 16 << 20,
};

/* ---- requests ---- */

static Err too_large(const struct wf_step *step)
{
    return err_detail(E_TOO_LARGE, "What node %.*s would send is too large.", P(step->node->id));
}

Err step_json(struct wf_step *step, const struct json *v, size_t max, Str *ret_text)
{
    AUTO_BUF(b, max);

    json_write(&b, v);
    if (b.failed)
        return too_large(step);
    *ret_text = str_dup(step->a, buf_str(&b));
    return OK;
}

Err step_text(struct wf_step *step, const struct json *v, size_t max, Str *ret_text)
{
    if (!json_is(v, JSON_STR))
        return step_json(step, v, max, ret_text);
    *ret_text = json_str_of(v, S(""));
    return ret_text->n > max ? too_large(step) : OK;
}

Err step_pair(struct wf_step *step, HttpHeaders *pairs, Str name, const struct json *v,
              size_t *left)
{
    Str text = S("");

    if (pairs->n == PAIRS_MAX || name.n > *left)
        return too_large(step);
    TRY(step_text(step, v, *left - name.n, &text));
    *left -= name.n + text.n;
    http_header_add(step->a, pairs, name, text);
    return OK;
}

Err step_pairs(struct wf_step *step, const struct wf_value *map, HttpHeaders *ret_pairs)
{
    struct json *v = NULL;
    size_t left = PAIRS_SIZE_MAX;

    if (map)
        TRY(wf_value_eval(step->a, map, step->scope, step->deadline, &v));
    for (size_t i = 0; v && i < json_len(v); i++)
        if (json_type(&v->obj[i].val) != JSON_NULL)
            TRY(step_pair(step, ret_pairs, json_str_of(&v->obj[i].key, S("")), &v->obj[i].val,
                          &left));
    return OK;
}

Str step_form(struct arena *a, const HttpHeaders *pairs)
{
    Str *parts = arena_array(a, Str, pairs->n);

    for (size_t i = 0; i < pairs->n; i++) {
        const Str pair[] = {url_encode(a, pairs->at[i].name), url_encode(a, pairs->at[i].value)};
        parts[i] = str_join(a, pair, 2, S("="));
    }
    return str_join(a, parts, pairs->n, S("&"));
}

/* @url without its fragment, and with @query behind what query it has. */
static Str with_query(struct arena *a, Str url, const HttpHeaders *query)
{
    (void)str_cut(url, '#', &url); /* a fragment is not sent */
    if (query->n == 0)
        return url;
    const char *joint = str_find_char(url, '?') == SIZE_MAX              ? "?"
                        : str_ends(url, S("?")) || str_ends(url, S("&")) ? ""
                                                                         : "&";
    return str_fmt(a, "%.*s%s%.*s", P(url), joint, P(step_form(a, query)));
}

Err step_call_begin(struct wf_step *step, Str url, const struct wf_value *query,
                    struct step_call *ret_call)
{
    HttpHeaders pairs = {0};
    struct url parsed;

    TRY(step_pairs(step, query, &pairs));
    url = with_query(step->a, str_trim(url), &pairs);
    if (url_parse(step->a, url, &parsed) != OK)
        return err_detail(E_INVALID, "The URL that node %.*s would call is not valid: %s",
                          P(step->node->id), err_client_text(E_SYNTAX));
    *ret_call = (struct step_call){
        .step = step,
        .http = {.url = url,
                 .egress = step->env->egress,
                 .deadline = step->deadline,
                 .idle_timeout = step->node->timeout},
        .host = parsed.host,
    };
    return OK;
}

Err step_call_headers(struct step_call *call, const struct wf_value *map)
{
    HttpHeaders pairs = {0};

    TRY(step_pairs(call->step, map, &pairs));
    vec_each(&pairs, h)
        http_header_add(call->step->a, &call->http.headers, h->name, h->value);
    return OK;
}

void step_call_header(struct step_call *call, Str name, Str value)
{
    if (!http_header_get(&call->http.headers, name).p)
        http_header_add(call->step->a, &call->http.headers, name, value);
}

Err step_call_fetch(struct step_call *call, struct http_reply *ret_reply)
{
    if (call->step->env->user_agent.n)
        step_call_header(call, S("User-Agent"), call->step->env->user_agent);
    Err e = http_fetch(call->step->a, &call->http, ret_reply);
    return e == OK ? OK : step_call_failed(call, e);
}

/* ---- failures ---- */

Err step_call_failed(const struct step_call *call, Err e)
{
    char span[TIME_RFC3339_SIZE];
    Str node = call->step->node->id;

    switch (e) {
    case E_CONNECT:
        return err_detail(e, "The host %.*s that node %.*s calls could not be reached.",
                          P(call->host), P(node));
    case E_TIMEOUT:
        return err_detail(e, "%.*s did not answer node %.*s within %.*s.", P(call->host), P(node),
                          P(time_span(call->step->node->timeout, span)));
    case E_TOO_LARGE:
        return err_detail(e, "The answer of %.*s is larger than node %.*s takes.", P(call->host),
                          P(node));
    case E_UPSTREAM_CUT:
        return err_detail(e, "%.*s broke off in the middle of its answer to node %.*s.",
                          P(call->host), P(node));
    case E_UPSTREAM:
        return err_detail(e,
                          "What %.*s answered to node %.*s is not proper HTTP, or too many "
                          "redirects.",
                          P(call->host), P(node));
    default:
        return e; /* E_CANCELLED, and E_EGRESS and E_INVALID with details of their own */
    }
}

static Err status_code(int status)
{
    switch (status) {
    case 401:
    case 407:
        return E_UNAUTHORIZED;
    case 402:
    case 403:
        return E_FORBIDDEN;
    case 404:
        return E_NOT_FOUND;
    case 409:
        return E_CONFLICT;
    case 410:
        return E_GONE;
    case 413:
        return E_TOO_LARGE;
    case 429:
        return E_RATE_LIMITED;
    case 408:
    case 425:
        return E_UNAVAILABLE;
    default:
        return status >= 500 ? E_UNAVAILABLE : E_INVALID;
    }
}

static const char *usual_advice(int status)
{
    switch (status) {
    case 401:
    case 403:
        return "check its credentials";
    case 404:
    case 410:
        return "check its URL";
    case 429:
        return "it is called too often";
    default:
        return status >= 500 ? "the service is in trouble" : "check what it sends";
    }
}

Err step_call_status(const struct step_call *call, int status, const HttpHeaders *headers,
                     const char *advice)
{
    const char *text = http_status_text(status);
    Err e = err_detail(status_code(status), "%.*s answered %d%s%s to node %.*s: %s.", P(call->host),
                       status, *text ? " " : "", text, P(call->step->node->id),
                       advice ? advice : usual_advice(status));

    err_record()->retry_after_us = http_retry_after(headers);
    return e;
}

/* ---- answers ---- */

static bool is_json_type(struct arena *a, Str type)
{
    Str bare;

    (void)str_cut(type, ';', &bare); /* parameters do not matter */
    bare = str_lower(a, str_trim(bare));
    return str_eq(bare, S("application/json")) || str_eq(bare, S("text/json")) ||
           str_ends(bare, S("+json"));
}

static bool names_latin(struct arena *a, Str type)
{
    Str lower = str_lower(a, type);

    return str_find(lower, S("charset=iso-8859-1")) != SIZE_MAX ||
           str_find(lower, S("charset=\"iso-8859-1")) != SIZE_MAX ||
           str_find(lower, S("charset=windows-1252")) != SIZE_MAX ||
           str_find(lower, S("charset=\"windows-1252")) != SIZE_MAX;
}

/* As the WHATWG has it, ISO 8859-1 on the web means windows-1252. */
static Str from_latin(struct arena *a, Str s)
{
    static const uint16_t upper[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    char *p = arena_bytes(a, s.n * 3);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        n += utf8_encode(c >= 0x80 && c < 0xa0 ? upper[c - 0x80] : c, p + n);
    }
    return (Str){p, n};
}

static Err text_body(const struct step_call *call, Str type, Str body, struct json **ret_body)
{
    struct arena *a = call->step->a;

    if (!utf8_valid(body)) {
        if (!names_latin(a, type) || body.n > LATIN_MAX)
            return err_detail(E_UPSTREAM,
                              "The answer of %.*s to node %.*s is neither JSON nor text in UTF-8.",
                              P(call->host), P(call->step->node->id));
        body = from_latin(a, body);
    }
    *ret_body = json_str(a, body);
    return OK;
}

Err step_call_body(const struct step_call *call, const struct http_reply *reply, enum reply_as as,
                   struct json **ret_body)
{
    const struct json_limits limits = {.depth = STEP_DEPTH_MAX};
    struct arena *a = call->step->a;
    Str type = http_header_get(&reply->headers, S("content-type"));

    if (as == REPLY_TEXT || (as == REPLY_AUTO && !is_json_type(a, type)))
        return text_body(call, type, reply->body, ret_body);
    if (str_is_empty(str_trim(reply->body)) && as == REPLY_AUTO) {
        *ret_body = json_null(a);
        return OK;
    }
    Err e = json_parse_limits(a, reply->body, &limits, ret_body);
    if (e != OK)
        return err_detail(E_UPSTREAM, "The answer of %.*s to node %.*s should be JSON, but it %s.",
                          P(call->host), P(call->step->node->id),
                          e == E_TOO_LARGE ? "is nested too deep or too large"
                                           : "is not well formed");
    return OK;
}

/* ---- checking settings ---- */

void check_headers(struct wf_check *ck, Str field)
{
    static const Str secrets[] = {S_INIT("authorization"), S_INIT("cookie"), S_INIT("token"),
                                  S_INIT("secret"),        S_INIT("key"),    S_INIT("password")};
    const struct json *map = json_get(ck->data, field);

    for (size_t i = 0; i < json_len(map); i++) {
        Str name = json_str_of(&map->obj[i].key, S("")),
            value = json_str_of(&map->obj[i].val, S(""));
        Str lower = str_lower(ck->a, name);
        if (!http_is_token(name))
            wf_check_problem(ck, field, S("bad_name"), "\"%.*s\" is no name for a header.",
                             P(str_head(name, 60)));
        else if (http_header_is_own(name))
            wf_check_problem(ck, field, S("reserved"),
                             "The header \"%.*s\" is set by Heddle itself.", P(name));
        for (size_t k = 0; k < ARRAY_LEN(secrets); k++) {
            if (str_find(lower, secrets[k]) == SIZE_MAX)
                continue;
            wf_check_secret(ck, value);
            break;
        }
    }
}

void check_url(struct wf_check *ck, Str field, const struct wf_template *url)
{
    Str text = str_trim(wf_template_source(url));
    struct url parsed;

    if (wf_template_is_fixed(url) && url_parse(ck->a, text, &parsed) != OK)
        wf_check_problem(ck, field, S("bad_url"), "%s", err_client_text(E_SYNTAX));
    else if (!str_starts_nocase(text, S("http://")) && !str_starts_nocase(text, S("https://")) &&
             !str_starts(text, S("{{")))
        wf_check_problem(ck, field, S("bad_url"), "A URL begins with http:// or https://.");
}
