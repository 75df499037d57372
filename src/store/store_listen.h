/* src/store/store_listen.h - who listens to what comes to the draft of a workflow, and what came.
 *
 * A draft answers at its test address only until the time in its row; what came is kept for a day,
 * the latest few calls of each workflow.
 */
#ifndef STORE_STORE_LISTEN_H
#define STORE_STORE_LISTEN_H

#include "store/db.h"

enum { LISTEN_CALLS_KEPT = 10 };

/* Listen until @until; what came before is forgotten. */
Err store_listen_start(struct db *db, struct arena *a, Id tenant, Id workflow, Usec until) YIELDS;
/* Until when; 0: nobody ever listened, or has stopped. */
Err store_listen_until(struct db *db, struct arena *a, Id workflow, Usec *ret_until) YIELDS;
Err store_listen_stop(struct db *db, struct arena *a, Id workflow) YIELDS;

/* Keep @body (JSON text) of a call; the oldest is forgotten when there are more than are kept. */
Err store_listen_add(struct db *db, struct arena *a, Id workflow, Usec at, Str body) YIELDS;
/* The calls that are kept, newest first. */
typedef VEC(Str) ListenCalls;
Err store_listen_calls(struct db *db, struct arena *a, Id workflow, ListenCalls *ret_calls) YIELDS;
/* Forget what came before @before, and who listened until then. */
Err store_listen_expire(struct db *db, struct arena *a, Usec before) YIELDS;

#endif
