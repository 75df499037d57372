/* src/llm/limits.h - limits in force: who may call what, and how much is left.
 *
 * Policies are read when their key or tenant calls and remembered for ten seconds. Counters are in
 * the store; see limit.h. A process takes from a counter before it spends: what the store says is
 * never less than what was used, also after a crash, when what was reserved stays taken. On a
 * quiet moment and at the end what is free is given back. So a limit holds exactly over all
 * processes on one database, and costs a write now and then, not one for each call.
 *
 * End-users have the limits that the tenant's policy gives to each of them. Counters are kept of so
 * many of them; all others together are held to the limits of one.
 *
 * When all that is left is reserved by calls under way, another one waits for them, up to ten
 * seconds, first come first served.
 */
#ifndef LLM_LIMITS_H
#define LLM_LIMITS_H

#include "llm/limit.h"
#include "store/store_model_limit.h"

struct llm_alerts;
struct llm_limits;
struct llm_account;
struct redis;

/* The most that a call can need of anything. */
#define LLM_NEED_MAX ((int64_t)1 << 48)

/* @alerts: where budgets that are nearly used up are told; NULL: nowhere. */
struct llm_limits *llm_limits_new(struct db *db, struct llm_alerts *alerts);
/* From now on what is free of what was taken is shared with other servers in @redis, which is
 * borrowed for as long as @limits is there; @tenant is told (limits.degraded, limits.restored) when
 * it goes and comes. Once, before calls. */
Err llm_limits_use_redis(struct llm_limits *limits, struct redis *redis, Id tenant) YIELDS;
/* Gives back what is free. */
void llm_limits_free(struct llm_limits *limits) YIELDS;

/* What is left of a limit as this process knows it: what others take meanwhile is missing. */
struct llm_left {
    bool known; /* there is such a limit; of several the one of which the least is left */
    int64_t max, left;
    Usec resets_in;
};

/* Whose limits a call is held to, all of them at once. */
enum llm_side { LLM_OF_KEY, LLM_OF_USER, LLM_OF_TEAM, LLM_OF_TENANT, LLM_OF_END_USER, LLM_SIDES };

/* Who calls; ID_NONE, or an empty text: nobody. The end-user is whom the request names, however
 * long. */
struct llm_caller {
    Id tenant, key, user, team;
    Str end_user;
};

/* What a call has to do with limits. Zero is nothing. */
struct llm_hold {
    struct llm_account *accounts[LLM_SIDES]; /* NULL: there is nothing to hold */
    unsigned slots[LLM_SIDES];               /* a bit for each that is reserved */
    unsigned over[LLM_SIDES]; /* for each that may go beyond its limit: it was asked for */
    int64_t need[LLM_WHATS];
    bool at_once; /* it fits into what is left now, or is refused: else one call may go beyond */
    Usec at;      /* wall time of the reservation */
    struct llm_left left[LLM_WHATS]; /* after it, or after it was refused */
};

/* Find the policies. E_FORBIDDEN if they do not let @caller call @model or @operation. */
Err llm_limits_open(struct llm_limits *limits, const struct llm_caller *caller, Str model,
                    Str operation, struct llm_hold *hold) YIELDS;
/* What the policies say of keeping answers: [0] that of the key, or else of its user or team; [1]
 * that of the tenant. */
void llm_limits_cache(struct llm_limits *limits, const struct llm_hold *hold,
                      struct llm_cache_rule ret_rules[2]);
/* The part of calls of which it is kept what was said, as the first policy says that says it, of
 * key, user, team and tenant; and the patterns of all, in @a. */
double llm_limits_log(struct llm_limits *limits, const struct llm_hold *hold, struct arena *a,
                      LlmPatterns *ret_patterns);
/* Whether there is any limit on the call. */
bool llm_limits_apply(struct llm_limits *limits, const struct llm_hold *hold);
/* A hold of the same accounts as @of, which is not over; nothing is reserved. */
void llm_limits_share(struct llm_limits *limits, const struct llm_hold *of,
                      struct llm_hold *ret_hold);
/* Reserve hold->need. E_RATE_LIMITED, E_BUDGET (money) with a detail, and when to try again. */
Err llm_limits_reserve(struct llm_limits *limits, struct llm_hold *hold) YIELDS;
/* What was used; the hold is over. Does not yield. */
void llm_limits_settle(struct llm_limits *limits, struct llm_hold *hold,
                       const int64_t used[LLM_WHATS]);

/* Whether a policy can be written as it is: E_INVALID. */
Err llm_limits_check(struct arena *a, const struct json *policy);
/* Write the policy of a key, a user, a team or, with @subject == @tenant, of the tenant. E_INVALID,
 * E_NOT_FOUND. */
Err llm_limits_put(struct llm_limits *limits, struct arena *a, Id tenant, Id subject,
                   const struct json *policy) YIELDS;
/* The policy, and "counters": [{"what", "per", "max", "used", "reserved", "resets_at"}]. */
Err llm_limits_show(struct llm_limits *limits, struct arena *a, Id tenant, Id subject,
                    struct json **ret_policy) YIELDS;

#endif
