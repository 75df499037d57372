/* src/net/http_client.c - what both engines share: checks, defaults, redirects, counting. */
#include "net/http_client.h"
#include "base/crypto.h"
#include "net/http_client_private.h"
#include "rt/metric.h"

#include <stdatomic.h>

enum { REDIRECTS_MAX = 20, URL_MAX = 16384, HEADERS_MAX = 200 };

static const Usec DEFAULT_DEADLINE = 30 * USEC_S;
static const Usec DEFAULT_CONNECT = 10 * USEC_S;
static const Usec DEFAULT_IDLE = 60 * USEC_S;

/* ---- counting ---- */

static struct metric calls = {"heddle_upstream_requests_total",
                              "Outbound HTTP calls by status class or error.", METRIC_COUNTER,
                              "engine,outcome"};
static struct metric durations = {"heddle_upstream_duration_seconds",
                                  "Outbound HTTP calls, from start to the end of the answer.",
                                  METRIC_HISTOGRAM, "engine"};
static struct metric connects = {"heddle_upstream_connect_seconds",
                                 "Resolving, connecting and the TLS handshake of new connections.",
                                 METRIC_HISTOGRAM, "engine"};

typedef _Atomic(struct metric_series *) SeriesSlot;

static const char *const engine_names[] = {"own", "curl"};

/* The series is looked up once. */
static struct metric_series *series(SeriesSlot *slot, struct metric *m, enum http_engine engine,
                                    const char *outcome)
{
    struct metric_series *s = atomic_load_explicit(slot, memory_order_relaxed);

    if (!s) {
        s = outcome ? metric_series(m, engine_names[engine], outcome)
                    : metric_series(m, engine_names[engine]);
        atomic_store_explicit(slot, s, memory_order_relaxed);
    }
    return s;
}

static void observe_since(struct metric_series *s, Usec started)
{
    metric_observe(s, (double)(time_mono() - started) / (double)USEC_S);
}

void http_count_connect(enum http_engine engine, Usec started)
{
    static SeriesSlot slots[2];

    observe_since(series(&slots[engine], &connects, engine, NULL), started);
}

void http_count_call(enum http_engine engine, Usec started, int status, Err e)
{
    static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    static SeriesSlot by_class[2][ARRAY_LEN(classes)], by_error[2][ERR_COUNT], spans[2];
    int class = status / 100 - 1;

    if (e != OK)
        metric_add(series(&by_error[engine][e], &calls, engine, err_slug(e)), 1);
    else if (class >= 0 && class < (int)ARRAY_LEN(classes))
        metric_add(series(&by_class[engine][class], &calls, engine, classes[class]), 1);
    observe_since(series(&spans[engine], &durations, engine, NULL), started);
}

/* ---- the request ---- */

bool http_header_is_own(Str name)
{
    static const Str own[] = {S_INIT("host"),
                              S_INIT("content-length"),
                              S_INIT("connection"),
                              S_INIT("transfer-encoding"),
                              S_INIT("keep-alive"),
                              S_INIT("accept-encoding"),
                              S_INIT("expect"),
                              S_INIT("upgrade"),
                              S_INIT("te"),
                              S_INIT("trailer"),
                              S_INIT("proxy-connection")};

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (str_eq_nocase(name, own[i]))
            return true;
    return false;
}

static Err check_headers(const HttpHeaders *h)
{
    if (h->n > HEADERS_MAX)
        return err_detail(E_INVALID, "A call has more than %d header fields.", HEADERS_MAX);
    for (size_t i = 0; i < h->n; i++) {
        Str name = h->at[i].name;
        if (!http_header_valid(name, h->at[i].value))
            return err_detail(E_INVALID, "The header \"%.*s\" cannot be sent: bad characters.",
                              P(str_head(name, 64)));
        if (http_header_is_own(name))
            return err_detail(E_INVALID, "The header \"%.*s\" is set by Heddle itself.", P(name));
    }
    return OK;
}

static bool is_idempotent(const struct http_call *call, enum http_method method)
{
    return call->idempotent || (method & (HTTP_GET | HTTP_HEAD | HTTP_PUT | HTTP_DELETE)) ||
           http_header_get(&call->headers, S("idempotency-key")).p;
}

