/* src/auth/auth.c - API keys, sign-in links, sessions, and the cache in front of them. */
#include "auth/auth.h"

#include "base/crypto.h"
#include "base/map.h"
#include "base/utf8.h"

#include <stdlib.h>

static const Usec CACHE_TTL = 10 * USEC_S;
enum { CACHE_MAX = 10000, TOKEN_CHARS = 43, NAME_MAX_BYTES = 200 };

/* 00000000-0000-7000-8000-000000000001 */
const Id auth_home_tenant = {{0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}};

const struct auth_capability auth_capabilities[] = {
    {"workflow.read", "see workflows and their versions"},
    {"workflow.write", "create, change, publish and delete workflows"},
    {"run.read", "see runs, their steps and events"},
    {"run.start", "start runs"},
    {"run.cancel", "cancel runs"},
    {"approval.decide", "decide about steps that wait for approval, and give out links"},
    {"event.send", "send events to runs that wait for them"},
    {"subscription.read", "see subscriptions (never their secret) and deliveries"},
    {"subscription.write", "make, change and delete subscriptions, send deliveries again"},
    {"key.read", "see API keys (never their value)"},
    {"key.write", "make and revoke API keys"},
    {"model.call", "call models"},
    {"provider.read", "see model providers (never their credentials) and routes"},
    {"provider.write", "change and test model providers and routes"},
    {"usage.read", "see what model calls used"},
    {"prompt.read", "see prompts"},
    {"prompt.write", "make, change and delete prompts"},
    {"call.read", "see what was said in model calls, where that is kept"},
    {"metrics.read", "read /metrics"},
    {NULL, NULL},
};

struct known {
    struct who who;
    Usec until; /* monotonic */
    Usec expires_at;
    bool session;
    char text[]; /* name, capabilities */
};

struct auth {
    struct db *db;
    uv_mutex_t lock;
    struct map *known; /* hash -> struct known, under the lock */
};

struct auth *auth_new(struct db *db)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (!auth || uv_mutex_init(&auth->lock))
        DIE("out of memory");
    auth->db = db;
    auth->known = map_new();
    return auth;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    map_free(auth->known, free);
    uv_mutex_destroy(&auth->lock);
    free(auth);
}

void auth_forget(struct auth *auth)
{
    if (!auth)
        return;
    uv_mutex_lock(&auth->lock);
    map_free(auth->known, free);
    auth->known = map_new();
    uv_mutex_unlock(&auth->lock);
}

/* ---- capabilities ---- */

static bool is_capability(Str name)
{
    for (const struct auth_capability *c = auth_capabilities; c->name; c++)
        if (str_eq(name, str_c(c->name)))
            return true;
    return false;
}

Err auth_capabilities_parse(struct arena *a, Str list, Str *ret_normal)
{
    VEC(Str) names = {0};
    size_t at = 0;

    if (str_eq(str_trim(list), S("*"))) {
        *ret_normal = S("*");
        return OK;
    }
    while (at < list.n) {
        size_t end = at;
        while (end < list.n && list.p[end] != ',' && list.p[end] != ' ')
            end++;
        Str name = str_from(list.p + at, end - at);
        at = end + 1;
        if (name.n == 0)
            continue;
        if (!is_capability(name))
            return err_detail(
                E_INVALID,
                "There is no capability \"%.*s\". There are: workflow.read,"
                " workflow.write, run.read, run.start, run.cancel, approval.decide, event.send, "
                "key.read, key.write,"
                " model.call, provider.read, provider.write, usage.read, prompt.read, "
                "prompt.write, call.read, metrics.read, "
                "and * for "
                "all.",
                P(name));
        bool again = false;
        vec_each(&names, known)
            again = again || str_eq(*known, name);
        if (!again)
            vec_push(a, &names, name);
    }
    if (names.n == 0)
        return err_detail(E_INVALID, "A key needs at least one capability, or * for all.");
    *ret_normal = str_join(a, names.at, names.n, S(" "));
    return OK;
}

/* ---- the store ---- */

