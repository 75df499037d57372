/* src/net/ws.c - a WebSocket on a connection of the server.
 *
 * Input is decoded as it comes, in the loop's callback: control frames are answered there, so that
 * pings are answered while the handler is busy; whole messages wait, bounded, for ws_read(). A
 * quiet socket keeps no buffer.
 */
#include "net/ws.h"

#include "base/crypto.h"
#include "base/utf8.h"
#include "net/http_private.h"
#include "net/ws_deflate.h"
#include "net/ws_frame.h"
#include "rt/log.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum {
    QUEUE_STOP = 64 * 1024, /* bytes of messages that nobody read yet; then reading stops */
    DEFLATE_MIN = 256,      /* smaller messages are not worth compressing */
    DEFAULT_MAX = 1 << 20,
};

static const Usec CLOSE_WAIT = 2 * USEC_S;

struct message {
    struct message *next;
    size_t n;
    uint8_t kind;
    bool compressed;
    char bytes[];
};

struct ws {
    struct http_conn *conn;
    struct exch *x;
    struct ws_decoder decoder;
    struct message *first, *last;
    size_t queued;
    struct wait_queue readers;
    struct fiber_mutex writing;
    struct timer ping;
    Usec ping_every, heard_at;
    size_t max_message;
    uint8_t *pong; /* the answer to the latest ping, when it could not be sent at once */
    uint8_t pong_n;
    uint16_t peer_code; /* 0 until the peer closes or leaves */
    uint16_t own_code;  /* 0 until our close frame is out */
    bool deflate, broken;
};

/* ---- the handshake ---- */

static Err bad_upgrade(struct res *res, const char *why)
{
    res_header(res, S("Upgrade"), S("websocket"));
    return err_detail(E_BAD_INPUT, "This is a WebSocket address: %s.", why);
}

