/* src/net/http_own.c - the thin client: one call on one connection.
 *
 * Bytes are parsed where they were read, in the shard's shared buffer: headers go into the call's
 * arena, the body is copied once, into a buffer that the waiting fiber takes whole. When the fiber
 * does not take it, the socket is read no further. The callbacks only note what happened and wake
 * the fiber; what it means is decided there.
 */
#include "net/http_client_private.h"
#include "rt/inject.h"

enum {
    UNREAD_MAX = 32 * 1024, /* of a stream: then reading stops; one more read may have come */
    UNREAD_BUF_MAX = UNREAD_MAX + 3 * SOCK_READ_MAX,
    REQUEST_HEAD_MAX = 128 * 1024,
};

static void wake(struct http_stream *s)
{
    if (s->waiter)
        wait_end(s->waiter, OK);
}

/* ---- the socket's callbacks ---- */

static void on_read(struct sock *sock, const char *p, size_t n)
{
    struct http_stream *s = conn_of(sock);
    struct http_answer *x = &s->answer;

    if (s->idle) {
        conn_close(s); /* nobody asked */
        return;
    }
    if (!s->busy) {
        s->unasked = true;
        return;
    }
    s->last_byte = shard_now();
    http_answer_feed(x, p, n);
    if (!x->wants.collect && x->body.n >= UNREAD_MAX)
        sock_read_stop(sock);
    if (x->complete || x->error != OK || s->sending || (!x->wants.collect && x->headers_done))
        wake(s);
}

static void on_end(struct sock *sock, Err why)
{
    struct http_stream *s = conn_of(sock);
    bool in_order = why == E_EOF;

    if (s->idle) {
        conn_close(s);
        return;
    }
    if (!s->busy)
        return; /* the call that is about to begin sees it */
    http_answer_end(&s->answer, in_order,
                    in_order ? "it closed the connection before the end of its answer"
                             : sock_error(sock));
    wake(s);
}

static void on_drain(struct sock *sock)
{
    struct http_stream *s = conn_of(sock);

    s->last_byte = shard_now();
    if (s->sending)
        wake(s);
}

const struct sock_ops http_own_ops = {
    .on_ready = conn_on_ready,
    .on_read = on_read,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_closed = conn_on_closed,
};

static const Usec STALE_WITHIN = USEC_S;

/* ---- waiting ---- */

static Err stream_error(const struct http_stream *s)
{
    return err_set(s->answer.error, "%s", s->answer.why ? s->answer.why : "no answer");
}

/* Until something happened that the caller looks at. */
static Err stream_wait(struct http_stream *s)
{
    struct wait w;

    for (;;) {
        wait_init(&w);
        s->waiter = &w;
        Err e = wait_for(&w, usec_min(s->deadline, usec_add(s->last_byte, s->idle_timeout)));
        s->waiter = NULL;
        if (e == OK)
            return OK;
        Usec now = time_mono();
        if (e != E_TIMEOUT) {
            http_answer_fail(&s->answer, e, "the call was given up");
            return e;
        }
        if (now >= s->deadline || now >= fiber_deadline()) {
            http_answer_fail(&s->answer, e, "no whole answer before the deadline");
            return stream_error(s);
        }
        if (now >= usec_add(s->last_byte, s->idle_timeout)) {
            http_answer_fail(&s->answer, e, "no byte for too long");
            return stream_error(s);
        }
    }
}

/* ---- sending ---- */

static void add_line(void *ctx, Str name, Str value)
{
    struct buf *b = ctx;

    buf_add(b, name);
    buf_add(b, S(": "));
    buf_add(b, value);
    buf_add(b, S("\r\n"));
}

static void count_line(void *ctx, Str name, Str value)
{
    size_t *n = ctx;

    *n += name.n + value.n + 4;
}