static Err job_url(struct http_job *j, Str url)
{
    if (url.n > URL_MAX)
        return err_detail(E_TOO_LARGE, "A URL is longer than %d bytes.", URL_MAX);
    TRY(url_parse(j->a, url, &j->url));
    j->host = j->url.host;
    if (str_ends(j->host, S(".")))
        j->host.n--;
    return OK;
}

/* "user:password@" of a URL becomes an Authorization header. */
static Err job_userinfo(struct http_job *j)
{
    Str user = j->url.userinfo, decoded;

    if (!user.n || http_header_get(&j->headers, S("authorization")).p)
        return OK;
    TRY(url_decode(j->a, user, false, &decoded));
    HttpHeaders copy = {0};
    for (size_t i = 0; i < j->headers.n; i++)
        vec_push(j->a, &copy, j->headers.at[i]);
    Str value = str_fmt(j->a, "Basic %.*s", P(crypto_base64(j->a, decoded)));
    http_header_add(j->a, &copy, S("Authorization"), value);
    j->headers = copy;
    return OK;
}

static Err job_init(struct http_job *j, struct arena *a, const struct http_call *call)
{
    Usec now = time_mono();
    enum http_method method = call->method ? call->method : HTTP_GET;

    *j = (struct http_job){
        .a = a,
        .call = call,
        .method = method,
        .body = {call->body, call->body_more[0], call->body_more[1]},
        .headers = call->headers,
        .started = now,
        .deadline = call->deadline ? call->deadline : usec_add(now, DEFAULT_DEADLINE),
        .connect_timeout = call->connect_timeout ? call->connect_timeout : DEFAULT_CONNECT,
        .idle_timeout = call->idle_timeout ? call->idle_timeout : DEFAULT_IDLE,
        .max_body = call->max_body ? call->max_body : MIB(8),
        .max_header = call->max_header ? call->max_header : KIB(64),
        .idempotent = is_idempotent(call, method),
    };
    TRY(check_headers(&call->headers));
    TRY(job_url(j, call->url));
    return job_userinfo(j);
}

void http_job_headers(const struct http_job *j, http_add_header_fn *fn, void *ctx)
{
    bool has_agent = false;
    char length[24];

    for (size_t i = 0; i < j->headers.n; i++) {
        const struct http_header *h = &j->headers.at[i];
        has_agent |= str_eq_nocase(h->name, S("user-agent"));
        fn(ctx, h->name, h->value);
    }
    if (!has_agent)
        fn(ctx, S("User-Agent"), S("Heddle/" HEDDLE_VERSION));
    if (j->call->engine == HTTP_CURL)
        return; /* libcurl adds the rest */
    fn(ctx, S("Accept-Encoding"), S("identity"));
    if (j->body[0].p || (j->method & (HTTP_POST | HTTP_PUT | HTTP_PATCH))) {
        int n = snprintf(length, sizeof length, "%zu", j->body[0].n + j->body[1].n + j->body[2].n);
        fn(ctx, S("Content-Length"), (Str){length, (size_t)n});
    }
}

Str http_job_authority(const struct http_job *j, char *out, size_t size)
{
    struct buf b = {.p = out, .cap = size, .max = size}; /* of one name and one port: it fits */
    const struct url *u = &j->url;

    if (u->ipv6)
        buf_add_char(&b, '[');
    buf_add(&b, u->host);
    if (u->ipv6)
        buf_add_char(&b, ']');
    if (u->port != (u->tls ? 443 : 80)) {
        buf_add_char(&b, ':');
        buf_add_u64(&b, u->port);
    }
    return buf_str(&b);
}

/* ---- redirects ---- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* What may tell another host who the caller is. Matches parts of names, since APIs invent their
 * own. */
static bool is_credential(Str name)
{
    static const char *const parts[] = {"auth",   "cookie",   "token",     "key",
                                        "secret", "password", "signature", "credential"};
    char lower[128];
    size_t n = name.n < sizeof lower ? name.n : sizeof lower;

    for (size_t i = 0; i < n; i++)
        lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (str_find((Str){lower, n}, str_c(parts[i])) != SIZE_MAX)
            return true;
    return name.n > sizeof lower;
}

static void drop_headers(struct http_job *j, bool credentials, bool body)
{
    HttpHeaders kept = {0};

    for (size_t i = 0; i < j->headers.n; i++) {
        Str name = j->headers.at[i].name;
        if (!(credentials && is_credential(name)) &&
            !(body && str_starts_nocase(name, S("content-"))))
            vec_push(j->a, &kept, j->headers.at[i]);
    }
    j->headers = kept;
}

