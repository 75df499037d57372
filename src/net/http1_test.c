/* src/net/http1_test.c - what the request parser takes and refuses, however its input is cut. */
#include "base/test.h"

#include "base/buf.h"
#include "net/http1.h"

/* A parser that writes down what it sees, one line a message. */
struct seen {
    struct http1 p;
    struct arena *a;
    struct buf text;
};

static struct seen *seen_of(struct http1 *p)
{
    return (struct seen *)((char *)p - offsetof(struct seen, p));
}

static Err see_head(struct http1 *p)
{
    struct seen *s = seen_of(p);
    struct http1_head h;

    http1_take_head(p, arena_alloc(s->a, http1_head_size(p)), &h);
    buf_add_fmt(&s->text, "%s %.*s host=%.*s n=%zu len=%lld%s%s%s", http_method_name(h.method),
                P(h.target), P(h.host), h.headers.n, (long long)h.content_length,
                h.chunked ? " chunked" : "", h.keep_alive ? "" : " close",
                h.expect_continue ? " expect" : "");
    for (size_t i = 0; i < h.headers.n; i++)
        buf_add_fmt(&s->text, " [%.*s=%.*s]", P(h.headers.at[i].name), P(h.headers.at[i].value));
    buf_add(&s->text, S(" body="));
    return OK;
}

static Err see_body(struct http1 *p, const char *data, size_t n)
{
    buf_add(&seen_of(p)->text, str_from(data, n));
    return OK;
}

static const struct http1_ops ops = {see_head, see_body};
static const struct http1_limits limits = {.max_header = 1024, .max_target = 200, .max_headers = 8};

/* Everything in @in, in pieces of @first and then @step bytes. Gives the notes, or "refused
 * <status>". */
static Str parse(Str in, size_t first, size_t step)
{
    struct seen s = {.a = t_arena()};
    Err e = OK;

    buf_init(&s.text, MIB(1));
    http1_init(&s.p, &ops, &limits);
    while (in.n && e == OK) {
        Str piece = str_head(in, first);
        size_t n = piece.n;
        bool end = false;
        first = step;
        while (piece.n && e == OK) {
            e = http1_feed(&s.p, &piece, &end);
            if (e == OK && end) {
                buf_add(&s.text, S(".\n"));
                http1_next(&s.p);
            }
        }
        in = str_skip(in, n);
    }
    Str out = e == OK ? str_dup(t_arena(), buf_str(&s.text))
                      : str_fmt(t_arena(), "refused %d", http1_status(&s.p));
    http1_done(&s.p);
    buf_done(&s.text);
    return out;
}

static Str parse_whole(Str in)
{
    return parse(in, in.n, in.n);
}

/* Whether every way to cut @in in two, and every step size up to 7, gives the same. */
static bool same_however_cut(Str in)
{
    Str want = parse_whole(in);
    for (size_t cut = 1; cut < in.n; cut++)
        if (!str_eq(parse(in, cut, in.n), want))
            return false;
    for (size_t step = 1; step < 8; step++)
        if (!str_eq(parse(in, step, step), want))
            return false;
    return true;
}

TEST(http1_reads_requests_one_after_another)
{
    Str in = S("GET /a?b=1 HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX-Pad: \t v w \t\r\n\r\n"
               "POST /b HTTP/1.1\r\nhost:h:80\r\nContent-Length: 5\r\n\r\nhello"
               "\r\nPUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\nabc\r\n00002;x=y;z\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"
               "DELETE / HTTP/1.0\r\n\r\n");
    t_expect_str(parse_whole(in),
                 S("GET /a?b=1 host=h n=3 len=-1 [Host=h] [X-Empty=] [X-Pad=v w] body=.\n"
                   "POST /b host=h:80 n=2 len=5 [host=h:80] [Content-Length=5] body=hello.\n"
                   "PUT /c host=h n=2 len=-1 chunked [Host=h] [Transfer-Encoding=chunked]"
                   " body=abcde.\n"
                   "DELETE / host= n=0 len=-1 close body=.\n"));
    t_expect(same_however_cut(in));
}

