/* src/net/http_exch.c - an exchange: one request and its answer, driven by one fiber.
 *
 * The connection makes it when a head is complete; the fiber checks who calls and what for, runs
 * the handler, and answers in its place when it fails. Exchanges and arenas are kept for use again:
 * a request that needs no more than the first chunk of its arena allocates nothing.
 */
#include "net/http_private.h"

#include "rt/log.h"

#include <stdlib.h>

enum {
    SPARE_EXCHS = 64,
    SPARE_BUFFER = 4096,
    BODY_COUNTED =
        64 * 1024, /* smaller ones are bounded well enough by the number of connections */
    HEAD_IN_ARENA =
        640, /* more would be the second chunk of the arena, for as long as a stream lives */
    /* Limits on input keep a request far below; a megabyte of JSON may become some tens as values.
     */
    ARENA_MAX = 512 << 20,
    REQUEST_ID_LONGEST = 40,
};

/* ---- making and keeping ---- */

static struct arena *take_arena(struct http_shard *h)
{
    return h->n_spare_arenas ? h->spare_arenas[--h->n_spare_arenas] : arena_new(ARENA_MAX);
}

static void give_arena(struct http_shard *h, struct arena *a)
{
    if (h->n_spare_arenas == ARRAY_LEN(h->spare_arenas)) {
        arena_free(a);
        return;
    }
    arena_reset(a);
    h->spare_arenas[h->n_spare_arenas++] = a;
}

static struct exch *take_exch(struct http_shard *h)
{
    struct exch *x = h->spare_exchs;

    if (x) {
        struct buf in = x->in;
        h->spare_exchs = x->next_spare;
        h->n_spare_exchs--;
        memset(x, 0, sizeof *x);
        x->in = in;
        buf_reset(&x->in);
    } else {
        x = calloc(1, sizeof *x);
        if (!x)
            DIE("out of memory");
    }
    return x;
}

static bool is_open(const struct exch *x)
{
    return !x->req.route || !x->req.route->capability;
}

static void uncount_body(struct exch *x, struct http_server *s)
{
    if (x->counted)
        atomic_fetch_sub_explicit(&s->bodies, x->counted, memory_order_relaxed);
    if (x->counted && is_open(x))
        atomic_fetch_sub_explicit(&s->open_bodies, x->counted, memory_order_relaxed);
    x->counted = 0;
}

static void give_exch(struct http_shard *h, struct exch *x)
{
    uncount_body(x, h->server);
    buf_done(&x->out);
    free(x->head);
    x->head = NULL;
    if (x->in.cap > SPARE_BUFFER)
        buf_done(&x->in);
    if (h->n_spare_exchs == SPARE_EXCHS) {
        buf_done(&x->in);
        free(x);
        return;
    }
    x->next_spare = h->spare_exchs;
    h->spare_exchs = x;
    h->n_spare_exchs++;
}

void exch_free_spares(struct http_shard *h)
{
    while (h->n_spare_arenas)
        arena_free(h->spare_arenas[--h->n_spare_arenas]);
    while (h->spare_exchs) {
        struct exch *x = h->spare_exchs;
        h->spare_exchs = x->next_spare;
        buf_done(&x->in);
        free(x);
    }
    h->n_spare_exchs = 0;
}

/* ---- beginning ---- */

