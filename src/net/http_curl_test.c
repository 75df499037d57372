/* src/net/http_curl_test.c - compression and proxies of the libcurl engine. */
#include "base/test.h"
#include "net/http_client.h"
#include "net/test_upstream.h"
#include "rt/test_rt.h"

#include <zlib.h>

static Str gzip(size_t n_zeros, Str text)
{
    z_stream z = {0};
    size_t cap = n_zeros / 500 + text.n + 4096;
    char *out = arena_bytes(t_arena(), cap);
    static char zeros[65536];

    deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)cap;
    for (size_t left = n_zeros; left; left -= z.avail_in ? 0 : sizeof zeros) {
        z.next_in = (Bytef *)zeros;
        z.avail_in = sizeof zeros;
        deflate(&z, Z_NO_FLUSH);
    }
    z.next_in = (Bytef *)(uintptr_t)text.p;
    z.avail_in = (uInt)text.n;
    deflate(&z, Z_FINISH);
    Str packed = {out, cap - z.avail_out};
    deflateEnd(&z);
    return packed;
}

static Str packed;

static void serve_gzip(struct t_conn *c)
{
    char head[160];

    while (t_conn_request(c)) {
        int n = snprintf(head, sizeof head,
                         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                         packed.n);
        t_conn_write(c, (Str){head, (size_t)n});
        t_conn_write(c, packed);
    }
}

static Err fetch_packed(struct t_upstream *u, struct http_reply *reply)
{
    struct http_call call = {
        .url = t_upstream_url(u, "/"), .engine = HTTP_CURL, .max_body = MIB(1)};

    t_upstream_start(u, serve_gzip);
    call.url = t_upstream_url(u, "/");
    Err e = http_fetch(t_arena(), &call, reply);
    http_client_close_idle();
    t_upstream_stop(u);
    return e;
}

TEST_FIBER(http_curl_undoes_compression)
{
    static struct t_upstream u;
    struct http_reply reply;

    packed = gzip(0, S("unpacked text"));
    t_expect_ok(fetch_packed(&u, &reply));
    t_expect_str(reply.body, S("unpacked text"));
    t_expect(http_header_get(&reply.headers, S("content-encoding")).p == NULL);
    t_expect(http_header_get(&reply.headers, S("content-length")).p == NULL);
}

TEST_FIBER(http_curl_bomb_meets_the_body_limit)
{
    static struct t_upstream u;
    struct http_reply reply;

    packed = gzip(MIB(256), S(""));
    t_expect(packed.n < MIB(1));
    t_expect_err(fetch_packed(&u, &reply), E_TOO_LARGE);
}

TEST_FIBER(http_curl_broken_compression_is_an_upstream_error)
{
    static struct t_upstream u;
    struct http_reply reply;

    packed = S("this is not gzip at all");
    t_expect_err(fetch_packed(&u, &reply), E_UPSTREAM);
}

static void serve_proxy(struct t_conn *c)
{
    while (t_conn_request(c))
        t_conn_answer(c, 200, str_fmt(c->a, "proxy:%.*s", P(c->head)));
}

TEST_FIBER(http_curl_takes_the_configured_proxy_and_never_the_environments)
{
    static struct t_upstream direct, proxy;
    struct http_reply reply;
    AUTO(egress) *egress = NULL;

    t_upstream_start(&direct, serve_proxy);
    t_upstream_start(&proxy, serve_proxy);
    Str via = str_fmt(t_arena(), "http://127.0.0.1:%u", proxy.port);
    struct http_call call = {.url = t_upstream_url(&direct, "/x"), .engine = HTTP_CURL};

    setenv("http_proxy", str_dup_c(t_arena(), via), 1);
    t_expect_ok(http_fetch(t_arena(), &call, &reply));
    t_expect(str_starts(reply.body, S("proxy:GET /x ")));
    unsetenv("http_proxy");

    t_expect_ok(http_client_proxy(via, S("other.test")));
    t_expect_ok(http_fetch(t_arena(), &call, &reply));
    t_expect(str_starts(reply.body, S("proxy:GET http://127.0.0.1:")));
    t_expect_ok(http_client_proxy(via, S("example.test, 127.0.0.1")));
    t_expect_ok(http_fetch(t_arena(), &call, &reply));
    t_expect(str_starts(reply.body, S("proxy:GET /x ")));

    /* The rules hold behind a proxy as well. */
    t_expect_ok(http_client_proxy(via, S("")));
    t_expect_ok(egress_new(S(""), S(""), &egress));
    call.egress = egress;
    t_expect_err(http_fetch(t_arena(), &call, &reply), E_EGRESS);
    call.url = S("http://localhost/");
    t_expect_err(http_fetch(t_arena(), &call, &reply), E_EGRESS);
    call.url = S("http://name-that-only-the-proxy-knows.invalid/");
    t_expect_ok(http_fetch(t_arena(), &call, &reply));
    t_expect_ok(http_client_proxy(S(""), S("")));
    t_upstream_stop(&direct);
    t_upstream_stop(&proxy);
}