TEST(http1_keeps_connections_as_the_fields_say)
{
    t_expect_str(parse_whole(S("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n")),
                 S("GET / host=h n=2 len=-1 close [Host=h] [Connection=x, Close] body=.\n"));
    t_expect_str(parse_whole(S("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")),
                 S("GET / host= n=1 len=-1 [Connection=Keep-Alive] body=.\n"));
    t_expect_str(parse_whole(S("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n"
                               "Content-Length: 0\r\n\r\n")),
                 S("POST / host=h n=3 len=0 expect [Host=h] [Expect=100-Continue]"
                   " [Content-Length=0] body=.\n"));
    /* An upgrade is the handler's business: what follows stands behind the message. */
    t_expect_str(parse_whole(S("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
                               "Upgrade: websocket\r\n\r\n")),
                 S("GET /ws host=h n=3 len=-1 [Host=h] [Connection=Upgrade] [Upgrade=websocket]"
                   " body=.\n"));
}

#define H "Host: h\r\n"
#define CHUNKED "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"

/* The smuggling probes: two parsers in a row must not see two different things. */
static const struct {
    int status;
    Str bytes;
} probes[] = {
    /* which length counts */
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "0\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
                 "0\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\nhello")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nhello")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\nhello")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\nhello")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\nhello")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551615\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")},
    {501, S_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n")},
    {501, S_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n")},
    {501, S_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")},
    {501, S_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H
                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H
                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
    /* where a line ends */
    {400, S_INIT("GET / HTTP/1.1\nHost: h\n\n")},
    {400, S_INIT("GET / HTTP/1.1\r\nHost: h\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\nHost: h\r\n\n")},
    {400, S_INIT("GET / HTTP/1.1\r\nHost: h\r\rX: y\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X: a\r\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "\rX: a\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "\r\r\n")},
    {505, S_INIT("GET / HTTP/1.1\rHost: h\r\n\r\n")},
    {400, S_INIT("\n\nGET / HTTP/1.1\r\n" H "\r\n")},
    {400, S_INIT("\r\n\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n")},
    /* which line a line belongs to */
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X:\r\n b\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X: a\r\n \r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n Host: h\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "X: a\r\n Content-Length: 3\r\n\r\nabc")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length:\r\n 3\r\n\r\nabc")},
    {400, S_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n \r\n\r\nabc")},
    /* names and values */
    {400, S_INIT("GET / HTTP/1.1\r\nHost : h\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "Content-Length : 3\r\n\r\nabc")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X y: z\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H ": z\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "no-colon\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X\xc3\xa4: z\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X: a\x01 b\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\n" H "X: a\vb\r\n\r\n")},
    /* for whom */
    {400, S_INIT("GET / HTTP/1.1\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n")},
    {400, S_INIT("GET / HTTP/1.0\r\nHost: a b\r\n\r\n")},
    /* the request line */
    {400, S_INIT("GET  / HTTP/1.1\r\n" H "\r\n")},
    {400, S_INIT("GET /  HTTP/1.1\r\n" H "\r\n")},
    {505, S_INIT("GET / HTTP/1.1 \r\n" H "\r\n")},
    {400, S_INIT(" GET / HTTP/1.1\r\n" H "\r\n")},
    {400, S_INIT("GET\t/ HTTP/1.1\r\n" H "\r\n")},
    {400, S_INIT("GET /\t HTTP/1.1\r\n" H "\r\n")},
    {400, S_INIT("get / HTTP/1.1\r\n" H "\r\n")},
    {400, S_INIT("GETS / HTTP/1.1\r\n" H "\r\n")},
    {400, S_INIT("GET / http/1.1\r\n" H "\r\n")},
    {505, S_INIT("GET / HTTP/1.1x\r\n" H "\r\n")},
    {400, S_INIT("GET / ICE/1.0\r\n" H "\r\n")},
    {505, S_INIT("GET /\r\n\r\n")},
    {400, S_INIT("GET HTTP/1.1\r\n" H "\r\n")},
    {505, S_INIT("GET / HTTP/2.0\r\n" H "\r\n")},
    {505, S_INIT("GET / HTTP/0.9\r\n" H "\r\n")},
    {505, S_INIT("GET / HTTP/1.2\r\n" H "\r\n")},
    {400, S_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
    {400, S_INIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
    {417, S_INIT("POST / HTTP/1.1\r\n" H "Expect: the-unexpected\r\nContent-Length: 1\r\n\r\n")},
    /* chunks */
    {400, S_INIT(CHUNKED "3\r\nabcXX0\r\n\r\n")},
    {400, S_INIT(CHUNKED "3\r\nabc\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "3\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "3\rXabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "3 \r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED " 3\r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "-3\r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "\r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "g\r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "3;a\rb\r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "3;\0\r\nabc\r\n0\r\n\r\n")},
    {400, S_INIT(CHUNKED "0\r\n\n")},
    {400, S_INIT(CHUNKED "0\r\nX: y\n\r\n")},
    {400, S_INIT(CHUNKED "0\r\nX y: z\r\n\r\n")},
};

TEST(http1_refuses_every_smuggling_probe)
{
    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        Str want = str_fmt(t_arena(), "refused %d", probes[i].status);
        Str got = parse_whole(probes[i].bytes);
        if (!str_eq(got, want))
            t_fail(__FILE__, __LINE__, "probe %zu: %.*s, expected %.*s", i, P(got), P(want));
    }
}

TEST(http1_refuses_probes_however_they_are_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        Str in = probes[i].bytes;
        for (size_t step = 1; step < 8; step++)
            if (!str_starts(parse(in, step, step), S("refused")))
                t_fail(__FILE__, __LINE__, "probe %zu in steps of %zu was taken", i, step);
    }
}

static Str repeat(Str head, Str unit, size_t n, Str tail)
{
    AUTO_BUF(b, MIB(4));
    buf_add(&b, head);
    for (size_t i = 0; i < n; i++)
        buf_add(&b, unit);
    buf_add(&b, tail);
    return str_dup(t_arena(), buf_str(&b));
}

TEST(http1_bounds_target_fields_and_header)
{
    Str end = S(" HTTP/1.1\r\n" H "\r\n");
    t_expect(str_starts(parse_whole(repeat(S("GET /"), S("a"), 199, end)), S("GET /aaa")));
    t_expect_str(parse_whole(repeat(S("GET /"), S("a"), 200, end)), S("refused 414"));
    t_expect_str(parse(repeat(S("GET /"), S("a"), 5000, S("")), 7, 7), S("refused 414"));

    Str head = S("GET / HTTP/1.1\r\n" H);
    t_expect(str_starts(parse_whole(repeat(head, S("A: b\r\n"), 7, S("\r\n"))), S("GET /")));
    t_expect_str(parse_whole(repeat(head, S("A: b\r\n"), 8, S("\r\n"))), S("refused 431"));
    t_expect_str(parse(repeat(head, S("A: b\r\n"), 8, S("")), 3, 3), S("refused 431"));

    Str exact = repeat(S("GET / HTTP/1.1\r\n" H "A: "), S("x"), 1024 - 25 - 7, S("\r\n\r\n"));
    t_expect_int(exact.n, 1024);
    t_expect(same_however_cut(exact) && str_starts(parse_whole(exact), S("GET /")));
    Str over = repeat(S("GET / HTTP/1.1\r\n" H "A: "), S("x"), 1024 - 25 - 6, S("\r\n\r\n"));
    t_expect(same_however_cut(over));
    t_expect_str(parse_whole(over), S("refused 431"));
    t_expect_str(parse(repeat(head, S("x"), 5000, S("")), 11, 11), S("refused 431"));
    t_expect_str(parse_whole(repeat(S(""), S("\r\n"), 600, S(""))), S("refused 431"));
}

TEST(http1_bounds_chunk_extensions_framing_and_trailers)
{
    Str end = S("\r\nabc\r\n0\r\n\r\n");
    t_expect(str_ends(parse_whole(repeat(S(CHUNKED "3"), S(";a=b"), 100, end)), S("body=abc.\n")));
    t_expect_str(parse(repeat(S(CHUNKED "3"), S(";a=b"), 100000, end), 4096, 4096),
                 S("refused 400"));
    t_expect_str(parse(repeat(S(CHUNKED), S("0"), 100000, S("3\r\nabc\r\n0\r\n\r\n")), 999, 999),
                 S("refused 400"));
    t_expect_str(parse_whole(repeat(S(CHUNKED "0\r\n"), S("A: b\r\n"), 101, S("\r\n"))),
                 S("refused 400"));
    t_expect_str(parse(repeat(S(CHUNKED "0\r\nA: "), S("b"), 100000, S("\r\n\r\n")), 512, 512),
                 S("refused 400"));
    /* One byte a chunk is wasteful but honest. */
    t_expect(str_ends(parse_whole(repeat(S(CHUNKED), S("1\r\nx\r\n"), 5000, S("0\r\n\r\n"))),
                      S("xxx.\n")));
}

static Str target(Str t)
{
    Str raw, path, query;
    if (http1_target(t_arena(), t, S("h:80"), &raw, &path, &query) != OK)
        return S("refused");
    return str_fmt(t_arena(), "%.*s %.*s %.*s", P(raw), P(path), P(query.p ? query : S("-")));
}

TEST(http1_target_decodes_and_normalises_paths)
{
    t_expect_str(target(S("/")), S("/ / -"));
    t_expect_str(target(S("/a%20b//c/?x=%31&y#")), S("refused"));
    t_expect_str(target(S("/a%20b//c/?x=%31&y")), S("/a%20b/c/ /a b/c/ x=%31&y"));
    t_expect_str(target(S("//evil/x")), S("/evil/x /evil/x -"));
    t_expect_str(target(S("/m/a%2Fb")), S("/m/a%2Fb /m/a/b -"));
    t_expect_str(target(S("/x?")), S("/x /x "));
    t_expect_str(target(S("*")), S("* * -"));
    t_expect_str(target(S("http://H:80/p?q")), S("/p /p q"));
    t_expect_str(target(S("https://h:80")), S("/ / -"));
    t_expect_str(target(S("http://h:80?q")), S("/ / q"));
}

TEST(http1_target_refuses_traversal_and_odd_bytes)
{
    static const Str bad[] = {
        S_INIT("/.."),       S_INIT("/../x"),     S_INIT("/a/../b"),      S_INIT("/a/."),
        S_INIT("/%2e%2e/x"), S_INIT("/.%2E/x"),   S_INIT("/..%2fx"),      S_INIT("/a%2f..%2fb"),
        S_INIT("/a\\b"),     S_INIT("/%00"),      S_INIT("/a%00.html"),   S_INIT("/%"),
        S_INIT("/%4"),       S_INIT("/%zz"),      S_INIT("/%0d%0aX:y"),   S_INIT("/%7f"),
        S_INIT("/%ff"),      S_INIT("/%c0%ae/"),  S_INIT("/\xc3\xa4"),    S_INIT("/#x"),
        S_INIT("x"),         S_INIT(""),          S_INIT("h:80"),         S_INIT("**"),
        S_INIT("ftp://h/"),  S_INIT("http://x/"), S_INIT("http://h/"),    S_INIT("http://u@h:80/"),
        S_INIT("?x"),        S_INIT("/a\x01"),    S_INIT("https://h:8/"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!str_eq(target(bad[i]), S("refused")))
            t_fail(__FILE__, __LINE__, "target %.*s was taken", P(bad[i]));
}
