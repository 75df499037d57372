/* src/store/store_model_guard.h - who looks at what is said to models and by them. */
#ifndef STORE_STORE_MODEL_GUARD_H
#define STORE_STORE_MODEL_GUARD_H

#include "store/store_stamp.h"

struct model_guard_row {
    Id id, tenant;
    Str name, url;
    Str events;            /* words with a space between them, see llm/hooks/hook.h */
    Str routes;            /* JSON: a list of names, as what follows */
    Str keys, except_keys; /* ids */
    Str on_error;          /* refuse, allow */
    Str secret;            /* sealed */
    Usec timeout;
    int64_t window, back;
    bool private_network, enabled;
    int64_t revision;
    Usec created_at, updated_at;
};
typedef VEC(struct model_guard_row) ModelGuardRows;

/* @row is complete. E_EXISTS if the tenant has one of that name. */
Err store_model_guard_create(struct db *db, struct arena *a, const struct model_guard_row *row)
    YIELDS;
/* Those of all tenants, in the order of their making. */
Err store_model_guard_list(struct db *db, struct arena *a, ModelGuardRows *ret_rows) YIELDS;
/* Write what is not its name. E_CONFLICT unless the revision is still @row->revision. */
Err store_model_guard_update(struct db *db, struct arena *a, const struct model_guard_row *row)
    YIELDS;
/* E_NOT_FOUND. */
Err store_model_guard_delete(struct db *db, struct arena *a, Id tenant, Id id) YIELDS;
Err store_model_guard_stamp(struct db *db, struct arena *a, struct store_stamp *ret_stamp) YIELDS;

#endif
