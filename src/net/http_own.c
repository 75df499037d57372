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
    BUF_KEPT = 1024,          /* a piece's memory above this is freed with the piece */
    BODY_AT_ONCE = 64 * 1024, /* bodies of this announced length go to the arena directly */
    HEADER_OVERHEAD = 32,     /* counted for each field beside its text */
    REQUEST_HEAD_MAX = 128 * 1024,
};

/* How long a connection is kept when the server does not say; Node's servers say 5 s. */
static const Usec KEEP_SPAN = 55 * USEC_S;

static void wake(struct http_stream *s)
{
    if (s->x.waiter)
        wait_end(s->x.waiter, OK);
}

/* ---- the parser's callbacks ---- */

static struct http_stream *stream_of(llhttp_t *p)
{
    return (struct http_stream *)((char *)p - offsetof(struct http_stream, parser));
}

static int fail(struct http_stream *s, Err e, const char *why)
{
    if (s->x.error == OK) {
        s->x.error = e;
        s->x.why = why;
    }
    return HPE_USER;
}

/* Count header bytes of all kinds: fields, trailers, interim answers. */
static bool header_fits(struct http_stream *s, size_t n)
{
    s->x.header_bytes += n;
    return s->x.header_bytes <= s->x.max_header;
}

static bool text_append(struct http_stream *s, Str *text, const char *at, size_t n, bool lower)
{
    char *p = text->n ? arena_grow(s->x.a, (void *)(uintptr_t)text->p, text->n, text->n + n)
                      : arena_try(s->x.a, n);
    if (!p)
        return false;
    char *to = p + text->n;
    for (size_t i = 0; lower && i < n; i++)
        to[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i]);
    if (!lower)
        memcpy(to, at, n);
    *text = (Str){p, text->n + n};
    return true;
}

/* A new field; the list is grown by hand because its length comes from outside. */
static bool header_new(struct http_stream *s)
{
    HttpHeaders *h = &s->x.headers;

    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 16, size = sizeof *h->at;
        void *at = h->cap ? arena_grow(s->x.a, h->at, h->cap * size, cap * size)
                          : arena_try(s->x.a, cap * size);
        if (!at)
            return false;
        h->at = at;
        h->cap = cap;
    }
    s->x.header = &h->at[h->n++];
    *s->x.header = (struct http_header){0};
    return header_fits(s, HEADER_OVERHEAD);
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
    struct http_stream *s = stream_of(p);

    if (s->x.headers_done) /* a trailer: only counted */
        return header_fits(s, n) ? 0 : fail(s, E_TOO_LARGE, "its trailers are too large");
    if ((s->x.field_done || !s->x.header) && !header_new(s))
        return fail(s, E_TOO_LARGE, "its header is too large");
    s->x.field_done = false;
    if (!header_fits(s, n) || (n && !text_append(s, &s->x.header->name, at, n, true)))
        return fail(s, E_TOO_LARGE, "its header is too large");
    return 0;
}

static int on_field_complete(llhttp_t *p)
{
    struct http_stream *s = stream_of(p);

    s->x.field_done = true;
    return s->x.headers_done && !header_fits(s, HEADER_OVERHEAD)
               ? fail(s, E_TOO_LARGE, "its trailers are too large")
               : 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct http_stream *s = stream_of(p);

    if (!header_fits(s, n))
        return fail(s, E_TOO_LARGE, "its header is too large");
    if (!s->x.headers_done && n && !text_append(s, &s->x.header->value, at, n, false))
        return fail(s, E_TOO_LARGE, "its header is too large");
    return 0;
}

static int on_status(llhttp_t *p, const char *at, size_t n)
{
    struct http_stream *s = stream_of(p);

    (void)at;
    return header_fits(s, n) ? 0 : fail(s, E_TOO_LARGE, "its header is too large");
}

static bool is_interim(int status)
{
    return status < 200;
}

