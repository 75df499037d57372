/* src/net/http_own_test.c - streams of the thin client, and its connections. */
#include "base/test.h"
#include "net/dns.h"
#include "net/http_client.h"
#include "net/test_upstream.h"
#include "rt/test_rt.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

static Err open_stream(const struct t_upstream *u, const char *path, struct http_stream **s)
{
    struct http_call call = {.url = t_upstream_url(u, path), .deadline = usec_in(60 * USEC_S)};
    return http_open(t_arena(), &call, s);
}

/* Events of a stream, one write each, and the next only when the client asked for it. */
static atomic_int events_wanted;

static void serve_events(struct t_conn *c)
{
    while (t_conn_request(c)) {
        t_conn_write_c(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 5; i++) {
            while (atomic_load(&events_wanted) <= i)
                usleep(500);
            t_conn_write_c(c, "9\r\ndata: x\n\n\r\n");
        }
        t_conn_write_c(c, "0\r\n\r\n");
    }
}

TEST_FIBER(http_stream_gives_each_read_as_a_piece_and_keeps_the_connection)
{
    static struct t_upstream u;
    Str piece;

    t_upstream_start(&u, serve_events);
    for (int round = 0; round < 3; round++) {
        AUTO(http_stream) *s = NULL;
        atomic_store(&events_wanted, 0);
        t_expect_ok(open_stream(&u, "/", &s));
        t_expect_int(http_stream_status(s), 200);
        t_expect_str(http_header_get(http_stream_headers(s), S("content-type")),
                     S("text/event-stream"));
        for (int i = 0; i < 5; i++) {
            atomic_fetch_add(&events_wanted, 1);
            t_expect_ok(http_read(s, &piece));
            t_expect_str(piece, S("data: x\n\n"));
        }
        t_expect_err(http_read(s, &piece), E_EOF);
        t_expect_err(http_read(s, &piece), E_EOF);
    }
    t_expect_int(atomic_load(&u.n_conns), 1);
    t_upstream_stop(&u);
}

