/* src/net/http_conn.c - one connection: its input, its phases and their deadlines.
 *
 * Callbacks parse and make exchanges; they never run a fiber. Reading stays on while a handler
 * works, so that a client that leaves is noticed at once; what it sends ahead waits in `pending`,
 * bounded. Where reading has to stop, the kernel is asked every second whether the client is still
 * there.
 *
 * One timer serves all deadlines. It is moved only to be earlier: when it fires too early it looks
 * what is due and is set again, so that the common request moves no timer at all.
 */
#include "net/http_private.h"

#include "rt/log.h"

#include <stdlib.h>

static const Usec PEER_CHECK = USEC_S;
static const Usec LINGER_TIME = 2 * USEC_S;

static struct http_conn *conn_of(struct sock *s)
{
    return (struct http_conn *)((char *)s - offsetof(struct http_conn, sock));
}

static const struct http_server_options *options(const struct http_conn *c)
{
    return &c->shard->server->o;
}

/* ---- deadlines ---- */

static void on_timer(struct timer *t);

static void arm(struct http_conn *c, Usec at)
{
    if (at == USEC_NEVER || (timer_is_running(&c->timer) && c->timer.at <= at))
        return;
    timer_start(&c->timer, at, on_timer);
}

static void enter(struct http_conn *c, enum phase phase, Usec span)
{
    c->phase = (uint8_t)phase;
    c->until = span == USEC_NEVER ? USEC_NEVER : shard_now() + span;
    arm(c, c->until);
}

/* ---- closing ---- */

void http_conn_free(struct http_conn *c)
{
    http1_done(&c->parser);
    free(c->pending);
    free(c);
}

static void on_closed(struct sock *s)
{
    struct http_conn *c = conn_of(s);
    struct http_shard *h = c->shard;

    c->closed = true;
    if (c->counted) {
        if (c->prev)
            c->prev->next = c->next;
        else
            h->conns = c->next;
        if (c->next)
            c->next->prev = c->prev;
        h->n_conns--;
        metric_add(h->connections, -1);
        atomic_fetch_sub(&h->server->open, 1);
    }
    if (!c->exch)
        http_conn_free(c);
}

static void close_now(struct http_conn *c)
{
    if (c->phase == PHASE_CLOSED)
        return;
    c->phase = PHASE_CLOSED;
    timer_stop(&c->timer);
    sock_close(&c->sock);
    wait_queue_wake_all(&c->drained, E_CLOSED);
}

void http_conn_close(struct http_conn *c)
{
    close_now(c);
}

void http_conn_drop(struct http_conn *c)
{
    close_now(c);
    if (c->exch)
        exch_gone(c->exch);
}

static void linger(struct http_conn *c)
{
    if (!c->abrupt || c->sock.tls)
        sock_shutdown(&c->sock);
    if (c->abrupt) {
        close_now(c);
        return;
    }
    enter(c, PHASE_LINGER, LINGER_TIME);
    sock_read_start(&c->sock);
}

/* No more requests: let what is written go out, then end. */
static void finish(struct http_conn *c)
{
    http_conn_clear_pending(c);
    if (sock_queued(&c->sock) == 0) {
        linger(c);
        return;
    }
    enter(c, PHASE_FLUSH, USEC_NEVER);
    sock_read_start(&c->sock); /* to see it break; what comes is dropped */
}

/* ---- writing ---- */

static void watch_queue(struct http_conn *c)
{
    if (c->stall_at || sock_queued(&c->sock) == 0)
        return;
    c->sent_seen = sock_sent(&c->sock);
    c->stall_at = shard_now() + options(c)->write_timeout;
    arm(c, c->stall_at);
}

Err http_conn_write_now(struct http_conn *c, const uv_buf_t *bufs, unsigned n, size_t *ret_taken)
{
    if (c->phase == PHASE_CLOSED)
        return err_set(E_CLOSED, "the client has left");
    Err e = sock_write(&c->sock, bufs, n, ret_taken);
    watch_queue(c);
    return e;
}

static Err wait_drained(struct http_conn *c)
{
    if (c->phase == PHASE_CLOSED)
        return err_set(E_CLOSED, "the client has left");
    return wait_queue_wait(&c->drained, USEC_NEVER);
}

