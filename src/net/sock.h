/* src/net/sock.h - one TCP connection at the level of callbacks, plain or TLS.
 *
 * The layer under the HTTP server and the thin client. A struct sock is embedded in its owner,
 * belongs to one shard, and keeps no buffer while nothing happens: bytes are read into one buffer
 * that all sockets of a shard share, and a write buffer exists only while the kernel does not take
 * what was written.
 *
 * Callbacks run on the loop, outside of any fiber: they must not yield. Inside any of them every
 * function below may be called, sock_close() too.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include "net/tls.h"

#include <uv.h>

struct sock;
struct sock_queue;

struct sock_ops {
    /* The connection that sock_connect() asked for stands (OK), or the handshake that
     * sock_tls_client() or sock_tls_server() began is done; or one of the two failed: then only
     * sock_close() remains to be called, and sock_error() has the text. May be NULL on accepted
     * plain sockets. */
    void (*on_ready)(struct sock *s, Err e);
    /* Bytes came. They are valid during the call only. */
    void (*on_read)(struct sock *s, const char *p, size_t n);
    /* Nothing more will come: E_EOF when the peer ended its side in order, E_CLOSED when the
     * connection broke (under TLS: also an end without close_notify). Once; writing may still work
     * after E_EOF. */
    void (*on_end)(struct sock *s, Err why);
    /* What sock_write() had to queue is with the kernel, all of it. NULL: not interesting. */
    void (*on_drain)(struct sock *s);
    /* The handle is gone: the memory of @s may be freed. */
    void (*on_closed)(struct sock *s);
};

struct sock {
    uv_tcp_t tcp;
    const struct sock_ops *ops;
    struct tls *tls;              /* NULL: plain */
    struct sock_queue *queue;     /* NULL while nothing waits for the kernel */
    struct sock_connect *connect; /* NULL but while sock_connect() is under way */
    uint64_t raw;                 /* bytes given to the kernel or the queue */
    int error;                    /* libuv's, of the first failure */
    bool reading, closing, ended, broken, shutting;
};

enum { SOCK_QUEUE_MAX = 64 * 1024, SOCK_READ_MAX = 64 * 1024 };

/* Make @s a socket of this shard. From here on it ends by sock_close() and on_closed. */
void sock_init(struct sock *s, const struct sock_ops *ops);
/* Take the connection that waits on @listener. */
Err sock_accept(struct sock *s, uv_stream_t *listener);
/* Begin to connect; on_ready follows, also for a failure that is known at once. */
void sock_connect(struct sock *s, const struct sockaddr *sa);
/* Begin a handshake, before reading starts; on_ready follows. @host is what the certificate is
 * checked against: a name or an address. Shares @ctx. The client side starts reading by itself; for
 * both, what is read after on_ready is plain text. */
void sock_tls_client(struct sock *s, struct tls_ctx *ctx, const char *host);
void sock_tls_server(struct sock *s, struct tls_ctx *ctx);

/* Reading goes on until it is stopped. After sock_read_stop() what had been read from the kernel
 * already may still be delivered (at most SOCK_READ_MAX bytes, within the same turn of the loop).
 * While reading is stopped, an end of the peer is not noticed: see sock_peer_gone(). */
void sock_read_start(struct sock *s);
void sock_read_stop(struct sock *s);
/* Ask the kernel whether the peer has ended or reset the connection, without reading. */
bool sock_peer_gone(struct sock *s);

/* Write @n pieces: to the kernel as far as it takes them, the rest into a queue of its own (a copy)
 * as long as less than SOCK_QUEUE_MAX bytes wait there. *ret_taken tells how many bytes were taken;
 * if that is not all, go on with the rest after on_drain. E_CLOSED when the connection is broken or
 * closed. */
Err sock_write(struct sock *s, const uv_buf_t *bufs, unsigned n, size_t *ret_taken);
/* Bytes that wait for the kernel: does not move while the peer does not read. */
size_t sock_queued(const struct sock *s);
/* Bytes that the kernel has taken since the beginning. */
uint64_t sock_sent(const struct sock *s);

/* End the writing side once the queue is empty: close_notify under TLS, then FIN. */
void sock_shutdown(struct sock *s);
/* Close at once; on_closed follows on a later turn of the loop, no other callback does. May be
 * repeated. */
void sock_close(struct sock *s);
bool sock_closing(const struct sock *s);

/* Why on_ready or on_end gave an error, for a log or an error text; never NULL. */
const char *sock_error(const struct sock *s);
/* The peer's address as text into @out of @size bytes ("" if unknown); without a port. */
Str sock_peer(const struct sock *s, char *out, size_t size);

/* ---- for tls.c ---- */

/* Buffers that the sockets of one thread share. */
struct sock_scratch {
    char read[SOCK_READ_MAX];
    char plain[16 * 1024]; /* decrypted, on its way to on_read */
    char join[16 * 1024];  /* small pieces on their way into one record */
    char out[SOCK_READ_MAX];
    size_t out_n; /* ciphertext in out that is not written yet */
};
struct sock_scratch *sock_scratch(void);
/* Write bytes as they are; what the kernel does not take is queued whatever its size. */
void sock_write_raw(struct sock *s, const char *p, size_t n);
/* Tell the owner, once, that nothing more will come. */
void sock_tell_end(struct sock *s, Err why);

#endif