static bool id_is_sane(Str id)
{
    if (id.n == 0 || id.n > REQUEST_ID_LONGEST)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

static void refuse_early(struct exch *x, Err e)
{
    x->early = e;
    x->early_text = str_dup(x->req.a, str_c(err_client_text(e)));
}

static void find_route(struct exch *x)
{
    struct req *r = &x->req;
    Err e = router_find(x->conn->shard->server->o.router, r, &x->allowed);

    if (e != OK && e != E_NOT_FOUND && e != E_METHOD)
        refuse_early(x, err_set(E_BAD_INPUT, "the path cannot be routed"));
    if (!r->route)
        return;
    if (r->route->max_body)
        x->max_body = r->route->max_body;
    if (x->content_length > 0 && (uint64_t)x->content_length > x->max_body)
        refuse_early(x, err_detail(E_TOO_LARGE, "The body may have %zu bytes here.", x->max_body));
}

/* A block of the head's exact size. */
static void *head_block(struct exch *x, size_t n)
{
    void *p;

    if (n <= HEAD_IN_ARENA)
        return arena_try(x->req.a, n);
    p = x->head = malloc(n);
    if (!p)
        DIE("out of memory");
    return p;
}

static Err exch_main(void *arg);

Err exch_begin(struct http_conn *c)
{
    struct http_shard *h = c->shard;
    struct exch *x = take_exch(h);
    struct req *r = &x->req;
    struct http1_head head;

    c->exch = x;
    x->conn = r->conn = c;
    r->a = take_arena(h);
    http1_take_head(&c->parser, head_block(x, http1_head_size(&c->parser)), &head);
    r->method = head.method;
    r->target = head.target;
    r->headers = head.headers;
    r->app = h->server->o.app;
    r->started = time_mono();
    x->content_length = head.content_length;
    x->body_done = !head.chunked && head.content_length <= 0;
    x->expect = head.expect_continue && !x->body_done;
    x->keep_alive = head.keep_alive;
    x->http10 = head.minor == 0;
    x->max_body = DEFAULT_MAX_BODY;
    res_init(&x->res, x);
    Str id = req_header(r, S("x-request-id"));
    r->request_id = id_is_sane(id) ? id : id_str(r->a, id_new());
    if (http1_target(r->a, head.target, head.host, &r->raw_path, &r->path, &r->query) != OK)
        refuse_early(x, E_BAD_INPUT);
    else if (head.method == 0)
        refuse_early(x, err_detail(E_UNSUPPORTED, "The request method is not known here."));
    else
        find_route(x);
    x->in.max = x->max_body;
    atomic_fetch_add_explicit(&h->server->open, 1, memory_order_relaxed);
    x->fiber = fiber_start_ref(r->route ? r->route->path : "http", exch_main, x);
    return OK;
}

/* ---- the body ---- */

static void wake_reader(struct exch *x)
{
    if (x->body_wait)
        wait_end(x->body_wait, OK);
}

/* Whether the server has room for what the body has grown to: many callers at once must not take
 * all memory, and those whom nobody knows not the room of the others. */
static bool bodies_fit(struct exch *x)
{
    enum { OPEN_SHARE = 4 };
    struct http_server *s = x->conn->shard->server;

    if (x->in.cap <= BODY_COUNTED || x->in.cap <= x->counted)
        return true;
    size_t more = x->in.cap - x->counted;
    x->counted = x->in.cap;
    bool open_fits =
        !is_open(x) ||
        atomic_fetch_add_explicit(&s->open_bodies, more, memory_order_relaxed) + more <=
            s->o.max_bodies / OPEN_SHARE;
    return open_fits & (atomic_fetch_add_explicit(&s->bodies, more, memory_order_relaxed) + more <=
                        s->o.max_bodies);
}

Err exch_body(struct exch *x, const char *data, size_t n)
{
    if (x->body_error != OK)
        return OK; /* refused already: what still comes is dropped */
    x->received += n;
    if (x->received > x->max_body) {
        x->keep_alive = false;
        exch_body_end(x, E_TOO_LARGE);
        return OK;
    }
    if (x->in.cap == 0 && x->content_length > 0 && x->content_length <= BODY_BUFFER)
        (void)buf_room(&x->in, (size_t)x->content_length); /* in one piece */
    buf_add(&x->in, str_from(data, n));
    if (!bodies_fit(x)) {
        buf_done(&x->in);
        uncount_body(x, x->conn->shard->server);
        x->keep_alive = false;
        exch_body_end(x, E_OVERLOADED);
        return OK;
    }
    wake_reader(x);
    return OK;
}

void exch_body_end(struct exch *x, Err e)
{
    if (e == OK && x->body_error == OK)
        x->body_done = true;
    else if (x->body_error == OK && !x->body_done)
        x->body_error = e;
    wake_reader(x);
}

void exch_gone(struct exch *x)
{
    x->gone = true;
    exch_body_end(x, E_CLOSED);
    fiber_cancel(x->fiber);
}

/* ---- the fiber ---- */

static void allow_header(struct exch *x)
{
    AUTO_BUF(b, 256);

    for (unsigned bits = x->allowed; bits; bits &= bits - 1) {
        if (b.n)
            buf_add(&b, S(", "));
        buf_add_c(&b, http_method_name(bits & -bits));
    }
    res_header(&x->res, S("Allow"), str_dup(x->req.a, buf_str(&b)));
}

static Err no_route(struct exch *x)
{
    const struct http_server_options *o = &x->conn->shard->server->o;

    if (str_eq(x->req.path, S("*")) && x->req.method == HTTP_OPTIONS)
        x->allowed = HTTP_ANY_METHOD;
    if (x->allowed) {
        allow_header(x);
        if (x->req.method == HTTP_OPTIONS)
            return res_empty(&x->res, 204);
        return err_set(E_METHOD, "%s is not offered", http_method_name(x->req.method));
    }
    if (o->fallback)
        return o->fallback(&x->req, &x->res);
    return err_set(E_NOT_FOUND, "no route");
}

/* Who calls? A route that anyone may call takes a bad credential for none. */
static Err authenticate(struct exch *x)
{
    const struct http_server_options *o = &x->conn->shard->server->o;
    struct req *r = &x->req;
    bool needed = r->route->capability != NULL;

    if (!needed && !req_header(r, S("authorization")).p && !req_header(r, S("cookie")).p)
        return OK;
    if (o->authenticate) {
        Err e = o->authenticate(r);
        if (e == E_CANCELLED || (e != OK && needed))
            return e;
        if (e != OK) {
            r->who = (struct who){0};
            err_record()->code = OK; /* else the record would be kept as long as a stream lives */
        }
    } else if (needed) {
        return err_set(E_UNAUTHORIZED, "nobody is known to this server");
    }
    if (!who_may(&r->who, r->route->capability))
        return err_detail(E_FORBIDDEN, "This needs the capability %s.", r->route->capability);
    return OK;
}

static Err run(struct exch *x)
{
    const struct http_server_options *o = &x->conn->shard->server->o;
    struct req *r = &x->req;

    origin_fill(x);
    if (x->early != OK)
        return err_detail(x->early, "%.*s", P(x->early_text));
    if (http_server_draining(x->conn->shard->server) && !(r->route && r->route->during_drain))
        return err_set(E_SHUTDOWN, "new work while the server drains");
    if (!r->route)
        return no_route(x);
    TRY(authenticate(x));
    if (o->admit && r->route->rate != RATE_NONE)
        TRY(o->admit(r, r->route->rate));
    TRY(r->route->fn(r, &x->res));
    if (x->res.status == 0)
        return err_set(E_INTERNAL, "the handler of %s did not answer", r->route->path);
    return OK;
}

static uint32_t series_hash(const struct route *route, unsigned method, unsigned status)
{
    uint64_t h = ((uint64_t)(uintptr_t)route >> 4) * 31 + method * 7 + status;
    return (uint32_t)(h * 0x9E3779B97F4A7C15u >> 56);
}

static struct metric requests_total = {
    .name = "heddle_http_requests_total",
    .help = "Requests answered.",
    .kind = METRIC_COUNTER,
    .labels = "method,route,status",
};
static struct metric request_seconds = {
    .name = "heddle_http_request_duration_seconds",
    .help = "From a request's head to the end of its answer.",
    .kind = METRIC_HISTOGRAM,
    .labels = "route",
};

void exch_count(struct http_shard *h, const struct route *route, enum http_method method,
                int status, Usec took)
{
    struct http_series *s = &h->series[series_hash(route, method, (unsigned)status)];

    if (!s->requests || s->route != route || s->method != method || s->status != status) {
        const char *path = route ? route->path : "(none)";
        char text[8];
        snprintf(text, sizeof text, "%d", status);
        s->route = route;
        s->method = (uint16_t)method;
        s->status = (uint16_t)status;
        s->requests = metric_series(&requests_total, http_method_name(method), path, text);
        s->seconds = metric_series(&request_seconds, path);
    }
    metric_add(s->requests, 1);
    metric_observe(s->seconds, (double)took / (double)USEC_S);
}

static void account(struct exch *x, Err e, Usec now)
{
    struct req *r = &x->req;
    int status = x->res.status ? x->res.status : 499;
    Usec took = now - r->started;

    exch_count(x->conn->shard, r->route, r->method, status, took);
    if (status >= 500 && status != 501 && status != 503 && !x->gone && !x->res.expected)
        LOG_ERROR("a request failed", L_CSTR("method", http_method_name(r->method)),
                  L_STR("path", r->path), L_INT("status", status), L_ERR(e));
    else
        LOG_DEBUG("answered", L_CSTR("method", http_method_name(r->method)), L_STR("path", r->path),
                  L_INT("status", status), L_INT("us", took), L_STR("remote", r->remote),
                  L_CSTR("error", e == OK ? "" : err_name(e)));
}

static void end(struct exch *x, Usec now)
{
    struct http_conn *c = x->conn;
    struct http_shard *h = c->shard;
    struct http_server *s = h->server;
    struct arena *a = x->req.a;
    bool keep = x->keep_alive && !x->res.cut;

    c->exch = NULL;
    fiber_unref(x->fiber);
    give_exch(h, x);
    give_arena(h, a);
    http_conn_exch_ended(c, keep, now);
    atomic_fetch_sub_explicit(&s->open, 1, memory_order_release);
}

static Err exch_main(void *arg)
{
    struct exch *x = arg;
    struct http_conn *c = x->conn;
    const struct route *route = x->req.route;

    fiber_request_id_set(x->req.request_id);
    if (!route || route->kind == ROUTE_PLAIN)
        fiber_deadline_set(usec_add(x->req.started, c->shard->server->o.request_timeout));
    Err e = run(x);

    /* The answer goes out even when the request was cancelled or late; the write deadline bounds
     * it. */
    fiber_shield();
    if (c->ws)
        ws_end(c->ws, e);
    else
        res_finish(&x->res, e);
    Usec now = time_mono();
    account(x, e, now);
    end(x, now);
    fiber_unshield();
    return OK;
}
