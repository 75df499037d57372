/* src/llm/cache.c - answers that are kept in memory, by the hash of what was asked. */
#include "llm/cache.h"

#include "base/map.h"
#include "llm/vector.h"

#include <stdlib.h>
#include <uv.h>

struct entry {
    struct llm_kept kept; /* the first member: what is given out */
    atomic_uint refs;     /* one is the cache's */
    struct entry *newer, *older;
    struct entry *near_newer, *near_older; /* of the same near, if it has a vector */
    size_t size;
    char text[];
};

struct llm_cache {
    uv_mutex_t lock;
    struct map *by_hash; /* under the lock, as what follows */
    struct map *by_near; /* the newest of each */
    struct entry *newest, *oldest;
    size_t bytes, most;
    uint64_t purges;
};

/* What an entry takes beside itself in the map and the allocator, about. */
enum { OVERHEAD = 128 };

struct llm_cache *llm_cache_new(size_t most)
{
    struct llm_cache *cache = calloc(1, sizeof *cache);

    if (!cache || uv_mutex_init(&cache->lock))
        DIE("out of memory");
    cache->by_hash = map_new();
    cache->by_near = map_new();
    cache->most = most;
    return cache;
}

static Str hash_key(const uint8_t hash[LLM_CACHE_HASH])
{
    return str_from((const char *)hash, LLM_CACHE_HASH);
}

void llm_kept_unref(const struct llm_kept *kept)
{
    struct entry *e = (struct entry *)(uintptr_t)kept;

    if (e && atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1)
        free(e);
}

/* ---- the list; all under the lock ---- */

