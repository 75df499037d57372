/* src/store/store_event_start.c - events that start workflows. */
#include "store/store_event_start.h"

void store_event_trigger_put(struct db_tx *tx, Id tenant, Id workflow, Str events)
{
    Str rest = str_trim(events), name;

    db_exec(tx, "DELETE FROM event_trigger WHERE workflow_id = ?1", DB_ARGS(D_ID(workflow)));
    while (rest.p && rest.n) {
        rest = str_cut(rest, ' ', &name);
        db_exec(tx, "INSERT INTO event_trigger (workflow_id, event, tenant_id) VALUES (?1, ?2, ?3)",
                DB_ARGS(D_ID(workflow), D_TEXT(name), D_ID(tenant)));
    }
}

Err store_event_trigger_any(struct db *db, struct arena *a, bool *ret_any)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT 1 FROM event_trigger LIMIT 1", DB_NO_ARGS, &c));
    *ret_any = db_next(c);
    return db_finish(c);
}

void store_event_start_put(struct db_tx *tx, const struct event_start_row *row)
{
    static const char sql[] =
        "INSERT INTO event_start (id, workflow_id, tenant_id, event, body, cause, state, attempts,"
        " next_at, error, created_at) SELECT ?1, t.workflow_id, ?2, ?3, ?4, ?5, 0, 0, ?6, '', ?6"
        " FROM event_trigger t WHERE t.tenant_id = ?2 AND t.event = ?3";

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_TEXT(row->event), D_BYTES(row->body),
                    D_TEXT(row->cause), D_INT(row->created_at)));
}

#define COLUMNS                                                                                    \
    "id, workflow_id, tenant_id, event, cause, state, error, attempts, next_at, created_at"

static Err read_rows(struct db_cursor *c, struct arena *a, bool bodies, EventStartRows *ret_rows)
{
    EventStartRows rows = {0};

    while (db_next(c))
        vec_push(a, &rows,
                 ((struct event_start_row){.id = db_id(c, 0),
                                           .workflow = db_id(c, 1),
                                           .tenant = db_id(c, 2),
                                           .event = db_text(c, 3),
                                           .cause = db_text(c, 4),
                                           .refused = db_int(c, 5) != 0,
                                           .error = db_text(c, 6),
                                           .attempts = (int)db_int(c, 7),
                                           .next_at = db_usec(c, 8),
                                           .created_at = db_usec(c, 9),
                                           .body = bodies ? db_bytes(c, 10) : S("")}));
    *ret_rows = rows;
    return OK;
}

Err store_event_start_take(struct db *db, struct arena *a, Id node, Usec now, Usec until, int limit,
                           EventStartRows *ret_rows)
{
    /* The time is asked for twice: who waited for another node's taking sees what it has become. */
    static const char sql[] =
        "UPDATE event_start SET next_at = ?2, taken_by = ?4, attempts = attempts + 1 WHERE state = "
        "0 AND"
        " next_at <= ?1 AND (id, workflow_id) IN (SELECT s.id, s.workflow_id FROM event_start s"
        " WHERE s.state = 0 AND s.next_at <= ?1 ORDER BY s.next_at LIMIT ?3)"
        " RETURNING " COLUMNS ", body";
    struct db_tx *tx = db_begin(db, a);
    AUTO(db_cursor) *c = NULL;

    db_exec_returning(tx, sql, DB_ARGS(D_INT(now), D_INT(until), D_INT(limit), D_ID(node)), &c);
    TRY(db_commit(tx));
    return read_rows(c, a, true, ret_rows);
}

Err store_event_start_free(struct db *db, struct arena *a, Id node)
{
    struct db_tx *tx = db_begin(db, a);

    if (id_is_none(node))
        db_exec(tx,
                "UPDATE event_start SET next_at = 0, taken_by = NULL WHERE state = 0 AND taken_by"
                " IS NOT NULL",
                DB_NO_ARGS);
    else
        db_exec(tx,
                "UPDATE event_start SET next_at = 0, taken_by = NULL WHERE state = 0 AND taken_by"
                " = ?1",
                DB_ARGS(D_ID(node)));
    return db_commit(tx);
}

void store_event_start_done(struct db_tx *tx, const struct event_start_row *row)
{
    db_exec_expect(tx, 1, "DELETE FROM event_start WHERE id = ?1 AND workflow_id = ?2",
                   DB_ARGS(D_ID(row->id), D_ID(row->workflow)));
}

Err store_event_start_tried(struct db *db, struct arena *a, const struct event_start_row *row,
                            Usec next_at, bool refused, Str error)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(
        tx,
        "UPDATE event_start SET next_at = ?3, taken_by = NULL, state = ?4, error = ?5 WHERE id = "
        "?1 AND"
        " workflow_id = ?2 AND state = 0",
        DB_ARGS(D_ID(row->id), D_ID(row->workflow), D_INT(next_at), D_INT(refused), D_TEXT(error)));
    return db_commit(tx);
}

Err store_event_start_list(struct db *db, struct arena *a, Id tenant, Id workflow, Id before,
                           int limit, EventStartRows *ret_rows)
{
    AUTO(db_cursor) *c = NULL;

    if (id_is_none(before))
        memset(before.b, 0xff, sizeof before.b);
    TRY(db_query(db, a,
                 "SELECT " COLUMNS " FROM event_start WHERE workflow_id = ?1 AND tenant_id = ?2 AND"
                 " id < ?3 ORDER BY id DESC LIMIT ?4",
                 DB_ARGS(D_ID(workflow), D_ID(tenant), D_ID(before), D_INT(limit)), &c));
    TRY(read_rows(c, a, false, ret_rows));
    return db_finish(c);
}

Err store_event_start_expire(struct db *db, struct arena *a, Usec before, int limit)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx,
            "DELETE FROM event_start WHERE state = 1 AND (id, workflow_id) IN (SELECT s.id,"
            " s.workflow_id FROM event_start s WHERE s.state = 1 AND s.created_at < ?1 LIMIT ?2)",
            DB_ARGS(D_INT(before), D_INT(limit)));
    return db_commit(tx);
}
