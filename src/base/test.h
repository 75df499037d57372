/* src/base/test.h - the unit-test harness: TEST(name_is_a_sentence) { t_expect(...); }
 *
 * Tests sit beside the code in *_test.c and are built into one runner (test_main.c). A failed
 * t_expect is printed with file and line and ends the test function at once. Tests that need fibers
 * use TEST_FIBER, which runs the body in a fiber on a fresh shard (rt/test_rt.h).
 */
#ifndef BASE_TEST_H
#define BASE_TEST_H

#include "base/arena.h"

typedef void test_fn(void);

struct test_case {
    const char *name;
    const char *file;
    test_fn *run;
    const void *align[5]; /* keeps the section's stride at 64 bytes */
};

#define TEST(id)                                                                                   \
    static void test_##id(void);                                                                   \
    static const struct test_case case_##id __attribute__((                                        \
        used, section("heddle_tests"), aligned(64))) = {#id, __FILE__, test_##id, {0}};            \
    static void test_##id(void)

/* Report a failure of the running test; it goes on to the end of the statement. */
void t_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Count the running test as skipped, with a reason. Return from the test after it. */
void t_skip(const char *why);
/* A new empty directory that is removed when the test ends; the path lives as long as the test. */
const char *t_dir(void);
/* The folder of shared test data if it is there (environment HEDDLE_TEST_DATA), else NULL. */
const char *t_data(void);
/* An arena freed when the test ends. */
struct arena *t_arena(void);

#define t_expect(cond)                                                                             \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            t_fail(__FILE__, __LINE__, "expected: %s", #cond);                                     \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define t_expect_ok(call)                                                                          \
    do {                                                                                           \
        Err t_err_ = (call);                                                                       \
        if (t_err_ != OK) {                                                                        \
            t_fail(__FILE__, __LINE__, "%s gave %s: %s", #call, err_name(t_err_),                  \
                   err_text(t_err_));                                                              \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define t_expect_err(call, code)                                                                   \
    do {                                                                                           \
        Err t_err_ = (call);                                                                       \
        if (t_err_ != (code)) {                                                                    \
            t_fail(__FILE__, __LINE__, "%s gave %s, expected %s", #call, err_name(t_err_),         \
                   err_name(code));                                                                \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define t_expect_int(got, want)                                                                    \
    do {                                                                                           \
        long long t_got_ = (long long)(got), t_want_ = (long long)(want);                          \
        if (t_got_ != t_want_) {                                                                   \
            t_fail(__FILE__, __LINE__, "%s is %lld, expected %lld", #got, t_got_, t_want_);        \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define t_expect_str(got, want)                                                                    \
    do {                                                                                           \
        Str t_got_ = (got), t_want_ = (want);                                                      \
        if (!str_eq(t_got_, t_want_)) {                                                            \
            t_fail(__FILE__, __LINE__, "%s is \"%.*s\", expected \"%.*s\"", #got, P(t_got_),       \
                   P(t_want_));                                                                    \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#endif
