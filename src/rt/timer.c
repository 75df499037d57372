/* src/rt/timer.c - a four-ary heap of timers under one uv timer.
 *
 * Four children a node keep the heap shallow and a family within one cache line. The uv timer is
 * moved only when the new earliest is earlier than what it is set to: it may fire for nothing,
 * cheaply.
 */
#include "rt/shard_private.h"

#include <stdlib.h>

static void place(struct shard *s, size_t i, struct timer_slot slot)
{
    s->heap[i] = slot;
    slot.timer->slot = (uint32_t)i + 1;
}

static void sift_up(struct shard *s, size_t i, struct timer_slot slot)
{
    while (i > 0) {
        size_t parent = (i - 1) / 4;
        if (s->heap[parent].at <= slot.at)
            break;
        place(s, i, s->heap[parent]);
        i = parent;
    }
    place(s, i, slot);
}

static void sift_down(struct shard *s, size_t i, struct timer_slot slot)
{
    for (;;) {
        size_t first = i * 4 + 1, best = i;
        Usec at = slot.at;
        for (size_t c = first; c < first + 4 && c < s->heap_n; c++) {
            if (s->heap[c].at < at) {
                at = s->heap[c].at;
                best = c;
            }
        }
        if (best == i)
            break;
        place(s, i, s->heap[best]);
        i = best;
    }
    place(s, i, slot);
}

static void arm(struct shard *s);

static void on_alarm(uv_timer_t *alarm)
{
    struct shard *s = alarm->data;
    Usec now = time_mono();

    s->alarm_at = USEC_NEVER;
    while (s->heap_n && s->heap[0].at <= now) {
        struct timer *t = s->heap[0].timer;
        timer_stop(t);
        t->fn(t);
    }
    arm(s);
}

static void arm(struct shard *s)
{
    if (s->heap_n == 0 || s->heap[0].at >= s->alarm_at)
        return;
    Usec left = s->heap[0].at - time_mono();
    uint64_t ms = left <= 0 ? 0 : (uint64_t)(left + USEC_MS - 1) / (uint64_t)USEC_MS;

    s->alarm_at = s->heap[0].at;
    /* uv counts from its cached time; what it lags is added by the alarm firing for nothing once.
     */
    uv_update_time(&s->loop);
    uv_timer_start(&s->alarm, on_alarm, ms, 0);
}

void timer_start(struct timer *t, Usec deadline, void (*fn)(struct timer *t))
{
    struct shard *s = rt_shard;
    struct timer_slot slot = {deadline, t};

    t->at = deadline;
    t->fn = fn;
    if (t->slot) {
        size_t i = t->slot - 1;
        if (i > 0 && s->heap[(i - 1) / 4].at > deadline)
            sift_up(s, i, slot);
        else
            sift_down(s, i, slot);
    } else {
        if (s->heap_n == s->heap_cap) {
            s->heap_cap = s->heap_cap ? s->heap_cap * 2 : 64;
            s->heap = realloc(s->heap, s->heap_cap * sizeof *s->heap);
            if (!s->heap)
                DIE("out of memory");
        }
        sift_up(s, s->heap_n++, slot);
    }
    arm(s);
}

void timer_stop(struct timer *t)
{
    struct shard *s = rt_shard;
    if (!t->slot)
        return;
    size_t i = t->slot - 1;
    t->slot = 0;
    struct timer_slot last = s->heap[--s->heap_n];
    if (i == s->heap_n)
        return;
    if (i > 0 && s->heap[(i - 1) / 4].at > last.at)
        sift_up(s, i, last);
    else
        sift_down(s, i, last);
}

void timers_init(struct shard *s)
{
    s->alarm_at = USEC_NEVER;
    s->alarm.data = s;
}

void timers_done(struct shard *s)
{
    free(s->heap);
    s->heap = NULL;
    s->heap_n = s->heap_cap = 0;
}
