/* src/rt/fiber.c - fibers: their life, the one way to wait, and groups of children.
 *
 * A fiber is entered from the loop of its shard only, never from another fiber: making one ready
 * puts it into a queue. So the order of events on a shard is the order of that queue, and no stack
 * ever holds another's frames.
 */
#include "rt/fiber.h"

#include "rt/log.h"
#include "rt/shard_private.h"

#include <stdlib.h>
#include <time.h>

enum { SPARE_MAX = 512 };

static const Usec HOLD_MAX = 20 * USEC_MS;

/* ---- life ---- */

struct fiber *fiber_self(void)
{
    return rt_shard ? rt_shard->running : NULL;
}

const char *fiber_name(const struct fiber *f)
{
    return f->name;
}

bool fiber_ended(const struct fiber *f)
{
    return f->ended;
}

size_t fiber_count(void)
{
    return rt_shard ? rt_shard->n_fibers : 0;
}

struct fiber *fiber_ref(struct fiber *f)
{
    f->refs++;
    return f;
}

void fiber_unref(struct fiber *f)
{
    if (!f || --f->refs)
        return;
    free(f->err);
    free(f);
}

/* A clock of 1-4 ms resolution that costs 5 ns: enough to see who held the loop for 20 ms. */
static Usec coarse_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (Usec)ts.tv_sec * USEC_S + ts.tv_nsec / 1000;
}

static Usec cpu_of(const struct rusage *u)
{
    return (Usec)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * USEC_S + u->ru_utime.tv_usec +
           u->ru_stime.tv_usec;
}

/* What this thread has used is a system call away: it is read once a tick, to tell a fiber that
 * computed or slept in a call from one that was there when the core was taken away. */
static void note_resume(struct shard *s)
{
    s->resumed_at = coarse_now();
    if (s->resumed_at != s->usage_at) {
        s->usage_at = s->resumed_at;
        getrusage(RUSAGE_THREAD, &s->usage);
    }
}

static void report_hold(struct shard *s, const struct fiber *f)
{
    Usec held = coarse_now() - s->resumed_at;
    struct rusage now;

    if (held <= HOLD_MAX)
        return;
    getrusage(RUSAGE_THREAD, &now);
    Usec computed = cpu_of(&now) - cpu_of(&s->usage);
    bool slept = now.ru_nvcsw != s->usage.ru_nvcsw;
    if (computed > HOLD_MAX || slept)
        LOG_WARN("a fiber held its loop", L_CSTR("fiber", f->name), L_INT("ms", held / USEC_MS),
                 L_CSTR("by", computed > HOLD_MAX ? "computing" : "sleeping in a call"));
}

static void make_ready(struct fiber *f)
{
    struct shard *s = f->shard;
    if (f->ready)
        return;
    f->ready = true;
    f->next_ready = NULL;
    if (s->ready_last)
        s->ready_last->next_ready = f;
    else
        s->ready_first = f;
    s->ready_last = f;
}

static void group_child_ended(struct fiber *f, Err e);

static void fiber_main(void *arg)
{
    struct fiber *f = arg;
    struct shard *s = f->shard;
    Err e = f->fn(f->arg);

    if (f->groups)
        DIE("fiber %s ended with an open group", f->name);
    if (f->member)
        group_child_ended(f, e);
    else if (e != OK && e != E_CANCELLED)
        LOG_ERROR("a fiber failed", L_CSTR("fiber", f->name), L_ERR(e));
    f->ended = true;
    if (f->awaited_by)
        wait_end(f->awaited_by, OK);
    coro_leave(&f->coro, &s->main, true);
}

struct fiber *fiber_create(struct shard *s, const char *name, fiber_fn *fn, void *arg)
{
    char *stack = coro_stack_take(&s->stacks);
    struct fiber *f = stack ? calloc(1, sizeof *f) : NULL;
    struct fiber *parent = s->running;

