/* src/rt/chan.h - a bounded queue of pointers between fibers of one shard. */
#ifndef RT_CHAN_H
#define RT_CHAN_H

#include "rt/fiber.h"

struct chan;

struct chan *chan_new(size_t capacity);
/* Closes and drops this reference; items still inside are given to @free_item of chan_new_of, if
 * any. */
void chan_free(struct chan *c);
DEFINE_AUTO(chan, chan_free)
struct chan *chan_new_of(size_t capacity, void (*free_item)(void *item));

/* Put @item (not NULL). Waits while full. E_CLOSED after chan_close, E_TIMEOUT, E_CANCELLED. */
Err chan_send(struct chan *c, void *item, Usec deadline) YIELDS;
bool chan_try_send(struct chan *c, void *item); /* false: full or closed */
/* Take the oldest. Waits while empty. E_CLOSED when closed and empty. */
Err chan_recv(struct chan *c, Usec deadline, void **ret_item) YIELDS;
bool chan_try_recv(struct chan *c, void **ret_item);
void chan_close(struct chan *c);
size_t chan_count(const struct chan *c);

#endif
