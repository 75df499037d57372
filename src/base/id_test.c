/* src/base/id_test.c */
#include "base/id.h"

#include "base/arena.h"
#include "base/test.h"

#include <pthread.h>
#include <stdlib.h>

TEST(ids_have_the_form_of_uuid_version_7)
{
    char text[ID_TEXT_SIZE];
    Usec before = time_wall() / USEC_MS * USEC_MS;
    Id id = id_new();
    Str s = id_text(id, text);

    t_expect_int(s.n, 36);
    t_expect(text[36] == 0 && text[14] == '7' && strchr("89ab", text[19]));
    t_expect(text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
    t_expect(id_time(id) >= before && id_time(id) <= time_wall() + USEC_S);
    t_expect(!id_is_none(id) && id_is_none(ID_NONE) && id_eq(id, id));
    t_expect_str(id_str(t_arena(), id), s);
}

/* Far more than a millisecond's counter holds. */
TEST(ids_of_a_thread_rise)
{
    Id last = id_new();
    for (int i = 0; i < 200000; i++) {
        Id id = id_new();
        t_expect(id_cmp(last, id) < 0);
        last = id;
    }
}

static Usec moving_wall;

static Usec wall_at(void *ctx)
{
    (void)ctx;
    return moving_wall;
}

struct risen {
    bool all, early;
    Usec drift;
};

static void *make_in_a_standing_moment(void *arg)
{
    struct risen *risen = arg;
    Id first = id_new(), last = first;

    risen->all = true;
    for (int i = 0; i < 20000; i++) {
        moving_wall -= i == 10000 ? 5 * USEC_S : 0;
        Id id = id_new();
        risen->all = risen->all && id_cmp(last, id) < 0;
        last = id;
    }
    moving_wall = -5 * USEC_S; /* before 1970 */
    risen->early = id_cmp(last, id_new()) < 0;
    risen->drift = id_time(last) - id_time(first);
    return NULL;
}

/* On a thread of its own: the ids of this one shall not run ahead of the clock afterwards. */
TEST(ids_rise_when_the_clock_stands_still_or_goes_back)
{
    static const struct time_source source = {wall_at, wall_at, NULL};
    struct risen risen = {0};
    pthread_t thread;

    moving_wall = time_wall();
    time_source_set(&source);
    int made = pthread_create(&thread, NULL, make_in_a_standing_moment, &risen);
    if (made == 0)
        pthread_join(thread, NULL);
    time_source_set(NULL);
    t_expect_int(made, 0);
    t_expect(risen.all && risen.early);
    t_expect(risen.drift < 10 * USEC_MS);
}

enum { EACH = 50000, THREADS = 4 };

static void *make_many(void *arg)
{
    Id *ids = arg;
    for (int i = 0; i < EACH; i++)
        ids[i] = id_new();
    return NULL;
}

static int by_bytes(const void *x, const void *y)
{
    return id_cmp(*(const Id *)x, *(const Id *)y);
}

TEST(ids_of_several_threads_are_all_different)
{
    Id *ids = malloc(sizeof *ids * EACH * THREADS);
    pthread_t threads[THREADS];
    bool same = false;

    for (int i = 0; i < THREADS; i++)
        t_expect_int(pthread_create(&threads[i], NULL, make_many, ids + i * EACH), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    qsort(ids, EACH * THREADS, sizeof *ids, by_bytes);
    for (int i = 1; i < EACH * THREADS; i++)
        same = same || id_eq(ids[i - 1], ids[i]);
    free(ids);
    t_expect(!same);
}

TEST(the_floor_of_a_moment_lies_between_before_and_after)
{
    Id before = id_new();
    Usec moment = id_time(before) + USEC_MS;
    Id floor = id_floor(moment);

    while (time_wall() < moment + USEC_MS)
        ;
    Id after = id_new();
    t_expect(id_cmp(before, floor) < 0 && id_cmp(floor, after) < 0);
    t_expect_int(id_time(floor), moment);
    t_expect_int(id_time(id_floor(-1)), 0);
}

TEST(ids_are_read_in_either_case_and_nothing_else_is)
{
    static const char *const bad[] = {
        "",
        "0194fdc2",
        "0194fdc2-fa2f-7cc0-81d3-ff12045b73c",
        "0194fdc2-fa2f-7cc0-81d3-ff12045b73c8 ",
        "0194fdc2-fa2f-7cc0-81d3-ff12045b73cg",
        "0194fdc2fa2f-7cc0-81d3-ff12045b73c8-",
        "0194fdc2-fa2f-7cc0-81d3_ff12045b73c8",
        "{194fdc2-fa2f-7cc0-81d3-ff12045b73c}",
        "0194fdc2-fa2f-7cc0-81d3-ff12045b73 8",
        "0194fdc2-fa2f-7cc0-81d3-ff12045b73@8",
    };
    Id lower, upper, id = ID_NONE;
    char text[ID_TEXT_SIZE];

    t_expect_ok(id_parse(S("0194fdc2-fa2f-7cc0-81d3-ff12045b73c8"), &lower));
    t_expect_ok(id_parse(S("0194FDC2-FA2F-7CC0-81D3-FF12045B73C8"), &upper));
    t_expect(id_eq(lower, upper));
    t_expect_str(id_text(upper, text), S("0194fdc2-fa2f-7cc0-81d3-ff12045b73c8"));
    t_expect_ok(id_parse(S("00000000-0000-0000-0000-000000000000"), &lower));
    t_expect(id_is_none(lower));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        t_expect_err(id_parse(str_c(bad[i]), &id), E_SYNTAX);
    t_expect(id_is_none(id));
}
