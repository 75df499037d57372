/* src/llm/limit.h - what a key, a user, a team or a tenant may use: a policy, and counters by
 * windows of time.
 *
 * A limit is a number of requests, tokens or millionths of a dollar for a minute, hour, day or
 * month of the calendar in UTC. Its counter is a number in the store, of which each process takes
 * a part before it spends it, so that no process spends what another has. A call reserves the most
 * it may use before it begins and settles what it used at its end. As long as anything of the limit
 * is left one more call is let in, whatever it needs: the sum exceeds a limit by one call at most.
 * Pure; the caller brings the time, the store and a lock.
 */
#ifndef LLM_LIMIT_H
#define LLM_LIMIT_H

#include "base/json.h"
#include "llm/cache_rule.h"
#include "llm/log_rule.h"

enum llm_what { LLM_REQUESTS, LLM_TOKENS, LLM_COST, LLM_WHATS };
enum llm_per { LLM_PER_MINUTE, LLM_PER_HOUR, LLM_PER_DAY, LLM_PER_MONTH, LLM_PERS };
enum {
    LLM_SLOTS = LLM_WHATS * LLM_PERS,
    LLM_SCOPES_MAX = 200,
    LLM_POLICY_TEXT_MAX = 64 * 1024,
    LLM_END_USERS = 10000,
    LLM_END_USERS_MAX = 100000
};

extern const Str llm_what_names[LLM_WHATS]; /* "requests", "tokens", "cost_micros" */
extern const Str llm_per_names[LLM_PERS];   /* "minute", "hour", "day", "month" */

typedef VEC(Str) LlmScopes;
struct llm_policy {
    int64_t max[LLM_SLOTS]; /* by what * LLM_PERS + per; -1: no limit */
    LlmScopes models;       /* names, or their beginnings and "*"; none: all */
    LlmScopes endpoints;    /* names of operations; none: all */
    struct llm_cache_rule cache;
    struct llm_log_rule log;
    int64_t end_user[LLM_SLOTS]; /* as max: of each end-user of the tenant */
    int64_t end_users;           /* of how many of them counters are kept; 0: as usual */
};

/* {"limits": {"requests": {"minute": 60}, "cost_micros": {"day": 5000000}}, "models": [...],
 * "endpoints": [...], "cache": {...}, "log": {...}, "end_users": {"limits": {...}, "tracked":
 * 10000}}; every member may be absent. E_INVALID names what is wrong. Borrows @v. */
Err llm_policy_read(struct arena *a, const struct json *v, struct llm_policy *ret_policy);
struct json *llm_policy_json(struct arena *a, const struct llm_policy *policy);
bool llm_policy_has_limits(const struct llm_policy *policy);
bool llm_policy_limits_end_users(const struct llm_policy *policy);
bool llm_policy_allows_model(const struct llm_policy *policy, Str model);
bool llm_policy_allows_endpoint(const struct llm_policy *policy, Str operation);

/* The window of @wall: [*ret_from, *ret_to). */
void llm_window(enum llm_per per, Usec wall, Usec *ret_from, Usec *ret_to);

/* One limit as this process sees it. granted = used + reserved + what is free. */
struct llm_counter {
    int64_t max;                     /* -1: no limit */
    Usec from, to;                   /* the window that the numbers are of */
    int64_t granted, used, reserved; /* of the store's counter, ours */
    int64_t over; /* of what is granted, beyond the limit: for the call alone that asked for it */
};

/* Go to the window of @wall. What is reserved stays so, in the new one. */
void llm_counter_roll(struct llm_counter *c, enum llm_per per, Usec wall);
/* What is granted and free; negative: more was used than was granted. */
int64_t llm_counter_free(const struct llm_counter *c);
/* Reserve @n of what is free; false if it is too little. */
bool llm_counter_reserve(struct llm_counter *c, int64_t n);
/* @used of @reserved was used. */
void llm_counter_settle(struct llm_counter *c, int64_t reserved, int64_t used);

#endif