Err http_conn_wait_room(struct http_conn *c, size_t n)
{
    while (sock_queued(&c->sock) + n > SOCK_QUEUE_MAX)
        TRY(wait_drained(c));
    return OK;
}

Err http_conn_write(struct http_conn *c, uv_buf_t *bufs, unsigned n)
{
    for (;;) {
        size_t taken;
        TRY(http_conn_write_now(c, bufs, n, &taken));
        while (n && taken >= bufs->len) {
            taken -= bufs->len;
            bufs++;
            n--;
        }
        if (n == 0)
            return OK;
        bufs->base += taken;
        bufs->len -= taken;
        TRY(wait_drained(c));
    }
}

static void on_drain(struct sock *s)
{
    struct http_conn *c = conn_of(s);

    c->stall_at = 0;
    wait_queue_wake_all(&c->drained, OK);
    if (c->ws)
        ws_drained(c->ws);
    if (c->phase == PHASE_FLUSH)
        linger(c);
}

/* Answer outside of any exchange, and end. */
static void refuse(struct http_conn *c, int status, const char *why)
{
    Str text = res_refusal(c->shard, status, why);
    uv_buf_t b = {.base = (char *)(uintptr_t)text.p, .len = text.n};
    size_t taken;

    exch_count(c->shard, NULL, 0, status, 0);
    LOG_DEBUG("refused a request", L_STR("remote", http_conn_remote(c)), L_INT("status", status),
              L_CSTR("why", why));
    if (http_conn_write_now(c, &b, 1, &taken) != OK || taken < text.n)
        close_now(c);
    else
        finish(c);
}

/* ---- input ---- */

static Err on_head(struct http1 *p)
{
    struct http_conn *c = (struct http_conn *)((char *)p - offsetof(struct http_conn, parser));
    c->phase = PHASE_BUSY;
    c->until = USEC_NEVER;
    return exch_begin(c);
}

static Err on_body(struct http1 *p, const char *data, size_t n)
{
    struct http_conn *c = (struct http_conn *)((char *)p - offsetof(struct http_conn, parser));
    return c->exch ? exch_body(c->exch, data, n) : OK; /* none: it is being discarded */
}

static const struct http1_ops parser_ops = {on_head, on_body};

Str http_conn_pending(struct http_conn *c)
{
    return str_from(c->pending + c->pending_at, c->pending_n - c->pending_at);
}

void http_conn_clear_pending(struct http_conn *c)
{
    free(c->pending);
    c->pending = NULL;
    c->pending_n = c->pending_at = c->pending_cap = 0;
}

/* Keep what came behind the present request. One read past PENDING_STOP is the most there can be.
 */
static void stash(struct http_conn *c, Str rest)
{
    if (c->pending_at) {
        memmove(c->pending, c->pending + c->pending_at, c->pending_n - c->pending_at);
        c->pending_n -= c->pending_at;
        c->pending_at = 0;
    }
    size_t need = c->pending_n + rest.n;
    if (need > c->pending_cap) {
        size_t cap = c->pending_cap ? c->pending_cap : 512;
        while (cap < need)
            cap *= 2;
        c->pending = realloc(c->pending, cap);
        if (!c->pending)
            DIE("out of memory");
        c->pending_cap = (uint32_t)cap;
    }
    memcpy(c->pending + c->pending_n, rest.p, rest.n);
    c->pending_n = (uint32_t)need;
}

void http_conn_update_reading(struct http_conn *c)
{
    bool want = true;

    if (c->phase == PHASE_CLOSED)
        return;
    if (c->ws)
        want = ws_wants_input(c->ws);
    else if (c->exch && !c->message_ended)
        want = c->exch->mode == BODY_WHOLE || c->exch->in.n < BODY_BUFFER;
    else
        want = c->pending_n - c->pending_at < PENDING_STOP;
    if (want == c->sock.reading)
        return;
    if (want) {
        if (c->paused_at)
            c->body_since += shard_now() - c->paused_at;
        c->paused_at = 0;
        sock_read_start(&c->sock);
    } else {
        c->paused_at = shard_now();
        sock_read_stop(&c->sock);
        arm(c, c->paused_at + PEER_CHECK);
    }
}

