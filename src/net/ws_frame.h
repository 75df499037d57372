/* src/net/ws_frame.h - WebSocket frames (RFC 6455), decoded and encoded without any socket.
 *
 * The decoder joins fragments, takes control frames in between, undoes the mask and refuses what
 * the RFC does. It keeps no buffer while no message is in work.
 */
#ifndef NET_WS_FRAME_H
#define NET_WS_FRAME_H

#include "base/buf.h"

enum {
    WS_OP_MORE = 0,
    WS_OP_TEXT = 1,
    WS_OP_BINARY = 2,
    WS_OP_CLOSE = 8,
    WS_OP_PING = 9,
    WS_OP_PONG = 10
};
enum { WS_CONTROL_MAX = 125, WS_HEAD_MAX = 14 };

struct ws_decoder {
    struct buf message; /* data frames joined */
    uint64_t left;      /* of the present frame's payload */
    uint8_t head[WS_HEAD_MAX];
    uint8_t control[WS_CONTROL_MAX];
    uint8_t head_n, control_n;
    uint8_t mask_at;
    uint8_t opcode;      /* of the present frame */
    uint8_t kind;        /* of the message in work; 0: none */
    uint16_t close_code; /* after a refusal: how to close */
    bool fin, in_payload, compressed, delivered;
    bool deflate;  /* negotiated: the first frame of a message may have RSV1 */
    bool unmasked; /* decode a server's frames, which have no mask */
};

struct ws_frame {
    uint8_t opcode;  /* TEXT or BINARY for a whole message; CLOSE, PING, PONG; MORE: nothing yet */
    bool compressed; /* the payload is still deflated */
    Str payload;     /* valid until the next call */
    uint16_t code;   /* CLOSE: the peer's, 1005 without one */
};

void ws_decoder_init(struct ws_decoder *d, size_t max_message, bool deflate);
void ws_decoder_done(struct ws_decoder *d);
/* Take bytes from *in until a message or control frame is complete or *in is used up. E_BAD_INPUT
 * or E_TOO_LARGE is final; d->close_code says how to close. Text is not checked for UTF-8 (it may
 * be compressed); a close frame's reason is. */
Err ws_decode(struct ws_decoder *d, Str *in, struct ws_frame *ret);

/* The head of a frame into @out (WS_HEAD_MAX bytes); gives its length. @mask NULL: none (a
 * server's). */
size_t ws_encode_head(uint8_t *out, unsigned opcode, bool fin, bool compressed, uint64_t n,
                      const uint8_t mask[4]);
/* Mask or unmask in place; @at is the place of @p within the payload. */
void ws_mask(char *p, size_t n, const uint8_t mask[4], size_t at);
/* Whether a peer may send this code in a close frame. */
bool ws_code_is_valid(unsigned code);

#endif
