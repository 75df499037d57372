/* src/auth/principal.h - whom keys belong to: the users and the teams of a tenant.
 *
 * They are names to hold limits and to sum up usage by; nobody signs in as one. A user may be of a
 * team. A key may be of a user and of a team; without one of its own it is of its user's team. A
 * server notices a change within ten seconds, the one that made it at once.
 */
#ifndef AUTH_PRINCIPAL_H
#define AUTH_PRINCIPAL_H

#include "auth/auth.h"

enum auth_kind { AUTH_TEAM = 1, AUTH_USER = 2 };

struct auth_principal {
    Id id;
    Str name;
    Id team; /* of a user; ID_NONE: of none */
    Usec created_at;
};
typedef VEC(struct auth_principal) AuthPrincipals;

/* "team", "user". */
const char *auth_kind_name(enum auth_kind kind);

/* E_INVALID: no such name can be given; E_CONFLICT: it is taken; E_NOT_FOUND: there is no such
 * team. @auth NULL in commands: what servers remember is not forgotten then. */
Err auth_principal_create(struct db *db, struct arena *a, Id tenant, enum auth_kind kind, Str name,
                          Id team, Id *ret_id) YIELDS;
Err auth_principal_change(struct auth *auth, struct db *db, struct arena *a, Id tenant,
                          enum auth_kind kind, Id id, Str name, Id team) YIELDS;
/* E_CONFLICT while a key that works, or a user, is of it. Its limits go with it. */
Err auth_principal_delete(struct auth *auth, struct db *db, struct arena *a, Id tenant,
                          enum auth_kind kind, Id id) YIELDS;
/* E_NOT_FOUND, also for one of another kind or tenant. */
Err auth_principal_get(struct db *db, struct arena *a, Id tenant, enum auth_kind kind, Id id,
                       struct auth_principal *ret_principal) YIELDS;
Err auth_principal_named(struct db *db, struct arena *a, Id tenant, enum auth_kind kind, Str name,
                         struct auth_principal *ret_principal) YIELDS;
/* Newest first, @limit of them before @before (none: the newest). */
Err auth_principal_page(struct db *db, struct arena *a, Id tenant, enum auth_kind kind, Id before,
                        int limit, AuthPrincipals *ret_principals) YIELDS;

/* E_NOT_FOUND unless both are of the tenant, or none. */
Err auth_owners_check(struct db *db, struct arena *a, Id tenant, Id user, Id team) YIELDS;
/* From now on the key is of @user and @team; ID_NONE: of none. E_NOT_FOUND. */
Err auth_key_assign(struct auth *auth, struct db *db, struct arena *a, Id tenant, Id key, Id user,
                    Id team) YIELDS;

#endif