    if (!f)
        DIE("no memory for fiber %s; %zu run (vm.max_map_count, memory)", name, s->n_fibers);
    f->shard = s;
    f->name = name;
    f->fn = fn;
    f->arg = arg;
    f->deadline = USEC_NEVER;
    f->refs = 1;
    f->cancelled = s->stopping;
    f->coro.bottom = stack;
    f->coro.size = s->stacks.size;
    coro_prepare(&f->coro, fiber_main, f);
    if (parent && parent->request_id_n) {
        f->request_id_n = parent->request_id_n;
        memcpy(f->request_id, parent->request_id, parent->request_id_n);
    }
    f->next = s->fibers;
    if (s->fibers)
        s->fibers->prev = f;
    s->fibers = f;
    s->n_fibers++;
    make_ready(f);
    return f;
}

static void bury(struct shard *s, struct fiber *f)
{
    if (f->prev)
        f->prev->next = f->next;
    else
        s->fibers = f->next;
    if (f->next)
        f->next->prev = f->prev;
    s->n_fibers--;
#ifdef HEDDLE_DEBUG
    size_t depth = coro_stack_depth(&f->coro);
    if (depth > f->coro.size / 4 * 3)
        LOG_WARN("a fiber used most of its stack", L_CSTR("fiber", f->name), L_INT("bytes", depth));
#endif
    coro_forget(&f->coro);
    coro_stack_give(&s->stacks, f->coro.bottom);
    fiber_unref(f);
}

void fiber_start(const char *name, fiber_fn *fn, void *arg)
{
    (void)fiber_create(rt_shard, name, fn, arg);
}

struct fiber *fiber_start_ref(const char *name, fiber_fn *fn, void *arg)
{
    return fiber_ref(fiber_create(rt_shard, name, fn, arg));
}

/* ---- running ---- */

static void enter(struct shard *s, struct fiber *f)
{
    struct err_record *former;

    f->ready = false;
    f->trimmed = false;
    s->running = f;
    atomic_store_explicit(&s->running_name, f->name, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->turns, 1, memory_order_relaxed);
    s->err.code = OK;
    former = err_record_swap(f->err ? f->err : &s->err);
    note_resume(s);

    coro_enter(&s->main, &f->coro);

    /* Most fibers never fail: a record of their own is made for those that wait with one. */
    if (!f->ended && !f->err && s->err.code != OK) {
        f->err = malloc(sizeof *f->err);
        if (f->err)
            *f->err = s->err;
    }
    err_record_swap(former);
    s->running = NULL;
    atomic_store_explicit(&s->running_name, NULL, memory_order_relaxed);
    report_hold(s, f);
    if (f->ended) {
        bury(s, f);
    } else if (f->trim) {
        f->trim = false;
        coro_trim(&f->coro);
    }
}

void fibers_run_ready(struct shard *s)
{
    struct fiber *last = s->ready_last;

    /* Those made ready meanwhile, by pausing or by each other, have their turn after the next poll.
     */
    while (last) {
        struct fiber *f = s->ready_first;
        bool was_last = f == last;
        s->ready_first = f->next_ready;
        if (!s->ready_first)
            s->ready_last = NULL;
        enter(s, f);
        if (was_last)
            break;
    }
}

void fibers_cancel_all(struct shard *s)
{
    for (struct fiber *f = s->fibers; f; f = f->next)
        fiber_cancel(f);
}

void fibers_sweep(struct shard *s)
{
    /* A fiber that has waited for a whole sweep gives back the stack pages it is not using. */
    s->sweeps++;
    for (struct fiber *f = s->fibers; f; f = f->next) {
        if (f->waiting && !f->ready && !f->trimmed && s->sweeps - f->parked_turn >= 2) {
            coro_trim(&f->coro);
            f->trimmed = true;
        }
    }
}

void fibers_done(struct shard *s)
{
    if (s->n_fibers)
        DIE("shard %u ended with %zu fibers, first %s", s->index, s->n_fibers, s->fibers->name);
}

