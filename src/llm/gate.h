/* src/llm/gate.h - fibers of any shard that wait for a turn at something that is locked.
 *
 * First come first served. Who is woken tries, and either passes the turn on (llm_gate_wake) or
 * joins again in front. A turn is never lost: one that was given to a fiber that gave up meanwhile
 * goes to the next.
 */
#ifndef LLM_GATE_H
#define LLM_GATE_H

#include "base/id.h"
#include "rt/fiber.h"

#include <uv.h>

struct llm_waiter {
    struct wait wait;
    struct shard *home;
    struct llm_waiter *prev, *next;
    Id key;         /* of those who take turns */
    unsigned round; /* how many of its key stood before it */
    bool linked;
};

/* Zero is empty. Used under the lock of what it belongs to. */
struct llm_gate {
    struct llm_waiter *first, *last;
    size_t n;
};

/* Under the lock: stand at the end, or with @in_front before all others. */
void llm_gate_join(struct llm_gate *gate, struct llm_waiter *w, bool in_front);
/* The same, in turns by @key: behind as many of every other key as of its own. */
void llm_gate_join_fair(struct llm_gate *gate, struct llm_waiter *w, Id key);
/* Without the lock, after joining: wait for a turn. E_TIMEOUT or E_CANCELLED: there was none. */
Err llm_gate_wait(struct llm_gate *gate, struct llm_waiter *w, uv_mutex_t *lock, Usec deadline)
    YIELDS;
/* Under the lock: give the first its turn; false if none waits. */
bool llm_gate_wake(struct llm_gate *gate);

#endif
