/* src/llm/door_limit.c - limits on a call: what it may use at most, and what it did use. */
#include "base/json.h"
#include "llm/door_private.h"

/* Of an answer for which neither the client nor the price table knows a bound. */
enum { OUTPUT_USUAL = 16384, OUTPUT_MOST = 1000000000, CHOICES_MOST = 128, NUMBER_MAX = 32 };

/* A member that is a whole number within [1, most]; @otherwise for anything else, which is the
 * provider's to judge. */
static int64_t number_of(const struct llm_call *c, int which, int64_t most, int64_t otherwise)
{
    Str text = llm_member_text(c->body, &c->members[which]);
    uint64_t n;

    if (!text.n || text.n > NUMBER_MAX || str_to_u64(text, &n) != OK || n < 1)
        return otherwise;
    return n < (uint64_t)most ? (int64_t)n : most;
}

int64_t llm_output_asked(const struct llm_call *c)
{
    static const int members[] = {MEMBER_MAX_COMPLETION_TOKENS, MEMBER_MAX_OUTPUT_TOKENS,
                                  MEMBER_MAX_TOKENS};

    if (c->asked_output)
        return c->asked_output;
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        int64_t n = number_of(c, members[i], OUTPUT_MOST, 0);
        if (n)
            return n;
    }
    return 0;
}

