/* src/api/api_auth.c - the one-time link, the session it opens, and who one is. */
#include "api/api.h"

static void set_cookie(struct req *req, struct res *res, Str value, long long max_age)
{
    bool secure = req->tls || api_of(req)->secure_cookies;
    res_header(res, S("Set-Cookie"),
               str_fmt(req->a, AUTH_COOKIE "=%.*s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%lld%s",
                       P(value), max_age, secure ? "; Secure" : ""));
}

/* GET /signin?token=...: a person follows the link that the server printed. Without a token it is a
 * page of the console. */
static Err signin(struct req *req, struct res *res)
{
    Str token, session;

    TRY(req_query(req, S("token"), &token));
    /* Whoever only looks where a link leads does not use it up. */
    if (!token.n || req->method == HTTP_HEAD)
        return api_console(req, res);
    res_header(res, S("Cache-Control"), S("no-store"));
    Err e = auth_link_use(api_of(req)->auth, req->a, token, &session);
    if (e == E_UNAUTHORIZED)
        return res_redirect(res, 303, S("/signin?expired=1"));
    TRY(e);
    set_cookie(req, res, session, AUTH_SESSION_TTL / USEC_S);
    return res_redirect(res, 303, S("/"));
}

static Err signout(struct req *req, struct res *res)
{
    Str session = req_cookie(req, S(AUTH_COOKIE));
    if (session.n)
        TRY(auth_session_end(api_of(req)->auth, req->a, session));
    set_cookie(req, res, S(""), 0);
    return res_empty(res, 204);
}

static Err get_me(struct req *req, struct res *res)
{
    struct json *capabilities = json_arr(req->a);
    Str rest = req->who.capabilities, name;

    while (rest.p) {
        rest = str_cut(rest, ' ', &name);
        json_push(req->a, capabilities, json_str(req->a, name));
    }
    return res_json(res, 200,
                    json_obj(req->a, "name", json_str(req->a, req->who.actor_name), "kind",
                             json_str(req->a, auth_is_session(req) ? S("session") : S("key")),
                             "capabilities", capabilities, "tenant",
                             json_id(req->a, req->who.tenant), "version",
                             json_str(req->a, S(HEDDLE_VERSION)), NULL));
}

const struct route api_auth_routes[] = {
    {HTTP_GET, "/signin", signin, NULL, .rate = RATE_AUTH},
    {HTTP_POST, "/api/signout", signout, "", .summary = "End the session"},
    {HTTP_GET, "/api/me", get_me, "", .out_schema = "Me", .summary = "Who the caller is"},
    {0},
};
