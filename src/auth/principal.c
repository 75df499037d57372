/* src/auth/principal.c - whom keys belong to: the users and the teams of a tenant. */
#include "auth/principal.h"

#include "base/utf8.h"

enum { NAME_MAX_BYTES = 128 };

const char *auth_kind_name(enum auth_kind kind)
{
    return kind == AUTH_TEAM ? "team" : "user";
}

static Err none_such(enum auth_kind kind)
{
    return err_detail(E_NOT_FOUND, "There is no such %s.", auth_kind_name(kind));
}

static Err taken(enum auth_kind kind, Str name)
{
    return err_detail(E_CONFLICT, "There is a %s of the name \"%.*s\" already.",
                      auth_kind_name(kind), P(name));
}

static Err check_name(enum auth_kind kind, Str name)
{
    if (!name.n || name.n > NAME_MAX_BYTES || !utf8_valid(name) || utf8_control_free(name) < name.n)
        return err_detail(E_INVALID,
                          "The name of a %s is 1 to %d bytes of UTF-8 without control characters.",
                          auth_kind_name(kind), NAME_MAX_BYTES);
    return OK;
}

static Err check_team(struct db *db, struct arena *a, Id tenant, enum auth_kind kind, Id team)
{
    struct auth_principal found;

    if (id_is_none(team))
        return OK;
    if (kind == AUTH_TEAM)
        return err_detail(E_INVALID, "A team is of no team.");
    return auth_principal_get(db, a, tenant, AUTH_TEAM, team, &found);
}

/* ---- finding ---- */

#define COLUMNS "SELECT id, name, team_id, created_at FROM principal"

static struct auth_principal read_row(const struct db_cursor *c)
{
    return (struct auth_principal){db_id(c, 0), db_text(c, 1),
                                   db_is_null(c, 2) ? ID_NONE : db_id(c, 2), db_usec(c, 3)};
}

static Err read_one(struct db_cursor *c, enum auth_kind kind, struct auth_principal *ret_principal)
{
    struct auth_principal p = {0};
    bool found = db_next(c);

    if (found)
        p = read_row(c);
    TRY(db_finish(c));
    if (!found)
        return none_such(kind);
    *ret_principal = p;
    return OK;
}

Err auth_principal_get(struct db *db, struct arena *a, Id tenant, enum auth_kind kind, Id id,
                       struct auth_principal *ret_principal)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, COLUMNS " WHERE id = ?1 AND tenant_id = ?2 AND kind = ?3",
                 DB_ARGS(D_ID(id), D_ID(tenant), D_INT(kind)), &c));
    return read_one(c, kind, ret_principal);
}

Err auth_principal_named(struct db *db, struct arena *a, Id tenant, enum auth_kind kind, Str name,
                         struct auth_principal *ret_principal)
{
    AUTO(db_cursor) *c = NULL;

    TRY(check_name(kind, name));
    TRY(db_query(db, a, COLUMNS " WHERE tenant_id = ?1 AND kind = ?2 AND name = ?3",
                 DB_ARGS(D_ID(tenant), D_INT(kind), D_TEXT(name)), &c));
    return read_one(c, kind, ret_principal);
}

Err auth_principal_page(struct db *db, struct arena *a, Id tenant, enum auth_kind kind, Id before,
                        int limit, AuthPrincipals *ret_principals)
{
    AUTO(db_cursor) *c = NULL;
    AuthPrincipals list = {0};

    if (id_is_none(before))
        memset(before.b, 0xff, sizeof before.b);
    TRY(db_query(
        db, a, COLUMNS " WHERE tenant_id = ?1 AND kind = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4",
        DB_ARGS(D_ID(tenant), D_INT(kind), D_ID(before), D_INT(limit)), &c));
    while (db_next(c))
        vec_push(a, &list, read_row(c));
    TRY(db_finish(c));
    *ret_principals = list;
    return OK;
}

/* ---- changing ---- */

