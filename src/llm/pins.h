/* src/llm/pins.h - which target made a response: those that follow it go there again.
 *
 * The last 16,384 are remembered in this process; all are written to the store some seconds later,
 * where other processes find them. Of those that are nowhere each target of a route is asked
 * whether it knows them.
 */
#ifndef LLM_PINS_H
#define LLM_PINS_H

#include "store/store_model_pin.h"

enum { LLM_PINS_MAX = 16384, LLM_PIN_ID_MAX = 128 };

struct llm_pin {
    Id provider;
    char model[256];
    size_t model_n;
};

struct llm_pins;

struct llm_pins *llm_pins_new(void);
void llm_pins_free(struct llm_pins *pins);
/* Any thread; none of them yields. Ids that are empty or too long are left out. */
void llm_pins_put(struct llm_pins *pins, Id tenant, Str id, Id provider, Str model);
/* Write those that are not in the store yet; they are kept for @kept. What more than LLM_PINS_MAX
 * have come after is lost. */
Err llm_pins_flush(struct llm_pins *pins, struct db *db, Usec kept) YIELDS;
bool llm_pins_get(struct llm_pins *pins, Id tenant, Str id, struct llm_pin *ret_pin);

#endif
