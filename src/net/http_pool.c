/* src/net/http_pool.c - the thin client's connections: made, kept for the next call, given up.
 *
 * Each shard keeps its own. A connection is kept under scheme, host, port and TLS settings; the
 * address it leads to is checked anew against the rules of each call that takes it. While it is
 * kept its socket is read, so that an end of the peer is seen at once.
 */
#include "base/map.h"
#include "net/http_client_private.h"
#include "rt/inject.h"
#include "rt/metric.h"
#include "rt/timer.h"
#include "rt/work.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    IDLE_PER_HOST_MAX = 256,
    IDLE_MAX = 1024,
    CONNS_MAX = 16384,
    ADDRS_MAX = 8,
    KEY_MAX = 1536,
    CA_FILE_MAX = 1024,
    TLS_CTX_MAX = 32,
};

/* A second address is tried beside the first one after this (RFC 8305 section 8). */
static const Usec RACE_STEP = 250 * USEC_MS;
static const Usec SWEEP_STEP = USEC_S;
static const Usec TLS_CTX_AGE = 10 * USEC_MIN;

struct conn_host {
    struct http_stream *first, *last;
    size_t n_idle, n_conns;
    char key[];
};

/* Of one shard. */
struct pool {
    struct map *hosts;
    struct http_stream *first, *last; /* idle */
    size_t n_idle, n_conns;
    struct timer sweep;
};

struct conn_race {
    struct http_stream *at[ADDRS_MAX];
    size_t started, failed;
    struct http_stream *won;
    struct wait *waiter;
    char why[128];
};

static _Thread_local struct pool *pool;

static struct metric open_conns = {"heddle_upstream_connections",
                                   "Open connections of the thin client.", METRIC_GAUGE, NULL};

static void count_conns(int change)
{
    static _Atomic(struct metric_series *) series;
    struct metric_series *s = atomic_load_explicit(&series, memory_order_relaxed);

    if (!s) {
        s = metric_series(&open_conns);
        atomic_store_explicit(&series, s, memory_order_relaxed);
    }
    metric_add(s, change);
}

/* ---- keeping ---- */

static void pool_stop(void *arg)
{
    struct pool *p = arg;

    while (p->first)
        conn_close(p->first);
    timer_stop(&p->sweep);
    map_free(p->hosts, free);
    free(p);
    pool = NULL;
}

static struct pool *pool_get(void)
{
    if (!pool) {
        pool = calloc(1, sizeof *pool);
        if (!pool)
            DIE("out of memory");
        pool->hosts = map_new();
        shard_on_stop(pool_stop, pool);
    }
    return pool;
}

/* What must be equal for a connection to be used again; empty: the text is too long. */
static Str key_of(const struct http_job *j, char *out)
{
    struct buf b = {.p = out, .cap = KEY_MAX, .max = KEY_MAX};

    buf_add(&b, !j->url.tls ? S("http ") : j->call->insecure_tls ? S("unverified ") : S("https "));
    buf_add(&b, j->host);
    buf_add_char(&b, ' ');
    buf_add_u64(&b, j->url.port);
    if (j->url.tls && j->call->ca_file.n) {
        buf_add_char(&b, ' ');
        buf_add(&b, j->call->ca_file);
    }
    return b.failed ? S("") : buf_str(&b);
}

static struct conn_host *host_get(Str key)
{
    struct pool *p = pool_get();
    struct conn_host *h = map_get(p->hosts, key);

    if (h)
        return h;
    h = calloc(1, sizeof *h + key.n + 1);
    if (!h)
        DIE("out of memory");
    memcpy(h->key, key.p, key.n);
    map_put(p->hosts, key, h);
    return h;
}

static void host_forget_if_unused(struct conn_host *h)
{
    if (h->n_conns == 0) {
        map_take(pool->hosts, str_c(h->key));
        free(h);
    }
}

static void idle_unlink(struct http_stream *c)
{
    struct conn_host *h = c->host;

    *(c->prev ? &c->prev->next : &pool->first) = c->next;
    *(c->next ? &c->next->prev : &pool->last) = c->prev;
    *(c->host_prev ? &c->host_prev->host_next : &h->first) = c->host_next;
    *(c->host_next ? &c->host_next->host_prev : &h->last) = c->host_prev;
    c->next = c->prev = c->host_next = c->host_prev = NULL;
    c->idle = false;
    h->n_idle--;
    pool->n_idle--;
}

static void idle_link(struct http_stream *c)
{
    struct conn_host *h = c->host;

    c->next = pool->first;
    *(pool->first ? &pool->first->prev : &pool->last) = c;
    pool->first = c;
    c->host_next = h->first;
    *(h->first ? &h->first->host_prev : &h->last) = c;
    h->first = c;
    c->idle = true;
    h->n_idle++;
    pool->n_idle++;
}

static void sweep(struct timer *t)
{
    struct http_stream *next;
    Usec now = shard_now();

    for (struct http_stream *c = pool->first; c; c = next) {
        next = c->next;
        if (c->idle_until <= now)
            conn_close(c);
    }
    if (pool->first)
        timer_start(t, usec_in(SWEEP_STEP), sweep);
}

