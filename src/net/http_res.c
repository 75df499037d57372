/* src/net/http_res.c - what a handler answers: heads, whole bodies, bodies in pieces, problems.
 *
 * A head is put together in one buffer of the shard and handed to the kernel in the same breath: no
 * other fiber runs in between. It goes out in one writev with the body.
 */
#include "net/http_private.h"

#include "rt/log.h"

enum { COPY_MAX = 2048 };

static struct http_shard *shard_of(const struct res *res)
{
    return res->x->conn->shard;
}

void res_init(struct res *res, struct exch *x)
{
    res->x = x;
    res->left = -1;
    res->head_only = x->req.method == HTTP_HEAD;
}

void res_expected(struct res *res)
{
    res->expected = true;
}

bool res_started(const struct res *res)
{
    return res->status != 0;
}

int res_status(const struct res *res)
{
    return res->status;
}

void res_header(struct res *res, Str name, Str value)
{
    static const Str ours[] = {S_INIT("connection"), S_INIT("transfer-encoding"), S_INIT("date"),
                               S_INIT("x-request-id")};

    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (str_eq_nocase(name, ours[i]))
            return;
    if (!http_header_valid(name, value)) {
        LOG_ERROR("a header that must not be sent was left out", L_STR("name", name));
        return;
    }
    res->has_csp |= str_eq_nocase(name, S("content-security-policy"));
    res->has_cache |= str_eq_nocase(name, S("cache-control"));
    res->has_type |= str_eq_nocase(name, S("content-type"));
    if (str_eq_nocase(name, S("content-length"))) {
        res->has_length = str_to_i64(value, &res->left) == OK && res->left >= 0;
        if (!res->has_length)
            return;
    }
    http_header_add(res->x->req.a, &res->headers, name, value);
}

/* ---- heads ---- */

static void add_status(struct buf *b, int status)
{
    if (status == 200) {
        buf_add(b, S("HTTP/1.1 200 OK\r\n"));
        return;
    }
    buf_add(b, S("HTTP/1.1 "));
    buf_add_i64(b, status);
    buf_add_char(b, ' ');
    buf_add_c(b, http_status_text(status));
    buf_add(b, S("\r\n"));
}

/* What every answer has. The date is made once a second. */
static void add_common(struct http_shard *h, struct buf *b)
{
    Usec now = time_wall();

    if (now / USEC_S != h->date_second) {
        char text[TIME_RFC3339_SIZE];
        h->date_second = now / USEC_S;
        snprintf(h->date, sizeof h->date, "%.*s", P(time_http_date(now, text)));
    }
    buf_add(b, S("Date: "));
    buf_add_c(b, h->date);
    buf_add(b, S("\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"));
}

static void add_field(struct buf *b, Str name, Str value)
{
    buf_add(b, name);
    buf_add(b, S(": "));
    buf_add(b, value);
    buf_add(b, S("\r\n"));
}

/* Whether the connection can go on behind this answer: what is left of an unread body must be
 * little. */
static bool may_keep_alive(const struct exch *x)
{
    if (!x->keep_alive || http_server_draining(x->conn->shard->server))
        return false;
    if (x->body_done)
        return true;
    return x->body_error == OK && !x->expect && x->content_length >= 0 &&
           (uint64_t)x->content_length - x->received <= DISCARD_MAX;
}

/* The whole head. @length -1: the handler gave one, or there is none. */
static Err make_head(struct res *res, int status, Str type, int64_t length)
{
    struct exch *x = res->x;
    struct http_shard *h = shard_of(res);
    struct buf *b = &h->head;

    x->keep_alive = may_keep_alive(x);
    buf_reset(b);
    add_status(b, status);
    add_common(h, b);
    if (!res->has_csp)
        buf_add(b, S("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"));
    if (!res->has_cache)
        buf_add(b, S("Cache-Control: no-store\r\n"));
    if (type.n && !res->has_type)
        add_field(b, S("Content-Type"), type);
    vec_each(&res->headers, f)
        add_field(b, f->name, f->value);
    add_field(b, S("X-Request-Id"), x->req.request_id);
    if (status == 101)
        buf_add(b, S("Connection: Upgrade\r\n"));
    else if (!x->keep_alive)
        buf_add(b, S("Connection: close\r\n"));
    else if (x->http10)
        buf_add(b, S("Connection: keep-alive\r\n"));
    if (res->chunked)
        buf_add(b, S("Transfer-Encoding: chunked\r\n"));
    if (length >= 0) {
        buf_add(b, S("Content-Length: "));
        buf_add_i64(b, length);
        buf_add(b, S("\r\n"));
    }
    buf_add(b, S("\r\n"));
    if (buf_ok(b) != OK)
        return err_set(E_INTERNAL, "an answer's head is larger than %d bytes", HEAD_MAX);
    return OK;
}

/* Send the head that was made, and @body behind it. A small body is copied behind the head: one
 * piece is cheaper for the kernel than two. */
