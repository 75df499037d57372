/* src/llm/limits.c - limits in force: who may call what, and how much is left. */
#include "llm/alerts.h"
#include "llm/limits_private.h"

#include <stdlib.h>

static const Usec FRESH = 10 * USEC_S;
static const Usec REREAD = USEC_S; /* after a policy could not be read */
static const Usec WAIT_MOST = 10 * USEC_S;
static const Usec LOOK_AGAIN = 250 * USEC_MS; /* others may have given back */
enum { ACCOUNTS_MAX = 200000, PARTS = 64, POOL_PARTS = 256, WAITING_MAX = 10000 };

/* ---- accounts ---- */

void llm_account_free(void *account)
{
    struct llm_account *acc = account;

    arena_free(acc->a);
    free(acc->slots);
    free(acc);
}

struct llm_account *llm_account_new(struct map *accounts, Id subject)
{
    struct llm_account *acc = calloc(1, sizeof *acc);

    if (!acc)
        DIE("out of memory");
    acc->subject = subject;
    for (int i = 0; i < LLM_SLOTS; i++)
        acc->policy.max[i] = acc->policy.end_user[i] = -1;
    (void)map_put(accounts, llm_subject_key(&subject), acc); /* there was none */
    return acc;
}

/* Under the lock: forget who has nothing to be kept. */
static void sweep(struct llm_limits *l)
{
    struct map *kept = map_new();
    size_t at = 0;
    void *value;
    Str key;

    while (map_next(l->accounts, &at, &key, &value)) {
        struct llm_account *acc = value;
        if (acc->refs || acc->dirty || acc->reading || acc->slots)
            (void)map_put(kept, key, acc); /* there was none */
        else
            llm_account_free(acc);
    }
    map_free(l->accounts, NULL);
    l->accounts = kept;
}

/* Under the lock. */
static struct llm_account *account_of(struct llm_limits *l, Id subject)
{
    struct llm_account *acc = map_get(l->accounts, llm_subject_key(&subject));

    if (acc)
        return acc;
    if (map_count(l->accounts) >= ACCOUNTS_MAX)
        sweep(l);
    return llm_account_new(l->accounts, subject);
}

void llm_account_set(struct llm_account *acc, const struct llm_policy *policy, struct arena **a)
{
    struct arena *old = acc->a;

    acc->policy = *policy;
    acc->a = *a;
    *a = old;
    acc->read_at = time_mono();
    if (!acc->slots && llm_policy_has_limits(policy)) {
        acc->slots = calloc(LLM_SLOTS, sizeof *acc->slots);
        if (!acc->slots)
            DIE("out of memory");
    }
    for (int i = 0; acc->slots && i < LLM_SLOTS; i++) {
        if (acc->slots[i].c.max != policy->max[i])
            acc->slots[i].full_until = 0;
        acc->slots[i].c.max = policy->max[i];
    }
}

static Err read_policy(struct llm_limits *l, struct llm_account *acc)
{
    AUTO(arena) *a = arena_new(KIB(512));
    struct llm_policy policy;
    struct json *v;
    Str text;

    TRY(store_model_limit_get(l->db, a, acc->subject, &text));
    TRY(json_parse(a, text.n ? text : S("{}"), &v));
    TRY(llm_policy_read(a, v, &policy));
    uv_mutex_lock(&l->lock);
    llm_account_set(acc, &policy, &a);
    uv_mutex_unlock(&l->lock);
    return OK;
}

/* The account, with a policy that is fresh enough. While one call reads it again others go on with
 * the old one; if it cannot be read it stays. */
static Err open_account(struct llm_limits *l, Id subject, struct llm_account **ret_account)
{
    Err e = OK;

    uv_mutex_lock(&l->lock);
    struct llm_account *acc = account_of(l, subject);
    bool known = acc->read_at != 0;
    bool read = !known || (!acc->reading && time_mono() - acc->read_at > FRESH);
    acc->refs++;
    acc->reading = acc->reading || read;
    uv_mutex_unlock(&l->lock);
    if (read) {
        e = read_policy(l, acc);
        uv_mutex_lock(&l->lock);
        acc->reading = false;
        if (e != OK && known)
            acc->read_at = time_mono() - FRESH + REREAD;
        uv_mutex_unlock(&l->lock);
    }
    if (e != OK && !known) {
        uv_mutex_lock(&l->lock);
        acc->refs--;
        uv_mutex_unlock(&l->lock);
        return e;
    }
    *ret_account = acc;
    return OK;
}

