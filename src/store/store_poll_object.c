/* src/store/store_poll_object.c - what was seen in a bucket. */
#include "store/store_poll_object.h"

Err store_poll_objects(struct db *db, struct arena *a, Id watch, Str after, int limit,
                       PollObjects *ret_objects)
{
    AUTO(db_cursor) *c = NULL;
    PollObjects objects = {0};

    TRY(db_query(db, a,
                 "SELECT name, mark, state FROM poll_object WHERE watch = ?1 AND name > ?2"
                 " ORDER BY name LIMIT ?3",
                 DB_ARGS(D_ID(watch), D_TEXT(after), D_INT(limit)), &c));
    while (db_next(c))
        vec_push(
            a, &objects,
            ((struct poll_object){db_text(c, 0), db_text(c, 1), (enum poll_state)db_int(c, 2)}));
    TRY(db_finish(c));
    *ret_objects = objects;
    return OK;
}

void store_poll_object_put(struct db_tx *tx, Id watch, const struct poll_object *o)
{
    /* Who was asleep for long does not undo what others have done since. */
    db_exec(tx,
            "INSERT INTO poll_object (watch, name, mark, state) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (watch, name) DO UPDATE SET mark = excluded.mark, state ="
            " excluded.state WHERE poll_object.mark <> excluded.mark",
            DB_ARGS(D_ID(watch), D_TEXT(o->name), D_TEXT(o->mark), D_INT(o->state)));
}

void store_poll_object_drop(struct db_tx *tx, Id watch, Str name)
{
    db_exec(tx, "DELETE FROM poll_object WHERE watch = ?1 AND name = ?2",
            DB_ARGS(D_ID(watch), D_TEXT(name)));
}

void store_poll_object_done(struct db_tx *tx, Id watch, const struct poll_object *o)
{
    db_exec_expect(tx, 1,
                   "UPDATE poll_object SET state = 1 WHERE watch = ?1 AND name = ?2 AND mark = ?3"
                   " AND state <> 1",
                   DB_ARGS(D_ID(watch), D_TEXT(o->name), D_TEXT(o->mark)));
}

static Err find_over(struct db *db, struct arena *a, Id *ret_watch)
{
    AUTO(db_cursor) *c = NULL;

    *ret_watch = ID_NONE;
    TRY(db_query(db, a, "SELECT watch FROM poll_over ORDER BY watch LIMIT 1", DB_NO_ARGS, &c));
    if (db_next(c))
        *ret_watch = db_id(c, 0);
    return db_finish(c);
}

Err store_poll_sweep(struct db *db, struct arena *a, int limit, bool *ret_more)
{
    Id watch;

    *ret_more = false;
    TRY(find_over(db, a, &watch));
    if (id_is_none(watch))
        return OK;
    struct db_tx *tx = db_begin(db, a);
    db_exec(tx,
            "DELETE FROM poll_object WHERE watch = ?1 AND name IN (SELECT name FROM poll_object"
            " WHERE watch = ?1 ORDER BY name LIMIT ?2)",
            DB_ARGS(D_ID(watch), D_INT(limit)));
    db_exec(tx,
            "DELETE FROM poll_over WHERE watch = ?1 AND NOT EXISTS (SELECT 1 FROM poll_object"
            " WHERE watch = ?1)",
            DB_ARGS(D_ID(watch)));
    TRY(db_commit(tx));
    *ret_more = true;
    return OK;
}
