/* src/net/sse_test.c - the event-stream parser, split at every byte. */
#include "base/buf.h"
#include "base/test.h"
#include "net/sse.h"

/* All events of @in in pieces of @first and then @step bytes, one line each. */
static Str events(Str in, size_t first, size_t step, size_t max)
{
    AUTO(sse_parser) *p = sse_parser_new(max);
    AUTO_BUF(out, MIB(1));
    Err e = OK;

    while (in.n && e == OK) {
        Str piece = str_head(in, first);
        in = str_skip(in, piece.n);
        first = step;
        while (piece.n && e == OK) {
            struct sse_event ev;
            bool complete;
            e = sse_parser_feed(p, &piece, &ev, &complete);
            if (e == OK && complete)
                buf_add_fmt(&out, "%s%.*s|%.*s|%.*s|%lld;", ev.id.p ? "#" : "", P(ev.id),
                            P(ev.event), P(ev.data), (long long)ev.retry_ms);
        }
    }
    if (e != OK)
        return str_c(err_name(e));
    return str_dup(t_arena(), buf_str(&out));
}

static bool same_however_cut(Str in, Str want)
{
    for (size_t cut = 1; cut <= in.n; cut++)
        if (!str_eq(events(in, cut, in.n, 1000), want))
            return false;
    for (size_t step = 1; step < 5; step++)
        if (!str_eq(events(in, step, step, 1000), want))
            return false;
    return true;
}

TEST(sse_parser_gives_the_same_events_however_it_is_cut)
{
    static const struct {
        Str in, want;
    } cases[] = {
        {S_INIT("data: a\n\n"), S_INIT("||a|-1;")},
        {S_INIT("data: a\r\n\r\ndata: b\r\n\r\n"), S_INIT("||a|-1;||b|-1;")},
        {S_INIT("data: a\r\rdata: b\r\r"), S_INIT("||a|-1;||b|-1;")},
        {S_INIT("data: a\r\n\ndata: b\n\r\n"), S_INIT("||a|-1;||b|-1;")},
        {S_INIT("\xef\xbb\xbf"
                "data:a\n\n"),
         S_INIT("||a|-1;")},
        {S_INIT("\xef\xbb"
                "data:a\n\ndata:b\n\n"),
         S_INIT("||b|-1;")},
        {S_INIT("\xef\xbb\xbf\xef\xbb\xbf"
                "data:a\n\ndata:b\n\n"),
         S_INIT("||b|-1;")},
        {S_INIT("event: x\nid: 7\nretry: 1500\ndata: a\ndata:  b\ndata\n\n"),
         S_INIT("#7|x|a\n b\n|1500;")},
        {S_INIT(": comment\n\n:\n\ndata: a\n: in between\n\n"), S_INIT("||a|-1;")},
        {S_INIT("event: lost\n\ndata: a\n\n"), S_INIT("||a|-1;")},
        {S_INIT("data\n\n"), S_INIT("|||-1;")},
        {S_INIT("id\ndata:x\n\n"), S_INIT("#||x|-1;")},
        {S_INIT("id: a\0b\ndata:x\n\n"), S_INIT("||x|-1;")},
        {S_INIT("retry: 1x\nretry: -3\nretry:\nunknown: y\ndata:x\n\n"), S_INIT("||x|-1;")},
        {S_INIT("data: a: b: c\n\n"), S_INIT("||a: b: c|-1;")},
        {S_INIT("DATA: a\n\ndata : b\n\n"), S_INIT("")},
        {S_INIT("data: never ended\n"), S_INIT("")},
        {S_INIT("\n\n\n\r\r\n\r\n"), S_INIT("")},
        {S_INIT("data: {\"x\":1}\n\ndata: [DONE]\n\n"), S_INIT("||{\"x\":1}|-1;||[DONE]|-1;")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Str got = events(cases[i].in, cases[i].in.n, 1, 1000);
        if (!str_eq(got, cases[i].want))
            t_fail(__FILE__, __LINE__, "case %zu gave %.*s", i, P(got));
        if (!same_however_cut(cases[i].in, cases[i].want))
            t_fail(__FILE__, __LINE__, "case %zu depends on the cut", i);
    }
}

TEST(sse_parser_bounds_events_but_not_streams)
{
    AUTO_BUF(b, MIB(1));
    for (int i = 0; i < 1000; i++)
        buf_add(&b, S("data: 0123456789\n\n"));
    t_expect_int(events(buf_str(&b), 7, 7, 64).n, 1000 * 16);
    t_expect_str(events(S("data: 0123456789012345678901234567890123456789\n\n"), 9, 9, 32),
                 S("E_TOO_LARGE"));
    t_expect_str(
        events(S("data: 01234567\ndata: 01234567\ndata: 01234567\ndata: 01234567\n\n"), 99, 9, 32),
        S("E_TOO_LARGE"));
    t_expect_str(events(S(": a long comment of no use that never ends"), 3, 3, 32),
                 S("E_TOO_LARGE"));
}
