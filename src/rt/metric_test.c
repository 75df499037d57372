/* src/rt/metric_test.c */
#include "base/test.h"
#include "rt/metric.h"

#include <pthread.h>
#include <unistd.h>

static struct metric t_calls = {"heddle_test_calls_total", "Calls, by \"kind\"\nand outcome.",
                                METRIC_COUNTER, "kind,outcome"};
static struct metric t_open = {"heddle_test_open", "Open things.", METRIC_GAUGE, NULL};
static struct metric t_low = {"heddle_test_low", "A low gauge.", METRIC_GAUGE, NULL};
static struct metric t_span = {"heddle_test_span_seconds", "Spans.", METRIC_HISTOGRAM, "kind"};
static struct metric t_many = {"heddle_test_many_total", "Many series.", METRIC_COUNTER, "key"};

static struct metric t_busy = {"heddle_test_busy_seconds_total", "Time spent.", METRIC_COUNTER,
                               NULL, .micro = true};

static bool has(const struct buf *b, const char *what)
{
    return str_find(buf_str(b), str_c(what)) != SIZE_MAX;
}

TEST(metric_series_of_equal_labels_is_one)
{
    struct metric_series *a = metric_series(&t_calls, "x", "ok");
    char copy[] = "x";

    t_expect(metric_series(&t_calls, copy, "ok") == a);
    t_expect(metric_series(&t_calls, "x", "failed") != a);
    t_expect(metric_series(&t_calls, "xo", "k") != a);
}

static void *count_up(void *arg)
{
    for (int i = 0; i < 10000; i++)
        metric_add(arg, 1);
    return NULL;
}

TEST(metric_sums_over_threads_that_have_ended)
{
    struct metric_series *s = metric_series(&t_calls, "threads", "ok");
    pthread_t threads[4];

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, count_up, s);
        for (size_t i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
    t_expect_int(metric_value(s), 120000);
}

TEST(metric_gauge_is_set_and_moved)
{
    struct metric_series *s = metric_series(&t_open);

    metric_add(s, 5);
    metric_add(s, -2);
    t_expect_int(metric_value(s), 3);
    metric_set(s, 10);
    metric_add(s, 1);
    t_expect_int(metric_value(s), 11);
    metric_set(s, 0);
    t_expect_int(metric_value(s), 0);
}

TEST(metric_of_millionths_is_shown_in_whole_units)
{
    AUTO_BUF(b, MIB(4));

    metric_add(metric_series(&t_busy), 1250001);
    metric_render(&b);
    t_expect(has(&b, "heddle_test_busy_seconds_total 1.250001\n"));
}

TEST(metric_histogram_counts_into_buckets)
{
    struct metric_series *s = metric_series(&t_span, "h");
    AUTO_BUF(b, MIB(4));

    metric_observe(s, 0.0005); /* on the bound: inside */
    metric_observe(s, 0.02);
    metric_observe(s, 1000);
    t_expect_int(metric_value(s), 3);
    metric_render(&b);
    t_expect(has(&b, "heddle_test_span_seconds_bucket{kind=\"h\",le=\"0.0005\"} 1\n"));
    t_expect(has(&b, "heddle_test_span_seconds_bucket{kind=\"h\",le=\"0.01\"} 1\n"));
    t_expect(has(&b, "heddle_test_span_seconds_bucket{kind=\"h\",le=\"0.025\"} 2\n"));
    t_expect(has(&b, "heddle_test_span_seconds_bucket{kind=\"h\",le=\"60\"} 2\n"));
    t_expect(has(&b, "heddle_test_span_seconds_bucket{kind=\"h\",le=\"+Inf\"} 3\n"));
    t_expect(has(&b, "heddle_test_span_seconds_count{kind=\"h\"} 3\n"));
    t_expect(has(&b, "heddle_test_span_seconds_sum{kind=\"h\"} 1000.0205"));
}

TEST(metric_labels_are_escaped)
{
    AUTO_BUF(b, MIB(4));

    metric_add(metric_series(&t_calls, "a\"b\\c\nd", "bad\xff"), 1);
    metric_render(&b);
    t_expect(has(&b, "{kind=\"a\\\"b\\\\c\\nd\",outcome=\"bad\"} 1\n"));
}

TEST(metric_series_beyond_the_limit_become_other)
{
    char key[32];

    for (int i = 0; i < METRIC_SERIES_MAX + 50; i++) {
        snprintf(key, sizeof key, "k%d", i);
        metric_add(metric_series(&t_many, key), 1);
    }
    t_expect_int(t_many.count, METRIC_SERIES_MAX);
    t_expect_int(metric_value(metric_series(&t_many, "other")), 51);
    t_expect_int(metric_value(metric_series(&t_many, "k7")), 1);
}

static int hook_calls;

static void hook(void)
{
    hook_calls++;
}

TEST(metric_render_calls_its_hooks_first)
{
    AUTO_BUF(b, MIB(4));

    metric_on_render(hook);
    metric_render(&b);
    t_expect_int(hook_calls, 1);
}

TEST(metric_output_is_valid_for_promtool)
{
    AUTO_BUF(b, MIB(4));

    if (access("/usr/bin/promtool", X_OK) != 0) {
        t_skip("promtool is not installed");
        return;
    }
    metric_add(metric_series(&t_calls, "x", "ok"), 1);
    metric_set(metric_series(&t_low), -3);
    metric_observe(metric_series(&t_span, "promtool"), 0.3);
    metric_render(&b);
    FILE *tool = popen("/usr/bin/promtool check metrics", "w");
    t_expect(tool != NULL);
    t_expect(fwrite(b.p, 1, b.n, tool) == b.n);
    t_expect_int(pclose(tool), 0);
}