/* ---- waiting ---- */

void wait_init(struct wait *w)
{
    *w = (struct wait){.fiber = rt_shard ? rt_shard->running : NULL};
    if (!w->fiber)
        DIE("a wait outside of a fiber");
}

static void on_deadline(struct timer *t)
{
    struct fiber *f = (struct fiber *)((char *)t - offsetof(struct fiber, timer));
    f->timed_out = true;
    make_ready(f);
}

static void park(struct fiber *f)
{
    struct shard *s = f->shard;
    if (s->no_yield)
        DIE("fiber %s yields in a section that must not", f->name);
    f->parked_turn = s->sweeps;
    coro_leave(&f->coro, &s->main, false);
}

/* wait_for without a word in the error record. */
static Err wait_quietly(struct wait *w, Usec deadline)
{
    struct fiber *f = w->fiber;

    if (w->ended)
        return w->result;
    if (!f->shield) {
        if (f->cancelled)
            return E_CANCELLED;
        deadline = usec_min(deadline, f->deadline);
    }
    f->timed_out = false;
    if (deadline != USEC_NEVER)
        timer_start(&f->timer, deadline, on_deadline);
    f->waiting = w;
    do {
        park(f);
    } while (!w->ended && !f->timed_out && (f->shield || !f->cancelled));
    f->waiting = NULL;
    timer_stop(&f->timer);
    if (w->ended)
        return w->result;
    return f->cancelled && !f->shield ? E_CANCELLED : E_TIMEOUT;
}

Err wait_for(struct wait *w, Usec deadline)
{
    Err e = wait_quietly(w, deadline);
    if (w->ended || e == OK)
        return e;
    return err_set(e, e == E_CANCELLED ? "%s was cancelled" : "%s waited until its deadline",
                   w->fiber->name);
}

void wait_end(struct wait *w, Err result)
{
    if (w->ended)
        return;
    w->ended = true;
    w->result = result;
    if (w->fiber->waiting == w)
        make_ready(w->fiber);
}

void bell_ring(struct bell *b)
{
    b->rung = true;
    if (b->listener)
        wait_end(b->listener, OK);
}

Err bell_wait(struct bell *b, Usec deadline)
{
    Err e = OK;

    if (!b->rung) {
        struct wait w;
        wait_init(&w);
        b->listener = &w;
        e = wait_for(&w, deadline);
        b->listener = NULL;
    }
    b->rung = false;
    return e;
}

static void end_posted(void *arg)
{
    struct wait *w = arg;
    wait_end(w, w->result);
}

void wait_end_from(struct shard *s, struct wait *w, Err result)
{
    w->result = result; /* the waiter reads it after the message, which orders the two */
    shard_post(s, end_posted, w);
}

void fiber_cancel(struct fiber *f)
{
    if (f->ended || f->cancelled)
        return;
    f->cancelled = true;
    for (struct fiber_group *g = f->groups; g; g = g->next)
        fiber_group_cancel(g);
    if (f->waiting && !f->shield)
        make_ready(f);
}

void fiber_end(struct fiber *f)
{
    struct wait w;

    if (!f)
        return;
    fiber_cancel(f);
    if (!f->ended) {
        wait_init(&w);
        f->awaited_by = &w;
        fiber_shield();
        Err e = wait_for(&w, USEC_NEVER);
        (void)e; /* shielded and without a deadline: it ends when the fiber does */
        fiber_unshield();
    }
    fiber_unref(f);
}

bool fiber_cancelled(void)
{
    return rt_shard->running->cancelled;
}

void fiber_shield(void)
{
    rt_shard->running->shield++;
}

void fiber_unshield(void)
{
    if (rt_shard->running->shield-- == 0)
        DIE("a shield was taken off that was not on");
}

Usec fiber_deadline(void)
{
    return rt_shard->running->deadline;
}

