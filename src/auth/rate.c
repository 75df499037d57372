/* src/auth/rate.c - how often one address may try to sign in: a token bucket each, kept per shard.
 *
 * The kernel spreads an address' connections over the shards, so the limit holds within their
 * number.
 */
#include "auth/auth.h"
#include "base/map.h"

#include <stdlib.h>

static const double PER_SECOND = 20.0 / 60.0;
enum { BURST = 20, ADDRESSES_MAX = 10000 };

struct bucket {
    double tokens;
    Usec at;
};

static _Thread_local struct map *buckets;

static void free_buckets(void *arg)
{
    (void)arg;
    map_free(buckets, free);
    buckets = NULL;
}

static struct bucket *bucket_of(Str remote)
{
    if (buckets && map_count(buckets) >= ADDRESSES_MAX) {
        map_free(buckets, free); /* a flood of addresses: start over rather than grow */
        buckets = map_new();
    }
    if (!buckets) {
        buckets = map_new();
        shard_on_stop(free_buckets, NULL);
    }
    struct bucket *b = map_get(buckets, remote);
    if (!b) {
        b = malloc(sizeof *b);
        if (!b)
            DIE("out of memory");
        *b = (struct bucket){BURST, time_mono()};
        (void)map_put(buckets, remote, b);
    }
    return b;
}

static Err look(struct req *req, double take)
{
    struct bucket *b = bucket_of(req->remote);
    Usec now = time_mono();

    b->tokens += (double)(now - b->at) / USEC_S * PER_SECOND;
    if (b->tokens > BURST)
        b->tokens = BURST;
    b->at = now;
    if (b->tokens < 1) {
        Err e = err_detail(E_RATE_LIMITED, "Too many tries to sign in from here; wait a moment.");
        err_record()->retry_after_us = (long long)((1 - b->tokens) / PER_SECOND * USEC_S);
        return e;
    }
    b->tokens -= take;
    return OK;
}

Err auth_rate_take(struct req *req)
{
    return look(req, 1);
}

Err auth_rate_peek(struct req *req)
{
    return look(req, 0);
}
