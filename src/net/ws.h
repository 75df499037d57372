/* src/net/ws.h - WebSocket, server side (RFC 6455, permessage-deflate RFC 7692).
 *
 * A ROUTE_WS handler calls ws_accept() and then reads and writes messages. Pings are answered,
 * fragments joined, UTF-8 of text checked, close frames answered, all by ws_read().
 */
#ifndef NET_WS_H
#define NET_WS_H

#include "net/router.h"

struct ws;

enum ws_kind { WS_TEXT = 1, WS_BINARY = 2 };

struct ws_options {
    size_t max_message;   /* 0: 1 MiB, after decompression; more closes with 1009 */
    const char *protocol; /* the one subprotocol offered; NULL: none */
    Usec ping_every;      /* 0: 30 s; a peer silent for two of them is dropped */
    bool no_deflate;
};

/* Answer the upgrade; E_BAD_INPUT if the request is none. The connection is freed with the request.
 */
Err ws_accept(struct req *req, struct res *res, const struct ws_options *options,
              struct ws **ret_ws) YIELDS;
/* The next message, in the arena @a. E_CLOSED after a close (ws_close_code tells), E_TIMEOUT. */
Err ws_read(struct ws *ws, struct arena *a, Usec deadline, enum ws_kind *ret_kind, Str *ret_message)
    YIELDS;
/* One writer at a time is not required: messages of several fibers are sent whole, one after
 * another. */
Err ws_write(struct ws *ws, enum ws_kind kind, Str message) YIELDS;
/* Send a close frame and wait shortly for the peer's. */
Err ws_close(struct ws *ws, int code, Str reason) YIELDS;
/* The peer's close code, 1005 without one, 1006 if it just left. */
int ws_close_code(const struct ws *ws);

#endif
