/* src/llm/limits_redis_test.c - limits over two servers that share what is left in Redis, and what
 * holds when it forgets, hangs or goes; run beside tools/with_redis.sh, skipped without it. */
#include "base/json.h"
#include "llm/alerts.h"
#include "llm/limits.h"
#include "net/redis.h"
#include "store/migrate.h"
#include "store/test_store.h"

#include <stdlib.h>

struct server {
    struct llm_limits *l;
    struct redis *redis;
};

static Err server_start(struct db *db, Str url, struct server *s)
{
    *s = (struct server){0};
    TRY(redis_new(&(struct redis_options){url, S(""), USEC_S}, &s->redis));
    TRY(redis_wait_up(s->redis, usec_in(20 * USEC_S)));
    s->l = llm_limits_new(db, NULL);
    return llm_limits_use_redis(s->l, s->redis, id_new());
}

static void server_stop(struct server *s)
{
    llm_limits_free(s->l);
    redis_free(s->redis);
}

/* Both of them on a database of Redis' own; false: there is no Redis. */
static bool start(struct db *db, struct server s[2], const char *policy, Id tenant)
{
    const char *url = getenv("HEDDLE_TEST_REDIS");
    struct json *v;

    if (!url) {
        t_skip("tools/with_redis.sh sets HEDDLE_TEST_REDIS");
        return false;
    }
    bool ok = db_migrate(db, migrations) == OK && server_start(db, str_c(url), &s[0]) == OK &&
              server_start(db, str_c(url), &s[1]) == OK &&
              json_parse(t_arena(), str_c(policy), &v) == OK &&
              llm_limits_put(s[0].l, t_arena(), tenant, tenant, v) == OK;
    if (!ok)
        t_fail(__FILE__, __LINE__, "cannot start: %s", err_record()->text);
    return ok;
}

static Err call(struct llm_limits *l, Id tenant, int64_t need, int64_t used)
{
    struct llm_caller caller = {.tenant = tenant, .key = tenant};
    int64_t what[LLM_WHATS] = {1, used, used}, nothing[LLM_WHATS] = {0};
    struct llm_hold hold;

    TRY(llm_limits_open(l, &caller, S("m"), S("chat"), &hold));
    hold.need[LLM_REQUESTS] = 1;
    hold.need[LLM_TOKENS] = hold.need[LLM_COST] = need;
    Err e = llm_limits_reserve(l, &hold);
    struct err_record record = *err_record();
    llm_limits_settle(l, &hold, e == OK ? what : nothing);
    *err_record() = record;
    return e;
}

static int64_t taken(struct db *db)
{
    return t_db_int(db, "SELECT CAST(COALESCE(SUM(taken), 0) AS BIGINT) FROM model_counter",
                    DB_NO_ARGS);
}

static int64_t used(struct llm_limits *l, Id tenant)
{
    struct json *v;

    if (llm_limits_show(l, t_arena(), tenant, tenant, &v) != OK)
        return -1;
    return json_int_of(json_at(json_item(json_at(v, "counters"), 0), "used"), -1);
}

static Err ctl(const char *what)
{
    AUTO(arena) *a = arena_new(KIB(64));
    AUTO(redis) *redis = NULL;
    struct redis_reply reply;
    Str words[] = {S("CLIENT"), S("PAUSE"), S("3000")};
    const char *url = getenv("HEDDLE_TEST_REDIS");

    TRY(redis_new(&(struct redis_options){str_c(url), S(""), 10 * USEC_S}, &redis));
    TRY(redis_wait_up(redis, usec_in(20 * USEC_S)));
    if (*what == 'f')
        return redis_call(redis, a, (Str[]){S("FLUSHALL")}, 1, &reply);
    return redis_call(redis, a, words, 3, &reply);
}

DB_TEST(limits_over_redis_let_in_what_is_left_to_the_last_on_two_servers)
{
    Id tenant = id_new();
    struct server s[2];
    int ok = 0;

    if (!start(db, s, "{\"limits\":{\"requests\":{\"month\":1000}}}", tenant))
        return;
    for (int i = 0; i < 1500; i++) {
        Err e = call(s[i % 2].l, tenant, 0, 0);
        t_expect(e == OK || e == E_RATE_LIMITED);
        ok += e == OK;
    }
    t_expect_int(ok, 1000);
    t_expect_int(taken(db), 1000);
    server_stop(&s[0]);
    server_stop(&s[1]);
}

DB_TEST(limits_over_redis_count_what_was_used_and_share_what_was_not)
{
    Id tenant = id_new();
    struct server s[2];

    if (!start(db, s, "{\"limits\":{\"tokens\":{\"month\":1000000}}}", tenant))
        return;
    for (int i = 0; i < 100; i++)
        t_expect_ok(call(s[i % 2].l, tenant, 100, 60));
    t_expect_int(used(s[0].l, tenant) >= 6000, 1);
    for (int i = 0; i < 1000 && used(s[0].l, tenant) != 6000; i++)
        t_expect_ok(fiber_sleep(10 * USEC_MS));
    t_expect_int(used(s[0].l, tenant), 6000); /* nothing of it is with a server any more */
    t_expect_int(used(s[1].l, tenant), 6000);
    t_expect(taken(db) >= 6000 && taken(db) <= 6000 + 2 * (1000000 / 256) + 400);
    server_stop(&s[0]);
    server_stop(&s[1]);
}

DB_TEST(limits_over_redis_are_never_exceeded_when_it_forgets_all)
{
    Id tenant = id_new();
    struct server s[2];
    int ok = 0;

    if (!start(db, s, "{\"limits\":{\"requests\":{\"month\":500}}}", tenant))
        return;
    for (int i = 0; i < 1500; i++) {
        if (i % 100 == 99)
            t_expect_ok(ctl("flush"));
        Err e = call(s[i % 2].l, tenant, 0, 0);
        t_expect(e == OK || e == E_RATE_LIMITED);
        ok += e == OK;
    }
    t_expect(ok <= 500);
    t_expect(ok >= 500 - 5 * 4); /* a pool each time */
    server_stop(&s[0]);
    server_stop(&s[1]);
}

DB_TEST(limits_go_on_over_the_database_while_redis_hangs_and_come_back)
{
    Id tenant = id_new();
    struct server s[2];
    int ok = 0;

    if (!start(db, s, "{\"limits\":{\"requests\":{\"month\":400}}}", tenant))
        return;
    for (int i = 0; i < 100; i++)
        t_expect_ok(call(s[i % 2].l, tenant, 0, 0));
    t_expect_ok(ctl("pause"));
    for (int i = 0; i < 600; i++) {
        Err e = call(s[i % 2].l, tenant, 0, 0);
        t_expect(e == OK || e == E_RATE_LIMITED);
        ok += e == OK;
    }
    t_expect(ok <= 300 && ok >= 280);
    server_stop(&s[0]);
    server_stop(&s[1]);
}
