/* src/net/http_client.h - outbound HTTP.
 *
 * Two engines behind one call. HTTP_OWN is the thin client on llhttp: pooled keep-alive connections
 * per shard and host, streaming, cancel = close; for models and other hot paths. HTTP_CURL is
 * libcurl, for calls that users configure: redirects (each hop through the egress door), proxies,
 * HTTP/2, compression, odd servers. Both go through egress, verify TLS, and bound time and size.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "net/egress.h"
#include "net/http.h"

struct http_stream;

enum http_engine { HTTP_OWN, HTTP_CURL };

struct http_call {
    enum http_method method;
    Str url;
    HttpHeaders headers; /* Host, Content-Length, Accept-Encoding and Connection are added, and may
                          * not be given; so is User-Agent if it is missing */
    Str body;            /* p == NULL: none */
    Str body_more[2];    /* of HTTP_OWN: goes out behind it, as one body with it */
    const struct egress *egress;
    enum http_engine engine;
    Usec deadline;          /* monotonic, for the whole call; 0: 30 s from now */
    Usec connect_timeout;   /* 0: 10 s */
    Usec idle_timeout;      /* no byte from the far end for so long; 0: 60 s */
    size_t max_body;        /* of the answer; 0: 8 MiB; more is E_TOO_LARGE */
    size_t max_header;      /* 0: 64 KiB */
    unsigned max_redirects; /* of http_fetch, at most 20; 0: none are followed. Each hop passes
                             * egress; to another scheme, host or port go no credentials */
    bool insecure_tls;      /* do not verify the certificate */
    Str ca_file;            /* extra trust anchor, PEM; empty: the system's */
    bool idempotent; /* may be sent again on a kept connection that turned out dead; GET, HEAD,
                      * PUT, DELETE and calls with an Idempotency-Key are anyway */
};

struct http_reply {
    int status;
    HttpHeaders headers; /* names in lower case */
    Str body;
};

/* Call and read the whole answer; all of it in @a. Any status is OK. Errors: E_EGRESS, E_CONNECT,
 * E_TIMEOUT, E_CANCELLED, E_TOO_LARGE, E_UPSTREAM (not HTTP), E_UPSTREAM_CUT (ended early). */
Err http_fetch(struct arena *a, const struct http_call *call, struct http_reply *ret_reply) YIELDS;

/* Call and read the status and headers; the body follows by http_read (HTTP_OWN only, max_redirects
 * 0). What @call points to must stay until http_open returns; headers live in @a. */
Err http_open(struct arena *a, const struct http_call *call, struct http_stream **ret_stream)
    YIELDS;
int http_stream_status(const struct http_stream *s);
const HttpHeaders *http_stream_headers(const struct http_stream *s);
/* The next piece as it came, valid until the next call. E_EOF at the end of a complete body,
 * E_UPSTREAM_CUT if it ended early. The socket is read only as fast as pieces are taken. */
Err http_read(struct http_stream *s, Str *ret_piece) YIELDS;
/* Wait until there is something to read, be it the end, or for @span: E_TIMEOUT, and the stream
 * goes on. */
Err http_wait(struct http_stream *s, Usec span) YIELDS;
/* A complete stream's connection goes back to the pool, any other is closed at once. */
void http_stream_free(struct http_stream *s);
DEFINE_AUTO(http_stream, http_stream_free)

/* Let calls of HTTP_CURL go through @proxy ("http://host:port", socks5h://...; empty: none, the
 * default) but for the hosts in @no_proxy (comma-separated; each with all below it; "*"). The
 * environment's proxies are not read: configuration decides and passes them here. Any thread. Rules
 * of a call then apply to the target by name, and by address as far as this machine can resolve it;
 * the proxy itself is trusted. */
Err http_client_proxy(Str proxy, Str no_proxy);

/* Whether the client sets the header @name by itself, so that a call may not give it. */
bool http_header_is_own(Str name);
/* Retry-After of an answer as a span: seconds, a date, or the x-ms forms; 0 if there is none. */
Usec http_retry_after(const HttpHeaders *headers);
/* Close kept connections of this shard: on drain and in tests. */
void http_client_close_idle(void);

#endif
