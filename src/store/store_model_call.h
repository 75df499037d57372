/* src/store/store_model_call.h - the record of model calls, and sums over it. */
#ifndef STORE_STORE_MODEL_CALL_H
#define STORE_STORE_MODEL_CALL_H

#include "store/db.h"

struct model_call_row {
    Id id, tenant, key;
    Id owner, team; /* the user and the team of the key then; none: ID_NONE */
    Str model, provider, upstream_model, operation, outcome;
    Str agent, workflow, step, user; /* what and which end-user it was for; empty: nobody said */
    Str error;                       /* code of what went wrong here; empty: nothing did */
    Str request_id;
    Str guard, verdict, guard_reason; /* who looked at it, and what came of it; empty: nobody did */
    Str request, answer;              /* what was said; both empty: it is not kept. Not in lists. */
    bool streamed, estimated;
    bool from_cache; /* nobody was called */
    bool hedged;     /* targets were called beside each other; of those that lost, too */
    int status;
    int64_t attempts, prompt, cached, completion, reasoning;
    int64_t cost;                     /* micro-units; -1: the price was not known */
    int64_t saved;                    /* what an answer that was kept did cost when it was made */
    Usec overhead, first_byte, total; /* first_byte 0: none came */
};

typedef VEC(struct model_call_row) ModelCallRows;

/* Queue one, with what was said if it is kept; one that is there already stays, so that a batch may
 * be sent again. */
void store_model_call_insert(struct db_tx *tx, const struct model_call_row *row);
/* Delete up to @max rows that are older than @before; gives how many. */
Err store_model_call_expire(struct db *db, struct arena *a, Usec before, int max, int64_t *ret_n)
    YIELDS;

/* Likewise what was said in them alone. */
Err store_model_call_body_expire(struct db *db, struct arena *a, Usec before, int max,
                                 int64_t *ret_n) YIELDS;

struct model_call_query {
    Id tenant, key; /* ID_NONE: any key, as empty texts below */
    Str model, provider, operation, outcome, agent, workflow, step, user;
    int from_cache; /* -1: any */
    Usec from, to;
    Id before; /* ID_NONE: from the newest on */
    int max;
};
/* Those that fit, newest first. */
Err store_model_call_list(struct db *db, struct arena *a, const struct model_call_query *query,
                          ModelCallRows *ret_rows) YIELDS;
/* One, with what was said. E_NOT_FOUND. */
Err store_model_call_get(struct db *db, struct arena *a, Id tenant, Id id,
                         struct model_call_row *ret_row) YIELDS;

enum usage_group {
    USAGE_BY_AGENT,
    USAGE_BY_DAY,
    USAGE_BY_END_USER,
    USAGE_BY_HOUR,
    USAGE_BY_KEY,
    USAGE_BY_MODEL,
    USAGE_BY_OPERATION,
    USAGE_BY_OUTCOME,
    USAGE_BY_PROVIDER,
    USAGE_BY_STEP,
    USAGE_BY_TEAM,
    USAGE_BY_UPSTREAM_MODEL,
    USAGE_BY_USER,
    USAGE_BY_WORKFLOW,
    USAGE_GROUPS
};
/* Groups that are ids, not names. */
static inline bool usage_by_id(enum usage_group group)
{
    return group == USAGE_BY_KEY || group == USAGE_BY_USER || group == USAGE_BY_TEAM;
}
/* Each group once, or once for every hour or day of it. */
enum usage_bucket { USAGE_WHOLE, USAGE_HOURLY, USAGE_DAILY, USAGE_BUCKETS };

struct usage_query {
    Id tenant;
    enum usage_group group;
    enum usage_bucket bucket; /* not for groups that are times */
    Usec from, to;
    int max;
};

struct usage_row {
    Str name;  /* of the group; empty for keys, users, teams and times */
    Id id;     /* of those of these; none: ID_NONE */
    Usec time; /* at which the hour or day begins; 0: the whole */
    int64_t calls, failed, prompt, cached, completion, reasoning, estimated, cost, unpriced,
        from_cache, saved;
    int64_t overhead_us, first_byte_us, total_us; /* means */
    int64_t made,
        made_us; /* tokens of answers that were made to their end, and the time that took */
};
typedef VEC(struct usage_row) UsageRows;

/* The calls of a tenant in [from, to), grouped; the latest times, then the groups of most calls
 * first, at most @max. */
Err store_model_call_usage(struct db *db, struct arena *a, const struct usage_query *query,
                           UsageRows *ret_rows) YIELDS;

#endif
