/* src/net/http_server_test.c - the server over real sockets: answers, bodies, order, leaving,
 * limits. */
#include "net/test_talk.h"

#include "rt/metric.h"
#include "rt/work.h"

#define HOST "Host: h\r\n"
#define LAST "Host: h\r\nConnection: close\r\n"

/* What handlers leave behind for the test to look at. */
static struct {
    Err ended;
    Usec ended_at;
    unsigned calls, pieces;
    size_t bytes, largest;
    bool running;
} seen;

static Err get_small(struct req *req, struct res *res)
{
    (void)req;
    seen.calls++;
    return res_send(res, 200, S("text/plain"), S("small"));
}

static Err get_name(struct req *req, struct res *res)
{
    return res_send(res, 200, S("text/plain"), req_param(req, "name"));
}

static Err post_echo(struct req *req, struct res *res)
{
    Str body;
    TRY(req_body(req, &body));
    return res_send(res, 200, S("text/plain"), body);
}

static Err post_json(struct req *req, struct res *res)
{
    struct json *v;
    TRY(req_json(req, &v));
    return res_json(res, 201, v);
}

/* Read in pieces; a query "wait" is slept between them. */
static Err post_count(struct req *req, struct res *res)
{
    Str piece;
    int64_t ms;
    Err e;

    TRY(req_query_int(req, S("wait"), 0, 10000, 0, &ms));
    while ((e = req_body_read(req, &piece)) == OK) {
        seen.bytes += piece.n;
        seen.largest = piece.n > seen.largest ? piece.n : seen.largest;
        seen.pieces++;
        if (ms)
            TRY(fiber_sleep(ms * USEC_MS));
    }
    if (e != E_EOF)
        return e;
    return res_send(res, 200, S("text/plain"), str_fmt(req->a, "%zu", seen.bytes));
}

static Err get_wait(struct req *req, struct res *res)
{
    int64_t ms;
    TRY(req_query_int(req, S("ms"), 0, 60000, 60000, &ms));
    seen.running = true;
    seen.ended = fiber_sleep(ms * USEC_MS);
    seen.ended_at = time_mono();
    seen.running = false;
    TRY(seen.ended);
    return res_send(res, 200, S("text/plain"), S("waited"));
}

static Err get_pieces(struct req *req, struct res *res)
{
    (void)req;
    TRY(res_begin(res, 200, S("text/plain")));
    TRY(res_write(res, S("one")));
    TRY(res_write(res, S("")));
    TRY(res_write(res, S("and twenty characters")));
    return res_end(res);
}

static Err get_cut(struct req *req, struct res *res)
{
    (void)req;
    TRY(res_begin(res, 200, S("text/plain")));
    TRY(res_write(res, S("begun")));
    return err_set(E_UPSTREAM_CUT, "the source dried up");
}

/* Write without end, to a client that may not read. */
static Err get_flood(struct req *req, struct res *res)
{
    static char block[32 * 1024];
    (void)req;
    TRY(res_begin(res, 200, S("application/octet-stream")));
    for (;;) {
        Err e = res_write(res, str_from(block, sizeof block));
        if (e != OK) {
            seen.ended = e;
            seen.ended_at = time_mono();
            return e;
        }
        seen.bytes += sizeof block;
    }
}

static Err get_fail(struct req *req, struct res *res)
{
    Str code;
    TRY(req_query(req, S("code"), &code));
    if (str_eq(code, S("rate"))) {
        (void)err_set(E_RATE_LIMITED, "slow down");
        err_record()->retry_after_us = 2500 * USEC_MS;
        return E_RATE_LIMITED;
    }
    if (str_eq(code, S("silent")))
        return OK;
    res_header(res, S("Content-Type"), S("image/png"));
    res_header(res, S("Content-Encoding"), S("br"));
    res_header(res, S("ETag"), S("\"x\""));
    res_header(res, S("X-Kept"), S("yes"));
    return err_set(E_INTERNAL, "a secret detail");
}

static Err get_secret(struct req *req, struct res *res)
{
    return res_send(res, 200, S("text/plain"), req->who.actor_name);
}

static Err get_large(struct req *req, struct res *res)
{
    char *p = arena_bytes(req->a, 3000000);
    memset(p, 'x', 3000000);
    return res_send(res, 200, S("text/plain"), str_from(p, 3000000));
}

static Err tell(struct req *req, struct res *res, int status, Err code)
{
    return res_send(res, status, S("text/plain"),
                    str_fmt(req->a, "%s: %s", err_slug(code), err_client_text(code)));
}

static const struct route routes[] = {
    {HTTP_GET, "/small", get_small},
    {HTTP_GET, "/own/fail", get_fail, .fail = tell},
    {HTTP_GET, "/own/secret", get_secret, .capability = "see", .fail = tell},
    {HTTP_POST, "/own/json", post_json, .max_body = 1000, .fail = tell},
    {HTTP_GET, "/name/:name", get_name},
    {HTTP_POST, "/echo", post_echo},
    {HTTP_POST, "/json", post_json, .max_body = 1000},
    {HTTP_POST, "/count", post_count, .kind = ROUTE_STREAM, .max_body = 64 << 20},
    {HTTP_GET, "/wait", get_wait},
    {HTTP_GET, "/pieces", get_pieces},
    {HTTP_GET, "/cut", get_cut},
    {HTTP_GET, "/flood", get_flood, .kind = ROUTE_STREAM},
    {HTTP_GET, "/fail", get_fail},
    {HTTP_GET, "/secret", get_secret, .capability = "see"},
    {HTTP_GET, "/large", get_large},
    {0},
};

static void start(struct t_site *site, const struct http_server_options *options)
{
    memset(&seen, 0, sizeof seen);
    t_site_start(site, routes, options);
}

