/* src/auth/auth_test.c - keys and links as their holders see them, on a real SQLite file. */
#include "auth/auth.h"
#include "rt/test_rt.h"
#include "store/migrate.h"

static struct db *open_db(void)
{
    struct db *db = NULL;
    struct db_options options = {.url = str_fmt(t_arena(), "%s/heddle.db", t_dir())};
    if (db_open(&options, &db) != OK || db_migrate(db, migrations) != OK ||
        auth_init_store(db) != OK)
        t_fail(__FILE__, __LINE__, "no database: %s", err_record()->text);
    return db;
}

static struct req request(enum http_method method, const char *name, Str value)
{
    struct req req = {.a = t_arena(), .method = method};
    http_header_add(req.a, &req.headers, S("host"), S("heddle.example"));
    if (name)
        http_header_add(req.a, &req.headers, str_c(name), value);
    return req;
}

TEST_FIBER(a_key_opens_what_it_was_made_for_until_it_is_revoked)
{
    struct arena *a = t_arena();
    struct db *db = open_db();
    AUTO(auth) *auth = auth_new(db);
    Str key;
    Id id;
    t_expect_ok(
        auth_key_create(db, a, auth_home_tenant, S("ci"), S("run.read,run.start"), 0, &key, &id));
    t_expect(str_starts(key, S("hdl_")) && key.n > 40);

    struct req req = request(HTTP_GET, "Authorization", str_fmt(a, "Bearer %.*s", P(key)));
    t_expect_ok(auth_check(auth, &req));
    t_expect(id_eq(req.who.tenant, auth_home_tenant));
    t_expect_str(req.who.actor_name, S("ci"));
    t_expect(who_may(&req.who, "run.start"));
    t_expect(!who_may(&req.who, "key.write"));
    t_expect_ok(auth_check(auth, &req));       /* from the cache */
    req = request(HTTP_GET, "x-api-key", key); /* where other clients put it */
    t_expect_ok(auth_check(auth, &req));
    t_expect(!auth_is_session(&req));
    req = request(HTTP_GET, "Api-Key", key);
    t_expect_ok(auth_check(auth, &req));
    req = request(HTTP_GET, "x-api-key", S("Bearer"));
    t_expect_err(auth_check(auth, &req), E_UNAUTHORIZED);
    req = request(HTTP_GET, "Authorization", str_fmt(a, "Bearer %.*s", P(key)));

    t_expect_ok(auth_key_revoke(auth, db, a, auth_home_tenant, id));
    t_expect_err(auth_check(auth, &req), E_UNAUTHORIZED);
    t_expect_err(auth_key_revoke(auth, db, a, auth_home_tenant, id), E_NOT_FOUND);
    db_close(db);
}

