/* src/store/store_prompt.c - prompts that are called by name, and their versions. */
#include "store/store_prompt.h"

static void insert_version(struct db_tx *tx, const struct prompt_version_row *v)
{
    static const char sql[] =
        "INSERT INTO prompt_version (prompt_id, number, body, note, created_by, created_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

    db_exec(tx, sql,
            DB_ARGS(D_ID(v->prompt), D_INT(v->number), D_TEXT(v->body), D_TEXT(v->note),
                    D_TEXT(v->created_by), D_INT(v->created_at)));
}

Err store_prompt_create(struct db *db, struct arena *a, const struct prompt_row *row,
                        const struct prompt_version_row *version)
{
    static const char sql[] =
        "INSERT INTO prompt (id, tenant_id, name, description, labels, latest, revision,"
        " created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7)";
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_TEXT(row->name), D_TEXT(row->description),
                    D_TEXT(row->labels), D_INT(row->latest), D_INT(row->created_at)));
    insert_version(tx, version);
    return db_commit(tx);
}

#define COLUMNS "id, tenant_id, name, description, labels, latest, revision, created_at, updated_at"

static void read_row(struct db_cursor *c, struct prompt_row *r)
{
    *r = (struct prompt_row){.id = db_id(c, 0),
                             .tenant = db_id(c, 1),
                             .name = db_text(c, 2),
                             .description = db_text(c, 3),
                             .labels = db_text(c, 4),
                             .latest = db_int(c, 5),
                             .revision = db_int(c, 6),
                             .created_at = db_usec(c, 7),
                             .updated_at = db_usec(c, 8)};
}

Err store_prompt_list(struct db *db, struct arena *a, Id tenant, Str after, int max,
                      PromptRows *ret_rows)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM prompt WHERE tenant_id = ?1 AND name > ?2 ORDER BY name"
        " LIMIT ?3";
    AUTO(db_cursor) *c = NULL;
    PromptRows rows = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant), D_TEXT(after), D_INT(max)), &c));
    while (db_next(c))
        read_row(c, vec_add(a, &rows));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_prompt_get(struct db *db, struct arena *a, Id tenant, Id id, Str name,
                     struct prompt_row *ret_row)
{
    static const char by_id[] = "SELECT " COLUMNS " FROM prompt WHERE tenant_id = ?1 AND id = ?2";
    static const char by_name[] =
        "SELECT " COLUMNS " FROM prompt WHERE tenant_id = ?1 AND name = ?2";
    AUTO(db_cursor) *c = NULL;
    struct prompt_row row = {0};

    if (id_is_none(id))
        TRY(db_query(db, a, by_name, DB_ARGS(D_ID(tenant), D_TEXT(name)), &c));
    else
        TRY(db_query(db, a, by_id, DB_ARGS(D_ID(tenant), D_ID(id)), &c));
    bool found = db_next(c);
    if (found)
        read_row(c, &row);
    TRY(db_finish(c));
    if (!found)
        return err_set(E_NOT_FOUND, "no such prompt");
    *ret_row = row;
    return OK;
}

Err store_prompt_update(struct db *db, struct arena *a, const struct prompt_row *row,
                        const struct prompt_version_row *version)
{
    static const char sql[] =
        "UPDATE prompt SET description = ?4, labels = ?5, latest = ?6, updated_at = ?7,"
        " revision = revision + 1 WHERE id = ?1 AND tenant_id = ?2 AND revision = ?3";
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_INT(row->revision),
                           D_TEXT(row->description), D_TEXT(row->labels), D_INT(row->latest),
                           D_INT(time_wall())));
    if (version)
        insert_version(tx, version);
    return db_commit(tx);
}

Err store_prompt_delete(struct db *db, struct arena *a, Id tenant, Id id)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, "DELETE FROM prompt WHERE id = ?1 AND tenant_id = ?2",
                   DB_ARGS(D_ID(id), D_ID(tenant)));
    db_exec(tx, "DELETE FROM prompt_version WHERE prompt_id = ?1", DB_ARGS(D_ID(id)));
    Err e = db_commit(tx);
    return e == E_CONFLICT ? err_set(E_NOT_FOUND, "no such prompt") : e;
}

#define VERSION_COLUMNS "prompt_id, number, body, note, created_by, created_at"

static void read_version(struct db_cursor *c, struct prompt_version_row *v)
{
    *v = (struct prompt_version_row){.prompt = db_id(c, 0),
                                     .number = db_int(c, 1),
                                     .body = db_text(c, 2),
                                     .note = db_text(c, 3),
                                     .created_by = db_text(c, 4),
                                     .created_at = db_usec(c, 5)};
}

Err store_prompt_versions(struct db *db, struct arena *a, Id prompt, int64_t before, int max,
                          PromptVersionRows *ret_rows)
{
    static const char sql[] =
        "SELECT " VERSION_COLUMNS " FROM prompt_version WHERE prompt_id = ?1 AND number < ?2"
        " ORDER BY number DESC LIMIT ?3";
    AUTO(db_cursor) *c = NULL;
    PromptVersionRows rows = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(prompt), D_INT(before), D_INT(max)), &c));
    while (db_next(c))
        read_version(c, vec_add(a, &rows));
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_prompt_version(struct db *db, struct arena *a, Id prompt, int64_t number,
                         struct prompt_version_row *ret_row)
{
    PromptVersionRows rows;

    TRY(store_prompt_versions(db, a, prompt, number + 1, 1, &rows));
    if (!rows.n || rows.at[0].number != number)
        return err_detail(E_NOT_FOUND, "The prompt has no version %lld.", (long long)number);
    *ret_row = rows.at[0];
    return OK;
}
