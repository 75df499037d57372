/* src/llm/gate.c - fibers of any shard that wait for a turn at something that is locked. */
#include "llm/gate.h"

void llm_gate_join(struct llm_gate *gate, struct llm_waiter *w, bool in_front)
{
    wait_init(&w->wait);
    w->home = shard_self();
    w->linked = true;
    w->prev = in_front ? NULL : gate->last;
    w->next = in_front ? gate->first : NULL;
    if (w->prev)
        w->prev->next = w;
    else
        gate->first = w;
    if (w->next)
        w->next->prev = w;
    else
        gate->last = w;
    gate->n++;
}

static void leave(struct llm_gate *gate, struct llm_waiter *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        gate->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        gate->last = w->prev;
    w->linked = false;
    gate->n--;
}

bool llm_gate_wake(struct llm_gate *gate)
{
    struct llm_waiter *w = gate->first;

    if (!w)
        return false;
    leave(gate, w);
    wait_end_from(w->home, &w->wait, OK);
    return true;
}

Err llm_gate_wait(struct llm_gate *gate, struct llm_waiter *w, uv_mutex_t *lock, Usec deadline)
{
    Err e = wait_for(&w->wait, deadline);

    if (e == OK)
        return OK;
    uv_mutex_lock(lock);
    bool given = !w->linked;
    if (w->linked)
        leave(gate, w);
    uv_mutex_unlock(lock);
    if (!given)
        return e;
    /* The message of the turn is on its way and must find the waiter. */
    struct err_record kept = *err_record();
    fiber_shield();
    (void)wait_for(&w->wait, USEC_NEVER); /* it comes */
    fiber_unshield();
    *err_record() = kept;
    uv_mutex_lock(lock);
    (void)llm_gate_wake(gate); /* the next one's turn; perhaps nobody's */
    uv_mutex_unlock(lock);
    return e;
}
