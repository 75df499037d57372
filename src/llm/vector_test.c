/* src/llm/vector_test.c - a packed direction is as good as the numbers. */
#include "llm/vector.h"

#include "base/test.h"

#include <math.h>

static Err pack(const char *text, Str *ret_vector)
{
    struct json *v;

    TRY(json_parse(t_arena(), str_c(text), &v));
    return llm_vector_pack(t_arena(), v, ret_vector);
}

static double next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / (double)(1ull << 53) * 2 - 1;
}

TEST(cosines_of_packed_directions_are_those_of_the_numbers)
{
    enum { N = 1536 };
    uint64_t state = 42;

    for (int round = 0; round < 20; round++) {
        struct json *x = json_arr(t_arena()), *y = json_arr(t_arena());
        double dot = 0, xx = 0, yy = 0;
        for (int i = 0; i < N; i++) {
            double a = next(&state) / 40, b = a + next(&state) * round / 400;
            json_push(t_arena(), x, json_double(t_arena(), a));
            json_push(t_arena(), y, json_double(t_arena(), b));
            dot += a * b, xx += a * a, yy += b * b;
        }
        Str p, q;
        t_expect_ok(llm_vector_pack(t_arena(), x, &p));
        t_expect_ok(llm_vector_pack(t_arena(), y, &q));
        t_expect(fabs(llm_vector_cosine(p, q) - dot / sqrt(xx * yy)) < 0.001);
    }
}

TEST(directions_do_not_depend_on_length)
{
    Str x, y, z, other;

    t_expect_ok(pack("[1, 2, -2]", &x));
    t_expect_ok(pack("[0.01, 0.02, -0.02]", &y));
    t_expect_ok(pack("[-1, -2, 2]", &z));
    t_expect_ok(pack("[1, 2]", &other));
    t_expect(llm_vector_cosine(x, y) > 0.9999 && llm_vector_cosine(x, z) < -0.9999);
    t_expect(llm_vector_cosine(x, other) <= -1);
}

TEST(what_is_no_direction_is_refused)
{
    static const char *const wrong[] = {"[]",    "[0, 0]", "[1, \"2\"]", "{}",
                                        "\"x\"", "null",   "[1e-320]"};
    Str v;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        t_expect_err(pack(wrong[i], &v), E_UPSTREAM);
}
