/* src/rt/fiber_test.c - what callers rely on: order, deadlines, cancellation, children, other
 * threads. */
#include "rt/chan.h"
#include "rt/test_rt.h"
#include "rt/timer.h"
#include "rt/work.h"

#include <stdlib.h>

static char trace[64];
static size_t trace_n;

static void note(char c)
{
    if (trace_n < sizeof trace - 1)
        trace[trace_n++] = c;
    trace[trace_n] = 0;
}

static void trace_reset(void)
{
    trace_n = 0;
    trace[0] = 0;
}

static Err note_twice(void *arg)
{
    note(*(char *)arg);
    TRY(fiber_pause());
    note(*(char *)arg);
    return OK;
}

TEST_FIBER(fibers_take_turns_in_the_order_they_were_started)
{
    char a = 'a', b = 'b';
    trace_reset();
    FIBER_GROUP(g, 0, true);
    t_expect_ok(fiber_group_start(&g, "a", note_twice, &a));
    t_expect_ok(fiber_group_start(&g, "b", note_twice, &b));
    t_expect_ok(fiber_group_join(&g));
    t_expect_str(str_c(trace), S("abab"));
}

TEST_FIBER(a_wait_ends_at_its_deadline)
{
    struct wait w;
    Usec start = time_mono();
    wait_init(&w);
    t_expect_err(wait_for(&w, usec_in(20 * USEC_MS)), E_TIMEOUT);
    t_expect(time_mono() - start >= 20 * USEC_MS);
}

TEST_FIBER(a_fibers_own_deadline_bounds_every_wait)
{
    struct wait w;
    Usec former = fiber_deadline_set(usec_in(10 * USEC_MS));
    wait_init(&w);
    t_expect_err(wait_for(&w, USEC_NEVER), E_TIMEOUT);
    t_expect_err(fiber_sleep(USEC_S), E_TIMEOUT);
    fiber_deadline_set(former);
    t_expect_ok(fiber_sleep(USEC_MS));
}

static Err wait_for_ever(void *arg)
{
    struct wait w;
    wait_init(&w);
    Err e = wait_for(&w, USEC_NEVER);
    *(Err *)arg = e;
    return e;
}

TEST_FIBER(cancelling_wakes_a_waiting_fiber_with_e_cancelled)
{
    Err seen = OK;
    AUTO(fiber) *f = fiber_start_ref("waiter", wait_for_ever, &seen);
    t_expect_ok(fiber_pause());
    t_expect(!fiber_ended(f));
    fiber_cancel(f);
    t_expect_ok(fiber_pause());
    t_expect(fiber_ended(f));
    t_expect_int(seen, E_CANCELLED);
}

static Err parent_of_waiter(void *arg)
{
    FIBER_GROUP(g, 0, true);
    TRY(fiber_group_start(&g, "child", wait_for_ever, arg));
    return fiber_group_join(&g);
}

TEST_FIBER(cancelling_a_parent_cancels_its_children_first)
{
    Err seen = OK;
    AUTO(fiber) *f = fiber_start_ref("parent", parent_of_waiter, &seen);
    t_expect_ok(fiber_sleep(USEC_MS));
    fiber_cancel(f);
    t_expect_ok(fiber_sleep(USEC_MS));
    t_expect(fiber_ended(f));
    t_expect_int(seen, E_CANCELLED);
}

static Err leave_without_join(void *arg)
{
    FIBER_GROUP(g, 0, true);
    TRY(fiber_group_start(&g, "child", wait_for_ever, arg));
    return fiber_pause(); /* the group is done at the end of the scope */
}

TEST_FIBER(leaving_the_scope_of_a_group_ends_its_children)
{
    Err seen = OK;
    AUTO(fiber) *f = fiber_start_ref("parent", leave_without_join, &seen);
    t_expect_ok(fiber_sleep(2 * USEC_MS));
    t_expect(fiber_ended(f));
    t_expect_int(seen, E_CANCELLED);
}

static Err shielded_sleep(void *arg)
{
    fiber_shield();
    Err e = fiber_sleep(10 * USEC_MS);
    *(Err *)arg = e;
    fiber_unshield();
    return fiber_sleep(USEC_S);
}

struct listening {
    struct bell bell;
    int heard;
    bool tidied;
};

