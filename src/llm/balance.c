/* src/llm/balance.c - in which order the targets of a route are called. */
#include "llm/balance.h"

#include "base/crypto.h"

#include <math.h>

static const Usec MEMORY = 10 * USEC_S; /* of what was slow */

const Str llm_balance_names[LLM_BALANCES] = {[LLM_ORDER] = S_INIT("order"),
                                             [LLM_WEIGHTED] = S_INIT("weighted"),
                                             [LLM_FASTEST] = S_INIT("fastest")};

/* ---- orders ---- */

static void sort_by(const double *key, unsigned n, unsigned char *order)
{
    for (unsigned i = 1; i < n; i++) {
        unsigned char it = order[i];
        unsigned at = i;
        for (; at > 0 && key[order[at - 1]] > key[it]; at--)
            order[at] = order[at - 1];
        order[at] = it;
    }
}

/* The one with the least of these is drawn with a chance in proportion to its weight, and so on
 * among those left. */
static double drawn(const struct llm_candidate *c)
{
    double u = ((double)(c->draw >> 11) + 0.5) / 9007199254740992.0; /* 2^53 */

    return -log(u) / (double)c->weight;
}

static double load(const struct llm_candidate *c)
{
    return (double)c->latency * ((double)c->under_way + 1);
}

/* Two by chance: the better first, the other behind it, then the rest by chance. */
static void order_fastest(const struct llm_candidate *choices, unsigned n, unsigned char *order)
{
    if (n < 2)
        return;
    double a = load(&choices[order[0]]), b = load(&choices[order[1]]);
    bool fewer = a == b && choices[order[1]].under_way < choices[order[0]].under_way;

    if (b < a || fewer) {
        unsigned char first = order[1];
        order[1] = order[0];
        order[0] = first;
    }
}

void llm_balance_order(enum llm_balance balance, const struct llm_candidate *choices, unsigned n,
                       unsigned char *order)
{
    double key[LLM_CHOICES_MAX];

    for (unsigned i = 0; i < n; i++) {
        order[i] = (unsigned char)i;
        key[i] = drawn(&choices[i]);
    }
    if (balance == LLM_ORDER)
        return;
    sort_by(key, n, order);
    if (balance == LLM_FASTEST)
        order_fastest(choices, n, order);
}

uint64_t llm_balance_draw(Str session, Str provider, Str model)
{
    uint8_t all[3][CRYPTO_HASH_SIZE], hash[CRYPTO_HASH_SIZE];
    uint64_t draw;

    crypto_blake2b(session, all[0]);
    crypto_blake2b(provider, all[1]);
    crypto_blake2b(model, all[2]);
    crypto_blake2b(str_from((const char *)all, sizeof all), hash);
    memcpy(&draw, hash, sizeof draw);
    return draw;
}

/* ---- latencies ---- */

void llm_latency_add(struct llm_latency *l, Usec sample, Usec now)
{
    Usec since = usec_max(now - l->at, 0);

    if (sample > l->mean) {
        l->mean = sample;
    } else {
        double keep = exp(-(double)usec_max(since, MEMORY / 100) / (double)MEMORY);
        l->mean = (Usec)((double)l->mean * keep + (double)sample * (1 - keep));
    }
    l->at = now;
}
