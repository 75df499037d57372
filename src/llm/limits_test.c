/* src/llm/limits_test.c - limits hold among many callers, over processes and over restarts. */
#include "llm/alerts.h"
#include "llm/limits.h"

#include "base/json.h"
#include "rt/inject.h"
#include "store/migrate.h"
#include "store/test_store.h"

static void set_limits(struct llm_limits *l, Id tenant, const char *text)
{
    struct json *v;

    t_expect_ok(json_parse(t_arena(), str_c(text), &v));
    t_expect_ok(llm_limits_put(l, t_arena(), tenant, tenant, v));
}

static Err begin(struct llm_limits *l, Id tenant, Id key, int64_t tokens, struct llm_hold *hold)
{
    static const int64_t nothing[LLM_WHATS] = {0};

    TRY(llm_limits_open(l, &(struct llm_caller){tenant, key}, S("m"), S("chat"), hold));
    hold->need[LLM_REQUESTS] = 1;
    hold->need[LLM_TOKENS] = tokens;
    hold->need[LLM_COST] = tokens;
    Err e = llm_limits_reserve(l, hold);
    if (e != OK) {
        struct err_record record = *err_record();
        llm_limits_settle(l, hold, nothing);
        *err_record() = record;
    }
    return e;
}

static void end(struct llm_limits *l, struct llm_hold *hold, int64_t tokens)
{
    int64_t used[LLM_WHATS] = {1, tokens, tokens};

    llm_limits_settle(l, hold, used);
}

/* One call that uses @used of the @need that it reserves. */
static Err call(struct llm_limits *l, Id tenant, int64_t need, int64_t used)
{
    struct llm_hold hold;

    TRY(begin(l, tenant, tenant, need, &hold));
    end(l, &hold, used);
    return OK;
}

static int64_t taken(struct db *db)
{
    return t_db_int(db, "SELECT CAST(COALESCE(SUM(taken), 0) AS BIGINT) FROM model_counter",
                    DB_NO_ARGS);
}

DB_TEST(limits_let_in_so_many_requests_and_say_when_to_come_again)
{
    Id tenant = id_new();

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    set_limits(l, tenant, "{\"limits\":{\"requests\":{\"month\":3}}}");
    for (int i = 0; i < 3; i++)
        t_expect_ok(call(l, tenant, 1000, 1));
    t_expect_err(call(l, tenant, 1000, 1), E_RATE_LIMITED);
    t_expect(err_record()->retry_after_us > 0);
    t_expect(err_record()->retry_after_us <= 31 * USEC_DAY);
    t_expect_ok(call(l, id_new(), 1000, 1)); /* another tenant */
    set_limits(l, tenant, "{\"limits\":{\"requests\":{\"month\":4}}}");
    t_expect_ok(call(l, tenant, 1000, 1));
    t_expect_err(call(l, tenant, 1000, 1), E_RATE_LIMITED);
    set_limits(l, tenant, "{}");
    t_expect_ok(call(l, tenant, 1000, 1));
    llm_limits_free(l);
}

DB_TEST(limits_of_nothing_let_nothing_in)
{
    Id tenant = id_new();

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    set_limits(l, tenant, "{\"limits\":{\"cost_micros\":{\"day\":0}}}");
    t_expect_err(call(l, tenant, 1, 0), E_BUDGET);
    t_expect_ok(call(l, tenant, 0, 0)); /* it costs nothing */
    llm_limits_free(l);
    t_expect_int(taken(db), 0);
}

DB_TEST(limits_say_what_a_key_may_call)
{
    Id tenant = id_new();
    struct llm_hold hold;

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    set_limits(l, tenant, "{\"models\":[\"m*\"],\"endpoints\":[\"chat\"]}");
    t_expect_ok(
        llm_limits_open(l, &(struct llm_caller){tenant, id_new()}, S("mine"), S("chat"), &hold));
    end(l, &hold, 0);
    t_expect_err(
        llm_limits_open(l, &(struct llm_caller){tenant, id_new()}, S("other"), S("chat"), &hold),
        E_FORBIDDEN);
    t_expect_err(llm_limits_open(l, &(struct llm_caller){tenant, id_new()}, S("mine"),
                                 S("embeddings"), &hold),
                 E_FORBIDDEN);
    llm_limits_free(l);
}

static Err begin_again(struct llm_limits *l, const struct llm_hold *of, struct llm_hold *hold)
{
    llm_limits_share(l, of, hold);
    memcpy(hold->need, of->need, sizeof hold->need);
    hold->at_once = true;
    Err e = llm_limits_reserve(l, hold);
    if (e != OK)
        end(l, hold, 0);
    return e;
}