Usec fiber_deadline_set(Usec deadline)
{
    struct fiber *f = rt_shard->running;
    Usec former = f->deadline;
    f->deadline = deadline;
    return former;
}

static Err cancelled_or_ok(struct fiber *f)
{
    if (f->cancelled && !f->shield)
        return err_set(E_CANCELLED, "%s was cancelled", f->name);
    return OK;
}

Err fiber_pause(void)
{
    struct fiber *f = rt_shard->running;
    make_ready(f);
    park(f);
    return cancelled_or_ok(f);
}

Err fiber_breathe(void)
{
    struct fiber *f = rt_shard->running;
    /* By the same clock that noted the start: the exact one would run up to a tick ahead of it, and
     * every call would pause. */
    if (coarse_now() - rt_shard->resumed_at < USEC_MS)
        return cancelled_or_ok(f);
    return fiber_pause();
}

Err fiber_sleep(Usec span)
{
    struct wait w;
    wait_init(&w);
    Usec until = usec_in(span);
    Usec own = w.fiber->shield ? USEC_NEVER : w.fiber->deadline;
    Err e = wait_quietly(&w, until);
    if (e == E_TIMEOUT && until <= own)
        return OK; /* its own end is no failure; the fiber's deadline coming first is */
    return err_set(e, "%s was woken from its sleep", w.fiber->name);
}

void fiber_request_id_set(Str id)
{
    struct fiber *f = rt_shard->running;
    f->request_id_n = (uint8_t)(id.n < REQUEST_ID_MAX ? id.n : REQUEST_ID_MAX);
    if (f->request_id_n)
        memcpy(f->request_id, id.p, f->request_id_n);
}

Str fiber_request_id(void)
{
    struct fiber *f = fiber_self();
    return f ? (Str){f->request_id, f->request_id_n} : S("");
}

size_t fiber_stack_used(const struct fiber *f)
{
    return coro_stack_depth(&f->coro);
}

void fiber_trim(void)
{
    rt_shard->running->trim = true;
}

void fiber_no_yield(int change)
{
    if (rt_shard)
        rt_shard->no_yield += change;
}

/* ---- queues and the mutex ---- */

struct wait_node {
    struct wait wait;
    struct wait_node *next, *prev;
    bool queued;
};

static void queue_remove(struct wait_queue *q, struct wait_node *n)
{
    if (!n->queued)
        return;
    if (n->prev)
        n->prev->next = n->next;
    else
        q->first = n->next;
    if (n->next)
        n->next->prev = n->prev;
    else
        q->last = n->prev;
    n->queued = false;
}

Err wait_queue_wait(struct wait_queue *q, Usec deadline)
{
    struct wait_node n = {.queued = true};

    wait_init(&n.wait);
    n.prev = q->last;
    if (q->last)
        q->last->next = &n;
    else
        q->first = &n;
    q->last = &n;
    Err e = wait_for(&n.wait, deadline);
    queue_remove(q, &n);
    return e;
}

bool wait_queue_wake(struct wait_queue *q, Err result)
{
    struct wait_node *n = q->first;
    if (!n)
        return false;
    queue_remove(q, n);
    wait_end(&n->wait, result);
    return true;
}

void wait_queue_wake_all(struct wait_queue *q, Err result)
{
    while (wait_queue_wake(q, result))
        ;
}

bool wait_queue_is_empty(const struct wait_queue *q)
{
    return q->first == NULL;
}

Err fiber_mutex_lock(struct fiber_mutex *m)
{
    struct fiber *f = rt_shard->running;

    if (!f)
        DIE("a mutex of fibers is locked outside of one");
    if (!m->owner && wait_queue_is_empty(&m->waiters)) {
        m->owner = f;
        return OK;
    }
    if (m->owner == f)
        DIE("fiber %s locks a mutex that it holds", f->name);
    /* The one that unlocks hands the mutex over, before this fiber runs. */
    struct wait_node n = {.queued = true};
    wait_init(&n.wait);
    n.prev = m->waiters.last;
    if (n.prev)
        n.prev->next = &n;
    else
        m->waiters.first = &n;
    m->waiters.last = &n;
    Err e = wait_for(&n.wait, USEC_NEVER);
    queue_remove(&m->waiters, &n);
    return e;
}

