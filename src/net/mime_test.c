/* src/net/mime_test.c - mails as they come, and as they should not. */
#include "base/buf.h"
#include "base/test.h"
#include "base/utf8.h"
#include "net/mime.h"

static struct mime_message parse(const char *raw)
{
    struct mime_message m = {0};
    mime_parse(t_arena(), str_c(raw), &m);
    return m;
}

static Str text_of(const struct mime_part *p)
{
    bool cut;
    Str text;

    if (mime_part_text(t_arena(), p, KIB(64), &text, &cut) != OK || cut)
        DIE("a text does not fit");
    return text;
}

static Str bytes_of(const struct mime_part *p)
{
    Str bytes;
    if (mime_part_bytes(t_arena(), p, &bytes) != OK)
        DIE("bytes do not fit");
    return bytes;
}

static Str words(const char *value)
{
    return mime_words(t_arena(), str_c(value));
}

TEST(mime_headers_are_unfolded_and_what_is_none_is_passed_over)
{
    struct mime_message m = parse("From ann Fri Nov 20\nSubject: a\r\n b\r\n\tc \r\nno header\r\n"
                                  "X:\r\nsubject: second\r\n\r\nBody\r\n");

    t_expect_int(m.headers.n, 3);
    t_expect_str(mime_header(&m.headers, S("SUBJECT")), S("a b\tc"));
    t_expect_str(mime_header(&m.headers, S("x")), S(""));
    t_expect_int(m.parts.n, 1);
    t_expect_str(m.parts.at[0].type, S("text/plain"));
    t_expect_str(m.parts.at[0].body, S("Body\r\n"));
    t_expect_int(parse("").parts.n, 1);
    t_expect_int(parse("Only: this").headers.n, 1);
}

TEST(mime_words_are_decoded_by_their_charset_and_joined)
{
    t_expect_str(words("plain text"), S("plain text"));
    t_expect_str(words("=?UTF-8?Q?J=C3=BCrgen_M?= =?utf-8?b?w7xsbGVy?= x"), S("Jürgen Müller x"));
    t_expect_str(words("=?iso-8859-1*de?q?Gr=FC=DFe?="), S("Grüße"));
    t_expect_str(words("=?koi8-r?B?8NLJ18XU?="), S("Привет"));
    t_expect_str(words("=?windows-1255?B?+ezl7Q==?="), S("שלום"));
    t_expect_str(words("=?windows-1258?Q?a=EC?="), S("á"));
    t_expect_str(words("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?="), S("日本"));
    /* One character in two words. */
    t_expect_str(words("=?utf-8?Q?=E2=82?= =?utf-8?Q?=AC?="), S("€"));
    t_expect_str(words("=?utf-8?Q?a?= b =?utf-8?Q?c?="), S("a b c"));
    t_expect_str(words("=?utf-8?Q?trailing_?="), S("trailing "));
    /* No words. */
    t_expect_str(words("=?utf-8?X?a?= =?utf-8?Q?a =?"), S("=?utf-8?X?a?= =?utf-8?Q?a =?"));
    t_expect_str(words("=?no-such?Q?=FF?="), S("ÿ"));
    t_expect_str(words("raw \xff"), S("raw \xef\xbf\xbd"));
}

TEST(mime_parameters_may_be_quoted_continued_and_of_other_charsets)
{
    struct mime_params p;

    mime_params(t_arena(),
                S("Attachment; filename=\"a \\\"b\\\".txt\"; size = 5;x*=iso-8859-1'de'%FC%;"
                  " y*0=one; y*1*=%20two; y*3=four; z*0*=utf-8''%E2%82; z*1*=%AC"),
                &p);
    t_expect_str(p.value, S("attachment"));
    t_expect_str(mime_param(t_arena(), &p, S("filename")), S("a \"b\".txt"));
    t_expect_str(mime_param(t_arena(), &p, S("size")), S("5"));
    t_expect_str(mime_param(t_arena(), &p, S("x")), S("ü%"));
    t_expect_str(mime_param(t_arena(), &p, S("y")), S("one two"));
    t_expect_str(mime_param(t_arena(), &p, S("z")), S("€"));
    t_expect_str(mime_param(t_arena(), &p, S("none")), S(""));
    mime_params(t_arena(), S("a; b=\"=?utf-8?Q?=C3=BC?=\"; c=\"open"), &p);
    t_expect_str(mime_param(t_arena(), &p, S("b")), S("ü"));
    t_expect_str(mime_param(t_arena(), &p, S("c")), S("open"));
}

