/* src/auth/auth.h - who calls: API keys, one-time sign-in links and the sessions they open.
 *
 * Keys and tokens are random words of 190 and more bits; the store has their BLAKE2b hash alone. A
 * key that was looked up is remembered for ten seconds, so a revoked one works no longer than that.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "net/router.h"
#include "store/db.h"

struct auth;

/* The tenant of an installation without accounts. */
extern const Id auth_home_tenant;

/* Every capability there is, ended by NULL, with what it allows. */
struct auth_capability {
    const char *name, *help;
};
extern const struct auth_capability auth_capabilities[];
/* @list: names separated by commas or spaces, or "*". Gives it normalised; E_INVALID names the
 * unknown one. */
Err auth_capabilities_parse(struct arena *a, Str list, Str *ret_normal);

struct auth *auth_new(struct db *db);
void auth_free(struct auth *auth);
DEFINE_AUTO(auth, auth_free)

/* Make the home tenant if it is not there yet. */
Err auth_init_store(struct db *db) YIELDS;

struct auth_key {
    Id id;
    Str name, prefix, capabilities;
    Usec created_at, expires_at, revoked_at;
    Id user, team; /* whom it belongs to (principal.h); ID_NONE: nobody */
};
typedef VEC(struct auth_key) AuthKeys;

/* E_INVALID if no key can be named so. */
Err auth_key_name_check(Str name);
/* A new key. *ret_key, "hdl_...", is shown once and stored nowhere. @expires_at 0: never. */
Err auth_key_create(struct db *db, struct arena *a, Id tenant, Str name, Str capabilities,
                    Usec expires_at, Str *ret_key, Id *ret_id) YIELDS;
/* The same, of a user and a team, which were checked (auth_owners_check); ID_NONE: of none. */
Err auth_key_create_of(struct db *db, struct arena *a, Id tenant, Str name, Str capabilities,
                       Usec expires_at, Id user, Id team, Str *ret_key, Id *ret_id) YIELDS;
/* All of them, newest first, or the @limit before @before (none: the newest). */
Err auth_key_list(struct db *db, struct arena *a, Id tenant, AuthKeys *ret_keys) YIELDS;
Err auth_key_page(struct db *db, struct arena *a, Id tenant, Id before, int limit,
                  AuthKeys *ret_keys) YIELDS;
/* E_NOT_FOUND. */
Err auth_key_revoke(struct auth *auth, struct db *db, struct arena *a, Id tenant, Id id) YIELDS;

/* A token that opens one session within @ttl. */
Err auth_link_create(struct db *db, struct arena *a, Id tenant, Usec ttl, Str *ret_token) YIELDS;
/* Use it up: gives the session's token for the cookie. E_UNAUTHORIZED when it is used, old or
 * unknown. */
Err auth_link_use(struct auth *auth, struct arena *a, Str token, Str *ret_session) YIELDS;
Err auth_session_end(struct auth *auth, struct arena *a, Str session) YIELDS;
/* Delete sessions and links that are past their time. */
Err auth_expire(struct db *db) YIELDS;

#define AUTH_COOKIE "heddle_session"
static const Usec AUTH_SESSION_TTL = 7 * USEC_DAY;

/* For http_server_options: fill req->who from the Authorization header or the cookie. req->app must
 * begin with a struct auth pointer. An unsafe method with a cookie must come from the same origin
 * (E_FORBIDDEN). */
Err auth_check(struct auth *auth, struct req *req) YIELDS;
/* For routes of RATE_AUTH: 20 tries a minute for each remote address. E_RATE_LIMITED with
 * retry_after_us. */
Err auth_rate_take(struct req *req);
/* Whether a try is left, without taking it: asked before a secret is compared, where only wrong
 * ones are counted. */
Err auth_rate_peek(struct req *req);
/* What was remembered of keys and sessions is looked up again. NULL does nothing. */
void auth_forget(struct auth *auth);
/* Whether req->who came from a session rather than a key. */
bool auth_is_session(const struct req *req);

#endif
