/* src/net/ws_deflate_test.c - permessage-deflate: both ways, bounds, negotiation. */
#include "base/test.h"

#include "net/ws_deflate.h"

static Err there_and_back(Str text, size_t max, Str *ret)
{
    AUTO_BUF(b, MIB(16));
    TRY(ws_deflate(&b, text, NULL));
    return ws_inflate(t_arena(), str_dup(t_arena(), buf_str(&b)), max, NULL, ret);
}

TEST(ws_deflate_and_inflate_are_inverse)
{
    static const size_t sizes[] = {0, 1, 10, 1023, 1024, 1025, 32768, 32769, 1000000};
    char *bytes = arena_bytes(t_arena(), 1000000);
    for (size_t i = 0; i < 1000000; i++)
        bytes[i] = (char)(i * i >> 7);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        Str text = {bytes, sizes[i]}, back;
        t_expect_ok(there_and_back(text, 1000000, &back));
        t_expect(str_eq(text, back));
    }
}

TEST(ws_inflate_reads_the_examples_of_the_rfc)
{
    Str text;
    t_expect_ok(ws_inflate(t_arena(), S("\xf2\x48\xcd\xc9\xc9\x07\x00"), 100, NULL, &text));
    t_expect_str(text, S("Hello"));
    t_expect_ok(
        ws_inflate(t_arena(), S("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), 100, NULL, &text));
    t_expect_str(text, S("Hello")); /* a stored block */
    t_expect_ok(ws_inflate(t_arena(), S("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 100, NULL, &text));
    t_expect_str(text, S("Hello")); /* a final block, padded */
    t_expect_ok(ws_inflate(t_arena(), S("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
                           100, NULL, &text));
    t_expect_str(text, S("Hello")); /* two blocks */
    t_expect_ok(ws_inflate(t_arena(), S(""), 100, NULL, &text));
    t_expect_str(text, S(""));
}

TEST(ws_inflate_stops_bombs_and_rubbish)
{
    Str text;
    char *zeros = arena_bytes(t_arena(), 1000000);
    memset(zeros, 0, 1000000);
    t_expect_err(there_and_back(str_from(zeros, 1000000), 999999, &text), E_TOO_LARGE);
    t_expect_err(there_and_back(str_from(zeros, 1000000), 0, &text), E_TOO_LARGE);
    t_expect_err(ws_inflate(t_arena(), S("\xff\xff\xff\xff"), 100, NULL, &text), E_BAD_INPUT);
    t_expect_err(ws_inflate(t_arena(), S("not deflated"), 100, NULL, &text), E_BAD_INPUT);
}

TEST(ws_deflate_negotiates_what_it_can_do)
{
    t_expect(ws_deflate_negotiate(S("permessage-deflate")).n > 0);
    t_expect(ws_deflate_negotiate(S("permessage-deflate; client_max_window_bits")).n > 0);
    t_expect(ws_deflate_negotiate(S("foo, permessage-deflate;server_no_context_takeover;"
                                    " client_max_window_bits=\"10\""))
                 .n > 0);
    t_expect(str_ends(ws_deflate_negotiate(S("permessage-deflate; server_max_window_bits=15")),
                      S("; server_max_window_bits=15")));
    t_expect(ws_deflate_negotiate(S("permessage-deflate; server_max_window_bits=10, "
                                    "permessage-deflate"))
                 .n > 0);
    t_expect(ws_deflate_negotiate(S("permessage-deflate; server_max_window_bits=10")).n == 0);
    t_expect(ws_deflate_negotiate(S("permessage-deflate; unknown")).n == 0);
    t_expect(ws_deflate_negotiate(S("permessage-deflate; server_no_context_takeover=1")).n == 0);
    t_expect(ws_deflate_negotiate(S("permessage-deflate; client_no_context_takeover; "
                                    "client_no_context_takeover"))
                 .n == 0);
    t_expect(ws_deflate_negotiate(S("x-webkit-deflate-frame")).n == 0);
    t_expect(ws_deflate_negotiate((Str){0}).n == 0);
}
