/* src/net/http_client_private.h - what the files of the outbound client share. */
#ifndef NET_HTTP_CLIENT_PRIVATE_H
#define NET_HTTP_CLIENT_PRIVATE_H

#include "base/buf.h"
#include "net/dns.h"
#include "net/http_answer.h"
#include "net/http_client.h"
#include "net/sock.h"

/* One request on its way: the call, checked and completed. A redirect changes it. */
struct http_job {
    struct arena *a; /* of the call: for the request's head and all of the answer */
    const struct http_call *call;
    enum http_method method;
    Str body[3];         /* one behind the other */
    HttpHeaders headers; /* without those that the client adds */
    struct url url;
    Str host; /* lower case, no brackets, no last dot: for rules, names, TLS and the pool */
    Usec started, deadline, connect_timeout, idle_timeout;
    size_t max_body, max_header;
    bool idempotent;
};

/* ---- http_client.c ---- */

/* What the client adds: calls fn(ctx, name, value) for each header, the caller's among them. */
typedef void http_add_header_fn(void *ctx, Str name, Str value);
void http_job_headers(const struct http_job *j, http_add_header_fn *fn, void *ctx);
/* "host", "host:port" or "[::1]:port". */
Str http_job_authority(const struct http_job *j, char *out, size_t size);

/* Metrics: a connection stands; a call ended, with a status or an error. */
void http_count_connect(enum http_engine engine, Usec started);
void http_count_call(enum http_engine engine, Usec started, int status, Err e);

/* ---- http_pool.c: connections of the thin client ---- */

struct conn_host;
struct conn_race;

/* A connection, with the call that is on it. It is the http_stream that the caller of http_open()
 * holds. */
struct http_stream {
    struct sock sock;
    struct conn_host *host;
    struct http_stream *next, *prev;           /* all idle ones of the shard, the newest first */
    struct http_stream *host_next, *host_prev; /* idle ones of its host, likewise */
    union dns_addr addr;
    struct conn_race *race;
    Usec idle_until;
    Err ready_error;
    bool is_ready, idle, reused;

    /* The call (http_own.c). */
    bool busy;    /* there is one */
    bool sending; /* the fiber waits for the kernel to take more */
    bool sent;
    bool unasked; /* bytes came while there was none */
    bool trimmed; /* the reading fiber's stack */
    struct wait *waiter;
    Usec started, deadline, idle_timeout, last_byte, begun; /* begun: on this connection */
    struct http_answer answer;
    struct buf piece; /* what the caller has of the body */
};

/* A kept connection that this call may use, or NULL. */
struct http_stream *conn_take(const struct http_job *j);
/* A new one: resolved, checked, connected, TLS done. */
Err conn_open(const struct http_job *j, struct http_stream **ret_conn) YIELDS;
/* Back to where it can be taken from. */
void conn_keep(struct http_stream *c, Usec span);
/* Close at once; frees it in a later turn of the loop. */
void conn_close(struct http_stream *c);

/* TLS settings of clients, shared by all shards and read anew from time to time. */
Err conn_tls_ctx(Str ca_file, bool insecure, struct tls_ctx **ret_ctx) YIELDS;

/* ---- http_own.c ---- */

extern const struct sock_ops http_own_ops;
/* What the pool's connections do on events that are not a call's: in http_pool.c. */
void conn_on_ready(struct sock *s, Err e);
void conn_on_closed(struct sock *s);

static inline struct http_stream *conn_of(struct sock *s)
{
    return (struct http_stream *)((char *)s - offsetof(struct http_stream, sock));
}

Err http_own_open(const struct http_job *j, struct http_stream **ret_stream) YIELDS;
Err http_own_fetch(const struct http_job *j, struct http_reply *ret_reply) YIELDS;

/* ---- http_curl.c ---- */

Err http_curl_fetch(const struct http_job *j, struct http_reply *ret_reply) YIELDS;
void http_curl_close_idle(void);

#endif
