/* src/rt/chan.c - a ring of pointers with waiting readers and writers. */
#include "rt/chan.h"

#include <stdlib.h>

struct chan {
    void **ring;
    size_t cap, head, n;
    bool closed;
    void (*free_item)(void *item);
    struct wait_queue readers, writers;
};

struct chan *chan_new_of(size_t capacity, void (*free_item)(void *item))
{
    struct chan *c = calloc(1, sizeof *c);
    if (!c || !(c->ring = calloc(capacity ? capacity : 1, sizeof *c->ring)))
        DIE("out of memory");
    c->cap = capacity ? capacity : 1;
    c->free_item = free_item;
    return c;
}

struct chan *chan_new(size_t capacity)
{
    return chan_new_of(capacity, NULL);
}

void chan_free(struct chan *c)
{
    void *item;

    if (!c)
        return;
    chan_close(c);
    if (!wait_queue_is_empty(&c->readers) || !wait_queue_is_empty(&c->writers))
        DIE("a channel is freed while fibers wait on it");
    while (chan_try_recv(c, &item))
        if (c->free_item)
            c->free_item(item);
    free(c->ring);
    free(c);
}

bool chan_try_send(struct chan *c, void *item)
{
    if (c->closed || c->n == c->cap)
        return false;
    c->ring[(c->head + c->n++) % c->cap] = item;
    wait_queue_wake(&c->readers, OK);
    return true;
}

Err chan_send(struct chan *c, void *item, Usec deadline)
{
    while (!chan_try_send(c, item)) {
        if (c->closed)
            return err_set(E_CLOSED, "the channel is closed");
        TRY(wait_queue_wait(&c->writers, deadline));
    }
    return OK;
}

bool chan_try_recv(struct chan *c, void **ret_item)
{
    if (c->n == 0)
        return false;
    *ret_item = c->ring[c->head];
    c->head = (c->head + 1) % c->cap;
    c->n--;
    wait_queue_wake(&c->writers, OK);
    return true;
}

Err chan_recv(struct chan *c, Usec deadline, void **ret_item)
{
    while (!chan_try_recv(c, ret_item)) {
        if (c->closed)
            return err_set(E_CLOSED, "the channel is closed");
        TRY(wait_queue_wait(&c->readers, deadline));
    }
    return OK;
}

void chan_close(struct chan *c)
{
    c->closed = true;
    wait_queue_wake_all(&c->readers, OK);
    wait_queue_wake_all(&c->writers, OK);
}

size_t chan_count(const struct chan *c)
{
    return c->n;
}
