/* src/store/store_chat.h - conversations with workflows that are started by chat, turn by turn.
 *
 * A turn is a message of the visitor and what was answered. Its message is written by the
 * transaction that makes its run accepted; the answer follows when the run has ended, and whoever
 * reads the conversation before may fill it in.
 */
#ifndef STORE_STORE_CHAT_H
#define STORE_STORE_CHAT_H

#include "store/db.h"

struct chat_row {
    Id id, tenant, workflow;
    Usec created_at, used_at, keep_until;
};
struct chat_turn {
    int64_t n; /* from 1 */
    Id run;
    Str message, answer;
    bool answered; /* else the run has not ended, or nobody has looked since */
    bool failed;   /* it gave no answer */
    Usec at;
};
typedef VEC(struct chat_turn) ChatTurns;

/* E_NOT_FOUND, also when its time is over. */
Err store_chat_get(struct db *db, struct arena *a, Id workflow, Id id, Usec now,
                   struct chat_row *ret_row) YIELDS;
/* Whether there is such a conversation of any workflow, also one whose time is over. */
Err store_chat_is_taken(struct db *db, struct arena *a, Id id, bool *ret_taken) YIELDS;
/* The last @limit turns, oldest first; none of a conversation of another workflow. */
Err store_chat_turns(struct db *db, struct arena *a, Id workflow, Id id, int limit,
                     ChatTurns *ret_turns) YIELDS;
/* Queue: a turn more, and that the conversation is kept until row->keep_until; E_EXISTS at the
 * commit when there is a turn @n already, E_CONFLICT when it is a conversation of another
 * workflow. */
void store_chat_say(struct db_tx *tx, const struct chat_row *row, const struct chat_turn *turn);
/* Fill in the answer of turn @n, if it has none. */
Err store_chat_answer(struct db *db, struct arena *a, Id id, const struct chat_turn *turn) YIELDS;
/* Forget at most @limit conversations that are kept no longer; *ret_n: how many. */
Err store_chat_expire(struct db *db, struct arena *a, Usec now, int limit, int *ret_n) YIELDS;
/* Forget one. E_NOT_FOUND. */
Err store_chat_delete(struct db *db, struct arena *a, Id workflow, Id id) YIELDS;

#endif
