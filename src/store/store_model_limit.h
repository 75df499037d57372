/* src/store/store_model_limit.h - what keys, users, teams and tenants may use, and how much of it
 * is taken. */
#ifndef STORE_STORE_MODEL_LIMIT_H
#define STORE_STORE_MODEL_LIMIT_H

#include "store/db.h"

/* The policy of a subject: a key, a user, a team or a tenant, JSON as llm/limit.h has it; empty if
 * there is none. */
Err store_model_limit_get(struct db *db, struct arena *a, Id subject, Str *ret_policy) YIELDS;
/* Write it; empty: take it away. E_NOT_FOUND if @subject is neither the tenant nor of it. */
Err store_model_limit_put(struct db *db, struct arena *a, Id tenant, Id subject, Str policy) YIELDS;
/* Whether @subject is the tenant or a key, a user or a team of it: OK, or E_NOT_FOUND. */
Err store_model_limit_subject(struct db *db, struct arena *a, Id tenant, Id subject) YIELDS;

/* @subject, an end-user, calls now. *ret_known: it is one of the @most of the tenant of whom
 * counters are kept. */
Err store_model_end_user_see(struct db *db, struct arena *a, Id tenant, Id subject, int64_t most,
                             bool *ret_known) YIELDS;
/* Delete those that were not seen since @before. */
Err store_model_end_user_expire(struct db *db, struct arena *a, Usec before) YIELDS;

/* A counter: of a subject, of a kind of limit, in a window. It says what processes have taken for
 * themselves; what they used is no more than that. */
struct model_counter {
    Id subject;
    int slot;
    Usec from, to;
    int64_t back; /* of what was taken: given back; negative: used without being taken */
};

/* Give c->back and take more, in one step: @most if all of it is left of @max, else @least if
 * anything is left, else nothing; then nothing is given back either. Gives how much was taken, and
 * the counter as it is then. */
Err store_model_counter_take(struct db *db, struct arena *a, const struct model_counter *c,
                             int64_t max, int64_t least, int64_t most, int64_t *ret_taken,
                             int64_t *ret_total) YIELDS;
/* Queue giving back. */
void store_model_counter_give(struct db_tx *tx, const struct model_counter *c);

struct model_counter_row {
    int slot;
    Usec from;
    int64_t taken;
};
typedef VEC(struct model_counter_row) ModelCounterRows;
/* Those of windows that end after @now. */
Err store_model_counter_list(struct db *db, struct arena *a, Id subject, Usec now,
                             ModelCounterRows *ret_rows) YIELDS;
/* Delete those of windows that ended before @before. */
Err store_model_counter_expire(struct db *db, struct arena *a, Usec before) YIELDS;

#endif
