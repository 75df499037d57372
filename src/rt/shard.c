/* src/rt/shard.c - shards: their threads, loops and messages, and the life of the runtime.
 *
 * A turn of the loop is: timers, messages and sockets call back and make fibers ready; then all
 * that are ready run, once; then the loop polls. A fiber that pauses is ready again for the next
 * turn.
 */
#include "rt/shard_private.h"

#include "rt/log.h"
#include "rt/metric.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SWEEP_MS = 2000 };

static struct metric loop_lag = {"heddle_loop_lag_seconds",
                                 "How late a loop was to a timer of its own, looked at every 2 s.",
                                 METRIC_HISTOGRAM, "shard"};
static struct metric fibers_gauge = {"heddle_fibers", "Fibers of each shard.", METRIC_GAUGE,
                                     "shard"};

_Thread_local struct shard *rt_shard;

static struct shard *shards;
static unsigned n_shards;
static uv_thread_t monitor_thread;
static uv_mutex_t monitor_lock;
static uv_cond_t monitor_wake;
static bool monitor_stopping; /* under monitor_lock */

struct shard *shard_self(void)
{
    return rt_shard;
}

unsigned shard_count(void)
{
    return n_shards;
}

struct shard *shard_at(unsigned i)
{
    return &shards[i];
}

unsigned shard_index(const struct shard *s)
{
    return s->index;
}

uv_loop_t *shard_loop(void)
{
    return &rt_shard->loop;
}

Usec shard_now(void)
{
    return time_mono();
}

void message_list_add(struct message_list *l, void (*fn)(void *arg), void *arg)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->at = realloc(l->at, l->cap * sizeof *l->at);
        if (!l->at)
            DIE("out of memory");
    }
    l->at[l->n++] = (struct message){fn, arg};
}

void shard_post(struct shard *s, void (*fn)(void *arg), void *arg)
{
    uv_mutex_lock(&s->inbox_lock);
    message_list_add(&s->inbox, fn, arg);
    bool signal = !s->inbox_signalled;
    s->inbox_signalled = true;
    uv_mutex_unlock(&s->inbox_lock);
    if (signal)
        uv_async_send(&s->wake);
}

void shard_defer(void (*fn)(void *arg), void *arg)
{
    message_list_add(&rt_shard->deferred, fn, arg);
}

void shard_on_stop(void (*fn)(void *arg), void *arg)
{
    message_list_add(&rt_shard->on_stop, fn, arg);
}

struct start_message {
    const char *name;
    fiber_fn *fn;
    void *arg;
};

static void start_here(void *arg)
{
    struct start_message *m = arg;
    fiber_start(m->name, m->fn, m->arg);
    free(m);
}

void shard_start(struct shard *s, const char *name, fiber_fn *fn, void *arg)
{
    struct start_message *m = malloc(sizeof *m);
    if (!m)
        DIE("out of memory");
    *m = (struct start_message){name, fn, arg};
    shard_post(s, start_here, m);
}

static void take_messages(struct shard *s)
{
    uv_mutex_lock(&s->inbox_lock);
    struct message_list got = s->inbox;
    s->inbox = (struct message_list){0};
    s->inbox_signalled = false;
    uv_mutex_unlock(&s->inbox_lock);
    for (size_t i = 0; i < got.n; i++)
        got.at[i].fn(got.at[i].arg);
    free(got.at);
}

static void on_wake(uv_async_t *wake)
{
    take_messages(wake->data);
}

static void run_deferred(struct shard *s)
{
    /* A deferred call may defer again: the list may move and grow meanwhile. */
    for (size_t i = 0; i < s->deferred.n; i++) {
        struct message m = s->deferred.at[i];
        m.fn(m.arg);
    }
    s->deferred.n = 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void stop_when_empty(struct shard *s)
{
    if (!s->stopping || s->n_fibers || s->handles_closed || s->ready_first)
        return;
    s->handles_closed = true;
    for (size_t i = s->on_stop.n; i > 0; i--)
        s->on_stop.at[i - 1].fn(s->on_stop.at[i - 1].arg);
    uv_walk(&s->loop, close_handle, NULL);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is all: the loop does not block in poll */
}

static void turn(struct shard *s)
{
    fibers_run_ready(s);
    run_deferred(s);
    if (s->ready_first)
        uv_idle_start(&s->idle, on_idle);
    else
        uv_idle_stop(&s->idle);
    stop_when_empty(s);
}

static void on_prepare(uv_prepare_t *prepare)
{
    turn(prepare->data);
}

static void on_check(uv_check_t *check)
{
    turn(check->data);
}

/* How late the loop is to a timer of its own tells how late it is to everything. */
static void note_lag(struct shard *s)
{
    Usec now = time_mono();
    char label[12];

    if (!s->lag_series) {
        snprintf(label, sizeof label, "%u", s->index);
        s->lag_series = metric_series(&loop_lag, label);
        s->fiber_series = metric_series(&fibers_gauge, label);
    }
    if (s->sweep_due)
        metric_observe(s->lag_series, (double)usec_max(now - s->sweep_due, 0) / USEC_S);
    metric_set(s->fiber_series, (int64_t)s->n_fibers);
    s->sweep_due = now + SWEEP_MS * USEC_MS;
}

static void on_sweep(uv_timer_t *timer)
{
    note_lag(timer->data);
    fibers_sweep(timer->data);
}

static void shard_init(struct shard *s, unsigned index, size_t stack)
{
    s->index = index;
    s->stacks.size = stack;
    if (uv_loop_init(&s->loop) || uv_mutex_init(&s->inbox_lock))
        DIE("cannot make an event loop: too many open files?");
    s->loop.data = s;
    uv_async_init(&s->loop, &s->wake, on_wake);
    uv_prepare_init(&s->loop, &s->prepare);
    uv_check_init(&s->loop, &s->check);
    uv_idle_init(&s->loop, &s->idle);
    uv_timer_init(&s->loop, &s->alarm);
    uv_timer_init(&s->loop, &s->sweep);
    s->wake.data = s->prepare.data = s->check.data = s->idle.data = s->sweep.data = s;
    timers_init(s);
}

static void shard_run(struct shard *s)
{
    rt_shard = s;
    uv_prepare_start(&s->prepare, on_prepare);
    uv_check_start(&s->check, on_check);
    uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)&s->sweep);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    take_messages(s); /* posted while the handles closed */
    run_deferred(s);
    fibers_done(s);
    rt_shard = NULL;
}

