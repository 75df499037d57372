/* src/net/sock.c - sockets on libuv: shared read buffer, try-write first, bounded queue. */
#include "net/sock.h"

#include "base/buf.h"
#include "rt/shard.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>

/* Two buffers: one is with the kernel, the other collects meanwhile. */
struct sock_queue {
    uv_write_t req;
    struct sock *s;
    struct buf flight, next;
    bool busy;
};

struct sock_connect {
    uv_connect_t req;
    struct sock *s; /* NULL once the socket was closed */
    int error;
};

static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static pthread_key_t scratch_key;
static _Thread_local struct sock_scratch *scratch;

static void make_scratch_key(void)
{
    if (pthread_key_create(&scratch_key, free))
        DIE("no thread key");
}

struct sock_scratch *sock_scratch(void)
{
    if (__builtin_expect(!scratch, 0)) {
        pthread_once(&scratch_once, make_scratch_key);
        scratch = malloc(sizeof *scratch);
        if (!scratch || pthread_setspecific(scratch_key, scratch))
            DIE("out of memory");
        scratch->out_n = 0;
    }
    return scratch;
}

void sock_init(struct sock *s, const struct sock_ops *ops)
{
    memset(s, 0, sizeof *s);
    s->ops = ops;
    if (uv_tcp_init(shard_loop(), &s->tcp))
        DIE("uv_tcp_init");
    s->tcp.data = s;
}

Err sock_accept(struct sock *s, uv_stream_t *listener)
{
    int e = uv_accept(listener, (uv_stream_t *)&s->tcp);
    if (e)
        return err_set(E_CLOSED, "accept: %s", uv_strerror(e));
    /* Answers are written whole; waiting for more would only add latency. Failing is harmless. */
    (void)uv_tcp_nodelay(&s->tcp, 1);
    return OK;
}

/* ---- connecting ---- */

static void tell_ready(struct sock *s, Err e)
{
    if (!s->closing && s->ops->on_ready)
        s->ops->on_ready(s, e);
}

static void connect_done(struct sock_connect *c)
{
    struct sock *s = c->s;
    int error = c->error;

    free(c);
    if (!s)
        return;
    s->connect = NULL;
    if (error) {
        s->error = error;
        s->broken = true;
        tell_ready(s, E_CONNECT);
        return;
    }
    (void)uv_tcp_nodelay(&s->tcp, 1); /* as in sock_accept */
    tell_ready(s, OK);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct sock_connect *c = req->data;
    c->error = status;
    connect_done(c);
}

static void connect_failed(void *arg)
{
    connect_done(arg);
}

void sock_connect(struct sock *s, const struct sockaddr *sa)
{
    struct sock_connect *c = calloc(1, sizeof *c);
    if (!c)
        DIE("out of memory");
    c->s = s;
    c->req.data = c;
    s->connect = c;
    c->error = uv_tcp_connect(&c->req, &s->tcp, sa, on_connect);
    if (c->error)
        shard_defer(connect_failed, c);
}

void sock_tls_client(struct sock *s, struct tls_ctx *ctx, const char *host)
{
    s->tls = tls_new(ctx, s, host);
    sock_read_start(s);
    tls_start(s->tls);
}

void sock_tls_server(struct sock *s, struct tls_ctx *ctx)
{
    s->tls = tls_new(ctx, s, NULL);
}

/* ---- reading ---- */

static void give_buffer(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
    (void)h, (void)hint;
    ret->base = sock_scratch()->read;
    ret->len = SOCK_READ_MAX;
}

void sock_tell_end(struct sock *s, Err why)
{
    if (s->ended || s->closing)
        return;
    s->ended = true;
    if (why == E_CLOSED)
        s->broken = true;
    sock_read_stop(s);
    s->ops->on_end(s, why);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct sock *s = stream->data;

    if (n > 0) {
        if (s->tls)
            tls_input(s->tls, buf->base, (size_t)n);
        else
            s->ops->on_read(s, buf->base, (size_t)n);
    } else if (n < 0) {
        if (n != UV_EOF)
            s->error = (int)n;
        if (s->tls)
            tls_input(s->tls, NULL, 0);
        else
            sock_tell_end(s, n == UV_EOF ? E_EOF : E_CLOSED);
    }
}

void sock_read_start(struct sock *s)
{
    if (s->reading || s->closing || s->ended)
        return;
    if (uv_read_start((uv_stream_t *)&s->tcp, give_buffer, on_read) == 0)
        s->reading = true;
}

