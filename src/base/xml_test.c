/* src/base/xml_test.c - elements and texts as they stand there; what is no XML is refused. */
#include "base/xml.h"

#include "base/buf.h"
#include "base/test.h"

/* The elements of @text in short: name(children)=text; or the name of the error. */
static Err show(struct xml *x, struct buf *b, int depth)
{
    Str name, text;
    Err e;

    while (xml_child(x, &name, &e)) {
        buf_add(b, name);
        if (str_starts(name, S("list"))) {
            buf_add_c(b, "(");
            TRY(show(x, b, depth + 1));
            buf_add_c(b, ")");
        } else if (str_eq(name, S("skip"))) {
            TRY(xml_skip(x));
        } else {
            TRY(xml_text(x, &text));
            buf_add_fmt(b, "=%.*s", P(text));
        }
        buf_add_c(b, ";");
    }
    return e;
}

static Str read_all(const char *text)
{
    AUTO_BUF(b, KIB(64));
    struct xml x;
    Err e = xml_begin(&x, t_arena(), str_c(text), S("r"));

    if (e == OK)
        e = show(&x, &b, 0);
    return e == OK ? str_dup(t_arena(), buf_str(&b)) : str_c(err_name(e));
}

TEST(xml_elements_and_texts_come_in_their_order)
{
    t_expect_str(read_all("<r/>"), S(""));
    t_expect_str(
        read_all("\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- x --><r xmlns='u:x'>"
                 "<a>1</a> <b y=\"<>'\" z = '\"'>two</b><c/><list><d >3</d\n></list></r> x"),
        S("a=1;b=two;c=;list(d=3;);"));
    t_expect_str(read_all("<s:r><s:a>1</s:a></s:r>"), S("a=1;"));
    t_expect_str(read_all("<r>x<a>1<b>2</b>3</a>y<skip><a>4</a></skip></r>"), S("a=13;skip;"));
    t_expect_str(read_all("<r><list>x</list><list/></r>"), S("list();list();"));
}

TEST(xml_entities_and_sections_are_what_they_stand_for)
{
    t_expect_str(read_all("<r><a>&quot;x&quot; &lt;&amp;&gt;&apos;</a></r>"), S("a=\"x\" <&>';"));
    t_expect_str(read_all("<r><a>&#65;&#x42;&#xe4;&#x1F600;</a></r>"),
                 S("a=AB\xc3\xa4\xf0\x9f\x98\x80;"));
    t_expect_str(read_all("<r><a>1<![CDATA[<&amp;>]]>2<!-- &x; -->&amp;<?y ?>3</a></r>"),
                 S("a=1<&amp;>2&3;"));
    t_expect_str(read_all("<r><a><![CDATA[]]></a></r>"), S("a=;"));
}

TEST(xml_that_is_none_is_refused)
{
    static const char *const bad[] = {
        "",
        "x",
        "{}",
        "<r>",
        "<r><a></r>",
        "<r></a></r>",
        "<r><a",
        "<r><a b></a></r>",
        "<r><a b=c></a></r>",
        "<r><a b='c></a></r>",
        "<r>< a/></r>",
        "<r><a:/></r>",
        "<r><a/",
        "<other/>",
        "<r><a>&x;</a></r>",
        "<r><a>&</a></r>",
        "<r><a>&#0;</a></r>",
        "<r><a>&#xd800;</a></r>",
        "<r><a>&#x110000;</a></r>",
        "<r><a>&#99999999999;</a></r>",
        "<r><a>&#;</a></r>",
        "<r><a>\xff</a></r>",
        "<r><!-- x",
        "<r><![CDATA[x",
        "<!DOCTYPE r [<!ENTITY x 'y'>]><r/>",
        "<r><!DOCTYPE x></r>",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!str_eq(read_all(bad[i]), S("E_SYNTAX")))
            t_fail(__FILE__, __LINE__, "\"%s\" is taken: %.*s", bad[i], P(read_all(bad[i])));
}

TEST(xml_nests_within_a_bound)
{
    AUTO_BUF(b, KIB(64));

    buf_add_c(&b, "<r>");
    for (int i = 0; i < 31; i++)
        buf_add_c(&b, "<skip>");
    for (int i = 0; i < 31; i++)
        buf_add_c(&b, "</skip>");
    buf_add_c(&b, "</r>");
    t_expect_str(read_all(str_dup_c(t_arena(), buf_str(&b))), S("skip;"));
    buf_reset(&b);
    buf_add_c(&b, "<r>");
    for (int i = 0; i < 100000 / 8; i++)
        buf_add_c(&b, "<l>");
    t_expect_str(read_all(str_dup_c(t_arena(), buf_str(&b))), S("E_SYNTAX"));
}

TEST(xml_texts_take_no_more_memory_than_the_document)
{
    AUTO(arena) *a = arena_new(MIB(2));
    AUTO_BUF(b, MIB(1));
    struct xml x;
    Str name, text;
    size_t n = 0;
    Err e;

    buf_add_c(&b, "<r>");
    while (b.n < KIB(900))
        buf_add_c(&b, "<a>&quot;x&quot;<![CDATA[y]]>&quot;</a>");
    buf_add_c(&b, "</r>");
    t_expect_ok(xml_begin(&x, a, buf_str(&b), S("r")));
    for (; xml_child(&x, &name, &e); n++) {
        t_expect_ok(xml_text(&x, &text));
        t_expect_str(text, S("\"x\"y\""));
    }
    t_expect_ok(e);
    t_expect(n > 20000);
}
