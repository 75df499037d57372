/* src/store/store_chat.c - see store_chat.h. */
#include "store/store_chat.h"

Err store_chat_get(struct db *db, struct arena *a, Id workflow, Id id, Usec now,
                   struct chat_row *ret_row)
{
    static const char sql[] = "SELECT id, tenant_id, workflow_id, created_at, used_at, keep_until"
                              " FROM chat WHERE id = ?1 AND workflow_id = ?2 AND keep_until > ?3";
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(id), D_ID(workflow), D_INT(now)), &c));
    bool found = db_next(c);
    if (found)
        *ret_row = (struct chat_row){.id = db_id(c, 0),
                                     .tenant = db_id(c, 1),
                                     .workflow = db_id(c, 2),
                                     .created_at = db_usec(c, 3),
                                     .used_at = db_usec(c, 4),
                                     .keep_until = db_usec(c, 5)};
    TRY(db_finish(c));
    return found ? OK : err_detail(E_NOT_FOUND, "There is no such conversation, or no longer.");
}

Err store_chat_is_taken(struct db *db, struct arena *a, Id id, bool *ret_taken)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT 1 FROM chat WHERE id = ?1", DB_ARGS(D_ID(id)), &c));
    bool taken = db_next(c);
    TRY(db_finish(c));
    *ret_taken = taken;
    return OK;
}

Err store_chat_turns(struct db *db, struct arena *a, Id workflow, Id id, int limit,
                     ChatTurns *ret_turns)
{
    static const char sql[] =
        "SELECT t.n, t.run_id, t.message, t.answer, t.state, t.at FROM chat_turn t"
        " JOIN chat c ON c.id = t.chat_id WHERE t.chat_id = ?1 AND c.workflow_id = ?2"
        " ORDER BY t.n DESC LIMIT ?3";
    AUTO(db_cursor) *c = NULL;
    ChatTurns turns = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(id), D_ID(workflow), D_INT(limit)), &c));
    while (db_next(c)) {
        struct chat_turn *t = vec_add(a, &turns);
        *t = (struct chat_turn){.n = db_int(c, 0),
                                .run = db_id(c, 1),
                                .message = db_text(c, 2),
                                .answer = db_text(c, 3),
                                .answered = db_int(c, 4) != 0,
                                .failed = db_int(c, 4) == 2,
                                .at = db_usec(c, 5)};
    }
    TRY(db_finish(c));
    for (size_t i = 0; i < turns.n / 2; i++) {
        struct chat_turn other = turns.at[i];
        turns.at[i] = turns.at[turns.n - 1 - i];
        turns.at[turns.n - 1 - i] = other;
    }
    *ret_turns = turns;
    return OK;
}

void store_chat_say(struct db_tx *tx, const struct chat_row *row, const struct chat_turn *turn)
{
    static const char keep[] =
        "INSERT INTO chat (id, tenant_id, workflow_id, created_at, used_at, keep_until)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET"
        " used_at = excluded.used_at, keep_until = excluded.keep_until"
        " WHERE chat.workflow_id = excluded.workflow_id";
    static const char say[] =
        "INSERT INTO chat_turn (chat_id, n, run_id, message, answer, state, at)"
        " VALUES (?1, ?2, ?3, ?4, '', 0, ?5)";

    db_exec_expect(tx, 1, keep,
                   DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_ID(row->workflow),
                           D_INT(row->created_at), D_INT(row->used_at), D_INT(row->keep_until)));
    db_exec(tx, say,
            DB_ARGS(D_ID(row->id), D_INT(turn->n), D_ID(turn->run), D_TEXT(turn->message),
                    D_INT(turn->at)));
}

Err store_chat_answer(struct db *db, struct arena *a, Id id, const struct chat_turn *turn)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx,
            "UPDATE chat_turn SET answer = ?3, state = ?4 WHERE chat_id = ?1 AND n = ?2"
            " AND state = 0",
            DB_ARGS(D_ID(id), D_INT(turn->n), D_TEXT(turn->answer), D_INT(turn->failed ? 2 : 1)));
    return db_commit(tx);
}

/* Unless it is kept longer than @until by now. */
static void forget(struct db_tx *tx, Id id, Usec until)
{
    db_exec(tx,
            "DELETE FROM chat_turn WHERE chat_id IN"
            " (SELECT id FROM chat WHERE id = ?1 AND keep_until <= ?2)",
            DB_ARGS(D_ID(id), D_INT(until)));
    db_exec(tx, "DELETE FROM chat WHERE id = ?1 AND keep_until <= ?2",
            DB_ARGS(D_ID(id), D_INT(until)));
}

Err store_chat_expire(struct db *db, struct arena *a, Usec now, int limit, int *ret_n)
{
    AUTO(db_cursor) *c = NULL;
    VEC(Id) old = {0};

    TRY(db_query(db, a, "SELECT id FROM chat WHERE keep_until <= ?1 LIMIT ?2",
                 DB_ARGS(D_INT(now), D_INT(limit)), &c));
    while (db_next(c))
        vec_push(a, &old, db_id(c, 0));
    TRY(db_finish(c));
    *ret_n = (int)old.n;
    if (!old.n)
        return OK;
    struct db_tx *tx = db_begin(db, a);
    vec_each(&old, id)
        forget(tx, *id, now);
    return db_commit(tx);
}

Err store_chat_delete(struct db *db, struct arena *a, Id workflow, Id id)
{
    struct chat_row row;

    TRY(store_chat_get(db, a, workflow, id, 0, &row));
    struct db_tx *tx = db_begin(db, a);
    forget(tx, row.id, INT64_MAX);
    return db_commit(tx);
}