TEST(mime_parts_nest_and_end_where_their_boundary_says)
{
    struct mime_message m = parse(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n"
        "Content-Type: multipart/alternative; boundary=\"bb\"\r\n\r\n--bb\r\n\r\nplain\r\n"
        "--bb\r\nContent-Type: text/HTML; charset=utf-8\r\n\r\n<p>\r\n--bb--\r\nend\r\n"
        "--b  \r\nContent-Type: image/png; name=\"../../x/y.png\"\r\n"
        "Content-Disposition: inline\r\nContent-ID: <c@d>\r\n"
        "Content-Transfer-Encoding: BASE64\r\n\r\niVB\r\nO!!Rw=\r\n=\r\n--bx\r\n--b--\r\npost");

    t_expect_int(m.parts.n, 3);
    t_expect_str(text_of(&m.parts.at[0]), S("plain"));
    t_expect_str(m.parts.at[1].type, S("text/html"));
    t_expect_str(text_of(&m.parts.at[1]), S("<p>"));
    t_expect_str(m.parts.at[2].file_name, S("y.png"));
    t_expect_str(m.parts.at[2].disposition, S("inline"));
    t_expect_str(m.parts.at[2].content_id, S("c@d"));
    t_expect_str(str_head(bytes_of(&m.parts.at[2]), 4), S("\x89PNG"));
    t_expect(!m.cut);
    /* It does not end. */
    m = parse("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo");
    t_expect_int(m.parts.n, 2);
    t_expect_str(m.parts.at[1].body, S("two"));
    /* It has no boundary: it is one part. */
    m = parse("Content-Type: multipart/mixed\r\n\r\nall");
    t_expect_int(m.parts.n, 1);
    t_expect_str(m.parts.at[0].body, S("all"));
}

TEST(mime_depth_parts_and_headers_are_bounded)
{
    AUTO_BUF(b, MIB(8));

    for (int i = 0; i < 40; i++)
        buf_add_fmt(&b, "Content-Type: multipart/mixed; boundary=n%dx\r\n\r\n--n%dx\r\n", i, i);
    buf_add(&b, S("\r\ndeep"));
    struct mime_message m = {0};
    mime_parse(t_arena(), buf_str(&b), &m);
    t_expect_int(m.parts.n, 1);
    t_expect(m.cut);
    buf_reset(&b);
    buf_add(&b, S("Content-Type: multipart/mixed; boundary=b\r\n\r\n"));
    for (int i = 0; i < 1000; i++)
        buf_add(&b, S("--b\r\n\r\nx\r\n"));
    mime_parse(t_arena(), buf_str(&b), &m);
    t_expect_int(m.parts.n, MIME_PARTS_MAX);
    t_expect(m.cut);
    /* Multiparts with nothing in them count, too. */
    AUTO(arena) *a = arena_new(MIB(4));
    buf_reset(&b);
    buf_add(&b, S("Content-Type: multipart/mixed; boundary=b\r\n\r\n"));
    for (int i = 0; i < 20000; i++)
        buf_add(&b, S("--b\r\nContent-Type: multipart/x; boundary=y\r\n\r\n\r\n"));
    mime_parse(a, buf_str(&b), &m);
    t_expect_int(m.parts.n, 0);
    t_expect(m.cut);
    buf_reset(&b);
    for (int i = 0; i < 2000; i++)
        buf_add_fmt(&b, "X-%d: y\r\n", i);
    mime_parse(t_arena(), buf_str(&b), &m);
    t_expect_int(m.headers.n, MIME_HEADERS_MAX);
    t_expect(m.cut);
    buf_reset(&b);
    buf_add(&b, S("X: "));
    for (int i = 0; i < 1 << 20; i++)
        buf_add_char(&b, i % 70 ? 'a' : '\n');
    mime_parse(t_arena(), buf_str(&b), &m);
    t_expect(m.cut);
}