TEST_FIBER(a_name_that_no_database_stores_is_refused_with_a_reason)
{
    struct db *db = open_db();
    Str key;
    Id id;

    t_expect_err(auth_key_create(db, t_arena(), auth_home_tenant, S("a\0b"), S("*"), 0, &key, &id),
                 E_INVALID);
    t_expect(str_find(str_c(err_client_text(E_INVALID)), S("control")) != SIZE_MAX);
    static const char *const names[] = {"a\nb", "\033[2Jx", "a\x7f", "a\xc2\x9b b"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        t_expect_err(
            auth_key_create(db, t_arena(), auth_home_tenant, str_c(names[i]), S("*"), 0, &key, &id),
            E_INVALID);
    t_expect_ok(auth_key_create(db, t_arena(), auth_home_tenant, S("Schlüssel \xc2\xa0 — 鍵"),
                                S("*"), 0, &key, &id));
    t_expect_err(auth_key_create(db, t_arena(), auth_home_tenant, S("a\xff"), S("*"), 0, &key, &id),
                 E_INVALID);
    db_close(db);
}

TEST_FIBER(an_expired_or_unknown_or_malformed_key_is_refused)
{
    struct arena *a = t_arena();
    struct db *db = open_db();
    AUTO(auth) *auth = auth_new(db);
    Str key;
    Id id;
    t_expect_ok(
        auth_key_create(db, a, auth_home_tenant, S("old"), S("*"), time_wall() - 1, &key, &id));
    struct req req = request(HTTP_GET, "Authorization", str_fmt(a, "Bearer %.*s", P(key)));
    t_expect_err(auth_check(auth, &req), E_UNAUTHORIZED);
    req = request(HTTP_GET, "Authorization", S("Bearer hdl_nosuchkey"));
    t_expect_err(auth_check(auth, &req), E_UNAUTHORIZED);
    req = request(HTTP_GET, "Authorization", S("Basic YTpi"));
    t_expect_err(auth_check(auth, &req), E_UNAUTHORIZED);
    req = request(HTTP_GET, NULL, S(""));
    t_expect_err(auth_check(auth, &req), E_UNAUTHORIZED);
    db_close(db);
}

TEST_FIBER(a_sign_in_link_opens_one_session_and_no_second_one)
{
    struct arena *a = t_arena();
    struct db *db = open_db();
    AUTO(auth) *auth = auth_new(db);
    Str token, session, again;
    t_expect_ok(auth_link_create(db, a, auth_home_tenant, USEC_MIN, &token));
    t_expect_ok(auth_link_use(auth, a, token, &session));
    t_expect_err(auth_link_use(auth, a, token, &again), E_UNAUTHORIZED);

    Str cookie = str_fmt(a, AUTH_COOKIE "=%.*s", P(session));
    struct req req = request(HTTP_GET, "Cookie", cookie);
    t_expect_ok(auth_check(auth, &req));
    t_expect(who_may(&req.who, "workflow.write"));
    /* The link's token itself is no session. */
    struct req with_link = request(HTTP_GET, "Cookie", str_fmt(a, AUTH_COOKIE "=%.*s", P(token)));
    t_expect_err(auth_check(auth, &with_link), E_UNAUTHORIZED);

    t_expect_ok(auth_session_end(auth, a, session));
    t_expect_err(auth_check(auth, &req), E_UNAUTHORIZED);

    t_expect_ok(auth_link_create(db, a, auth_home_tenant, -1, &token));
    t_expect_err(auth_link_use(auth, a, token, &session), E_UNAUTHORIZED);
    db_close(db);
}

TEST_FIBER(a_cookie_changes_nothing_from_another_site)
{
    struct arena *a = t_arena();
    struct db *db = open_db();
    AUTO(auth) *auth = auth_new(db);
    Str token, session;
    t_expect_ok(auth_link_create(db, a, auth_home_tenant, USEC_MIN, &token));
    t_expect_ok(auth_link_use(auth, a, token, &session));
    Str cookie = str_fmt(a, AUTH_COOKIE "=%.*s", P(session));

    struct req req = request(HTTP_POST, "Cookie", cookie);
    http_header_add(a, &req.headers, S("Origin"), S("https://evil.example"));
    t_expect_err(auth_check(auth, &req), E_FORBIDDEN);
    req = request(HTTP_POST, "Cookie", cookie);
    http_header_add(a, &req.headers, S("Sec-Fetch-Site"), S("same-origin"));
    t_expect_ok(auth_check(auth, &req));
    db_close(db);
}

TEST(capabilities_are_checked_and_normalised)
{
    struct arena *a = t_arena();
    Str list;
    t_expect_ok(auth_capabilities_parse(a, S("run.read, run.start"), &list));
    t_expect_str(list, S("run.read run.start"));
    t_expect_ok(auth_capabilities_parse(a, S("run.read run.start run.read"), &list));
    t_expect_str(list, S("run.read run.start"));
    t_expect_ok(auth_capabilities_parse(a, S(" * "), &list));
    t_expect_str(list, S("*"));
    t_expect_err(auth_capabilities_parse(a, S("run.read,run.fly"), &list), E_INVALID);
    t_expect_err(auth_capabilities_parse(a, S(""), &list), E_INVALID);
}

TEST_FIBER(whether_a_try_is_left_is_asked_without_taking_it)
{
    struct req req = {.a = t_arena(), .remote = S("192.0.2.1")};
    struct req other = {.a = t_arena(), .remote = S("192.0.2.2")};

    for (int i = 0; i < 50; i++)
        t_expect_ok(auth_rate_peek(&req));
    for (int i = 0; i < 20; i++)
        t_expect_ok(auth_rate_take(&req));
    t_expect_err(auth_rate_peek(&req), E_RATE_LIMITED);
    t_expect(err_record()->retry_after_us > 0);
    t_expect_err(auth_rate_take(&req), E_RATE_LIMITED);
    t_expect_ok(auth_rate_peek(&other));
}