/* The head of the request, in one piece of the call's arena. */
static Err request_head(const struct http_job *j, Str *ret_head)
{
    char authority[300];
    Str host = http_job_authority(j, authority, sizeof authority);
    size_t n = 64 + j->url.path.n + j->url.query.n + host.n;

    http_job_headers(j, count_line, &n);
    char *p = n <= REQUEST_HEAD_MAX ? arena_try(j->a, n) : NULL;
    if (!p)
        return err_set(E_TOO_LARGE, "the request's header has %zu bytes", n);
    struct buf b = {.p = p, .cap = n, .max = n}; /* does not grow */
    buf_add_c(&b, http_method_name(j->method));
    buf_add_char(&b, ' ');
    buf_add(&b, j->url.path);
    if (j->url.query.p) {
        buf_add_char(&b, '?');
        buf_add(&b, j->url.query);
    }
    buf_add(&b, S(" HTTP/1.1\r\nHost: "));
    buf_add(&b, host);
    buf_add(&b, S("\r\n"));
    http_job_headers(j, add_line, &b);
    buf_add(&b, S("\r\n"));
    *ret_head = buf_str(&b);
    return buf_ok(&b);
}

/* Drop what was written; false when nothing is left. */
static bool bufs_advance(uv_buf_t *bufs, unsigned n, size_t taken)
{
    size_t left = 0;

    for (unsigned i = 0; i < n; i++) {
        size_t part = taken < bufs[i].len ? taken : bufs[i].len;
        bufs[i].base += part;
        bufs[i].len -= part;
        taken -= part;
        left += bufs[i].len;
    }
    return left > 0;
}

/* Write until all is with the kernel or its queue, or an answer is there before. A connection that
 * breaks is no error here: the answer may have come nevertheless, and on_end() tells if not. */
static Err send_all(struct http_stream *s, Str head, const Str *body)
{
    uv_buf_t bufs[1 + ARRAY_LEN(((struct http_job *)0)->body)] = {
        {.base = (char *)(uintptr_t)head.p, .len = head.n}};
    unsigned n = 1;
    size_t taken;

    for (size_t i = 0; i + 1 < ARRAY_LEN(bufs); i++)
        if (body[i].n)
            bufs[n++] = (uv_buf_t){.base = (char *)(uintptr_t)body[i].p, .len = body[i].n};
    for (;;) {
        if (sock_write(&s->sock, bufs, n, &taken) != OK)
            return OK;
        if (!bufs_advance(bufs, n, taken)) {
            s->sent = true;
            return OK;
        }
        s->sending = true;
        Err e = stream_wait(s);
        s->sending = false;
        if (e != OK || s->answer.error != OK || s->answer.headers_done)
            return e;
    }
}

/* ---- a call ---- */

static void call_begin(struct http_stream *s, const struct http_job *j, bool collect)
{
    http_answer_begin(&s->answer, &(struct http_answer_wants){.a = j->a,
                                                              .max_header = j->max_header,
                                                              .max_body = j->max_body,
                                                              .is_head = j->method == HTTP_HEAD,
                                                              .collect = collect});
    s->answer.body.max = collect ? j->max_body : UNREAD_BUF_MAX;
    s->busy = true;
    s->sent = s->trimmed = false;
    s->started = j->started;
    s->deadline = j->deadline;
    s->idle_timeout = j->idle_timeout;
    s->last_byte = s->begun = time_mono();
    if (s->unasked)
        http_answer_fail(&s->answer, E_UPSTREAM, "it sent bytes before it was asked");
    else if (s->sock.ended || s->sock.broken)
        http_answer_end(&s->answer, false, sock_error(&s->sock));
}

/* The call is over: the connection is kept if nothing is left on it in either direction. */
static void call_end(struct http_stream *s)
{
    struct http_answer *x = &s->answer;
    bool keep = x->complete && x->keep && !x->more && x->error == OK && s->sent && !s->sock.ended &&
                !s->sock.broken && sock_queued(&s->sock) == 0;

    s->busy = false;
    if (keep && x->keep_span > 0) {
        buf_done(&x->body);
        buf_done(&s->piece);
        conn_keep(s, x->keep_span);
    } else {
        conn_close(s);
    }
}

/* Send, and wait for the header or for all of the answer. */
static Err call_run(struct http_stream *s, const struct http_job *j, Str head)
{
    struct http_answer *x = &s->answer;

    if (x->error == OK)
        TRY(send_all(s, head, j->body));
    while (x->error == OK && !(x->wants.collect ? x->complete : x->headers_done))
        TRY(stream_wait(s));
    /* What came before a cut is given first. */
    if (x->error != OK && (x->wants.collect || !x->headers_done || x->error != E_UPSTREAM_CUT))
        return stream_error(s);
    return OK;
}

