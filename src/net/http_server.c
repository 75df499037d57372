/* src/net/http_server.c - listeners on every shard, drain, certificate reload.
 *
 * Each shard has a listener of its own on the same port (SO_REUSEPORT): the kernel spreads
 * connections, and none ever changes shards. Because that option would also let a second server
 * share the port unseen, the port is tried without it first.
 */
#include "net/http_private.h"

#include "rt/log.h"
#include "rt/work.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static const Usec POLL = 5 * USEC_MS;
static const Usec AFTER_CANCEL = 5 * USEC_S;

/* ---- calling a function on another shard and waiting for it ---- */

struct errand {
    Err (*fn)(struct http_server *s, unsigned i, void *arg);
    struct http_server *server;
    unsigned i;
    void *arg;
    struct shard *home;
    struct wait wait;
    Err result;
    struct err_record error;
};

static void run_errand(void *arg)
{
    struct errand *e = arg;
    e->result = e->fn(e->server, e->i, e->arg);
    if (e->result != OK)
        e->error = *err_record();
    wait_end_from(e->home, &e->wait, OK);
}

static Err on_shard(struct http_server *s, unsigned i,
                    Err (*fn)(struct http_server *s, unsigned i, void *arg), void *arg)
{
    AUTO(arena) *a = arena_new(KIB(16)); /* an error record is too large for a frame */
    struct errand *e = arena_new_of(a, struct errand);

    *e = (struct errand){.fn = fn, .server = s, .i = i, .arg = arg, .home = shard_self()};
    wait_init(&e->wait);
    shard_post(shard_at(i), run_errand, e);
    fiber_shield();
    Err w = wait_for(&e->wait, USEC_NEVER);
    fiber_unshield();
    if (w != OK)
        DIE("a shielded wait for a shard ended with %s", err_name(w));
    if (e->result != OK)
        *err_record() = e->error;
    return e->result;
}

static void on_every_shard(struct http_server *s,
                           Err (*fn)(struct http_server *s, unsigned i, void *arg), void *arg)
{
    for (unsigned i = 0; i < s->n_shards; i++)
        if (s->shards[i])
            (void)on_shard(s, i, fn, arg); /* those used here cannot fail */
}

/* ---- listening ---- */

struct address {
    struct sockaddr_storage sa;
    socklen_t n;
    const char *host;
};

static Err resolve(void *arg)
{
    struct address *to = arg;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
    int e = getaddrinfo(to->host, NULL, &hints, &found);

    if (e)
        return err_detail(E_INVALID, "Cannot listen on \"%s\": %s.", to->host, gai_strerror(e));
    memcpy(&to->sa, found->ai_addr, found->ai_addrlen);
    to->n = found->ai_addrlen;
    freeaddrinfo(found);
    return OK;
}

static void set_port(struct address *to, uint16_t port)
{
    if (to->sa.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&to->sa)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&to->sa)->sin_port = htons(port);
}

static Err cannot_listen(const struct address *to, uint16_t port, int error)
{
    return err_detail(error == EADDRINUSE ? E_EXISTS : E_IO, "Cannot listen on %s port %d: %s.",
                      to->host, port, strerror(error));
}

/* A bound socket; *fd is closed on failure. */
static int bind_socket(const struct address *to, bool shared, int *ret_fd)
{
    int yes = 1;
    int fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes)) ||
        bind(fd, (const struct sockaddr *)&to->sa, to->n) || (!shared && listen(fd, 1))) {
        int error = errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

static Err try_port(struct address *to, uint16_t port)
{
    int fd = -1, error;

    set_port(to, port);
    error = bind_socket(to, false, &fd);
    if (error)
        return cannot_listen(to, port, error);
    close(fd);
    return OK;
}

static uint16_t bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } sa = {0};
    socklen_t n = sizeof sa;

    if (getsockname(fd, &sa.any, &n))
        return 0;
    return ntohs(sa.any.sa_family == AF_INET6 ? sa.v6.sin6_port : sa.v4.sin_port);
}