Err auth_principal_create(struct db *db, struct arena *a, Id tenant, enum auth_kind kind, Str name,
                          Id team, Id *ret_id)
{
    static const char sql[] =
        "INSERT INTO principal (id, tenant_id, kind, name, team_id, created_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (tenant_id, kind, name) DO NOTHING";
    Id id = id_new();

    name = str_trim(name);
    TRY(check_name(kind, name));
    TRY(check_team(db, a, tenant, kind, team));
    struct db_tx *tx = db_begin(db, a);
    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(id), D_ID(tenant), D_INT(kind), D_TEXT(name), D_ID_OPT(team),
                           D_INT(time_wall())));
    Err e = db_commit(tx);
    if (e == E_CONFLICT)
        return taken(kind, name);
    TRY(e);
    *ret_id = id;
    return OK;
}

Err auth_principal_change(struct auth *auth, struct db *db, struct arena *a, Id tenant,
                          enum auth_kind kind, Id id, Str name, Id team)
{
    /* A name that another one has changes no row. */
    static const char sql[] =
        "UPDATE principal SET name = ?4, team_id = ?5 WHERE id = ?1 AND tenant_id = ?2 AND"
        " kind = ?3 AND NOT EXISTS (SELECT 1 FROM principal o WHERE o.tenant_id = ?2 AND"
        " o.kind = ?3 AND o.name = ?4 AND o.id <> ?1)";
    struct auth_principal old;

    name = str_trim(name);
    TRY(check_name(kind, name));
    TRY(auth_principal_get(db, a, tenant, kind, id, &old));
    TRY(check_team(db, a, tenant, kind, team));
    struct db_tx *tx = db_begin(db, a);
    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_ID(id), D_ID(tenant), D_INT(kind), D_TEXT(name), D_ID_OPT(team)));
    Err e = db_commit(tx);
    auth_forget(auth);
    return e == E_CONFLICT ? taken(kind, name) : e;
}

Err auth_principal_delete(struct auth *auth, struct db *db, struct arena *a, Id tenant,
                          enum auth_kind kind, Id id)
{
    static const char sql[] =
        "DELETE FROM principal WHERE id = ?1 AND tenant_id = ?2 AND kind = ?3 AND NOT EXISTS"
        " (SELECT 1 FROM api_key k WHERE (k.user_id = ?1 OR k.team_id = ?1) AND"
        " k.revoked_at IS NULL) AND NOT EXISTS (SELECT 1 FROM principal u WHERE u.team_id = ?1)";
    struct auth_principal old;

    TRY(auth_principal_get(db, a, tenant, kind, id, &old));
    struct db_tx *tx = db_begin(db, a);
    db_exec_expect(tx, 1, sql, DB_ARGS(D_ID(id), D_ID(tenant), D_INT(kind)));
    db_exec(tx, "DELETE FROM model_limit WHERE subject_id = ?1 AND tenant_id = ?2",
            DB_ARGS(D_ID(id), D_ID(tenant)));
    Err e = db_commit(tx);
    auth_forget(auth);
    return e == E_CONFLICT
               ? err_detail(E_CONFLICT, "Keys%s are of this %s: give them another one first.",
                            kind == AUTH_TEAM ? " or users" : "", auth_kind_name(kind))
               : e;
}

/* ---- keys ---- */

Err auth_owners_check(struct db *db, struct arena *a, Id tenant, Id user, Id team)
{
    struct auth_principal found;

    if (!id_is_none(user))
        TRY(auth_principal_get(db, a, tenant, AUTH_USER, user, &found));
    return id_is_none(team) ? OK : auth_principal_get(db, a, tenant, AUTH_TEAM, team, &found);
}

Err auth_key_assign(struct auth *auth, struct db *db, struct arena *a, Id tenant, Id key, Id user,
                    Id team)
{
    TRY(auth_owners_check(db, a, tenant, user, team));
    struct db_tx *tx = db_begin(db, a);
    db_exec_expect(tx, 1,
                   "UPDATE api_key SET user_id = ?3, team_id = ?4 WHERE id = ?1 AND tenant_id = ?2",
                   DB_ARGS(D_ID(key), D_ID(tenant), D_ID_OPT(user), D_ID_OPT(team)));
    Err e = db_commit(tx);
    auth_forget(auth);
    return e == E_CONFLICT ? err_detail(E_NOT_FOUND, "There is no such key.") : e;
}
