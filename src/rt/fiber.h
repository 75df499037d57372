/* src/rt/fiber.h - fibers: straight-line code that waits.
 *
 * A fiber is a stackful coroutine on one shard. It runs until it waits; a function that may wait is
 * marked YIELDS. Every wait ends by a wake, by its deadline (E_TIMEOUT) or by cancellation
 * (E_CANCELLED), and both travel up like any other error. After a yield the world has changed.
 */
#ifndef RT_FIBER_H
#define RT_FIBER_H

#include "rt/shard.h"

struct fiber;

/* The running fiber; NULL on a loop callback or another thread. */
struct fiber *fiber_self(void);
const char *fiber_name(const struct fiber *f);

/* Start a fiber on this shard that nobody waits for. It runs when the loop comes to it. An error it
 * returns is logged once, with its name and request id. It inherits no deadline and no
 * cancellation, but the request id. */
void fiber_start(const char *name, fiber_fn *fn, void *arg);
/* The same; gives a reference with which it can be cancelled. */
struct fiber *fiber_start_ref(const char *name, fiber_fn *fn, void *arg);
struct fiber *fiber_ref(struct fiber *f);
void fiber_unref(struct fiber *f);
DEFINE_AUTO(fiber, fiber_unref)
bool fiber_ended(const struct fiber *f);

/* Make the present or next wait of @f (same shard) end with E_CANCELLED, and every later one,
 * outside of a shield. Its children are cancelled too. May be called again, or for a fiber that has
 * ended. */
void fiber_cancel(struct fiber *f);
/* Cancel @f (same shard; not the caller), wait until it has ended, whoever cancels the caller
 * meanwhile, and drop the reference. One caller at most; NULL: nothing. */
void fiber_end(struct fiber *f) YIELDS;
/* Whether this fiber was asked to stop. True inside a shield too. */
bool fiber_cancelled(void);
/* Between these, waits of this fiber are not ended by cancellation or by its own deadline: for
 * clean-up that must wait. They nest. */
void fiber_shield(void);
void fiber_unshield(void);

/* The deadline that bounds every wait of this fiber and of children started later; USEC_NEVER at
 * first. Setting gives the former one, to be put back. */
Usec fiber_deadline(void);
Usec fiber_deadline_set(Usec deadline);

/* Let other fibers and the loop run. E_CANCELLED or OK. */
Err fiber_pause(void) YIELDS;
Err fiber_sleep(Usec span) YIELDS;
/* fiber_pause() if this fiber has held the loop for more than a millisecond. */
Err fiber_breathe(void) YIELDS;

/* The id that stands in this fiber's log lines; inherited by fibers it starts. At most 40 bytes,
 * copied. */
void fiber_request_id_set(Str id);
Str fiber_request_id(void);

/* At its next wait, give back the memory of the stack that this fiber is not using then: for one
 * that is about to live long with short waits, after deep calls. Fibers in long waits are trimmed
 * anyway. */
void fiber_trim(void);
/* Bytes of stack this fiber has used at most (debug builds), 0 elsewhere. */
size_t fiber_stack_used(const struct fiber *f);
/* How many there are on this shard. */
size_t fiber_count(void);

/* In debug builds, abort when a yield happens between these. */
#ifdef HEDDLE_DEBUG
#define NO_YIELD_BEGIN() fiber_no_yield(1)
#define NO_YIELD_END() fiber_no_yield(-1)
#else
#define NO_YIELD_BEGIN() ((void)0)
#define NO_YIELD_END() ((void)0)
#endif
void fiber_no_yield(int change);

/* ---- the one way to wait ---- */

/* One wait, on the waiter's stack. Whoever holds a pointer to it ends it with wait_end(), once or
 * more, before or after the fiber sleeps; the first call counts. When wait_for() has returned, the
 * pointer must not be used any more: the waiter takes it away from wherever it registered it. */
struct wait {
    struct fiber *fiber;
    Err result;
    bool ended;
};

void wait_init(struct wait *w);
/* Sleep until wait_end(), @deadline (monotonic) or cancellation. */
Err wait_for(struct wait *w, Usec deadline) YIELDS;
/* Same shard only. */
void wait_end(struct wait *w, Err result);
/* From any thread: ends a wait of a fiber of @s. The waiter must be sure to be there still
 * (shielded). */
void wait_end_from(struct shard *s, struct wait *w, Err result);

/* For a fiber that sleeps until there is something to do: a ring is kept until it was heard. Zero
 * is silent. One listener; ring and wait on its shard. */
struct bell {
    struct wait *listener;
    bool rung;
};
void bell_ring(struct bell *b);
/* Until it is rung, or was since the last wait: OK. E_TIMEOUT at @deadline (monotonic),
 * E_CANCELLED. */
Err bell_wait(struct bell *b, Usec deadline) YIELDS;

/* Fibers of one shard waiting for the same thing, first come first served. Zero is empty. */
struct wait_queue {
    struct wait_node *first, *last;
};
Err wait_queue_wait(struct wait_queue *q, Usec deadline) YIELDS;
bool wait_queue_wake(struct wait_queue *q, Err result); /* one; false if none waits */
void wait_queue_wake_all(struct wait_queue *q, Err result);
bool wait_queue_is_empty(const struct wait_queue *q);

/* A lock that may be held across yields; first come first served. Zero is free. */
struct fiber_mutex {
    struct fiber *owner;
    struct wait_queue waiters;
};
Err fiber_mutex_lock(struct fiber_mutex *m) YIELDS;
void fiber_mutex_unlock(struct fiber_mutex *m);

/* ---- children ---- */

/* Fibers that end before their parent leaves the scope. In place; the parent is the fiber that
 * inits. */
struct fiber_group {
    struct fiber *parent;
    struct fiber *children;
    struct fiber_group *next; /* groups of the same parent */
    size_t running, limit;
    struct wait *join;
    struct wait_queue slot;
    Err first_error;
    bool fail_fast;
    struct err_record *error;
};

/* At most @limit children at once (0: no limit). With @fail_fast the first error cancels the
 * others. */
void fiber_group_init(struct fiber_group *g, size_t limit, bool fail_fast);
/* Start a child; waits for a free place. The child has this fiber's deadline and request id. */
Err fiber_group_start(struct fiber_group *g, const char *name, fiber_fn *fn, void *arg) YIELDS;
/* Wait for all. Gives the first error of a child, with its record. If this fiber is cancelled the
 * children are cancelled, awaited, and E_CANCELLED is given. */
Err fiber_group_join(struct fiber_group *g) YIELDS;
void fiber_group_cancel(struct fiber_group *g);
/* Cancel what still runs and wait for it. */
void fiber_group_done(struct fiber_group *g) YIELDS;
/* FIBER_GROUP(g, limit, fail_fast): a group that is done at the end of the scope. */
#define FIBER_GROUP(name, limit, fail_fast)                                                        \
    __attribute__((cleanup(fiber_group_done))) struct fiber_group name;                            \
    fiber_group_init(&name, (limit), (fail_fast))

#endif