static Err check_scopes(struct llm_limits *l, const struct llm_account *acc, Str model,
                        Str operation)
{
    uv_mutex_lock(&l->lock);
    bool may_model = llm_policy_allows_model(&acc->policy, model);
    bool may_operation = llm_policy_allows_endpoint(&acc->policy, operation);
    uv_mutex_unlock(&l->lock);
    if (!may_operation)
        return err_detail(E_FORBIDDEN, "This key may not call \"%.*s\".", P(operation));
    if (!may_model)
        return err_detail(E_FORBIDDEN, "This key may not call the model \"%.*s\".",
                          P(str_head(model, 128)));
    return OK;
}

static void close_hold(struct llm_limits *l, struct llm_hold *h)
{
    static const int64_t nothing[LLM_WHATS] = {0};

    llm_limits_settle(l, h, nothing);
}

static Err open_side(struct llm_limits *l, Id subject, Str model, Str operation,
                     struct llm_account **ret_account)
{
    if (id_is_none(subject))
        return OK;
    TRY(open_account(l, subject, ret_account));
    return check_scopes(l, *ret_account, model, operation);
}

Err llm_limits_open(struct llm_limits *l, const struct llm_caller *caller, Str model, Str operation,
                    struct llm_hold *h)
{
    const Id subjects[LLM_SIDES] = {
        [LLM_OF_KEY] = id_eq(caller->key, caller->tenant) ? ID_NONE : caller->key,
        [LLM_OF_USER] = caller->user,
        [LLM_OF_TEAM] = caller->team,
        [LLM_OF_TENANT] = caller->tenant,
    };
    Err e = OK;

    *h = (struct llm_hold){0};
    for (int i = 0; i < LLM_OF_END_USER && e == OK; i++)
        e = open_side(l, subjects[i], model, operation, &h->accounts[i]);
    if (e == OK && caller->end_user.n)
        e = llm_end_user_open(l, h->accounts[LLM_OF_TENANT], caller->end_user,
                              &h->accounts[LLM_OF_END_USER]);
    if (e != OK)
        close_hold(l, h);
    return e;
}

/* ---- what is left, and who is told ---- */

/* Under the lock: what all have used of the slot's window, and what is reserved here. */
static int64_t spent(struct llm_slot *s)
{
    if (s->seen_from != s->c.from) {
        s->seen_from = s->c.from;
        s->others = s->pool = 0;
        s->told = 0;
    }
    int64_t others = s->others - s->pool;
    return (others > 0 ? others : 0) + s->c.used;
}

/* Under the lock. */
static void find_left(struct llm_hold *h)
{
    Usec now = time_wall();

    for (int i = 0; i < LLM_SIDES; i++) {
        for (int k = 0; h->accounts[i] && h->accounts[i]->slots && k < LLM_SLOTS; k++) {
            struct llm_slot *s = &h->accounts[i]->slots[k];
            struct llm_left *l = &h->left[k / LLM_PERS];
            if (s->c.max < 0)
                continue;
            int64_t left = s->c.max - spent(s) - s->c.reserved;
            left = left > 0 ? left : 0;
            if (l->known && l->left <= left)
                continue;
            *l = (struct llm_left){true, s->c.max, left, usec_max(s->c.to - now, 0)};
        }
    }
}

