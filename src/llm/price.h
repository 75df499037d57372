/* src/llm/price.h - what tokens cost, and what a call did.
 *
 * Money is integer micro-units of the US dollar; a price of tokens is micro-units for a million of
 * them, so that $2.50 for a million is 2500000 and no price that is met is rounded. A call's cost
 * is rounded up to the next micro-unit. Pure.
 */
#ifndef LLM_PRICE_H
#define LLM_PRICE_H

#include "base/json.h"
#include "llm/usage.h"

#define LLM_PRICE_MAX ((int64_t)1000000000000) /* $1,000,000 for a million tokens */

/* Micro-units for a million tokens. */
struct llm_rates {
    int64_t input, cached_input, cache_write, output, reasoning;
};

struct llm_price {
    struct llm_rates usual;
    struct llm_rates longer; /* when the prompt has more tokens than long_above */
    int64_t long_above;      /* 0: there is no such price */
    int64_t request;         /* micro-units for each call */
    int64_t image;           /* and for each image */
    int64_t character;       /* for a million of them, as of tokens */
    int64_t second;          /* of sound, likewise */
    int64_t max_input;       /* tokens of a request; 0: not known */
    int64_t max_output;      /* tokens of an answer; 0: not known */
};

/* {"input", "output", "cached_input", "cache_write", "reasoning", "request", "image", "character",
 * "second", "max_input", "max_output", "long": {"above", "input", ...}}, of which input and output
 * are needed unless images, characters or seconds have a price. What is left out costs what input,
 * or for reasoning output, does; in "long" what is left out costs as usual. E_INVALID names the
 * member that is wrong. */
Err llm_price_read(const struct json *v, struct llm_price *ret_price);
struct json *llm_price_json(struct arena *a, const struct llm_price *price);

/* In micro-units; held at INT64_MAX. */
int64_t llm_price_cost(const struct llm_price *price, const struct llm_usage *usage);

/* The most that a call which uses so much can cost. */
int64_t llm_price_most(const struct llm_price *price, const struct llm_usage *most);

/* One entry of LiteLLM's list (model_prices_and_context_window.json): the name it is found under
 * and its value. E_INVALID if it has no price of tokens, images, characters or seconds, or one that
 * cannot be told here. Names are borrowed. */
Err llm_price_litellm(Str key, const struct json *v, Str *ret_provider, Str *ret_model,
                      struct llm_price *ret_price);

#endif