DB_TEST(limits_let_a_call_be_made_twice_where_both_fit)
{
    Id tenant = id_new();
    struct llm_hold first, second, third;

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    set_limits(l, tenant, "{\"limits\":{\"tokens\":{\"month\":1000},\"requests\":{\"day\":3}}}");
    t_expect_ok(begin(l, tenant, tenant, 400, &first));
    t_expect_ok(begin_again(l, &first, &second));
    Usec before = time_mono();
    t_expect_err(begin_again(l, &first, &third), E_RATE_LIMITED); /* 200 are left */
    t_expect(time_mono() - before < 5 * USEC_S);                  /* it waits for nobody */
    end(l, &second, 10);
    t_expect_ok(begin_again(l, &first, &third)); /* the tokens came back, the request did not */
    end(l, &third, 10);
    t_expect_err(begin_again(l, &first, &third), E_RATE_LIMITED);
    end(l, &first, 10);
    llm_limits_free(l);
    t_expect_int(taken(db), 3 + 30);
}

DB_TEST(limits_do_not_refuse_others_for_a_second_call_that_did_not_fit)
{
    Id tenant = id_new();
    struct llm_hold first, second, other;

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    set_limits(l, tenant, "{\"limits\":{\"tokens\":{\"month\":1000}}}");
    t_expect_ok(begin(l, tenant, tenant, 600, &first));
    t_expect_err(begin_again(l, &first, &second), E_RATE_LIMITED);
    t_expect_ok(begin(l, tenant, tenant, 600, &other)); /* the one that may go beyond */
    end(l, &other, 600);
    end(l, &first, 600);
    t_expect_err(call(l, tenant, 1, 1), E_RATE_LIMITED);
    llm_limits_free(l);
    t_expect_int(taken(db), 1200);
}

/* ---- many callers ---- */

struct crowd {
    struct llm_limits *l;
    Id tenant;
    int64_t need, use, used;
    int ok, refused;
};

static Err one_caller(void *arg)
{
    struct crowd *crowd = arg;
    struct llm_hold hold;
    Err e = begin(crowd->l, crowd->tenant, crowd->tenant, crowd->need, &hold);

    if (e == E_BUDGET) {
        crowd->refused++;
        return OK;
    }
    TRY(e);
    TRY(fiber_pause());
    end(crowd->l, &hold, crowd->use);
    crowd->used += crowd->use;
    crowd->ok++;
    return OK;
}

static void run_crowd(struct crowd *crowd, int n)
{
    FIBER_GROUP(g, 0, false);

    for (int i = 0; i < n; i++)
        t_expect_ok(fiber_group_start(&g, "caller", one_caller, crowd));
    t_expect_ok(fiber_group_join(&g));
}

/* Each reserves far more than is left and uses a little: all that is left is used all the same. */
DB_TEST(limits_are_exceeded_by_one_call_at_most_by_five_hundred_callers)
{
    struct crowd crowd = {.tenant = id_new(), .need = 20000, .use = 30};

    t_expect_ok(db_migrate(db, migrations));
    crowd.l = llm_limits_new(db, NULL);
    set_limits(crowd.l, crowd.tenant, "{\"limits\":{\"cost_micros\":{\"month\":1000}}}");
    run_crowd(&crowd, 500);
    t_expect_int(crowd.ok, 34); /* 33 of 30 leave 10, so one more is let in */
    t_expect_int(crowd.refused, 500 - 34);
    llm_limits_free(crowd.l);
    t_expect_int(taken(db), crowd.used);
}

DB_TEST(limits_far_away_let_all_callers_in_at_once)
{
    struct crowd crowd = {.tenant = id_new(), .need = 20000, .use = 30};

    t_expect_ok(db_migrate(db, migrations));
    crowd.l = llm_limits_new(db, NULL);
    set_limits(crowd.l, crowd.tenant, "{\"limits\":{\"cost_micros\":{\"month\":1000000000}}}");
    run_crowd(&crowd, 500);
    t_expect_int(crowd.ok, 500);
    llm_limits_free(crowd.l);
    t_expect_int(taken(db), 500 * 30);
}

/* ---- several processes, and restarts ---- */

