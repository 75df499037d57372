/* src/llm/prices.h - the prices that are known: kept in memory, read again when they change.
 *
 * A price belongs to a provider, by its name or its kind, and to the provider's own name for a
 * model. What was written by hand comes before what was imported, a name before a kind. Nothing is
 * guessed: a model without an entry of exactly its name has no price.
 */
#ifndef LLM_PRICES_H
#define LLM_PRICES_H

#include "llm/llm.h"
#include "llm/price.h"
#include "store/store_model_price.h"

enum { LLM_PRICES_MAX = 20000, LLM_PRICES_TEXT_MAX = 16 << 20 };

struct llm_prices;

/* Empty until the first look. */
struct llm_prices *llm_prices_new(struct db *db);
void llm_prices_free(struct llm_prices *prices);
/* Read them, if they are others than before. */
Err llm_prices_look(struct llm_prices *prices) YIELDS;

/* False if there is none. Any thread, does not yield. */
bool llm_prices_find(struct llm_prices *prices, const struct llm_target *target,
                     struct llm_price *ret_price);

/* Write one by hand; @v as llm_price_read takes it. E_INVALID. */
Err llm_prices_put(struct llm *llm, struct arena *a, Id tenant, Str provider, Str model,
                   const struct json *v) YIELDS;
/* E_NOT_FOUND. */
Err llm_prices_delete(struct llm *llm, struct arena *a, Id tenant, Id id) YIELDS;

struct llm_import {
    int64_t imported, skipped; /* entries; skipped: no price of tokens, or the same name again */
};
/* Put LiteLLM's list in the place of what was imported before. E_SYNTAX, E_INVALID (nothing in it
 * can be used). */
Err llm_prices_import(struct llm *llm, Id tenant, Str text, struct llm_import *ret_import) YIELDS;

#endif