void sock_read_stop(struct sock *s)
{
    if (!s->reading)
        return;
    s->reading = false;
    uv_read_stop((uv_stream_t *)&s->tcp);
}

bool sock_peer_gone(struct sock *s)
{
    struct tcp_info info;
    socklen_t n = sizeof info;
    uv_os_fd_t fd;

    if (s->closing || s->ended || s->broken)
        return true;
    if (uv_fileno((uv_handle_t *)&s->tcp, &fd) || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n))
        return true;
    return info.tcpi_state != TCP_ESTABLISHED && info.tcpi_state != TCP_SYN_RECV &&
           info.tcpi_state != TCP_FIN_WAIT1 && info.tcpi_state != TCP_FIN_WAIT2;
}

/* ---- writing ---- */

static void on_shut(uv_shutdown_t *req, int status)
{
    (void)status; /* a connection that cannot be shut is broken: the reading side tells */
    free(req);
}

static void shut_now(struct sock *s)
{
    uv_shutdown_t *req = malloc(sizeof *req);
    if (!req)
        DIE("out of memory");
    if (uv_shutdown(req, (uv_stream_t *)&s->tcp, on_shut))
        free(req);
}

static void queue_free(struct sock *s)
{
    if (!s->queue)
        return;
    buf_done(&s->queue->flight);
    buf_done(&s->queue->next);
    free(s->queue);
    s->queue = NULL;
}

static void write_broken(struct sock *s, int error)
{
    if (!s->broken)
        s->error = error;
    s->broken = true;
}

static void on_written(uv_write_t *req, int status);

static void queue_send(struct sock_queue *q)
{
    struct buf empty = q->flight;
    q->flight = q->next;
    q->next = empty;
    buf_reset(&q->next);
    uv_buf_t b = uv_buf_init(q->flight.p, (unsigned)q->flight.n);
    int e = uv_write(&q->req, (uv_stream_t *)&q->s->tcp, &b, 1, on_written);
    q->busy = e == 0;
    if (e)
        write_broken(q->s, e);
}

static void on_written(uv_write_t *req, int status)
{
    struct sock *s = req->handle->data;
    struct sock_queue *q = s->queue;

    q->busy = false;
    if (s->closing)
        return; /* on_close frees the queue */
    if (status < 0) {
        write_broken(s, status);
        queue_free(s);
        sock_tell_end(s, E_CLOSED);
        return;
    }
    if (q->next.n) {
        queue_send(q);
        return;
    }
    queue_free(s);
    if (s->shutting)
        shut_now(s);
    if (s->ops->on_drain)
        s->ops->on_drain(s);
}

static struct buf *queue_get(struct sock *s)
{
    if (!s->queue) {
        s->queue = calloc(1, sizeof *s->queue);
        if (!s->queue)
            DIE("out of memory");
        s->queue->s = s;
        buf_init(&s->queue->flight, MIB(1));
        buf_init(&s->queue->next, MIB(1));
    }
    return &s->queue->next;
}

static void queue_add(struct sock *s, const char *p, size_t n)
{
    buf_add(queue_get(s), str_from(p, n));
    s->raw += n;
    if (buf_ok(&s->queue->next) != OK)
        DIE("write queue of %zu bytes", s->queue->next.n); /* callers keep to SOCK_QUEUE_MAX */
}

size_t sock_queued(const struct sock *s)
{
    if (!s->queue)
        return 0;
    return s->queue->next.n + uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp);
}

uint64_t sock_sent(const struct sock *s)
{
    return s->raw - sock_queued(s);
}

/* Hand @bufs to the kernel if nothing waits before them; gives how much it took. Not
 * uv_try_write(): send() on a socket is some percent of a small request cheaper than write(). */
static size_t try_write(struct sock *s, const uv_buf_t *bufs, unsigned n)
{
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)bufs, .msg_iovlen = n};
    uv_os_fd_t fd;
    ssize_t r;

    static_assert(sizeof(uv_buf_t) == sizeof(struct iovec) &&
                  offsetof(uv_buf_t, len) == offsetof(struct iovec, iov_len));
    if (s->queue || uv_fileno((uv_handle_t *)&s->tcp, &fd))
        return 0;
    do {
        r = n == 1 ? send(fd, bufs->base, bufs->len, MSG_NOSIGNAL | MSG_DONTWAIT)
                   : sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (r < 0 && errno == EINTR);
    if (r < 0 && errno != EAGAIN && errno != ENOBUFS)
        write_broken(s, uv_translate_sys_error(errno));
    s->raw += r > 0 ? (uint64_t)r : 0;
    return r > 0 ? (size_t)r : 0;
}

