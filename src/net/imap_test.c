/* src/net/imap_test.c - what servers say, read; and servers that say it badly. */
#include "base/test.h"
#include "net/imap.h"
#include "net/test_upstream.h"
#include "rt/test_rt.h"

static struct imap_response parse(const char *text)
{
    struct imap_response r;
    if (imap_parse(str_c(text), &r) != OK)
        DIE("%s", text);
    return r;
}

TEST(imap_responses_are_told_apart)
{
    struct imap_response r = parse("h1 OK [UIDNEXT 5] done");

    t_expect_int(r.kind, IMAP_TAGGED);
    t_expect_int(r.status, IMAP_OK);
    t_expect_str(r.tag, S("h1"));
    t_expect_str(r.code, S("UIDNEXT 5"));
    t_expect_str(r.text, S("done"));
    r = parse("* bye");
    t_expect_int(r.kind, IMAP_STATUS);
    t_expect_int(r.status, IMAP_BYE);
    r = parse("* 12 EXISTS");
    t_expect_int(r.kind, IMAP_EXISTS);
    t_expect_int(r.number, 12);
    t_expect_int(parse("* FLAGS (\\Seen)").kind, IMAP_OTHER);
    t_expect_int(parse("+ go on").kind, IMAP_CONTINUE);
    r = parse("* CAPABILITY IMAP4rev1 idle AUTH=PLAIN");
    t_expect(imap_has_word(r.list, S("IDLE")) && imap_has_word(r.list, S("auth=plain")));
    t_expect(!imap_has_word(r.list, S("AUTH")));
}

TEST(imap_messages_have_their_items_in_any_order)
{
    struct imap_response r =
        parse("* 3 FETCH (FLAGS (\\Seen $x) BODY[]<0> {5}\r\na(\"b) X-THING (1 (2 \"3\\\")\") NIL)"
              " INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 44827 UID 17)");

    t_expect_int(r.kind, IMAP_FETCH);
    t_expect_int(r.number, 3);
    t_expect_int(r.message.uid, 17);
    t_expect_int((int64_t)r.message.size, 44827);
    t_expect_str(r.message.body, S("a(\"b)"));
    t_expect(r.message.has_body && r.message.arrived > 0);
    r = parse("* 1 FETCH (BODY[HEADER.FIELDS (A B)] \"x\" UID 2)");
    t_expect_str(r.message.body, S("x"));
    r = parse("* 1 FETCH (BODY[] NIL UID 2)");
    t_expect(r.message.has_body && r.message.body.n == 0);
}

TEST(imap_what_is_no_response_is_refused)
{
    static const char *bad[] = {"",
                                "h1",
                                "h1 FINE",
                                "h1 BYE x",
                                "* 5000000000 EXISTS",
                                "* 1 FETCH",
                                "* 1 FETCH (UID",
                                "* 1 FETCH (UID x)",
                                "* 1 FETCH (UID 1",
                                "* 1 FETCH (BODY[] {9}\r\nshort)",
                                "* 1 FETCH (BODY[] \"open)",
                                "* 1 FETCH (X (((((((((((((((((((((((((((((((((((((((1)",
                                "* 1 FETCH (X )))",
                                "* 1 FETCH (INTERNALDATE \"then\")"};
    struct imap_response r;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        t_expect_err(imap_parse(str_c(bad[i]), &r), E_SYNTAX);
}

TEST(imap_literals_are_announced_at_the_end_of_a_line)
{
    uint64_t n;

    t_expect(imap_literal(S("* 1 FETCH (BODY[] {123}"), true, &n) && n == 123);
    t_expect(imap_literal(S(" X {7+}"), false, &n) && n == 7);
    t_expect(!imap_literal(S("* OK see {123}"), true, &n));
    t_expect(!imap_literal(S("h1 OK {123}"), true, &n));
    t_expect(!imap_literal(S("* 1 FETCH (X {})"), true, &n));
    t_expect(!imap_literal(S("* 1 FETCH (X {}"), true, &n));
    t_expect(!imap_literal(S("* 1 FETCH (X {99999999999999999999}"), true, &n));
}

TEST(imap_numbers_of_a_search_are_bounded)
{
    ImapUids uids = {0};

    t_expect_ok(imap_uids(t_arena(), S("3 1  2 (MODSEQ 9)"), 3, &uids));
    t_expect_int(uids.n, 3);
    t_expect_err(imap_uids(t_arena(), S("4"), 3, &uids), E_TOO_LARGE);
    uids.n = 0;
    t_expect_err(imap_uids(t_arena(), S("1 x"), 3, &uids), E_SYNTAX);
}