static Err send_head(struct res *res, int status, Str body)
{
    struct http_shard *h = shard_of(res);

    if (body.n <= COPY_MAX && body.n <= h->head.max - h->head.n) {
        buf_add(&h->head, body);
        body.n = 0;
    }
    uv_buf_t bufs[2] = {{.base = h->head.p, .len = h->head.n},
                        {.base = (char *)(uintptr_t)body.p, .len = body.n}};

    res->status = (uint16_t)status;
    Err e = http_conn_write(res->x->conn, bufs, body.n ? 2 : 1);
    if (e != OK)
        res->cut = true;
    return e;
}

static Err not_twice(const struct res *res)
{
    if (res->status)
        return err_set(E_INTERNAL, "a second answer to one request");
    return OK;
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304 || status < 200;
}

/* ---- whole answers ---- */

Err res_send(struct res *res, int status, Str content_type, Str body)
{
    bool none = has_no_body(status);

    TRY(not_twice(res));
    TRY(http_conn_wait_room(res->x->conn, HEAD_MAX));
    TRY(make_head(res, status, content_type, none || res->has_length ? -1 : (int64_t)body.n));
    TRY(send_head(res, status, none || res->head_only ? S("") : body));
    res->ended = true;
    return OK;
}

Err res_json(struct res *res, int status, const struct json *value)
{
    return res_send(res, status, S("application/json"), json_text(res->x->req.a, value));
}

Err res_empty(struct res *res, int status)
{
    return res_send(res, status, S(""), S(""));
}

Err res_redirect(struct res *res, int status, Str location)
{
    res_header(res, S("Location"), location);
    return res_empty(res, status);
}

Err res_switch(struct res *res)
{
    TRY(not_twice(res));
    TRY(http_conn_wait_room(res->x->conn, HEAD_MAX));
    TRY(make_head(res, 101, S(""), -1));
    return send_head(res, 101, S(""));
}

/* ---- answers in pieces ---- */

Err res_begin(struct res *res, int status, Str content_type)
{
    struct exch *x = res->x;

    TRY(not_twice(res));
    TRY(http_conn_wait_room(x->conn, HEAD_MAX));
    if (has_no_body(status))
        res->head_only = true;
    else if (!res->has_length && !x->http10)
        res->chunked = true;
    else if (!res->has_length)
        x->keep_alive = false; /* the end of the connection ends the body */
    TRY(make_head(res, status, content_type, -1));
    TRY(send_head(res, status, S("")));
    res->ended = res->head_only;
    return OK;
}

/* "1f4\r\n" at the end of @out; gives where it begins. */
static char *chunk_size(size_t n, char out[20])
{
    char *at = out + 18;

    out[18] = '\r';
    out[19] = '\n';
    do {
        *--at = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n);
    return at;
}

static Err write_pieces(struct res *res, uv_buf_t *bufs, unsigned n)
{
    Err e = http_conn_write(res->x->conn, bufs, n);
    if (e != OK)
        res->cut = true;
    return e;
}

/* The chunk of a small piece as one: put together in the shard's buffer and taken from there at
 * once. */
static Err write_small_chunk(struct res *res, Str size, Str piece)
{
    struct buf *b = &shard_of(res)->head;
    Err e = http_conn_wait_room(res->x->conn, size.n + piece.n + 2);

    if (e != OK) {
        res->cut = true;
        return e;
    }
    buf_reset(b);
    buf_add(b, size);
    buf_add(b, piece);
    buf_add(b, S("\r\n"));
    uv_buf_t whole = {.base = b->p, .len = b->n};
    return write_pieces(res, &whole, 1);
}

static Err write_chunk(struct res *res, Str piece)
{
    char size[20];
    char *at = chunk_size(piece.n, size);
    size_t n = (size_t)(size + sizeof size - at);

    if (piece.n <= COPY_MAX)
        return write_small_chunk(res, str_from(at, n), piece);
    uv_buf_t bufs[3] = {{.base = at, .len = n},
                        {.base = (char *)(uintptr_t)piece.p, .len = piece.n},
                        {.base = (char *)(uintptr_t) "\r\n", .len = 2}};
    return write_pieces(res, bufs, 3);
}

Err res_write(struct res *res, Str piece)
{
    if (res->cut || (res->status && res->head_only)) /* HEAD: a stream has no reason to go on */
        return err_set(E_CLOSED, "nobody takes this answer");
    if (!res->status || res->ended)
        return err_set(E_INTERNAL, "a write outside of an answer");
    if (piece.n == 0)
        return OK;
    if (res->has_length) {
        if ((uint64_t)res->left < piece.n)
            return err_set(E_INTERNAL, "an answer longer than its Content-Length");
        res->left -= (int64_t)piece.n;
    }
    if (res->chunked)
        return write_chunk(res, piece);
    uv_buf_t raw = {.base = (char *)(uintptr_t)piece.p, .len = piece.n};
    return write_pieces(res, &raw, 1);
}

Err res_end(struct res *res)
{
    uv_buf_t last = {.base = (char *)(uintptr_t) "0\r\n\r\n", .len = 5};

    if (res->status && res->head_only)
        return OK;
    if (!res->status || res->ended || res->cut)
        return err_set(res->cut ? E_CLOSED : E_INTERNAL, "the end of no answer");
    if (res->has_length && res->left > 0)
        return err_set(E_INTERNAL, "an answer shorter than its Content-Length");
    if (res->chunked)
        TRY(write_pieces(res, &last, 1));
    res->ended = true;
    return OK;
}

