/* src/llm/door_hedge.c - attempts at several targets of a route beside each other, when the first
 * is slow.
 *
 * Each attempt is a fiber with a copy of the call and memory of its own. Whoever has the first byte
 * of an answer claims the call, before anything is written to the client; the others are cancelled
 * in the same moment, and their upstreams closed. A loser counts as a call: it may have used tokens
 * that somebody pays, so it reserves its own share of the limits before it begins, or does not
 * begin. Its breaker hears nothing of it.
 */
#include "llm/door_rounds.h"

enum { LANES_MAX = 1 + LLM_HEDGES_MAX, LANE_ARENA_MAX = 512 << 20 };

struct lane {
    struct llm_race *race;
    struct llm_call call;
    struct req req;  /* the client's, with memory of this attempt's own */
    unsigned target; /* place in the route */
    unsigned before; /* call.attempts as it began */
    struct fiber *fiber;
    bool lost;
    Err error;
    struct err_record record;
};

struct llm_race {
    struct llm_rounds *rounds;
    struct lane lanes[LANES_MAX];
    unsigned n, running;
    struct llm_hold holds[LLM_HEDGES_MAX]; /* each is for one that does not count in the end */
    unsigned n_holds;
    struct llm_call *winner;
    struct lane *result; /* the attempt that counts has ended */
    struct wait *change;
};

static void wake(struct llm_race *x)
{
    if (x->change)
        wait_end(x->change, OK);
}

/* ---- an attempt ---- */

static bool was_made(const struct lane *l)
{
    return l->call.attempts > l->before;
}

static unsigned attempts_of(const struct llm_race *x)
{
    unsigned n = x->lanes[0].before;

    for (unsigned i = 0; i < x->n; i++)
        n += was_made(&x->lanes[i]);
    return n;
}

bool llm_is_claimed(const struct llm_call *c)
{
    return !c->race || c->race->winner == c;
}

Err llm_claim(struct llm_call *c)
{
    struct llm_race *x = c->race;

    if (llm_is_claimed(c))
        return OK;
    if (x->winner)
        return err_set(E_CANCELLED, "another target answered first");
    x->winner = c;
    c->hedged = x->n > 1;
    c->attempts = attempts_of(x);
    for (unsigned i = 0; i < x->n; i++) {
        struct lane *l = &x->lanes[i];
        l->lost = &l->call != c;
        if (l->lost && l->fiber)
            fiber_cancel(l->fiber);
    }
    wake(x);
    return OK;
}

static void settle_unused(struct llm_race *x)
{
    llm_limits_settle(x->rounds->c->llm->limits, &x->holds[--x->n_holds], (int64_t[LLM_WHATS]){0});
}

/* The attempt does not count: another one does, or may. */
static void lane_leave(struct llm_race *x, struct lane *l)
{
    struct llm_call *c = &l->call;
    bool gave_up = l->lost || l->error == E_CANCELLED;

    if (!gave_up) {
        (void)llm_rounds_judge(x->rounds, c, l->target, l->error);
        settle_unused(x);
        return;
    }
    llm_target_lost(c->llm, &c->target, was_made(l) ? time_mono() - c->sent_at : 0);
    c->hedged = true;
    if (was_made(l))
        llm_call_lost(c, &x->holds[--x->n_holds]);
    else
        settle_unused(x);
}

static Err run_lane(void *arg)
{
    struct lane *l = arg;
    struct llm_race *x = l->race;

    l->fiber = fiber_self();
    l->error = l->lost ? E_CANCELLED : llm_attempt(&l->call);
    l->fiber = NULL;
    l->record = *err_record();
    buf_done(&l->call.edited);
    x->running--;
    if (x->winner ? x->winner == &l->call : !x->running)
        x->result = l;
    else
        lane_leave(x, l);
    wake(x);
    return OK;
}

static void free_arena(void *a)
{
    arena_free(a);
}