/* Under the lock: tell of a budget of which much was used, or all. */
static void watch_budget(struct llm_limits *l, const struct llm_hold *h, int side, int k)
{
    enum { WARNING = 80, ALL = 100 };
    struct llm_account *acc = h->accounts[side];
    struct llm_slot *s = &acc->slots[k];
    const struct llm_account *tenant = h->accounts[LLM_OF_TENANT];
    int64_t used = spent(s);
    int level = used >= s->c.max ? ALL : used / WARNING >= s->c.max / ALL ? WARNING : 0;

    if (!l->alerts || side == LLM_OF_END_USER || k / LLM_PERS != LLM_COST || s->c.max <= 0 ||
        level <= s->told)
        return;
    s->told = level;
    struct llm_alert alert = {.tenant = tenant->subject,
                              .event = level == ALL ? "budget.exhausted" : "budget.warning",
                              .at = time_wall(),
                              .key = side == LLM_OF_KEY ? acc->subject : ID_NONE,
                              .user = side == LLM_OF_USER ? acc->subject : ID_NONE,
                              .team = side == LLM_OF_TEAM ? acc->subject : ID_NONE,
                              .per = llm_per_names[k % LLM_PERS].p,
                              .max = s->c.max,
                              .used = used};
    llm_alerts_add(l->alerts, &alert);
}

/* ---- reserving ---- */

/* What a call that lacks something does next. */
enum turn { TURN_GOT, TURN_WAIT, TURN_ASK, TURN_REFUSED };

struct lack {
    struct llm_account *account;
    int side, slot; /* the side: an enum llm_side */
};

static enum turn turn_of(const struct llm_slot *s, int slot)
{
    if (s->asking)
        return TURN_WAIT;
    if (time_mono() >= s->full_until)
        return TURN_ASK;
    /* What is reserved of tokens and money comes back in part; requests do not. */
    return slot / LLM_PERS != LLM_REQUESTS && s->c.reserved > 0 ? TURN_WAIT : TURN_REFUSED;
}

void llm_limits_touch(struct llm_limits *l, struct llm_account *acc, struct llm_slot *s)
{
    s->touched = time_mono();
    if (acc->dirty)
        return;
    acc->dirty = true;
    acc->next_dirty = l->dirty;
    l->dirty = acc;
}

static int64_t need_of(const struct llm_hold *h, int slot)
{
    return h->need[slot / LLM_PERS];
}

/* Under the lock: how much too little there is for the call. */
static int64_t missing(struct llm_hold *h, int side, int k, Usec wall)
{
    struct llm_account *acc = h->accounts[side];
    struct llm_slot *s = acc && acc->slots ? &acc->slots[k] : NULL;
    int64_t need = need_of(h, k);

    if (!s || s->c.max < 0)
        return 0;
    Usec from = s->c.from;
    llm_counter_roll(&s->c, (enum llm_per)(k % LLM_PERS), wall);
    if (s->c.from != from)
        s->full_until = 0;
    int64_t spare = llm_counter_free(&s->c) - (h->over[side] >> k & 1 ? 0 : s->c.over);
    return need > 0 && spare < need ? need - spare : 0;
}

/* Under the lock: the first limit that has too little for the call. @but: those that are not to be
 * looked at; NULL: all are. */
static enum turn find_lack(struct llm_hold *h, Usec wall, const unsigned *but,
                           struct lack *ret_lack)
{
    for (int i = 0; i < LLM_SIDES; i++)
        for (int k = 0; k < LLM_SLOTS; k++)
            if (missing(h, i, k, wall) && !(but && but[i] >> k & 1)) {
                *ret_lack = (struct lack){h->accounts[i], i, k};
                return turn_of(&h->accounts[i]->slots[k], k);
            }
    return TURN_GOT;
}

/* ---- the pools that all servers share ---- */

struct want {
    uint8_t side, slot;
};

/* Under the lock. */
static size_t gather(struct llm_hold *h, struct want *wants, struct model_counter *list)
{
    size_t n = 0;

    for (int i = 0; i < LLM_SIDES; i++)
        for (int k = 0; k < LLM_SLOTS; k++) {
            int64_t much = missing(h, i, k, h->at);
            if (!much)
                continue;
            const struct llm_slot *s = &h->accounts[i]->slots[k];
            wants[n] = (struct want){(uint8_t)i, (uint8_t)k};
            list[n++] =
                (struct model_counter){h->accounts[i]->subject, k, s->c.from, s->c.to, much};
        }
    return n;
}

