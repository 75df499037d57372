/* src/net/ws_deflate.h - permessage-deflate (RFC 7692) without context takeover.
 *
 * Every message is compressed by itself, so a connection keeps no compression state: one inflater
 * and one deflater serve a whole shard. Large messages get one of their own and let other fibers
 * run in between.
 */
#ifndef NET_WS_DEFLATE_H
#define NET_WS_DEFLATE_H

#include "base/arena.h"
#include "base/buf.h"

/* @breathe is called now and then while a large message is in work (fiber_breathe); NULL: never. */

/* E_TOO_LARGE when the text is more than @max bytes, E_BAD_INPUT when it is not deflated data. */
Err ws_inflate(struct arena *a, Str in, size_t max, Err (*breathe)(void), Str *ret_text) YIELDS;
/* Appends to @out. */
Err ws_deflate(struct buf *out, Str in, Err (*breathe)(void)) YIELDS;
/* What to answer to a Sec-WebSocket-Extensions field: the response's value, or an empty Str if no
 * offer of permessage-deflate in it can be taken. */
Str ws_deflate_negotiate(Str offers);

#endif
