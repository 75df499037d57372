/* src/llm/gate.c - fibers of any shard that wait for a turn at something that is locked. */
#include "llm/gate.h"

/* Stand between two; NULL: there is none on that side. */
static void join(struct llm_gate *gate, struct llm_waiter *w, struct llm_waiter *prev,
                 struct llm_waiter *next)
{
    wait_init(&w->wait);
    w->home = shard_self();
    w->linked = true;
    w->prev = prev;
    w->next = next;
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

void llm_gate_join(struct llm_gate *gate, struct llm_waiter *w, bool in_front)
{
    w->key = ID_NONE;
    w->round = 0;
    join(gate, w, in_front ? NULL : gate->last, in_front ? gate->first : NULL);
}

void llm_gate_join_fair(struct llm_gate *gate, struct llm_waiter *w, Id key)
{
    struct llm_waiter *before = gate->last;

    w->key = key;
    w->round = 0;
    for (const struct llm_waiter *it = gate->first; it; it = it->next)
        w->round += id_eq(it->key, key);
    while (before && before->round > w->round)
        before = before->prev;
    join(gate, w, before, before ? before->next : gate->first);
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
