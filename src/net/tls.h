/* src/net/tls.h - TLS settings for servers and clients, and the TLS side of a struct sock.
 *
 * A tls_ctx is shared by count between shards and connections; a reload makes a new one and leaves
 * the old to the connections that use it. TLS 1.2 and 1.3, no renegotiation, ALPN "http/1.1".
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/err.h"
#include "base/str.h"

struct tls_ctx;
struct tls;
struct sock;

/* For a listener: certificate chain and private key, PEM files. Reads files: call on a worker or at
 * start. E_INVALID with a detail that names the file and what is wrong with it. */
Err tls_ctx_server(Str cert_file, Str key_file, struct tls_ctx **ret_ctx);
/* Whether the two would do. *ret_of_key (written in any case): it is the key that is wrong. */
Err tls_pair_check(Str cert_file, Str key_file, bool *ret_of_key);
/* For calls: verifies against the system's authorities and those in @ca_file (PEM; empty: none), or
 * not at all if @insecure. Reads files: call on a worker, and keep the result. */
Err tls_ctx_client(Str ca_file, bool insecure, struct tls_ctx **ret_ctx);
/* Any thread. */
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
void tls_ctx_unref(struct tls_ctx *ctx);
DEFINE_AUTO(tls_ctx, tls_ctx_unref)

/* ---- for sock.c ---- */

/* @host NULL: the server's side. */
struct tls *tls_new(struct tls_ctx *ctx, struct sock *s, const char *host);
void tls_free(struct tls *t);
/* Begin; the client's first message goes out. */
void tls_start(struct tls *t);
/* Ciphertext came from the kernel: gives plain text to the sock's on_read, handshake and end as
 * events. */
void tls_input(struct tls *t, const char *p, size_t n);
/* Encrypt as much as the queue may take. */
Err tls_write(struct tls *t, const char *p, size_t n, size_t *ret_taken);
void tls_shutdown(struct tls *t);
/* Whether the peer has sent close_notify. */
bool tls_ended(const struct tls *t);
const char *tls_error(const struct tls *t);

#endif
