/* src/llm/limits_sides_test.c - limits of users, teams and end-users, all of them in one step. */
#include "base/json.h"
#include "llm/limits.h"
#include "store/migrate.h"
#include "store/test_store.h"

static void add_principal(struct db *db, Id tenant, Id id, int kind)
{
    struct db_tx *tx = db_begin(db, t_arena());

    db_exec(
        tx,
        "INSERT INTO principal (id, tenant_id, kind, name, created_at) VALUES (?1, ?2, ?3, 'x', 0)",
        DB_ARGS(D_ID(id), D_ID(tenant), D_INT(kind)));
    t_expect_ok(db_commit(tx));
}

static Err put(struct llm_limits *l, Id tenant, Id subject, const char *text)
{
    struct json *v;

    TRY(json_parse(t_arena(), str_c(text), &v));
    return llm_limits_put(l, t_arena(), tenant, subject, v);
}

static Err call(struct llm_limits *l, const struct llm_caller *caller, int64_t used)
{
    struct llm_hold hold;
    struct err_record record;

    TRY(llm_limits_open(l, caller, S("m"), S("chat"), &hold));
    hold.need[LLM_REQUESTS] = 1;
    hold.need[LLM_TOKENS] = hold.need[LLM_COST] = used;
    Err e = llm_limits_reserve(l, &hold);
    record = *err_record();
    llm_limits_settle(l, &hold, (int64_t[LLM_WHATS]){e == OK, e == OK ? used : 0, 0});
    *err_record() = record;
    return e;
}

static int64_t used(struct llm_limits *l, Id tenant, Id subject)
{
    struct json *v;

    if (llm_limits_show(l, t_arena(), tenant, subject, &v) != OK)
        return -1;
    return json_int_of(json_at(json_item(json_at(v, "counters"), 0), "used"), -1);
}

DB_TEST(limits_of_user_team_and_tenant_hold_at_once_and_say_whose_it_was)
{
    Id tenant = id_new(), user = id_new(), team = id_new();
    struct llm_caller caller = {tenant, id_new(), user, team};

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    add_principal(db, tenant, team, 1);
    add_principal(db, tenant, user, 2);
    t_expect_ok(put(l, tenant, user, "{\"limits\":{\"requests\":{\"month\":3}}}"));
    t_expect_ok(put(l, tenant, team, "{\"limits\":{\"tokens\":{\"month\":10}}}"));
    t_expect_ok(put(l, tenant, tenant, "{\"limits\":{\"requests\":{\"month\":100}}}"));
    t_expect_err(put(l, id_new(), team, "{}"), E_NOT_FOUND);
    t_expect_ok(call(l, &caller, 10));
    t_expect_err(call(l, &caller, 1), E_RATE_LIMITED);
    t_expect(str_find(str_c(err_client_text(E_RATE_LIMITED)), S("team's")) != SIZE_MAX);
    t_expect_int(used(l, tenant, user), 1);
    t_expect_int(used(l, tenant, tenant), 1);
    caller.team = ID_NONE;
    caller.key = id_new();
    t_expect_ok(call(l, &caller, 1));
    t_expect_ok(call(l, &caller, 1));
    t_expect_err(call(l, &caller, 1), E_RATE_LIMITED);
    t_expect(str_find(str_c(err_client_text(E_RATE_LIMITED)), S("user's")) != SIZE_MAX);
    t_expect_int(used(l, tenant, tenant), 3);
    llm_limits_free(l);
}

DB_TEST(limits_that_are_shared_hold_for_every_side_without_a_key_or_a_user)
{
    Id tenant = id_new(), team = id_new();
    struct llm_caller caller = {.tenant = tenant, .key = tenant, .team = team, .end_user = S("x")};
    int64_t nothing[LLM_WHATS] = {0};
    struct llm_hold hold, more;

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    add_principal(db, tenant, team, 1);
    t_expect_ok(put(l, tenant, team, "{\"limits\":{\"tokens\":{\"month\":10}}}"));
    t_expect_ok(llm_limits_open(l, &caller, S("m"), S("chat"), &hold));
    llm_limits_share(l, &hold, &more);
    t_expect(llm_limits_apply(l, &more));
    more.at_once = true;
    more.need[LLM_TOKENS] = 11;
    t_expect_err(llm_limits_reserve(l, &more), E_RATE_LIMITED);
    llm_limits_settle(l, &more, nothing);
    llm_limits_settle(l, &hold, nothing);
    llm_limits_free(l);
}

DB_TEST(limits_keep_counters_of_so_many_end_users_and_hold_the_others_as_one)
{
    Id tenant = id_new();
    struct llm_caller caller = {tenant, id_new()};
    int ok = 0;

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    t_expect_err(put(l, tenant, tenant, "{\"end_users\":{\"tracked\":0}}"), E_INVALID);
    t_expect_ok(put(l, tenant, tenant,
                    "{\"end_users\":{\"limits\":{\"requests\":{\"month\":2}},\"tracked\":5}}"));
    for (int i = 0; i < 90; i++) {
        caller.end_user = str_fmt(t_arena(), "name %d", i % 30);
        Err e = call(l, &caller, 1);
        t_expect(e == OK || e == E_RATE_LIMITED);
        ok += e == OK;
    }
    t_expect_int(ok, 5 * 2 + 2);
    t_expect_int(t_db_int(db, "SELECT COUNT(*) FROM model_end_user", DB_NO_ARGS), 5);
    llm_limits_free(l);
    l = llm_limits_new(db, NULL); /* another process knows the same */
    for (int i = 0; i < 30; i++) {
        caller.end_user = str_fmt(t_arena(), "name %d", i);
        t_expect_err(call(l, &caller, 1), E_RATE_LIMITED);
    }
    caller.end_user = S("");
    t_expect_ok(call(l, &caller, 1));
    llm_limits_free(l);
}

DB_TEST(limits_of_end_users_take_names_of_any_length)
{
    Id tenant = id_new();
    struct llm_caller caller = {tenant, id_new()};
    char name[5000];

    memset(name, 'x', sizeof name);
    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    t_expect_ok(put(l, tenant, tenant, "{\"end_users\":{\"limits\":{\"requests\":{\"day\":1}}}}"));
    for (size_t n = 4998; n <= 5000; n++) {
        caller.end_user = str_from(name, n);
        t_expect_ok(call(l, &caller, 1));
        t_expect_err(call(l, &caller, 1), E_RATE_LIMITED);
    }
    llm_limits_free(l);
}
