/* src/api/api_principals.c - the teams and users that keys belong to, and what they may use. */
#include "api/api.h"

#include "auth/principal.h"
#include "llm/limits.h"

static struct json *principal_json(struct arena *a, enum auth_kind kind,
                                   const struct auth_principal *p)
{
    struct json *v = json_obj(a, "id", json_id(a, p->id), "name", json_str(a, p->name),
                              "created_at", json_time(a, p->created_at), NULL);

    if (kind == AUTH_USER)
        json_set(a, v, S("team"), id_is_none(p->team) ? json_null(a) : json_id(a, p->team));
    return v;
}

Err api_id_or_null(const struct json *body, Str name, Id *ret_id)
{
    const struct json *v = json_get(body, name);

    *ret_id = ID_NONE;
    if (!v || json_is(v, JSON_NULL))
        return OK;
    if (id_parse(json_str_of(v, S("")), ret_id) != OK)
        return err_detail(E_BAD_INPUT, "\"%.*s\" must be an id, or null.", P(name));
    return OK;
}

static Err list(struct req *req, struct res *res, enum auth_kind kind)
{
    struct json *items = json_arr(req->a);
    struct api_page page;
    AuthPrincipals found;

    TRY(api_page_of(req, &page));
    TRY(auth_principal_page(api_of(req)->db, req->a, req->who.tenant, kind, page.before, page.limit,
                            &found));
    vec_each(&found, p)
        json_push(req->a, items, principal_json(req->a, kind, p));
    Id last = found.n ? found.at[found.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, found.n, page.limit, last));
}

static Err answer(struct req *req, struct res *res, int status, enum auth_kind kind, Id id)
{
    struct auth_principal p;

    TRY(auth_principal_get(api_of(req)->db, req->a, req->who.tenant, kind, id, &p));
    return res_json(res, status, principal_json(req->a, kind, &p));
}

static Err post(struct req *req, struct res *res, enum auth_kind kind)
{
    struct json *body;
    Id team, id;

    TRY(req_json(req, &body));
    TRY(api_id_or_null(body, S("team"), &team));
    TRY(auth_principal_create(api_of(req)->db, req->a, req->who.tenant, kind,
                              json_str_of(json_at(body, "name"), S("")), team, &id));
    return answer(req, res, 201, kind, id);
}

static Err put(struct req *req, struct res *res, enum auth_kind kind)
{
    struct api *api = api_of(req);
    struct json *body;
    Id team, id;

    TRY(req_id(req, "id", &id));
    TRY(req_json(req, &body));
    TRY(api_id_or_null(body, S("team"), &team));
    TRY(auth_principal_change(api->auth, api->db, req->a, req->who.tenant, kind, id,
                              json_str_of(json_at(body, "name"), S("")), team));
    return answer(req, res, 200, kind, id);
}

static Err delete (struct req *req, struct res *res, enum auth_kind kind)
{
    struct api *api = api_of(req);
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(auth_principal_delete(api->auth, api->db, req->a, req->who.tenant, kind, id));
    return res_empty(res, 204);
}

static Err show_limits(struct req *req, struct res *res, Id id)
{
    struct json *policy;

    TRY(llm_limits_show(llm_limits_of(api_of(req)->llm), req->a, req->who.tenant, id, &policy));
    return res_json(res, 200, policy);
}

static Err limits(struct req *req, struct res *res, enum auth_kind kind, bool write)
{
    struct auth_principal p;
    struct json *body;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(auth_principal_get(api_of(req)->db, req->a, req->who.tenant, kind, id, &p));
    if (write) {
        TRY(req_json(req, &body));
        TRY(llm_limits_put(llm_limits_of(api_of(req)->llm), req->a, req->who.tenant, id, body));
    }
    return show_limits(req, res, id);
}

#define HANDLERS(what, kind)                                                                       \
    static Err list_##what##s(struct req *req, struct res *res)                                    \
    {                                                                                              \
        return list(req, res, kind);                                                               \
    }                                                                                              \
    static Err post_##what(struct req *req, struct res *res)                                       \
    {                                                                                              \
        return post(req, res, kind);                                                               \
    }                                                                                              \
    static Err get_##what(struct req *req, struct res *res)                                        \
    {                                                                                              \
        Id id;                                                                                     \
        TRY(req_id(req, "id", &id));                                                               \
        return answer(req, res, 200, kind, id);                                                    \
    }                                                                                              \
    static Err put_##what(struct req *req, struct res *res)                                        \
    {                                                                                              \
        return put(req, res, kind);                                                                \
    }                                                                                              \
    static Err delete_##what(struct req *req, struct res *res)                                     \
    {                                                                                              \
        return delete (req, res, kind);                                                            \
    }                                                                                              \
    static Err get_##what##_limits(struct req *req, struct res *res)                               \
    {                                                                                              \
        return limits(req, res, kind, false);                                                      \
    }                                                                                              \
    static Err put_##what##_limits(struct req *req, struct res *res)                               \
    {                                                                                              \
        return limits(req, res, kind, true);                                                       \
    }

HANDLERS(team, AUTH_TEAM)
HANDLERS(user, AUTH_USER)

const struct route api_principals_routes[] = {
    {HTTP_GET, "/api/teams", list_teams, "key.read", .out_schema = "TeamList",
     .summary = "List teams", .query = "limit:integer cursor:string"},
    {HTTP_POST, "/api/teams", post_team, "key.write", .in_schema = "NewTeam", .out_schema = "Team",
     .summary = "Make a team"},
    {HTTP_GET, "/api/teams/:id", get_team, "key.read", .out_schema = "Team",
     .summary = "Get a team"},
    {HTTP_PUT, "/api/teams/:id", put_team, "key.write", .in_schema = "NewTeam",
     .out_schema = "Team", .summary = "Give a team another name"},
    {HTTP_DELETE, "/api/teams/:id", delete_team, "key.write",
     .summary = "Delete a team that nothing is of"},
    {HTTP_GET, "/api/teams/:id/limits", get_team_limits, "key.read",
     .out_schema = "ModelLimitsState",
     .summary = "Get what a team may use of models, and how much it did"},
    {HTTP_PUT, "/api/teams/:id/limits", put_team_limits, "key.write", .in_schema = "ModelLimits",
     .out_schema = "ModelLimitsState", .summary = "Set what a team may use of models"},
    {HTTP_GET, "/api/users", list_users, "key.read", .out_schema = "UserList",
     .summary = "List users", .query = "limit:integer cursor:string"},
    {HTTP_POST, "/api/users", post_user, "key.write", .in_schema = "NewUser", .out_schema = "User",
     .summary = "Make a user"},
    {HTTP_GET, "/api/users/:id", get_user, "key.read", .out_schema = "User",
     .summary = "Get a user"},
    {HTTP_PUT, "/api/users/:id", put_user, "key.write", .in_schema = "NewUser",
     .out_schema = "User", .summary = "Give a user another name or team"},
    {HTTP_DELETE, "/api/users/:id", delete_user, "key.write",
     .summary = "Delete a user that no key is of"},
    {HTTP_GET, "/api/users/:id/limits", get_user_limits, "key.read",
     .out_schema = "ModelLimitsState",
     .summary = "Get what a user may use of models, and how much it did"},
    {HTTP_PUT, "/api/users/:id/limits", put_user_limits, "key.write", .in_schema = "ModelLimits",
     .out_schema = "ModelLimitsState", .summary = "Set what a user may use of models"},
    {0},
};
