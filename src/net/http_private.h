/* src/net/http_private.h - the inside of the HTTP server, for its own files alone.
 *
 *   http_server.c  listeners, drain, certificate reload
 *   http_conn.c    a connection: input, phases, deadlines
 *   http_exch.c    an exchange: the life of one request's fiber
 *   http_req.c     what a handler reads
 *   http_res.c     what it answers
 *   http_origin.c  where a request comes from: proxies, same origin
 *
 * Everything here belongs to one shard, but struct http_server, which is read by all.
 */
#ifndef NET_HTTP_PRIVATE_H
#define NET_HTTP_PRIVATE_H

#include "net/http1.h"
#include "net/http_server.h"
#include "net/sock.h"
#include "rt/metric.h"
#include "rt/timer.h"

#include <stdatomic.h>

struct exch;
struct http_shard;
struct ws;

enum {
    BODY_BUFFER = 64 * 1024,    /* of a body that nobody reads yet; then reading stops */
    PENDING_STOP = 16 * 1024,   /* of requests behind the present one; likewise */
    DISCARD_MAX = 64 * 1024,    /* of an unread body, to keep a connection */
    LINGER_MAX = 16 << 20,      /* read and dropped after the last answer, within LINGER_TIME */
    HEAD_MAX = 32 * 1024,       /* of an answer's head */
    DEFAULT_MAX_BODY = 1 << 20, /* of routes that do not say */
};

/* What a connection is doing; each phase may have a deadline. */
enum phase {
    PHASE_IDLE,    /* no byte of the next request has come */
    PHASE_HEAD,    /* some of its head has */
    PHASE_BUSY,    /* an exchange is running */
    PHASE_DISCARD, /* the rest of a body that nobody read is dropped */
    PHASE_FLUSH,   /* the last answer is on its way; then the connection ends */
    PHASE_LINGER, /* our side is shut: what still comes is dropped, so that no reset eats the answer
                   */
    PHASE_CLOSED,
};

struct http_conn {
    struct sock sock;
    struct http1 parser;
    struct http_shard *shard;
    struct http_conn *next, *prev;
    struct exch *exch; /* NULL between requests */
    struct ws *ws;     /* takes all input once it is accepted */
    struct timer timer;
    Usec until;    /* the phase's deadline */
    Usec stall_at; /* when unsent bytes must have moved; 0: none wait */
    uint64_t sent_seen;
    Usec body_since; /* the clock of the body's minimum rate; stands still while reading is stopped
                      */
    Usec paused_at;
    struct wait_queue drained; /* fibers that wait for the write queue */
    char *pending;             /* bytes behind the present request */
    uint32_t pending_n, pending_at, pending_cap;
    uint32_t lingered;
    uint8_t phase;
    bool message_ended; /* the parser stands behind the present request */
    bool must_linger;   /* the peer of a WebSocket has still to see our close frame */
    bool abrupt;        /* close without lingering */
    bool closed;        /* the handle is gone */
    bool counted;
    uint8_t remote_n;
    char remote[46];
};

enum body_mode { BODY_UNREAD, BODY_WHOLE, BODY_STREAM };

struct res {
    struct exch *x;
    HttpHeaders headers;
    int64_t left;    /* of a body whose length the handler gave; -1: chunked or until close */
    uint16_t status; /* 0 until the head is sent */
    bool chunked, ended, cut, head_only;
    bool has_csp, has_cache, has_type, has_length;
    bool expected; /* res_expected() */
};

struct exch {
    struct req req; /* first: a struct req * is a struct exch * */
    struct res res;
    struct http_conn *conn;
    struct fiber *fiber;
    struct exch *next_spare;
    void *head; /* the head when it is a block of its own; else it lies in the arena */
    Str early_text;
    Err early; /* what is wrong with the request before any handler is asked */
    unsigned allowed;
    int64_t content_length;
    size_t max_body;
    uint64_t received;
    size_t counted; /* bytes of this body in the server's count */
    struct buf in;  /* of the body, not yet taken */
    struct buf out; /* the piece that the handler has */
    struct wait *body_wait;
    const struct json *errors; /* located, of a body that its schema refused */
    Err body_error;
    uint8_t mode;
    bool body_done, expect, keep_alive, http10, gone, body_late;
};

static inline struct exch *exch_of(const struct req *req)
{
    return (struct exch *)(uintptr_t)req;
}

struct http_series {
    const struct route *route;
    struct metric_series *requests, *seconds;
    uint16_t method, status;
};