void fiber_mutex_unlock(struct fiber_mutex *m)
{
    if (m->owner != rt_shard->running)
        DIE("a mutex is unlocked by a fiber that does not hold it");
    m->owner = m->waiters.first ? m->waiters.first->wait.fiber : NULL;
    wait_queue_wake(&m->waiters, OK);
}

/* ---- groups ---- */

void fiber_group_init(struct fiber_group *g, size_t limit, bool fail_fast)
{
    struct fiber *f = fiber_self();
    if (!f)
        DIE("a group outside of a fiber");
    *g = (struct fiber_group){.parent = f, .limit = limit, .fail_fast = fail_fast};
    g->next = f->groups;
    f->groups = g;
}

Err fiber_group_start(struct fiber_group *g, const char *name, fiber_fn *fn, void *arg)
{
    struct fiber *parent = g->parent;

    if (parent != rt_shard->running)
        DIE("a group is used by a fiber that does not own it");
    while (g->limit && g->running >= g->limit)
        TRY(wait_queue_wait(&g->slot, USEC_NEVER));
    TRY(cancelled_or_ok(parent));
    struct fiber *f = fiber_create(parent->shard, name, fn, arg);
    f->deadline = parent->deadline;
    f->member = g;
    f->sib_next = g->children;
    if (g->children)
        g->children->sib_prev = f;
    g->children = f;
    g->running++;
    if (g->fail_fast && g->first_error != OK)
        fiber_cancel(f);
    return OK;
}

static void group_child_ended(struct fiber *f, Err e)
{
    struct fiber_group *g = f->member;

    if (f->sib_prev)
        f->sib_prev->sib_next = f->sib_next;
    else
        g->children = f->sib_next;
    if (f->sib_next)
        f->sib_next->sib_prev = f->sib_prev;
    f->member = NULL;
    if (e != OK && g->first_error == OK) {
        g->first_error = e;
        g->error = malloc(sizeof *g->error);
        if (g->error)
            *g->error = *err_record();
        if (g->fail_fast)
            fiber_group_cancel(g);
    }
    g->running--;
    wait_queue_wake(&g->slot, OK);
    if (g->running == 0 && g->join)
        wait_end(g->join, OK);
}

void fiber_group_cancel(struct fiber_group *g)
{
    for (struct fiber *f = g->children; f; f = f->sib_next)
        fiber_cancel(f);
}

static Err wait_children(struct fiber_group *g)
{
    struct wait w;

    if (g->running == 0)
        return OK;
    wait_init(&w);
    g->join = &w;
    Err e = wait_for(&w, USEC_NEVER);
    g->join = NULL;
    return e;
}

static void wait_children_shielded(struct fiber_group *g)
{
    fiber_shield();
    Err e = wait_children(g);
    fiber_unshield();
    if (e != OK)
        DIE("a shielded wait for children ended with %s", err_name(e));
}

Err fiber_group_join(struct fiber_group *g)
{
    Err e = wait_children(g);
    if (e != OK) {
        fiber_group_cancel(g);
        wait_children_shielded(g);
        return err_set(e, "%s stopped waiting for its children", g->parent->name);
    }
    if (g->first_error != OK && g->error)
        *err_record() = *g->error;
    return g->first_error;
}

void fiber_group_done(struct fiber_group *g)
{
    struct fiber_group **at = &g->parent->groups;

    fiber_group_cancel(g);
    wait_children_shielded(g);
    while (*at && *at != g)
        at = &(*at)->next;
    if (*at)
        *at = g->next;
    free(g->error);
    g->error = NULL;
}
