/* test/fuzz/fuzz_llm_price.c - any JSON as a price, an entry of LiteLLM's list or a policy: read or
 * refused; what was read is written and read back the same, and no cost is negative. */
#include "llm/limit.h"
#include "llm/price.h"

#include <assert.h>

static void check_price(struct arena *a, const struct llm_price *p)
{
    static const struct llm_usage some[] = {
        {.prompt = 1, .completion = 1},
        {.prompt = 300000, .cached = 400000, .cache_written = 7, .completion = 9, .reasoning = 10},
        {.prompt = INT64_MAX, .completion = INT64_MAX},
        {.images = 3, .characters = 1000, .audio_ms = 1},
    };
    struct llm_price again;

    assert(llm_price_read(llm_price_json(a, p), &again) == OK);
    assert(memcmp(p, &again, sizeof again) == 0);
    for (size_t i = 0; i < ARRAY_LEN(some); i++) {
        int64_t cost = llm_price_cost(p, &some[i]);
        assert(cost >= 0);
        assert(llm_price_most(p, &some[i]) >= cost);
    }
}

static void check_policy(struct arena *a, const struct json *v)
{
    struct llm_policy p, again;

    if (llm_policy_read(a, v, &p) != OK)
        return;
    assert(llm_policy_read(a, llm_policy_json(a, &p), &again) == OK);
    assert(memcmp(p.max, again.max, sizeof p.max) == 0 && p.models.n == again.models.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(64));
    struct llm_price p = {0};
    Str provider, model;
    struct json *v;

    if (json_parse(a, str_from((const char *)data, size), &v) != OK)
        return 0;
    if (llm_price_read(v, &p) == OK)
        check_price(a, &p);
    for (size_t i = 0; i < json_len(v) && json_is(v, JSON_OBJ); i++) {
        p = (struct llm_price){0};
        Str key = json_str_of(&v->obj[i].key, S(""));
        if (llm_price_litellm(key, &v->obj[i].val, &provider, &model, &p) == OK)
            check_price(a, &p);
    }
    check_policy(a, v);
    return 0;
}
