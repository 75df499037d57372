/* src/net/router_test.c - which route takes which path. */
#include "base/test.h"
#include "net/router.h"

static Err nothing(struct req *req, struct res *res)
{
    (void)req, (void)res;
    return OK;
}

static const struct route table[] = {
    {HTTP_GET, "/", nothing, .summary = "root"},
    {HTTP_GET, "/api/runs", nothing, .summary = "list"},
    {HTTP_POST, "/api/runs", nothing, .summary = "create"},
    {HTTP_GET, "/api/runs/:id", nothing, .summary = "one"},
    {HTTP_DELETE | HTTP_PUT, "/api/runs/:run", nothing, .summary = "change"},
    {HTTP_GET, "/api/runs/latest", nothing, .summary = "latest"},
    {HTTP_POST, "/api/runs/:id/cancel", nothing, .summary = "cancel"},
    {HTTP_GET, "/api/:kind/latest/x", nothing, .summary = "kind"},
    {HTTP_GET, "/files/*path", nothing, .summary = "files"},
    {HTTP_GET, "/files/special", nothing, .summary = "special"},
    {HTTP_GET, "/:a/:b/:c", nothing, .summary = "three"},
    {HTTP_OPTIONS, "/opt", nothing, .summary = "options"},
    {0},
};

/* The route's summary and its parameters, or the error and what is allowed. */
static Str find(unsigned method, const char *path)
{
    AUTO(router) *r = router_new();
    struct req req = {.a = t_arena(), .method = method, .raw_path = str_c(path)};
    unsigned allowed = 0;

    router_add(r, table);
    Err e = router_find(r, &req, &allowed);
    if (e != OK)
        return str_fmt(t_arena(), "%s %u", err_name(e), allowed);
    Str out = str_c(req.route->summary);
    for (int i = 0; i < 8 && req.param_names[i]; i++)
        out = str_fmt(t_arena(), "%.*s %s=%.*s", P(out), req.param_names[i], P(req.params[i]));
    return out;
}

TEST(router_prefers_fixed_then_parameter_then_rest)
{
    t_expect_str(find(HTTP_GET, "/"), S("root"));
    t_expect_str(find(HTTP_GET, "/api/runs"), S("list"));
    t_expect_str(find(HTTP_POST, "/api/runs"), S("create"));
    t_expect_str(find(HTTP_GET, "/api/runs/latest"), S("latest"));
    t_expect_str(find(HTTP_GET, "/api/runs/42"), S("one id=42"));
    t_expect_str(find(HTTP_PUT, "/api/runs/42"), S("change run=42"));
    t_expect_str(find(HTTP_DELETE, "/api/runs/latest"), S("change run=latest"));
    t_expect_str(find(HTTP_POST, "/api/runs/42/cancel"), S("cancel id=42"));
    t_expect_str(find(HTTP_GET, "/files/a/b.txt"), S("files path=a/b.txt"));
    t_expect_str(find(HTTP_GET, "/files/special"), S("special"));
}

TEST(router_goes_back_from_branches_that_lead_nowhere)
{
    t_expect_str(find(HTTP_GET, "/api/runs/latest/x"), S("kind kind=runs"));
    t_expect_str(find(HTTP_GET, "/api/jobs/latest/x"), S("kind kind=jobs"));
    t_expect_str(find(HTTP_GET, "/api/x/y"), S("three a=api b=x c=y"));
    t_expect_str(find(HTTP_GET, "/files"), S("E_NOT_FOUND 0"));
    t_expect_str(find(HTTP_GET, "/files/"), S("E_NOT_FOUND 0"));
}

TEST(router_decodes_parameters_segment_by_segment)
{
    t_expect_str(find(HTTP_GET, "/api/runs/a%2Fb"), S("one id=a/b"));
    t_expect_str(find(HTTP_GET, "/api/%72uns"), S("list"));
    t_expect_str(find(HTTP_GET, "/files/a%20b/c"), S("files path=a b/c"));
    t_expect_str(find(HTTP_GET, "/api/runs/%3Aid"), S("one id=:id"));
    t_expect_str(find(HTTP_GET, "/api/runs/%00"), S("E_SYNTAX 0"));
}

TEST(router_tells_the_methods_of_a_known_path)
{
    t_expect_str(find(HTTP_HEAD, "/api/runs"), S("list"));
    t_expect_str(
        find(HTTP_PATCH, "/api/runs"),
        str_fmt(t_arena(), "E_METHOD %d", HTTP_GET | HTTP_HEAD | HTTP_POST | HTTP_OPTIONS));
    t_expect_str(find(HTTP_POST, "/api/runs/42"),
                 str_fmt(t_arena(), "E_METHOD %d",
                         HTTP_GET | HTTP_HEAD | HTTP_PUT | HTTP_DELETE | HTTP_OPTIONS));
    t_expect_str(find(HTTP_POST, "/api/runs/latest"),
                 str_fmt(t_arena(), "E_METHOD %d",
                         HTTP_GET | HTTP_HEAD | HTTP_PUT | HTTP_DELETE | HTTP_OPTIONS));
    t_expect_str(find(HTTP_OPTIONS, "/opt"), S("options"));
    t_expect_str(find(HTTP_HEAD, "/api/runs/1/cancel"),
                 str_fmt(t_arena(), "E_METHOD %d", HTTP_POST | HTTP_OPTIONS));
}

TEST(router_is_not_confused_by_odd_paths)
{
    t_expect_str(find(HTTP_GET, ""), S("E_NOT_FOUND 0"));
    t_expect_str(find(HTTP_GET, "*"), S("E_NOT_FOUND 0"));
    t_expect_str(find(HTTP_GET, "/api/runs/"), S("E_NOT_FOUND 0"));
    t_expect_str(find(HTTP_GET, "/files/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18"),
                 S("files path=1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18"));
    t_expect_str(find(HTTP_GET, "/x/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18"),
                 S("E_NOT_FOUND 0"));
}

TEST(router_lists_every_route_once_in_order)
{
    AUTO(router) *r = router_new();
    const struct route *route;
    size_t at = 0, n = 0;

    router_add(r, table);
    while (router_next(r, &at, &route))
        t_expect(route == &table[n++]);
    t_expect_int(n, ARRAY_LEN(table) - 1);
}

TEST(who_may_knows_words_and_the_star)
{
    struct who who = {.capabilities = S("run.read run.start")};
    t_expect(who_may(&who, NULL));
    t_expect(who_may(&who, "run.start"));
    t_expect(!who_may(&who, "run"));
    t_expect(!who_may(&who, "run.start2"));
    who.capabilities = S("*");
    t_expect(who_may(&who, "anything"));
    who.capabilities = (Str){0};
    t_expect(!who_may(&who, "run.read"));
    t_expect(who_may(&who, "")); /* whoever is known */
}