/* Under the lock before and after: take what lacks out of the pools, all of it or nothing; true if
 * it was taken. @filled: what lacks, but not there. */
static bool take_pooled(struct llm_limits *l, struct llm_hold *h, unsigned filled[LLM_SIDES])
{
    struct want wants[LLM_SIDES * LLM_SLOTS];
    struct model_counter list[LLM_SIDES * LLM_SLOTS];
    bool lacks[LLM_SIDES * LLM_SLOTS], all = true;
    int64_t left[LLM_SIDES * LLM_SLOTS];
    size_t n = gather(h, wants, list);

    uv_mutex_unlock(&l->lock);
    Err e = llm_redis_is_up(l) ? llm_redis_take(l, list, n, lacks, left) : E_UNAVAILABLE;
    uv_mutex_lock(&l->lock);
    memset(filled, 0, LLM_SIDES * sizeof *filled);
    for (size_t i = 0; e == OK && i < n; i++) {
        all = all && !lacks[i];
        if (!lacks[i])
            filled[wants[i].side] |= 1u << wants[i].slot;
    }
    for (size_t i = 0; e == OK && all && i < n; i++) {
        struct llm_account *acc = h->accounts[wants[i].side];
        struct llm_slot *s = &acc->slots[wants[i].slot];
        if (s->c.from != list[i].from)
            continue;   /* the window is over */
        (void)spent(s); /* of this window */
        s->c.granted += list[i].back;
        s->others -= list[i].back;
        s->pool = left[i];
        llm_limits_touch(l, acc, s);
    }
    return e == OK && all;
}

/* Under the lock, when nothing lacks. */
static void reserve_all(struct llm_limits *l, struct llm_hold *h)
{
    for (int i = 0; i < LLM_SIDES; i++) {
        struct llm_account *acc = h->accounts[i];
        for (int k = 0; acc && acc->slots && k < LLM_SLOTS; k++) {
            struct llm_slot *s = &acc->slots[k];
            int64_t need = need_of(h, k);
            if (s->c.max < 0 || !llm_counter_reserve(&s->c, need))
                continue;
            if (k / LLM_PERS == LLM_REQUESTS) /* of the window it began in, however long it is */
                llm_counter_settle(&s->c, need, need);
            h->slots[i] |= 1u << k;
            llm_limits_touch(l, acc, s);
            (void)llm_gate_wake(&s->gate); /* perhaps there is enough for the next one, too */
        }
    }
}

static Err refuse_busy(void)
{
    Err e = err_detail(E_RATE_LIMITED,
                       "What is left of a limit is reserved by other calls; try again when they "
                       "have ended.");

    err_record()->retry_after_us = USEC_S;
    return e;
}

/* Take from the store's counter, giving back in the same step what is free. The lock is held before
 * and after, not meanwhile. */
static Err ask(struct llm_limits *l, struct llm_hold *h, const struct lack *lack)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct llm_slot *s = &lack->account->slots[lack->slot];
    int64_t need = need_of(h, lack->slot), max = s->c.max, taken = 0, total = 0;
    int64_t most = need + s->wanted + max / (l->redis ? POOL_PARTS : PARTS), least = need,
            spare = llm_counter_free(&s->c);
    struct model_counter c = {.subject = lack->account->subject,
                              .slot = lack->slot,
                              .from = s->c.from,
                              .to = s->c.to,
                              .back = spare};

    if (h->at_once) { /* what lacks, all of it, or nothing */
        most = need - spare;
        least = c.back = 0;
    }
    s->c.granted -= c.back;
    s->asking = true;
    uv_mutex_unlock(&l->lock);
    Err e = store_model_counter_take(l->db, a, &c, max, least, most, &taken, &total);
    uv_mutex_lock(&l->lock);
    s->asking = false;
    if (s->c.from == c.from) {
        bool undone = llm_limits_undone(e, c.back) || (e == OK && taken == 0);
        s->c.granted += undone ? c.back : taken;
        bool more = llm_counter_free(&s->c) > c.back; /* something came free meanwhile */
        if (!h->at_once)
            s->full_until = e == OK && taken == 0 && !more ? usec_in(LOOK_AGAIN) : 0;
        if (!undone)
            s->c.over = total > max ? total - max : 0;
        if (e == OK && (taken || !h->at_once)) {
            (void)spent(s);                                   /* of this window */
            s->others = (taken ? total : max) - s->c.granted; /* nothing taken: all of it is */
        }
        if (!undone && s->c.over)
            h->over[lack->side] |= 1u << lack->slot;
    }
    (void)llm_gate_wake(&s->gate); /* whoever waits looks for itself */
    return e == OK && !taken && h->at_once ? refuse_busy() : e;
}

