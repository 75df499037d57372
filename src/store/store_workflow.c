/* src/store/store_workflow.c - workflows, their drafts and versions; definitions by content. */
#include "store/store_workflow.h"

#include "base/buf.h"
#include "store/store_retention.h"

#define COLUMNS                                                                                    \
    "id, tenant_id, name, description, draft, revision, published_version, latest_version,"        \
    " created_at, updated_at, deleted_at, published"

void store_definition_put(struct db_tx *tx, Str hash, Str body)
{
    db_exec(tx, "INSERT INTO definition (hash, body) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING",
            DB_ARGS(D_BYTES(hash), D_BYTES(body)));
}

Err store_definition_get(struct db *db, struct arena *a, Str hash, Str *ret_body)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT body FROM definition WHERE hash = ?1", DB_ARGS(D_BYTES(hash)), &c));
    bool found = db_next(c);
    if (found)
        *ret_body = db_bytes(c, 0);
    TRY(db_finish(c));
    return found ? OK : err_set(E_CORRUPT, "a definition that is referred to is not stored");
}

Err store_workflow_create(struct db *db, struct arena *a, const struct workflow_row *row, Str body)
{
    static const char sql[] =
        "INSERT INTO workflow (id, tenant_id, name, description, draft, revision,"
        " published_version, latest_version, created_at, updated_at, deleted_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, 1, 0, 0, ?6, ?6, NULL)";
    struct db_tx *tx = db_begin(db, a);

    store_definition_put(tx, row->draft, body);
    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_TEXT(row->name), D_TEXT(row->description),
                    D_BYTES(row->draft), D_INT(row->created_at)));
    return db_commit(tx);
}

static void read_row(struct db_cursor *c, struct workflow_row *r)
{
    r->id = db_id(c, 0);
    r->tenant = db_id(c, 1);
    r->name = db_text(c, 2);
    r->description = db_text(c, 3);
    r->draft = db_bytes(c, 4);
    r->revision = db_int(c, 5);
    r->published_version = (int)db_int(c, 6);
    r->latest_version = (int)db_int(c, 7);
    r->created_at = db_usec(c, 8);
    r->updated_at = db_usec(c, 9);
    r->deleted_at = db_usec(c, 10);
    r->published = db_bytes(c, 11);
}

static Err read_one(struct db *db, struct arena *a, const char *sql, struct db_args args,
                    struct workflow_row *ret_row)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, args, &c));
    bool found = db_next(c);
    if (found)
        read_row(c, ret_row);
    TRY(db_finish(c));
    return found ? OK : err_detail(E_NOT_FOUND, "There is no such workflow.");
}

Err store_workflow_get(struct db *db, struct arena *a, Id tenant, Id id,
                       struct workflow_row *ret_row)
{
    return read_one(db, a,
                    "SELECT " COLUMNS " FROM workflow WHERE id = ?1 AND tenant_id = ?2"
                    " AND deleted_at IS NULL",
                    DB_ARGS(D_ID(id), D_ID(tenant)), ret_row);
}

Err store_workflow_named(struct db *db, struct arena *a, Id tenant, Str name,
                         struct workflow_row *ret_row)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM workflow WHERE tenant_id = ?1 AND name = ?2 AND deleted_at IS"
        " NULL ORDER BY CASE WHEN published IS NULL THEN 1 ELSE 0 END, id"
        " LIMIT 2";
    AUTO(db_cursor) *c = NULL;
    struct workflow_row rows[2] = {0};
    int n = 0;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant), D_TEXT(name)), &c));
    while (n < 2 && db_next(c))
        read_row(c, &rows[n++]);
    TRY(db_finish(c));
    if (n == 0)
        return err_detail(E_NOT_FOUND, "There is no such workflow.");
    if (n == 2 && rows[1].published_version)
        return err_detail(E_CONFLICT, "Several workflows are called \"%.*s\": use the id.",
                          P(str_head(name, 200)));
    *ret_row = rows[0];
    return OK;
}

Err store_workflow_get_any(struct db *db, struct arena *a, Id id, struct workflow_row *ret_row)
{
    return read_one(db, a, "SELECT " COLUMNS " FROM workflow WHERE id = ?1 AND deleted_at IS NULL",
                    DB_ARGS(D_ID(id)), ret_row);
}

/* @q as a LIKE pattern for "has it in it". */
static Str like_pattern(struct arena *a, Str q)
{
    struct buf b = BUF(q.n * 2 + 3);
    buf_add_char(&b, '%');
    for (size_t i = 0; i < q.n; i++) {
        if (q.p[i] == '%' || q.p[i] == '_' || q.p[i] == '\\')
            buf_add_char(&b, '\\');
        buf_add_char(&b, q.p[i]);
    }
    buf_add_char(&b, '%');
    Str pattern = str_lower(a, buf_str(&b));
    buf_done(&b);
    return pattern;
}

