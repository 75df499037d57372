/* src/net/http_answer.c - the parser of answers to outbound calls, on llhttp. */
#include "net/http_answer.h"

enum {
    BODY_AT_ONCE = 64 * 1024, /* bodies of this announced length go to the arena directly */
    HEADER_OVERHEAD = 32,     /* counted for each field beside its text */
};

/* How long a connection is kept when the server does not say; Node's servers say 5 s. */
static const Usec KEEP_SPAN = 55 * USEC_S;

static struct http_answer *answer_of(llhttp_t *p)
{
    return (struct http_answer *)((char *)p - offsetof(struct http_answer, parser));
}

static int fail(struct http_answer *x, Err e, const char *why)
{
    if (x->error == OK) {
        x->error = e;
        x->why = why;
    }
    return HPE_USER;
}

/* Count header bytes of all kinds: fields, trailers, interim answers. */
static bool header_fits(struct http_answer *x, size_t n)
{
    x->header_bytes += n;
    return x->header_bytes <= x->wants.max_header;
}

static bool text_append(struct http_answer *x, Str *text, const char *at, size_t n, bool lower)
{
    char *p = text->n ? arena_grow(x->wants.a, (void *)(uintptr_t)text->p, text->n, text->n + n)
                      : arena_try(x->wants.a, n);
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
static bool header_new(struct http_answer *x)
{
    HttpHeaders *h = &x->headers;

    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 16, size = sizeof *h->at;
        void *at = h->cap ? arena_grow(x->wants.a, h->at, h->cap * size, cap * size)
                          : arena_try(x->wants.a, cap * size);
        if (!at)
            return false;
        h->at = at;
        h->cap = cap;
    }
    x->header = &h->at[h->n++];
    *x->header = (struct http_header){0};
    return header_fits(x, HEADER_OVERHEAD);
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
    struct http_answer *x = answer_of(p);

    if (x->headers_done) /* a trailer: only counted */
        return header_fits(x, n) ? 0 : fail(x, E_TOO_LARGE, "its trailers are too large");
    if ((x->field_done || !x->header) && !header_new(x))
        return fail(x, E_TOO_LARGE, "its header is too large");
    x->field_done = false;
    if (!header_fits(x, n) || (n && !text_append(x, &x->header->name, at, n, true)))
        return fail(x, E_TOO_LARGE, "its header is too large");
    return 0;
}

static int on_field_complete(llhttp_t *p)
{
    struct http_answer *x = answer_of(p);

    x->field_done = true;
    return x->headers_done && !header_fits(x, HEADER_OVERHEAD)
               ? fail(x, E_TOO_LARGE, "its trailers are too large")
               : 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct http_answer *x = answer_of(p);

    if (!header_fits(x, n))
        return fail(x, E_TOO_LARGE, "its header is too large");
    if (!x->headers_done && n && !text_append(x, &x->header->value, at, n, false))
        return fail(x, E_TOO_LARGE, "its header is too large");
    return 0;
}

static int on_status(llhttp_t *p, const char *at, size_t n)
{
    struct http_answer *x = answer_of(p);

    (void)at;
    return header_fits(x, n) ? 0 : fail(x, E_TOO_LARGE, "its header is too large");
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
    struct http_answer *x = answer_of(p);

    x->status = p->status_code;
    x->header = NULL;
    x->field_done = false;
    if (x->status == 101 || x->status < 100)
        return fail(x, E_UPSTREAM, "it switched to another protocol");
    if (is_interim(x->status))
        return 1; /* without a body */
    if (p->http_major != 1)
        return fail(x, E_UPSTREAM, "it speaks another version of HTTP");
    for (size_t i = 0; i < x->headers.n; i++) {
        struct http_header *h = &x->headers.at[i];
        if (!h->name.n || h->name.p[h->name.n - 1] == ' ') /* the parser lets these two pass */
            return fail(x, E_UPSTREAM, "it sent a bad header field");
        h->value = str_trim(h->value);
    }
    Str coding = http_header_get(&x->headers, S("transfer-encoding"));
    if (coding.p && !str_eq_nocase(coding, S("chunked")))
        return fail(x, E_UPSTREAM, "it used a transfer coding that was not asked for");
    x->headers_done = true;
    x->keep_span = keep_span(&x->headers);
    if (x->wants.is_head || x->status == 204 || x->status == 304)
        return 1;
    if ((p->flags & F_CONTENT_LENGTH) && p->content_length > x->wants.max_body)
        return fail(x, E_TOO_LARGE, "its body is larger than allowed");
    if (x->wants.collect && (p->flags & F_CONTENT_LENGTH) && p->content_length <= BODY_AT_ONCE) {
        /* The length is small enough to be believed: no second copy. */
        char *to = p->content_length ? arena_try(x->wants.a, p->content_length) : NULL;
        if (p->content_length && !to)
            return fail(x, E_TOO_LARGE, "its body does not fit into memory");
        x->direct = to;
    }
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http_answer *x = answer_of(p);

    x->body_n += n;
    if (x->body_n > x->wants.max_body)
        return fail(x, E_TOO_LARGE, "its body is larger than allowed");
    if (x->direct) {
        memcpy(x->direct + x->body_n - n, at, n);
        return 0;
    }
    buf_add(&x->body, (Str){at, n});
    return x->body.failed ? fail(x, E_TOO_LARGE, "its body does not fit into memory") : 0;
}

static int on_message_complete(llhttp_t *p)
{
    struct http_answer *x = answer_of(p);

    if (is_interim(x->status)) {
        x->headers.n = 0;
        return 0;
    }
    x->complete = true;
    x->keep = llhttp_should_keep_alive(p);
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

void http_answer_begin(struct http_answer *x, const struct http_answer_wants *wants)
{
    struct buf body = x->body;

    buf_reset(&body);
    *x = (struct http_answer){.wants = *wants, .body = body};
    llhttp_init(&x->parser, HTTP_RESPONSE, &settings);
}

void http_answer_feed(struct http_answer *x, const char *p, size_t n)
{
    if (x->complete || x->error != OK) {
        x->more = true;
        return;
    }
    x->got_bytes = true;
    llhttp_errno_t e = llhttp_execute(&x->parser, p, n);
    if (e == HPE_PAUSED && x->complete)
        x->more = llhttp_get_error_pos(&x->parser) != p + n;
    else if (e != HPE_OK)
        fail(x, E_UPSTREAM, llhttp_get_error_reason(&x->parser));
}

void http_answer_end(struct http_answer *x, bool in_order, const char *why)
{
    if (x->complete || x->error != OK)
        return;
    /* A body without length ends with the connection, but only an orderly end is one. */
    if (in_order && x->got_bytes)
        (void)llhttp_finish(&x->parser); /* gives on_message_complete's result: .complete tells */
    if (x->complete)
        return;
    fail(x, E_UPSTREAM_CUT, why);
}

void http_answer_fail(struct http_answer *x, Err e, const char *why)
{
    if (!x->complete)
        fail(x, e, why);
}
