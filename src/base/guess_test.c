/* src/base/guess_test.c */
#include "base/guess.h"
#include "base/test.h"

/* The distance of two names, or -1 if one is no guess for the other. */
static int distance(Str meant, Str candidate)
{
    struct guess g = guess_begin(meant);

    guess_try(&g, candidate);
    return g.best.p ? (int)g.distance : -1;
}

TEST(a_guess_counts_edits_and_swapped_neighbours)
{
    t_expect_int(distance(S("listen"), S("listen")), 0);
    t_expect_int(distance(S("lisen"), S("listen")), 1);
    t_expect_int(distance(S("liisten"), S("listen")), 1);
    t_expect_int(distance(S("litsen"), S("listen")), 1);
    t_expect_int(distance(S("kittens"), S("sitting")), 3);
    t_expect_int(distance(S("mittens"), S("sitting")), 3);
    t_expect_int(distance(S("carpets"), S("sitting")), -1);
}

TEST(a_guess_takes_no_offence_at_case_and_dashes)
{
    t_expect_int(distance(S("LOG_LEVEL"), S("log-level")), 0);
    t_expect_int(distance(S("log_levle"), S("log-level")), 1);
}

TEST(a_guess_needs_less_of_long_names_and_more_of_short_ones)
{
    t_expect_int(distance(S("abc"), S("abd")), 1);
    t_expect_int(distance(S("abc"), S("axd")), -1);
    t_expect_int(distance(S("abcdef"), S("abcxyf")), 2);
    t_expect_int(distance(S("abcdef"), S("axyzef")), -1);
    t_expect_int(distance(S("retention"), S("retention.days")), 2);
    t_expect_int(distance(S("re"), S("retention.days")), -1);
    t_expect_int(distance(S(""), S("a")), -1);
    t_expect_int(distance(S("a"), S("")), -1);
}

TEST(a_guess_does_not_compare_very_long_names)
{
    char text[GUESS_LENGTH_MAX + 1];

    memset(text, 'a', sizeof text);
    Str longest = {text, GUESS_LENGTH_MAX}, longer = {text, GUESS_LENGTH_MAX + 1};
    t_expect_int(distance(longest, longest), 0);
    t_expect_int(distance(longest, str_head(longest, GUESS_LENGTH_MAX - 3)), 3);
    t_expect_int(distance(longer, longer), -1);
}

TEST(a_guess_is_the_nearest_of_all)
{
    struct guess g = guess_begin(S("log.fromat"));

    guess_try(&g, S("log.level"));
    guess_try(&g, S("log.forma"));
    guess_try(&g, S("log.format"));
    guess_try(&g, S("logformats"));
    t_expect_str(guess_text(t_arena(), &g), S(" Did you mean \"log.format\"?"));
    g = guess_begin(S("smtp.host"));
    guess_try(&g, S("log.format"));
    t_expect_str(guess_text(t_arena(), &g), S(""));
}
