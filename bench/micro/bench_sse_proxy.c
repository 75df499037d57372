/* bench/micro/bench_sse_proxy.c - the three programs of the streaming measurement
 * (bench/http/sse_proxy.sh).
 *
 *   bench_sse_proxy upstream PORT MS          sends a 220-byte event every MS milliseconds on each
 * stream bench_sse_proxy proxy PORT UPSTREAM       hands each read of the upstream's stream on: the
 * thing measured bench_sse_proxy clients PORT N SECONDS    opens N streams, waits for all, counts
 * events; prints the count
 */
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/sse.h"
#include "rt/fiber.h"

#include <signal.h>
#include <unistd.h>

static int64_t numbers[3];

/* ---- upstream ---- */

static Err get_events(struct req *req, struct res *res)
{
    static char text[221];
    Usec span = numbers[1] * USEC_MS;

    (void)req;
    memset(text, 'x', sizeof text);
    memcpy(text, "data: ", 6);
    memcpy(text + 218, "\n\n", 3);
    res_header(res, S("Cache-Control"), S("no-cache"));
    TRY(res_begin(res, 200, S("text/event-stream")));
    TRY(res_write(res, S(": hello\n\n")));
    TRY(fiber_sleep(random() % span));
    for (;;) {
        TRY(res_write(res, (Str){text, 220}));
        TRY(fiber_sleep(span));
    }
}

/* ---- proxy ---- */

static Err get_proxied(struct req *req, struct res *res)
{
    char url[64];
    int n = snprintf(url, sizeof url, "http://127.0.0.1:%lld/events", (long long)numbers[1]);
    AUTO(http_stream) *up = NULL;
    struct http_call call = {
        .url = {url, (size_t)n}, .deadline = USEC_NEVER, .max_body = SIZE_MAX / 2};
    Str piece;
    Err e;

    TRY(http_open(req->a, &call, &up));
    res_header(res, S("Cache-Control"), S("no-cache"));
    TRY(res_begin(res, http_stream_status(up), S("text/event-stream")));
    while ((e = http_read(up, &piece)) == OK)
        TRY(res_write(res, piece));
    return e == E_EOF ? res_end(res) : e;
}

/* ---- clients ---- */

static size_t n_open, n_events, n_failed;

static Err read_stream(void *arg)
{
    AUTO(arena) *a = arena_new(KIB(64));
    AUTO(http_stream) *s = NULL;
    char url[64];
    int n = snprintf(url, sizeof url, "http://127.0.0.1:%lld/events", (long long)numbers[0]);
    struct http_call call = {
        .url = {url, (size_t)n}, .deadline = USEC_NEVER, .max_body = SIZE_MAX / 2};
    Str piece;
    Err e = http_open(a, &call, &s);

    (void)arg;
    if (e == OK && http_stream_status(s) == 200) {
        TRY(http_read(s, &piece));
        n_open++;
        while ((e = http_read(s, &piece)) == OK)
            n_events += (piece.n + 110) / 220;
    }
    if (e != E_CANCELLED) {
        n_failed++;
        if (n_failed == 1)
            fprintf(stderr, "a stream ended: %s\n", err_text(e));
    }
    return OK;
}

static Err clients(void *arg)
{
    FIBER_GROUP(g, 0, false);
    size_t total = (size_t)numbers[1];

    (void)arg;
    for (size_t i = 0; i < total; i++) {
        TRY(fiber_group_start(&g, "client", read_stream, NULL));
        if (i % 50 == 49)
            TRY(fiber_sleep(5 * USEC_MS));
    }
    while (n_open + n_failed < total)
        TRY(fiber_sleep(20 * USEC_MS));
    TRY(fiber_sleep(USEC_S));
    printf("start\n"); /* the script reads the proxy's CPU time at each of these lines */
    fflush(stdout);
    size_t before = n_events;
    TRY(fiber_sleep(numbers[2] * USEC_S));
    printf("end %zu %zu\n", n_events - before, n_failed);
    fflush(stdout);
    TRY(fiber_sleep(300 * USEC_MS));
    return OK;
}

/* ---- */

static const struct route upstream_routes[] = {
    {HTTP_GET, "/events", get_events, .kind = ROUTE_SSE, .rate = RATE_NONE}, {0}};
static const struct route proxy_routes[] = {
    {HTTP_GET, "/events", get_proxied, .kind = ROUTE_SSE, .rate = RATE_NONE}, {0}};

static Err serve(void *arg)
{
    AUTO(router) *router = router_new();
    struct http_server *server;
    struct http_server_options options = {
        .host = S("127.0.0.1"), .port = (uint16_t)numbers[0], .router = router};

    router_add(router, arg);
    TRY(http_server_new(&options, &server));
    printf("ready\n");
    fflush(stdout);
    Err e = fiber_sleep(USEC_DAY);
    (void)e; /* the script kills it */
    http_server_free(server);
    return OK;
}

int main(int argc, char **argv)
{
    struct rt_options rt = {.shards = 1, .workers = 1};
    Str mode = str_c(argc > 1 ? argv[1] : "");

    for (int i = 2; i < argc && i < 5; i++)
        if (str_to_i64(str_c(argv[i]), &numbers[i - 2]) != OK)
            DIE("%s is not a number", argv[i]);
    if (str_eq(mode, S("upstream")) && argc == 4)
        return rt_main(&rt, serve, (void *)(uintptr_t)upstream_routes) != OK;
    if (str_eq(mode, S("proxy")) && argc == 4)
        return rt_main(&rt, serve, (void *)(uintptr_t)proxy_routes) != OK;
    if (str_eq(mode, S("clients")) && argc == 5)
        return rt_main(&rt, clients, NULL) != OK;
    DIE("usage: see the head of the source");
}