static Err listen_on(void *arg)
{
    struct listening *l = arg;
    Err e;

    while ((e = bell_wait(&l->bell, USEC_NEVER)) == OK)
        l->heard++;
    fiber_shield();
    TRY(fiber_sleep(5 * USEC_MS)); /* whoever ends it waits for this, too */
    fiber_unshield();
    l->tidied = true;
    return e;
}

TEST_FIBER(a_ring_is_kept_until_it_was_heard_and_two_are_heard_once)
{
    struct listening l = {0};

    bell_ring(&l.bell); /* nobody listens yet */
    struct fiber *f = fiber_start_ref("listener", listen_on, &l);
    t_expect_ok(fiber_pause());
    t_expect_int(l.heard, 1);
    bell_ring(&l.bell);
    bell_ring(&l.bell);
    t_expect_ok(fiber_pause());
    t_expect_int(l.heard, 2);
    fiber_end(f);
    t_expect_int(l.heard, 2);
    struct bell silent = {0};
    t_expect_err(bell_wait(&silent, usec_in(5 * USEC_MS)), E_TIMEOUT);
}

TEST_FIBER(ending_a_fiber_waits_until_it_has_ended)
{
    struct listening l = {0};
    struct fiber *f = fiber_start_ref("listener", listen_on, &l);

    t_expect_ok(fiber_pause());
    fiber_end(f);
    t_expect(l.tidied);
    struct fiber *over = fiber_start_ref("note", note_twice, &(char){'x'});
    while (!fiber_ended(over))
        t_expect_ok(fiber_pause());
    fiber_end(over); /* it has ended before */
    fiber_end(NULL);
}

static Err end_the_other(void *arg)
{
    struct fiber **f = arg;

    fiber_end(*f);
    *f = NULL;
    return fiber_pause();
}

TEST_FIBER(ending_a_fiber_is_not_broken_off_by_ones_own_end)
{
    struct listening l = {0};
    struct fiber *f = fiber_start_ref("listener", listen_on, &l);
    struct fiber *ender = fiber_start_ref("ender", end_the_other, &f);

    t_expect_ok(fiber_pause());
    fiber_cancel(ender);
    while (!fiber_ended(ender))
        t_expect_ok(fiber_sleep(USEC_MS));
    t_expect(!f && l.tidied);
    fiber_unref(ender);
}

TEST_FIBER(a_shield_holds_cancellation_back_until_it_ends)
{
    Err seen = E_INTERNAL;
    Usec start = time_mono();
    AUTO(fiber) *f = fiber_start_ref("shielded", shielded_sleep, &seen);
    t_expect_ok(fiber_pause());
    fiber_cancel(f);
    while (!fiber_ended(f))
        t_expect_ok(fiber_sleep(USEC_MS));
    t_expect_int(seen, OK);
    t_expect(time_mono() - start >= 10 * USEC_MS && time_mono() - start < USEC_S);
}

static Err fail(void *arg)
{
    (void)arg;
    return err_set(E_CONNECT, "the %s is gone", "peer");
}

TEST_FIBER(the_first_error_of_a_child_cancels_the_others_and_keeps_its_text)
{
    Err seen = OK;
    FIBER_GROUP(g, 0, true);
    t_expect_ok(fiber_group_start(&g, "waiter", wait_for_ever, &seen));
    t_expect_ok(fiber_group_start(&g, "failer", fail, NULL));
    t_expect_err(fiber_group_join(&g), E_CONNECT);
    t_expect_str(str_c(err_text(E_CONNECT)), S("the peer is gone"));
    t_expect_int(seen, E_CANCELLED);
}

static int at_once, most_at_once;

static Err count_concurrency(void *arg)
{
    (void)arg;
    at_once++;
    if (at_once > most_at_once)
        most_at_once = at_once;
    Err e = fiber_sleep(USEC_MS);
    at_once--;
    return e;
}

TEST_FIBER(a_group_never_runs_more_than_its_limit)
{
    at_once = most_at_once = 0;
    FIBER_GROUP(g, 3, true);
    for (int i = 0; i < 20; i++)
        t_expect_ok(fiber_group_start(&g, "counted", count_concurrency, NULL));
    t_expect_ok(fiber_group_join(&g));
    t_expect_int(most_at_once, 3);
}