static Err call_make(const struct http_job *j, bool collect, struct http_stream **ret_stream)
{
    Str head;

    TRY(INJECT("net.client.call"));
    TRY(request_head(j, &head));
    struct http_stream *s = conn_take(j);
    for (;;) {
        if (!s)
            TRY(conn_open(j, &s));
        call_begin(s, j, collect);
        Err e = call_run(s, j, head);
        if (e == OK) {
            *ret_stream = s;
            return OK;
        }
        /* The server may close a kept connection just when it is used; that is seen within a round
         * trip. One that closes later has had the call in hand, and may have done its work. */
        bool stale = s->reused && !s->answer.got_bytes && e == E_UPSTREAM_CUT &&
                     time_mono() - s->begun < STALE_WITHIN;
        conn_close(s);
        s = NULL;
        if (!stale || !j->idempotent)
            return err_add(e, "calling %.*s port %u", P(j->host), j->url.port);
    }
}

Err http_own_open(const struct http_job *j, struct http_stream **ret_stream)
{
    return call_make(j, false, ret_stream);
}

Err http_own_fetch(const struct http_job *j, struct http_reply *ret_reply)
{
    struct http_stream *s;
    Err e = OK;

    TRY(call_make(j, true, &s));
    struct http_answer *x = &s->answer;
    struct http_reply reply = {.status = x->status, .headers = x->headers};
    if (x->direct) {
        reply.body = (Str){x->direct, x->body_n};
    } else if (x->body.n) {
        char *p = arena_try(j->a, x->body.n);
        if (p)
            reply.body = (Str){memcpy(p, x->body.p, x->body.n), x->body.n};
        else
            e = err_set(E_TOO_LARGE, "a body of %zu bytes does not fit into memory", x->body.n);
    }
    call_end(s);
    if (e == OK)
        *ret_reply = reply;
    return e;
}

/* ---- streams ---- */

int http_stream_status(const struct http_stream *s)
{
    return s->answer.status;
}

const HttpHeaders *http_stream_headers(const struct http_stream *s)
{
    return &s->answer.headers;
}

Err http_wait(struct http_stream *s, Usec span)
{
    const struct http_answer *x = &s->answer;
    struct wait w;

    if (x->body.n || x->error != OK || x->complete)
        return OK;
    buf_done(&s->piece); /* as http_read() does */
    if (!s->trimmed)
        fiber_trim();
    s->trimmed = true;
    Usec until = usec_in(span), end = usec_add(s->last_byte, s->idle_timeout);
    end = usec_min(usec_min(s->deadline, end), fiber_deadline());
    wait_init(&w);
    s->waiter = &w;
    Err e = wait_for(&w, usec_min(until, end));
    s->waiter = NULL;
    if (e == E_TIMEOUT)
        return until < end ? E_TIMEOUT : OK; /* http_read() tells that it is over */
    if (e != OK)
        http_answer_fail(&s->answer, e, "the call was given up");
    return OK;
}

Err http_read(struct http_stream *s, Str *ret_piece)
{
    struct http_answer *x = &s->answer;

    TRY(INJECT("net.client.read"));
    buf_done(&s->piece); /* while it waits a stream holds no buffer */
    while (x->body.n == 0) {
        if (x->error != OK)
            return stream_error(s);
        if (x->complete)
            return E_EOF;
        if (!s->trimmed)
            fiber_trim(); /* opening went deep, reading does not */
        s->trimmed = true;
        TRY(stream_wait(s));
    }
    s->piece = x->body;
    x->body = BUF(UNREAD_BUF_MAX);
    if (!x->complete)
        if (!s->sock.reading)
            s->last_byte = time_mono(); /* it was us who did not read */
    sock_read_start(&s->sock);
    *ret_piece = buf_str(&s->piece);
    return OK;
}

void http_stream_free(struct http_stream *s)
{
    if (!s)
        return;
    Err e = s->answer.error != OK ? s->answer.error : s->answer.complete ? OK : E_CANCELLED;
    http_count_call(HTTP_OWN, s->started, s->answer.status, e);
    call_end(s);
}
