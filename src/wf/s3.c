/* src/wf/s3.c - see s3.h: calls, and what their failures mean. */
#include "wf/s3.h"

#include "base/xml.h"
#include "net/http_client.h"

static const Usec PATIENCE = 30 * USEC_S;
enum { LIST_MAX = 8 << 20, ERROR_MAX = 64 << 10, CODE_MAX = 64 };

/* ---- where ---- */

bool s3_in_path(const struct wf_s3_cfg *cfg)
{
    if (!str_eq(cfg->addressing, S("auto")))
        return str_eq(cfg->addressing, S("path"));
    /* A certificate for "*.s3..." is for one name below it, not for two. */
    return cfg->endpoint.n || str_find_char(cfg->bucket, '.') != SIZE_MAX;
}

Err s3_bucket_of(struct arena *a, const struct wf_s3_cfg *cfg, struct s3_bucket *ret_bucket)
{
    Str endpoint = cfg->endpoint;
    struct url u;

    if (!endpoint.n)
        endpoint = str_fmt(a, "https://s3.%.*s.amazonaws.com%s", P(cfg->region),
                           str_starts(cfg->region, S("cn-")) ? ".cn" : "");
    if (url_parse(a, endpoint, &u) != OK || u.userinfo.n || u.query.p || u.fragment.n ||
        !str_eq(u.path, S("/")))
        return err_detail(E_INVALID, "An endpoint is an address without a path: "
                                     "https://host, http://host:9000.");
    Str name = u.ipv6 ? str_fmt(a, "[%.*s]", P(u.host)) : u.host;
    bool plain = u.port == (u.tls ? 443 : 80);
    if (!s3_in_path(cfg))
        name = str_fmt(a, "%.*s.%.*s", P(cfg->bucket), P(name));
    Str host = plain ? name : str_fmt(a, "%.*s:%d", P(name), u.port);
    *ret_bucket = (struct s3_bucket){
        .origin = str_fmt(a, "%.*s://%.*s", P(u.scheme), P(host)),
        .host = host,
        .path = s3_in_path(cfg) ? str_fmt(a, "/%.*s", P(cfg->bucket)) : S(""),
        .region = cfg->region,
        .access_key = cfg->access_key,
        .secret_key = cfg->secret_key,
        .session_token = cfg->session_token,
    };
    return url_parse(a, ret_bucket->origin, &ret_bucket->url);
}

Str s3_seal_use(struct arena *a, Id tenant, const struct wf_s3_cfg *cfg, const char *name)
{
    Str where = cfg->endpoint.n ? cfg->endpoint : S("aws");
    char id[ID_TEXT_SIZE];

    return str_fmt(a, "s3:%.*s:%s:%zu:%.*s:%.*s", P(id_text(tenant, id)), name, where.n, P(where),
                   P(cfg->access_key));
}

/* ---- what went wrong ---- */

static bool is_word(Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
            return false;
    }
    return s.n > 0 && s.n <= CODE_MAX;
}

/* "NoSuchBucket"; empty: the body does not say. */
static Str code_of(struct arena *a, Str body)
{
    struct xml x;
    Str name, code = S("");
    Err e;

    if (body.n > ERROR_MAX || xml_begin(&x, a, body, S("Error")) != OK)
        return code;
    while (xml_child(&x, &name, &e)) {
        e = str_eq(name, S("Code")) ? xml_text(&x, &code) : xml_skip(&x);
        if (e != OK)
            break;
    }
    return is_word(code) ? code : S("");
}

static Err skewed(const struct http_reply *reply)
{
    Usec there, now = time_wall();

    if (time_parse_http_date(http_header_get(&reply->headers, S("date")), &there) != OK)
        return err_detail(E_FORBIDDEN, "The server takes no calls from here because the clocks "
                                       "differ (RequestTimeTooSkewed): set them by NTP.");
    long long apart = (now - there) / USEC_S;
    return err_detail(E_FORBIDDEN,
                      "The clock here is %lld s %s that of the server, which therefore takes no "
                      "calls (RequestTimeTooSkewed): set it by NTP.",
                      apart < 0 ? -apart : apart, apart < 0 ? "behind" : "ahead of");
}

static Err elsewhere(const struct http_reply *reply)
{
    Str region = http_header_get(&reply->headers, S("x-amz-bucket-region"));

    if (!region.n || region.n > CODE_MAX)
        return err_detail(E_INVALID, "The bucket is in another region, or at another endpoint: set "
                                     "region and endpoint to where it is.");
    return err_detail(E_INVALID, "The bucket is in another region: set region to %.*s.", P(region));
}

static const struct {
    Str code;
    Err err;
    const char *what;
} known[] = {
    {S_INIT("NoSuchBucket"), E_NOT_FOUND, "There is no bucket of this name there"},
    {S_INIT("NoSuchKey"), E_CONFLICT, "The object is gone"},
    {S_INIT("PreconditionFailed"), E_CONFLICT, "The object has changed"},
    {S_INIT("AccessDenied"), E_FORBIDDEN,
     "The server refuses: the access key needs s3:ListBucket for the bucket, and s3:GetObject for "
     "contents"},
    {S_INIT("InvalidAccessKeyId"), E_FORBIDDEN, "The server does not know the access key"},
    {S_INIT("SignatureDoesNotMatch"), E_FORBIDDEN,
     "The server finds the signature wrong: secret_key is not the one of access_key, or region is "
     "not the server's"},
    {S_INIT("ExpiredToken"), E_FORBIDDEN, "The session token is over: give a new one"},
    {S_INIT("InvalidToken"), E_FORBIDDEN, "The session token is not right"},
    {S_INIT("InvalidObjectState"), E_FORBIDDEN,
     "The object is in an archive: it must be restored before it can be read"},
    {S_INIT("SlowDown"), E_UNAVAILABLE, "The server wants to be called less often"},
    {S_INIT("ServiceUnavailable"), E_UNAVAILABLE, "The server cannot answer now"},
    {S_INIT("InternalError"), E_UNAVAILABLE, "The server cannot answer now"},
};