static void unlink_entry(struct llm_cache *cache, struct entry *e)
{
    *(e->newer ? &e->newer->older : &cache->newest) = e->older;
    *(e->older ? &e->older->newer : &cache->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void link_newest(struct llm_cache *cache, struct entry *e)
{
    e->older = cache->newest;
    e->newer = NULL;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = e;
    cache->newest = e;
}

static void link_near(struct llm_cache *cache, struct entry *e)
{
    if (!e->kept.vector.n)
        return;
    e->near_older = map_put(cache->by_near, hash_key(e->kept.near), e);
    if (e->near_older)
        e->near_older->near_newer = e;
}

static void unlink_near(struct llm_cache *cache, struct entry *e)
{
    Str key = hash_key(e->kept.near);

    if (!e->kept.vector.n)
        return;
    if (e->near_older)
        e->near_older->near_newer = e->near_newer;
    if (e->near_newer)
        e->near_newer->near_older = e->near_older;
    else if (e->near_older)
        (void)map_put(cache->by_near, key, e->near_older); /* in the place of this one */
    else
        (void)map_take(cache->by_near, key); /* this one */
}

static void take_out(struct llm_cache *cache, struct entry *e)
{
    (void)map_take(cache->by_hash, hash_key(e->kept.hash));
    unlink_entry(cache, e);
    unlink_near(cache, e);
    cache->bytes -= e->size;
    llm_kept_unref(&e->kept);
}

/* ---- */

void llm_cache_free(struct llm_cache *cache)
{
    if (!cache)
        return;
    while (cache->oldest)
        take_out(cache, cache->oldest);
    map_free(cache->by_hash, NULL);
    map_free(cache->by_near, NULL);
    uv_mutex_destroy(&cache->lock);
    free(cache);
}

static void hold(struct llm_cache *cache, struct entry *e)
{
    unlink_entry(cache, e);
    link_newest(cache, e);
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
}

const struct llm_kept *llm_cache_get(struct llm_cache *cache, const uint8_t hash[LLM_CACHE_HASH],
                                     Usec now)
{
    uv_mutex_lock(&cache->lock);
    struct entry *e = map_get(cache->by_hash, hash_key(hash));
    if (e && now >= e->kept.until) {
        take_out(cache, e);
        e = NULL;
    }
    if (e)
        hold(cache, e);
    uv_mutex_unlock(&cache->lock);
    return e ? &e->kept : NULL;
}

const struct llm_kept *llm_cache_near(struct llm_cache *cache, const uint8_t near[LLM_CACHE_HASH],
                                      Str vector, double least, Usec since, Usec now,
                                      double *ret_cosine)
{
    struct entry *best = NULL;
    unsigned n = 0;

    uv_mutex_lock(&cache->lock);
    struct entry *e = map_get(cache->by_near, hash_key(near));
    for (; e && n < LLM_NEAR_MAX; e = e->near_older, n++) {
        if (now >= e->kept.until || e->kept.stored_at <= since)
            continue;
        double cosine = llm_vector_cosine(vector, e->kept.vector);
        if (cosine < least || (best && cosine <= *ret_cosine))
            continue;
        best = e;
        *ret_cosine = cosine;
    }
    if (best)
        hold(cache, best);
    uv_mutex_unlock(&cache->lock);
    return best ? &best->kept : NULL;
}

uint64_t llm_cache_turn(struct llm_cache *cache)
{
    uv_mutex_lock(&cache->lock);
    uint64_t turn = cache->purges;
    uv_mutex_unlock(&cache->lock);
    return turn;
}

static Str copy(char **at, Str s)
{
    Str text = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return text;
}

static struct entry *entry_new(const struct llm_kept *answer)
{
    size_t n = answer->model.n + answer->provider.n + answer->upstream.n + answer->body.n +
               answer->dropped.n + answer->changed.n + answer->vector.n;
    struct entry *e = malloc(sizeof *e + n);

    if (!e)
        DIE("out of memory");
    char *at = e->text;
    e->kept = *answer;
    e->kept.model = copy(&at, answer->model);
    e->kept.provider = copy(&at, answer->provider);
    e->kept.upstream = copy(&at, answer->upstream);
    e->kept.dropped = copy(&at, answer->dropped);
    e->kept.changed = copy(&at, answer->changed);
    e->kept.body = copy(&at, answer->body);
    e->kept.vector = copy(&at, answer->vector);
    e->size = sizeof *e + n + OVERHEAD;
    e->newer = e->older = e->near_newer = e->near_older = NULL;
    atomic_init(&e->refs, 1);
    return e;
}

bool llm_cache_put(struct llm_cache *cache, const struct llm_kept *answer, uint64_t turn)
{
    if (answer->body.n > LLM_KEPT_MAX)
        return false;
    struct entry *e = entry_new(answer);
    uv_mutex_lock(&cache->lock);
    bool fits = turn == cache->purges && e->size <= cache->most;
    struct entry *before = fits ? map_get(cache->by_hash, hash_key(answer->hash)) : NULL;
    if (before)
        take_out(cache, before);
    while (fits && cache->bytes + e->size > cache->most)
        take_out(cache, cache->oldest);
    if (fits) {
        (void)map_put(cache->by_hash, hash_key(e->kept.hash), e); /* there is none */
        link_newest(cache, e);
        link_near(cache, e);
        cache->bytes += e->size;
    }
    uv_mutex_unlock(&cache->lock);
    if (!fits)
        llm_kept_unref(&e->kept);
    return fits;
}

static bool is_meant(const struct llm_kept *k, Id tenant, Id key, Str model)
{
    return id_eq(k->tenant, tenant) && (id_is_none(key) || id_eq(k->key, key)) &&
           (!model.n || str_eq(k->model, model));
}

size_t llm_cache_purge(struct llm_cache *cache, Id tenant, Id key, Str model)
{
    size_t n = 0;

    uv_mutex_lock(&cache->lock);
    cache->purges++;
    for (struct entry *e = cache->newest, *next; e; e = next) {
        next = e->older;
        if (!is_meant(&e->kept, tenant, key, model))
            continue;
        take_out(cache, e);
        n++;
    }
    uv_mutex_unlock(&cache->lock);
    return n;
}

struct llm_cache_stats llm_cache_stats_of(struct llm_cache *cache, Id tenant)
{
    uv_mutex_lock(&cache->lock);
    struct llm_cache_stats stats = {map_count(cache->by_hash), cache->bytes, cache->most};
    if (!id_is_none(tenant)) {
        stats.answers = stats.bytes = 0;
        for (const struct entry *e = cache->newest; e; e = e->older) {
            stats.answers += id_eq(e->kept.tenant, tenant);
            stats.bytes += id_eq(e->kept.tenant, tenant) ? e->size : 0;
        }
    }
    uv_mutex_unlock(&cache->lock);
    return stats;
}