static Err set_and_wait_error(void *arg)
{
    (void)arg;
    (void)err_set(E_NOT_FOUND, "mine"); /* the record is what is tested */
    TRY(fiber_sleep(2 * USEC_MS));
    return str_eq(str_c(err_text(E_NOT_FOUND)), S("mine")) ? OK : E_INTERNAL;
}

TEST_FIBER(each_fiber_keeps_its_own_error_record_across_waits)
{
    FIBER_GROUP(g, 0, true);
    t_expect_ok(fiber_group_start(&g, "one", set_and_wait_error, NULL));
    t_expect_ok(fiber_group_start(&g, "two", fail, NULL));
    Err e = fiber_group_join(&g);
    t_expect_int(e, E_CONNECT);

    char x = 'x';
    FIBER_GROUP(h, 0, false);
    t_expect_ok(fiber_group_start(&h, "three", set_and_wait_error, NULL));
    for (int i = 0; i < 3; i++)
        t_expect_ok(fiber_group_start(&h, "four", note_twice, &x));
    t_expect_ok(fiber_group_join(&h));
}

static int in_section, violations;
static struct fiber_mutex mutex;

static Err enter_section(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        TRY(fiber_mutex_lock(&mutex));
        if (in_section++)
            violations++;
        (void)fiber_pause(); /* cannot be cancelled here */
        in_section--;
        fiber_mutex_unlock(&mutex);
    }
    return OK;
}

TEST_FIBER(a_mutex_lets_one_fiber_in_even_across_yields)
{
    violations = 0;
    FIBER_GROUP(g, 0, true);
    for (int i = 0; i < 8; i++)
        t_expect_ok(fiber_group_start(&g, "section", enter_section, NULL));
    t_expect_ok(fiber_group_join(&g));
    t_expect_int(violations, 0);
    t_expect(mutex.owner == NULL);
}

static Err produce(void *arg)
{
    static int items[100];
    for (int i = 0; i < 100; i++) {
        items[i] = i;
        TRY(chan_send(arg, &items[i], USEC_NEVER));
    }
    chan_close(arg);
    return OK;
}

TEST_FIBER(a_channel_gives_items_in_order_and_ends_after_close)
{
    AUTO(chan) *c = chan_new(3);
    void *item;
    int want = 0;
    FIBER_GROUP(g, 0, true);
    t_expect_ok(fiber_group_start(&g, "producer", produce, c));
    while (chan_recv(c, usec_in(USEC_S), &item) == OK)
        t_expect_int(*(int *)item, want++);
    t_expect_int(want, 100);
    t_expect_err(chan_recv(c, usec_in(USEC_S), &item), E_CLOSED);
    t_expect_ok(fiber_group_join(&g));
}

TEST_FIBER(a_full_channel_times_out_its_sender)
{
    AUTO(chan) *c = chan_new(1);
    int item;
    t_expect_ok(chan_send(c, &item, USEC_NEVER));
    t_expect_err(chan_send(c, &item, usec_in(5 * USEC_MS)), E_TIMEOUT);
    t_expect_int(chan_count(c), 1);
}

static Err square(void *arg)
{
    int *n = arg;
    *n *= *n;
    return *n > 50 ? err_set(E_RANGE, "%d is too much", *n) : OK;
}

TEST_FIBER(work_runs_elsewhere_and_brings_its_error_back)
{
    int n = 7;
    t_expect_ok(work_run(square, &n));
    t_expect_int(n, 49);
    t_expect_err(work_run(square, &n), E_RANGE);
    t_expect_str(str_c(err_text(E_RANGE)), S("2401 is too much"));
}

TEST_FIBER(a_file_is_read_by_the_pool_and_held_to_its_maximum)
{
    struct arena *a = t_arena();
    char path[300];
    Str content;
    snprintf(path, sizeof path, "%s/file", t_dir());
    FILE *f = fopen(path, "w");
    t_expect(f != NULL);
    fprintf(f, "hello");
    fclose(f);
    t_expect_ok(work_read_file(a, path, 5, &content));
    t_expect_str(content, S("hello"));
    t_expect_err(work_read_file(a, path, 4, &content), E_TOO_LARGE);
    t_expect_err(work_read_file(a, "/nonexistent/file", 4, &content), E_NOT_FOUND);
}

