/* src/rt/shard_private.h - the inside of a shard and of a fiber, for the files of rt alone. */
#ifndef RT_SHARD_PRIVATE_H
#define RT_SHARD_PRIVATE_H

#include "rt/context.h"
#include "rt/fiber.h"
#include "rt/timer.h"

#include <stdatomic.h>
#include <sys/resource.h>

enum { REQUEST_ID_MAX = 40 };

struct fiber {
    struct coro coro;
    struct shard *shard;
    const char *name;
    fiber_fn *fn;
    void *arg;

    struct fiber *next_ready;
    struct fiber *next, *prev; /* all fibers of the shard */
    struct wait *waiting;
    struct wait *awaited_by; /* of fiber_end() */
    struct timer timer;      /* the deadline of the present wait */
    Usec deadline;
    uint32_t parked_turn; /* when it began to wait, in sweeps */
    uint32_t refs;
    unsigned shield;
    bool ready, cancelled, ended, timed_out, trimmed, trim;

    struct fiber_group *groups; /* whose parent it is */
    struct fiber_group *member; /* whose child it is */
    struct fiber *sib_next, *sib_prev;

    struct err_record *err; /* NULL until it must be kept across a wait */
    uint8_t request_id_n;
    char request_id[REQUEST_ID_MAX];
};

struct message {
    void (*fn)(void *arg);
    void *arg;
};

struct message_list {
    struct message *at;
    size_t n, cap;
};

struct timer_slot {
    Usec at;
    struct timer *timer;
};

struct shard {
    unsigned index;
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t alarm;
    uv_timer_t sweep;

    struct coro main; /* the loop's own stack */
    struct coro_stacks stacks;
    struct fiber *running;
    struct fiber *ready_first, *ready_last;
    struct fiber *fibers;
    struct fiber *spare; /* structs of ended fibers, with their stacks */
    size_t n_fibers, n_spare;
    struct err_record err; /* of the running fiber, until it has one of its own */
    uint32_t sweeps;
    Usec resumed_at;     /* coarse clock */
    Usec usage_at;       /* the coarse time when usage was read */
    struct rusage usage; /* of this thread */
    _Atomic(const char *) running_name;
    _Atomic uint64_t turns;
    int no_yield;

    struct timer_slot *heap; /* four-ary, the earliest first */
    size_t heap_n, heap_cap;
    Usec alarm_at;

    struct message_list deferred;
    uv_mutex_t inbox_lock;
    struct message_list inbox; /* under inbox_lock */
    bool inbox_signalled;      /* likewise */

    struct metric_series *lag_series, *fiber_series;
    Usec sweep_due;

    struct message_list on_stop;
    bool stopping, handles_closed;
};

extern _Thread_local struct shard *rt_shard;

void message_list_add(struct message_list *l, void (*fn)(void *arg), void *arg);

/* fiber.c, for shard.c */
void fibers_run_ready(struct shard *s);
void fibers_cancel_all(struct shard *s);
void fibers_sweep(struct shard *s);
void fibers_done(struct shard *s);
struct fiber *fiber_create(struct shard *s, const char *name, fiber_fn *fn, void *arg);

/* timer.c, for shard.c */
void timers_init(struct shard *s);
void timers_done(struct shard *s);

/* work.c, for shard.c */
void work_pool_start(unsigned threads);
void work_pool_stop(void);

#endif
