/* src/net/sse_stream_test.c - event streams over real sockets. */
#include "net/sse.h"
#include "net/test_talk.h"

static struct {
    Err ended;
    bool running, done;
} seen;

static Err get_events(struct req *req, struct res *res)
{
    struct sse_event ev = {.retry_ms = 1500, .id = S("7"), .event = S("step")};

    ev.data = sse_last_id(req).p ? sse_last_id(req) : S("a\nb\r\nc\rd\n");
    TRY(sse_begin(res));
    TRY(sse_send(res, &ev));
    TRY(sse_heartbeat(res));
    TRY(sse_send(res, &(struct sse_event){.data = S("x"), .retry_ms = -1}));
    TRY(sse_send(res, &(struct sse_event){.data = S(""), .retry_ms = -1}));
    Err e = sse_send(res, &(struct sse_event){.id = S("a\nb"), .data = S("x"), .retry_ms = -1});
    if (e != E_INVALID)
        return err_set(E_INTERNAL, "an id of two lines was sent");
    return res_end(res);
}

static Err get_idle(struct req *req, struct res *res)
{
    (void)req;
    TRY(sse_begin(res));
    seen.running = true;
    seen.ended = fiber_sleep(USEC_H);
    seen.done = true;
    return seen.ended;
}

static const struct route routes[] = {
    {HTTP_GET, "/events", get_events, .kind = ROUTE_SSE},
    {HTTP_GET, "/idle", get_idle, .kind = ROUTE_SSE},
    {0},
};

/* The bytes of a chunked body without its framing. */
static Str unchunk(Str body)
{
    AUTO_BUF(b, MIB(1));
    Str line;

    while (body.n) {
        body = str_cut(body, '\n', &line);
        size_t n = strtoul(str_dup_c(t_arena(), line), NULL, 16);
        buf_add(&b, str_head(body, n));
        body = str_skip(body, n + 2);
    }
    return str_dup(t_arena(), buf_str(&b));
}

TEST_FIBER(sse_stream_is_written_as_the_standard_has_it)
{
    struct t_site site;
    t_site_start(&site, routes, NULL);
    Str a = t_talk(&site, S("GET /events HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    t_expect_int(t_status(a), 200);
    t_expect_str(t_field(a, "content-type"), S("text/event-stream"));
    t_expect_str(t_field(a, "cache-control"), S("no-cache"));
    t_expect_str(t_field(a, "x-accel-buffering"), S("no"));
    t_expect_str(unchunk(t_body(a)),
                 S("id: 7\nevent: step\nretry: 1500\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"
                   ":\n\ndata: x\n\ndata: \n\n"));
    a = t_talk(&site, S("GET /events HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                        "Last-Event-ID: from-field\r\n\r\n"));
    t_expect(str_find(a, S("data: from-field\n")) != SIZE_MAX);
    a = t_talk(&site, S("GET /events?last_event_id=from%20query HTTP/1.1\r\nHost: h\r\n"
                        "Connection: close\r\n\r\n"));
    t_expect(str_find(a, S("data: from query\n")) != SIZE_MAX);
    t_site_stop(&site);
}

static Err drain(void *arg)
{
    struct t_site *site = arg;
    http_server_drain(site->server, 50 * USEC_MS);
    seen.running = false;
    return OK;
}

TEST_FIBER(sse_stream_outlives_the_request_deadline_and_ends_with_the_drain)
{
    struct t_site site;
    memset(&seen, 0, sizeof seen);
    t_site_start(&site, routes, &(struct http_server_options){.request_timeout = 30 * USEC_MS});
    int fd = t_fd_open(&site);
    t_fd_send(fd, S("GET /idle HTTP/1.1\r\nHost: h\r\n\r\n"));
    t_expect_int(t_status(t_fd_read(fd, S("\r\n\r\n"), 1000)), 200);
    t_expect_ok(fiber_sleep(120 * USEC_MS));
    t_expect(seen.running && !seen.done);
    fiber_start("drain", drain, &site);
    t_expect(t_fd_closed(fd, 2000));
    t_expect(seen.done);
    t_expect_int(seen.ended, E_CANCELLED);
    for (int i = 0; i < 1000 && seen.running; i++)
        t_expect_ok(fiber_sleep(USEC_MS));
    t_fd_close(fd);
    t_site_stop(&site);
}