static Str amount_text(struct arena *a, int slot, int64_t n)
{
    int what = slot / LLM_PERS;

    if (what != LLM_COST)
        return str_fmt(a, "%lld %.*s", (long long)n, P(llm_what_names[what]));
    return str_fmt(a, "$%lld.%06lld", (long long)(n / 1000000), (long long)(n % 1000000));
}

static Err refuse(const struct lack *lack)
{
    static const char *const whose[LLM_SIDES] = {"key", "user", "team", "tenant", "end-user"};
    AUTO(arena) *a = arena_new(KIB(4));
    const struct llm_slot *s = &lack->account->slots[lack->slot];
    Str amount = amount_text(a, lack->slot, s->c.max);
    bool money = lack->slot / LLM_PERS == LLM_COST;
    Usec left = usec_max(s->c.to - time_wall(), USEC_MS);

    Err e =
        err_detail(money ? E_BUDGET : E_RATE_LIMITED, "The %s's limit of %.*s a %.*s is used up.",
                   whose[lack->side], P(amount), P(llm_per_names[lack->slot % LLM_PERS]));
    err_record()->retry_after_us = left;
    return e;
}

/* Under the lock before and after. */
static Err wait_turn(struct llm_limits *l, const struct lack *lack, int64_t need, bool in_front,
                     Usec deadline)
{
    struct llm_slot *s = &lack->account->slots[lack->slot];
    Usec window = usec_in(usec_max(s->c.to - time_wall(), 0));
    struct llm_waiter w;

    if (s->gate.n >= WAITING_MAX)
        return refuse_busy();
    s->wanted += need;
    llm_gate_join(&s->gate, &w, in_front);
    uv_mutex_unlock(&l->lock);
    Err e = llm_gate_wait(&s->gate, &w, &l->lock, usec_min(deadline, window));
    uv_mutex_lock(&l->lock);
    s->wanted -= need;
    if (e != E_TIMEOUT || fiber_deadline() <= time_mono())
        return e;
    return time_mono() < deadline ? OK : refuse_busy();
}

static Err reserve(struct llm_limits *l, struct llm_hold *h)
{
    Usec deadline = usec_in(WAIT_MOST);
    bool waited = false;
    struct lack lack = {0};
    unsigned filled[LLM_SIDES];

    for (;;) {
        h->at = time_wall();
        enum turn turn = find_lack(h, h->at, NULL, &lack);
        if (turn == TURN_GOT) {
            reserve_all(l, h);
            return OK;
        }
        if (l->redis && time_mono() < deadline) {
            if (take_pooled(l, h, filled))
                continue;
            turn = find_lack(h, h->at, filled, &lack);
            if (turn == TURN_GOT) /* meanwhile */
                continue;
        }
        if (turn == TURN_REFUSED) {
            (void)llm_gate_wake(&lack.account->slots[lack.slot].gate); /* it is so for all */
            watch_budget(l, h, lack.side, lack.slot);
            return refuse(&lack);
        }
        if (time_mono() >= deadline || (h->at_once && turn == TURN_WAIT)) {
            (void)llm_gate_wake(
                &lack.account->slots[lack.slot].gate); /* the turn it may have had */
            return refuse_busy();
        }
        if (turn == TURN_ASK)
            TRY(ask(l, h, &lack));
        else
            TRY(wait_turn(l, &lack, need_of(h, lack.slot), waited, deadline));
        waited = waited || turn == TURN_WAIT;
    }
}