/* The part of the server that lives on one shard. */
struct http_shard {
    struct http_server *server;
    struct shard *shard;
    uv_tcp_t listener;
    bool listening;
    Usec warned_at; /* of connections that cannot be accepted */
    struct http_conn *conns;
    size_t n_conns;
    struct tls_ctx *tls;
    struct exch *spare_exchs;
    struct arena *spare_arenas[64];
    unsigned n_spare_exchs, n_spare_arenas;
    struct buf head; /* the answer in work; never held over a yield */
    int64_t date_second;
    char date[40];
    struct metric_series *connections;
    struct http_series series[256]; /* a cache by hash */
};

struct cidr {
    uint8_t addr[16]; /* IPv4 in its mapped form */
    uint8_t bits;
};

struct http_server {
    struct http_server_options o;
    struct arena *a; /* copies of the options' strings */
    struct http1_limits limits;
    struct http_shard **shards;
    unsigned n_shards;
    uint16_t port;
    struct tls_ctx *tls; /* what new shards begin with; reloads go to the shards */
    struct cidr *proxies;
    size_t n_proxies;
    _Atomic bool draining;
    _Atomic size_t open;        /* listeners, connections and exchanges on all shards */
    _Atomic size_t bodies;      /* bytes of the larger bodies in memory */
    _Atomic size_t open_bodies; /* of these, of routes that anyone may call */
};

/* ---- http_conn.c ---- */

void http_conn_on_connection(uv_stream_t *listener, int status);
/* Write all of @bufs (changed meanwhile): returns when the last bytes are with the kernel or in the
 * queue. E_CLOSED when the client has left or does not read. */
Err http_conn_write(struct http_conn *c, uv_buf_t *bufs, unsigned n) YIELDS;
/* The same without waiting: *ret_taken bytes went to the kernel or the queue. */
Err http_conn_write_now(struct http_conn *c, const uv_buf_t *bufs, unsigned n, size_t *ret_taken);
/* Wait until @n bytes will be taken at once. */
Err http_conn_wait_room(struct http_conn *c, size_t n) YIELDS;
/* Read or not, as buffers and phase want it. */
void http_conn_update_reading(struct http_conn *c);
/* Break the connection off now; cancels the exchange. */
void http_conn_drop(struct http_conn *c);
/* The same for the exchange's own fiber. */
void http_conn_close(struct http_conn *c);
/* The exchange has ended: go on with the next request, or end. */
void http_conn_exch_ended(struct http_conn *c, bool keep_alive, Usec now);
/* Idle: close. Busy: after the present answer. */
void http_conn_drain(struct http_conn *c);
void http_conn_free(struct http_conn *c);
Str http_conn_remote(struct http_conn *c);
/* Bytes that came behind the request, for the protocol that takes over. Valid until
 * http_conn_clear_pending. */
Str http_conn_pending(struct http_conn *c);
void http_conn_clear_pending(struct http_conn *c);

/* ---- http_exch.c ---- */

/* The parser has a head: make the exchange and its fiber. */
Err exch_begin(struct http_conn *c);
Err exch_body(struct exch *x, const char *data, size_t n);
/* The body is complete (OK), or will never be. */
void exch_body_end(struct exch *x, Err e);
/* The client has left. */
void exch_gone(struct exch *x);
void exch_free_spares(struct http_shard *h);
/* Count one answer. @route NULL: none was found. */
void exch_count(struct http_shard *h, const struct route *route, enum http_method method,
                int status, Usec took);

/* ---- http_res.c ---- */

/* The head and body of a refusal before there is a request, as one text in h->head. */
Str res_refusal(struct http_shard *h, int status, const char *why);
/* Answer @e if nothing was sent; cut the connection if an answer was begun and not ended. */
void res_finish(struct res *res, Err e) YIELDS;
void res_init(struct res *res, struct exch *x);
/* Status 101 with the headers added so far. */
Err res_switch(struct res *res) YIELDS;

/* ---- http_origin.c ---- */

/* "10.0.0.0/8, ::1": E_INVALID names the bad one. */
Err origin_parse(struct http_server *s, Str list);
/* Fill req->remote and req->tls. */
void origin_fill(struct exch *x);

/* ---- ws.c ---- */

void ws_input(struct ws *ws, const char *p, size_t n);
/* Whether it can take more input. */
bool ws_wants_input(const struct ws *ws);
void ws_gone(struct ws *ws);
/* The write queue is empty. */
void ws_drained(struct ws *ws);
/* The exchange ends: say goodbye and free. */
void ws_end(struct ws *ws, Err e);

#endif
