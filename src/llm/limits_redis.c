/* src/llm/limits_redis.c - the part of limits that nobody has spent yet, kept in Redis for all
 * servers of a fleet.
 *
 * The counter in the database says what was taken of a limit, and is true whatever happens to
 * Redis. What a server took and does not need itself it puts into a pool in Redis, and each call
 * takes what it needs out of the pools of all its limits, in one script: all of it or nothing. A
 * pool that is empty is filled by taking from the database. So a pool that is lost was taken and
 * not used: less is let in, never more. Pools stand under the server's own ids, which change when
 * it is started anew or replaced: what an old copy of its data says is never believed. */
#include "llm/alerts.h"
#include "llm/limits_private.h"
#include "net/redis.h"
#include "rt/log.h"
#include "rt/metric.h"

static const Usec REST = 5 * USEC_S; /* after it gave no answer in time */
static const Usec LOOK = USEC_S;
static const Usec KEPT = USEC_MIN; /* a pool, after its window */
enum { KEYS_MAX = 64, WORDS_MAX = 3 + 2 * KEYS_MAX, DOWN_AFTER = 2 };

/* What lacks, or {} and what is left of each. */
static const char take_script[] =
    "local lacks, left = {}, {} "
    "for i = 1, #KEYS do "
    "left[i] = tonumber(redis.call('GET', KEYS[i]) or '0') "
    "if left[i] < tonumber(ARGV[i]) then lacks[#lacks + 1] = i end "
    "end "
    "if #lacks > 0 then return {lacks, {}} end "
    "for i = 1, #KEYS do left[i] = redis.call('DECRBY', KEYS[i], ARGV[i]) end "
    "return {lacks, left}";

static const char give_script[] = "for i = 1, #KEYS do "
                                  "redis.call('INCRBY', KEYS[i], ARGV[i]) "
                                  "redis.call('PEXPIREAT', KEYS[i], ARGV[#KEYS + i]) "
                                  "end return #KEYS";

static struct metric asked_total = {"heddle_limits_redis_total",
                                    "Reservations that asked Redis, by what it said.",
                                    METRIC_COUNTER, "outcome"};

static Err fleet_of(struct db *db, struct arena *a, int64_t *ret_fleet)
{
    AUTO(db_cursor) *c = NULL;

    *ret_fleet = 0;
    TRY(db_query(db, a, "SELECT applied_at FROM schema_migration WHERE number = 1", DB_NO_ARGS,
                 &c));
    if (db_next(c))
        *ret_fleet = db_int(c, 0);
    return db_finish(c);
}

Err llm_limits_use_redis(struct llm_limits *l, struct redis *redis, Id tenant)
{
    AUTO(arena) *a = arena_new(KIB(16));
    int64_t fleet;

    TRY(fleet_of(l->db, a, &fleet));
    uv_mutex_lock(&l->lock);
    l->fleet = fleet;
    l->tenant = tenant;
    l->redis = redis;
    uv_mutex_unlock(&l->lock);
    return OK;
}

/* ---- whether it is there ---- */

static void tell(struct llm_limits *l, bool down, Str why)
{
    struct llm_alert alert = {.tenant = l->tenant,
                              .event = down ? "limits.degraded" : "limits.restored",
                              .at = time_wall()};

    snprintf(alert.why, sizeof alert.why, "%.*s", P(why));
    if (down)
        LOG_WARN("limits are counted over the database alone: Redis is away or slow",
                 L_STR("why", why));
    else
        LOG_INFO("limits are counted over Redis");
    if (l->alerts)
        llm_alerts_add(l->alerts, &alert);
}

/* Told once when it changes; not that it is there when it was from the beginning. */
static void note(struct llm_limits *l, bool down, Str why)
{
    uv_mutex_lock(&l->lock);
    bool was_down = l->redis_down;
    l->redis_down = down;
    uv_mutex_unlock(&l->lock);
    if (was_down != down)
        tell(l, down, why);
}

/* The outcome of a command. */
static void judge(struct llm_limits *l, Err e, const struct redis_reply *reply)
{
    bool wrong = e == OK && reply->type == REDIS_ERROR;

    if (e != E_UNKNOWN_OUTCOME && !wrong)
        return;
    uv_mutex_lock(&l->lock);
    l->redis_rest = usec_in(REST);
    uv_mutex_unlock(&l->lock);
    note(l, true, wrong ? reply->s : redis_why(l->redis));
}

bool llm_redis_is_up(struct llm_limits *l)
{
    return l->redis && time_mono() >= l->redis_rest && redis_epoch(l->redis).n;
}

void llm_redis_watch(struct llm_limits *l)
{
    AUTO(arena) *a = arena_new(KIB(128));
    struct redis_reply reply = {0};

    if (!l->redis || time_mono() < l->redis_look)
        return;
    l->redis_look = usec_in(LOOK);
    if (time_mono() < l->redis_rest)
        return;
    Err e = redis_call(l->redis, a, (Str[]){S("PING")}, 1, &reply);
    judge(l, e, &reply);
    bool up = e == OK && reply.type != REDIS_ERROR;
    l->redis_missed = up ? 0 : l->redis_missed + 1;
    if (up || l->redis_missed >= DOWN_AFTER)
        note(l, !up, redis_why(l->redis));
}

