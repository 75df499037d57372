/* src/llm/limits_keep.c - telling the store what of limits is free, or was used beyond them. */
#include "llm/limits_private.h"
#include "rt/log.h"

#include <stdlib.h>

static const Usec IDLE = 250 * USEC_MS;
static const Usec TICK = 100 * USEC_MS;
static const Usec RETRY = USEC_S;
static const Usec END_USER_KEPT = 32 * USEC_DAY; /* as long as the longest window */
enum { BATCH_MAX = 500, POOLED_MAX = 32, POOL_PART = 64 };

/* ---- giving back ---- */

struct given {
    struct llm_account *account;
    struct model_counter c;
    int64_t pool; /* the part of it that is put into the pool */
    bool told;
};

/* Under the lock: how much of @back goes into the pool. What is there when Redis is lost is lost
 * with it until the window ends: it is not much of the limit. */
static int64_t pool_part(const struct llm_slot *s, int64_t back)
{
    int64_t room = s->c.max / POOL_PART + (s->c.max % POOL_PART > 0) -
                   (s->seen_from == s->c.from ? s->pool : 0);

    if (s->c.over || back <= 0 || room <= 0) /* what is beyond the limit is for nobody else */
        return 0;
    return back < room ? back : room;
}

/* Under the lock: what of a slot is to be told now, and whether more is later. */
static bool take_back(struct llm_account *acc, int k, bool all, bool pooled,
                      struct given *ret_given, bool *later)
{
    struct llm_slot *s = &acc->slots[k];
    int64_t back = llm_counter_free(&s->c);
    int64_t pool = pooled ? pool_part(s, back) : 0;

    if (back == 0)
        return false;
    if (back > 0 && !all && (s->asking || time_mono() - s->touched < IDLE)) {
        *later = true;
        if (s->asking || !pool)
            return false;
        back = pool;
    }
    *ret_given =
        (struct given){acc, {acc->subject, k, s->c.from, s->c.to, back}, pool, .told = false};
    s->c.granted -= back;
    return true;
}

/* Up to BATCH_MAX of what is to be told. */
static size_t gather(struct llm_limits *l, bool all, bool pooled, struct given *out)
{
    struct llm_account *acc, *kept = NULL;
    size_t n = 0;

    uv_mutex_lock(&l->lock);
    while ((acc = l->dirty)) {
        bool later = n + LLM_SLOTS > BATCH_MAX;
        l->dirty = acc->next_dirty;
        for (int k = 0; k < LLM_SLOTS && n + LLM_SLOTS <= BATCH_MAX; k++)
            if (take_back(acc, k, all, pooled, &out[n], &later))
                n++;
        acc->dirty = later;
        if (!later)
            continue;
        acc->next_dirty = kept;
        kept = acc;
    }
    l->dirty = kept;
    uv_mutex_unlock(&l->lock);
    return n;
}

/* They could not be told: they are ours again. */
static void undo(struct llm_limits *l, const struct given *given, size_t n, Err e)
{
    uv_mutex_lock(&l->lock);
    for (size_t i = 0; i < n; i++) {
        if (given[i].told || !llm_limits_undone(e, given[i].c.back))
            continue;
        struct llm_slot *s = &given[i].account->slots[given[i].c.slot];
        if (s->c.from == given[i].c.from)
            s->c.granted += given[i].c.back;
        llm_limits_touch(l, given[i].account, s);
    }
    uv_mutex_unlock(&l->lock);
}

/* Under the lock: it is in the pool, of what others took. */
static void note_pooled(struct given *g)
{
    struct llm_slot *s = &g->account->slots[g->c.slot];

    g->c.back -= g->pool;
    g->told = g->c.back == 0;
    if (s->seen_from != g->c.from)
        return;
    s->others += g->pool;
    s->pool += g->pool;
}

/* Into the pools what may go there; the rest, and all if Redis is away, is for the store. What
 * became of it if it gave no answer nobody knows: then it counts as used. */
static void give_pooled(struct llm_limits *l, struct given *given, size_t n)
{
    struct model_counter list[POOLED_MAX];
    struct given *of[POOLED_MAX];
    size_t at = 0, m;

    do {
        for (m = 0; at < n && m < POOLED_MAX; at++) {
            if (!given[at].pool)
                continue;
            of[m] = &given[at];
            list[m] = given[at].c;
            list[m++].back = given[at].pool;
        }
        if (!m || llm_redis_give(l, list, m) == E_UNAVAILABLE)
            return;
        uv_mutex_lock(&l->lock);
        for (size_t i = 0; i < m; i++)
            note_pooled(of[i]);
        uv_mutex_unlock(&l->lock);
    } while (at < n);
}

static Err give_back(struct llm_limits *l, bool all)
{
    AUTO(arena) *a = arena_new(MIB(4));
    struct given *given = arena_array(a, struct given, BATCH_MAX);
    bool pooled = llm_redis_is_up(l);
    size_t n = gather(l, all, pooled, given), rest = 0;

    if (pooled)
        give_pooled(l, given, n);
    struct db_tx *tx = db_begin(l->db, a);
    for (size_t i = 0; i < n; i++)
        if (!given[i].told) {
            store_model_counter_give(tx, &given[i].c);
            rest++;
        }
    if (!rest)
        return OK;
    Err e = db_commit(tx);
    if (e != OK)
        undo(l, given, n, e);
    return e;
}

static void expire(struct llm_limits *l)
{
    AUTO(arena) *a = arena_new(KIB(64));

    if (time_mono() < l->expire_at)
        return;
    l->expire_at = usec_in(USEC_H);
    Err e = store_model_counter_expire(l->db, a, time_wall() - USEC_DAY);
    if (e == OK)
        e = store_model_end_user_expire(l->db, a, time_wall() - END_USER_KEPT);
    if (e != OK)
        LOG_WARN("old counters of limits could not be deleted", L_ERR(e));
    uv_mutex_lock(&l->lock);
    llm_end_users_sweep(l, USEC_H);
    uv_mutex_unlock(&l->lock);
}

static Err keep(void *arg)
{
    struct llm_limits *l = arg;
    Usec pause = TICK;

    while (fiber_sleep(pause) == OK) {
        Err e = give_back(l, false);
        if (e != OK && !l->complained)
            LOG_WARN("the counters of limits cannot be written now; they wait", L_ERR(e));
        l->complained = e != OK;
        pause = e == OK ? TICK : RETRY;
        llm_redis_watch(l);
        expire(l);
    }
    return OK;
}

/* ---- life ---- */

struct llm_limits *llm_limits_new(struct db *db, struct llm_alerts *alerts)
{
    struct llm_limits *l = calloc(1, sizeof *l);

    if (!l || uv_mutex_init(&l->lock))
        DIE("out of memory");
    l->db = db;
    l->alerts = alerts;
    l->accounts = map_new();
    l->end_users = map_new();
    l->expire_at = usec_in(USEC_MIN);
    l->keeper = fiber_start_ref("llm.limits", keep, l);
    return l;
}

void llm_limits_free(struct llm_limits *l)
{
    if (!l)
        return;
    fiber_shield();
    fiber_end(l->keeper);
    Err e;
    while ((e = give_back(l, true)) == OK && l->dirty)
        ;
    if (e != OK)
        LOG_WARN("what is free of limits could not be given back: it counts as used", L_ERR(e));
    fiber_unshield();
    map_free(l->accounts, llm_account_free);
    map_free(l->end_users, llm_account_free);
    uv_mutex_destroy(&l->lock);
    free(l);
}
