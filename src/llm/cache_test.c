/* src/llm/cache_test.c - what is kept, for how long, and what makes room. */
#include "llm/cache.h"

#include "base/test.h"
#include "llm/vector.h"

static struct llm_kept answer(Id tenant, int n, Str body)
{
    struct llm_kept k = {.tenant = tenant, .until = USEC_S, .model = S("m"), .body = body};

    memcpy(k.hash, &n, sizeof n);
    return k;
}

/* Whether answer @n is kept at @now. */
static bool has(struct llm_cache *cache, int n, Usec now)
{
    struct llm_kept k = answer((Id){0}, n, S(""));
    const struct llm_kept *found = llm_cache_get(cache, k.hash, now);

    llm_kept_unref(found);
    return found != NULL;
}

static bool put(struct llm_cache *cache, struct llm_kept k)
{
    return llm_cache_put(cache, &k, llm_cache_turn(cache));
}

TEST(a_kept_answer_is_found_until_its_time_is_over)
{
    struct llm_cache *cache = llm_cache_new(MIB(1));
    struct llm_kept k = answer(id_new(), 1, S("hello"));

    k.provider = S("openai");
    k.cost = 7;
    t_expect(put(cache, k));
    const struct llm_kept *found = llm_cache_get(cache, k.hash, USEC_S - 1);
    t_expect(found != NULL);
    t_expect_str(found->body, S("hello"));
    t_expect_str(found->provider, S("openai"));
    t_expect(found->body.p != k.body.p && found->cost == 7);
    t_expect(!has(cache, 2, 0));
    t_expect(!has(cache, 1, USEC_S));
    t_expect_int(llm_cache_stats_of(cache, ID_NONE).answers, 0);
    t_expect_str(found->body, S("hello")); /* for who holds it */
    llm_kept_unref(found);
    llm_cache_free(cache);
}

TEST(the_answer_that_was_not_asked_for_longest_makes_room)
{
    Str body = str_from(arena_alloc(t_arena(), KIB(100)), KIB(100));
    struct llm_cache *cache = llm_cache_new(KIB(350));
    Id me = id_new();

    for (int i = 1; i <= 3; i++)
        t_expect(put(cache, answer(me, i, body)));
    t_expect(has(cache, 1, 0));
    t_expect(put(cache, answer(me, 4, body)));
    t_expect(has(cache, 1, 0) && !has(cache, 2, 0) && has(cache, 3, 0) && has(cache, 4, 0));
    struct llm_cache_stats stats = llm_cache_stats_of(cache, ID_NONE);
    t_expect(stats.answers == 3 && stats.bytes <= stats.most && stats.bytes > KIB(300));
    t_expect(put(cache, answer(me, 4, S("short")))); /* in the place of the long one */
    t_expect(llm_cache_stats_of(cache, ID_NONE).bytes < KIB(220));
    llm_cache_free(cache);
}

TEST(an_answer_that_is_too_long_is_not_kept)
{
    Str body = str_from(arena_alloc(t_arena(), LLM_KEPT_MAX + 1), LLM_KEPT_MAX + 1);
    struct llm_cache *small = llm_cache_new(KIB(4)), *large = llm_cache_new(MIB(8));
    Id me = id_new();

    t_expect(put(small, answer(me, 1, S("x"))));
    t_expect(!put(small, answer(me, 2, str_head(body, KIB(4)))));
    t_expect(has(small, 1, 0));
    t_expect(put(large, answer(me, 1, str_head(body, LLM_KEPT_MAX))));
    t_expect(!put(large, answer(me, 2, body)));
    llm_cache_free(small);
    llm_cache_free(large);
}