DB_TEST(limits_hold_over_two_processes_on_one_database)
{
    Id tenant = id_new();
    int ok = 0;

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l[2] = {llm_limits_new(db, NULL), llm_limits_new(db, NULL)};
    set_limits(l[0], tenant, "{\"limits\":{\"requests\":{\"month\":101}}}");
    for (int i = 0; i < 300; i++) {
        Err e = call(l[i % 2], tenant, 0, 0);
        t_expect(e == OK || e == E_RATE_LIMITED);
        ok += e == OK;
    }
    t_expect(ok <= 101 && ok >= 98); /* one may hold a small part that it has not spent */
    llm_limits_free(l[0]);
    llm_limits_free(l[1]);
    t_expect_int(taken(db), ok);
}

DB_TEST(limits_go_on_after_a_restart)
{
    Id tenant = id_new();

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    set_limits(l, tenant, "{\"limits\":{\"tokens\":{\"month\":1000}}}");
    t_expect_ok(call(l, tenant, 700, 600));
    llm_limits_free(l);
    t_expect_int(taken(db), 600);
    l = llm_limits_new(db, NULL);
    t_expect_ok(call(l, tenant, 700, 500));
    t_expect_err(call(l, tenant, 1, 1), E_RATE_LIMITED);
    llm_limits_free(l);
    t_expect_int(taken(db), 1100);
}

DB_TEST(limits_give_back_what_is_free_in_a_quiet_moment)
{
    Id tenant = id_new();

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    set_limits(l, tenant, "{\"limits\":{\"tokens\":{\"month\":100000}}}");
    t_expect_ok(call(l, tenant, 5000, 7));
    t_expect(taken(db) >= 7); /* never less than what was used, whatever happens now */
    Usec deadline = usec_in(20 * USEC_S);
    while (taken(db) != 7 && time_mono() < deadline)
        t_expect_ok(fiber_sleep(10 * USEC_MS));
    t_expect_int(taken(db), 7);
    t_expect_ok(call(l, tenant, 10, 200)); /* more than it said */
    while (taken(db) != 207 && time_mono() < deadline)
        t_expect_ok(fiber_sleep(10 * USEC_MS));
    t_expect_int(taken(db), 207);
    llm_limits_free(l);
}

static Err late_end(void *arg)
{
    struct crowd *crowd = arg;

    TRY(call(crowd->l, crowd->tenant, 900, 100));
    crowd->ok++;
    return OK;
}

DB_TEST(limits_make_a_call_wait_for_what_another_has_reserved)
{
    struct crowd crowd = {.tenant = id_new()};
    struct llm_hold hold;

    t_expect_ok(db_migrate(db, migrations));
    crowd.l = llm_limits_new(db, NULL);
    set_limits(crowd.l, crowd.tenant, "{\"limits\":{\"tokens\":{\"month\":1000}}}");
    t_expect_ok(begin(crowd.l, crowd.tenant, crowd.tenant, 5000, &hold));
    FIBER_GROUP(g, 0, false);
    t_expect_ok(fiber_group_start(&g, "late", late_end, &crowd));
    t_expect_ok(fiber_sleep(50 * USEC_MS));
    t_expect_int(crowd.ok, 0);
    end(crowd.l, &hold, 100);
    t_expect_ok(fiber_group_join(&g));
    t_expect_int(crowd.ok, 1);
    llm_limits_free(crowd.l);
    t_expect_int(taken(db), 200);
}

DB_TEST(limits_give_the_turn_of_a_caller_that_left_to_the_next)
{
    struct crowd crowd = {.tenant = id_new()};
    struct llm_hold hold;

    t_expect_ok(db_migrate(db, migrations));
    crowd.l = llm_limits_new(db, NULL);
    set_limits(crowd.l, crowd.tenant, "{\"limits\":{\"tokens\":{\"month\":1000}}}");
    t_expect_ok(begin(crowd.l, crowd.tenant, crowd.tenant, 5000, &hold));
    {
        FIBER_GROUP(left, 0, false);
        FIBER_GROUP(stays, 0, false);
        t_expect_ok(fiber_group_start(&left, "left", late_end, &crowd));
        t_expect_ok(fiber_sleep(20 * USEC_MS));
        t_expect_ok(fiber_group_start(&stays, "stays", late_end, &crowd));
        t_expect_ok(fiber_sleep(20 * USEC_MS));
        end(crowd.l, &hold, 100);
        fiber_group_cancel(&left);
        (void)fiber_group_join(&left); /* cancelled, or it was quicker */
        t_expect_ok(fiber_group_join(&stays));
    }
    t_expect(crowd.ok >= 1);
    llm_limits_free(crowd.l);
}

