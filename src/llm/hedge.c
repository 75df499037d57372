/* src/llm/hedge.c - when a route calls a second target beside one that is slow. */
#include "llm/hedge.h"

static const Usec AFTER_LEAST = 10 * USEC_MS;
static const Usec AFTER_MOST = 10 * USEC_MIN;
static const Str usual_name = S_INIT("p95");

/* ---- the rule ---- */

static Err read_after(const struct json *v, struct llm_hedge *hedge)
{
    Str text = json_str_of(v, S(""));

    hedge->usual = str_eq(text, usual_name);
    if (hedge->usual)
        return OK;
    if (time_parse_span(text, &hedge->after) != OK || hedge->after < AFTER_LEAST ||
        hedge->after > AFTER_MOST)
        return err_detail(E_INVALID,
                          "\"after\" of a hedge must be a span from 10ms to 10m, or \"p95\".");
    return OK;
}

static Err read_max(const struct json *v, struct llm_hedge *hedge)
{
    int64_t n = json_int_of(v, 0);

    if (n < 1 || n > LLM_HEDGES_MAX)
        return err_detail(E_INVALID, "\"max\" of a hedge must be from 1 to %d.", LLM_HEDGES_MAX);
    hedge->max = (unsigned)n;
    return OK;
}

Err llm_hedge_read(const struct json *v, struct llm_hedge *ret_hedge)
{
    struct llm_hedge hedge = {.max = 1};

    *ret_hedge = (struct llm_hedge){0};
    if (!v || json_is(v, JSON_NULL))
        return OK;
    if (!json_is(v, JSON_OBJ) || !json_at(v, "after"))
        return err_detail(E_INVALID, "\"hedge\" must be an object such as {\"after\": \"800ms\"}.");
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        if (str_eq(name, S("after")))
            TRY(read_after(&v->obj[i].val, &hedge));
        else if (str_eq(name, S("max")))
            TRY(read_max(&v->obj[i].val, &hedge));
        else
            return err_detail(E_INVALID, "A hedge has no \"%.*s\".", P(str_head(name, 64)));
    }
    *ret_hedge = hedge;
    return OK;
}

struct json *llm_hedge_json(struct arena *a, const struct llm_hedge *hedge)
{
    char span[TIME_RFC3339_SIZE];

    if (!llm_hedge_is_on(hedge))
        return NULL;
    Str after = hedge->usual ? usual_name : str_dup(a, time_span(hedge->after, span));
    return json_obj(a, "after", json_str(a, after), "max", json_int(a, hedge->max), NULL);
}

/* ---- what is usual ---- */

void llm_pace_add(struct llm_pace *pace, Usec sample)
{
    Usec ms = (usec_min(usec_max(sample, 0), USEC_DAY) + USEC_MS - 1) / USEC_MS;

    pace->last[pace->at] = (uint32_t)ms;
    pace->at = (pace->at + 1) % LLM_PACE_LAST;
    if (pace->n < LLM_PACE_LAST)
        pace->n++;
}

/* The least value that is not less than 95 of 100: there are few, so each is counted against all.
 */
Usec llm_pace_p95(const struct llm_pace *pace)
{
    unsigned want = (pace->n * 95 + 99) / 100;
    uint32_t best = UINT32_MAX;

    if (pace->n < LLM_PACE_LEAST)
        return 0;
    for (unsigned i = 0; i < pace->n; i++) {
        unsigned no_more = 0;
        for (unsigned k = 0; k < pace->n; k++)
            no_more += pace->last[k] <= pace->last[i];
        if (no_more >= want && pace->last[i] < best)
            best = pace->last[i];
    }
    return usec_max((Usec)best * USEC_MS, AFTER_LEAST);
}