Err auth_init_store(struct db *db)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct db_tx *tx = db_begin(db, a);
    db_exec(tx,
            "INSERT INTO tenant (id, name, created_at) VALUES (?1, 'home', ?2)"
            " ON CONFLICT (id) DO NOTHING",
            DB_ARGS(D_ID(auth_home_tenant), D_INT(time_wall())));
    return db_commit(tx);
}

static Str hash_in(Str secret, uint8_t out[CRYPTO_HASH_SIZE])
{
    crypto_blake2b(secret, out);
    return str_from((char *)out, CRYPTO_HASH_SIZE);
}

Err auth_key_name_check(Str name)
{
    if (name.n == 0 || name.n > NAME_MAX_BYTES)
        return err_detail(E_INVALID, "A key needs a name of 1 to %d bytes.", NAME_MAX_BYTES);
    if (!utf8_valid(name) || utf8_control_free(name) < name.n)
        return err_detail(E_INVALID,
                          "The name of a key is text in UTF-8 without control characters.");
    return OK;
}

Err auth_key_create(struct db *db, struct arena *a, Id tenant, Str name, Str capabilities,
                    Usec expires_at, Str *ret_key, Id *ret_id)
{
    return auth_key_create_of(db, a, tenant, name, capabilities, expires_at, ID_NONE, ID_NONE,
                              ret_key, ret_id);
}

Err auth_key_create_of(struct db *db, struct arena *a, Id tenant, Str name, Str capabilities,
                       Usec expires_at, Id user, Id team, Str *ret_key, Id *ret_id)
{
    static const char sql[] =
        "INSERT INTO api_key (id, tenant_id, name, prefix, hash, capabilities, created_at,"
        " expires_at, revoked_at, user_id, team_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL,"
        " ?9, ?10)";
    uint8_t hash[CRYPTO_HASH_SIZE];
    Str normal;

    name = str_trim(name);
    TRY(auth_key_name_check(name));
    TRY(auth_capabilities_parse(a, capabilities, &normal));
    Str key = str_fmt(a, "hdl_%.*s", P(crypto_token(a, TOKEN_CHARS)));
    Id id = id_new();
    struct db_tx *tx = db_begin(db, a);
    db_exec(tx, sql,
            DB_ARGS(D_ID(id), D_ID(tenant), D_TEXT(name), D_TEXT(str_head(key, 10)),
                    D_BYTES(hash_in(key, hash)), D_TEXT(normal), D_INT(time_wall()),
                    D_USEC_OPT(expires_at), D_ID_OPT(user), D_ID_OPT(team)));
    TRY(db_commit(tx));
    *ret_key = key;
    *ret_id = id;
    return OK;
}

static Id id_or_none(const struct db_cursor *c, int col)
{
    return db_is_null(c, col) ? ID_NONE : db_id(c, col);
}

Err auth_key_list(struct db *db, struct arena *a, Id tenant, AuthKeys *ret_keys)
{
    return auth_key_page(db, a, tenant, ID_NONE, INT32_MAX, ret_keys);
}

Err auth_key_page(struct db *db, struct arena *a, Id tenant, Id before, int limit,
                  AuthKeys *ret_keys)
{
    static const char sql[] =
        "SELECT id, name, prefix, capabilities, created_at, expires_at,"
        " revoked_at, user_id, team_id FROM api_key WHERE tenant_id = ?1 AND id < ?2"
        " ORDER BY id DESC LIMIT ?3";
    AUTO(db_cursor) *c = NULL;
    AuthKeys keys = {0};

    if (id_is_none(before))
        memset(before.b, 0xff, sizeof before.b);
    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant), D_ID(before), D_INT(limit)), &c));
    while (db_next(c))
        vec_push(a, &keys,
                 ((struct auth_key){db_id(c, 0), db_text(c, 1), db_text(c, 2), db_text(c, 3),
                                    db_usec(c, 4), db_usec(c, 5), db_usec(c, 6), id_or_none(c, 7),
                                    id_or_none(c, 8)}));
    TRY(db_finish(c));
    *ret_keys = keys;
    return OK;
}

