/* src/net/url_test.c - tests of url.c: what is taken apart how, and what is refused. */
#include "base/test.h"
#include "net/http.h"

TEST(url_parse_takes_a_full_url_apart)
{
    struct url u;
    t_expect_ok(url_parse(t_arena(), S("HTTPS://me:pw@Example.COM:8443/a%20b/c?x=1&y#top"), &u));
    t_expect_str(u.scheme, S("https"));
    t_expect_str(u.userinfo, S("me:pw"));
    t_expect_str(u.host, S("example.com"));
    t_expect_int(u.port, 8443);
    t_expect_str(u.path, S("/a%20b/c"));
    t_expect_str(u.query, S("x=1&y"));
    t_expect_str(u.fragment, S("top"));
    t_expect(u.tls && !u.ipv6);
}

TEST(url_parse_fills_in_port_and_path)
{
    struct url u;
    t_expect_ok(url_parse(t_arena(), S("http://h"), &u));
    t_expect_int(u.port, 80);
    t_expect_str(u.path, S("/"));
    t_expect(u.query.p == NULL && u.fragment.p == NULL && u.userinfo.p == NULL);
    t_expect_ok(url_parse(t_arena(), S("https://h:?q"), &u));
    t_expect_int(u.port, 443);
    t_expect_str(u.path, S("/"));
    t_expect_str(u.query, S("q"));
    t_expect_ok(url_parse(t_arena(), S("http://h/?"), &u));
    t_expect(u.query.p && u.query.n == 0);
}

TEST(url_parse_takes_ipv6_hosts)
{
    struct url u;
    t_expect_ok(url_parse(t_arena(), S("http://[::1]:81/x"), &u));
    t_expect_str(u.host, S("::1"));
    t_expect(u.ipv6);
    t_expect_int(u.port, 81);
    t_expect_ok(url_parse(t_arena(), S("http://[::FFFF:127.0.0.1]"), &u));
    t_expect_str(u.host, S("::ffff:127.0.0.1"));
}

TEST(url_parse_escapes_what_may_not_be_sent_raw)
{
    struct url u;
    t_expect_ok(url_parse(t_arena(), S("http://h/\xc3\xa4<x>?q=\"\xe2\x82\xac\""), &u));
    t_expect_str(u.path, S("/%C3%A4%3Cx%3E"));
    t_expect_str(u.query, S("q=%22%E2%82%AC%22"));
}

TEST(url_parse_refuses_what_is_no_http_url)
{
    static const char *const bad[] = {
        "",
        "example.com",
        "ftp://h/",
        "file:///etc/passwd",
        "http:/h",
        "http://",
        "http:///x",
        "http://?x",
        "http://h:0/",
        "http://h:65536/",
        "http://h:+80/",
        "http://h:8a/",
        "http://h h/",
        "http://h/a b",
        "http://h/a\tb",
        "http://h/a\r\nb",
        "http://h\\@evil/",
        "http://h/\\x",
        "http://a@b@c/",
        "http://h%41/",
        "http://h/%4",
        "http://h/%zz",
        "http://.h/",
        "http://h..x/",
        "http://\xc3\xa4/",
        "http://[::1",
        "http://[::1]x/",
        "http://[::1%25eth0]/",
        "http://[]/",
        "http://[1.2.3.4]/",
        "http://[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]/",
    };
    struct url u;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (url_parse(t_arena(), str_c(bad[i]), &u) != E_SYNTAX)
            t_fail(__FILE__, __LINE__, "\"%s\" was taken as a URL", bad[i]);
}

static const char *join(const char *ref)
{
    struct url base;
    Str text;
    if (url_parse(t_arena(), S("http://a/b/c/d;p?q"), &base) != OK)
        return "bad base";
    if (url_join(t_arena(), &base, str_c(ref), &text) != OK)
        return "refused";
    return str_dup_c(t_arena(), text);
}

/* The examples of RFC 3986 section 5.4 whose scheme is ours. */
TEST(url_join_follows_the_rfc_examples)
{
    static const char *const cases[][2] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/../x", "http://a/b/c/g#s/../x"},
        {"https://x/../y", "https://x/../y"},
        {"g:h", "refused"},
        {"javascript:alert(1)", "refused"},
        {"//h\\x", "refused"},
        {"/a b", "refused"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = join(cases[i][0]);
        if (strcmp(got, cases[i][1]) != 0)
            t_fail(__FILE__, __LINE__, "\"%s\" gave \"%s\", expected \"%s\"", cases[i][0], got,
                   cases[i][1]);
    }
}

TEST(url_join_keeps_port_user_and_brackets_of_the_base)
{
    struct url base;
    Str text;
    t_expect_ok(url_parse(t_arena(), S("https://u@[::1]:8443/x"), &base));
    t_expect_ok(url_join(t_arena(), &base, S("y"), &text));
    t_expect_str(text, S("https://u@[::1]:8443/y"));
}

TEST(url_encode_and_decode_are_inverse)
{
    Str text;
    t_expect_str(url_encode(t_arena(), S("a b/\xc3\xa4~-._")), S("a%20b%2F%C3%A4~-._"));
    t_expect_ok(url_decode(t_arena(), S("a%20b%2F%c3%a4+x"), false, &text));
    t_expect_str(text, S("a b/\xc3\xa4+x"));
    t_expect_ok(url_decode(t_arena(), S("a+b%2B"), true, &text));
    t_expect_str(text, S("a b+"));
}

TEST(url_decode_refuses_nul_and_broken_escapes)
{
    static const char *const bad[] = {"%", "%4", "a%4", "%g0", "%0g", "%00", "a%00b"};
    Str text;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        t_expect_err(url_decode(t_arena(), str_c(bad[i]), false, &text), E_SYNTAX);
    t_expect_err(url_decode(t_arena(), ((Str){"a\0b", 3}), false, &text), E_SYNTAX);
}

TEST(url_query_get_decodes_names_and_values)
{
    Str v, q = S("a=1&b+c=x%20y&empty=&flag&a=2&%64=esc");
    t_expect_ok(url_query_get(t_arena(), q, S("a"), &v));
    t_expect_str(v, S("1"));
    t_expect_ok(url_query_get(t_arena(), q, S("b c"), &v));
    t_expect_str(v, S("x y"));
    t_expect_ok(url_query_get(t_arena(), q, S("empty"), &v));
    t_expect(v.n == 0 && v.p);
    t_expect_ok(url_query_get(t_arena(), q, S("flag"), &v));
    t_expect(v.n == 0 && v.p);
    t_expect_ok(url_query_get(t_arena(), q, S("d"), &v));
    t_expect_str(v, S("esc"));
    t_expect_err(url_query_get(t_arena(), q, S("none"), &v), E_NOT_FOUND);
    t_expect_err(url_query_get(t_arena(), (Str){0}, S("a"), &v), E_NOT_FOUND);
    t_expect_err(url_query_get(t_arena(), S("a=%0"), S("a"), &v), E_SYNTAX);
}

TEST(url_query_all_is_bounded)
{
    HttpHeaders pairs;
    t_expect_ok(url_query_all(t_arena(), S("a=1&&b=2&"), 2, &pairs));
    t_expect_int(pairs.n, 2);
    t_expect_str(pairs.at[1].value, S("2"));
    t_expect_err(url_query_all(t_arena(), S("a&b&c"), 2, &pairs), E_TOO_LARGE);
}