/* The answer's own wish how long to keep the connection, one second less. */
static Usec keep_span(const HttpHeaders *h)
{
    Str list = http_header_get(h, S("keep-alive")), item;
    int64_t seconds;

    while (http_list_next(&list, &item)) {
        if (!str_starts_nocase(item, S("timeout=")))
            continue;
        if (str_to_i64(str_skip(item, 8), &seconds) != OK || seconds < 0 || seconds > 3600)
            return 0;
        return usec_min(KEEP_SPAN, (seconds - 1) * USEC_S);
    }
    return KEEP_SPAN;
}

static int on_headers_complete(llhttp_t *p)
{
    struct http_stream *s = stream_of(p);

    s->x.status = p->status_code;
    s->x.header = NULL;
    s->x.field_done = false;
    if (s->x.status == 101 || s->x.status < 100)
        return fail(s, E_UPSTREAM, "it switched to another protocol");
    if (is_interim(s->x.status))
        return 1; /* without a body */
    if (p->http_major != 1)
        return fail(s, E_UPSTREAM, "it speaks another version of HTTP");
    for (size_t i = 0; i < s->x.headers.n; i++) {
        struct http_header *h = &s->x.headers.at[i];
        if (!h->name.n || h->name.p[h->name.n - 1] == ' ') /* the parser lets these two pass */
            return fail(s, E_UPSTREAM, "it sent a bad header field");
        h->value = str_trim(h->value);
    }
    Str coding = http_header_get(&s->x.headers, S("transfer-encoding"));
    if (coding.p && !str_eq_nocase(coding, S("chunked")))
        return fail(s, E_UPSTREAM, "it used a transfer coding that was not asked for");
    s->x.headers_done = true;
    s->x.keep_span = keep_span(&s->x.headers);
    if (s->x.is_head || s->x.status == 204 || s->x.status == 304)
        return 1;
    if ((p->flags & F_CONTENT_LENGTH) && p->content_length > s->x.max_body)
        return fail(s, E_TOO_LARGE, "its body is larger than allowed");
    if (s->x.collecting && (p->flags & F_CONTENT_LENGTH) && p->content_length <= BODY_AT_ONCE) {
        /* The length is small enough to be believed: no second copy. */
        char *to = p->content_length ? arena_try(s->x.a, p->content_length) : NULL;
        if (p->content_length && !to)
            return fail(s, E_TOO_LARGE, "its body does not fit into memory");
        s->x.direct = to;
    }
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http_stream *s = stream_of(p);

    s->x.body_bytes += n;
    if (s->x.body_bytes > s->x.max_body)
        return fail(s, E_TOO_LARGE, "its body is larger than allowed");
    if (s->x.direct) {
        memcpy(s->x.direct + s->x.body_bytes - n, at, n);
        return 0;
    }
    buf_add(&s->in, (Str){at, n});
    return s->in.failed ? fail(s, E_TOO_LARGE, "its body does not fit into memory") : 0;
}

static int on_message_complete(llhttp_t *p)
{
    struct http_stream *s = stream_of(p);

    if (is_interim(s->x.status)) {
        s->x.headers.n = 0;
        return 0;
    }
    s->x.complete = true;
    s->x.keep = llhttp_should_keep_alive(p);
    return HPE_PAUSED; /* what follows is none of ours */
}

