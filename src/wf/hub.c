/* src/wf/hub.c - a map from run to watchers under one lock; messages are shared and reach the
 * watcher's shard as shard messages. The lock is held for a few instructions and never across a
 * wait. */
#include "wf/hub.h"

#include "base/map.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { QUEUE_MAX = 256 };

struct packet {
    _Atomic unsigned refs;
    enum wf_hub_kind kind;
    int64_t seq;
    size_t event_n, text_n;
    char bytes[]; /* event, then text */
};

struct wf_watch {
    struct wf_hub *hub;
    struct shard *shard;
    Id run;
    _Atomic unsigned refs; /* the watcher's, the hub's, and of deliveries on their way */
    struct wf_watch *next; /* of the same run; under the hub's lock */
    /* From here on the watcher's shard alone. */
    bool gone, lagged;
    struct packet *queue[QUEUE_MAX];
    unsigned head, n;
    struct packet *current;
    struct wait_queue waiters;
};

struct wf_hub {
    uv_mutex_t lock;
    struct map *runs; /* id -> first watch */
    _Atomic unsigned watched;
};

struct delivery {
    struct wf_watch *watch;
    struct packet *packet;
};

static void packet_unref(struct packet *p)
{
    if (p && atomic_fetch_sub(&p->refs, 1) == 1)
        free(p);
}

static void watch_unref(struct wf_watch *w)
{
    if (atomic_fetch_sub(&w->refs, 1) == 1)
        free(w);
}

static Str key_of(const Id *run)
{
    return str_from((const char *)run->b, sizeof run->b);
}

struct wf_hub *wf_hub_new(void)
{
    struct wf_hub *hub = calloc(1, sizeof *hub);
    if (!hub || uv_mutex_init(&hub->lock))
        DIE("out of memory");
    hub->runs = map_new();
    return hub;
}

void wf_hub_free(struct wf_hub *hub)
{
    if (!hub)
        return;
    if (map_count(hub->runs))
        DIE("the hub is freed while runs are watched");
    map_free(hub->runs, NULL);
    uv_mutex_destroy(&hub->lock);
    free(hub);
}

bool wf_hub_watched(struct wf_hub *hub, Id run)
{
    if (atomic_load_explicit(&hub->watched, memory_order_relaxed) == 0)
        return false;
    uv_mutex_lock(&hub->lock);
    bool watched = map_get(hub->runs, key_of(&run)) != NULL;
    uv_mutex_unlock(&hub->lock);
    return watched;
}

static void deliver(void *arg)
{
    struct delivery *d = arg;
    struct wf_watch *w = d->watch;

    if (w->gone) {
        packet_unref(d->packet);
    } else if (w->n == QUEUE_MAX) {
        w->lagged = true;
        packet_unref(d->packet);
    } else {
        w->queue[(w->head + w->n++) % QUEUE_MAX] = d->packet;
    }
    wait_queue_wake_all(&w->waiters, OK);
    watch_unref(w);
    free(d);
}

void wf_hub_publish(struct wf_hub *hub, Id run, enum wf_hub_kind kind, int64_t seq, Str event,
                    Str text)
{
    if (atomic_load_explicit(&hub->watched, memory_order_relaxed) == 0)
        return;
    struct packet *p = malloc(sizeof *p + event.n + text.n);
    if (!p)
        DIE("out of memory");
    atomic_init(&p->refs, 1);
    p->kind = kind;
    p->seq = seq;
    p->event_n = event.n;
    p->text_n = text.n;
    if (event.n)
        memcpy(p->bytes, event.p, event.n);
    if (text.n)
        memcpy(p->bytes + event.n, text.p, text.n);

    uv_mutex_lock(&hub->lock);
    for (struct wf_watch *w = map_get(hub->runs, key_of(&run)); w; w = w->next) {
        struct delivery *d = malloc(sizeof *d);
        if (!d)
            DIE("out of memory");
        atomic_fetch_add(&p->refs, 1);
        atomic_fetch_add(&w->refs, 1);
        *d = (struct delivery){w, p};
        shard_post(w->shard, deliver, d);
    }
    uv_mutex_unlock(&hub->lock);
    packet_unref(p);
}

struct wf_watch *wf_watch_new(struct wf_hub *hub, Id run)
{
    struct wf_watch *w = calloc(1, sizeof *w);
    if (!w)
        DIE("out of memory");
    w->hub = hub;
    w->shard = shard_self();
    w->run = run;
    atomic_init(&w->refs, 1);
    uv_mutex_lock(&hub->lock);
    w->next = map_put(hub->runs, key_of(&run), w);
    uv_mutex_unlock(&hub->lock);
    atomic_fetch_add(&hub->watched, 1);
    return w;
}

Err wf_watch_next(struct wf_watch *w, Usec deadline, struct wf_hub_message *ret_message)
{
    packet_unref(w->current);
    w->current = NULL;
    while (w->n == 0 && !w->lagged)
        TRY(wait_queue_wait(&w->waiters, deadline));
    if (w->lagged) {
        /* What is queued is older than what was dropped; the journal has it all. */
        while (w->n) {
            packet_unref(w->queue[w->head]);
            w->head = (w->head + 1) % QUEUE_MAX;
            w->n--;
        }
        w->lagged = false;
        *ret_message = (struct wf_hub_message){.kind = WF_HUB_LAGGED};
        return OK;
    }
    struct packet *p = w->queue[w->head];
    w->head = (w->head + 1) % QUEUE_MAX;
    w->n--;
    w->current = p;
    *ret_message = (struct wf_hub_message){p->kind, p->seq, str_from(p->bytes, p->event_n),
                                           str_from(p->bytes + p->event_n, p->text_n)};
    return OK;
}

static void unlink_watch(struct wf_watch *w)
{
    struct wf_hub *hub = w->hub;
    struct wf_watch *first;

    uv_mutex_lock(&hub->lock);
    first = map_get(hub->runs, key_of(&w->run));
    if (first == w) {
        (void)map_take(hub->runs, key_of(&w->run));
        if (w->next)
            (void)map_put(hub->runs, key_of(&w->run), w->next);
    } else {
        for (; first; first = first->next)
            if (first->next == w)
                first->next = w->next;
    }
    uv_mutex_unlock(&hub->lock);
    atomic_fetch_sub(&hub->watched, 1);
}

void wf_watch_free(struct wf_watch *w)
{
    if (!w)
        return;
    unlink_watch(w);
    w->gone = true;
    packet_unref(w->current);
    for (; w->n; w->n--) {
        packet_unref(w->queue[w->head]);
        w->head = (w->head + 1) % QUEUE_MAX;
    }
    watch_unref(w);
}