static void shard_done(struct shard *s)
{
    if (uv_loop_close(&s->loop) != 0)
        LOG_ERROR("a shard ended with open handles", L_INT("shard", s->index));
    uv_mutex_destroy(&s->inbox_lock);
    timers_done(s);
    coro_stacks_done(&s->stacks);
    free(s->inbox.at);
    free(s->deferred.at);
    free(s->on_stop.at);
}

static void shard_thread(void *arg)
{
    shard_run(arg);
}

/* Names a fiber that does not give the loop back at all. The loop itself reports what came back
 * late. */
static void monitor(void *arg)
{
    uint64_t seen[64] = {0};

    (void)arg;
    uv_mutex_lock(&monitor_lock);
    while (!monitor_stopping) {
        uv_cond_timedwait(&monitor_wake, &monitor_lock, 1000000000);
        for (unsigned i = 0; i < n_shards && i < ARRAY_LEN(seen); i++) {
            uint64_t turns = atomic_load_explicit(&shards[i].turns, memory_order_relaxed);
            const char *name = atomic_load_explicit(&shards[i].running_name, memory_order_relaxed);
            if (name && turns == seen[i])
                LOG_ERROR("a fiber holds its loop for more than a second", L_CSTR("fiber", name),
                          L_INT("shard", i));
            seen[i] = turns;
        }
    }
    uv_mutex_unlock(&monitor_lock);
}

static void monitor_begin(void)
{
    monitor_stopping = false;
    uv_mutex_init(&monitor_lock);
    uv_cond_init(&monitor_wake);
    uv_thread_create(&monitor_thread, monitor, NULL);
}

static void monitor_end(void)
{
    uv_mutex_lock(&monitor_lock);
    monitor_stopping = true;
    uv_cond_signal(&monitor_wake);
    uv_mutex_unlock(&monitor_lock);
    uv_thread_join(&monitor_thread);
    uv_cond_destroy(&monitor_wake);
    uv_mutex_destroy(&monitor_lock);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

unsigned rt_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

struct boot {
    fiber_fn *fn;
    void *arg;
    Err result;
    struct err_record record;
};

static void stop_shard(void *arg)
{
    struct shard *s = arg;
    s->stopping = true;
    fibers_cancel_all(s);
}

static Err boot_fiber(void *arg)
{
    struct boot *b = arg;
    b->result = b->fn(b->arg);
    b->record = *err_record();
    for (unsigned i = 0; i < n_shards; i++)
        shard_post(&shards[i], stop_shard, &shards[i]);
    return OK;
}

Err rt_main(const struct rt_options *options, fiber_fn *fn, void *arg)
{
    struct boot *boot = calloc(1, sizeof *boot);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t stack = options->stack ? (options->stack + page - 1) / page * page : KIB(128);

    if (!boot)
        DIE("out of memory");
    *boot = (struct boot){.fn = fn, .arg = arg};
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    n_shards = options->shards ? options->shards : rt_cores();
    shards = calloc(n_shards, sizeof *shards);
    if (!shards)
        DIE("out of memory");
    for (unsigned i = 0; i < n_shards; i++)
        shard_init(&shards[i], i, stack);
    work_pool_start(options->workers ? options->workers : 4);
    monitor_begin();

    shard_start(&shards[0], "boot", boot_fiber, boot);
    for (unsigned i = 1; i < n_shards; i++)
        uv_thread_create(&shards[i].thread, shard_thread, &shards[i]);
    shard_run(&shards[0]);
    for (unsigned i = 1; i < n_shards; i++)
        uv_thread_join(&shards[i].thread);

    work_pool_stop();
    monitor_end();
    for (unsigned i = 0; i < n_shards; i++)
        shard_done(&shards[i]);
    free(shards);
    shards = NULL;
    n_shards = 0;
    Err result = boot->result;
    if (result != OK)
        *err_record() = boot->record;
    free(boot);
    return result;
}
