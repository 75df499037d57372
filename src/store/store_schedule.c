/* src/store/store_schedule.c - when workflows with a schedule fire next. */
#include "store/store_schedule.h"

#define COLUMNS                                                                                    \
    "workflow_id, tenant_id, version, hash, spec, anchor, next_at, due_at, last_at, last_run"

void store_schedule_put(struct db_tx *tx, Id workflow, const struct schedule_row *row)
{
    static const char put[] =
        "INSERT INTO schedule (workflow_id, tenant_id, version, hash, spec, anchor, next_at,"
        " due_at, moved_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        " ON CONFLICT (workflow_id) DO UPDATE SET version = excluded.version,"
        " hash = excluded.hash, spec = excluded.spec, moved_at = excluded.moved_at,"
        " anchor = CASE WHEN schedule.spec = excluded.spec THEN schedule.anchor"
        " ELSE excluded.anchor END,"
        " next_at = CASE WHEN schedule.spec = excluded.spec THEN schedule.next_at"
        " ELSE excluded.next_at END,"
        " due_at = CASE WHEN schedule.spec = excluded.spec THEN schedule.due_at"
        " ELSE excluded.due_at END";

    if (!row)
        db_exec(tx, "DELETE FROM schedule WHERE workflow_id = ?1", DB_ARGS(D_ID(workflow)));
    else
        db_exec(tx, put,
                DB_ARGS(D_ID(workflow), D_ID(row->tenant), D_INT(row->version), D_BYTES(row->hash),
                        D_TEXT(row->spec), D_INT(row->anchor), D_INT(row->next_at),
                        D_INT(row->due_at), D_INT(time_wall())));
}

void store_schedule_advance(struct db_tx *tx, const struct schedule_row *row, Usec next_at,
                            Usec due_at, Usec fired_at, Id run, Usec now)
{
    static const char move[] = "UPDATE schedule SET next_at = ?4, due_at = ?5, moved_at = ?6"
                               " WHERE workflow_id = ?1 AND version = ?2 AND next_at = ?3";
    static const char fire[] =
        "UPDATE schedule SET next_at = ?4, due_at = ?5, moved_at = ?6, last_at = ?7, last_run = ?8"
        " WHERE workflow_id = ?1 AND version = ?2 AND next_at = ?3";

    if (id_is_none(run))
        db_exec_expect(tx, 1, move,
                       DB_ARGS(D_ID(row->workflow), D_INT(row->version), D_INT(row->next_at),
                               D_INT(next_at), D_INT(due_at), D_INT(now)));
    else
        db_exec_expect(tx, 1, fire,
                       DB_ARGS(D_ID(row->workflow), D_INT(row->version), D_INT(row->next_at),
                               D_INT(next_at), D_INT(due_at), D_INT(now), D_INT(fired_at),
                               D_ID(run)));
}

static void read_row(struct db_cursor *c, struct schedule_row *r)
{
    *r = (struct schedule_row){
        .workflow = db_id(c, 0),
        .tenant = db_id(c, 1),
        .version = (int)db_int(c, 2),
        .hash = db_bytes(c, 3),
        .spec = db_text(c, 4),
        .anchor = db_usec(c, 5),
        .next_at = db_usec(c, 6),
        .due_at = db_usec(c, 7),
        .last_at = db_usec(c, 8),
        .last_run = db_id(c, 9),
    };
}

Err store_schedule_get(struct db *db, struct arena *a, Id workflow, struct schedule_row *ret_row)
{
    static const char sql[] = "SELECT " COLUMNS " FROM schedule WHERE workflow_id = ?1";
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(workflow)), &c));
    bool found = db_next(c);
    if (found)
        read_row(c, ret_row);
    TRY(db_finish(c));
    return found ? OK : err_set(E_NOT_FOUND, "the workflow has no schedule");
}

Err store_schedule_due(struct db *db, struct arena *a, Usec from, Usec to, size_t limit,
                       void (*fn)(void *ctx, Id workflow, Usec due_at), void *ctx, size_t *ret_n)
{
    static const char sql[] = "SELECT workflow_id, due_at FROM schedule"
                              " WHERE due_at >= ?1 AND due_at < ?2 ORDER BY due_at LIMIT ?3";
    AUTO(db_cursor) *c = NULL;
    size_t n = 0;

    TRY(db_query(db, a, sql, DB_ARGS(D_INT(from), D_INT(to), D_INT(limit)), &c));
    for (; db_next(c); n++)
        fn(ctx, db_id(c, 0), db_usec(c, 1));
    TRY(db_finish(c));
    *ret_n = n;
    return OK;
}

Err store_schedule_ahead(struct db *db, struct arena *a, Usec now, int limit,
                         ScheduleRows *ret_rows)
{
    static const char sql[] = "SELECT " COLUMNS " FROM schedule WHERE moved_at > ?1 LIMIT ?2";
    AUTO(db_cursor) *c = NULL;
    ScheduleRows rows = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_INT(now), D_INT(limit)), &c));
    while (db_next(c))
        read_row(c, vec_add(a, &rows));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}
