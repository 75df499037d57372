/* src/net/ws_test.c - WebSockets over real sockets: handshake, messages, closing, pressure. */
#include "net/test_talk.h"
#include "net/ws.h"
#include "net/ws_deflate.h"
#include "net/ws_frame.h"

static struct {
    Err ended;
    int code;
    size_t messages, written;
    bool running, done;
} seen;

static Err echo(struct ws *ws, struct arena *a)
{
    enum ws_kind kind;
    Str message;

    TRY(ws_read(ws, a, USEC_NEVER, &kind, &message));
    seen.messages++;
    if (str_eq(message, S("close me")))
        return ws_close(ws, 4001, S("as you wish"));
    if (str_eq(message, S("fail")))
        return err_set(E_INTERNAL, "as asked");
    return ws_write(ws, kind, message);
}

static Err get_echo(struct req *req, struct res *res)
{
    struct ws *ws;
    Err e = OK;

    TRY(ws_accept(req, res,
                  &(struct ws_options){.max_message = 200000,
                                       .protocol = "echo",
                                       .ping_every = req->query.p ? 200 * USEC_MS : 0},
                  &ws));
    seen.running = true;
    while (e == OK) {
        AUTO(arena) *a = arena_new(MIB(4));
        e = echo(ws, a);
    }
    seen.ended = e;
    seen.code = ws_close_code(ws);
    seen.done = true;
    return e;
}

/* Write without end. */
static Err get_flood(struct req *req, struct res *res)
{
    static char block[10000];
    struct ws *ws;
    Err e;

    TRY(ws_accept(req, res, &(struct ws_options){.no_deflate = true}, &ws));
    while ((e = ws_write(ws, WS_BINARY, str_from(block, sizeof block))) == OK)
        seen.written += sizeof block;
    seen.ended = e;
    seen.done = true;
    return e;
}

/* Never read: what comes must not pile up. */
static Err get_deaf(struct req *req, struct res *res)
{
    struct ws *ws;
    TRY(ws_accept(req, res, NULL, &ws));
    seen.running = true;
    seen.ended = fiber_sleep(USEC_MIN);
    seen.done = true;
    return seen.ended;
}

static const struct route routes[] = {
    {HTTP_GET, "/echo", get_echo, .kind = ROUTE_WS},
    {HTTP_GET, "/flood", get_flood, .kind = ROUTE_WS},
    {HTTP_GET, "/deaf", get_deaf, .kind = ROUTE_WS},
    {0},
};

#define UPGRADE "Host: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
#define KEY "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void start(struct t_site *site, const struct http_server_options *o)
{
    memset(&seen, 0, sizeof seen);
    t_site_start(site, routes, o);
}

static Str handshake(int fd, const char *path, const char *fields)
{
    t_fd_send(fd, str_fmt(t_arena(), "GET %s HTTP/1.1\r\n" UPGRADE KEY "%s\r\n", path, fields));
    return t_fd_read(fd, S("\r\n\r\n"), 2000);
}

static void add_frame(struct buf *b, unsigned first, Str payload)
{
    static const uint8_t key[4] = {9, 8, 7, 6};
    uint8_t head[WS_HEAD_MAX];
    size_t n = ws_encode_head(head, 0, false, false, payload.n, key);

    head[0] = (uint8_t)first;
    buf_add(b, str_from((char *)head, n));
    char *to = buf_room(b, payload.n + 1);
    if (payload.n)
        memcpy(to, payload.p, payload.n);
    ws_mask(to, payload.n, key, 0);
    buf_added(b, payload.n);
}

static void send_frame(int fd, unsigned first, Str payload)
{
    AUTO_BUF(b, MIB(2));
    add_frame(&b, first, payload);
    t_fd_send(fd, buf_str(&b));
}