/* ---- pools ---- */

static Str key_of(const struct llm_limits *l, struct arena *a, Str epoch,
                  const struct model_counter *c)
{
    char id[ID_TEXT_SIZE];

    return str_fmt(a, "heddle:limit:%llx:%.*s:%.*s:%d:%lld", (unsigned long long)l->fleet, P(epoch),
                   P(id_text(c->subject, id)), c->slot, (long long)c->from);
}

/* "EVAL script n KEYS": gives how many words there are. Empty: there is no connection. */
static size_t begin(struct llm_limits *l, struct arena *a, const char *script,
                    const struct model_counter *list, size_t n, Str words[WORDS_MAX])
{
    Str epoch = redis_epoch(l->redis);

    if (!epoch.n)
        return 0;
    words[0] = S("EVAL");
    words[1] = str_c(script);
    words[2] = str_fmt(a, "%zu", n);
    for (size_t i = 0; i < n; i++)
        words[3 + i] = key_of(l, a, epoch, &list[i]);
    return 3 + n;
}

static Str number(struct arena *a, int64_t n)
{
    return str_fmt(a, "%lld", (long long)n);
}

static void count(const char *outcome)
{
    metric_add(metric_series(&asked_total, outcome), 1);
}

/* {lacks, left}. */
static Err read_taken(const struct redis_reply *r, size_t n, bool lacks[], int64_t left[])
{
    if (r->type != REDIS_ARRAY || r->n != 2 || r->items[0].type != REDIS_ARRAY ||
        r->items[1].type != REDIS_ARRAY || (!r->items[0].n && r->items[1].n != n))
        return err_set(E_UPSTREAM, "the script of limits gave something else");
    for (size_t i = 0; i < n; i++)
        left[i] = r->items[0].n ? 0 : r->items[1].items[i].i;
    for (size_t i = 0; i < r->items[0].n; i++) {
        int64_t at = r->items[0].items[i].i;
        if (at >= 1 && (size_t)at <= n)
            lacks[at - 1] = true;
    }
    return OK;
}

Err llm_redis_take(struct llm_limits *l, const struct model_counter *wants, size_t n, bool lacks[],
                   int64_t left[])
{
    AUTO(arena) *a = arena_new(KIB(256));
    struct redis_reply reply = {0};
    Str words[WORDS_MAX];

    memset(lacks, 0, n * sizeof *lacks);
    size_t n_words = n <= KEYS_MAX ? begin(l, a, take_script, wants, n, words) : 0;
    if (!n_words)
        return E_UNAVAILABLE;
    for (size_t i = 0; i < n; i++)
        words[n_words++] = number(a, wants[i].back);
    Err e = redis_call(l->redis, a, words, n_words, &reply);
    judge(l, e, &reply);
    if (e == OK)
        e = reply.type == REDIS_ERROR ? E_UNAVAILABLE : read_taken(&reply, n, lacks, left);
    bool all = e == OK;
    for (size_t i = 0; i < n; i++)
        all = all && !lacks[i];
    count(e != OK ? "failed" : all ? "taken" : "empty");
    return e;
}

Err llm_redis_give(struct llm_limits *l, const struct model_counter *list, size_t n)
{
    AUTO(arena) *a = arena_new(KIB(256));
    struct redis_reply reply = {0};
    Str words[WORDS_MAX];

    size_t n_words = n <= KEYS_MAX ? begin(l, a, give_script, list, n, words) : 0;
    if (!n_words)
        return E_UNAVAILABLE;
    for (size_t i = 0; i < n; i++)
        words[n_words++] = number(a, list[i].back);
    for (size_t i = 0; i < n; i++)
        words[n_words++] = number(a, (list[i].to + KEPT) / USEC_MS);
    Err e = redis_call(l->redis, a, words, n_words, &reply);
    judge(l, e, &reply);
    return e == OK && reply.type == REDIS_ERROR ? E_UNKNOWN_OUTCOME : e;
}

void llm_redis_pools(struct llm_limits *l, Id subject, Usec wall, int64_t ret_pools[LLM_SLOTS])
{
    AUTO(arena) *a = arena_new(KIB(128));
    struct redis_reply reply = {0};
    Str words[1 + LLM_SLOTS], epoch;

    memset(ret_pools, 0, LLM_SLOTS * sizeof *ret_pools);
    if (!llm_redis_is_up(l))
        return;
    epoch = redis_epoch(l->redis);
    words[0] = S("MGET");
    for (int k = 0; k < LLM_SLOTS; k++) {
        struct model_counter c = {.subject = subject, .slot = k};
        llm_window((enum llm_per)(k % LLM_PERS), wall, &c.from, &c.to);
        words[1 + k] = key_of(l, a, epoch, &c);
    }
    Err e = redis_call(l->redis, a, words, 1 + LLM_SLOTS, &reply);
    judge(l, e, &reply);
    if (e != OK || reply.type != REDIS_ARRAY || reply.n != LLM_SLOTS)
        return; /* what is there counts as used */
    for (size_t k = 0; k < LLM_SLOTS; k++)
        if (reply.items[k].type != REDIS_TEXT || str_to_i64(reply.items[k].s, &ret_pools[k]) != OK)
            ret_pools[k] = 0;
}
