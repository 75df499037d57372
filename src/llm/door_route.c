/* src/llm/door_route.c - a call through a route: target by target, until one answers.
 *
 * Only before the first byte of an answer. The number of attempts is bounded, and those that the
 * client has made by itself count: official clients try three times. Between rounds there is a
 * pause, or as long as a target asked for if that is little; what asks for more is told to the
 * client, with the time.
 */
#include "llm/door_rounds.h"

#include "base/crypto.h"
#include "rt/log.h"

static const Usec PAUSE_FIRST = 250 * USEC_MS;
static const Usec PAUSE_MOST = 5 * USEC_S;
static const Usec QUEUE_MOST = 30 * USEC_S;
enum { ROUNDS_MAX = 6 };

static unsigned attempts_of(const struct llm_call *c)
{
    uint64_t before = 0;

    if (str_to_u64(req_header(c->req, S("x-stainless-retry-count")), &before) != OK)
        before = 0; /* another client */
    return before < c->route->attempts ? c->route->attempts - (unsigned)before : 1;
}

bool llm_rounds_pick(const struct llm_rounds *r, unsigned i, struct llm_target *ret_target)
{
    const struct llm_route_target *t = &r->c->route->targets[i];
    const struct llm_provider *p = llm_view_named(r->view, r->c->req->who.tenant, t->provider);

    if (!p || llm_usable(p) != OK || (r->untold >> i & 1))
        return false;
    *ret_target = (struct llm_target){p, t->model};
    return true;
}

/* Make target @i that of the call; false if it cannot be called at all. */
static bool pick(struct llm_rounds *r, unsigned i)
{
    return llm_rounds_pick(r, i, &r->c->target);
}

/* In which order the targets are called. */
static void find_order(struct llm_rounds *r)
{
    const struct llm_call *c = r->c;
    const struct llm_route *route = c->route;
    Str session = route->sticky.n ? req_header(c->req, route->sticky) : S("");
    struct llm_candidate choices[LLM_TARGETS_MAX] = {0};
    uint64_t draws[LLM_TARGETS_MAX];

    crypto_random(draws, sizeof draws);
    for (unsigned i = 0; i < route->n_targets; i++) {
        const struct llm_route_target *t = &route->targets[i];
        choices[i].weight = t->weight;
        choices[i].draw = session.n ? llm_balance_draw(session, t->provider, t->model) : draws[i];
        if (route->balance != LLM_FASTEST || !pick(r, i))
            continue;
        struct llm_target_state s = llm_target_look(c->llm, &c->target);
        choices[i].under_way = s.under_way;
        choices[i].latency = s.latency.mean;
    }
    llm_balance_order(session.n ? LLM_WEIGHTED : route->balance, choices, route->n_targets,
                      r->order);
}

static bool other_may_do(Err e)
{
    return e == E_CONNECT || e == E_TIMEOUT || e == E_UPSTREAM || e == E_UPSTREAM_CUT ||
           e == E_EGRESS;
}

/* What the attempt says about the target. */
static void note(struct llm_call *c, Err e, bool again)
{
    Usec first_byte = c->first_at ? c->first_at - c->sent_at : 0;

    if (c->untranslatable)
        llm_target_drop(c->llm, &c->target);
    else if (c->missed)
        llm_target_note(c->llm, &c->target, LLM_WELL, 0, 0);
    else if (again && e == OK && c->refusal.status == 429)
        llm_target_note(c->llm, &c->target, LLM_LIMITED, http_retry_after(&c->refusal.headers), 0);
    else if (again || c->told)
        llm_target_note(c->llm, &c->target, LLM_FAILED, 0, 0);
    else if (e == E_CANCELLED || e == E_CLOSED)
        llm_target_drop(c->llm, &c->target);
    else
        llm_target_note(c->llm, &c->target, LLM_WELL, 0, first_byte);
}

/* Another attempt of a race may have begun to answer: that says nothing of this one. */
static bool has_answered(const struct llm_call *c)
{
    return llm_is_claimed(c) && res_started(c->res);
}

bool llm_rounds_judge(struct llm_rounds *r, struct llm_call *c, unsigned i, Err e)
{
    bool again = !has_answered(c) && (e == OK ? c->refusal.status != 0 : other_may_do(e));
    bool no_words = c->untranslatable || c->missed;

    if (no_words)
        r->untold |= 1u << i;
    if (no_words && r->any) { /* what another target said tells the client more */
        note(c, e, true);
        return true;
    }
    again |= c->untranslatable;
    r->any = true;
    r->target = c->target;
    r->error = e;
    r->refusal = c->refusal;
    r->record = *err_record();
    note(c, e, again);
    if (again && !c->untranslatable)
        llm_count_attempt(c, "passed_over");
    return again;
}

/* An attempt at target @i, which was taken. Gives true when the call is over. */
static bool attempt_at(struct llm_rounds *r, unsigned i)
{
    Usec delay = llm_race_delay(r);

    r->tried |= 1u << i;
    Err e = delay ? llm_race(r, delay, &i) : llm_attempt(r->c);
    return !llm_rounds_judge(r, r->c, i, e);
}

