/* src/net/router.h - routes as tables, and what a handler sees of a request.
 *
 * A handler runs in a fiber of its own, reads what it needs, calls a domain function, and answers
 * once: static Err get_thing(struct req *req, struct res *res) { ... return res_json(res, 200, v);
 * } If it returns an error and nothing was sent, the error becomes a problem+json answer (RFC
 * 9457). If the client leaves, the fiber is cancelled at its next wait, and with it every call it
 * makes upstream.
 */
#ifndef NET_ROUTER_H
#define NET_ROUTER_H

#include "base/json.h"
#include "base/json_schema.h"
#include "net/http.h"
#include "rt/fiber.h"

struct req;
struct res;
struct http_conn;
struct ws;

enum route_kind { ROUTE_PLAIN, ROUTE_SSE, ROUTE_WS, ROUTE_STREAM };
enum rate_class { RATE_API, RATE_NONE, RATE_AUTH, RATE_RUN };

typedef Err route_fn(struct req *req, struct res *res);
/* Answers with @status instead of what failed with @code, in a form of its own; nothing was sent
 * yet. */
typedef Err route_fail_fn(struct req *req, struct res *res, int status, Err code);

/* @path: "/api/runs/:id/events"; a ":name" segment takes one non-empty segment, a last segment
 * "*name" the rest. Fixed segments win over ":name", that over "*name". */
struct route {
    unsigned method;
    const char *path;
    route_fn *fn;
    const char *capability; /* NULL: anyone may call it; "": anyone who is known */
    enum route_kind kind;
    enum rate_class rate;
    size_t max_body; /* 0: 1 MiB */
    const char
        *in_schema; /* name of the schema of a JSON body (openapi.c knows it); NULL: not checked */
    const char *in_type; /* its media type, if that is not JSON; for the OpenAPI document alone */
    const char *out_schema; /* for the OpenAPI document */
    bool during_drain;      /* answered while the server drains; others get 503 then */
    const char *summary;    /* likewise; NULL keeps the route out of it */
    const char *query;      /* likewise: "limit:integer cursor:string", names in req_query */
    const char *headers;    /* likewise: request headers it heeds, "Idempotency-Key If-Match" */
    const char *out_type;   /* likewise: the media type of an answer that has no schema */
    route_fail_fn *fail;    /* how failures are told; NULL: problem+json */
};

/* Who calls: filled by the authenticator, opaque to this floor but for the capability check. */
struct who {
    Id tenant;
    Id actor;         /* key or session */
    Id user, team;    /* that the key is of; none: ID_NONE */
    Str actor_name;   /* for the log and the audit trail */
    Str capabilities; /* space-separated; "*" is all */
};
bool who_may(const struct who *who, const char *capability);

struct req {
    struct arena *a;
    enum http_method method;
    Str path;     /* decoded, normalised: no "..", no "//", no NUL */
    Str raw_path; /* the same with its escapes: what routes are matched against */
    Str query;    /* raw */
    Str target;   /* as sent */
    HttpHeaders headers;
    Str request_id; /* the client's X-Request-Id if it is sane, else a new one */
    Str remote;     /* address of the peer, or what a trusted proxy says */
    bool tls;
    const struct route *route;
    struct who who;
    Str params[8]; /* values of ":name" segments in order, decoded */
    const char *param_names[8];
    Usec started;
    struct http_conn *conn;
    void *app; /* the context given to http_server_new */
};

struct router;
struct router *router_new(void);
void router_free(struct router *r);
DEFINE_AUTO(router, router_free)
/* Add a table that ends with {0}; it must stay. Ends the process on a duplicate or malformed route.
 */
void router_add(struct router *r, const struct route *table);
/* E_NOT_FOUND; E_METHOD when the path has routes of other methods (*ret_allowed tells which). Fills
 * req->route and req->params. */
