/* src/net/redis_test.c - commands to a real server: many at once, one that hangs, is killed, speaks
 * TLS; run beside tools/with_redis.sh, skipped without it. */
#include "net/redis.h"

#include "rt/test_rt.h"

#include <stdlib.h>

static const char *env(const char *name)
{
    const char *value = getenv(name);

    if (!value)
        t_skip("tools/with_redis.sh sets it");
    return value;
}

static struct redis *open_redis(const char *url, const char *ca, Usec timeout)
{
    struct redis_options o = {str_c(url), str_c(ca), timeout};
    struct redis *r = NULL;

    if (redis_new(&o, &r) != OK || redis_wait_up(r, usec_in(20 * USEC_S)) != OK) {
        redis_free(r);
        return NULL;
    }
    return r;
}

TEST(redis_addresses_are_checked)
{
    static const char *const good[] = {"redis://h", "redis://h:6380/2", "rediss://:p%40@[::1]:1/0",
                                       "redis://u:p@h/"};
    static const char *const bad[] = {"http://h",        "redis://",     "redis://h:0",
                                      "redis://h:99999", "redis://h/x",  "redis://u@h",
                                      "redis://:%4@h",   "redis://[::1", "redis://h/1?a=b",
                                      "redis://[::1]x",  "redis://h/-1"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        t_expect_ok(redis_url_check(str_c(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        t_expect_err(redis_url_check(str_c(bad[i])), E_INVALID);
        t_expect(str_find(str_c(err_client_text(E_INVALID)), S("%4")) == SIZE_MAX);
    }
}

struct many {
    struct redis *r;
    int i, *ok;
};

static Err echo(void *arg)
{
    struct many *m = arg;
    AUTO(arena) *a = arena_new(KIB(64));
    struct redis_reply reply;
    Str text = str_fmt(a, "%d", m->i);

    TRY(redis_call(m->r, a, (Str[]){S("ECHO"), text}, 2, &reply));
    *m->ok += str_eq(reply.s, text);
    return OK;
}

static void talk(const char *url, const char *ca)
{
    struct many many[1000];
    int ok = 0;
    struct redis *r = open_redis(url, ca, 10 * USEC_S);
    struct redis_reply reply;

    t_expect(r);
    {
        FIBER_GROUP(g, 0, false);
        for (int i = 0; i < 1000; i++) {
            many[i] = (struct many){r, i, &ok};
            t_expect_ok(fiber_group_start(&g, "echo", echo, &many[i]));
        }
        t_expect_ok(fiber_group_join(&g));
    }
    t_expect_int(ok, 1000);
    t_expect_ok(redis_call(r, t_arena(), (Str[]){S("NONSENSE")}, 1, &reply));
    t_expect_int(reply.type, REDIS_ERROR);
    t_expect_int((int64_t)redis_epoch(r).n, 32);
    redis_free(r);
}

TEST_FIBER(redis_replies_find_their_commands)
{
    const char *url = env("HEDDLE_TEST_REDIS");

    if (url)
        talk(url, "");
}

TEST_FIBER(redis_speaks_tls_with_a_password_and_refuses_a_certificate_of_others)
{
    const char *url = env("HEDDLE_TEST_REDISS");
    struct redis_options o = {.timeout = 5 * USEC_S};
    struct redis *r = NULL;

    if (!url)
        return;
    o.url = str_c(url);
    talk(url, getenv("HEDDLE_TEST_REDISS_CA"));
    t_expect_ok(redis_new(&o, &r));
    t_expect_err(redis_wait_up(r, usec_in(USEC_S)), E_UNAVAILABLE);
    t_expect(str_find(redis_why(r), S("certificate")) != SIZE_MAX);
    redis_free(r);
}

TEST_FIBER(redis_that_hangs_or_is_not_there_is_an_error_soon)
{
    const char *url = env("HEDDLE_TEST_REDIS");
    struct redis *r = url ? open_redis(url, "", 100 * USEC_MS) : NULL;
    struct redis_options nobody = {S("redis://127.0.0.1:1"), S(""), USEC_S};
    struct redis_reply reply;

    if (!url)
        return;
    t_expect(r);
    t_expect_err(redis_call(r, t_arena(), (Str[]){S("BLPOP"), S("nothing"), S("3")}, 3, &reply),
                 E_UNKNOWN_OUTCOME);
    t_expect_err(redis_call(r, t_arena(), (Str[]){S("PING")}, 1, &reply), E_UNAVAILABLE);
    t_expect_ok(redis_wait_up(r, usec_in(20 * USEC_S)));
    redis_free(r);
    t_expect_ok(redis_new(&nobody, &r));
    t_expect_err(redis_call(r, t_arena(), (Str[]){S("PING")}, 1, &reply), E_UNAVAILABLE);
    t_expect_err(redis_wait_up(r, usec_in(300 * USEC_MS)), E_UNAVAILABLE);
    redis_free(r);
}
