/* src/net/http1.h - HTTP/1 requests as their bytes come in: strict, bounded, without any socket.
 *
 * llhttp does the scanning; what it is lenient about is refused here, because two parsers that read
 * the same bytes differently are how requests are smuggled: every byte of a head must be accounted
 * for by RFC 9112's grammar. However the bytes are cut into pieces, the outcome is the same.
 *
 * A parser is embedded in its connection and keeps no buffer but while a head has come in part.
 */
#ifndef NET_HTTP1_H
#define NET_HTTP1_H

#include "net/http.h"
#include "net/http1_chunks.h"
#include "net/llhttp_names.h"

struct http1;
struct http1_partial;

struct http1_limits {
    size_t max_header;    /* bytes of request line and fields together */
    size_t max_target;    /* bytes of the request target */
    unsigned max_headers; /* fields, at most HTTP1_FIELDS_MAX; trailers count apart */
};

enum { HTTP1_FIELDS_MAX = 256 };

struct http1_head {
    enum http_method method; /* 0: one that is not offered */
    Str target;
    Str host; /* the Host field; empty for an HTTP/1.0 request without one */
    HttpHeaders headers;
    int64_t content_length; /* -1: none was sent */
    int minor;              /* HTTP/1.minor */
    bool chunked, keep_alive, expect_continue;
};

struct http1_ops {
    /* A head is complete: call http1_take_head() now or never. An error ends the parsing. */
    Err (*on_head)(struct http1 *p);
    /* A piece of the body, valid during the call. An error ends the parsing. */
    Err (*on_body)(struct http1 *p, const char *data, size_t n);
};

struct http1 {
    llhttp_t ll; /* scans heads */
    struct http1_chunks chunks;
    const struct http1_ops *ops;
    const struct http1_limits *limits;
    struct http1_partial *partial; /* NULL but while a head has come in part */
    const char *base;              /* where the head's bytes begin; during http1_feed() */
    const char *why;               /* the reason of a refusal */
    uint64_t left;                 /* of a body whose length was given */
    uint32_t limit, head_n;        /* bytes known behind base; of the whole head */
    uint32_t target_at, target_n;
    uint16_t n_fields, status;
    uint8_t last; /* the kind of the last span */
    bool in_body, chunked, ended, failed;
};

void http1_init(struct http1 *p, const struct http1_ops *ops, const struct http1_limits *limits);
void http1_done(struct http1 *p);

/* Take bytes from the front of *input, as far as the end of the message. *ret_end tells that it was
 * reached: *input is what follows, and http1_next() must be called before more is fed. An error is
 * a refusal, after which the connection is of no use; http1_status() and http1_why() say how to
 * answer. */
Err http1_feed(struct http1 *p, Str *input, bool *ret_end);
/* How many bytes http1_take_head() needs, and the head, copied into @block of that size (aligned
 * for pointers). In on_head only. */
size_t http1_head_size(const struct http1 *p);
void http1_take_head(struct http1 *p, void *block, struct http1_head *ret_head);
/* Begin the next message. */
void http1_next(struct http1 *p);
/* Whether no byte of the next message has come. */
bool http1_is_idle(const struct http1 *p);
int http1_status(const struct http1 *p);
const char *http1_why(const struct http1 *p);

/* What a request target means. @raw_path keeps its escapes and has no empty segments; @path is
 * decoded: no dot segments, no control characters, valid UTF-8. Absolute-form must name @host; "*"
 * gives both paths as
 * "*". E_BAD_INPUT. */
Err http1_target(struct arena *a, Str target, Str host, Str *ret_raw_path, Str *ret_path,
                 Str *ret_query);

#endif
