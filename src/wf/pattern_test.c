/* src/wf/pattern_test.c - patterns that would hold a loop, and long texts that do not. */
#include "base/test.h"
#include "base/time.h"
#include "wf/pattern.h"

static Str repeated(Str what, size_t times)
{
    char *p = arena_bytes(t_arena(), what.n * times);

    for (size_t i = 0; i < times; i++)
        memcpy(p + i * what.n, what.p, what.n);
    return (Str){p, what.n * times};
}

static Err try_match(const char *source, Str text, bool *ret_matches)
{
    struct wf_pattern *p;

    TRY(wf_pattern_compile(t_arena(), str_c(source), false, &p));
    return wf_pattern_matches(p, text, ret_matches);
}

TEST(pattern_that_takes_the_square_of_a_text_is_given_up)
{
    Str blanks = repeated(S(" "), 200000);
    Str text = str_fmt(t_arena(), "%.*sx", P(blanks));
    bool matches;
    Usec start = time_mono();

    /* Neither passes a branch point in its repeats: PCRE2's own limit never sees them. */
    t_expect_err(try_match("\\s+$", text, &matches), E_TOO_LARGE);
    t_expect_err(try_match("(?=.*y)(?=.*z)", text, &matches), E_TOO_LARGE);
    t_expect_err(try_match("( *)x\\1y|\\s+\\d", text, &matches), E_TOO_LARGE);
    t_expect(time_mono() - start < 5 * USEC_S);
}

TEST(pattern_reads_a_long_text_when_one_pass_is_enough)
{
    Str words = repeated(S("the quick brown fox "), 50000);
    bool matches;

    t_expect_ok(try_match("lazy dog", words, &matches));
    t_expect(!matches);
    t_expect_ok(try_match("^[a-z ]+$", words, &matches));
    t_expect(matches);
}
