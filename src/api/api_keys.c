/* src/api/api_keys.c - API keys: made once, shown once, listed by prefix, revoked. */
#include "api/api.h"

#include "auth/principal.h"

static struct json *id_or_null(struct arena *a, Id id)
{
    return id_is_none(id) ? json_null(a) : json_id(a, id);
}

static struct json *key_json(struct arena *a, const struct auth_key *key)
{
    return json_obj(a, "id", json_id(a, key->id), "user", id_or_null(a, key->user), "team",
                    id_or_null(a, key->team), "name", json_str(a, key->name), "prefix",
                    json_str(a, key->prefix), "capabilities", json_str(a, key->capabilities),
                    "created_at", json_time(a, key->created_at), "expires_at",
                    json_time(a, key->expires_at), "revoked_at", json_time(a, key->revoked_at),
                    NULL);
}

static Err list_keys(struct req *req, struct res *res)
{
    struct api_page page;
    AuthKeys keys;

    TRY(api_page_of(req, &page));
    TRY(auth_key_page(api_of(req)->db, req->a, req->who.tenant, page.before, page.limit, &keys));
    struct json *items = json_arr(req->a);
    vec_each(&keys, key)
        json_push(req->a, items, key_json(req->a, key));
    Id last = keys.n ? keys.at[keys.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, keys.n, page.limit, last));
}

/* Nobody hands out more than they hold. */
static Err check_grant(const struct req *req, Str capabilities)
{
    Str rest = capabilities, name;

    while (rest.p) {
        rest = str_cut(rest, ' ', &name);
        if (!who_may(&req->who, str_dup_c(req->a, name)))
            return err_detail(E_FORBIDDEN, "You cannot give a key \"%.*s\" without having it.",
                              P(name));
    }
    return OK;
}

static Err owners(struct req *req, const struct json *body, Id *ret_user, Id *ret_team)
{
    TRY(api_id_or_null(body, S("user"), ret_user));
    TRY(api_id_or_null(body, S("team"), ret_team));
    return auth_owners_check(api_of(req)->db, req->a, req->who.tenant, *ret_user, *ret_team);
}

static Err post_key(struct req *req, struct res *res)
{
    struct json *body;
    Str key, capabilities, expires;
    Usec expires_at = 0;
    Id id, user, team;

    TRY(req_json(req, &body));
    TRY(auth_capabilities_parse(req->a, json_str_of(json_at(body, "capabilities"), S("*")),
                                &capabilities));
    TRY(check_grant(req, capabilities));
    expires = json_str_of(json_at(body, "expires_at"), S(""));
    if (expires.n && time_parse_rfc3339(expires, &expires_at) != OK)
        return err_detail(E_BAD_INPUT, "expires_at must be a time such as 2027-01-31T00:00:00Z.");
    if (expires.n && expires_at <= time_wall()) /* 0, the year 1970, would mean never */
        return err_detail(E_BAD_INPUT, "expires_at must be a time to come.");
    TRY(owners(req, body, &user, &team));
    TRY(auth_key_create_of(api_of(req)->db, req->a, req->who.tenant,
                           json_str_of(json_at(body, "name"), S("")), capabilities, expires_at,
                           user, team, &key, &id));
    return res_json(
        res, 201, json_obj(req->a, "id", json_id(req->a, id), "key", json_str(req->a, key), NULL));
}

static Err put_owners(struct req *req, struct res *res)
{
    struct json *body;
    Id id, user, team;

    TRY(req_id(req, "id", &id));
    TRY(req_json(req, &body));
    TRY(owners(req, body, &user, &team));
    TRY(auth_key_assign(api_of(req)->auth, api_of(req)->db, req->a, req->who.tenant, id, user,
                        team));
    return res_empty(res, 204);
}

static Err delete_key(struct req *req, struct res *res)
{
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(auth_key_revoke(api_of(req)->auth, api_of(req)->db, req->a, req->who.tenant, id));
    return res_empty(res, 204);
}

const struct route api_keys_routes[] = {
    {HTTP_GET, "/api/keys", list_keys, "key.read", .out_schema = "KeyList",
     .summary = "List API keys", .query = "limit:integer cursor:string"},
    {HTTP_POST, "/api/keys", post_key, "key.write", .in_schema = "NewKey",
     .out_schema = "CreatedKey", .summary = "Make an API key"},
    {HTTP_PUT, "/api/keys/:id/owner", put_owners, "key.write", .in_schema = "KeyOwner",
     .summary = "Say of which user and team a key is"},
    {HTTP_DELETE, "/api/keys/:id", delete_key, "key.write", .summary = "Revoke an API key"},
    {0},
};