DB_TEST(limits_refuse_while_the_store_cannot_say_what_is_left)
{
    Id tenant = id_new();

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL);
    set_limits(l, tenant, "{\"limits\":{\"tokens\":{\"month\":1000}}}");
    t_expect_ok(inject_set(S("store.commit.before=error:E_UNAVAILABLE")));
    t_expect_err(call(l, tenant, 10, 10), E_UNAVAILABLE);
    t_expect_ok(inject_set(S("")));
    t_expect_ok(call(l, tenant, 10, 10));
    llm_limits_free(l);
    t_expect_int(taken(db), 10);
}

DB_TEST(limits_tell_what_is_left_after_a_call_and_after_a_refusal)
{
    Id tenant = id_new(), key = id_new();
    struct llm_hold hold;

    t_expect_ok(db_migrate(db, migrations));
    struct llm_limits *l = llm_limits_new(db, NULL), *other = llm_limits_new(db, NULL);
    set_limits(l, tenant,
               "{\"limits\":{\"requests\":{\"month\":5,\"day\":3},\"tokens\":{\"day\":1000}}}");
    t_expect_ok(call(other, tenant, 100, 60));
    t_expect_ok(begin(l, tenant, key, 200, &hold));
    t_expect(hold.left[LLM_REQUESTS].known && hold.left[LLM_TOKENS].known);
    t_expect(!hold.left[LLM_COST].known);
    t_expect_int(hold.left[LLM_REQUESTS].max, 3); /* the one of which the least is left */
    t_expect_int(hold.left[LLM_REQUESTS].left, 1);
    t_expect(hold.left[LLM_REQUESTS].resets_in <= USEC_DAY);
    t_expect(hold.left[LLM_TOKENS].left <= 1000 - 60 - 200);
    t_expect(hold.left[LLM_TOKENS].left > 1000 - 60 - 200 - 100);
    end(l, &hold, 10);
    t_expect_ok(call(l, tenant, 100, 10));
    t_expect_ok(llm_limits_open(l, &(struct llm_caller){tenant, key}, S("m"), S("chat"), &hold));
    hold.need[LLM_REQUESTS] = 1;
    t_expect_err(llm_limits_reserve(l, &hold), E_RATE_LIMITED);
    t_expect_int(hold.left[LLM_REQUESTS].left, 0);
    end(l, &hold, 0);
    llm_limits_free(l);
    llm_limits_free(other);
}

struct told {
    struct llm_alert list[8];
    unsigned n, fails;
};

static Err note(void *ctx, const struct llm_alert *alert)
{
    struct told *told = ctx;

    if (told->fails) {
        told->fails--;
        return err_set(E_UNAVAILABLE, "not now");
    }
    if (told->n == ARRAY_LEN(told->list))
        return err_set(E_INTERNAL, "too many");
    told->list[told->n++] = *alert;
    return OK;
}

static void wait_told(const struct told *told, unsigned n)
{
    for (int i = 0; i < 3000 && told->n < n; i++)
        t_expect_ok(fiber_sleep(10 * USEC_MS));
    t_expect_int(told->n, n);
}

DB_TEST(limits_tell_once_that_a_budget_is_nearly_and_wholly_used_up)
{
    Id tenant = id_new();
    struct told told = {.fails = 1};

    t_expect_ok(db_migrate(db, migrations));
    struct llm_alerts *alerts = llm_alerts_new();
    struct llm_limits *l = llm_limits_new(db, alerts);
    set_limits(l, tenant,
               "{\"limits\":{\"cost_micros\":{\"month\":1000},\"tokens\":{\"month\":2000}}}");
    t_expect_ok(call(l, tenant, 500, 790));
    t_expect_ok(call(l, tenant, 100, 20));
    t_expect_ok(call(l, tenant, 100, 20));
    t_expect_ok(call(l, tenant, 100, 500));
    t_expect_err(call(l, tenant, 100, 1), E_BUDGET);
    llm_alerts_begin(alerts, note, &told);
    wait_told(&told, 2);
    t_expect_str(str_c(told.list[0].event), S("budget.warning"));
    t_expect_int(told.list[0].used, 810);
    t_expect_str(str_c(told.list[1].event), S("budget.exhausted"));
    t_expect_int(told.list[1].max, 1000);
    t_expect(id_eq(told.list[1].tenant, tenant) && id_is_none(told.list[1].key));
    llm_limits_free(l);
    llm_alerts_free(alerts);
}
