/* src/llm/cache_purge.c - throwing kept answers away, here and in every process on the database. */
#include "llm/cache_purge.h"

#include "llm/llm_private.h"
#include "store/store_model_cache.h"

struct llm_cache *llm_cache_of(struct llm *llm)
{
    return llm->cache;
}

/* Remember how often it was done for @tenant; gives how often that was before. */
static int64_t remember(struct llm *llm, Id tenant, int64_t purges)
{
    uv_mutex_lock(&llm->lock);
    const void *before = map_put(llm->purges, llm_id_key(&tenant), (void *)(intptr_t)purges);
    uv_mutex_unlock(&llm->lock);
    return (int64_t)(intptr_t)before;
}

Err llm_cache_purge_everywhere(struct llm *llm, struct arena *a, Id tenant, Id key, Str model,
                               size_t *ret_n)
{
    size_t n = llm_cache_purge(llm->cache, tenant, key, model);
    int64_t purges;

    TRY(store_model_cache_purge(llm->db, a, tenant, &purges));
    if (remember(llm, tenant, purges) != purges - 1) /* others did, too */
        n += llm_cache_purge(llm->cache, tenant, ID_NONE, S(""));
    *ret_n = n;
    return OK;
}

Err llm_cache_look(struct llm *llm)
{
    AUTO(arena) *a = arena_new(MIB(16));
    ModelCachePurges purges;

    TRY(store_model_cache_purges(llm->db, a, &purges));
    vec_each(&purges, p)
        if (remember(llm, p->tenant, p->purges) != p->purges)
            (void)llm_cache_purge(llm->cache, p->tenant, ID_NONE,
                                  S("")); /* how many is nothing to us */
    return OK;
}