/* 16 bytes in base64: 22 characters and two of padding. */
static bool is_key(Str s)
{
    if (s.n != 24 || s.p[22] != '=' || s.p[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return true;
}

static Err check_request(struct req *req, struct res *res)
{
    bool upgrade = false;

    vec_each(&req->headers, h) {
        if (str_eq_nocase(h->name, S("connection")))
            upgrade |= http_list_has(h->value, S("upgrade"));
    }
    if (req->method != HTTP_GET || exch_of(req)->http10)
        return bad_upgrade(res, "it takes GET in HTTP/1.1");
    if (!upgrade || !http_list_has(req_header(req, S("upgrade")), S("websocket")))
        return bad_upgrade(res, "the upgrade fields are missing");
    if (!str_eq(req_header(req, S("sec-websocket-version")), S("13"))) {
        res_header(res, S("Sec-WebSocket-Version"), S("13"));
        return bad_upgrade(res, "only version 13 is spoken");
    }
    if (!is_key(req_header(req, S("sec-websocket-key"))))
        return bad_upgrade(res, "the key is not 16 bytes in base64");
    if (exch_of(req)->content_length > 0 || !exch_of(req)->body_done)
        return bad_upgrade(res, "the request has a body");
    /* A page of another site may open a socket here, and the browser adds our cookie. */
    if (req_header(req, S("cookie")).p && req_header(req, S("origin")).p && !req_same_origin(req))
        return err_detail(E_FORBIDDEN, "Pages of other sites may not connect with a session.");
    return OK;
}

static Str accept_value(struct arena *a, Str key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[24 + sizeof guid - 1];
    unsigned char sha[20];
    unsigned n;

    memcpy(text, key.p, 24);
    memcpy(text + 24, guid, sizeof guid - 1);
    if (EVP_Digest(text, sizeof text, sha, &n, EVP_sha1(), NULL) != 1 || n != sizeof sha)
        DIE("SHA-1");
    return crypto_base64(a, str_from((char *)sha, sizeof sha));
}

static void answer_fields(struct req *req, struct res *res, const struct ws_options *o,
                          bool *ret_deflate)
{
    res_header(res, S("Upgrade"), S("websocket"));
    res_header(res, S("Sec-WebSocket-Accept"),
               accept_value(req->a, req_header(req, S("sec-websocket-key"))));
    if (o->protocol &&
        http_list_has(req_header(req, S("sec-websocket-protocol")), str_c(o->protocol)))
        res_header(res, S("Sec-WebSocket-Protocol"), str_c(o->protocol));
    Str extensions = S("");
    if (!o->no_deflate)
        extensions = ws_deflate_negotiate(req_header(req, S("sec-websocket-extensions")));
    if (extensions.n)
        res_header(res, S("Sec-WebSocket-Extensions"), extensions);
    *ret_deflate = extensions.n > 0;
}

static void on_ping_due(struct timer *t);

Err ws_accept(struct req *req, struct res *res, const struct ws_options *options,
              struct ws **ret_ws)
{
    static const struct ws_options defaults;
    const struct ws_options *o = options ? options : &defaults;
    struct exch *x = exch_of(req);
    struct http_conn *c = x->conn;
    bool deflate;

    TRY(check_request(req, res));
    answer_fields(req, res, o, &deflate);
    TRY(res_switch(res));
    if (c->phase == PHASE_CLOSED)
        return err_set(E_CLOSED, "the client has left");

    struct ws *ws = calloc(1, sizeof *ws);
    if (!ws)
        DIE("out of memory");
    ws->conn = c;
    ws->x = x;
    ws->deflate = deflate;
    ws->max_message = o->max_message ? o->max_message : DEFAULT_MAX;
    ws->ping_every = o->ping_every ? o->ping_every : 30 * USEC_S;
    ws->heard_at = shard_now();
    ws_decoder_init(&ws->decoder, ws->max_message, deflate);
    timer_start(&ws->ping, ws->heard_at + ws->ping_every, on_ping_due);
    x->keep_alive = false;
    c->ws = ws;
    c->must_linger = true;
    Str early = http_conn_pending(c);
    if (early.n)
        ws_input(ws, early.p, early.n);
    http_conn_clear_pending(c);
    http_conn_update_reading(c);
    *ret_ws = ws;
    return OK;
}

/* ---- sending ---- */

/* A control frame, at once, if no message is half written and the queue has room. */
static bool send_control(struct ws *ws, unsigned opcode, const void *p, size_t n)
{
    uint8_t head[WS_HEAD_MAX];
    size_t taken;

    if (ws->writing.owner || ws->broken || ws->own_code ||
        sock_queued(&ws->conn->sock) + n + sizeof head > SOCK_QUEUE_MAX)
        return false;
    size_t head_n = ws_encode_head(head, opcode, true, false, n, NULL);
    uv_buf_t bufs[2] = {{.base = (char *)head, .len = head_n},
                        {.base = (char *)(uintptr_t)p, .len = n}};
    return http_conn_write_now(ws->conn, bufs, n ? 2 : 1, &taken) == OK;
}

static void forget_pong(struct ws *ws)
{
    free(ws->pong);
    ws->pong = NULL;
}

/* Of several pings only the latest need be answered (RFC 6455 section 5.5.3). */
static void answer_ping(struct ws *ws, Str payload)
{
    forget_pong(ws);
    if (send_control(ws, WS_OP_PONG, payload.p, payload.n))
        return;
    ws->pong = malloc(payload.n + 1);
    if (!ws->pong)
        DIE("out of memory");
    memcpy(ws->pong, payload.p, payload.n);
    ws->pong_n = (uint8_t)payload.n;
}

void ws_drained(struct ws *ws)
{
    if (ws->pong && send_control(ws, WS_OP_PONG, ws->pong, ws->pong_n))
        forget_pong(ws);
}

/* Send our close frame if it is not out yet. What cannot be sent at once need not be. */
static void send_close(struct ws *ws, unsigned code, Str reason)
{
    uint8_t payload[WS_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};

    if (ws->own_code)
        return;
    reason = str_head(reason, sizeof payload - 2);
    reason.n = utf8_valid_prefix(reason);
    if (reason.n)
        memcpy(payload + 2, reason.p, reason.n);
    if (!send_control(ws, WS_OP_CLOSE, payload, code == 1005 ? 0 : reason.n + 2))
        ws->broken = true;
    ws->own_code = (uint16_t)code;
}

static Err write_frame(struct ws *ws, unsigned opcode, bool compressed, Str payload)
{
    uint8_t head[WS_HEAD_MAX];
    size_t head_n = ws_encode_head(head, opcode, true, compressed, payload.n, NULL);
    uv_buf_t bufs[2] = {{.base = (char *)head, .len = head_n},
                        {.base = (char *)(uintptr_t)payload.p, .len = payload.n}};
    Err e = http_conn_write(ws->conn, bufs, payload.n ? 2 : 1);

    if (e != OK) { /* perhaps half of it is out: nothing sensible can follow */
        ws->broken = true;
        if (e != E_CLOSED)
            http_conn_close(ws->conn);
    }
    return e;
}

Err ws_write(struct ws *ws, enum ws_kind kind, Str message)
{
    AUTO_BUF(small, MIB(256));
    bool compressed = ws->deflate && message.n >= DEFLATE_MIN;

    if (kind == WS_TEXT && !utf8_valid(message))
        return err_set(E_INVALID, "a text message that is not UTF-8");
    if (compressed)
        TRY(ws_deflate(&small, message, fiber_breathe));
    TRY(fiber_mutex_lock(&ws->writing));
    Err e = ws->broken || ws->own_code || ws->peer_code
                ? err_set(E_CLOSED, "the websocket is closed")
                : write_frame(ws, kind, compressed, compressed ? buf_str(&small) : message);
    fiber_mutex_unlock(&ws->writing);
    ws_drained(ws);
    return e;
}

/* ---- receiving ---- */

static void wake(struct ws *ws)
{
    wait_queue_wake_all(&ws->readers, OK);
}

static void enqueue(struct ws *ws, const struct ws_frame *f)
{
    struct message *m = malloc(sizeof *m + f->payload.n);
    if (!m)
        DIE("out of memory");
    *m = (struct message){.n = f->payload.n, .kind = f->opcode, .compressed = f->compressed};
    if (m->n)
        memcpy(m->bytes, f->payload.p, m->n);
    if (ws->last)
        ws->last->next = m;
    else
        ws->first = m;
    ws->last = m;
    ws->queued += sizeof *m + m->n;
}

static struct message *dequeue(struct ws *ws)
{
    struct message *m = ws->first;
    ws->first = m->next;
    if (!ws->first)
        ws->last = NULL;
    ws->queued -= sizeof *m + m->n;
    return m;
}

static void take_frame(struct ws *ws, const struct ws_frame *f)
{
    switch (f->opcode) {
    case WS_OP_TEXT:
    case WS_OP_BINARY:
        if (!ws->own_code)
            enqueue(ws, f);
        break;
    case WS_OP_PING:
        answer_ping(ws, f->payload);
        break;
    case WS_OP_CLOSE:
        ws->peer_code = f->code;
        send_close(ws, f->code, S(""));
        break;
    default:
        break;
    }
}

void ws_input(struct ws *ws, const char *p, size_t n)
{
    Str in = {p, n};

    ws->heard_at = shard_now();
    while (in.n && !ws->peer_code && !ws->broken) {
        struct ws_frame f;
        if (ws_decode(&ws->decoder, &in, &f) != OK) {
            send_close(ws, ws->decoder.close_code, S(""));
            ws->broken = true;
            break;
        }
        if (f.opcode == WS_OP_MORE)
            break;
        take_frame(ws, &f);
    }
    if (ws->first || ws->peer_code || ws->broken)
        wake(ws);
}

bool ws_wants_input(const struct ws *ws)
{
    return ws->queued < QUEUE_STOP || ws->own_code || ws->broken;
}

void ws_gone(struct ws *ws)
{
    if (!ws->peer_code)
        ws->peer_code = 1006;
    ws->broken = true;
    wake(ws);
}

static void on_ping_due(struct timer *t)
{
    struct ws *ws = (struct ws *)((char *)t - offsetof(struct ws, ping));
    Usec now = shard_now(), silent = now - ws->heard_at;

    if (silent >= 2 * ws->ping_every && ws->conn->sock.reading) {
        LOG_DEBUG("dropped a websocket that is silent",
                  L_STR("remote", http_conn_remote(ws->conn)));
        ws_gone(ws);
        http_conn_drop(ws->conn);
        return;
    }
    if (silent >= ws->ping_every)
        (void)send_control(ws, WS_OP_PING, "", 0); /* no room: the write deadline watches */
    timer_start(t, silent >= ws->ping_every ? now + ws->ping_every : ws->heard_at + ws->ping_every,
                on_ping_due);
}

/* The text of a message in @a. A message that is broken closes the socket. */
static Err open_message(struct ws *ws, struct arena *a, const struct message *m, Str *ret_message)
{
    Str raw = {m->bytes, m->n}, text;
    Err e = OK;

    if (m->compressed)
        e = ws_inflate(a, raw, ws->max_message, fiber_breathe, &text);
    else
        text = str_dup(a, raw);
    if (e == E_TOO_LARGE)
        send_close(ws, 1009, S(""));
    else if (e == E_BAD_INPUT || (e == OK && m->kind == WS_TEXT && !utf8_valid(text)))
        send_close(ws, 1007, S(""));
    else if (e == OK)
        *ret_message = text;
    if (ws->own_code) {
        ws->broken = true;
        return err_set(E_CLOSED, "the websocket was closed with %d", ws->own_code);
    }
    return e;
}

Err ws_read(struct ws *ws, struct arena *a, Usec deadline, enum ws_kind *ret_kind, Str *ret_message)
{
    while (!ws->first) {
        if (ws->peer_code || ws->broken || ws->own_code)
            return err_set(E_CLOSED, "the websocket was closed with %d", ws_close_code(ws));
        TRY(wait_queue_wait(&ws->readers, deadline));
    }
    struct message *m = dequeue(ws);
    http_conn_update_reading(ws->conn);
    Err e = open_message(ws, a, m, ret_message);
    if (e == OK)
        *ret_kind = m->kind;
    free(m);
    return e;
}

int ws_close_code(const struct ws *ws)
{
    return ws->peer_code ? ws->peer_code : 1006;
}

/* ---- ending ---- */

Err ws_close(struct ws *ws, int code, Str reason)
{
    Usec until = usec_in(CLOSE_WAIT);

    TRY(fiber_mutex_lock(&ws->writing)); /* behind a message that is being written */
    fiber_mutex_unlock(&ws->writing);
    send_close(ws, (unsigned)code, reason);
    http_conn_update_reading(ws->conn);
    while (!ws->peer_code && !ws->broken) {
        Err e = wait_queue_wait(&ws->readers, until);
        if (e == E_TIMEOUT)
            return OK; /* it had its chance */
        TRY(e);
    }
    return OK;
}

void ws_end(struct ws *ws, Err e)
{
    struct http_conn *c = ws->conn;

    if (e == E_CANCELLED && http_server_draining(c->shard->server))
        send_close(ws, 1001, S(""));
    else
        send_close(ws, e == OK || e == E_CLOSED ? 1000 : 1011, S(""));
    c->must_linger = !ws->peer_code;
    c->ws = NULL;
    timer_stop(&ws->ping);
    ws_decoder_done(&ws->decoder);
    while (ws->first)
        free(dequeue(ws));
    forget_pong(ws);
    free(ws);
}
