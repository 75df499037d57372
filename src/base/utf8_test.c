/* src/base/utf8_test.c */
#include "base/arena.h"
#include "base/test.h"
#include "base/utf8.h"

static bool is_scalar(uint32_t c)
{
    return c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
}

TEST(every_scalar_value_is_encoded_decoded_and_valid)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char text[4];
        size_t n = 0;
        if (!is_scalar(c))
            continue;
        Str s = {text, utf8_encode(c, text)};
        t_expect(utf8_valid(s));
        t_expect_int(utf8_decode(s, &n), c);
        t_expect_int(n, s.n);
        t_expect_int(s.n, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
        t_expect_int(utf8_count(s), 1);
        for (size_t cut = 1; cut < s.n; cut++)
            t_expect_int(utf8_valid_prefix(str_head(s, cut)), 0);
    }
}

/* The table 3-7 of the Unicode standard, written down a second time, in another way. */
static bool well_formed(const unsigned char *b, size_t n)
{
    if (n == 1)
        return b[0] < 0x80;
    uint32_t c = n == 2 ? b[0] & 0x1fu : n == 3 ? b[0] & 0x0fu : b[0] & 0x07u;
    if ((n == 2 && b[0] >> 5 != 6) || (n == 3 && b[0] >> 4 != 14) || (n == 4 && b[0] >> 3 != 30))
        return false;
    for (size_t i = 1; i < n; i++) {
        if (b[i] >> 6 != 2)
            return false;
        c = c << 6 | (b[i] & 0x3fu);
    }
    return is_scalar(c) && c >= (n == 2 ? 0x80u : n == 3 ? 0x800u : 0x10000u);
}

/* All first bytes against the second bytes at the borders of every rule. */
TEST(every_border_of_the_byte_table_is_kept)
{
    static const unsigned char borders[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                            0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xef, 0xf4, 0xff};
    unsigned char b[4];

    for (unsigned first = 0; first < 256; first++) {
        b[0] = (unsigned char)first;
        t_expect((utf8_valid_prefix((Str){(char *)b, 1}) == 1) == (first < 0x80));
        for (size_t i = 0; i < ARRAY_LEN(borders); i++) {
            b[1] = borders[i];
            if (first >= 0x80)
                t_expect(utf8_valid((Str){(char *)b, 2}) == well_formed(b, 2));
            for (size_t j = 0; j < ARRAY_LEN(borders); j++) {
                b[2] = borders[j];
                if (first >= 0xe0)
                    t_expect(utf8_valid((Str){(char *)b, 3}) == well_formed(b, 3));
                for (size_t k = 0; k < ARRAY_LEN(borders) && first >= 0xf0; k++) {
                    b[3] = borders[k];
                    t_expect(utf8_valid((Str){(char *)b, 4}) == well_formed(b, 4));
                }
            }
        }
    }
}

TEST(the_valid_prefix_ends_before_the_first_bad_byte_wherever_it_stands)
{
    char text[64];

    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        text[at] = (char)0xff;
        t_expect_int(utf8_valid_prefix((Str){text, sizeof text}), at);
        memset(text, 'a', sizeof text);
        if (at + 3 > sizeof text)
            continue;
        memcpy(text + at, "\xe2\x82\xac", 3);
        t_expect(utf8_valid((Str){text, sizeof text}));
        t_expect_int(utf8_count((Str){text, sizeof text}), sizeof text - 2);
        t_expect_int(utf8_valid_prefix((Str){text, at + 2}), at);
    }
    t_expect(utf8_valid((Str){NULL, 0}));
    t_expect(utf8_valid(S("a\0b")));
}

TEST(repair_puts_one_replacement_for_each_maximal_part)
{
    static const struct {
        Str in, out;
    } cases[] = {
        {S_INIT("plain"), S_INIT("plain")},
        {S_INIT("a\xff"
                "b"),
         S_INIT("a\xef\xbf\xbd"
                "b")},
        {S_INIT("\xe2\x82"), S_INIT("\xef\xbf\xbd")},
        {S_INIT("\xe2\x82x"), S_INIT("\xef\xbf\xbdx")},
        {S_INIT("\xed\xa0\x80"), S_INIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")},
        {S_INIT("\xc0\xaf"), S_INIT("\xef\xbf\xbd\xef\xbf\xbd")},
        {S_INIT("\xf0\x9f\x98"), S_INIT("\xef\xbf\xbd")},
        {S_INIT("\xf0\x9f\x98\x80\xf0\x9f"), S_INIT("\xf0\x9f\x98\x80\xef\xbf\xbd")},
        /* The example of the Unicode standard, section 3.9. */
        {S_INIT("\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64"),
         S_INIT("a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                "b\xef\xbf\xbd"
                "c\xef\xbf\xbd\xef\xbf\xbd"
                "d")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Str out = utf8_repair(t_arena(), cases[i].in);
        t_expect_str(out, cases[i].out);
        t_expect(utf8_valid(out));
    }
    t_expect(utf8_repair(t_arena(), cases[0].in).p == cases[0].in.p);
}

TEST(control_characters_are_found_and_nothing_else)
{
    t_expect_int(utf8_control_free(S("")), 0);
    t_expect_int(utf8_control_free(S("plain ü — \xc2\xa0鍵")), strlen("plain ü — \xc2\xa0鍵"));
    t_expect_int(utf8_control_free(S("ab\nc")), 2);
    t_expect_int(utf8_control_free(S("ab\0c")), 2);
    t_expect_int(utf8_control_free(S("a\x7f")), 1);
    t_expect_int(utf8_control_free(S("a\xc2\x80")), 1);
    t_expect_int(utf8_control_free(S("\xc2\x9f")), 0);
}
