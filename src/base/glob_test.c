/* src/base/glob_test.c */
#include "base/glob.h"

#include "base/test.h"

static bool matches(const char *pattern, const char *text)
{
    return glob_matches(str_c(pattern), str_c(text));
}

TEST(a_glob_is_of_the_whole_text)
{
    t_expect(matches("", "") && !matches("", "a") && matches("*", "") && matches("**", "a/b"));
    t_expect(matches("a.csv", "a.csv") && !matches("a.csv", "a.csv2") &&
             !matches("a.csv", "aacsv"));
    t_expect(matches("*.csv", "in/a.csv") && matches("*.csv", ".csv") && !matches("*.csv", "csv"));
    t_expect(matches("*.csv", "a.csv.csv") && !matches("*.csv", "a.csv.gz"));
    t_expect(matches("a*b*c", "a12b3bc") && !matches("a*b*c", "a12c3b"));
}

TEST(a_glob_has_characters_and_sets)
{
    t_expect(matches("?", "\xc3\xa4") && !matches("?", "") && !matches("?", "ab"));
    t_expect(matches("[a-c1]x", "bx") && matches("[a-c1]x", "1x") && !matches("[a-c1]x", "dx"));
    t_expect(matches("[!a-c]", "d") && !matches("[!a-c]", "b") && matches("[]a]", "]"));
    t_expect(matches("[\xc3\xa0-\xc3\xbf]", "\xc3\xa4") && !matches("[a-]", "b"));
    t_expect(matches("[a-]", "-") && matches("[a", "[a") && matches("x[", "x["));
    t_expect(matches("\\*", "*") && !matches("\\*", "a") && matches("\\", "\\"));
    t_expect(matches("*[0-9]?", "ab7c") && !matches("*[0-9]?", "ab7"));
}

TEST(a_glob_takes_no_long_time)
{
    char pattern[200], text[2001];

    for (size_t i = 0; i < sizeof pattern - 2; i += 2)
        memcpy(pattern + i, "*a", 2);
    memcpy(pattern + sizeof pattern - 2, "b", 2);
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    t_expect(!matches(pattern, text));
}