void sock_write_raw(struct sock *s, const char *p, size_t n)
{
    uv_buf_t b = {.base = (char *)(uintptr_t)p, .len = n};

    if (s->broken || s->closing || n == 0)
        return;
    size_t done = try_write(s, &b, 1);
    if (s->broken || done == n)
        return;
    queue_add(s, p + done, n - done);
    if (!s->queue->busy)
        queue_send(s->queue);
}

static Err write_plain(struct sock *s, const uv_buf_t *bufs, unsigned n, size_t *ret_taken)
{
    size_t done = try_write(s, bufs, n), taken = done;

    if (s->broken)
        return err_set(E_CLOSED, "write: %s", sock_error(s));
    for (unsigned i = 0; i < n; i++) {
        if (done >= bufs[i].len) {
            done -= bufs[i].len;
            continue;
        }
        size_t queued = sock_queued(s), want = bufs[i].len - done;
        size_t room = queued < SOCK_QUEUE_MAX ? SOCK_QUEUE_MAX - queued : 0;
        size_t part = want < room ? want : room;
        if (part)
            queue_add(s, bufs[i].base + done, part);
        taken += part;
        if (part < want)
            break;
        done = 0;
    }
    if (s->queue && !s->queue->busy)
        queue_send(s->queue);
    *ret_taken = taken;
    return OK;
}

static Err write_tls(struct sock *s, const uv_buf_t *bufs, unsigned n, size_t *ret_taken)
{
    struct sock_scratch *t = sock_scratch();
    size_t total = 0, taken = 0;

    for (unsigned i = 0; i < n; i++)
        total += bufs[i].len;
    if (n > 1 && total <= sizeof t->join) {
        size_t at = 0;
        for (unsigned i = 0; i < n; i++) {
            memcpy(t->join + at, bufs[i].base, bufs[i].len);
            at += bufs[i].len;
        }
        return tls_write(s->tls, t->join, total, ret_taken);
    }
    for (unsigned i = 0; i < n; i++) {
        size_t part;
        TRY(tls_write(s->tls, bufs[i].base, bufs[i].len, &part));
        taken += part;
        if (part < bufs[i].len)
            break;
    }
    *ret_taken = taken;
    return OK;
}

Err sock_write(struct sock *s, const uv_buf_t *bufs, unsigned n, size_t *ret_taken)
{
    if (s->closing || s->broken || s->shutting)
        return err_set(E_CLOSED, "write on a closed connection");
    return s->tls ? write_tls(s, bufs, n, ret_taken) : write_plain(s, bufs, n, ret_taken);
}

void sock_shutdown(struct sock *s)
{
    if (s->shutting || s->closing || s->broken)
        return;
    if (s->tls)
        tls_shutdown(s->tls);
    s->shutting = true;
    if (!s->queue)
        shut_now(s);
}

/* ---- closing ---- */

static void on_close(uv_handle_t *h)
{
    struct sock *s = h->data;
    queue_free(s);
    tls_free(s->tls);
    s->tls = NULL;
    s->ops->on_closed(s);
}

void sock_close(struct sock *s)
{
    if (s->closing)
        return;
    s->closing = true;
    s->reading = false;
    if (s->connect) {
        s->connect->s = NULL;
        s->connect = NULL;
    }
    uv_close((uv_handle_t *)&s->tcp, on_close);
}

bool sock_closing(const struct sock *s)
{
    return s->closing;
}

const char *sock_error(const struct sock *s)
{
    const char *text = s->tls ? tls_error(s->tls) : NULL;
    if (text)
        return text;
    return s->error ? uv_strerror(s->error) : "the peer closed the connection";
}

Str sock_peer(const struct sock *s, char *out, size_t size)
{
    struct sockaddr_storage sa;
    int n = sizeof sa, e = 0;

    out[0] = 0;
    if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&sa, &n))
        return S("");
    if (sa.ss_family == AF_INET6)
        e = uv_ip6_name((struct sockaddr_in6 *)&sa, out, size);
    else if (sa.ss_family == AF_INET)
        e = uv_ip4_name((struct sockaddr_in *)&sa, out, size);
    if (e)
        out[0] = 0;
    return str_c(out);
}
