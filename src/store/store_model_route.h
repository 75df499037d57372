/* src/store/store_model_route.h - names of models and who answers for them. */
#ifndef STORE_STORE_MODEL_ROUTE_H
#define STORE_STORE_MODEL_ROUTE_H

#include "store/store_stamp.h"

struct model_route_row {
    Id id, tenant;
    Str name;
    Str targets;         /* JSON, see llm/route.h */
    Str balance, sticky; /* likewise */
    Str cache;           /* JSON, see llm/cache_rule.h; empty: nothing is said */
    Str context;         /* likewise; empty: as the setting says */
    Str hedge;           /* JSON, see llm/hedge.h; empty: never */
    int attempts;
    Usec timeout; /* 0: those of the providers */
    int64_t revision;
    Usec created_at, updated_at;
};
typedef VEC(struct model_route_row) ModelRouteRows;

/* @row is complete. E_EXISTS if the tenant has one of that name. */
Err store_model_route_create(struct db *db, struct arena *a, const struct model_route_row *row)
    YIELDS;
/* Those of all tenants, in the order of their making. */
Err store_model_route_list(struct db *db, struct arena *a, ModelRouteRows *ret_rows) YIELDS;
/* Write what is not its name. E_CONFLICT unless the revision is still @row->revision. */
Err store_model_route_update(struct db *db, struct arena *a, const struct model_route_row *row)
    YIELDS;
/* E_NOT_FOUND. */
Err store_model_route_delete(struct db *db, struct arena *a, Id tenant, Id id) YIELDS;
Err store_model_route_stamp(struct db *db, struct arena *a, struct store_stamp *ret_stamp) YIELDS;

#endif