/* Begin an attempt at target @i, which was taken. E_CANCELLED: it did not begin. */
static Err lane_start(struct llm_race *x, struct fiber_group *g, unsigned i,
                      const struct llm_target *target)
{
    const struct llm_call *c = x->rounds->c;
    struct lane *l = &x->lanes[x->n++];

    *l = (struct lane){.race = x, .call = *c, .req = *c->req, .target = i};
    l->req.a = arena_new(LANE_ARENA_MAX);
    arena_defer(c->req->a, free_arena, l->req.a); /* the answer may be written from there */
    l->call.req = &l->req;
    l->call.race = x;
    l->call.target = *target;
    l->call.edited = (struct buf){0};
    l->call.first_sent_at = x->lanes[0].call.first_sent_at;
    l->before = l->call.attempts;
    Err e = fiber_group_start(g, "model attempt", run_lane, l);
    if (e == OK)
        x->running++; /* it runs when the loop comes to it */
    else
        x->n--;
    return e;
}

/* ---- the race ---- */

static bool is_decided(const struct llm_race *x)
{
    return x->winner || x->result;
}

/* Until somebody answers, all have failed, or it is @until. */
static Err wait_decided(struct llm_race *x, Usec until)
{
    struct wait w;
    Err e = OK;

    while (e == OK && !is_decided(x)) {
        wait_init(&w);
        x->change = &w;
        e = wait_for(&w, until);
        x->change = NULL;
    }
    return e;
}

/* The next target that may be called now, taken. */
static bool take_spare(const struct llm_race *x, unsigned *ret_i, struct llm_target *ret_target)
{
    const struct llm_rounds *r = x->rounds;
    const struct llm_route *route = r->c->route;

    for (unsigned k = 0; k < route->n_targets; k++) {
        unsigned i = r->order[k];
        if ((r->tried >> i & 1) || !llm_rounds_pick(r, i, ret_target) ||
            llm_target_take(r->c->llm, ret_target, route->targets[i].concurrent, false) !=
                LLM_TAKEN)
            continue;
        *ret_i = i;
        return true;
    }
    return false;
}

/* Begin one more attempt, if the attempts, the targets and the limits allow it. */
static bool start_spare(struct llm_race *x, struct fiber_group *g)
{
    struct llm_rounds *r = x->rounds;
    struct llm_target target;
    unsigned i;

    if (attempts_of(x) >= r->attempts || !take_spare(x, &i, &target))
        return false;
    struct llm_hold hold;
    /* That may take its time, and lanes end meanwhile, which give theirs back. */
    bool reserved = llm_call_reserve_again(r->c, &hold) == OK;
    if (reserved)
        x->holds[x->n_holds++] = hold;
    if (reserved && !is_decided(x) && lane_start(x, g, i, &target) == OK) {
        r->tried |= 1u << i;
        return true;
    }
    if (reserved)
        settle_unused(x);
    llm_target_drop(r->c->llm, &target);
    return false;
}

Usec llm_race_delay(const struct llm_rounds *r)
{
    const struct llm_call *c = r->c;
    const struct llm_hedge *rule = &c->route->hedge;

    if (!llm_hedge_is_on(rule) || llm_counts(c->op) || c->route->n_targets < 2 ||
        c->attempts + 1 >= r->attempts)
        return 0;
    if (!rule->usual)
        return rule->after;
    struct llm_target_state s = llm_target_look(c->llm, &c->target);
    return llm_pace_p95(&s.pace);
}

/* Make @l the call. */
static void take_over(struct llm_race *x, const struct lane *l)
{
    struct llm_call *c = x->rounds->c;
    struct llm_call before = *c;

    *c = l->call;
    c->req = before.req;
    c->edited = before.edited;
    c->race = NULL;
    c->hedged = before.hedged || x->n > 1;
    c->attempts = x->winner == &l->call ? l->call.attempts : attempts_of(x);
}

Err llm_race(struct llm_rounds *r, Usec delay, unsigned *i)
{
    struct llm_race *x = arena_new_of(r->c->req->a, struct llm_race);

    x->rounds = r;
    {
        FIBER_GROUP(g, 0, false);
        TRY(lane_start(x, &g, *i, &r->c->target));
        for (unsigned k = 0; k < r->c->route->hedge.max; k++) {
            Usec until = usec_in(delay);
            if (wait_decided(x, until) != E_TIMEOUT || time_mono() < until || !start_spare(x, &g))
                break;
        }
        (void)fiber_group_join(&g); /* what is cancelled says so itself */
    }
    take_over(x, x->result);
    *i = x->result->target;
    *err_record() = x->result->record;
    return x->result->error;
}