static void serve_cut(struct t_conn *c)
{
    if (t_conn_request(c))
        t_conn_write_c(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
}

TEST_FIBER(http_stream_that_ends_early_gives_what_came_and_then_the_cut)
{
    static struct t_upstream u;
    AUTO(http_stream) *s = NULL;
    Str piece;

    t_upstream_start(&u, serve_cut);
    t_expect_ok(open_stream(&u, "/", &s));
    t_expect_ok(fiber_sleep(30 * USEC_MS)); /* the end is there too */
    t_expect_ok(http_read(s, &piece));
    t_expect_str(piece, S("hello"));
    t_expect_err(http_read(s, &piece), E_UPSTREAM_CUT);
    t_expect_err(http_read(s, &piece), E_UPSTREAM_CUT);
    t_upstream_stop(&u);
}

static void serve_endless(struct t_conn *c)
{
    static char block[16384];
    int size = 16384;

    setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (!t_conn_request(c))
        return;
    t_conn_write_c(c, "HTTP/1.1 200 OK\r\n\r\n");
    while (t_conn_write(c, (Str){block, sizeof block}))
        ;
    atomic_store(&c->upstream->at, time_mono());
}

TEST_FIBER(http_stream_that_is_not_read_stops_the_server)
{
    static struct t_upstream u;
    AUTO(http_stream) *s = NULL;
    struct http_call call = {.max_body = MIB(1000)};
    long long before, sent = -1;
    Str piece;

    t_upstream_start(&u, serve_endless);
    call.url = t_upstream_url(&u, "/");
    t_expect_ok(http_open(t_arena(), &call, &s));
    t_expect_ok(http_read(s, &piece));
    do { /* until the kernel's buffers are full */
        before = sent;
        t_expect_ok(fiber_sleep(100 * USEC_MS));
        sent = atomic_load(&u.bytes);
    } while (sent != before);
    /* The kernel's receive buffer may grow to 6 MiB; ours is what is under test. */
    t_expect(sent < (long long)MIB(8));
    size_t unread = 0;
    for (int i = 0; i < 200; i++) {
        t_expect_ok(http_read(s, &piece));
        t_expect(piece.n <= 96 * 1024);
        unread += piece.n;
    }
    t_expect(unread > 100);
    http_stream_free(s);
    s = NULL;
    for (int n = 0; n < 1000 && !atomic_load(&u.at); n++)
        t_expect_ok(fiber_sleep(USEC_MS));
    t_expect(atomic_load(&u.at) != 0); /* closed, since it was not read to its end */
    t_upstream_stop(&u);
}

static void serve_limit(struct t_conn *c)
{
    if (!t_conn_request(c))
        return;
    t_conn_write_c(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (t_conn_write_c(c, "400\r\n") && t_conn_write(c, (Str){(char[1024]){0}, 1024}) &&
           t_conn_write_c(c, "\r\n"))
        ;
}

TEST_FIBER(http_stream_ends_at_its_limit)
{
    static struct t_upstream u;
    AUTO(http_stream) *s = NULL;
    struct http_call call = {.max_body = KIB(100)};
    size_t got = 0;
    Str piece;
    Err e;

    t_upstream_start(&u, serve_limit);
    call.url = t_upstream_url(&u, "/");
    e = http_open(t_arena(), &call, &s);
    while (e == OK && (e = http_read(s, &piece)) == OK)
        got += piece.n;
    t_expect_int(e, E_TOO_LARGE);
    t_expect(got <= KIB(100));
    http_stream_free(s);
    s = NULL;
    t_upstream_stop(&u);
}

static void serve_silent_stream(struct t_conn *c)
{
    if (!t_conn_request(c))
        return;
    t_conn_write_c(c, "HTTP/1.1 200 OK\r\n\r\ndata");
    t_conn_wait_end(c, 5 * USEC_S);
    atomic_store(&c->upstream->at, time_mono());
}

TEST_FIBER(http_stream_meets_its_idle_time)
{
    static struct t_upstream u;
    AUTO(http_stream) *s = NULL;
    struct http_call call = {.idle_timeout = 100 * USEC_MS};
    Str piece;

    t_upstream_start(&u, serve_silent_stream);
    call.url = t_upstream_url(&u, "/");
    t_expect_ok(http_open(t_arena(), &call, &s));
    t_expect_ok(http_read(s, &piece));
    t_expect_err(http_read(s, &piece), E_TIMEOUT);
    http_stream_free(s);
    s = NULL;
    t_upstream_stop(&u);
}

struct reader {
    const struct t_upstream *u;
    Err result;
};

static Err read_all(void *arg)
{
    struct reader *r = arg;
    AUTO(http_stream) *s = NULL;
    Str piece;

    TRY(open_stream(r->u, "/", &s));
    while ((r->result = http_read(s, &piece)) == OK)
        ;
    return OK;
}

TEST_FIBER(http_stream_cancel_closes_within_milliseconds)
{
    static struct t_upstream u;
    struct reader r = {.u = &u};
    FIBER_GROUP(g, 0, false);

    t_upstream_start(&u, serve_silent_stream);
    t_expect_ok(fiber_group_start(&g, "reader", read_all, &r));
    t_expect_ok(fiber_sleep(100 * USEC_MS));
    Usec cancelled = time_mono();
    fiber_group_cancel(&g);
    t_expect_ok(fiber_group_join(&g));
    t_expect_int(r.result, E_CANCELLED);
    for (int n = 0; n < 1000 && !atomic_load(&u.at); n++)
        t_expect_ok(fiber_sleep(USEC_MS));
    t_expect(atomic_load(&u.at) - cancelled < 200 * USEC_MS);
    t_upstream_stop(&u);
}

static atomic_int unasked; /* how often */

/* Says that it keeps the connection, then sends what nobody asked for. */
static void serve_unasked(struct t_conn *c)
{
    while (t_conn_request(c)) {
        if (c->index % 2 == 0) {
            t_conn_write_c(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
                              "Content-Length: 4\r\n\r\nevil");
        } else {
            t_conn_answer(c, 200, S("ok"));
            usleep(2000);
            t_conn_write_c(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        }
        atomic_fetch_add(&unasked, 1);
    }
}

/* It was sent, and the loop has had turns to read it: what comes after the next request only cannot
 * be told from its answer. */
static Err until_unasked(int n)
{
    while (atomic_load(&unasked) < n)
        TRY(fiber_sleep(USEC_MS));
    for (int i = 0; i < 5; i++)
        TRY(fiber_sleep(USEC_MS));
    return OK;
}

TEST_FIBER(http_bytes_after_an_answer_never_become_the_next_one)
{
    static struct t_upstream u;
    struct http_reply reply;

    t_upstream_start(&u, serve_unasked);
    for (int i = 0; i < 6; i++) {
        struct http_call call = {.url = t_upstream_url(&u, "/")};
        t_expect_ok(http_fetch(t_arena(), &call, &reply));
        t_expect_str(reply.body, S("ok"));
        t_expect_ok(until_unasked(i + 1));
    }
    t_expect_int(atomic_load(&u.n_conns), 6);
    t_upstream_stop(&u);
}

static void serve_short_keep(struct t_conn *c)
{
    while (t_conn_request(c))
        t_conn_write_c(c, "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=5\r\n"
                          "Content-Length: 2\r\n\r\nok");
}

TEST_FIBER(http_connection_is_not_kept_longer_than_the_server_says)
{
    static struct t_upstream u;
    struct http_reply reply;

    t_upstream_start(&u, serve_short_keep);
    for (int i = 0; i < 3; i++) {
        struct http_call call = {.url = t_upstream_url(&u, "/")};
        t_expect_ok(http_fetch(t_arena(), &call, &reply));
    }
    t_expect_int(atomic_load(&u.n_conns), 3);
    t_upstream_stop(&u);
}

/* ---- several addresses ---- */

static void serve_ok(struct t_conn *c)
{
    while (t_conn_request(c) && t_conn_answer(c, 200, S("ok")))
        ;
}

/* First an address where nobody listens, or where nobody answers; then the right one. */
static bool first_is_silent;

static int two_addresses(const char *host, struct dns_answer *answer)
{
    (void)host;
    for (size_t i = 0; i < 2; i++)
        answer->at[i].v4.sin_family = AF_INET;
    /* 192.0.2.0/24 is for documentation: packets go nowhere, or are refused at once. */
    inet_pton(AF_INET, first_is_silent ? "192.0.2.1" : "127.0.0.2", &answer->at[0].v4.sin_addr);
    inet_pton(AF_INET, "127.0.0.1", &answer->at[1].v4.sin_addr);
    answer->n = 2;
    return 0;
}

TEST_FIBER(http_connect_goes_on_to_the_next_address)
{
    static struct t_upstream u;
    struct http_reply reply;

    t_upstream_start(&u, serve_ok);
    for (int i = 0; i < 2; i++) {
        first_is_silent = i == 1;
        dns_resolver_set(two_addresses);
        struct http_call call = {.url = str_fmt(t_arena(), "http://two.test:%u/", u.port)};
        Usec started = time_mono();
        t_expect_ok(http_fetch(t_arena(), &call, &reply));
        t_expect(time_mono() - started < 2 * USEC_S);
        http_client_close_idle();
    }
    dns_resolver_set(NULL);
    t_upstream_stop(&u);
}

TEST_FIBER(http_open_refuses_what_only_fetch_does)
{
    struct http_stream *s = NULL;
    struct http_call call = {.url = S("http://127.0.0.1:1/"), .engine = HTTP_CURL};

    t_expect_err(http_open(t_arena(), &call, &s), E_UNSUPPORTED);
    call.engine = HTTP_OWN;
    call.max_redirects = 1;
    t_expect_err(http_open(t_arena(), &call, &s), E_UNSUPPORTED);
}
