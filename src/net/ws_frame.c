/* src/net/ws_frame.c - the WebSocket frame codec. */
#include "net/ws_frame.h"

#include "base/utf8.h"

void ws_decoder_init(struct ws_decoder *d, size_t max_message, bool deflate)
{
    memset(d, 0, sizeof *d);
    buf_init(&d->message, max_message);
    d->deflate = deflate;
}

void ws_decoder_done(struct ws_decoder *d)
{
    buf_done(&d->message);
}

static Err refuse(struct ws_decoder *d, unsigned code, const char *why)
{
    d->close_code = (uint16_t)code;
    return err_set(code == 1009 ? E_TOO_LARGE : E_BAD_INPUT, "websocket: %s", why);
}

bool ws_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

void ws_mask(char *p, size_t n, const uint8_t mask[4], size_t at)
{
    uint8_t turned[8];
    uint64_t wide;
    size_t i = 0;

    for (size_t k = 0; k < 8; k++)
        turned[k] = mask[(at + k) & 3];
    memcpy(&wide, turned, 8);
    for (; i + 8 <= n; i += 8) {
        uint64_t v;
        memcpy(&v, p + i, 8);
        v ^= wide;
        memcpy(p + i, &v, 8);
    }
    for (; i < n; i++)
        p[i] = (char)(p[i] ^ turned[i & 7]);
}

/* ---- heads ---- */

static size_t length_bytes(const struct ws_decoder *d)
{
    unsigned n = d->head[1] & 127;
    return n == 126 ? 2 : n == 127 ? 8 : 0;
}

static size_t head_size(const struct ws_decoder *d)
{
    return 2 + length_bytes(d) + (d->unmasked ? 0 : 4);
}

static uint64_t payload_length(const struct ws_decoder *d)
{
    size_t n = length_bytes(d);
    uint64_t v = 0;

    if (n == 0)
        return d->head[1] & 127;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | d->head[2 + i];
    return v;
}

/* The first two bytes are there. */
static Err check_start(struct ws_decoder *d)
{
    unsigned opcode = d->head[0] & 15, rsv = d->head[0] & 0x70;
    bool fin = d->head[0] & 0x80, control = opcode >= 8;

    if (!d->unmasked != ((d->head[1] & 0x80) != 0))
        return refuse(d, 1002, d->unmasked ? "a masked frame" : "an unmasked frame");
    if ((opcode > WS_OP_BINARY && opcode < WS_OP_CLOSE) || opcode > WS_OP_PONG)
        return refuse(d, 1002, "a reserved opcode");
    if (rsv && !(rsv == 0x40 && d->deflate && (opcode == WS_OP_TEXT || opcode == WS_OP_BINARY)))
        return refuse(d, 1002, "a reserved bit");
    if (control && (!fin || (d->head[1] & 127) > WS_CONTROL_MAX))
        return refuse(d, 1002, "a control frame that is long or in pieces");
    if (opcode == WS_OP_MORE && !d->kind)
        return refuse(d, 1002, "a continuation of nothing");
    if (!control && opcode != WS_OP_MORE && d->kind)
        return refuse(d, 1002, "a new message within another");
    return OK;
}

static Err begin_payload(struct ws_decoder *d)
{
    uint64_t n = payload_length(d);
    size_t bytes = length_bytes(d);

    if ((bytes == 2 && n < 126) || (bytes == 8 && (n < 65536 || n > INT64_MAX)))
        return refuse(d, 1002, "a length that is not in its shortest form");
    d->opcode = d->head[0] & 15;
    d->fin = d->head[0] & 0x80;
    d->left = n;
    d->mask_at = 0;
    d->in_payload = true;
    if (d->opcode >= WS_OP_CLOSE) {
        d->control_n = 0;
        return OK;
    }
    if (d->opcode != WS_OP_MORE) {
        d->kind = d->opcode;
        d->compressed = d->head[0] & 0x40;
    }
    if (n > d->message.max - d->message.n)
        return refuse(d, 1009, "a message that is too large");
    return OK;
}