void conn_keep(struct http_stream *c, Usec span)
{
    c->idle_until = usec_add(shard_now(), span);
    c->reused = true;
    idle_link(c);
    sock_read_start(&c->sock);
    if (c->host->n_idle > IDLE_PER_HOST_MAX)
        conn_close(c->host->last);
    else if (pool->n_idle > IDLE_MAX)
        conn_close(pool->last);
    if (!timer_is_running(&pool->sweep))
        timer_start(&pool->sweep, usec_in(SWEEP_STEP), sweep);
}

struct http_stream *conn_take(const struct http_job *j)
{
    char text[KEY_MAX];
    Str key = key_of(j, text);
    struct conn_host *h = key.n ? map_get(pool_get()->hosts, key) : NULL;
    Usec now = shard_now();

    for (struct http_stream *c = h ? h->first : NULL, *next; c; c = next) {
        next = c->host_next;
        if (egress_check(j->call->egress, j->host, j->url.port, &c->addr.sa) != OK)
            continue;
        idle_unlink(c);
        /* A call that must not be sent twice is not put on a connection that is known to be dead.
         */
        if (c->idle_until > now && (j->idempotent || !sock_peer_gone(&c->sock)))
            return c;
        conn_close(c); /* may free h, unless another one keeps it */
        if (!next)
            break;
    }
    return NULL;
}

void conn_close(struct http_stream *c)
{
    if (c->idle)
        idle_unlink(c);
    if (c->host) {
        c->host->n_conns--;
        host_forget_if_unused(c->host);
        c->host = NULL;
    }
    if (!sock_closing(&c->sock)) {
        pool->n_conns--;
        count_conns(-1);
    }
    sock_close(&c->sock);
}

void conn_on_closed(struct sock *s)
{
    struct http_stream *c = conn_of(s);

    buf_done(&c->answer.body);
    buf_done(&c->piece);
    free(c);
}

void http_client_close_idle(void)
{
    while (pool && pool->first)
        conn_close(pool->first);
    http_curl_close_idle();
}

/* ---- connecting ---- */

static struct http_stream *conn_new(void)
{
    struct http_stream *c = calloc(1, sizeof *c);

    if (!c)
        DIE("out of memory");
    sock_init(&c->sock, &http_own_ops);
    pool_get()->n_conns++;
    count_conns(1);
    return c;
}

static void race_wake(struct conn_race *r)
{
    if (r->waiter)
        wait_end(r->waiter, OK);
}

/* A connection stands or failed; or, later, its TLS session. */
void conn_on_ready(struct sock *s, Err e)
{
    struct http_stream *c = conn_of(s);
    struct conn_race *r = c->race;

    c->is_ready = true;
    c->ready_error = e;
    if (!r)
        return;
    if (e != OK) {
        r->failed++;
        snprintf(r->why, sizeof r->why, "%s", sock_error(s));
    } else if (!r->won) {
        r->won = c;
    }
    race_wake(r);
}

static Err race_wait(struct conn_race *r, Usec deadline)
{
    struct wait w;

    wait_init(&w);
    r->waiter = &w;
    Err e = wait_for(&w, deadline);
    r->waiter = NULL;
    return e;
}

static void race_start_next(struct conn_race *r, const struct egress_addr *addrs)
{
    struct http_stream *c = conn_new();
    const struct egress_addr *to = &addrs[r->started];

    c->race = r;
    memcpy(&c->addr, &to->sa, to->n < sizeof c->addr ? to->n : sizeof c->addr);
    r->at[r->started++] = c;
    sock_connect(&c->sock, &c->addr.sa);
}

/* Until one connection stands. Another address is tried when the last one failed or is slow. */
static Err race_run(struct conn_race *r, const struct egress_addr *addrs, size_t n, Usec deadline)
{
    Usec next_at = 0;

    while (!r->won) {
        if (r->failed == n)
            return err_set(E_CONNECT, "%s", r->why);
        Usec now = time_mono();
        if (r->started < n && (r->started == r->failed || now >= next_at)) {
            race_start_next(r, addrs);
            next_at = now + RACE_STEP;
            continue;
        }
        Usec until = r->started < n ? usec_min(deadline, next_at) : deadline;
        Err e = race_wait(r, until);
        if (e != OK && (e != E_TIMEOUT || time_mono() >= deadline))
            return e;
    }
    return OK;
}

static Err race(const struct egress_addr *addrs, size_t n, Usec deadline, struct http_stream **ret)
{
    struct conn_race r = {0};
    Err e = race_run(&r, addrs, n, deadline);

    for (size_t i = 0; i < r.started; i++) {
        r.at[i]->race = NULL;
        if (e != OK || r.at[i] != r.won)
            conn_close(r.at[i]);
    }
    if (e == OK)
        *ret = r.won;
    return e;
}

/* ---- TLS ---- */

static pthread_mutex_t ctx_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ctx_entry {
    struct tls_ctx *ctx;
    Usec until;
    bool insecure;
    char ca_file[CA_FILE_MAX];
} ctx_table[TLS_CTX_MAX];