static void parse_failed(struct http_conn *c)
{
    if (c->exch) { /* in its body: the handler learns of it when it reads */
        c->message_ended = true;
        c->exch->keep_alive = false;
        exch_body_end(c->exch, E_BAD_INPUT);
    } else if (c->phase == PHASE_DISCARD) {
        close_now(c);
    } else {
        refuse(c, http1_status(&c->parser), http1_why(&c->parser));
    }
}

/* Parse from *in until it is used up or an exchange has all of its request. */
static void parse(struct http_conn *c, Str *in)
{
    while (in->n && !c->message_ended && c->phase <= PHASE_DISCARD) {
        bool end = false;
        if (http1_feed(&c->parser, in, &end) != OK) {
            in->n = 0;
            parse_failed(c);
            return;
        }
        if (!end)
            continue;
        if (c->exch) {
            c->message_ended = true;
            c->until = USEC_NEVER;
            exch_body_end(c->exch, OK);
        } else { /* the discarded body is through */
            http1_next(&c->parser);
            enter(c, PHASE_IDLE, options(c)->idle_timeout);
        }
    }
    if (c->phase == PHASE_IDLE && !http1_is_idle(&c->parser)) {
        enter(c, PHASE_HEAD, options(c)->header_timeout);
    } else if (c->phase == PHASE_BUSY && !c->message_ended && c->until == USEC_NEVER) {
        c->body_since = shard_now();
        enter(c, PHASE_BUSY, options(c)->body_timeout);
    }
}

static void on_read(struct sock *s, const char *p, size_t n)
{
    struct http_conn *c = conn_of(s);
    Str in = {p, n};

    if (c->phase == PHASE_FLUSH || c->phase == PHASE_LINGER) {
        c->lingered += (uint32_t)n;
        if (c->lingered > LINGER_MAX)
            close_now(c);
        return;
    }
    if (c->ws) {
        ws_input(c->ws, p, n);
        http_conn_update_reading(c);
        return;
    }
    if (c->pending_n == 0)
        parse(c, &in);
    if (in.n && c->phase <= PHASE_DISCARD)
        stash(c, in);
    http_conn_update_reading(c);
}

static void on_end(struct sock *s, Err why)
{
    struct http_conn *c = conn_of(s);

    if (c->phase == PHASE_FLUSH && why == E_EOF) {
        c->abrupt = true; /* it waits for the answer: nothing to linger for */
        return;
    }
    if (c->ws)
        ws_gone(c->ws);
    http_conn_drop(c);
}

static void on_ready(struct sock *s, Err e)
{
    struct http_conn *c = conn_of(s);
    if (e != OK) {
        LOG_DEBUG("TLS handshake failed", L_STR("remote", http_conn_remote(c)),
                  L_CSTR("why", sock_error(s)));
        close_now(c);
    }
}

/* Requests that came ahead, after the present one has ended. */
static void resume(void *arg)
{
    struct http_conn *c = arg;
    Str in = http_conn_pending(c);
    size_t before = in.n;

    if (c->phase == PHASE_CLOSED)
        return; /* its memory stays until the handle's own callback, in a later turn */
    parse(c, &in);
    if (c->phase > PHASE_DISCARD)
        return; /* refused: pending is gone */
    c->pending_at += (uint32_t)(before - in.n);
    if (c->pending_at == c->pending_n)
        http_conn_clear_pending(c);
    http_conn_update_reading(c);
}

void http_conn_exch_ended(struct http_conn *c, bool keep_alive, Usec now)
{
    if (c->phase == PHASE_CLOSED) {
        if (c->closed)
            http_conn_free(c);
        return;
    }
    if (!keep_alive || atomic_load_explicit(&c->shard->server->draining, memory_order_relaxed)) {
        c->abrupt = c->message_ended && c->pending_n == 0 && !c->must_linger;
        finish(c);
        return;
    }
    if (!c->message_ended) {
        enter(c, PHASE_DISCARD, options(c)->body_timeout);
    } else {
        http1_next(&c->parser);
        c->message_ended = false;
        /* Not enter(): a timer from before serves, and finds out when it fires. */
        c->phase = PHASE_IDLE;
        c->until = now + options(c)->idle_timeout;
        if (!timer_is_running(&c->timer))
            arm(c, c->until);
        if (c->pending_n) {
            shard_defer(resume, c);
            return;
        }
    }
    http_conn_update_reading(c);
}

