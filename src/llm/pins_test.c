/* src/llm/pins_test.c - the newest are remembered, each tenant's own. */
#include "llm/pins.h"

#include "base/test.h"

TEST(pins_are_found_by_their_tenant_alone)
{
    struct llm_pins *pins = llm_pins_new();
    Id me = id_new(), other = id_new(), provider = id_new(), second = id_new();
    struct llm_pin pin;

    llm_pins_put(pins, me, S("resp_1"), provider, S("m"));
    t_expect(llm_pins_get(pins, me, S("resp_1"), &pin));
    t_expect(id_eq(pin.provider, provider));
    t_expect_str(str_from(pin.model, pin.model_n), S("m"));
    t_expect(!llm_pins_get(pins, other, S("resp_1"), &pin));
    t_expect(!llm_pins_get(pins, me, S("resp_2"), &pin));
    t_expect(!llm_pins_get(pins, me, S(""), &pin));
    llm_pins_put(pins, me, S("resp_1"), second, S("n"));
    t_expect(llm_pins_get(pins, me, S("resp_1"), &pin) && id_eq(pin.provider, second));
    llm_pins_free(pins);
}

TEST(pins_forget_the_oldest)
{
    struct llm_pins *pins = llm_pins_new();
    Id me = id_new();
    struct llm_pin pin;

    for (int i = 0; i <= LLM_PINS_MAX; i++)
        llm_pins_put(pins, me, str_fmt(t_arena(), "r%d", i), me, S("m"));
    t_expect(!llm_pins_get(pins, me, S("r0"), &pin));
    t_expect(llm_pins_get(pins, me, S("r1"), &pin));
    t_expect(llm_pins_get(pins, me, str_fmt(t_arena(), "r%d", LLM_PINS_MAX), &pin));
    llm_pins_free(pins);
}
