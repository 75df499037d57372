/* bench/micro/bench_http.c - a small server to be measured from outside: bench_http PORT [SHARDS].
 *
 *   GET  /small      a few bytes, with the authentication hook, the router and metrics at work
 *   POST /json       parses the body and answers with its "id"
 *   GET  /events     server-sent events for ever: one each ?ms= (0: none, an idle stream)
 *   GET  /ws         a WebSocket that echoes
 *   GET  /metrics    Prometheus text
 *
 * It prints "ready PORT" when it serves and ends on SIGTERM.
 */
#include "net/http_server.h"
#include "net/sse.h"
#include "net/ws.h"
#include "rt/log.h"
#include "rt/metric.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct wait *stop;
static uv_signal_t on_term;

static Err get_small(struct req *req, struct res *res)
{
    (void)req;
    return res_send(res, 200, S("text/plain"), S("Hello, world!"));
}

static Err post_json(struct req *req, struct res *res)
{
    struct json *v;
    TRY(req_json(req, &v));
    return res_json(res, 200, json_obj(req->a, "id", json_at(v, "id"), NULL));
}

static Err get_events(struct req *req, struct res *res)
{
    struct sse_event ev = {
        .data = S("{\"token\":\"some words of a model's answer, as they come\"}"), .retry_ms = -1};
    int64_t ms;

    TRY(req_query_int(req, S("ms"), 0, 60000, 0, &ms));
    TRY(sse_begin(res));
    for (;;) {
        TRY(fiber_sleep(ms ? ms * USEC_MS : USEC_H));
        TRY(sse_send(res, &ev));
    }
}

static Err get_ws(struct req *req, struct res *res)
{
    struct ws *ws;

    TRY(ws_accept(req, res, &(struct ws_options){.ping_every = USEC_H}, &ws));
    for (;;) {
        AUTO(arena) *a = NULL;
        enum ws_kind kind;
        Str message;
        a = arena_new(MIB(8));
        TRY(ws_read(ws, a, USEC_NEVER, &kind, &message));
        TRY(ws_write(ws, kind, message));
    }
}

static Err get_metrics(struct req *req, struct res *res)
{
    AUTO_BUF(b, MIB(16));
    (void)req;
    metric_render(&b);
    return res_send(res, 200, S("text/plain; version=0.0.4"), buf_str(&b));
}

/* What a cheap real one does: look at the key, fill in who it is. */
static Err authenticate(struct req *req)
{
    Str key = req_header(req, S("authorization"));
    if (!str_starts(key, S("Bearer ")))
        return err_set(E_UNAUTHORIZED, "no key");
    req->who.capabilities = S("bench.run");
    req->who.actor_name = S("bench");
    return OK;
}

static const struct route routes[] = {
    {HTTP_GET, "/small", get_small, .capability = "bench.run"},
    {HTTP_POST, "/json", post_json, .capability = "bench.run"},
    {HTTP_GET, "/events", get_events, .kind = ROUTE_SSE},
    {HTTP_GET, "/ws", get_ws, .kind = ROUTE_WS},
    {HTTP_GET, "/metrics", get_metrics},
    {0},
};

static void on_signal(uv_signal_t *handle, int number)
{
    (void)handle, (void)number;
    wait_end(stop, OK);
}

static Err boot(void *arg)
{
    char **argv = arg;
    AUTO(router) *router = router_new();
    struct http_server *server;
    struct wait w;

    router_add(router, routes);
    TRY(http_server_new(&(struct http_server_options){.host = S("127.0.0.1"),
                                                      .port = (uint16_t)strtoul(argv[1], NULL, 10),
                                                      .router = router,
                                                      .authenticate = authenticate,
                                                      .idle_timeout = USEC_H},
                        &server));
    wait_init(&w);
    stop = &w;
    uv_signal_init(shard_loop(), &on_term);
    uv_signal_start(&on_term, on_signal, SIGTERM);
    printf("ready %d\n", http_server_port(server));
    fflush(stdout);
    Err e = wait_for(&w, USEC_NEVER);
    uv_close((uv_handle_t *)&on_term, NULL);
    http_server_free(server);
    return e;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_http PORT [SHARDS]\n");
        return 2;
    }
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    struct rt_options options = {.shards = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1};
    Err e = rt_main(&options, boot, argv);
    if (e != OK)
        fprintf(stderr, "bench_http: %s\n", err_text(e));
    return e == OK ? 0 : 1;
}
