/* src/net/test_upstream.h - a server for tests: threads that speak raw bytes, over TCP or TLS.
 *
 * The serving function runs on a thread of its own for each connection, as straight-line blocking
 * code, and does to the client whatever the test is about.
 */
#ifndef NET_TEST_UPSTREAM_H
#define NET_TEST_UPSTREAM_H

#include "base/str.h"
#include "base/time.h"

#include <pthread.h>
#include <stdatomic.h>

struct arena;
struct t_upstream;
struct ssl_st;
struct ssl_ctx_st;

struct t_conn {
    struct t_upstream *upstream;
    struct t_conn *next;
    pthread_t thread;
    int fd;
    struct ssl_st *ssl;
    unsigned index; /* of this connection, from 0 */
    char *buf;      /* what was read */
    size_t n, cap;
    Str head, body;  /* of the last request; point into buf */
    struct arena *a; /* until the next request; the test's own arena belongs to another thread */
};

typedef void t_serve_fn(struct t_conn *c);

struct t_upstream {
    t_serve_fn *serve;
    void *arg;
    int fd;
    uint16_t port;
    pthread_t thread;
    struct ssl_ctx_st *ssl_ctx;
    pthread_mutex_t lock;
    struct t_conn *conns;
    atomic_uint n_conns, n_requests, n_ended; /* ended: serve returned */
    atomic_llong at;                          /* a time the serving function wants to tell */
    atomic_llong bytes;
};

/* Listen on 127.0.0.1, on a free port. */
void t_upstream_start(struct t_upstream *u, t_serve_fn *serve);
/* With TLS: a certificate for @name signed by an authority whose certificate is put into file
 * @ca_file. */
void t_upstream_start_tls(struct t_upstream *u, t_serve_fn *serve, const char *name,
                          const char *ca_file);
/* Close all connections and wait for the threads. */
void t_upstream_stop(struct t_upstream *u);
/* "http://127.0.0.1:PORT/path" in the test's arena. */
Str t_upstream_url(const struct t_upstream *u, const char *path);

/* Read one whole request (head, and body by Content-Length); false at the end of the connection. */
bool t_conn_request(struct t_conn *c);
/* false when the client is gone. */
bool t_conn_write(struct t_conn *c, Str s);
bool t_conn_write_c(struct t_conn *c, const char *s);
/* "HTTP/1.1 STATUS OK", Content-Length and body. */
bool t_conn_answer(struct t_conn *c, int status, Str body);
/* Wait until the client closes; false after @span. */
bool t_conn_wait_end(struct t_conn *c, Usec span);
/* A value of the last request's head, "" if it is not there. */
Str t_conn_header(const struct t_conn *c, const char *name);

#endif
