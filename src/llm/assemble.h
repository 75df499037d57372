/* src/llm/assemble.h - the message that the events of a stream make together, for the log of calls.
 *
 * In the form of a whole answer of the same dialect. What a stream does not say, such as how it
 * ended when it was cut, is not in the message either. Pure.
 */
#ifndef LLM_ASSEMBLE_H
#define LLM_ASSEMBLE_H

#include "base/json.h"
#include "llm/relay.h"

/* @events as a client of @kind got them, perhaps not to their end; @a has room for some times their
 * length. NULL if there is no event in them. */
struct json *llm_assemble(struct arena *a, enum llm_events kind, Str events);

#endif
