/* src/api/workflow_cache.h - rows of workflows, remembered for a second, so that starting a run
 * needs no query.
 *
 * What this process changes is forgotten at once; what another node changes is seen after a second.
 */
#ifndef API_WORKFLOW_CACHE_H
#define API_WORKFLOW_CACHE_H

#include "store/store_workflow.h"

struct workflow_cache;

struct workflow_cache *workflow_cache_new(struct db *db);
void workflow_cache_free(struct workflow_cache *c);

/* As store_workflow_get_any; whether the tenant may see it is the caller's question. */
Err workflow_cache_get(struct workflow_cache *c, struct arena *a, Id id,
                       struct workflow_row *ret_row) YIELDS;
/* After a change to @id was committed. Any thread. */
void workflow_cache_forget(struct workflow_cache *c, Id id);

#endif