static const llhttp_settings_t settings = {
    .on_status = on_status,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- the socket's callbacks ---- */

static void on_read(struct sock *sock, const char *p, size_t n)
{
    struct http_stream *s = conn_of(sock);
    struct http_exchange *x = &s->x;

    if (s->idle) {
        conn_close(s); /* nobody asked */
        return;
    }
    if (!x->a || x->complete || x->error != OK) {
        s->unasked = true;
        return;
    }
    x->got_bytes = true;
    x->last_byte = shard_now();
    llhttp_errno_t e = llhttp_execute(&s->parser, p, n);
    if (e == HPE_PAUSED && x->complete)
        s->unasked = llhttp_get_error_pos(&s->parser) != p + n;
    else if (e != HPE_OK)
        fail(s, E_UPSTREAM, llhttp_get_error_reason(&s->parser));
    if (!x->collecting && s->in.n >= UNREAD_MAX)
        sock_read_stop(sock);
    if (x->complete || x->error != OK || x->sending || (!x->collecting && x->headers_done))
        wake(s);
}

static void on_end(struct sock *sock, Err why)
{
    struct http_stream *s = conn_of(sock);
    struct http_exchange *x = &s->x;

    if (s->idle) {
        conn_close(s);
        return;
    }
    if (!x->a)
        return; /* the call that is about to begin sees it */
    if (!x->complete && x->error == OK && x->got_bytes && why == E_EOF)
        (void)llhttp_finish(&s->parser); /* completes a body that ends with the connection */
    if (!x->complete)
        fail(s, E_UPSTREAM_CUT,
             why == E_EOF ? "it closed the connection before the end of its answer"
                          : sock_error(sock));
    wake(s);
}

static void on_drain(struct sock *sock)
{
    struct http_stream *s = conn_of(sock);

    s->x.last_byte = shard_now();
    if (s->x.sending)
        wake(s);
}

const struct sock_ops http_own_ops = {
    .on_ready = conn_on_ready,
    .on_read = on_read,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_closed = conn_on_closed,
};

/* ---- waiting ---- */

static Err stream_error(struct http_stream *s)
{
    return err_set(s->x.error, "%s", s->x.why ? s->x.why : "no answer");
}

/* Until something happened that the caller looks at. */
static Err stream_wait(struct http_stream *s)
{
    struct wait w;

    for (;;) {
        Usec idle_end = usec_add(s->x.last_byte, s->x.idle_timeout);
        wait_init(&w);
        s->x.waiter = &w;
        Err e = wait_for(&w, usec_min(s->x.deadline, idle_end));
        s->x.waiter = NULL;
        if (e != E_TIMEOUT)
            return e;
        Usec now = time_mono();
        if (now >= s->x.deadline || now >= fiber_deadline())
            return err_set(E_TIMEOUT, "no whole answer before the deadline");
        if (now >= usec_add(s->x.last_byte, s->x.idle_timeout))
            return err_set(E_TIMEOUT, "no byte for %lld ms",
                           (long long)(s->x.idle_timeout / USEC_MS));
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
static bool bufs_advance(uv_buf_t bufs[2], size_t taken)
{
    for (size_t i = 0; i < 2; i++) {
        size_t part = taken < bufs[i].len ? taken : bufs[i].len;
        bufs[i].base += part;
        bufs[i].len -= part;
        taken -= part;
    }
    return bufs[0].len + bufs[1].len > 0;
}

/* Write until all is with the kernel or its queue, or an answer is there before. A connection that
 * breaks is no error here: the answer may have come nevertheless, and on_end() tells if not. */
static Err send_all(struct http_stream *s, Str head, Str body)
{
    uv_buf_t bufs[2] = {{.base = (char *)(uintptr_t)head.p, .len = head.n},
                        {.base = (char *)(uintptr_t)body.p, .len = body.n}};
    struct http_exchange *x = &s->x;
    size_t taken;

    for (;;) {
        if (sock_write(&s->sock, bufs, bufs[1].len ? 2 : 1, &taken) != OK)
            return OK;
        if (!bufs_advance(bufs, taken)) {
            x->sent = true;
            return OK;
        }
        x->sending = true;
        Err e = stream_wait(s);
        x->sending = false;
        if (e != OK || x->error != OK || x->headers_done)
            return e;
    }
}

/* ---- a call ---- */

static void exchange_begin(struct http_stream *s, const struct http_job *j, bool collect)
{
    llhttp_init(&s->parser, HTTP_RESPONSE, &settings);
    s->x = (struct http_exchange){
        .a = j->a,
        .max_header = j->max_header,
        .max_body = j->max_body,
        .started = j->started,
        .deadline = j->deadline,
        .idle_timeout = j->idle_timeout,
        .last_byte = shard_now(),
        .is_head = j->method == HTTP_HEAD,
        .collecting = collect,
    };
    s->in.max = collect ? j->max_body : UNREAD_BUF_MAX;
    if (s->unasked)
        fail(s, E_UPSTREAM, "it sent bytes before it was asked");
    else if (s->sock.ended || s->sock.broken)
        fail(s, E_UPSTREAM_CUT, sock_error(&s->sock));
}

/* Send, and wait for the header or for all of the answer. */
static Err exchange_run(struct http_stream *s, const struct http_job *j, Str head)
{
    struct http_exchange *x = &s->x;

    if (x->error == OK)
        TRY(send_all(s, head, j->body));
    while (x->error == OK && !(x->collecting ? x->complete : x->headers_done))
        TRY(stream_wait(s));
    /* What came before a cut is given first. */
    if (x->error != OK && (x->collecting || !x->headers_done || x->error != E_UPSTREAM_CUT))
        return stream_error(s);
    return OK;
}

static Err exchange(const struct http_job *j, bool collect, struct http_stream **ret_stream)
{
    struct http_stream *s = conn_take(j);
    Str head;

    TRY(INJECT("net.client.call"));
    TRY(request_head(j, &head));
    for (;;) {
        if (!s)
            TRY(conn_open(j, &s));
        exchange_begin(s, j, collect);
        Err e = exchange_run(s, j, head);
        if (e == OK) {
            *ret_stream = s;
            return OK;
        }
        /* The server may close a kept connection just when it is used. */
        bool stale = s->reused && !s->x.got_bytes && e == E_UPSTREAM_CUT;
        conn_close(s);
        s = NULL;
        if (!stale || !j->idempotent)
            return err_add(e, "calling %.*s port %u", P(j->host), j->url.port);
    }
}

static void http_own_end(struct http_stream *s);

Err http_own_open(const struct http_job *j, struct http_stream **ret_stream)
{
    return exchange(j, false, ret_stream);
}

Err http_own_fetch(const struct http_job *j, struct http_reply *ret_reply)
{
    struct http_stream *s;
    Err e = OK;

    TRY(exchange(j, true, &s));
    struct http_exchange *x = &s->x;
    struct http_reply reply = {.status = x->status, .headers = x->headers};
    if (x->direct) {
        reply.body = (Str){x->direct, x->body_bytes};
    } else if (s->in.n) {
        char *p = arena_try(j->a, s->in.n);
        if (p)
            reply.body = (Str){memcpy(p, s->in.p, s->in.n), s->in.n};
        else
            e = err_set(E_TOO_LARGE, "a body of %zu bytes does not fit into memory", s->in.n);
    }
    http_own_end(s);
    if (e == OK)
        *ret_reply = reply;
    return e;
}

/* ---- streams ---- */

int http_stream_status(const struct http_stream *s)
{
    return s->x.status;
}

const HttpHeaders *http_stream_headers(const struct http_stream *s)
{
    return &s->x.headers;
}

static void buf_release(struct buf *b)
{
    if (b->cap > BUF_KEPT)
        buf_done(b);
    else
        buf_reset(b);
}

Err http_read(struct http_stream *s, Str *ret_piece)
{
    struct http_exchange *x = &s->x;

    buf_release(&s->out);
    while (s->in.n == 0) {
        if (x->error != OK)
            return stream_error(s);
        if (x->complete)
            return E_EOF;
        TRY(stream_wait(s));
    }
    struct buf piece = s->in;
    s->in = s->out;
    s->in.max = UNREAD_BUF_MAX;
    s->out = piece;
    if (!x->complete)
        sock_read_start(&s->sock); /* nothing if it was not stopped */
    *ret_piece = buf_str(&s->out);
    return OK;
}

/* The call is over: the connection is kept if nothing is left on it in either direction. */
static void http_own_end(struct http_stream *s)
{
    struct http_exchange *x = &s->x;
    bool keep = x->complete && x->keep && x->sent && x->error == OK && !s->unasked &&
                !s->sock.ended && !s->sock.broken && sock_queued(&s->sock) == 0;
    Usec span = x->keep_span;

    *x = (struct http_exchange){0};
    buf_release(&s->in);
    buf_release(&s->out);
    if (keep && span > 0)
        conn_keep(s, span);
    else
        conn_close(s);
}

void http_stream_free(struct http_stream *s)
{
    if (!s)
        return;
    Err e = s->x.error != OK ? s->x.error : s->x.complete ? OK : E_CANCELLED;
    http_count_call(HTTP_OWN, s->x.started, s->x.status, e);
    http_own_end(s);
}