TEST(a_purge_takes_what_it_names_and_what_is_under_way)
{
    struct llm_cache *cache = llm_cache_new(MIB(1));
    Id me = id_new(), other = id_new(), key = id_new();
    struct llm_kept of_key = answer(me, 1, S("a")), named = answer(me, 2, S("b"));

    of_key.key = key;
    named.model = S("n");
    t_expect(put(cache, of_key) && put(cache, named) && put(cache, answer(other, 3, S("c"))));
    t_expect_int(llm_cache_stats_of(cache, me).answers, 2);
    t_expect_int(llm_cache_purge(cache, me, id_new(), S("")), 0);
    t_expect_int(llm_cache_purge(cache, me, ID_NONE, S("n")), 1);
    t_expect(has(cache, 1, 0) && !has(cache, 2, 0) && has(cache, 3, 0));
    t_expect_int(llm_cache_purge(cache, me, key, S("m")), 1);
    uint64_t turn = llm_cache_turn(cache);
    t_expect_int(llm_cache_purge(cache, me, ID_NONE, S("")), 0);
    t_expect(!llm_cache_put(cache, &of_key, turn)); /* it began before */
    t_expect(!has(cache, 1, 0) && has(cache, 3, 0));
    llm_cache_free(cache);
}

/* Answer @n of the same near, to what means @vector. */
static struct llm_kept meant(int n, const char *vector)
{
    struct llm_kept k = answer((Id){0}, n, S("x"));
    struct json *v = NULL;

    if (json_parse(t_arena(), str_c(vector), &v) == OK)
        (void)llm_vector_pack(t_arena(), v, &k.vector); /* else it is empty, and not found */
    return k;
}

/* The number of the answer that is nearest to @vector; 0 if there is none. */
static int nearest(struct llm_cache *cache, const char *vector, double least, Usec since)
{
    struct llm_kept asked = meant(0, vector);
    double cosine = 0;
    int n = 0;
    const struct llm_kept *k =
        llm_cache_near(cache, asked.near, asked.vector, least, since, 1, &cosine);

    if (k)
        memcpy(&n, k->hash, sizeof n);
    llm_kept_unref(k);
    return n;
}

TEST(the_nearest_of_those_that_are_near_enough_is_found)
{
    struct llm_cache *cache = llm_cache_new(MIB(1));
    struct llm_kept elsewhere = meant(4, "[1, 0, 0.1]");

    elsewhere.near[0] = 1;
    t_expect(put(cache, meant(1, "[1, 0, 0.5]")) && put(cache, meant(2, "[1, 0, 0.2]")));
    t_expect(put(cache, meant(3, "[0, 1, 0]")) && put(cache, elsewhere));
    t_expect_int(nearest(cache, "[1, 0, 0.1]", 0.9, -1), 2);
    t_expect_int(nearest(cache, "[1, 0, 0.1]", 0.999, -1), 0);
    t_expect_int(nearest(cache, "[0, 1, 0.01]", 0.9, -1), 3);
    t_expect_int(nearest(cache, "[1, 0]", 0.5, -1), 0);
    t_expect_int(nearest(cache, "[1, 0, 0.1]", 0.9, 0), 0); /* stored at 0, not after it */
    llm_cache_free(cache);
}

TEST(what_is_taken_out_is_near_to_nothing)
{
    struct llm_cache *cache = llm_cache_new(MIB(1));

    for (int n = 1; n <= 3; n++) {
        struct llm_kept k = meant(n, "[1, 1]");
        k.model = str_fmt(t_arena(), "m%d", n);
        t_expect(put(cache, k));
    }
    t_expect_int((int)llm_cache_purge(cache, (Id){0}, ID_NONE, S("m2")), 1);
    t_expect_int(nearest(cache, "[1, 1]", 0.9, -1), 3);
    t_expect_int((int)llm_cache_purge(cache, (Id){0}, ID_NONE, S("m3")), 1);
    t_expect_int(nearest(cache, "[1, 1]", 0.9, -1), 1);
    t_expect_int((int)llm_cache_purge(cache, (Id){0}, ID_NONE, S("m1")), 1);
    t_expect_int(nearest(cache, "[1, 1]", 0.9, -1), 0);
    t_expect(put(cache, meant(5, "[1, 1]")) && nearest(cache, "[1, 1]", 0.9, -1) == 5);
    llm_cache_free(cache);
}
