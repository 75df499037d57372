/* src/store/store_model_response.h - responses of models that are kept for calls that follow them.
 *
 * A row has what its turn added, and names the row before it: a conversation of n turns is n rows,
 * whatever forks of it there are, and costs what was said once. Large values are stored by their
 * content (store_payload.h). A conversation is kept for so long after its last response, with all
 * rows of it; a response that is deleted takes what it said with it at once, and what follows it
 * cannot be followed any more.
 */
#ifndef STORE_STORE_MODEL_RESPONSE_H
#define STORE_STORE_MODEL_RESPONSE_H

#include "store/db.h"

enum { STORE_RESPONSE_DEPTH_MAX = 4096 };

struct model_response_row {
    Id id, tenant, key;
    Id conversation; /* the id of its first response */
    Id previous;     /* ID_NONE: it is the first */
    int64_t depth;   /* from 1 */
    int64_t bytes;   /* of the bodies from the first to this one */
    Str body;        /* JSON */
    Usec created_at;
};
typedef VEC(struct model_response_row) ModelResponseRows;

/* Write one and keep its conversation until @keep_until. @row->body is borrowed. */
Err store_model_response_add(struct db *db, struct arena *a, const struct model_response_row *row,
                             Usec keep_until) YIELDS;
/* One, without its body. E_NOT_FOUND, also for another tenant's or key's. */
Err store_model_response_head(struct db *db, struct arena *a, Id tenant, Id key, Id id,
                              struct model_response_row *ret_row) YIELDS;
/* The conversation up to @head, oldest first, with bodies. E_NOT_FOUND: one of them was deleted;
 * E_TOO_LARGE: they pass @max bytes or are too many. */
Err store_model_response_chain(struct db *db, struct arena *a,
                               const struct model_response_row *head, size_t max,
                               ModelResponseRows *ret_rows) YIELDS;
/* The body of one. */
Err store_model_response_body(struct db *db, struct arena *a, struct model_response_row *row)
    YIELDS;
/* E_NOT_FOUND. */
Err store_model_response_delete(struct db *db, struct arena *a, Id tenant, Id key, Id id) YIELDS;
/* Forget at most @limit responses of conversations that are kept no longer than @now; *ret_n: how
 * many. */
Err store_model_response_expire(struct db *db, struct arena *a, Usec now, int limit, int *ret_n)
    YIELDS;

#endif