/* ---- problems ---- */

static void add_extra(struct arena *a, struct json *problem, const struct json *extra)
{
    if (json_type(extra) != JSON_OBJ)
        return;
    for (size_t i = 0; i < json_len(extra); i++) {
        const struct json_member *m = &extra->obj[i];
        json_set(a, problem, json_str_of(&m->key, S("")), &m->val);
    }
}

/* A handler that failed may have described the answer it had in mind: that is not the one it gets.
 */
static bool describes_content(Str name)
{
    static const Str others[] = {S_INIT("etag"), S_INIT("last-modified"), S_INIT("cache-control"),
                                 S_INIT("accept-ranges"), S_INIT("vary")};

    if (str_starts_nocase(name, S("content-")))
        return !str_eq_nocase(name, S("content-range"));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_eq_nocase(name, others[i]))
            return true;
    return false;
}

static void forget_content(struct res *res)
{
    size_t n = 0;

    for (size_t i = 0; i < res->headers.n; i++)
        if (!describes_content(res->headers.at[i].name))
            res->headers.at[n++] = res->headers.at[i];
    res->headers.n = n;
    res->has_csp = res->has_cache = res->has_type = res->has_length = false;
    res->left = -1;
}

/* Headers that belong to a failure. */
static void add_hints(struct res *res, Err code)
{
    struct arena *a = res->x->req.a;
    long long retry = err_record()->code == code ? err_record()->retry_after_us : 0;

    if (code == E_UNAUTHORIZED)
        res_header(res, S("WWW-Authenticate"), S("Bearer realm=\"heddle\""));
    if (retry > 0)
        res_header(res, S("Retry-After"), str_fmt(a, "%lld", (retry + USEC_S - 1) / USEC_S));
    else if (err_http(code) == 429 || err_http(code) == 503)
        res_header(res, S("Retry-After"), S("1"));
}

static int status_of(const struct exch *x, Err code)
{
    return x->body_late && code == E_TIMEOUT ? 408 : err_http(code);
}

Err res_problem(struct res *res, Err code, const struct json *extra)
{
    struct exch *x = res->x;
    struct arena *a = x->req.a;
    int status = status_of(x, code);
    const char *detail = err_client_text(code);

    struct json *problem = json_obj(
        a, "type", json_str_c(a, "about:blank"), "title", json_str_c(a, err_public(code)), "status",
        json_int(a, status), "detail", json_str(a, str_dup(a, str_c(detail))), "code",
        json_str_c(a, err_slug(code)), "request_id", json_str(a, x->req.request_id), "errors",
        code == E_INVALID ? x->errors : NULL, NULL);
    add_extra(a, problem, extra);
    forget_content(res);
    add_hints(res, code);
    return res_send(res, status, S("application/problem+json"), json_text(a, problem));
}

/* In the words of the route, if it has its own. */
static Err tell_failure(struct res *res, Err code)
{
    struct exch *x = res->x;
    const struct route *route = x->req.route;

    if (!route || !route->fail)
        return res_problem(res, code, NULL);
    forget_content(res);
    add_hints(res, code);
    return route->fail(&x->req, res, status_of(x, code), code);
}

void res_finish(struct res *res, Err e)
{
    struct exch *x = res->x;

    if (x->gone)
        return;
    if (res->status == 0) {
        if (e == OK)
            e = E_INTERNAL;
        if (e == E_CANCELLED && http_server_draining(x->conn->shard->server))
            e = err_set(E_SHUTDOWN, "cancelled by the drain");
        if (tell_failure(res, e) != OK)
            res->cut = true;
    }
    if (res->cut || !res->ended) {
        res->cut = true;
        http_conn_close(x->conn);
    }
}

static const char *refusal_code(int status)
{
    switch (status) {
    case 408:
        return "timeout";
    case 431:
        return "header_size";
    case 501:
    case 505:
        return "unsupported";
    case 503:
        return "overloaded";
    default:
        return "bad_input";
    }
}

Str res_refusal(struct http_shard *h, int status, const char *why)
{
    struct buf *b = &h->head;
    char id[ID_TEXT_SIZE], body[512];

    id_text(id_new(), id);
    int n = snprintf(body, sizeof body,
                     "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\","
                     "\"code\":\"%s\",\"request_id\":\"%s\"}",
                     http_status_text(status), status, why, refusal_code(status), id);
    buf_reset(b);
    add_status(b, status);
    add_common(h, b);
    buf_add(b, S("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
                 "Cache-Control: no-store\r\nContent-Type: application/problem+json\r\n"
                 "Connection: close\r\n"));
    if (status == 503)
        add_field(b, S("Retry-After"), S("1"));
    add_field(b, S("X-Request-Id"), str_c(id));
    buf_add_fmt(b, "Content-Length: %d\r\n\r\n%s", n, body);
    return buf_str(b);
}