struct ctx_job {
    Str ca_file;
    bool insecure;
    struct tls_ctx *ctx;
};

static Err ctx_load(void *arg)
{
    struct ctx_job *job = arg;
    return tls_ctx_client(job->ca_file, job->insecure, &job->ctx);
}

/* The entry for these settings, else the one to be replaced. */
static struct ctx_entry *ctx_find(Str ca_file, bool insecure, bool *ret_found)
{
    struct ctx_entry *oldest = &ctx_table[0];

    *ret_found = true;
    for (size_t i = 0; i < TLS_CTX_MAX; i++) {
        struct ctx_entry *t = &ctx_table[i];
        if (t->ctx && t->insecure == insecure && str_eq(str_c(t->ca_file), ca_file))
            return t;
        if (t->until < oldest->until)
            oldest = t;
    }
    *ret_found = false;
    return oldest;
}

/* Loading reads the system's authorities, some milliseconds: shared by all shards, and read anew
 * from time to time so that changed files take effect. */
Err conn_tls_ctx(Str ca_file, bool insecure, struct tls_ctx **ret_ctx)
{
    struct ctx_job job = {.ca_file = ca_file, .insecure = insecure};
    bool found;

    if (ca_file.n >= CA_FILE_MAX)
        return err_set(E_INVALID, "the path of the authority file is too long");
    pthread_mutex_lock(&ctx_lock);
    struct ctx_entry *t = ctx_find(ca_file, insecure, &found);
    if (found && t->until > time_mono()) {
        *ret_ctx = tls_ctx_ref(t->ctx);
        pthread_mutex_unlock(&ctx_lock);
        return OK;
    }
    pthread_mutex_unlock(&ctx_lock);

    TRY(work_run(ctx_load, &job));
    pthread_mutex_lock(&ctx_lock);
    t = ctx_find(ca_file, insecure, &found);
    tls_ctx_unref(t->ctx);
    *t = (struct ctx_entry){.ctx = job.ctx, .until = usec_in(TLS_CTX_AGE), .insecure = insecure};
    if (ca_file.n)
        memcpy(t->ca_file, ca_file.p, ca_file.n);
    *ret_ctx = tls_ctx_ref(job.ctx);
    pthread_mutex_unlock(&ctx_lock);
    return OK;
}

static Err tls_begin(struct http_stream *c, const struct http_job *j, struct tls_ctx *ctx,
                     Usec deadline)
{
    char host[256];
    struct conn_race r = {.at = {c}, .started = 1};
    Err e = OK;

    snprintf(host, sizeof host, "%.*s", P(j->host));
    c->is_ready = false;
    c->race = &r;
    sock_tls_client(&c->sock, ctx, host);
    while (e == OK && !c->is_ready)
        e = race_wait(&r, deadline);
    c->race = NULL;
    if (e == OK && c->ready_error != OK)
        e = err_set(E_CONNECT, "%s", r.why);
    return e;
}

/* ---- the whole way ---- */

static Err conn_connect(const struct http_job *j, Usec deadline, struct http_stream **ret_conn)
{
    struct egress_addr addrs[ADDRS_MAX];
    AUTO(tls_ctx) *ctx = NULL;
    struct http_stream *c;
    size_t n;

    TRY(INJECT("net.client.connect"));
    TRY(egress_resolve(j->call->egress, j->host, j->url.port, deadline, addrs, ADDRS_MAX, &n));
    if (j->url.tls)
        TRY(conn_tls_ctx(j->call->ca_file, j->call->insecure_tls, &ctx));
    if (pool_get()->n_conns >= CONNS_MAX)
        return err_set(E_OVERLOADED, "%d outbound connections are open", CONNS_MAX);
    TRY(race(addrs, n, deadline, &c));
    if (ctx) {
        Err e = tls_begin(c, j, ctx, deadline);
        if (e != OK) {
            conn_close(c);
            return e;
        }
    }
    *ret_conn = c;
    return OK;
}

Err conn_open(const struct http_job *j, struct http_stream **ret_conn)
{
    char text[KEY_MAX];
    Str key = key_of(j, text);
    Usec started = time_mono(), limit = usec_min(j->deadline, fiber_deadline());
    Usec deadline = usec_min(limit, usec_add(started, j->connect_timeout));
    struct http_stream *c = NULL;

    if (!key.n)
        return err_set(E_INVALID, "the path of the authority file is too long");
    Err e = conn_connect(j, deadline, &c);
    if (e == E_TIMEOUT && time_mono() < limit) /* nothing was sent: the call may be tried again */
        return err_set(E_CONNECT, "%.*s did not answer within %lld ms", P(j->host),
                       (long long)(j->connect_timeout / USEC_MS));
    if (e != OK)
        return err_add(e, "connecting to %.*s port %u", P(j->host), j->url.port);
    http_count_connect(HTTP_OWN, started);
    c->host = host_get(key);
    c->host->n_conns++;
    sock_read_start(&c->sock);
    *ret_conn = c;
    return OK;
}