/* Collect the head's bytes; *ret_done when it is whole. */
static Err take_head(struct ws_decoder *d, Str *in, bool *ret_done)
{
    size_t want = d->head_n < 2 ? 2 : head_size(d);

    while (in->n && d->head_n < want) {
        d->head[d->head_n++] = (uint8_t)in->p[0];
        *in = str_skip(*in, 1);
        if (d->head_n == 2) {
            TRY(check_start(d));
            want = head_size(d);
        }
    }
    *ret_done = d->head_n >= 2 && d->head_n == want;
    return *ret_done ? begin_payload(d) : OK;
}

/* ---- payloads ---- */

static void take_payload(struct ws_decoder *d, Str *in)
{
    size_t n = in->n < d->left ? in->n : (size_t)d->left;
    char *to;

    if (n == 0)
        return;
    if (d->opcode >= WS_OP_CLOSE) {
        to = (char *)d->control + d->control_n;
        d->control_n = (uint8_t)(d->control_n + n);
    } else {
        to = buf_room(&d->message, n); /* begin_payload() has seen that it fits */
        if (!to)
            DIE("a message of more than %zu bytes", d->message.max);
        buf_added(&d->message, n);
    }
    memcpy(to, in->p, n);
    if (!d->unmasked)
        ws_mask(to, n, d->head + d->head_n - 4, d->mask_at);
    d->mask_at = (uint8_t)((d->mask_at + n) & 3);
    d->left -= n;
    *in = str_skip(*in, n);
}

static Err end_close(struct ws_decoder *d, struct ws_frame *ret)
{
    Str payload = {(const char *)d->control, d->control_n};

    ret->code = 1005;
    if (payload.n == 0)
        return OK;
    ret->code = (uint16_t)(d->control[0] << 8 | (payload.n > 1 ? d->control[1] : 0));
    if (payload.n == 1 || !ws_code_is_valid(ret->code))
        return refuse(d, 1002, "a close frame with a bad code");
    ret->payload = str_skip(payload, 2);
    if (!utf8_valid(ret->payload))
        return refuse(d, 1007, "a close reason that is not UTF-8");
    return OK;
}

static Err end_frame(struct ws_decoder *d, struct ws_frame *ret)
{
    d->in_payload = false;
    d->head_n = 0;
    if (d->opcode >= WS_OP_CLOSE) {
        ret->opcode = d->opcode;
        ret->payload = str_from((const char *)d->control, d->control_n);
        return d->opcode == WS_OP_CLOSE ? end_close(d, ret) : OK;
    }
    if (!d->fin)
        return OK;
    ret->opcode = d->kind;
    ret->compressed = d->compressed;
    ret->payload = d->message.n ? buf_str(&d->message) : S("");
    d->kind = 0;
    d->delivered = true;
    return OK;
}

Err ws_decode(struct ws_decoder *d, Str *in, struct ws_frame *ret)
{
    *ret = (struct ws_frame){0};
    if (d->close_code)
        return refuse(d, d->close_code, "more after a refusal");
    if (d->delivered) {
        buf_done(&d->message);
        d->delivered = false;
    }
    for (;;) {
        if (!d->in_payload) {
            bool done;
            TRY(take_head(d, in, &done));
            if (!done)
                return OK;
        }
        take_payload(d, in);
        if (d->left)
            return OK;
        TRY(end_frame(d, ret));
        if (ret->opcode != WS_OP_MORE)
            return OK;
    }
}

size_t ws_encode_head(uint8_t *out, unsigned opcode, bool fin, bool compressed, uint64_t n,
                      const uint8_t mask[4])
{
    size_t at = 2, bytes = n < 126 ? 0 : n < 65536 ? 2 : 8;

    out[0] = (uint8_t)((fin ? 0x80 : 0) | (compressed ? 0x40 : 0) | opcode);
    out[1] = (uint8_t)((mask ? 0x80 : 0) | (bytes == 0 ? n : bytes == 2 ? 126 : 127));
    for (size_t i = 0; i < bytes; i++)
        out[at++] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
    if (mask) {
        memcpy(out + at, mask, 4);
        at += 4;
    }
    return at;
}
