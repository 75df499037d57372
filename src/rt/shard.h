/* src/rt/shard.h - shards: one thread, one libuv loop and its fibers, for each core.
 *
 * Shards share nothing. A fiber, a timer, a socket belong to the shard that made them, for life;
 * another shard is reached by a message (shard_post) or by starting a fiber there. rt_main() is the
 * life of the runtime: it starts the shards and the workers, runs one boot fiber on shard 0, and
 * returns when that fiber and every other one has ended.
 */
#ifndef RT_SHARD_H
#define RT_SHARD_H

#include "base/time.h"

#include <uv.h>

struct shard;
typedef Err fiber_fn(void *arg);

struct rt_options {
    unsigned shards;  /* 0: one for each core this process may use */
    unsigned workers; /* threads of the blocking pool; 0: 4 */
    size_t stack;     /* bytes of a fiber's stack; 0: 128 KiB */
};

/* Run @boot(@arg) as the first fiber. Gives its error. When it returns, fibers that are still there
 * are cancelled and awaited. SIGPIPE is ignored and RLIMIT_NOFILE raised to its hard limit. */
Err rt_main(const struct rt_options *options, fiber_fn *boot, void *arg);

unsigned shard_count(void);
struct shard *shard_at(unsigned i);
struct shard *shard_self(void); /* NULL on a thread that is none */
unsigned shard_index(const struct shard *s);
uv_loop_t *shard_loop(void); /* the loop of this shard */
/* The monotonic time as of this turn of the loop: cheaper than time_mono(), a little old. */
Usec shard_now(void);

/* Call fn(arg) on the loop of @s, outside of any fiber: it must not yield. From any thread; in
 * order of posting for one sender. Never fails, never blocks. */
void shard_post(struct shard *s, void (*fn)(void *arg), void *arg);
/* Start a fiber on @s. @name lives as long as the process. From any thread. */
void shard_start(struct shard *s, const char *name, fiber_fn *fn, void *arg);

/* Call fn(arg) on this loop when the present callback or fiber has returned to it, before it polls.
 */
void shard_defer(void (*fn)(void *arg), void *arg);
/* Call fn(arg) on this loop when the runtime stops, after the last fiber and before what handles
 * are left is closed; the last registered is called first. For pools that a shard keeps. */
void shard_on_stop(void (*fn)(void *arg), void *arg);

/* How many cores this process may use, 1..64. */
unsigned rt_cores(void);

#endif
