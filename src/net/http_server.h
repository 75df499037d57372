/* src/net/http_server.h - the HTTP/1.1 server: listeners on every shard, connections, limits,
 * drain. */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include "net/router.h"

struct http_server;

struct http_server_options {
    Str host;      /* "127.0.0.1", "::1", "0.0.0.0", a name */
    uint16_t port; /* 0: any free one */
    const struct router *router;
    void *app; /* req->app */
    /* Fill req->who from key or cookie; called before handlers of routes with a capability, and
     * before those without one if a credential was sent. E_UNAUTHORIZED. May yield. NULL: nobody is
     * known. */
    Err (*authenticate)(struct req *req);
    /* Take one from the caller's bucket of @class; E_RATE_LIMITED (retry_after_us set). NULL: no
     * limit. */
    Err (*admit)(struct req *req, enum rate_class class);
    /* The JSON schema registered under a route's in_schema. NULL: none is checked. */
    const struct json_schema *(*schema)(void *app, const char *name);
    /* Give the server the answer for what no route takes (the console's files); NULL: 404. */
    route_fn *fallback;
    Str tls_cert, tls_key; /* PEM files; both empty: plain HTTP */
    size_t max_header;     /* 0: 32 KiB for request line and headers together */
    unsigned max_headers;  /* 0: 100 fields */
    size_t max_conns;      /* on each shard; 0: 60,000 */
    size_t max_bodies;     /* bytes of bodies in memory, of all requests; 0: 512 MiB */
    Usec header_timeout;   /* from connect, or from the first byte of a later request; 0: 10 s */
    Usec body_timeout;     /* whole body at least at 1 KiB/s after this grace; 0: 20 s */
    Usec idle_timeout;     /* between requests; 0: 75 s */
    Usec write_timeout;    /* no byte taken by the client; 0: 30 s */
    Usec request_timeout;  /* plain handlers; 0: 120 s */
    Str trusted_proxies;   /* CIDRs, comma-separated: their X-Forwarded-For/-Proto count */
};

/* Listen on every shard (SO_REUSEPORT). Call in a fiber of any shard. E_EXISTS when the port is
 * taken. */
Err http_server_new(const struct http_server_options *options, struct http_server **ret_server)
    YIELDS;
/* Whether @list would do as trusted_proxies. E_INVALID with a detail that names the wrong one. */
Err http_networks_check(Str list);
/* The port it listens on. */
uint16_t http_server_port(const struct http_server *s);
/* Read certificate and key again; connections made later use them. On failure the old ones stay. */
Err http_server_reload_tls(struct http_server *s) YIELDS;
/* Answer new requests with 503, but for routes marked during_drain: whoever asks whether this
 * server is ready hears that it is not, as long as it still has work. The first part of a drain. */
void http_server_refuse(struct http_server *s);
/* Stop listening, let requests in flight end (idle connections are closed at once; streams and
 * WebSockets are told: fiber cancelled with E_CANCELLED after @grace), wait for all. */
void http_server_drain(struct http_server *s, Usec grace) YIELDS;
void http_server_free(struct http_server *s) YIELDS;
/* True from http_server_refuse or http_server_drain on: answers carry "Connection: close", /readyz
 * says no. */
bool http_server_draining(const struct http_server *s);

#endif