TEST(mime_texts_are_decoded_and_cut_at_their_limit)
{
    struct mime_part quoted = {.encoding = MIME_QUOTED,
                               .charset = S("iso-8859-15"),
                               .body = S("a=A4=\r\nb \t\r\n=zz=4\r\n=")};
    struct mime_part long_one = {.body = S("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc")};
    bool cut;
    Str text;

    t_expect_str(text_of(&quoted), S("a€b\r\n=zz=4\r\n"));
    t_expect_ok(mime_part_text(t_arena(), &long_one, 12, &text, &cut));
    t_expect(!cut && text.n == 12);
    t_expect_ok(mime_part_text(t_arena(), &long_one, 5, &text, &cut));
    t_expect(cut && utf8_valid(text));
    struct mime_part odd = {.charset = S("../../lib//TRANSLIT"), .body = S("\x80 \xe4")};
    t_expect_str(text_of(&odd), S("€ ä"));
}

static void expect_address(const MimeAddresses *all, size_t i, const char *name,
                           const char *address)
{
    t_expect(i < all->n);
    t_expect_str(all->at[i].name, str_c(name));
    t_expect_str(all->at[i].address, str_c(address));
}

TEST(mime_addresses_have_names_comments_and_groups)
{
    MimeAddresses all = {0};

    mime_addresses(t_arena(),
                   S("a@b.c, \"Last, First\" <d@e.f>, (nobody) g@h.i (Ann (B)), Team: j@k.l,"
                     " =?utf-8?Q?=C3=BC?= <m@n.o>;, <p@q.r>"),
                   &all);
    t_expect_int(all.n, 6);
    expect_address(&all, 0, "", "a@b.c");
    expect_address(&all, 1, "Last, First", "d@e.f");
    expect_address(&all, 2, "nobodyAnn (B)", "g@h.i");
    expect_address(&all, 3, "", "j@k.l");
    expect_address(&all, 4, "ü", "m@n.o");
    expect_address(&all, 5, "", "p@q.r");
    mime_addresses(t_arena(), S(""), &all);
    t_expect_int(all.n, 0);
    mime_addresses(t_arena(), S("\"open <a"), &all);
    t_expect_int(all.n, 1);
}

static void expect_date(const char *text, const char *rfc3339)
{
    char out[TIME_RFC3339_SIZE];
    Usec at;

    t_expect_ok(mime_date(str_c(text), &at));
    t_expect_str(str_head(time_rfc3339(at, out), 19), str_c(rfc3339));
}

TEST(mime_dates_are_of_mails_and_of_servers)
{
    static const char *none[] = {"",
                                 "today",
                                 "Fri, 31 Feb 2026 10:00:00 +0000",
                                 "1 Foo 2026 10:00:00",
                                 "1 Jan 2026 25:00:00",
                                 "1 Jan 2026 03400000000000000:4:25",
                                 "1 Jan 1960 10:00:00",
                                 "1 Jan 2026"};
    Usec at;

    expect_date("Fri, 20 Nov 2026 12:00:01 +0100", "2026-11-20T11:00:01");
    expect_date("20 Nov 26 12:00 EST (comment)", "2026-11-20T17:00:00");
    expect_date("Fri,  1  Jan 1999 00:00:00 GMT", "1999-01-01T00:00:00");
    expect_date(" 7-Jul-1996 02:44:25 -0700", "1996-07-07T09:44:25");
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        t_expect_err(mime_date(str_c(none[i]), &at), E_SYNTAX);
}