static struct metric connections = {
    .name = "heddle_http_connections",
    .help = "Open connections of clients.",
    .kind = METRIC_GAUGE,
};

/* Runs on shard @i. */
static Err listen_here(struct http_server *s, unsigned i, void *arg)
{
    struct address *to = arg;
    int fd = -1, error = bind_socket(to, true, &fd);

    if (error)
        return cannot_listen(to, s->port, error);
    struct http_shard *h = calloc(1, sizeof *h);
    if (!h)
        DIE("out of memory");
    h->server = s;
    h->shard = shard_self();
    h->connections = metric_series(&connections);
    h->listener.data = h;
    h->tls = s->tls ? tls_ctx_ref(s->tls) : NULL;
    buf_init(&h->head, HEAD_MAX);
    if (uv_tcp_init(shard_loop(), &h->listener))
        DIE("uv_tcp_init");
    h->listening = true;
    atomic_fetch_add(&s->open, 1);
    s->shards[i] = h;
    if (s->port == 0) {
        s->port = bound_port(fd);
        set_port(to, s->port);
    }
    error = uv_tcp_open(&h->listener, fd);
    if (error)
        close(fd);
    else
        error = uv_listen((uv_stream_t *)&h->listener, BACKLOG, http_conn_on_connection);
    if (error)
        return cannot_listen(to, s->port, -error);
    return OK;
}

static Err listen_on_all(struct http_server *s)
{
    struct address to = {.host = str_dup_c(s->a, s->o.host)};

    TRY(work_run(resolve, &to));
    if (s->o.port)
        TRY(try_port(&to, s->o.port));
    s->port = s->o.port;
    set_port(&to, s->port);
    for (unsigned i = 0; i < s->n_shards; i++)
        TRY(on_shard(s, i, listen_here, &to));
    return OK;
}

/* ---- certificates ---- */

struct load {
    Str cert, key;
    struct tls_ctx *ctx;
};

static Err load_tls(void *arg)
{
    struct load *l = arg;
    return tls_ctx_server(l->cert, l->key, &l->ctx);
}

static Err use_tls(struct http_server *s, unsigned i, void *arg)
{
    struct http_shard *h = s->shards[i];
    if (h->tls)
        tls_ctx_unref(h->tls);
    h->tls = tls_ctx_ref(arg);
    return OK;
}

Err http_server_reload_tls(struct http_server *s)
{
    struct load l = {.cert = s->o.tls_cert, .key = s->o.tls_key};

    if (l.cert.n == 0 && l.key.n == 0)
        return OK;
    TRY(work_run(load_tls, &l));
    on_every_shard(s, use_tls, l.ctx);
    tls_ctx_unref(l.ctx);
    return OK;
}

/* ---- beginning ---- */

static void fill_defaults(struct http_server_options *o)
{
    o->max_header = o->max_header ? o->max_header : KIB(32);
    o->max_headers = o->max_headers ? o->max_headers : 100;
    if (o->max_headers > HTTP1_FIELDS_MAX)
        o->max_headers = HTTP1_FIELDS_MAX;
    o->max_conns = o->max_conns ? o->max_conns : 60000;
    o->max_bodies = o->max_bodies ? o->max_bodies : MIB(512);
    o->header_timeout = o->header_timeout ? o->header_timeout : 10 * USEC_S;
    o->body_timeout = o->body_timeout ? o->body_timeout : 20 * USEC_S;
    o->idle_timeout = o->idle_timeout ? o->idle_timeout : 75 * USEC_S;
    o->write_timeout = o->write_timeout ? o->write_timeout : 30 * USEC_S;
    o->request_timeout = o->request_timeout ? o->request_timeout : 120 * USEC_S;
}

static Err begin(struct http_server *s)
{
    if ((s->o.tls_cert.n == 0) != (s->o.tls_key.n == 0))
        return err_detail(E_INVALID, "TLS needs both a certificate and a key.");
    TRY(origin_parse(s, s->o.trusted_proxies));
    /* The certificate is read before the first listener stands, and given to it before it accepts:
     * no connection is taken in plain by mistake. */
    struct load l = {.cert = s->o.tls_cert, .key = s->o.tls_key};
    if (l.cert.n)
        TRY(work_run(load_tls, &l));
    s->tls = l.ctx;
    return listen_on_all(s);
}