void http_conn_drain(struct http_conn *c)
{
    if (c->phase == PHASE_IDLE || c->phase == PHASE_DISCARD)
        close_now(c);
}

/* ---- deadlines that passed ---- */

/* The body must come at 1 KiB/s on average, after a grace. */
static Usec body_deadline(const struct http_conn *c)
{
    const struct exch *x = c->exch;
    return c->body_since + options(c)->body_timeout + (Usec)(x->received / 1024) * USEC_S;
}

static void phase_expired(struct http_conn *c)
{
    switch (c->phase) {
    case PHASE_HEAD:
        refuse(c, 408, "The request header did not come in time.");
        break;
    case PHASE_BUSY:
        if (c->message_ended || !c->sock.reading) {
            c->until = c->message_ended ? USEC_NEVER : shard_now() + PEER_CHECK;
        } else if (body_deadline(c) > shard_now()) {
            c->until = body_deadline(c);
        } else {
            c->until = USEC_NEVER;
            c->exch->body_late = true;
            c->exch->keep_alive = false;
            exch_body_end(c->exch, E_TIMEOUT);
        }
        break;
    default:
        http_conn_drop(c);
    }
}

static void check_stall(struct http_conn *c, Usec now)
{
    uint64_t sent = sock_sent(&c->sock);

    if (sent != c->sent_seen) {
        c->sent_seen = sent;
        c->stall_at = now + options(c)->write_timeout;
        return;
    }
    LOG_DEBUG("dropped a client that does not read", L_STR("remote", http_conn_remote(c)),
              L_INT("queued", sock_queued(&c->sock)));
    http_conn_drop(c);
}

static void on_timer(struct timer *t)
{
    struct http_conn *c = (struct http_conn *)((char *)t - offsetof(struct http_conn, timer));
    Usec now = shard_now();

    if (c->until <= now)
        phase_expired(c);
    if (c->phase != PHASE_CLOSED && c->stall_at && c->stall_at <= now)
        check_stall(c, now);
    if (c->phase == PHASE_BUSY && !c->sock.reading) {
        if (sock_peer_gone(&c->sock)) {
            if (c->ws)
                ws_gone(c->ws);
            http_conn_drop(c);
        } else {
            arm(c, now + PEER_CHECK);
        }
    }
    if (c->phase == PHASE_CLOSED)
        return;
    arm(c, c->until);
    if (c->stall_at)
        arm(c, c->stall_at);
}

/* ---- accepting ---- */

static const struct sock_ops sock_ops = {
    .on_ready = on_ready,
    .on_read = on_read,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

static void count_in(struct http_shard *h, struct http_conn *c)
{
    c->counted = true;
    c->next = h->conns;
    if (h->conns)
        h->conns->prev = c;
    h->conns = c;
    h->n_conns++;
    metric_add(h->connections, 1);
    atomic_fetch_add(&h->server->open, 1);
}

void http_conn_on_connection(uv_stream_t *listener, int status)
{
    struct http_shard *h = listener->data;

    if (status < 0) {
        if (shard_now() - h->warned_at >
            USEC_S) /* out of files: it comes for each that is refused */
            LOG_WARN("connections cannot be accepted", L_CSTR("why", uv_strerror(status)));
        h->warned_at = shard_now();
        return;
    }
    struct http_conn *c = calloc(1, sizeof *c);
    if (!c)
        DIE("out of memory");
    c->shard = h;
    sock_init(&c->sock, &sock_ops);
    http1_init(&c->parser, &parser_ops, &h->server->limits);
    if (sock_accept(&c->sock, listener) != OK) {
        close_now(c);
        return;
    }
    count_in(h, c);
    enter(c, PHASE_IDLE, h->server->o.header_timeout);
    if (h->tls)
        sock_tls_server(&c->sock, h->tls);
    sock_read_start(&c->sock);
    if (h->n_conns > h->server->o.max_conns) {
        if (h->tls)
            close_now(c);
        else
            refuse(c, 503, "The server has as many connections as it may; try again later.");
    }
}

Str http_conn_remote(struct http_conn *c)
{
    if (c->remote_n == 0)
        c->remote_n = (uint8_t)sock_peer(&c->sock, c->remote, sizeof c->remote).n;
    return str_from(c->remote, c->remote_n);
}
