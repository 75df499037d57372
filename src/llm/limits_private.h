/* src/llm/limits_private.h - the inside of struct llm_limits, for the files of limits alone. */
#ifndef LLM_LIMITS_PRIVATE_H
#define LLM_LIMITS_PRIVATE_H

#include "base/map.h"
#include "llm/gate.h"
#include "llm/limits.h"

struct llm_slot {
    struct llm_counter c;
    struct llm_gate gate;
    int64_t wanted;  /* by those who wait */
    bool asking;     /* one fiber is at the store */
    Usec full_until; /* monotonic; the store had nothing left */
    Usec touched;    /* monotonic */
    int64_t others;  /* taken by others, when the store was asked last */
    Usec seen_from;  /* the window that what stands above and below is of */
    int told;        /* percent of a budget that were told of */
    int64_t pool;    /* of what others took: in Redis, for all, when it was asked last */
};

struct llm_account {
    Id subject;
    unsigned refs; /* calls under way */
    struct arena *a;
    struct llm_policy policy;
    struct llm_slot *slots; /* LLM_SLOTS of them once there was a limit */
    Usec read_at;           /* monotonic; 0: never */
    bool reading, dirty;
    struct llm_account *next_dirty;
    bool end_user;  /* it is in that map, and its policy is the tenant's */
    Usec called_at; /* monotonic; of an end-user */
};

enum { LLM_END_USERS_HERE = 20000 }; /* that one process remembers */

struct llm_limits {
    struct db *db;
    struct llm_alerts *alerts;
    uv_mutex_t lock;
    struct map
        *accounts; /* subject (16 bytes) -> struct llm_account; under the lock, as all below */
    struct map *end_users; /* the same of end-users */
    Usec swept_at;         /* monotonic; of end_users */
    struct llm_account *dirty;

    struct redis *redis; /* NULL: there is none */
    Id tenant;           /* that is told of it */
    int64_t fleet;       /* what tells its pools from those of others */
    Usec redis_rest;     /* monotonic; it is not asked before */
    Usec redis_look;     /* of the keeper, as the next */
    unsigned redis_missed;
    bool redis_down;

    struct fiber *keeper;
    bool complained;
    Usec expire_at; /* monotonic */
};

/* The bytes of a subject as a key. */
static inline Str llm_subject_key(const Id *id)
{
    return str_from((const char *)id->b, sizeof id->b);
}

/* Under the lock: there may be something to be told to the store. */
void llm_limits_touch(struct llm_limits *l, struct llm_account *acc, struct llm_slot *s);
/* Whether what was told to the store with the outcome @e is ours again. Where nobody knows, what
 * counts more is taken for true. */
static inline bool llm_limits_undone(Err e, int64_t back)
{
    return e == E_UNKNOWN_OUTCOME ? back < 0 : e != OK;
}

/* ---- limits_redis.c; without the lock ---- */

/* Whether it is to be asked. */
bool llm_redis_is_up(struct llm_limits *l);
/* Called by the keeper, again and again: tells when Redis goes and comes. */
void llm_redis_watch(struct llm_limits *l) YIELDS;
/* Take wants[i].back out of the pools, all or nothing. OK: lacks[i] says for which of them there
 * was too little; if none, all of it is ours, and left[i] is what is left. */
Err llm_redis_take(struct llm_limits *l, const struct model_counter *wants, size_t n, bool lacks[],
                   int64_t left[]) YIELDS;
/* Put list[i].back into the pools. E_UNAVAILABLE: it is still ours. */
Err llm_redis_give(struct llm_limits *l, const struct model_counter *list, size_t n) YIELDS;
/* What is in the pools of a subject now; nothing if that cannot be told. */
void llm_redis_pools(struct llm_limits *l, Id subject, Usec wall, int64_t ret_pools[LLM_SLOTS])
    YIELDS;

void llm_account_free(void *account);
/* Under the lock: a new one in @accounts, where it is not yet. */
struct llm_account *llm_account_new(struct map *accounts, Id subject);
/* Under the lock: @policy, which lives in *@a, is that of the account from now on; *@a is that of
 * the former one. */
void llm_account_set(struct llm_account *acc, const struct llm_policy *policy, struct arena **a);
/* The account of an end-user, with a reference; NULL if end-users have no limits. @tenant: whose
 * policy says so. */
Err llm_end_user_open(struct llm_limits *l, struct llm_account *tenant, Str name,
                      struct llm_account **ret_account) YIELDS;
/* Under the lock: forget end-users who have not called for @idle and of whom nothing is to be told.
 */
void llm_end_users_sweep(struct llm_limits *l, Usec idle);

#endif
