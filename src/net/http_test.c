/* src/net/http_test.c - tests of http.c: lists, header fields, methods. */
#include "base/test.h"
#include "net/http.h"

TEST(http_methods_are_case_sensitive_and_known_by_bit)
{
    t_expect_int(http_method_parse(S("GET")), HTTP_GET);
    t_expect_int(http_method_parse(S("get")), 0);
    t_expect_int(http_method_parse(S("GETS")), 0);
    t_expect_str(str_c(http_method_name(HTTP_PATCH)), S("PATCH"));
    t_expect_str(str_c(http_status_text(413)), S("Content Too Large"));
    t_expect_str(str_c(http_status_text(999)), S("Unknown"));
    t_expect_str(str_c(http_status_text(-1)), S("Unknown"));
}

TEST(http_header_get_ignores_case_and_tells_absent_from_empty)
{
    HttpHeaders h = {0};
    http_header_add(t_arena(), &h, S("X-Empty"), S(""));
    http_header_add(t_arena(), &h, S("accept"), S("a"));
    http_header_add(t_arena(), &h, S("Accept"), S("b"));
    t_expect(http_header_get(&h, S("x-empty")).p != NULL);
    t_expect(http_header_get(&h, S("x-none")).p == NULL);
    t_expect_str(http_header_get(&h, S("ACCEPT")), S("a"));
}

TEST(http_header_valid_refuses_what_would_split_a_message)
{
    t_expect(http_header_valid(S("X-A"), S("b\tc d")));
    t_expect(http_header_valid(S("X-A"), S("\xc3\xa4")));
    t_expect(!http_header_valid(S("X-A"), S("b\r\nSet-Cookie: x")));
    t_expect(!http_header_valid(S("X-A"), S("b\n")));
    t_expect(!http_header_valid(S("X-A"), ((Str){"a\0b", 3})));
    t_expect(!http_header_valid(S("X-A"), S("\x7f")));
    t_expect(!http_header_valid(S("X A"), S("b")));
    t_expect(!http_header_valid(S("X-A:"), S("b")));
    t_expect(!http_header_valid(S(""), S("b")));
}

TEST(http_list_has_finds_tokens_and_honours_q)
{
    t_expect(http_list_has(S("keep-alive, Upgrade"), S("upgrade")));
    t_expect(http_list_has(S(" ,, close ,"), S("close")));
    t_expect(!http_list_has(S("closed, not-close"), S("close")));
    t_expect(!http_list_has(S("gzip;q=0, br"), S("gzip")));
    t_expect(http_list_has(S("gzip; q=0.001"), S("gzip")));
    t_expect(!http_list_has((Str){0}, S("gzip")));
}

TEST(http_quality_reads_weights_and_the_star)
{
    t_expect_int(http_quality(S("gzip;q=0.5, br"), S("gzip")), 500);
    t_expect_int(http_quality(S("gzip;q=0.5, br"), S("br")), 1000);
    t_expect_int(http_quality(S("*;q=0.25"), S("br")), 250);
    t_expect_int(http_quality(S("*, br;q=0"), S("br")), 0);
    t_expect_int(http_quality(S("gzip"), S("br")), -1);
    t_expect_int(http_quality(S("br;q=1.5"), S("br")), 0);
    t_expect_int(http_quality(S("br;q=x"), S("br")), 0);
    t_expect_int(http_quality(S("br; level=4 ; Q=0.123"), S("br")), 123);
}

TEST(http_type_is_compares_without_parameters)
{
    t_expect(http_type_is(S("Application/JSON; charset=utf-8"), S("application/json")));
    t_expect(!http_type_is(S("application/jsonx"), S("application/json")));
    t_expect(!http_type_is((Str){0}, S("application/json")));
}