Err router_find(const struct router *r, struct req *req, unsigned *ret_allowed);
/* Every route, for `heddle openapi`. */
bool router_next(const struct router *r, size_t *at, const struct route **ret_route);

/* ---- reading a request ---- */

Str req_header(const struct req *req, Str name); /* p == NULL if absent */
/* The ":name" segment of the path. The route must have it. */
Str req_param(const struct req *req, const char *name);
/* The same as an id; E_NOT_FOUND for what is no id. */
Err req_id(const struct req *req, const char *name, Id *ret_id);
/* A query parameter, decoded; *ret_value is empty with p == NULL when it is absent. */
Err req_query(const struct req *req, Str name, Str *ret_value);
/* The same as an integer in [min, max]; @otherwise when absent; E_BAD_INPUT names the parameter. */
Err req_query_int(const struct req *req, Str name, int64_t min, int64_t max, int64_t otherwise,
                  int64_t *ret_value);
/* A cookie's value; p == NULL if absent. */
Str req_cookie(const struct req *req, Str name);
/* The whole body. Waits for it; E_TOO_LARGE past the route's max_body; sends 100-continue when
 * asked. */
Err req_body(struct req *req, Str *ret_body) YIELDS;
/* Before it is read: it may have @max bytes, less than the route allows. E_TOO_LARGE. */
Err req_body_limit(struct req *req, size_t max);
/* The next piece of the body, with backpressure; E_EOF at its end. Not after req_body. */
Err req_body_read(struct req *req, Str *ret_piece) YIELDS;
/* The body as JSON, checked against the route's in_schema; wants a JSON content type
 * (E_MEDIA_TYPE). An empty body is an empty object. */
Err req_json(struct req *req, struct json **ret_value) YIELDS;
/* The same body as text, for callers that parse and check it themselves; empty if there is none. */
Err req_json_text(struct req *req, Str *ret_text) YIELDS;

/* Whether a request that a cookie vouches for was made by a page of this very server:
 * Sec-Fetch-Site, else Origin against Host; without both only GET, HEAD and OPTIONS pass. For
 * handlers that accept cookies. */
bool req_same_origin(const struct req *req);

/* ---- answering: exactly one of these, or return an error ---- */

/* Add a header before answering. Connection, Transfer-Encoding, Date and X-Request-Id are the
 * server's and ignored; so is what http_header_valid() refuses. Content-Security-Policy and
 * Cache-Control replace the defaults ("default-src 'none'; frame-ancestors 'none'" and "no-store");
 * Content-Length before res_begin() makes an answer of that length instead of a chunked one. */
void res_header(struct res *res, Str name, Str value);
Err res_send(struct res *res, int status, Str content_type, Str body) YIELDS;
Err res_json(struct res *res, int status, const struct json *value) YIELDS;
Err res_empty(struct res *res, int status) YIELDS;
/* RFC 9457: type, title, status, detail, code (err_slug), request_id, and @extra's members. Headers
 * that describe other content (Content-Type, ETag, ...) are taken back. */
Err res_problem(struct res *res, Err code, const struct json *extra) YIELDS;
Err res_redirect(struct res *res, int status, Str location) YIELDS;
/* An answer in pieces: begin, any number of writes, end. Chunked, or raw until close for HTTP/1.0.
 * A write returns when the bytes are with the kernel or at most 64 KiB of the answer wait for it; a
 * client that does not read for 30 s is dropped (E_CLOSED). Returning without res_end cuts the
 * connection. For HEAD, and for a status that has no body, a write gives E_CLOSED: there is no
 * reason to go on. */
Err res_begin(struct res *res, int status, Str content_type) YIELDS;
Err res_write(struct res *res, Str piece) YIELDS;
Err res_end(struct res *res) YIELDS;
/* The answer may be 500 or more: the client asked for that, and no error is logged. */
void res_expected(struct res *res);
bool res_started(const struct res *res);
int res_status(const struct res *res);

#endif