/* The next frame of the server: "1:text", "8:1000 reason", "gone". */
static Str next_frame(int fd)
{
    struct ws_decoder d;
    struct ws_frame f = {0};
    Str out = S("gone");

    ws_decoder_init(&d, MIB(1), true);
    d.unmasked = true;
    for (;;) {
        Str head = t_fd_take(fd, 2, 3000);
        if (head.n < 2)
            break;
        size_t more = (head.p[1] & 127) == 126 ? 2 : (head.p[1] & 127) == 127 ? 8 : 0;
        Str size = more ? t_fd_take(fd, more, 3000) : S("");
        size_t n = (size_t)head.p[1] & 127;
        if (more)
            n = 0;
        for (size_t i = 0; i < more; i++)
            n = n << 8 | (uint8_t)size.p[i];
        Str payload = n ? t_fd_take(fd, n, 3000) : S("");
        Str parts[] = {head, size, payload};
        Str all = str_join(t_arena(), parts, 3, S(""));
        if (ws_decode(&d, &all, &f) != OK) {
            out = S("bad frame");
            break;
        }
        if (f.opcode == WS_OP_MORE)
            continue;
        Str text = f.payload;
        if (f.compressed && ws_inflate(t_arena(), f.payload, MIB(1), NULL, &text) != OK)
            text = S("bad deflate");
        out = f.opcode == WS_OP_CLOSE
                  ? str_fmt(t_arena(), "8:%d %.*s", f.code, P(text))
                  : str_fmt(t_arena(), "%d%s:%.*s", f.opcode, f.compressed ? "z" : "", P(text));
        break;
    }
    ws_decoder_done(&d);
    return out;
}

static bool wait_until(const bool *flag, Usec span)
{
    Usec until = usec_in(span);
    while (!*(volatile const bool *)flag && time_mono() < until)
        (void)fiber_sleep(USEC_MS); /* a test is not cancelled */
    return *flag;
}

