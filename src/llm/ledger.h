/* src/llm/ledger.h - the record of model calls, written behind their answers.
 *
 * A call puts its row into a queue and goes on; one fiber writes what has gathered, a tenth of a
 * second's at a time, in one transaction. A database that is away is waited for. What the queue has
 * no room for, and what cannot be written at the end, is counted and logged: nothing is lost in
 * silence but the last tenth of a second of a process that is killed.
 */
#ifndef LLM_LEDGER_H
#define LLM_LEDGER_H

#include "store/store_model_call.h"

enum {
    LLM_LEDGER_MAX = 100000,          /* rows that wait */
    LLM_LEDGER_BODIES_MAX = 64 << 20, /* bytes of what was said in them; more is left out */
};

struct llm_ledger;

/* @retention: how long rows are kept, and @bodies what was said in them; 0: for ever. */
struct llm_ledger *llm_ledger_new(struct db *db, Usec retention, Usec bodies);
/* Write what waits, and end. */
void llm_ledger_free(struct llm_ledger *ledger) YIELDS;
/* Copies the row. Any thread, does not yield. */
void llm_ledger_add(struct llm_ledger *ledger, const struct model_call_row *row);

#endif