struct ping {
    struct wait *wait;
    struct shard *home;
    unsigned seen_on;
};

static Err answer(void *arg)
{
    struct ping *p = arg;
    p->seen_on = shard_index(shard_self());
    wait_end_from(p->home, p->wait, OK);
    return OK;
}

TEST_FIBER_ON(2, a_fiber_started_on_another_shard_runs_there_and_can_answer)
{
    for (int i = 0; i < 100; i++) {
        struct wait w;
        struct ping p = {&w, shard_self(), 99};
        wait_init(&w);
        shard_start(shard_at(1), "ping", answer, &p);
        fiber_shield();
        t_expect_ok(wait_for(&w, USEC_NEVER));
        fiber_unshield();
        t_expect_int(p.seen_on, 1);
    }
}

struct timed {
    struct timer timer;
    int order;
};
static int fired_order[200];
static int n_fired;

static void on_fire(struct timer *t)
{
    struct timed *x = (struct timed *)t;
    if (n_fired < 200)
        fired_order[n_fired++] = x->order;
}

TEST_FIBER(timers_fire_in_order_of_time_and_not_after_a_stop)
{
    static struct timed t[200];
    memset(t, 0, sizeof t);
    Usec base = usec_in(2 * USEC_MS);
    n_fired = 0;
    for (int i = 0; i < 200; i++) {
        t[i].order = (i * 73) % 200;
        timer_start(&t[i].timer, base + t[i].order * 20, on_fire);
    }
    for (int i = 0; i < 200; i++)
        if (t[i].order % 2)
            timer_stop(&t[i].timer);
    t_expect_ok(fiber_sleep(30 * USEC_MS));
    t_expect_int(n_fired, 100);
    for (int i = 0; i < 100; i++)
        t_expect_int(fired_order[i], i * 2);
}

TEST_FIBER(a_moved_timer_fires_at_its_new_time_only)
{
    struct timed x = {0};
    n_fired = 0;
    timer_start(&x.timer, usec_in(2 * USEC_MS), on_fire);
    Usec later = usec_in(30 * USEC_MS);
    timer_start(&x.timer, later, on_fire);
    t_expect_ok(fiber_sleep(10 * USEC_MS));
    t_expect(n_fired == 0 || time_mono() >= later); /* a busy machine sleeps long */
    t_expect_ok(fiber_sleep(40 * USEC_MS));
    t_expect_int(n_fired, 1);
}

static size_t ended;

static Err nap(void *arg)
{
    (void)arg;
    Err e = fiber_sleep(20 * USEC_MS);
    ended++;
    return e;
}

/* ThreadSanitizer keeps a thread's worth of state for each fiber, and has room for 8,000. */
#ifdef __SANITIZE_THREAD__
enum { MANY = 500 };
#else
enum { MANY = 10000 };
#endif

TEST_FIBER(ten_thousand_fibers_wait_at_once)
{
    ended = 0;
    FIBER_GROUP(g, 0, true);
    for (int i = 0; i < MANY; i++)
        t_expect_ok(fiber_group_start(&g, "nap", nap, NULL));
    t_expect_int(fiber_count(), MANY + 1);
    t_expect_ok(fiber_group_join(&g));
    t_expect_int(ended, MANY);
}

static Err forgotten(void *arg)
{
    ended++;
    Err e = fiber_sleep(USEC_H);
    *(Err *)arg = e;
    return e;
}

static Err boot_and_leave(void *arg)
{
    fiber_start("forgotten", forgotten, arg);
    return fiber_pause();
}

TEST(the_runtime_cancels_and_awaits_what_is_left_when_boot_returns)
{
    Err seen = OK;
    ended = 0;
    t_expect_ok(rt_main(&(struct rt_options){.shards = 2}, boot_and_leave, &seen));
    t_expect_int(ended, 1);
    t_expect_int(seen, E_CANCELLED);
}

TEST(the_error_of_the_boot_fiber_is_the_error_of_the_runtime)
{
    t_expect_err(rt_main(&(struct rt_options){.shards = 1}, fail, NULL), E_CONNECT);
    t_expect_str(str_c(err_text(E_CONNECT)), S("the peer is gone"));
}
