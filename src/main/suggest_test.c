/* src/main/suggest_test.c */
#include "base/test.h"
#include "main/suggest.h"

TEST(suggest_distance_counts_edits_and_swapped_neighbours)
{
    t_expect_int(suggest_distance(S(""), S("")), 0);
    t_expect_int(suggest_distance(S("abc"), S("")), 3);
    t_expect_int(suggest_distance(S(""), S("abc")), 3);
    t_expect_int(suggest_distance(S("listen"), S("listen")), 0);
    t_expect_int(suggest_distance(S("lisen"), S("listen")), 1);
    t_expect_int(suggest_distance(S("litsen"), S("listen")), 1);
    t_expect_int(suggest_distance(S("kitten"), S("sitting")), 3);
    t_expect_int(suggest_distance(S("LOG_LEVEL"), S("log-level")), 0);
}

TEST(suggest_distance_gives_up_on_long_names)
{
    char text[SUGGEST_MAX + 1];

    memset(text, 'a', sizeof text);
    t_expect_int(suggest_distance(str_from(text, SUGGEST_MAX), S("a")), SUGGEST_MAX - 1);
    t_expect_int(suggest_distance(str_from(text, SUGGEST_MAX + 1), S("a")), SUGGEST_MAX);
}

static Str best(Str wrong)
{
    struct suggest s;

    suggest_init(&s, wrong);
    suggest_offer(&s, S("log.level"));
    suggest_offer(&s, S("log.format"));
    suggest_offer(&s, S("retention.days"));
    return suggest_text(t_arena(), &s);
}

TEST(suggest_offers_what_is_near_and_nothing_that_is_far)
{
    t_expect_str(best(S("log.levle")), S("; did you mean log.level?"));
    t_expect_str(best(S("log.fromat")), S("; did you mean log.format?"));
    t_expect_str(best(S("retention")), S("; did you mean retention.days?"));
    t_expect_str(best(S("smtp.host")), S(""));
    t_expect_str(best(S("x")), S(""));
}
