/* src/net/http_crowd_test.c - a crowd that cuts, leaves, resets and talks nonsense, and a server
 * that is none the worse for it. What it does is drawn from a fixed seed. */
#include "net/sse.h"
#include "net/test_talk.h"
#include "net/ws.h"
#include "rt/work.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 24 };

static Err get_small(struct req *req, struct res *res)
{
    (void)req;
    return res_send(res, 200, S("text/plain"), S("small"));
}

static Err get_nap(struct req *req, struct res *res)
{
    (void)req;
    TRY(fiber_sleep(3 * USEC_MS));
    return res_send(res, 200, S("text/plain"), S("nap"));
}

static Err post_echo(struct req *req, struct res *res)
{
    Str body;
    TRY(req_body(req, &body));
    return res_send(res, 200, S("text/plain"), body);
}

static Err post_stream(struct req *req, struct res *res)
{
    Str piece;
    Err e;
    TRY(res_begin(res, 200, S("text/plain")));
    while ((e = req_body_read(req, &piece)) == OK)
        TRY(res_write(res, piece));
    return e == E_EOF ? res_end(res) : e;
}

static Err get_events(struct req *req, struct res *res)
{
    (void)req;
    TRY(sse_begin(res));
    for (int i = 0; i < 50; i++) {
        TRY(sse_send(res, &(struct sse_event){.data = S("tick"), .retry_ms = -1}));
        TRY(fiber_sleep(USEC_MS));
    }
    return res_end(res);
}

static Err get_ws(struct req *req, struct res *res)
{
    struct ws *ws;
    TRY(ws_accept(req, res, &(struct ws_options){.max_message = 1000}, &ws));
    for (;;) {
        AUTO(arena) *a = arena_new(MIB(1));
        enum ws_kind kind;
        Str message;
        TRY(ws_read(ws, a, USEC_NEVER, &kind, &message));
        TRY(ws_write(ws, kind, message));
    }
}

static const struct route routes[] = {
    {HTTP_GET, "/small", get_small},
    {HTTP_GET, "/nap", get_nap},
    {HTTP_POST, "/echo", post_echo, .max_body = 3000},
    {HTTP_POST, "/stream", post_stream, .kind = ROUTE_STREAM},
    {HTTP_GET, "/events", get_events, .kind = ROUTE_SSE},
    {HTTP_GET, "/ws", get_ws, .kind = ROUTE_WS},
    {0},
};

#define H "Host: h\r\n"
static const Str lines[] = {
    S_INIT("GET /small HTTP/1.1\r\n" H "\r\n"),
    S_INIT("GET /nap HTTP/1.1\r\n" H "\r\n"),
    S_INIT("HEAD /events HTTP/1.1\r\n" H "\r\n"),
    S_INIT("GET /events HTTP/1.1\r\n" H "\r\n"),
    S_INIT("GET /nowhere HTTP/1.1\r\n" H "\r\n"),
    S_INIT("POST /echo HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n0123456789"),
    S_INIT("POST /echo HTTP/1.1\r\n" H "Content-Length: 4000\r\n\r\n"),
    S_INIT("POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"),
    S_INIT("POST /nowhere HTTP/1.1\r\n" H "Content-Length: 6\r\n\r\n012345"),
    S_INIT("POST /stream HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"),
    S_INIT("3\r\nabc\r\n"),
    S_INIT("0\r\n\r\n"),
    S_INIT("GET /small HTTP/1.1\r\n" H "Connection: close\r\n\r\n"),
    S_INIT("GET /ws HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
    S_INIT("\x81\x83\0\0\0\0abc"),
    S_INIT("\x89\x80\0\0\0\0"),
    S_INIT("\x88\x82\0\0\0\0\x03\xe8"),
    S_INIT("\x82\xfe\x04\x00\0\0\0\0"),
    S_INIT("GET / HTTP/1.1\nHost"),
    S_INIT("\r\n"),
};

struct crowd {
    uint16_t port;
    uint64_t seed;
    Usec until;
    unsigned done;
    int fd[CLIENTS];
};

static uint64_t draw(struct crowd *c, uint64_t n)
{
    c->seed ^= c->seed << 13;
    c->seed ^= c->seed >> 7;
    c->seed ^= c->seed << 17;
    return c->seed % n;
}

static void leave(struct crowd *c, int *fd)
{
    struct linger hard = {1, 0};
    if (draw(c, 2))
        setsockopt(*fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(*fd);
    *fd = -1;
}

static void come(struct crowd *c, int *fd)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(c->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || connect(*fd, (struct sockaddr *)&sa, sizeof sa))
        DIE("cannot connect");
}

static void say(struct crowd *c, int *fd)
{
    Str line = lines[draw(c, ARRAY_LEN(lines))];
    if (draw(c, 4) == 0)
        line = str_head(line, draw(c, line.n) + 1);
    if (send(*fd, line.p, line.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        leave(c, fd);
}

static Err mill_about(void *arg)
{
    struct crowd *c = arg;
    char sink[4096];

    while (time_mono() < c->until) {
        int *fd = &c->fd[draw(c, CLIENTS)];
        c->done++;
        if (*fd < 0) {
            come(c, fd);
            say(c, fd);
            continue;
        }
        switch (draw(c, 8)) {
        case 0:
            leave(c, fd);
            break;
        case 1:
            shutdown(*fd, SHUT_WR);
            break;
        case 2:
        case 3:
            while (recv(*fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
                ;
            break;
        default:
            say(c, fd);
        }
        if (draw(c, 50) == 0)
            usleep(500);
    }
    for (int i = 0; i < CLIENTS; i++)
        if (c->fd[i] >= 0)
            leave(c, &c->fd[i]);
    return OK;
}

static void run_crowd(Usec span, bool drain_under_way)
{
    struct http_server_options o = {.header_timeout = 50 * USEC_MS,
                                    .idle_timeout = 30 * USEC_MS,
                                    .body_timeout = 40 * USEC_MS,
                                    .write_timeout = 60 * USEC_MS,
                                    .max_conns = CLIENTS - 4};
    struct crowd c = {.seed = drain_under_way ? 88172645463325252u : 1234567u};
    struct t_site site;

    t_site_start(&site, routes, &o);
    c.port = site.port;
    c.until = usec_in(span);
    memset(c.fd, -1, sizeof c.fd);
    t_expect_ok(work_run(mill_about, &c));
    t_expect(c.done > 100);
    if (!drain_under_way) {
        t_expect_ok(fiber_sleep(100 * USEC_MS));
        Str a = t_talk(&site, S("GET /small HTTP/1.1\r\n" H "Connection: close\r\n\r\n"));
        t_expect_int(t_status(a), 200);
    }
    t_site_stop(&site);
}

TEST_FIBER(server_is_none_the_worse_for_a_crowd_that_misbehaves)
{
    run_crowd(1500 * USEC_MS, false);
}

TEST_FIBER_ON(2, server_can_stop_right_after_a_crowd)
{
    run_crowd(500 * USEC_MS, true);
}