static Err by_status(int status, Str code)
{
    const char *open = code.n ? " (" : "", *end = code.n ? ")" : "";

    if (status == 404)
        return err_detail(E_NOT_FOUND, "The server knows no such bucket or object (404).");
    if (status == 401 || status == 403)
        return err_detail(E_FORBIDDEN, "The server refuses: %d%s%.*s%s.", status, open, P(code),
                          end);
    if (status == 412)
        return err_detail(E_CONFLICT, "The object has changed.");
    if (status == 429 || status >= 500)
        return err_detail(E_UNAVAILABLE, "The server cannot answer now: %d%s%.*s%s.", status, open,
                          P(code), end);
    return err_detail(E_UPSTREAM, "The server answered %d%s%.*s%s.", status, open, P(code), end);
}

static Err failure(struct arena *a, const struct http_reply *reply)
{
    Str code = code_of(a, reply->body);
    Usec wish = usec_min(http_retry_after(&reply->headers), USEC_DAY);

    if (str_eq(code, S("RequestTimeTooSkewed")))
        return skewed(reply);
    if ((reply->status >= 300 && reply->status < 400) || str_eq(code, S("PermanentRedirect")) ||
        str_eq(code, S("AuthorizationHeaderMalformed")))
        return elsewhere(reply);
    Err e = ERR_COUNT;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(code, known[i].code))
            e = err_detail(known[i].err, "%s (%d %.*s).", known[i].what, reply->status, P(code));
    if (e == ERR_COUNT)
        e = by_status(reply->status, code);
    err_record()->retry_after_us = wish;
    return e;
}

/* ---- calls ---- */

static Err fetch(struct arena *a, const struct s3_bucket *b, Str path, HttpHeaders *query,
                 HttpHeaders headers, size_t max, struct http_reply *ret_reply)
{
    const struct sigv4 by = {.access_key = b->access_key,
                             .secret_key = b->secret_key,
                             .session_token = b->session_token,
                             .region = b->region,
                             .service = S("s3"),
                             .now = time_wall()};
    const struct sigv4_request r = {.method = S("GET"),
                                    .host = b->host,
                                    .path = path,
                                    .query = sigv4_query(a, query),
                                    .body_hash = sigv4_hash(a, S(""))};
    struct http_call call = {
        .method = HTTP_GET,
        .url =
            str_fmt(a, "%.*s%.*s%s%.*s", P(b->origin), P(path), r.query.n ? "?" : "", P(r.query)),
        .egress = b->egress,
        .engine = HTTP_CURL,
        .deadline = usec_in(PATIENCE),
        .max_body = max,
        .idempotent = true,
    };

    if (by.access_key.n)
        sigv4_sign(a, &by, &r, &headers);
    http_header_add(a, &headers, S("User-Agent"), b->user_agent);
    call.headers = headers;
    TRY(http_fetch(a, &call, ret_reply));
    return ret_reply->status == 200 ? OK : failure(a, ret_reply);
}

Err s3_list(struct arena *a, const struct s3_bucket *b, Str prefix, Str after, Str token,
            struct s3_page *ret_page)
{
    HttpHeaders query = {0}, headers = {0};
    struct http_reply reply;

    http_header_add(a, &query, S("list-type"), S("2"));
    http_header_add(a, &query, S("encoding-type"), S("url"));
    http_header_add(a, &query, S("max-keys"), str_fmt(a, "%d", S3_PAGE));
    if (prefix.n)
        http_header_add(a, &query, S("prefix"), prefix);
    if (token.n)
        http_header_add(a, &query, S("continuation-token"), token);
    else if (after.n)
        http_header_add(a, &query, S("start-after"), after);
    Str path = b->path.n ? b->path : S("/");
    Err e = fetch(a, b, path, &query, headers, LIST_MAX, &reply);
    if (e == E_TOO_LARGE)
        return err_detail(E_UPSTREAM, "The server's list of %d objects has more than 8 MiB.",
                          S3_PAGE);
    TRY(e);
    return s3_page_parse(a, reply.body, ret_page);
}

Err s3_get(struct arena *a, const struct s3_bucket *b, const struct s3_object *object, size_t max,
           Str *ret_content)
{
    HttpHeaders query = {0}, headers = {0};
    struct http_reply reply;
    const Str parts[] = {b->path, sigv4_path(a, object->key)};

    if (object->etag.n)
        http_header_add(a, &headers, S("If-Match"), object->etag);
    TRY(fetch(a, b, str_join(a, parts, 2, S("/")), &query, headers, max, &reply));
    /* What was stored with an encoding is undone on the way, and has another size. */
    if (!http_header_get(&reply.headers, S("content-encoding")).n &&
        (int64_t)reply.body.n != object->size)
        return err_detail(E_CONFLICT, "The object has changed.");
    *ret_content = reply.body;
    return OK;
}
