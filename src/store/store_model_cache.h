/* src/store/store_model_cache.h - how often the kept answers of a tenant were thrown away. The
 * answers themselves are in the memory of each process, which looks here for what others did. */
#ifndef STORE_STORE_MODEL_CACHE_H
#define STORE_STORE_MODEL_CACHE_H

#include "store/db.h"

struct model_cache_purge {
    Id tenant;
    int64_t purges;
};
typedef VEC(struct model_cache_purge) ModelCachePurges;

/* Count one; gives how many there were. */
Err store_model_cache_purge(struct db *db, struct arena *a, Id tenant, int64_t *ret_purges) YIELDS;
Err store_model_cache_purges(struct db *db, struct arena *a, ModelCachePurges *ret_purges) YIELDS;

#endif
