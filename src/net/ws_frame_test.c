/* src/net/ws_frame_test.c - the frame codec: what is joined, what is refused and with which code.
 */
#include "base/test.h"

#include "net/ws_frame.h"

static const uint8_t key[4] = {0x11, 0x22, 0x33, 0x44};

/* A client's frame with payload, as bytes. */
static void frame(struct buf *b, unsigned first, Str payload)
{
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

/* What the decoder makes of @in in pieces of @step bytes: "1:text;9:ping;" or "!code" at a refusal.
 */
static Str decode(Str in, size_t step, size_t max, bool deflate)
{
    struct ws_decoder d;
    AUTO_BUF(out, MIB(1));
    Err e = OK;

    ws_decoder_init(&d, max, deflate);
    while (in.n && e == OK) {
        Str piece = str_head(in, step);
        in = str_skip(in, piece.n);
        while (piece.n && e == OK) {
            struct ws_frame f;
            e = ws_decode(&d, &piece, &f);
            if (e != OK)
                buf_add_fmt(&out, "!%d", d.close_code);
            else if (f.opcode == WS_OP_CLOSE)
                buf_add_fmt(&out, "8:%d %.*s;", f.code, P(f.payload));
            else if (f.opcode != WS_OP_MORE)
                buf_add_fmt(&out, "%d%s:%.*s;", f.opcode, f.compressed ? "z" : "", P(f.payload));
        }
    }
    Str text = str_dup(t_arena(), buf_str(&out));
    ws_decoder_done(&d);
    return text;
}

static void expect_frames(const char *file, int line, struct buf *b, const char *want)
{
    for (size_t step = 1; step < 9; step++) {
        Str got = decode(buf_str(b), step == 8 ? b->n : step, 1000, false);
        if (!str_eq(got, str_c(want)))
            t_fail(file, line, "in steps of %zu: %.*s, expected %s", step, P(got), want);
    }
    buf_reset(b);
}
#define EXPECT(b, want) expect_frames(__FILE__, __LINE__, (b), (want))

TEST(ws_frames_are_joined_and_control_comes_in_between)
{
    AUTO_BUF(b, MIB(1));
    frame(&b, 0x81, S("hello"));
    frame(&b, 0x82, S(""));
    EXPECT(&b, "1:hello;2:;");
    frame(&b, 0x01, S("frag"));
    frame(&b, 0x89, S("ping"));
    frame(&b, 0x00, S("men"));
    frame(&b, 0x8a, S(""));
    frame(&b, 0x80, S("ted"));
    frame(&b, 0x81, S("next"));
    EXPECT(&b, "9:ping;10:;1:fragmented;1:next;");
    frame(&b, 0x01, S(""));
    frame(&b, 0x00, S(""));
    frame(&b, 0x80, S(""));
    EXPECT(&b, "1:;");
}

TEST(ws_frames_of_every_length_form_are_read)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 1000, 65535, 65536, 70000};
    char *bytes = arena_bytes(t_arena(), 70000);
    memset(bytes, 'x', 70000);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO_BUF(b, MIB(1));
        frame(&b, 0x82, str_from(bytes, sizes[i]));
        Str want = str_fmt(t_arena(), "2:%.*s;", P(str_from(bytes, sizes[i])));
        t_expect_str(decode(buf_str(&b), b.n, 70000, false), want);
        t_expect_str(decode(buf_str(&b), 1000, 70000, false), want);
    }
}

TEST(ws_close_frames_carry_code_and_reason)
{
    AUTO_BUF(b, MIB(1));
    frame(&b, 0x88, S(""));
    EXPECT(&b, "8:1005 ;");
    frame(&b, 0x88,
          S("\x03\xe8"
            "bye"));
    EXPECT(&b, "8:1000 bye;");
    frame(&b, 0x88, S("\x0f\xa0"));
    EXPECT(&b, "8:4000 ;");
    frame(&b, 0x88, S("\x03"));
    EXPECT(&b, "!1002");
    frame(&b, 0x88, S("\x03\xe8\xff"));
    EXPECT(&b, "!1007");
    static const unsigned bad[] = {0,    999,  1004, 1005, 1006, 1015,
                                   1016, 1100, 2000, 2999, 5000, 65535};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char code[2] = {(char)(bad[i] >> 8), (char)bad[i]};
        frame(&b, 0x88, str_from(code, 2));
        EXPECT(&b, "!1002");
    }
}