TEST_FIBER(server_answers_a_get_with_all_common_fields)
{
    struct t_site site;
    start(&site, NULL);
    Str a = t_talk(&site, S("GET /small HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 200);
    t_expect_str(t_body(a), S("small"));
    t_expect_str(t_field(a, "content-length"), S("5"));
    t_expect_str(t_field(a, "content-type"), S("text/plain"));
    t_expect_str(t_field(a, "connection"), S("close"));
    t_expect_str(t_field(a, "x-content-type-options"), S("nosniff"));
    t_expect_str(t_field(a, "referrer-policy"), S("no-referrer"));
    t_expect_str(t_field(a, "cache-control"), S("no-store"));
    t_expect(str_find(t_field(a, "content-security-policy"), S("frame-ancestors 'none'")) !=
             SIZE_MAX);
    t_expect_int(t_field(a, "x-request-id").n, 36);
    Usec date;
    t_expect_ok(time_parse_http_date(t_field(a, "date"), &date));
    t_expect(time_wall() - date < 3 * USEC_S);
    t_site_stop(&site);
}

TEST_FIBER(server_takes_a_sane_request_id_and_no_other)
{
    struct t_site site;
    start(&site, NULL);
    Str a = t_talk(&site, S("GET /small HTTP/1.1\r\nX-Request-Id: abc-1.2_3\r\n" LAST "\r\n"));
    t_expect_str(t_field(a, "x-request-id"), S("abc-1.2_3"));
    a = t_talk(&site, S("GET /small HTTP/1.1\r\nX-Request-Id: a b\r\n" LAST "\r\n"));
    t_expect_int(t_field(a, "x-request-id").n, 36);
    a = t_talk(&site, S("GET /small HTTP/1.1\r\nX-Request-Id: "
                        "0123456789012345678901234567890123456789x\r\n" LAST "\r\n"));
    t_expect_int(t_field(a, "x-request-id").n, 36);
    t_site_stop(&site);
}

TEST_FIBER(server_answers_pipelined_requests_in_order)
{
    struct t_site site;
    start(&site, NULL);
    AUTO_BUF(b, MIB(1));
    for (int i = 0; i < 300; i++)
        buf_add_fmt(&b, "GET /name/n%d HTTP/1.1\r\n" HOST "\r\n", i);
    buf_add(&b, S("GET /wait?ms=30 HTTP/1.1\r\n" HOST "\r\n"));
    buf_add(&b, S("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nxyz"));
    buf_add(&b, S("GET /name/last HTTP/1.1\r\n" LAST "\r\n"));
    Str a = t_talk(&site, buf_str(&b));
    for (int i = 0; i < 300; i++) {
        Str body = str_fmt(t_arena(), "\r\n\r\nn%dHTTP/1.1 200", i);
        size_t at = str_find(a, body);
        t_expect(at != SIZE_MAX);
        a = str_skip(a, at + 4);
    }
    size_t waited = str_find(a, S("waited")), echoed = str_find(a, S("xyz"));
    t_expect(waited != SIZE_MAX && echoed != SIZE_MAX && waited < echoed);
    t_expect(str_ends(a, S("\r\n\r\nlast")));
    t_expect_int(seen.ended, OK); /* bytes that came ahead did not cancel it */
    t_site_stop(&site);
}

TEST_FIBER(server_takes_requests_that_come_byte_by_byte)
{
    struct t_site site;
    start(&site, NULL);
    Str a = t_talk_slowly(&site,
                          S("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                            "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /small HTTP/1.1\r\n" LAST "\r\n"),
                          1);
    t_expect(str_find(a, S("\r\n\r\nabcdeHTTP/1.1 200 OK")) != SIZE_MAX);
    t_expect(str_ends(a, S("\r\n\r\nsmall")));
    t_site_stop(&site);
}

TEST_FIBER(server_keeps_or_closes_as_the_client_says)
{
    struct t_site site;
    start(&site, NULL);
    int fd = t_fd_open(&site);
    t_fd_send(fd, S("GET /small HTTP/1.1\r\n" HOST "\r\n"));
    Str a = t_fd_read(fd, S("small"), 2000);
    t_expect(t_field(a, "connection").p == NULL);
    t_expect(!t_fd_closed(fd, 50));
    t_fd_send(fd, S("GET /small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    a = t_fd_read(fd, S("small"), 2000);
    t_expect_str(t_field(a, "connection"), S("keep-alive"));
    t_expect(!t_fd_closed(fd, 50));
    t_fd_send(fd, S("GET /small HTTP/1.0\r\n\r\n"));
    a = t_fd_read(fd, S("small"), 2000);
    t_expect_str(t_field(a, "connection"), S("close"));
    t_expect(t_fd_closed(fd, 2000));
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(server_gives_head_the_fields_of_get_and_no_body)
{
    struct t_site site;
    start(&site, NULL);
    Str a = t_talk(&site, S("HEAD /small HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 200);
    t_expect_str(t_field(a, "content-length"), S("5"));
    t_expect_str(t_body(a), S(""));
    a = t_talk(&site, S("HEAD /pieces HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 200);
    t_expect_str(t_body(a), S(""));
    a = t_talk(&site, S("HEAD /nothing HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 404);
    t_expect_str(t_body(a), S(""));
    t_site_stop(&site);
}

TEST_FIBER(server_answers_options_and_wrong_methods_by_itself)
{
    struct t_site site;
    start(&site, NULL);
    Str a = t_talk(&site, S("OPTIONS /echo HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 204);
    t_expect_str(t_field(a, "allow"), S("POST, OPTIONS"));
    t_expect(t_field(a, "content-length").p == NULL);
    a = t_talk(&site, S("PUT /small HTTP/1.1\r\n" LAST "Content-Length: 0\r\n\r\n"));
    t_expect_int(t_status(a), 405);
    t_expect_str(t_field(a, "allow"), S("GET, HEAD, OPTIONS"));
    a = t_talk(&site, S("OPTIONS * HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 204);
    a = t_talk(&site, S("GET * HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 404);
    a = t_talk(&site, S("PROPFIND /small HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 501);
    a = t_talk(&site, S("CONNECT h:80 HTTP/1.1\r\n" LAST "\r\n"));
    t_expect(t_status(a) == 400 || t_status(a) == 501);
    a = t_talk(&site, S("GET http://h/small HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 200);
    a = t_talk(&site, S("GET http://other/small HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 400);
    t_site_stop(&site);
}

TEST_FIBER(server_sends_chunks_and_http10_gets_them_raw)
{
    struct t_site site;
    start(&site, NULL);
    Str a = t_talk(&site, S("GET /pieces HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_str(t_field(a, "transfer-encoding"), S("chunked"));
    t_expect_str(t_body(a), S("3\r\none\r\n15\r\nand twenty characters\r\n0\r\n\r\n"));
    a = t_talk(&site, S("GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    t_expect(t_field(a, "transfer-encoding").p == NULL);
    t_expect_str(t_field(a, "connection"), S("close"));
    t_expect_str(t_body(a), S("oneand twenty characters"));
    a = t_talk(&site, S("GET /cut HTTP/1.1\r\n" HOST "\r\n"));
    t_expect_str(t_body(a), S("5\r\nbegun\r\n")); /* and no last chunk */
    t_site_stop(&site);
}

TEST_FIBER(server_sends_large_answers_whole_on_a_connection_that_stays)
{
    struct t_site site;
    start(&site, NULL);
    Str a =
        t_talk(&site, S("GET /large HTTP/1.1\r\n" HOST "\r\nGET /large HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_str(t_field(a, "content-length"), S("3000000"));
    Str second = str_skip(t_body(a), 3000000);
    t_expect_int(t_status(second), 200);
    t_expect_int(t_body(second).n, 3000000);
    t_site_stop(&site);
}

/* ---- problems ---- */

TEST_FIBER(server_answers_failures_as_problems)
{
    struct t_site site;
    struct json *v;
    start(&site, NULL);
    Str a = t_talk(&site, S("GET /fail HTTP/1.1\r\nX-Request-Id: rid\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 500);
    t_expect_str(t_field(a, "content-type"), S("application/problem+json"));
    t_expect(t_field(a, "content-encoding").p == NULL && t_field(a, "etag").p == NULL);
    t_expect_str(t_field(a, "x-kept"), S("yes"));
    t_expect(str_find(a, S("secret")) == SIZE_MAX);
    t_expect_ok(json_parse(t_arena(), t_body(a), &v));
    t_expect_str(json_str_of(json_at(v, "code"), S("")), S("internal"));
    t_expect_str(json_str_of(json_at(v, "request_id"), S("")), S("rid"));
    t_expect_int(json_int_of(json_at(v, "status"), 0), 500);
    t_expect(json_at(v, "type") && json_at(v, "title") && json_at(v, "detail"));

    a = t_talk(&site, S("GET /fail?code=rate HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 429);
    t_expect_str(t_field(a, "retry-after"), S("3"));
    a = t_talk(&site, S("GET /fail?code=silent HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 500);
    a = t_talk(&site, S("GET /fail?code=%zz HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 400);
    a = t_talk(&site, S("GET /wait?ms=x HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 400);
    t_expect(str_find(a, S("\\\"ms\\\"")) != SIZE_MAX);
    a = t_talk(&site, S("GET /nothing/here HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 404);
    t_site_stop(&site);
}

TEST_FIBER(server_tells_failures_in_the_words_of_the_route)
{
    struct t_site site;
    start(&site, NULL);
    Str a = t_talk(&site, S("GET /own/fail HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 500);
    t_expect_str(t_field(a, "content-type"), S("text/plain"));
    t_expect(t_field(a, "content-encoding").p == NULL);
    t_expect(str_starts(t_body(a), S("internal: ")));
    t_expect(str_find(a, S("secret")) == SIZE_MAX);
    a = t_talk(&site, S("GET /own/fail?code=rate HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 429);
    t_expect_str(t_field(a, "retry-after"), S("3"));
    /* Also what the server refuses before the handler runs. */
    a = t_talk(&site, S("GET /own/secret HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 401);
    t_expect(str_starts(t_body(a), S("unauthorized: ")));
    a = t_talk(&site, S("POST /own/json HTTP/1.1\r\nContent-Length: 1001\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 413);
    t_expect_str(t_body(a), S("too_large: The body may have 1000 bytes here."));
    t_site_stop(&site);
}

TEST_FIBER(server_refuses_what_is_no_http_with_a_problem_and_closes)
{
    static const struct {
        int status;
        Str bytes;
    } cases[] = {
        {400, S_INIT("rubbish\r\n\r\n")},
        {400, S_INIT("GET / HTTP/1.1\r\n\r\n")},
        {400, S_INIT("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")},
        {400, S_INIT("GET /../etc/passwd HTTP/1.1\r\n" HOST "\r\n")},
        {400, S_INIT("GET /%2e%2e/x HTTP/1.1\r\n" HOST "\r\n")},
        {400, S_INIT("GET /a%00b HTTP/1.1\r\n" HOST "\r\n")},
        {400, S_INIT("POST /echo HTTP/1.1\r\n" HOST
                     "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
        {400, S_INIT("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n")},
        {400, S_INIT("GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n")},
        {400, S_INIT("GET / HTTP/1.1\nHost: h\n\n")},
        {501, S_INIT("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n")},
        {505, S_INIT("GET / HTTP/3.0\r\n" HOST "\r\n")},
        {417, S_INIT("GET / HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n")},
    };
    struct t_site site;
    start(&site, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = t_fd_open(&site);
        t_fd_send(fd, cases[i].bytes);
        Str a = t_fd_read(fd, S("\"}"), 2000);
        bool shut = cases[i].bytes.p[5] == '.' || cases[i].bytes.p[5] == '%' ||
                    cases[i].bytes.p[5] == 'a' || t_fd_closed(fd, 3000);
        if (t_status(a) != cases[i].status || t_field(a, "x-request-id").n < 36 ||
            !str_eq(t_field(a, "content-type"), S("application/problem+json")) || !shut)
            t_fail(__FILE__, __LINE__, "case %zu gave %d: %.*s", i, t_status(a), P(a));
        t_fd_close(fd);
    }
    t_site_stop(&site);
}

TEST_FIBER(server_bounds_request_lines_and_headers)
{
    struct t_site site;
    start(&site, &(struct http_server_options){.max_header = 2048, .max_headers = 10});
    char *many = arena_bytes(t_arena(), 4000);
    memset(many, 'a', 4000);
    Str a = t_talk(&site, str_fmt(t_arena(), "GET /%.*s HTTP/1.1\r\n" HOST "\r\n", 600, many));
    t_expect_int(t_status(a), 414);
    a = t_talk(&site, str_fmt(t_arena(), "GET / HTTP/1.1\r\n" HOST "X: %.*s\r\n\r\n", 3000, many));
    t_expect_int(t_status(a), 431);
    a = t_talk(&site, S("GET / HTTP/1.1\r\n" HOST "A:1\r\nA:1\r\nA:1\r\nA:1\r\nA:1\r\nA:1\r\n"
                        "A:1\r\nA:1\r\nA:1\r\nA:1\r\n\r\n"));
    t_expect_int(t_status(a), 431);
    t_site_stop(&site);
}

/* ---- bodies ---- */

TEST_FIBER(server_reads_bodies_of_given_length_and_chunks)
{
    struct t_site site;
    start(&site, NULL);
    Str a =
        t_talk(&site, S("POST /echo HTTP/1.1\r\n" LAST "Content-Length: 11\r\n\r\nhello world"));
    t_expect_str(t_body(a), S("hello world"));
    a = t_talk(&site, S("POST /echo HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_str(t_body(a), S(""));
    a = t_talk(&site, S("POST /echo HTTP/1.1\r\n" LAST "Transfer-Encoding: chunked\r\n\r\n"
                        "5;ext\r\nhello\r\n0\r\nX-T: y\r\n\r\n"));
    t_expect_str(t_body(a), S("hello"));
    char *big = arena_bytes(t_arena(), 900000);
    memset(big, 'b', 900000);
    a = t_talk(&site, str_fmt(t_arena(),
                              "POST /echo HTTP/1.1\r\n" LAST "Content-Length: 900000\r\n\r\n%.*s",
                              900000, big));
    t_expect_int(t_status(a), 200);
    t_expect(str_eq(t_body(a), str_from(big, 900000)));
    t_site_stop(&site);
}

TEST_FIBER(server_refuses_bodies_that_are_too_large)
{
    struct t_site site;
    start(&site, NULL);
    /* A length that says so is answered before the body is sent. */
    int fd = t_fd_open(&site);
    t_fd_send(fd, S("POST /json HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n"));
    Str a = t_fd_read(fd, S("\"}"), 2000);
    t_expect_int(t_status(a), 413);
    t_fd_close(fd);
    AUTO_BUF(b, MIB(1));
    buf_add(&b, S("POST /json HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 300; i++)
        buf_add(&b, S("8\r\n        \r\n"));
    a = t_talk(&site, buf_str(&b));
    t_expect_int(t_status(a), 413);
    t_expect_str(t_field(a, "connection"), S("close"));
    t_site_stop(&site);
}

/* All but the end of a body of 600,000 bytes. */
static int send_most_of_a_body(const struct t_site *site)
{
    int fd = t_fd_open(site);

    t_fd_send(fd, S("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 600000\r\n\r\n"));
    t_fd_send(fd, (Str){memset(arena_bytes(t_arena(), 590000), 'x', 590000), 590000});
    return fd;
}

TEST_FIBER(server_takes_no_more_large_bodies_than_it_has_room_for)
{
    struct t_site site;

    start(&site, &(struct http_server_options){/* Anyone may call this route: it has a quarter. */
                                               .max_bodies = 4 * KIB(1200)});
    int a = send_most_of_a_body(&site);
    t_expect_ok(fiber_sleep(50 * USEC_MS));
    int b = send_most_of_a_body(&site);
    Str answer = t_fd_read(b, S("\"}"), 2000);
    t_expect_int(t_status(answer), 503);
    t_expect(t_field(answer, "retry-after").p);
    t_expect_int(
        t_status(t_talk(&site, S("POST /echo HTTP/1.1\r\n" LAST "Content-Length: 2\r\n\r\nok"))),
        200);
    t_fd_close(b);
    t_fd_send(a, (Str){memset(arena_bytes(t_arena(), 10000), 'y', 10000), 10000});
    t_expect_int(t_status(t_fd_read(a, S("yyyy"), 2000)), 200);
    t_fd_close(a);
    t_expect_ok(fiber_sleep(50 * USEC_MS));
    int c = send_most_of_a_body(&site);
    t_fd_send(c, (Str){memset(arena_bytes(t_arena(), 10000), 'y', 10000), 10000});
    t_expect_int(t_status(t_fd_read(c, S("yyyy"), 2000)), 200);
    t_fd_close(c);
    t_site_stop(&site);
}

TEST_FIBER(server_asks_for_the_body_only_when_the_handler_wants_it)
{
    struct t_site site;
    start(&site, NULL);
    int fd = t_fd_open(&site);
    t_fd_send(
        fd, S("POST /echo HTTP/1.1\r\n" LAST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
    t_expect_str(t_fd_read(fd, S("\r\n\r\n"), 2000), S("HTTP/1.1 100 Continue\r\n\r\n"));
    t_fd_send(fd, S("abc"));
    Str a = t_fd_read(fd, S("abc"), 2000);
    t_expect_int(t_status(a), 200);
    t_fd_close(fd);

    fd = t_fd_open(&site);
    t_fd_send(fd, S("POST /nothing HTTP/1.1\r\n" HOST
                    "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
    a = t_fd_read(fd, S("\"}"), 2000);
    t_expect_int(t_status(a), 404);
    t_expect_str(t_field(a, "connection"), S("close"));
    t_fd_close(fd);

    /* The body came at once: nobody waits for a 100. */
    a = t_talk(&site, S("POST /echo HTTP/1.1\r\n" LAST
                        "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"));
    t_expect_int(t_status(a), 200);
    t_site_stop(&site);
}

TEST_FIBER(server_drops_an_unread_body_and_goes_on)
{
    struct t_site site;
    start(&site, NULL);
    Str a = t_talk(&site, S("POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /"
                            "GET /small HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 404);
    t_expect(str_ends(a, S("\r\n\r\nsmall")));
    /* The rest comes later than the answer. */
    int fd = t_fd_open(&site);
    t_fd_send(fd, S("POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nGET "));
    a = t_fd_read(fd, S("\"}"), 2000);
    t_expect_int(t_status(a), 404);
    t_fd_send(fd, S("/small"));
    t_fd_send(fd, S("GET /small HTTP/1.1\r\n" HOST "\r\n"));
    t_expect(str_ends(t_fd_read(fd, S("small"), 2000), S("\r\n\r\nsmall")));
    t_fd_close(fd);
    /* One that is too much to wait for ends the connection behind the answer. */
    fd = t_fd_open(&site);
    t_fd_send(fd, S("POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 900000\r\n\r\nGET "));
    a = t_fd_read(fd, S("\"}"), 2000);
    t_expect_str(t_field(a, "connection"), S("close"));
    t_expect(t_fd_closed(fd, 2000));
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(server_gives_a_body_in_pieces_no_faster_than_it_is_read)
{
    struct t_site site;
    start(&site, NULL);
    size_t n = 8 << 20;
    char *big = arena_bytes(t_arena(), n);
    memset(big, 'b', n);
    Str head =
        str_fmt(t_arena(), "POST /count?wait=1 HTTP/1.1\r\n" LAST "Content-Length: %zu\r\n\r\n", n);
    Str parts[] = {head, str_from(big, n)};
    Str a = t_talk(&site, str_join(t_arena(), parts, 2, S("")));
    t_expect_str(t_body(a), str_fmt(t_arena(), "%zu", n));
    t_expect(seen.pieces > 20);
    t_expect(seen.largest <= 2 * 64 * 1024 + 64 * 1024);
    t_site_stop(&site);
}

TEST_FIBER(server_gives_up_on_bodies_that_trickle)
{
    struct t_site site;
    start(&site, &(struct http_server_options){.body_timeout = 100 * USEC_MS});
    int fd = t_fd_open(&site);
    Usec began = time_mono();
    t_fd_send(fd, S("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nabc"));
    Str a = t_fd_read(fd, S("\"}"), 3000);
    t_expect_int(t_status(a), 408);
    t_expect(time_mono() - began < 2 * USEC_S);
    t_expect(t_fd_closed(fd, 3000));
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(server_tells_a_handler_that_its_body_is_malformed)
{
    struct t_site site;
    start(&site, NULL);
    int fd = t_fd_open(&site);
    t_fd_send(fd, S("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nab"));
    t_fd_send(fd, S("cXX0\r\n\r\n"));
    Str a = t_fd_read(fd, S("\"}"), 2000);
    t_expect_int(t_status(a), 400);
    t_expect(t_fd_closed(fd, 3000));
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(server_checks_json_bodies)
{
    struct t_site site;
    start(&site, NULL);
    Str a = t_talk(&site, S("POST /json HTTP/1.1\r\n" LAST "Content-Type: application/json\r\n"
                            "Content-Length: 7\r\n\r\n{\"a\":1}"));
    t_expect_int(t_status(a), 201);
    t_expect_str(t_body(a), S("{\"a\":1}"));
    a = t_talk(&site, S("POST /json HTTP/1.1\r\n" LAST "Content-Type: text/plain\r\n"
                        "Content-Length: 7\r\n\r\n{\"a\":1}"));
    t_expect_int(t_status(a), 415);
    a = t_talk(&site, S("POST /json HTTP/1.1\r\n" LAST "Content-Length: 7\r\n\r\n{\"a\":1}"));
    t_expect_int(t_status(a), 415);
    a = t_talk(&site, S("POST /json HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_str(t_body(a), S("{}"));
    a = t_talk(&site, S("POST /json HTTP/1.1\r\n" LAST "Content-Type: application/json\r\n"
                        "Content-Length: 6\r\n\r\n{\"a\":}"));
    t_expect_int(t_status(a), 400);
    t_expect(str_find(a, S("\"syntax\"")) != SIZE_MAX);
    t_site_stop(&site);
}

static const struct json_schema *schema_of(void *app, const char *name)
{
    return strcmp(name, "thing") == 0 ? app : NULL;
}

TEST_FIBER(server_locates_what_a_schema_refuses)
{
    static const struct route checked[] = {
        {HTTP_POST, "/thing", post_json, .in_schema = "thing"},
        {HTTP_POST, "/lost", post_json, .in_schema = "nowhere"},
        {0},
    };
    AUTO(json_schema) *schema = NULL;
    struct json *definition, *v;
    struct t_site site;
    t_expect_ok(json_parse(t_arena(),
                           S("{\"type\":\"object\",\"required\":[\"name\"],\"properties\":"
                             "{\"name\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"}}}"),
                           &definition));
    t_expect_ok(json_schema_compile(definition, NULL, 0, 0, &schema));
    t_site_start(&site, checked, &(struct http_server_options){.schema = schema_of, .app = schema});
    Str a = t_talk(&site, S("POST /thing HTTP/1.1\r\n" LAST "Content-Type: application/json\r\n"
                            "Content-Length: 20\r\n\r\n{\"name\":1,\"n\":\"two\"}"));
    t_expect_int(t_status(a), 422);
    t_expect_ok(json_parse(t_arena(), t_body(a), &v));
    t_expect_str(json_str_of(json_at(v, "code"), S("")), S("invalid"));
    t_expect_int(json_len(json_at(v, "errors")), 2);
    struct json *first = json_item(json_at(v, "errors"), 0);
    t_expect_str(json_str_of(json_at(first, "path"), S("")), S("/name"));
    t_expect_str(json_str_of(json_at(first, "code"), S("")), S("type"));
    t_expect(json_str_of(json_at(first, "message"), S("")).n > 0);
    a = t_talk(&site, S("POST /thing HTTP/1.1\r\n" LAST "Content-Type: application/json\r\n"
                        "Content-Length: 12\r\n\r\n{\"name\":\"x\"}"));
    t_expect_int(t_status(a), 201);
    a = t_talk(&site, S("POST /lost HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 500);
    t_site_stop(&site);
}

static int64_t metric_of(Str text, const char *series)
{
    int64_t v = -1;
    Str line;
    while (text.p) {
        text = str_cut(text, '\n', &line);
        if (str_starts(line, str_c(series)) &&
            str_to_i64(str_skip(line, strlen(series) + 1), &v) == OK)
            return v;
    }
    return -1;
}

TEST_FIBER(server_counts_by_method_route_and_status)
{
    static const struct route counted[] = {{HTTP_GET, "/counted/:name", get_name}, {0}};
    struct t_site site;
    AUTO_BUF(b, MIB(1));
    t_site_start(&site, counted, NULL);
    int fd = t_fd_open(&site);
    for (int i = 0; i < 3; i++) {
        t_fd_send(fd, S("GET /counted/x HTTP/1.1\r\n" HOST "\r\n"));
        (void)t_fd_read(fd, S("\r\n\r\nx"), 1000);
    }
    (void)t_talk(&site, S("PUT /counted/x HTTP/1.1\r\n" LAST "\r\n"));
    metric_render(&b);
    Str text = buf_str(&b);
    t_expect_int(metric_of(text, "heddle_http_requests_total{method=\"GET\","
                                 "route=\"/counted/:name\",status=\"200\"}"),
                 3);
    t_expect(metric_of(text, "heddle_http_requests_total{method=\"PUT\",route=\"(none)\","
                             "status=\"405\"}") >= 1);
    t_expect_int(metric_of(text, "heddle_http_request_duration_seconds_count"
                                 "{route=\"/counted/:name\"}"),
                 3);
    t_expect_int(metric_of(text, "heddle_http_connections"), 1);
    t_fd_close(fd);
    t_site_stop(&site);
    buf_reset(&b);
    metric_render(&b);
    t_expect_int(metric_of(buf_str(&b), "heddle_http_connections"), 0);
}

/* ---- leaving, waiting, stalling ---- */

static bool wait_until(const bool *flag, bool want, Usec span)
{
    Usec until = usec_in(span);
    while (*(volatile const bool *)flag != want && time_mono() < until)
        (void)fiber_sleep(USEC_MS); /* a test is not cancelled */
    return *flag == want;
}

enum { LEAVES_CLOSING, LEAVES_RESETTING, LEAVES_WITH_MORE_SENT };

/* How long the handler of a client went on after it left. */
static Usec time_to_notice(const struct t_site *site, int how)
{
    int fd = t_fd_open(site);

    t_fd_send(fd, S("GET /wait HTTP/1.1\r\n" HOST "\r\n"));
    if (!wait_until(&seen.running, true, 2 * USEC_S))
        return USEC_NEVER;
    if (how == LEAVES_WITH_MORE_SENT)
        t_fd_send(fd, S("GET /small HTTP/1.1\r\n" HOST "\r\n"));
    (void)fiber_sleep(30 * USEC_MS); /* a test is not cancelled */
    if (!seen.running)
        return USEC_NEVER;
    Usec left = time_mono();
    if (how == LEAVES_RESETTING)
        t_fd_reset(fd);
    else
        t_fd_close(fd);
    if (!wait_until(&seen.running, false, 5 * USEC_S) || seen.ended != E_CANCELLED)
        return USEC_NEVER;
    return seen.ended_at - left;
}

TEST_FIBER(server_cancels_the_handler_of_a_client_that_leaves)
{
    struct t_site site;
    start(&site, NULL);
    for (int how = LEAVES_CLOSING; how <= LEAVES_WITH_MORE_SENT; how++) {
        Usec best = USEC_NEVER;
        for (int i = 0; i < 5 && best >= 10 * USEC_MS; i++) /* a busy machine may lose some */
            best = usec_min(best, time_to_notice(&site, how));
        t_expect(best < 10 * USEC_MS);
    }
    t_site_stop(&site);
}

TEST_FIBER(server_sees_a_client_leave_behind_bytes_it_does_not_read)
{
    struct t_site site;
    start(&site, NULL);
    char *ahead = arena_bytes(t_arena(), 300000);
    memset(ahead, 'x', 300000);
    int fd = t_fd_open(&site);
    t_fd_send(fd, S("GET /wait HTTP/1.1\r\n" HOST "\r\n"));
    t_expect(wait_until(&seen.running, true, 2 * USEC_S));
    t_fd_send(fd, str_from(ahead, 100000));
    t_expect_ok(fiber_sleep(20 * USEC_MS));
    t_expect(seen.running);
    t_fd_close(fd);
    t_expect(wait_until(&seen.running, false, 3 * USEC_S));
    t_expect_int(seen.ended, E_CANCELLED);
    t_site_stop(&site);
}

TEST_FIBER(server_drops_a_client_that_does_not_read)
{
    struct t_site site;
    start(&site, &(struct http_server_options){.write_timeout = 150 * USEC_MS});
    int fd = t_fd_open(&site);
    Usec began = time_mono();
    t_fd_send(fd, S("GET /flood HTTP/1.1\r\n" HOST "\r\n"));
    while (seen.ended == OK && time_mono() - began < 5 * USEC_S)
        t_expect_ok(fiber_sleep(10 * USEC_MS));
    t_expect(seen.ended == E_CLOSED || seen.ended == E_CANCELLED);
    t_expect(seen.ended_at - began < 2 * USEC_S);
    t_expect(seen.bytes < 16 << 20); /* what the kernel buffers on both sides */
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(server_ends_requests_that_take_too_long)
{
    struct t_site site;
    start(&site, &(struct http_server_options){.request_timeout = 60 * USEC_MS});
    Str a = t_talk(&site, S("GET /wait HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 504);
    t_expect_int(seen.ended, E_TIMEOUT);
    t_site_stop(&site);
}

TEST_FIBER(server_is_proof_against_slow_headers)
{
    struct t_site site;
    start(&site, &(struct http_server_options){.header_timeout = 100 * USEC_MS,
                                               .idle_timeout = 100 * USEC_MS});
    int silent = t_fd_open(&site), slow = t_fd_open(&site), idle = t_fd_open(&site);
    t_fd_send(idle, S("GET /small HTTP/1.1\r\n" HOST "\r\n"));
    t_expect_int(t_status(t_fd_read(idle, S("small"), 1000)), 200);
    Usec began = time_mono();
    for (int i = 0; i < 30 && time_mono() - began < 600 * USEC_MS; i++) {
        t_fd_send(slow, i ? S("X") : S("GET / HTTP/1.1\r\n"));
        t_expect_ok(fiber_sleep(20 * USEC_MS));
    }
    Str a = t_fd_read(slow, S("\"}"), 1000);
    t_expect_int(t_status(a), 408);
    t_expect(t_fd_closed(silent, 1000));
    t_expect(t_fd_closed(idle, 1000));
    t_fd_close(silent);
    t_fd_close(slow);
    t_fd_close(idle);
    t_site_stop(&site);
}

TEST_FIBER(server_refuses_connections_beyond_its_maximum)
{
    struct t_site site;
    start(&site, &(struct http_server_options){.max_conns = 2});
    int a = t_fd_open(&site), b = t_fd_open(&site);
    t_fd_send(a, S("GET /small HTTP/1.1\r\n" HOST "\r\n"));
    t_expect_int(t_status(t_fd_read(a, S("small"), 1000)), 200);
    int c = t_fd_open(&site);
    Str answer = t_fd_read(c, S("\"}"), 1000);
    t_expect_int(t_status(answer), 503);
    t_expect_str(t_field(answer, "retry-after"), S("1"));
    t_fd_close(a);
    t_fd_close(c);
    int status = 503;
    for (int i = 0; i < 50 && status == 503; i++) { /* until it has seen them leave */
        t_expect_ok(fiber_sleep(20 * USEC_MS));
        c = t_fd_open(&site);
        t_fd_send(c, S("GET /small HTTP/1.1\r\n" LAST "\r\n"));
        status = t_status(t_fd_read(c, S("\r\n\r\n"), 1000));
        t_fd_close(c);
    }
    t_expect_int(status, 200);
    t_fd_close(b);
    t_site_stop(&site);
}

/* ---- who, how often, from where ---- */

static Err know(struct req *req)
{
    Str key = req_header(req, S("authorization"));
    if (str_eq(key, S("Bearer good")))
        req->who.capabilities = S("see");
    else if (!str_eq(key, S("Bearer poor")))
        return err_set(E_UNAUTHORIZED, "no");
    req->who.actor_name = S("me");
    return OK;
}

static Err admit_none(struct req *req, enum rate_class class)
{
    (void)req;
    return class == RATE_API ? err_set(E_RATE_LIMITED, "no") : OK;
}

TEST_FIBER(server_asks_who_calls_where_a_capability_is_needed)
{
    struct t_site site;
    start(&site, &(struct http_server_options){.authenticate = know});
    Str a = t_talk(&site, S("GET /secret HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 401);
    t_expect(t_field(a, "www-authenticate").p != NULL);
    a = t_talk(&site, S("GET /secret HTTP/1.1\r\nAuthorization: Bearer bad\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 401);
    a = t_talk(&site, S("GET /secret HTTP/1.1\r\nAuthorization: Bearer poor\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 403);
    a = t_talk(&site, S("GET /secret HTTP/1.1\r\nAuthorization: Bearer good\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 200);
    t_expect_str(t_body(a), S("me"));
    /* A stale credential does not shut anyone out of what is open. */
    a = t_talk(&site, S("GET /small HTTP/1.1\r\nAuthorization: Bearer bad\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 200);
    t_site_stop(&site);
    start(&site, NULL);
    a = t_talk(&site, S("GET /secret HTTP/1.1\r\nAuthorization: Bearer good\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 401);
    t_site_stop(&site);
    start(&site, &(struct http_server_options){.admit = admit_none});
    a = t_talk(&site, S("GET /small HTTP/1.1\r\n" LAST "\r\n"));
    t_expect_int(t_status(a), 429);
    t_site_stop(&site);
}

static Err get_remote(struct req *req, struct res *res)
{
    return res_send(res, 200, S("text/plain"),
                    str_fmt(req->a, "%.*s%s %s", P(req->remote), req->tls ? " tls" : "",
                            req_same_origin(req) ? "same" : "other"));
}

static const struct route remote_routes[] = {
    {HTTP_GET | HTTP_POST, "/", get_remote},
    {0},
};

static Str remote(const struct t_site *site, const char *method, const char *fields)
{
    return t_body(t_talk(site, str_fmt(t_arena(),
                                       "%s / HTTP/1.1\r\nHost: h:1\r\nConnection: close"
                                       "\r\nContent-Length: 0\r\n%s\r\n",
                                       method, fields)));
}

TEST_FIBER(server_believes_trusted_proxies_alone)
{
    struct t_site site;
    t_site_start(&site, remote_routes, NULL);
    t_expect_str(remote(&site, "GET", "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n"),
                 S("127.0.0.1 same"));
    t_site_stop(&site);
    t_site_start(&site, remote_routes,
                 &(struct http_server_options){.trusted_proxies = S("10.0.0.0/8, 127.0.0.1")});
    t_expect_str(remote(&site, "GET", "X-Forwarded-For: 1.1.1.1, 9.9.9.9, 10.1.2.3\r\n"),
                 S("9.9.9.9 same"));
    t_expect_str(
        remote(&site, "GET", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 8.8.8.8, 10.9.9.9\r\n"),
        S("8.8.8.8 same")); /* a line of its own from each proxy */
    t_expect_str(remote(&site, "GET", "X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-For: 10.1.1.1\r\n"),
                 S("8.8.8.8 same"));
    t_expect_str(remote(&site, "GET", "X-Forwarded-Proto: https\r\n"), S("127.0.0.1 tls same"));
    t_expect_str(remote(&site, "GET", "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n"),
                 S("127.0.0.1 same"));
    t_expect_str(remote(&site, "GET", "X-Forwarded-For: rubbish\r\n"), S("127.0.0.1 same"));
    t_expect_str(remote(&site, "GET", "X-Forwarded-For: 10.0.0.1\r\n"), S("10.0.0.1 same"));
    t_site_stop(&site);
    struct http_server *s;
    t_expect_err(http_server_new(&(struct http_server_options){.host = S("127.0.0.1"),
                                                               .trusted_proxies = S("10.0.0.0/33")},
                                 &s),
                 E_INVALID);
}

TEST_FIBER(server_tells_pages_of_its_own_from_others)
{
    struct t_site site;
    t_site_start(&site, remote_routes, NULL);
    t_expect_str(remote(&site, "POST", ""), S("127.0.0.1 other"));
    t_expect_str(remote(&site, "POST", "Origin: http://h:1\r\n"), S("127.0.0.1 same"));
    t_expect_str(remote(&site, "POST", "Origin: https://h:1\r\n"), S("127.0.0.1 same"));
    t_expect_str(remote(&site, "POST", "Origin: http://h\r\n"), S("127.0.0.1 other"));
    t_expect_str(remote(&site, "POST", "Origin: http://h:1.evil\r\n"), S("127.0.0.1 other"));
    t_expect_str(remote(&site, "POST", "Origin: null\r\n"), S("127.0.0.1 other"));
    t_expect_str(remote(&site, "GET", "Origin: http://evil\r\n"), S("127.0.0.1 other"));
    t_expect_str(remote(&site, "POST", "Sec-Fetch-Site: same-origin\r\n"), S("127.0.0.1 same"));
    t_expect_str(remote(&site, "POST", "Sec-Fetch-Site: same-site\r\nOrigin: http://h:1\r\n"),
                 S("127.0.0.1 other"));
    t_expect_str(remote(&site, "POST", "Sec-Fetch-Site: cross-site\r\n"), S("127.0.0.1 other"));
    t_site_stop(&site);
}

/* ---- starting and ending ---- */

TEST_FIBER(server_says_that_its_port_is_taken)
{
    struct t_site site;
    struct http_server *second;
    start(&site, NULL);
    struct http_server_options o = {
        .host = S("127.0.0.1"), .port = site.port, .router = site.router};
    t_expect_err(http_server_new(&o, &second), E_EXISTS);
    o.host = S("no such host.invalid");
    t_expect_err(http_server_new(&o, &second), E_INVALID);
    t_site_stop(&site);
    o.host = S("127.0.0.1");
    t_expect_ok(http_server_new(&o, &second)); /* free again, at once */
    t_expect_int(http_server_port(second), o.port);
    http_server_free(second);
}

struct drained {
    struct t_site *site;
    Usec grace, took;
    bool done;
};

static Err drain(void *arg)
{
    struct drained *d = arg;
    Usec began = time_mono();
    http_server_drain(d->site->server, d->grace);
    d->took = time_mono() - began;
    d->done = true;
    return OK;
}

TEST_FIBER(server_drains_idle_at_once_and_busy_after_their_answer)
{
    struct t_site site;
    start(&site, NULL);
    struct drained d = {.site = &site, .grace = 5 * USEC_S};
    int idle = t_fd_open(&site), busy = t_fd_open(&site);
    t_fd_send(idle, S("GET /small HTTP/1.1\r\n" HOST "\r\n"));
    t_expect_int(t_status(t_fd_read(idle, S("small"), 1000)), 200);
    t_fd_send(busy, S("GET /wait?ms=1000 HTTP/1.1\r\n" HOST "\r\n"));
    t_expect(wait_until(&seen.running, true, 2 * USEC_S));
    fiber_start("drain", drain, &d);
    t_expect(t_fd_closed(idle, 500));
    t_expect(!d.done && http_server_draining(site.server));
    Str a = t_fd_read(busy, S("waited"), 2000);
    t_expect_int(t_status(a), 200);
    t_expect_str(t_field(a, "connection"), S("close"));
    t_expect(wait_until(&d.done, true, 2 * USEC_S));
    t_expect(d.took < 4 * USEC_S);
    t_fd_close(idle);
    t_fd_close(busy);
    t_site_stop(&site);
}

TEST_FIBER(server_cancels_what_outlasts_the_grace)
{
    struct t_site site;
    start(&site, NULL);
    struct drained d = {.site = &site, .grace = 50 * USEC_MS};
    int fd = t_fd_open(&site);
    t_fd_send(fd, S("GET /wait HTTP/1.1\r\n" HOST "\r\n"));
    t_expect(wait_until(&seen.running, true, 2 * USEC_S));
    fiber_start("drain", drain, &d);
    Str a = t_fd_read(fd, S("\"}"), 2000);
    t_expect_int(t_status(a), 503);
    t_expect_int(seen.ended, E_CANCELLED);
    t_expect(wait_until(&d.done, true, 2 * USEC_S));
    t_expect(d.took >= 50 * USEC_MS && d.took < 2 * USEC_S);
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER_ON(2, server_listens_on_every_shard)
{
    struct t_site site;
    start(&site, NULL);
    for (int i = 0; i < 40; i++)
        t_expect_int(t_status(t_talk(&site, S("GET /name/x HTTP/1.1\r\n" LAST "\r\n"))), 200);
    t_site_stop(&site);
}