Err auth_key_revoke(struct auth *auth, struct db *db, struct arena *a, Id tenant, Id id)
{
    struct db_tx *tx = db_begin(db, a);
    db_exec_expect(tx, 1,
                   "UPDATE api_key SET revoked_at = ?3 WHERE id = ?1 AND tenant_id = ?2 AND"
                   " revoked_at IS NULL",
                   DB_ARGS(D_ID(id), D_ID(tenant), D_INT(time_wall())));
    Err e = db_commit(tx);
    auth_forget(auth);
    return e == E_CONFLICT ? err_detail(E_NOT_FOUND, "There is no such key.") : e;
}

Err auth_link_create(struct db *db, struct arena *a, Id tenant, Usec ttl, Str *ret_token)
{
    static const char sql[] = "INSERT INTO session (hash, id, tenant_id, kind, capabilities,"
                              " created_at, expires_at) VALUES (?1, ?2, ?3, 'link', '*', ?4, ?5)";
    uint8_t hash[CRYPTO_HASH_SIZE];
    Str token = crypto_token(a, TOKEN_CHARS);
    Usec now = time_wall();
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx, sql,
            DB_ARGS(D_BYTES(hash_in(token, hash)), D_ID(id_new()), D_ID(tenant), D_INT(now),
                    D_INT(now + ttl)));
    TRY(db_commit(tx));
    *ret_token = token;
    return OK;
}

Err auth_link_use(struct auth *auth, struct arena *a, Str token, Str *ret_session)
{
    /* The link becomes the session in one statement: of two who use it one finds it gone. */
    static const char sql[] =
        "UPDATE session SET hash = ?2, kind = 'session', created_at = ?3, expires_at = ?4"
        " WHERE hash = ?1 AND kind = 'link' AND expires_at > ?3";
    uint8_t old_hash[CRYPTO_HASH_SIZE], new_hash[CRYPTO_HASH_SIZE];
    Str session = crypto_token(a, TOKEN_CHARS);
    Usec now = time_wall();
    struct db_tx *tx = db_begin(auth->db, a);

    db_exec_expect(tx, 1, sql,
                   DB_ARGS(D_BYTES(hash_in(token, old_hash)), D_BYTES(hash_in(session, new_hash)),
                           D_INT(now), D_INT(now + AUTH_SESSION_TTL)));
    Err e = db_commit(tx);
    if (e == E_CONFLICT)
        return err_detail(E_UNAUTHORIZED, "This sign-in link was used already or is too old. "
                                          "\"heddle signin\" on the server prints a new one.");
    TRY(e);
    *ret_session = session;
    return OK;
}

Err auth_session_end(struct auth *auth, struct arena *a, Str session)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    struct db_tx *tx = db_begin(auth->db, a);
    db_exec(tx, "DELETE FROM session WHERE hash = ?1", DB_ARGS(D_BYTES(hash_in(session, hash))));
    Err e = db_commit(tx);
    auth_forget(auth);
    return e;
}

Err auth_expire(struct db *db)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct db_tx *tx = db_begin(db, a);
    db_exec(tx, "DELETE FROM session WHERE expires_at < ?1", DB_ARGS(D_INT(time_wall())));
    return db_commit(tx);
}

/* ---- checking a request ---- */

static bool use_known(const struct known *k, struct req *req)
{
    if (!k || time_mono() >= k->until || (k->expires_at && time_wall() >= k->expires_at))
        return false;
    req->who = k->who;
    req->who.actor_name = str_dup(req->a, k->who.actor_name);
    req->who.capabilities = str_dup(req->a, k->who.capabilities);
    return true;
}

static bool find_known(struct auth *auth, Str hash, struct req *req)
{
    uv_mutex_lock(&auth->lock);
    bool found = use_known(map_get(auth->known, hash), req);
    uv_mutex_unlock(&auth->lock);
    return found;
}