TEST(imap_names_of_folders_are_in_its_own_alphabet)
{
    Str name;

    t_expect_ok(imap_folder_name(t_arena(), S("A & \"B\""), &name));
    t_expect_str(name, S("\"A &- \\\"B\\\"\""));
    t_expect_ok(imap_folder_name(t_arena(), S("~peter/mail/台北/日本語"), &name));
    t_expect_str(name, S("\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\""));
    t_expect_ok(imap_folder_name(t_arena(), S("😀"), &name));
    t_expect_str(name, S("\"&2D3eAA-\""));
    t_expect_err(imap_folder_name(t_arena(), S("a\r\nb"), &name), E_INVALID);
    t_expect_err(imap_folder_name(t_arena(), S(""), &name), E_INVALID);
}

/* ---- servers ---- */

static const char *script;

static void serve(struct t_conn *c)
{
    t_conn_write_c(c, script);
    (void)t_conn_wait_end(c, 20 * USEC_S);
}

static Err talk(const char *says, enum imap_tls tls, struct imap **ret_imap)
{
    static struct t_upstream u;
    script = says;
    t_upstream_start(&u, serve);
    struct imap_options o = {
        .host = S("127.0.0.1"), .port = u.port, .tls = tls, .patience = 300 * USEC_MS};
    AUTO(imap) *im = NULL;
    Err e = imap_open(&o, &im);
    if (e == OK && ret_imap)
        e = imap_login(im, S("u"), S("p"));
    t_upstream_stop(&u);
    return e;
}

TEST_FIBER(imap_servers_that_do_not_greet_well_are_left)
{
    struct imap *im;

    t_expect_ok(talk("* OK [CAPABILITY IMAP4rev1] hi\r\n", IMAP_CLEAR, NULL));
    t_expect_err(talk("", IMAP_CLEAR, NULL), E_TIMEOUT);
    t_expect_err(talk("* BYE no\r\n", IMAP_CLEAR, NULL), E_UPSTREAM);
    t_expect_err(talk("HTTP/1.1 400 Bad\r\n\r\n", IMAP_CLEAR, NULL), E_UPSTREAM);
    t_expect_err(talk("* PREAUTH [CAPABILITY STARTTLS] hi\r\n", IMAP_STARTTLS, NULL), E_UPSTREAM);
    t_expect_err(talk("* OK [CAPABILITY IMAP4rev1] hi\r\n", IMAP_STARTTLS, NULL), E_UPSTREAM);
    t_expect_err(
        talk("* OK [CAPABILITY STARTTLS] hi\r\nh1 OK go\r\n* OK injected\r\n", IMAP_STARTTLS, NULL),
        E_UPSTREAM);
    t_expect_err(talk("* OK [CAPABILITY LOGINDISABLED] hi\r\n", IMAP_CLEAR, &im), E_UPSTREAM);
    t_expect_err(talk("* OK [CAPABILITY X] hi\r\nh1 NO bad p\r\n", IMAP_CLEAR, &im), E_FORBIDDEN);
    t_expect(!strstr(err_record()->detail, "bad p"));
    t_expect_err(talk("* OK [CAPABILITY X] hi\r\nh7 OK what\r\n", IMAP_CLEAR, &im), E_UPSTREAM);
}

static void serve_slowly(struct t_conn *c)
{
    static const char *pieces[] = {
        "* OK [CAPABILITY X] hi\r\n",
        "* 1 FETCH (UID 7 INTERNALDATE \"20-Nov-2026 12:00:00 +0000\" BODY[] {6}\r\n", "ab", "cd",
        "ef)\r\nh1 OK done\r\n"};

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        t_conn_write_c(c, pieces[i]);
        (void)t_conn_wait_end(c, 50 * USEC_MS);
    }
    (void)t_conn_wait_end(c, 20 * USEC_S);
}

static Err turns(void *ctx)
{
    int *left = ctx;
    return --*left ? fiber_sleep(USEC_MS) : E_STOPPED;
}

TEST_FIBER(imap_whoever_waits_for_a_message_is_called_meanwhile)
{
    int left[] = {100, 2};

    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        static struct t_upstream u;
        t_upstream_start(&u, serve_slowly);
        struct imap_options o = {
            .host = S("127.0.0.1"), .port = u.port, .tls = IMAP_CLEAR, .patience = USEC_S};
        AUTO(imap) *im = NULL;
        struct imap_message m;
        t_expect_ok(imap_open(&o, &im));
        imap_meanwhile(im, turns, &left[i]);
        Err e = imap_fetch(im, 7, S("BODY[]"), 100, &m);
        t_expect_err(e, i ? E_STOPPED : OK);
        if (!i)
            t_expect_str(m.body, S("abcdef"));
        t_upstream_stop(&u);
    }
    t_expect(left[0] <= 97);
}