bool llm_limits_apply(struct llm_limits *l, const struct llm_hold *h)
{
    bool apply = false;

    uv_mutex_lock(&l->lock);
    for (int i = 0; i < LLM_SIDES; i++)
        apply = apply || (h->accounts[i] && llm_policy_has_limits(&h->accounts[i]->policy));
    uv_mutex_unlock(&l->lock);
    return apply;
}

void llm_limits_cache(struct llm_limits *l, const struct llm_hold *h,
                      struct llm_cache_rule ret_rules[2])
{
    ret_rules[0] = ret_rules[1] = (struct llm_cache_rule){0};
    uv_mutex_lock(&l->lock);
    for (int i = LLM_OF_KEY; i < LLM_OF_END_USER; i++) {
        struct llm_cache_rule *to = &ret_rules[i == LLM_OF_TENANT];
        if (h->accounts[i] && !to->given)
            *to = h->accounts[i]->policy.cache;
    }
    uv_mutex_unlock(&l->lock);
}

double llm_limits_log(struct llm_limits *l, const struct llm_hold *h, struct arena *a,
                      LlmPatterns *ret_patterns)
{
    double rate = 0;

    uv_mutex_lock(&l->lock);
    for (int i = LLM_OF_TENANT; i >= LLM_OF_KEY; i--)
        if (h->accounts[i] && h->accounts[i]->policy.log.given)
            rate = h->accounts[i]->policy.log.rate;
    for (int i = LLM_OF_KEY; rate > 0 && i <= LLM_OF_TENANT; i++) {
        if (!h->accounts[i])
            continue;
        vec_each(&h->accounts[i]->policy.log.redact, p)
            vec_push(a, ret_patterns, str_dup(a, *p));
    }
    uv_mutex_unlock(&l->lock);
    return rate;
}

void llm_limits_share(struct llm_limits *l, const struct llm_hold *of, struct llm_hold *ret_hold)
{
    *ret_hold = (struct llm_hold){0};
    uv_mutex_lock(&l->lock);
    for (int i = 0; i < LLM_SIDES; i++) {
        if (!of->accounts[i])
            continue;
        ret_hold->accounts[i] = of->accounts[i];
        of->accounts[i]->refs++;
    }
    uv_mutex_unlock(&l->lock);
}

Err llm_limits_reserve(struct llm_limits *l, struct llm_hold *h)
{
    uv_mutex_lock(&l->lock);
    Err e = reserve(l, h);
    find_left(h);
    uv_mutex_unlock(&l->lock);
    return e;
}

/* ---- settling ---- */

/* Under the lock. */
static void settle_slot(struct llm_limits *l, struct llm_account *acc, int k,
                        const struct llm_hold *h, int64_t used)
{
    struct llm_slot *s = &acc->slots[k];
    int64_t need = need_of(h, k);

    if (k / LLM_PERS != LLM_REQUESTS) {
        llm_counter_roll(&s->c, (enum llm_per)(k % LLM_PERS), time_wall());
        llm_counter_settle(&s->c, need, used);
    } else if (h->at >= s->c.from && h->at < s->c.to) {
        llm_counter_settle(&s->c, 0, used - need);
    }
    if (llm_counter_free(&s->c) > 0)
        s->full_until = 0;
    llm_limits_touch(l, acc, s);
    (void)llm_gate_wake(&s->gate); /* if anybody waits */
}

void llm_limits_settle(struct llm_limits *l, struct llm_hold *h, const int64_t used[LLM_WHATS])
{
    uv_mutex_lock(&l->lock);
    for (int i = 0; i < LLM_SIDES; i++) {
        if (!h->accounts[i])
            continue;
        for (int k = 0; k < LLM_SLOTS; k++)
            if (h->slots[i] >> k & 1) {
                settle_slot(l, h->accounts[i], k, h, used[k / LLM_PERS]);
                watch_budget(l, h, i, k);
            }
        h->accounts[i]->refs--;
    }
    uv_mutex_unlock(&l->lock);
    *h = (struct llm_hold){0};
}