static void keep_known(struct auth *auth, Str hash, const struct who *who, Usec expires_at,
                       bool session)
{
    struct known *k = malloc(sizeof *k + who->actor_name.n + who->capabilities.n);
    if (!k)
        DIE("out of memory");
    *k = (struct known){*who, usec_in(CACHE_TTL), expires_at, session};
    memcpy(k->text, who->actor_name.p, who->actor_name.n);
    memcpy(k->text + who->actor_name.n, who->capabilities.p, who->capabilities.n);
    k->who.actor_name.p = k->text;
    k->who.capabilities.p = k->text + who->actor_name.n;
    uv_mutex_lock(&auth->lock);
    if (map_count(auth->known) >= CACHE_MAX) {
        map_free(auth->known, free);
        auth->known = map_new();
    }
    free(map_put(auth->known, hash, k));
    uv_mutex_unlock(&auth->lock);
}

static Err look_up(struct auth *auth, struct req *req, Str hash, bool session)
{
    static const char key_sql[] =
        "SELECT k.id, k.tenant_id, k.name, k.capabilities, k.expires_at, k.user_id,"
        " COALESCE(k.team_id, u.team_id) FROM api_key k LEFT JOIN principal u ON u.id = k.user_id"
        " AND u.tenant_id = k.tenant_id WHERE k.hash = ?1 AND k.revoked_at IS NULL";
    static const char session_sql[] =
        "SELECT id, tenant_id, 'session', capabilities, expires_at, NULL, NULL FROM"
        " session WHERE hash = ?1 AND kind = 'session'";
    AUTO(db_cursor) *c = NULL;
    struct who who;

    TRY(db_query(auth->db, req->a, session ? session_sql : key_sql, DB_ARGS(D_BYTES(hash)), &c));
    bool found = db_next(c);
    Usec expires_at = found ? db_usec(c, 4) : 0;
    if (found)
        who = (struct who){db_id(c, 1),      db_id(c, 0),   id_or_none(c, 5),
                           id_or_none(c, 6), db_text(c, 2), db_text(c, 3)};
    TRY(db_finish(c));
    if (!found || (expires_at && expires_at <= time_wall()))
        return err_detail(E_UNAUTHORIZED, session ? "The session has ended; sign in again."
                                                  : "The API key is unknown, expired or revoked.");
    keep_known(auth, hash, &who, expires_at, session);
    req->who = who;
    return OK;
}

/* Google's may have it in the address, where they call models and nowhere else. */
static Str query_key(const struct req *req)
{
    Str key;

    if (!str_starts(req->path, S("/v1beta/models")) && !str_starts(req->path, S("/v1/models")))
        return (Str){0};
    return url_query_get(req->a, req->query, S("key"), &key) == OK ? key : (Str){0};
}

/* Where clients put a key that is no bearer's: those of Anthropic, of Azure, and of Google. */
static Str plain_key(const struct req *req)
{
    static const Str names[] = {S_INIT("x-api-key"), S_INIT("api-key"), S_INIT("x-goog-api-key")};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        Str key = req_header(req, names[i]);
        if (key.p)
            return key;
    }
    return query_key(req);
}

static Str key_of(const struct req *req)
{
    Str header = req_header(req, S("authorization"));

    if (header.p && str_starts_nocase(header, S("Bearer ")))
        return str_trim(str_skip(header, 7));
    return header.p ? (Str){NULL, 0} : str_trim(plain_key(req));
}

bool auth_is_session(const struct req *req)
{
    return !req_header(req, S("authorization")).p && !plain_key(req).p;
}

Err auth_check(struct auth *auth, struct req *req)
{
    uint8_t hash_bytes[CRYPTO_HASH_SIZE];
    bool session = auth_is_session(req);
    Str secret = session ? req_cookie(req, S(AUTH_COOKIE)) : key_of(req);

    if (!secret.p || secret.n == 0 || secret.n > 512)
        return err_detail(E_UNAUTHORIZED,
                          session ? "Send an API key as \"Authorization: Bearer KEY\", or sign in."
                                  : "The Authorization header must be \"Bearer KEY\".");
    bool safe = req->method == HTTP_GET || req->method == HTTP_HEAD || req->method == HTTP_OPTIONS;
    if (session && !safe && !req_same_origin(req))
        return err_detail(E_FORBIDDEN,
                          "A signed-in browser may send this from Heddle's own pages only.");
    Str hash = hash_in(secret, hash_bytes);
    if (find_known(auth, hash, req))
        return OK;
    return look_up(auth, req, hash, session);
}