TEST_FIBER(ws_handshake_answers_with_the_key_of_the_rfc)
{
    struct t_site site;
    start(&site, NULL);
    int fd = t_fd_open(&site);
    Str a = handshake(fd, "/echo", "Sec-WebSocket-Protocol: other, echo\r\n");
    t_expect_int(t_status(a), 101);
    t_expect_str(t_field(a, "sec-websocket-accept"), S("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    t_expect_str(t_field(a, "upgrade"), S("websocket"));
    t_expect_str(t_field(a, "connection"), S("Upgrade"));
    t_expect_str(t_field(a, "sec-websocket-protocol"), S("echo"));
    t_expect(t_field(a, "sec-websocket-extensions").p == NULL);
    t_expect(t_field(a, "content-length").p == NULL);
    send_frame(fd, 0x81, S("hello"));
    t_expect_str(next_frame(fd), S("1:hello"));
    t_fd_close(fd);
    t_site_stop(&site);
    t_expect_int(seen.ended, E_CLOSED);
    t_expect_int(seen.code, 1006);
}

TEST_FIBER(ws_handshake_refuses_what_is_none)
{
    static const struct {
        int status;
        const char *request;
    } cases[] = {
        {400, "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" KEY "\r\n"},
        {400,
         "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nUpgrade: websocket\r\n" KEY "\r\n"},
        {400, "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n" KEY
              "\r\n"},
        {400, "GET /echo HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 8\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
        {400, "GET /echo HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n\r\n"},
        {400, "GET /echo HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=x\r\n\r\n"},
        {400, "HEAD /echo HTTP/1.1\r\n" UPGRADE KEY "\r\n"},
        {403, "GET /echo HTTP/1.1\r\n" UPGRADE KEY "Cookie: s=1\r\nOrigin: http://evil\r\n\r\n"},
    };
    struct t_site site;
    start(&site, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = t_fd_open(&site);
        t_fd_send(fd, str_c(cases[i].request));
        Str a = t_fd_read(fd, S("\r\n\r\n"), 2000);
        if (t_status(a) != cases[i].status)
            t_fail(__FILE__, __LINE__, "case %zu gave %.*s", i, P(a));
        t_fd_close(fd);
    }
    int fd = t_fd_open(&site);
    t_expect_int(t_status(handshake(fd, "/echo", "Cookie: s=1\r\nOrigin: http://h\r\n")), 101);
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(ws_reads_frames_that_came_with_the_handshake)
{
    struct t_site site;
    AUTO_BUF(b, MIB(1));
    start(&site, NULL);
    int fd = t_fd_open(&site);
    buf_add(&b, S("GET /echo HTTP/1.1\r\n" UPGRADE KEY "\r\n"));
    add_frame(&b, 0x81, S("early"));
    add_frame(&b, 0x89, S("p"));
    add_frame(&b, 0x01, S("in "));
    t_fd_send(fd, buf_str(&b));
    t_expect_int(t_status(t_fd_read(fd, S("\r\n\r\n"), 2000)), 101);
    Str one = next_frame(fd), two = next_frame(fd);
    t_expect((str_eq(one, S("1:early")) && str_eq(two, S("10:p"))) ||
             (str_eq(two, S("1:early")) && str_eq(one, S("10:p"))));
    send_frame(fd, 0x80, S("pieces"));
    t_expect_str(next_frame(fd), S("1:in pieces"));
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(ws_closes_with_the_code_that_fits)
{
    static const struct {
        unsigned first;
        Str payload;
        const char *answer;
    } cases[] = {
        {0x88,
         S_INIT("\x03\xe8"
                "bye"),
         "8:1000 "},
        {0x88, S_INIT(""), "8:1005 "},
        {0x88, S_INIT("\x0f\xa1"), "8:4001 "},
        {0x88, S_INIT("\x03\xed"), "8:1002 "},
        {0x81, S_INIT("\xff\xfe"), "8:1007 "},
        {0xc1, S_INIT("x"), "8:1002 "},
        {0x83, S_INIT("x"), "8:1002 "},
        {0x80, S_INIT("x"), "8:1002 "},
        {0x81, S_INIT("close me"), "8:4001 as you wish"},
        {0x81, S_INIT("fail"), "8:1011 "},
    };
    struct t_site site;
    start(&site, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = t_fd_open(&site);
        t_expect_int(t_status(handshake(fd, "/echo", "")), 101);
        send_frame(fd, cases[i].first, cases[i].payload);
        Str got = next_frame(fd);
        if (str_starts(got, S("8:4001 as")))
            send_frame(fd, 0x88, S("\x0f\xa1"));
        if (!str_eq(got, str_c(cases[i].answer)) || !t_fd_closed(fd, 3000))
            t_fail(__FILE__, __LINE__, "case %zu gave %.*s", i, P(got));
        t_fd_close(fd);
    }
    /* Larger than the route allows, announced and never sent. */
    int fd = t_fd_open(&site);
    t_expect_int(t_status(handshake(fd, "/echo", "")), 101);
    t_fd_send(fd, S("\x82\xff\x00\x00\x00\x00\x7f\xff\xff\xff\1\2\3\4"));
    t_expect_str(next_frame(fd), S("8:1009 "));
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(ws_compresses_what_is_worth_it)
{
    struct t_site site;
    start(&site, NULL);
    int fd = t_fd_open(&site);
    Str a = handshake(fd, "/echo",
                      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    t_expect_str(t_field(a, "sec-websocket-extensions"),
                 S("permessage-deflate; server_no_context_takeover; client_no_context_takeover"));
    t_expect(t_field(a, "content-length").p == NULL);
    char *text = arena_bytes(t_arena(), 150000);
    memset(text, 'z', 150000);
    AUTO_BUF(z, MIB(1));
    t_expect_ok(ws_deflate(&z, str_from(text, 150000), NULL));
    send_frame(fd, 0xc1, buf_str(&z));
    Str got = next_frame(fd);
    t_expect(str_starts(got, S("1z:zzz")));
    t_expect_int(got.n, 150003);
    send_frame(fd, 0x81, S("short and plain"));
    t_expect_str(next_frame(fd), S("1:short and plain"));
    buf_reset(&z);
    char *bomb = arena_bytes(t_arena(), 1000000);
    memset(bomb, 0, 1000000);
    t_expect_ok(ws_deflate(&z, str_from(bomb, 1000000), NULL));
    send_frame(fd, 0xc2, buf_str(&z));
    t_expect_str(next_frame(fd), S("8:1009 "));
    t_fd_close(fd);

    fd = t_fd_open(&site);
    (void)handshake(fd, "/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    send_frame(fd, 0xc1, S("\xff\xff\xff\xff\xff"));
    t_expect_str(next_frame(fd), S("8:1007 "));
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(ws_pings_are_answered_while_the_handler_is_busy)
{
    struct t_site site;
    start(&site, NULL);
    int fd = t_fd_open(&site);
    t_expect_int(t_status(handshake(fd, "/deaf", "")), 101);
    send_frame(fd, 0x89, S("are you there"));
    t_expect_str(next_frame(fd), S("10:are you there"));
    t_fd_close(fd);
    t_expect(wait_until(&seen.done, USEC_S));
    t_expect_int(seen.ended, E_CANCELLED);
    t_site_stop(&site);
}

TEST_FIBER(ws_pings_a_silent_peer_and_drops_it)
{
    struct t_site site;
    start(&site, NULL);
    int fd = t_fd_open(&site);
    t_expect_int(t_status(handshake(fd, "/echo?ping", "")), 101);
    t_expect_str(next_frame(fd), S("9:"));
    send_frame(fd, 0x8a, S(""));
    t_expect_str(next_frame(fd), S("9:"));
    Usec began = time_mono();
    t_expect(t_fd_closed(fd, 3000));
    t_expect(time_mono() - began < 2 * USEC_S);
    t_expect_int(seen.code, 1006);
    t_fd_close(fd);
    t_site_stop(&site);
}

TEST_FIBER(ws_holds_back_a_peer_that_sends_more_than_is_read)
{
    struct t_site site;
    AUTO_BUF(b, MIB(64));
    start(&site, NULL);
    int fd = t_fd_open(&site);
    t_expect_int(t_status(handshake(fd, "/deaf", "")), 101);
    char *text = arena_bytes(t_arena(), 1000);
    memset(text, 'z', 1000);
    for (int i = 0; i < 110; i++)
        add_frame(&b, 0x81, str_from(text, 1000));
    t_fd_send(fd, buf_str(&b)); /* what is not read still fits into the kernel's buffer */
    t_expect_ok(fiber_sleep(50 * USEC_MS));
    t_expect(!seen.done);
    t_fd_close(fd); /* not read to its end, and yet noticed */
    t_expect(wait_until(&seen.done, 3 * USEC_S));
    t_site_stop(&site);
}

TEST_FIBER(ws_drops_a_peer_that_does_not_read)
{
    struct t_site site;
    start(&site, &(struct http_server_options){.write_timeout = 150 * USEC_MS});
    int fd = t_fd_open(&site);
    t_expect_int(t_status(handshake(fd, "/flood", "")), 101);
    t_expect(wait_until(&seen.done, 5 * USEC_S));
    t_expect(seen.ended == E_CLOSED || seen.ended == E_CANCELLED);
    t_expect(seen.written < 16 << 20);
    t_fd_close(fd);
    t_site_stop(&site);
}

static Err stop_site(void *arg)
{
    struct t_site *site = arg;
    http_server_drain(site->server, 20 * USEC_MS);
    seen.done = true;
    return OK;
}

TEST_FIBER(ws_says_goodbye_when_the_server_drains)
{
    struct t_site site;
    start(&site, NULL);
    int fd = t_fd_open(&site);
    t_expect_int(t_status(handshake(fd, "/echo", "")), 101);
    fiber_start("drain", stop_site, &site);
    t_expect_str(next_frame(fd), S("8:1001 "));
    seen.done = false; /* from here on of the drain */
    send_frame(fd, 0x88, S("\x03\xe9"));
    t_expect(t_fd_closed(fd, 3000));
    t_fd_close(fd);
    t_expect(wait_until(&seen.done, 3 * USEC_S));
    t_site_stop(&site);
}