TEST(ws_decoder_refuses_what_the_rfc_refuses)
{
    AUTO_BUF(b, MIB(1));
    for (unsigned rsv = 1; rsv < 8; rsv++) {
        frame(&b, 0x81 | rsv << 4, S("x"));
        EXPECT(&b, "!1002");
        frame(&b, 0x89 | rsv << 4, S("x"));
        EXPECT(&b, "!1002");
    }
    static const unsigned reserved[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        frame(&b, 0x80 | reserved[i], S("x"));
        EXPECT(&b, "!1002");
    }
    frame(&b, 0x80, S("continuation of nothing"));
    EXPECT(&b, "!1002");
    frame(&b, 0x01, S("a"));
    frame(&b, 0x81, S("b"));
    EXPECT(&b, "!1002");
    frame(&b, 0x09, S("ping in pieces"));
    EXPECT(&b, "!1002");
    char *bytes = arena_bytes(t_arena(), 126);
    memset(bytes, 'x', 126);
    frame(&b, 0x89, str_from(bytes, 125));
    EXPECT(&b, str_dup_c(t_arena(), str_fmt(t_arena(), "9:%.*s;", 125, bytes)));
    frame(&b, 0x89, str_from(bytes, 126));
    EXPECT(&b, "!1002");
    buf_add(&b, S("\x81\x05hello")); /* no mask */
    EXPECT(&b, "!1002");
    buf_add(&b, S("\x81\xfe\x00\x05\1\2\3\4hello")); /* 5 in two bytes */
    EXPECT(&b, "!1002");
    buf_add(&b, S("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff\1\2\3\4")); /* 65535 in eight */
    EXPECT(&b, "!1002");
    buf_add(&b, S("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\2\3\4"));
    EXPECT(&b, "!1002");
}

TEST(ws_decoder_bounds_messages_before_they_come)
{
    AUTO_BUF(b, MIB(1));
    buf_add(&b, S("\x82\xff\x00\x00\x00\x00\x7f\xff\xff\xff\1\2\3\4")); /* 2 GiB announced */
    EXPECT(&b, "!1009");
    char *bytes = arena_bytes(t_arena(), 1001);
    memset(bytes, 'x', 1001);
    frame(&b, 0x82, str_from(bytes, 1001));
    EXPECT(&b, "!1009");
    frame(&b, 0x02, str_from(bytes, 600));
    frame(&b, 0x80, str_from(bytes, 401));
    EXPECT(&b, "!1009");
}

TEST(ws_decoder_takes_rsv1_on_first_frames_when_negotiated)
{
    AUTO_BUF(b, MIB(1));
    frame(&b, 0x41, S("a"));
    frame(&b, 0x80, S("b"));
    frame(&b, 0x82, S("c"));
    t_expect_str(decode(buf_str(&b), b.n, 100, true), S("1z:ab;2:c;"));
    buf_reset(&b);
    frame(&b, 0x01, S("a"));
    frame(&b, 0xc0, S("b"));
    t_expect_str(decode(buf_str(&b), b.n, 100, true), S("!1002"));
    buf_reset(&b);
    frame(&b, 0xc9, S("a"));
    t_expect_str(decode(buf_str(&b), b.n, 100, true), S("!1002"));
}

TEST(ws_mask_is_its_own_inverse_at_any_place)
{
    char text[64], copy[64];
    for (size_t i = 0; i < sizeof text; i++)
        copy[i] = text[i] = (char)(i * 7);
    ws_mask(text, sizeof text, key, 0);
    for (size_t i = 0; i < sizeof text; i++)
        t_expect_int((uint8_t)text[i], (uint8_t)copy[i] ^ key[i & 3]);
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        char again[64];
        memcpy(again, text, sizeof text);
        ws_mask(again, cut, key, 0);
        ws_mask(again + cut, sizeof text - cut, key, cut);
        t_expect(memcmp(again, copy, sizeof copy) == 0);
    }
}