/* The call ends without an attempt. */
static bool give_up(struct llm_rounds *r, Err e)
{
    const struct llm_call *c = r->c;

    if (e == E_TIMEOUT)
        e = err_detail(E_OVERLOADED, "The provider \"%.*s\" had no room for the call in time.",
                       P(c->target.provider->name));
    if (r->any && e != E_CANCELLED) /* what a target said tells the client more */
        return false;
    r->any = true;
    r->target = c->target;
    r->error = e;
    r->record = *err_record();
    return true;
}

/* Wait for a place at target @i, and attempt it. Gives true when the call is over. */
static bool queue(struct llm_rounds *r, unsigned i)
{
    struct llm_call *c = r->c;
    Usec deadline = usec_in(QUEUE_MOST);
    enum llm_take took = LLM_FULL;

    (void)pick(r, i); /* it was one that can be called */
    for (bool again = false; took == LLM_FULL; again = true) {
        Err e = llm_target_wait(c->llm, &c->target, c->req->who.actor, again, deadline);
        if (e != OK)
            return give_up(r, e);
        took = llm_target_take(c->llm, &c->target, c->route->targets[i].concurrent, true);
    }
    return took == LLM_TAKEN && attempt_at(r, i);
}

/* Every target once; if those that are well have no room, wait for the first of them. Gives true
 * when the call is over. */
static bool round_once(struct llm_rounds *r)
{
    struct llm_call *c = r->c;
    unsigned before = c->attempts, full = LLM_TARGETS_MAX;

    r->tried = 0;
    for (unsigned k = 0; k < c->route->n_targets && c->attempts < r->attempts; k++) {
        unsigned i = r->order[k];
        if ((r->tried >> i & 1) || !pick(r, i))
            continue;
        enum llm_take took =
            llm_target_take(c->llm, &c->target, c->route->targets[i].concurrent, false);
        if (took == LLM_FULL && full == LLM_TARGETS_MAX)
            full = i;
        if (took == LLM_TAKEN && attempt_at(r, i))
            return true;
    }
    return full < LLM_TARGETS_MAX && c->attempts == before && queue(r, full);
}

/* When the first of the targets may be called again; USEC_NEVER if none can be. */
static Usec soonest(struct llm_rounds *r, Usec least)
{
    struct llm_target kept = r->c->target;
    Usec at = USEC_NEVER;

    for (unsigned i = 0; i < r->c->route->n_targets; i++) {
        if (!pick(r, i))
            continue;
        struct llm_target_state s = llm_target_look(r->c->llm, &r->c->target);
        at = usec_min(at, usec_max(s.health.rest_until, least));
    }
    r->c->target = kept;
    return at;
}

/* All attempts were in vain, or none could be made. */
static Err tell(struct llm_rounds *r)
{
    struct llm_call *c = r->c;

    if (r->any)
        c->target = r->target;
    if (r->any && r->error == OK)
        return llm_answer_error(c, r->refusal.status, &r->refusal.headers, r->refusal.body);
    if (r->any) {
        *err_record() = r->record;
        return r->error;
    }
    Usec now = time_mono(), at = soonest(r, now);
    Err e = err_detail(E_UNAVAILABLE, "No target of the route \"%.*s\" can be called just now.",
                       P(c->route->name));
    if (at != USEC_NEVER)
        err_record()->retry_after_us = usec_max(at - now, USEC_S);
    return e;
}

/* A response follows another: only who made that can answer, if it is known who did. */
static Err heed_pin(struct llm_rounds *r)
{
    const struct llm_call *c = r->c;
    struct llm_pin pin;

    if (!c->follows.n)
        return OK;
    Err e = llm_pin_find(c->llm, c->req->who.tenant, c->follows, &pin);
    if (e == E_NOT_FOUND)
        return OK;
    TRY(e);
    unsigned others = 0;
    for (unsigned i = 0; i < c->route->n_targets; i++) {
        bool is_it = pick(r, i) && id_eq(c->target.provider->id, pin.provider) &&
                     str_eq(c->target.model, str_from(pin.model, pin.model_n));
        others |= is_it ? 0 : 1u << i;
    }
    if (others != (1u << c->route->n_targets) - 1) /* else the route has changed */
        r->untold |= others;
    return OK;
}

Err llm_route_call(struct llm_call *c, const struct llm_view *view)
{
    struct llm_rounds *r = arena_new_of(c->req->a, struct llm_rounds);
    Usec pause = PAUSE_FIRST;

    r->c = c;
    r->view = view;
    r->attempts = attempts_of(c);
    find_order(r);
    TRY(heed_pin(r));
    for (unsigned i = 0; i < ROUNDS_MAX; i++, pause *= 2) {
        if (round_once(r)) {
            *err_record() = r->record;
            return r->error;
        }
        Usec now = time_mono(), at = soonest(r, now + pause);
        if (c->attempts >= r->attempts || at == USEC_NEVER || at - now > PAUSE_MOST)
            break;
        TRY(fiber_sleep(at - now));
    }
    return tell(r);
}