/* Make @j the call that the answer asks for. Another host, port or scheme gets no credentials. */
static Err job_redirect(struct http_job *j, int status, Str location)
{
    struct url from = j->url;
    Str host = j->host, to;

    if (location.n > URL_MAX || url_join(j->a, &from, location, &to) != OK || job_url(j, to) != OK)
        return err_detail(E_UPSTREAM, "%.*s answered with a redirect that cannot be followed.",
                          P(host));
    bool same = from.tls == j->url.tls && from.port == j->url.port && str_eq(host, j->host);
    bool to_get = status == 303 ? j->method != HTTP_HEAD : status <= 302 && j->method == HTTP_POST;
    if (to_get) {
        j->method = HTTP_GET;
        memset(j->body, 0, sizeof j->body);
    }
    drop_headers(j, !same, to_get);
    return job_userinfo(j);
}

static Err fetch_once(struct http_job *j, struct http_reply *ret_reply)
{
    return j->call->engine == HTTP_CURL ? http_curl_fetch(j, ret_reply)
                                        : http_own_fetch(j, ret_reply);
}

static Err fetch(struct http_job *j, struct http_reply *ret_reply)
{
    unsigned max = j->call->max_redirects < REDIRECTS_MAX ? j->call->max_redirects : REDIRECTS_MAX;
    struct http_reply reply;

    for (unsigned hops = 0;; hops++) {
        TRY(fetch_once(j, &reply));
        Str location = http_header_get(&reply.headers, S("location"));
        if (!max || !location.p || !is_redirect(reply.status))
            break;
        if (hops == max)
            return err_detail(E_UPSTREAM, "%.*s answered with more than %u redirects.", P(j->host),
                              max);
        TRY(job_redirect(j, reply.status, location));
    }
    *ret_reply = reply;
    return OK;
}

/* ---- the doors ---- */

Err http_fetch(struct arena *a, const struct http_call *call, struct http_reply *ret_reply)
{
    struct http_job j;
    struct http_reply reply = {0};

    TRY(job_init(&j, a, call));
    Err e = fetch(&j, &reply);
    http_count_call(call->engine, j.started, reply.status, e);
    if (e == OK)
        *ret_reply = reply;
    return e;
}

Err http_open(struct arena *a, const struct http_call *call, struct http_stream **ret_stream)
{
    struct http_job j;

    if (call->engine != HTTP_OWN || call->max_redirects)
        return err_set(E_UNSUPPORTED, "a stream is opened by the thin client, without redirects");
    TRY(job_init(&j, a, call));
    Err e = http_own_open(&j, ret_stream);
    if (e != OK)
        http_count_call(HTTP_OWN, j.started, 0, e);
    return e;
}

/* ---- Retry-After ---- */

/* "120" or "0.5" of @unit; false if it is neither. At most a day. */
static bool parse_span(Str s, Usec unit, Usec *ret_span)
{
    Str whole;
    Str part = str_cut(str_trim(s), '.', &whole);
    uint64_t value, digit;

    if (str_to_u64(whole, &value) != OK)
        return false;
    Usec span = value >= (uint64_t)(USEC_DAY / unit) ? USEC_DAY : (Usec)value * unit;
    for (size_t i = 0; i < part.n; i++) {
        if (str_to_u64((Str){part.p + i, 1}, &digit) != OK)
            return false;
        unit /= 10;
        span += (Usec)digit * unit;
    }
    *ret_span = usec_min(span, USEC_DAY);
    return true;
}

Usec http_retry_after(const HttpHeaders *headers)
{
    static const Str ms_names[] = {S_INIT("retry-after-ms"), S_INIT("x-ms-retry-after-ms")};
    Usec span, at;

    for (size_t i = 0; i < ARRAY_LEN(ms_names); i++) {
        Str ms = http_header_get(headers, ms_names[i]);
        if (ms.p && parse_span(ms, USEC_MS, &span))
            return span;
    }
    Str value = http_header_get(headers, S("retry-after"));
    if (!value.p)
        return 0;
    if (parse_span(value, USEC_S, &span))
        return span;
    if (time_parse_http_date(str_trim(value), &at) != OK)
        return 0;
    return usec_min(usec_max(at - time_wall(), 0), USEC_DAY);
}
