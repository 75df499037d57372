/* src/rt/timer.h - timers of a shard, for callbacks. Fibers use deadlines instead.
 *
 * A four-ary heap per shard under one uv timer: starting, moving and stopping cost O(log n), a
 * hundred thousand of them no more than their own memory.
 */
#ifndef RT_TIMER_H
#define RT_TIMER_H

#include "rt/shard.h"

struct timer {
    Usec at;
    void (*fn)(struct timer *t);
    uint32_t slot; /* place in the heap + 1; 0: not running */
};

/* Call fn(t) on this shard's loop at @deadline (monotonic). A running timer is moved. The memory of
 * @t must stay until it fired or was stopped. @t was zeroed before its first use. */
void timer_start(struct timer *t, Usec deadline, void (*fn)(struct timer *t));
void timer_stop(struct timer *t);
static inline bool timer_is_running(const struct timer *t)
{
    return t->slot != 0;
}

#endif
