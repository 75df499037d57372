/* src/store/store_provider.c - model providers. */
#include "store/store_provider.h"

Err store_provider_create(struct db *db, struct arena *a, const struct provider_row *row)
{
    static const char sql[] =
        "INSERT INTO provider (id, tenant_id, name, kind, base_url, credential, private_network,"
        " enabled, timeout, api_version, revision, created_at, updated_at, probe)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11, ?11, ?12)";
    struct db_value credential = {
        .type = row->credential.n ? DB_BYTES : DB_NULL, .hint = DB_BYTES, .s = row->credential};
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_TEXT(row->name), D_TEXT(row->kind),
                    D_TEXT(row->base_url), credential, D_INT(row->private_network),
                    D_INT(row->enabled), D_INT(row->timeout), D_TEXT(row->api_version),
                    D_INT(row->created_at), D_TEXT(row->probe)));
    return db_commit(tx);
}

Err store_provider_list(struct db *db, struct arena *a, ProviderRows *ret_rows)
{
    static const char sql[] =
        "SELECT id, tenant_id, name, kind, base_url, credential, private_network, enabled,"
        " timeout, revision, created_at, updated_at, api_version, probe FROM provider ORDER BY id";
    AUTO(db_cursor) *c = NULL;
    ProviderRows rows = {0};

    TRY(db_query(db, a, sql, DB_NO_ARGS, &c));
    while (db_next(c)) {
        struct provider_row *r = vec_add(a, &rows);
        r->id = db_id(c, 0);
        r->tenant = db_id(c, 1);
        r->name = db_text(c, 2);
        r->kind = db_text(c, 3);
        r->base_url = db_text(c, 4);
        r->credential = db_bytes(c, 5);
        r->private_network = db_int(c, 6) != 0;
        r->enabled = db_int(c, 7) != 0;
        r->timeout = db_usec(c, 8);
        r->revision = db_int(c, 9);
        r->created_at = db_usec(c, 10);
        r->updated_at = db_usec(c, 11);
        r->api_version = db_text(c, 12);
        r->probe = db_text(c, 13);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_provider_update(struct db *db, struct arena *a, const struct provider_row *row)
{
    static const char sql[] =
        "UPDATE provider SET base_url = ?4, credential = ?5, private_network = ?6, enabled = ?7,"
        " timeout = ?8, updated_at = ?9, api_version = ?10, probe = ?11, revision = revision + 1"
        " WHERE id = ?1 AND tenant_id = ?2 AND revision = ?3";
    struct db_value credential = {
        .type = row->credential.n ? DB_BYTES : DB_NULL, .hint = DB_BYTES, .s = row->credential};
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_INT(row->revision),
                           D_TEXT(row->base_url), credential, D_INT(row->private_network),
                           D_INT(row->enabled), D_INT(row->timeout), D_INT(time_wall()),
                           D_TEXT(row->api_version), D_TEXT(row->probe)));
    return db_commit(tx);
}

Err store_provider_delete(struct db *db, struct arena *a, Id tenant, Id id)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec_expect(tx, 1, "DELETE FROM provider WHERE id = ?1 AND tenant_id = ?2",
                   DB_ARGS(D_ID(id), D_ID(tenant)));
    db_exec(tx, "DELETE FROM provider_state WHERE provider_id = ?1 AND tenant_id = ?2",
            DB_ARGS(D_ID(id), D_ID(tenant)));
    Err e = db_commit(tx);
    return e == E_CONFLICT ? err_set(E_NOT_FOUND, "no such provider") : e;
}

Err store_provider_state_put(struct db *db, struct arena *a, const struct provider_state_row *row)
{
    static const char sql[] =
        "INSERT INTO provider_state (provider_id, tenant_id, state, since, asked_at, took, error)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (provider_id) DO UPDATE SET state = ?3,"
        " since = ?4, asked_at = ?5, took = ?6, error = ?7 WHERE provider_state.tenant_id = ?2";
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql,
            DB_ARGS(D_ID(row->provider), D_ID(row->tenant), D_TEXT(row->state), D_INT(row->since),
                    D_INT(row->asked_at), D_INT(row->took), D_TEXT(row->error)));
    return db_commit(tx);
}

Err store_provider_state_list(struct db *db, struct arena *a, Id tenant,
                              ProviderStateRows *ret_rows)
{
    static const char sql[] = "SELECT provider_id, tenant_id, state, since, asked_at, took, error"
                              " FROM provider_state WHERE tenant_id = ?1";
    AUTO(db_cursor) *c = NULL;
    ProviderStateRows rows = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant)), &c));
    while (db_next(c)) {
        struct provider_state_row *r = vec_add(a, &rows);
        r->provider = db_id(c, 0);
        r->tenant = db_id(c, 1);
        r->state = db_text(c, 2);
        r->since = db_usec(c, 3);
        r->asked_at = db_usec(c, 4);
        r->took = db_usec(c, 5);
        r->error = db_text(c, 6);
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_provider_stamp(struct db *db, struct arena *a, struct store_stamp *ret_stamp)
{
    return store_stamp_read(db, a, "SELECT " STORE_STAMP_COLUMNS " FROM provider", ret_stamp);
}