static int64_t output_most(const struct llm_call *c, const struct llm_price *price)
{
    int64_t most = llm_output_asked(c);

    if (llm_embeds(c->op))
        return 0;
    if (!most || (price && price->max_output && price->max_output < most))
        most = price && price->max_output ? price->max_output : most;
    int64_t answers = c->asked_answers < CHOICES_MOST ? c->asked_answers : CHOICES_MOST;
    if (!answers)
        answers = number_of(c, MEMBER_N, CHOICES_MOST, 1);
    return (most ? most : OUTPUT_USUAL) * answers;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What the call needs at most if @target answers it. */
static void add_target(struct llm_call *c, const struct llm_target *target)
{
    int64_t prompt = (int64_t)(c->body.n / 2) + 1; /* a token is rarely less than two bytes */
    struct llm_price price;
    bool priced = llm_pass_price(c, target, &price);
    struct llm_usage most = {.prompt = prompt};
    int64_t *need = c->hold.need;

    if (llm_passes(c->op))
        most = llm_pass_most(c);
    else
        most.completion = output_most(c, priced ? &price : NULL);
    need[LLM_TOKENS] = larger(need[LLM_TOKENS], most.prompt + most.completion);
    if (priced)
        need[LLM_COST] = larger(need[LLM_COST], llm_price_most(&price, &most));
}

static Err open_limits(const struct llm_call *c, Str model, struct llm_hold *hold)
{
    const struct who *who = &c->req->who;
    struct llm_caller caller = {who->tenant, who->actor, who->user, who->team, c->end_user};

    return llm_limits_open(c->llm->limits, &caller, model, llm_operation_name(c->op), hold);
}

Err llm_call_open(struct llm_call *c)
{
    return open_limits(c, c->model, &c->hold);
}

/* "6m0s", "1.5s", "120ms": as OpenAI writes it. */
static Str span_text(struct arena *a, Usec span)
{
    int64_t ms = (int64_t)((span + USEC_MS - 1) / USEC_MS);
    Str parts[6] = {{NULL, 0}};
    size_t n = 0;

    if (ms < 1000)
        return str_join(a, (Str[]){str_from_i64(a, ms), S("ms")}, 2, S(""));
    if (ms < 60000)
        return str_fmt(a, "%lld.%03llds", (long long)ms / 1000, (long long)ms % 1000);
    if (ms >= 3600000) {
        parts[n++] = str_from_i64(a, ms / 3600000);
        parts[n++] = S("h");
    }
    parts[n++] = str_from_i64(a, ms / 60000 % 60);
    parts[n++] = S("m");
    parts[n++] = str_from_i64(a, ms / 1000 % 60);
    parts[n++] = S("s");
    return str_join(a, parts, n, S(""));
}

/* What is left to the key, by the names that OpenAI has for it. */
static void add_left(struct llm_call *c)
{
    static const Str names[LLM_WHATS][3] = {
        [LLM_REQUESTS] = {S_INIT("x-ratelimit-limit-requests"),
                          S_INIT("x-ratelimit-remaining-requests"),
                          S_INIT("x-ratelimit-reset-requests")},
        [LLM_TOKENS] = {S_INIT("x-ratelimit-limit-tokens"), S_INIT("x-ratelimit-remaining-tokens"),
                        S_INIT("x-ratelimit-reset-tokens")},
        [LLM_COST] = {S_INIT("x-ratelimit-limit-cost-micros"),
                      S_INIT("x-ratelimit-remaining-cost-micros"),
                      S_INIT("x-ratelimit-reset-cost-micros")},
    };
    struct arena *a = c->req->a;

    for (int i = 0; i < LLM_WHATS; i++) {
        const struct llm_left *l = &c->hold.left[i];
        if (!l->known)
            continue;
        res_header(c->res, names[i][0], str_from_i64(a, l->max));
        res_header(c->res, names[i][1], str_from_i64(a, l->left));
        res_header(c->res, names[i][2], span_text(a, l->resets_in));
    }
}

static Err reserve(struct llm_call *c)
{
    Err e = llm_limits_reserve(c->llm->limits, &c->hold);

    add_left(c);
    return e;
}

Err llm_call_reserve(struct llm_call *c, const struct llm_view *view)
{
    if (llm_counts(c->op) || !llm_limits_apply(c->llm->limits, &c->hold))
        return OK;
    c->hold.need[LLM_REQUESTS] = !c->counted;
    for (unsigned i = 0; c->route && i < c->route->n_targets; i++) {
        const struct llm_route_target *t = &c->route->targets[i];
        const struct llm_provider *p = llm_view_named(view, c->req->who.tenant, t->provider);
        if (p)
            add_target(c, &(struct llm_target){p, t->model});
    }
    if (!c->route)
        add_target(c, &c->target);
    for (int i = 0; i < LLM_WHATS; i++)
        if (c->hold.need[i] > LLM_NEED_MAX)
            c->hold.need[i] = LLM_NEED_MAX;
    return reserve(c);
}

Err llm_call_reserve_kept(struct llm_call *c)
{
    if (!llm_limits_apply(c->llm->limits, &c->hold))
        return OK;
    c->hold.need[LLM_REQUESTS] = !c->counted;
    return reserve(c);
}

Err llm_call_reserve_again(struct llm_call *c, struct llm_hold *ret_hold)
{
    struct llm_limits *limits = c->llm->limits;
    struct llm_hold hold;

    llm_limits_share(limits, &c->hold, &hold);
    if (llm_limits_apply(limits, &hold)) {
        memcpy(hold.need, c->hold.need, sizeof hold.need);
        hold.need[LLM_REQUESTS] = 1;
        hold.at_once = true;
        Err e = llm_limits_reserve(limits, &hold);
        if (e != OK) {
            llm_limits_settle(limits, &hold, (int64_t[LLM_WHATS]){0});
            return e;
        }
    }
    *ret_hold = hold;
    return OK;
}

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

Err llm_call_reserve_aside(struct llm_call *c, Str name, int64_t tokens, int64_t cost,
                           struct llm_hold *ret_hold)
{
    struct llm_limits *limits = c->llm->limits;
    struct llm_hold hold;

    /* The operation is what the key asked for, and may. */
    TRY(open_limits(c, name, &hold));
    if (llm_limits_apply(limits, &hold)) {
        hold.need[LLM_REQUESTS] = 1;
        hold.need[LLM_TOKENS] = at_most(tokens, LLM_NEED_MAX);
        hold.need[LLM_COST] = at_most(cost, LLM_NEED_MAX);
        Err e = llm_limits_reserve(limits, &hold);
        if (e != OK) {
            memcpy(c->hold.left, hold.left, sizeof hold.left);
            add_left(c);
            llm_limits_settle(limits, &hold, (int64_t[LLM_WHATS]){0});
            return e;
        }
        c->counted = true;
    }
    *ret_hold = hold;
    return OK;
}

void llm_call_settle_aside(struct llm_call *c, struct llm_hold *hold, int64_t tokens, int64_t cost)
{
    int64_t used[LLM_WHATS] = {
        [LLM_REQUESTS] = 1, [LLM_TOKENS] = tokens, [LLM_COST] = larger(cost, 0)};

    llm_limits_settle(c->llm->limits, hold, used);
}

void llm_call_settle(struct llm_call *c, const struct llm_usage *usage, int64_t cost)
{
    bool reached = c->attempts > 0 || llm_cache_hit(c);
    int64_t used[LLM_WHATS] = {[LLM_REQUESTS] = reached && !c->counted,
                               [LLM_TOKENS] = usage->prompt + usage->completion,
                               [LLM_COST] = cost > 0 ? cost : 0};

    llm_limits_settle(c->llm->limits, &c->hold, used);
}