Err http_server_new(const struct http_server_options *options, struct http_server **ret_server)
{
    struct http_server *s = calloc(1, sizeof *s);

    if (!s)
        DIE("out of memory");
    s->a = arena_new(MIB(1));
    s->o = *options;
    s->o.host = str_dup(s->a, options->host);
    s->o.tls_cert = str_dup(s->a, options->tls_cert);
    s->o.tls_key = str_dup(s->a, options->tls_key);
    fill_defaults(&s->o);
    s->limits = (struct http1_limits){.max_header = s->o.max_header,
                                      .max_target = s->o.max_header / 4,
                                      .max_headers = s->o.max_headers};
    s->n_shards = shard_count();
    s->shards = arena_array(s->a, struct http_shard *, s->n_shards);
    Err e = begin(s);
    if (e != OK) {
        AUTO(arena) *a = arena_new(KIB(16));
        struct err_record *kept = arena_new_of(a, struct err_record);
        *kept = *err_record();
        http_server_free(s);
        *err_record() = *kept;
        return e;
    }
    *ret_server = s;
    return OK;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

bool http_server_draining(const struct http_server *s)
{
    return atomic_load_explicit(&s->draining, memory_order_relaxed);
}

/* ---- ending ---- */

static void on_listener_closed(uv_handle_t *listener)
{
    struct http_shard *h = listener->data;
    atomic_fetch_sub(&h->server->open, 1);
}

static Err stop_here(struct http_server *s, unsigned i, void *arg)
{
    struct http_shard *h = s->shards[i];

    (void)arg;
    if (h->listening)
        uv_close((uv_handle_t *)&h->listener, on_listener_closed);
    h->listening = false;
    for (struct http_conn *c = h->conns; c; c = c->next)
        http_conn_drain(c);
    return OK;
}

static Err cancel_here(struct http_server *s, unsigned i, void *arg)
{
    (void)arg;
    for (struct http_conn *c = s->shards[i]->conns; c; c = c->next) {
        if (c->exch)
            fiber_cancel(c->exch->fiber);
        else if (c->phase < PHASE_FLUSH)
            http_conn_drop(c);
    }
    return OK;
}

static Err drop_here(struct http_server *s, unsigned i, void *arg)
{
    (void)arg;
    for (struct http_conn *c = s->shards[i]->conns; c; c = c->next)
        http_conn_drop(c);
    return OK;
}

static bool wait_closed(struct http_server *s, Usec until)
{
    while (atomic_load(&s->open)) {
        if (time_mono() >= until)
            return false;
        if (fiber_sleep(POLL) != OK)
            DIE("a shielded sleep was woken");
    }
    return true;
}

void http_server_refuse(struct http_server *s)
{
    atomic_store(&s->draining, true);
}

void http_server_drain(struct http_server *s, Usec grace)
{
    atomic_store(&s->draining, true);
    fiber_shield();
    on_every_shard(s, stop_here, NULL);
    if (!wait_closed(s, usec_in(grace))) {
        on_every_shard(s, cancel_here, NULL);
        if (!wait_closed(s, usec_in(AFTER_CANCEL))) {
            on_every_shard(s, drop_here, NULL);
            (void)wait_closed(s, USEC_NEVER);
        }
    }
    fiber_unshield();
}

static Err free_here(struct http_server *s, unsigned i, void *arg)
{
    struct http_shard *h = s->shards[i];

    (void)arg;
    exch_free_spares(h);
    buf_done(&h->head);
    if (h->tls)
        tls_ctx_unref(h->tls);
    free(h);
    s->shards[i] = NULL;
    return OK;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    http_server_drain(s, 0);
    on_every_shard(s, free_here, NULL);
    if (s->tls)
        tls_ctx_unref(s->tls);
    arena_free(s->a);
    free(s);
}