Err store_workflow_list(struct db *db, struct arena *a, Id tenant, Str q, Id before, int limit,
                        WorkflowRows *ret_rows)
{
    static const char all[] = "SELECT " COLUMNS " FROM workflow WHERE tenant_id = ?1 AND id < ?2"
                              " AND deleted_at IS NULL ORDER BY id DESC LIMIT ?3";
    static const char named[] = "SELECT " COLUMNS " FROM workflow WHERE tenant_id = ?1 AND id < ?2"
                                " AND deleted_at IS NULL AND LOWER(name) LIKE ?4 ESCAPE '\\'"
                                " ORDER BY id DESC LIMIT ?3";
    AUTO(db_cursor) *c = NULL;
    WorkflowRows rows = {0};

    if (id_is_none(before))
        memset(before.b, 0xff, sizeof before.b);
    if (q.n)
        TRY(db_query(db, a, named,
                     DB_ARGS(D_ID(tenant), D_ID(before), D_INT(limit), D_TEXT(like_pattern(a, q))),
                     &c));
    else
        TRY(db_query(db, a, all, DB_ARGS(D_ID(tenant), D_ID(before), D_INT(limit)), &c));
    while (db_next(c))
        read_row(c, vec_add(a, &rows));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_workflow_update(struct db *db, struct arena *a, const struct workflow_row *row, Str name,
                          Str description, Str hash, Str body)
{
    static const char sql[] =
        "UPDATE workflow SET name = ?3, description = ?4, draft = ?5, revision = revision + 1,"
        " updated_at = ?6 WHERE id = ?1 AND revision = ?2 AND deleted_at IS NULL";
    struct db_tx *tx = db_begin(db, a);

    store_definition_put(tx, hash, body);
    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(row->id), D_INT(row->revision), D_TEXT(name), D_TEXT(description),
                           D_BYTES(hash), D_INT(time_wall())));
    return db_commit(tx);
}

static void put_triggers(struct db_tx *tx, const struct workflow_row *row,
                         const struct workflow_triggers *triggers)
{
    store_schedule_put(tx, row->id, triggers->schedule);
    store_event_trigger_put(tx, row->tenant, row->id, triggers->events);
    store_poll_put(tx, row->id, triggers->poll);
    store_mailbox_put(tx, row->id, triggers->mailbox);
}

Err store_workflow_delete(struct db *db, struct arena *a, const struct workflow_row *row)
{
    struct db_tx *tx = db_begin(db, a);
    db_exec_expect(tx, 1,
                   "UPDATE workflow SET deleted_at = ?2, revision = revision + 1 WHERE id = ?1"
                   " AND deleted_at IS NULL",
                   DB_ARGS(D_ID(row->id), D_INT(time_wall())));
    put_triggers(tx, row, &(struct workflow_triggers){0});
    return db_commit(tx);
}

Err store_workflow_publish(struct db *db, struct arena *a, const struct workflow_row *row, Str by,
                           const struct workflow_triggers *triggers)
{
    static const char insert[] =
        "INSERT INTO workflow_version (workflow_id, version, hash, created_at, created_by)"
        " VALUES (?1, ?2, ?3, ?4, ?5)";
    static const char update[] =
        "UPDATE workflow SET published_version = ?3, latest_version = ?3, updated_at = ?4, "
        "published = ?6"
        " WHERE id = ?1 AND revision = ?2 AND latest_version = ?5 AND deleted_at IS NULL";
    int next = row->latest_version + 1;
    struct db_tx *tx = db_begin(db, a);

    db_exec(
        tx, insert,
        DB_ARGS(D_ID(row->id), D_INT(next), D_BYTES(row->draft), D_INT(time_wall()), D_TEXT(by)));
    db_exec_expect(tx, 1, update,
                   DB_ARGS(D_ID(row->id), D_INT(row->revision), D_INT(next), D_INT(time_wall()),
                           D_INT(row->latest_version), D_BYTES(row->draft)));
    put_triggers(tx, row, triggers);
    store_retention_put(tx, row->id, row->tenant, triggers->retention);
    Err e = db_commit(tx);
    return e == E_EXISTS ? E_CONFLICT : e; /* someone published at the same time */
}

Err store_workflow_set_published(struct db *db, struct arena *a, const struct workflow_row *row,
                                 const struct version_row *version,
                                 const struct workflow_triggers *triggers)
{
    struct db_tx *tx = db_begin(db, a);
    db_exec_expect(tx, 1,
                   "UPDATE workflow SET published_version = ?2, updated_at = ?3, published = ?4 "
                   "WHERE id = ?1 AND"
                   " deleted_at IS NULL",
                   DB_ARGS(D_ID(row->id), D_INT(version->version), D_INT(time_wall()),
                           D_BYTES(version->hash)));
    put_triggers(tx, row, triggers);
    store_retention_put(tx, row->id, row->tenant, triggers->retention);
    return db_commit(tx);
}

Err store_version_get(struct db *db, struct arena *a, Id workflow, int version,
                      struct version_row *ret_row)
{
    static const char sql[] = "SELECT version, hash, created_at, created_by FROM workflow_version"
                              " WHERE workflow_id = ?1 AND version = ?2";
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(workflow), D_INT(version)), &c));
    bool found = db_next(c);
    if (found)
        *ret_row =
            (struct version_row){(int)db_int(c, 0), db_bytes(c, 1), db_usec(c, 2), db_text(c, 3)};
    TRY(db_finish(c));
    return found ? OK : err_detail(E_NOT_FOUND, "The workflow has no version %d.", version);
}

Err store_version_list(struct db *db, struct arena *a, Id workflow, int before, int limit,
                       VersionRows *ret_rows)
{
    static const char sql[] =
        "SELECT version, hash, created_at, created_by FROM workflow_version"
        " WHERE workflow_id = ?1 AND version < ?2 ORDER BY version DESC LIMIT ?3";
    AUTO(db_cursor) *c = NULL;
    VersionRows rows = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(workflow), D_INT(before), D_INT(limit)), &c));
    while (db_next(c))
        vec_push(a, &rows,
                 ((struct version_row){(int)db_int(c, 0), db_bytes(c, 1), db_usec(c, 2),
                                       db_text(c, 3)}));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}
