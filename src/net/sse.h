/* src/net/sse.h - server-sent events (WHATWG HTML, section 9.2), both ends. */
#ifndef NET_SSE_H
#define NET_SSE_H

#include "net/router.h"

struct sse_event {
    Str id;           /* p == NULL: none */
    Str event;        /* empty: "message" */
    Str data;         /* lines joined by "\n" */
    int64_t retry_ms; /* -1: none */
};

/* ---- writing, on a route ---- */

/* Begin the stream: status 200, text/event-stream, no caching, no proxy buffering. */
Err sse_begin(struct res *res) YIELDS;
/* Send one event; members of @ev may be empty. Newlines in data become several data lines. */
Err sse_send(struct res *res, const struct sse_event *ev) YIELDS;
/* A comment line: keeps proxies and clients awake. Send one every 15 s of silence. */
Err sse_heartbeat(struct res *res) YIELDS;
/* The Last-Event-ID header or the last_event_id query parameter, else p == NULL. */
Str sse_last_id(const struct req *req);

/* ---- parsing ---- */

/* A push parser: feed pieces as they come, take events. Bounded: an event of more than @max_event
 * bytes is E_TOO_LARGE. Handles LF, CR, CRLF, split anywhere, and a leading BOM. */
struct sse_parser;
struct sse_parser *sse_parser_new(size_t max_event);
void sse_parser_free(struct sse_parser *p);
DEFINE_AUTO(sse_parser, sse_parser_free)
/* Consume from *piece until an event is complete or the piece is used up; *piece becomes the rest.
 * *ret_complete tells; the event's Strs are valid until the next call. */
Err sse_parser_feed(struct sse_parser *p, Str *piece, struct sse_event *ret_event,
                    bool *ret_complete);

#endif
