/* src/store/store_chat_test.c - conversations on both databases. */
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_chat.h"
#include "store/test_store.h"

static const Usec NOW = 1700000000 * USEC_S;

static Err say(struct db *db, const struct chat_row *row, int64_t n)
{
    struct db_tx *tx = db_begin(db, t_arena());
    struct chat_turn turn = {.n = n,
                             .run = id_new(),
                             .message = str_fmt(t_arena(), "m%lld", (long long)n),
                             .at = NOW + n};

    store_chat_say(tx, row, &turn);
    return db_commit(tx);
}

DB_TEST(a_conversation_has_its_last_turns_in_order_and_answers_once)
{
    struct chat_row row = {
        .id = id_new(), .tenant = id_new(), .workflow = id_new(), .keep_until = NOW + 10};
    struct chat_row seen;
    ChatTurns turns;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_err(store_chat_get(db, t_arena(), row.workflow, row.id, NOW, &seen), E_NOT_FOUND);
    for (int n = 1; n <= 5; n++)
        t_expect_ok(say(db, &row, n));
    t_expect_err(say(db, &row, 5), E_EXISTS); /* two at once: one is taken */
    t_expect_ok(store_chat_turns(db, t_arena(), row.workflow, row.id, 3, &turns));
    t_expect_int(turns.n, 3);
    t_expect_str(turns.at[0].message, S("m3"));
    t_expect_str(turns.at[2].message, S("m5"));
    t_expect(!turns.at[2].answered);

    struct chat_turn answer = turns.at[2];
    answer.answer = S("a");
    t_expect_ok(store_chat_answer(db, t_arena(), row.id, &answer));
    answer.answer = S("b");
    answer.failed = true;
    t_expect_ok(store_chat_answer(db, t_arena(), row.id, &answer));
    t_expect_ok(store_chat_turns(db, t_arena(), row.workflow, row.id, 1, &turns));
    t_expect(turns.at[0].answered && !turns.at[0].failed);
    t_expect_str(turns.at[0].answer, S("a"));
    t_expect_err(store_chat_get(db, t_arena(), id_new(), row.id, NOW, &seen), E_NOT_FOUND);
}

DB_TEST(a_conversation_is_of_one_workflow)
{
    struct chat_row row = {
        .id = id_new(), .tenant = id_new(), .workflow = id_new(), .keep_until = NOW + 10};
    struct chat_row other = row, seen;
    ChatTurns turns;
    bool taken;

    other.workflow = id_new();
    other.keep_until = NOW + 1000;
    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(store_chat_is_taken(db, t_arena(), row.id, &taken));
    t_expect(!taken);
    t_expect_ok(say(db, &row, 1));
    t_expect_ok(store_chat_is_taken(db, t_arena(), row.id, &taken));
    t_expect(taken);
    t_expect_err(say(db, &other, 2), E_CONFLICT);
    t_expect_ok(store_chat_turns(db, t_arena(), other.workflow, row.id, 10, &turns));
    t_expect_int(turns.n, 0);
    t_expect_ok(store_chat_turns(db, t_arena(), row.workflow, row.id, 10, &turns));
    t_expect_int(turns.n, 1);
    t_expect_err(store_chat_get(db, t_arena(), row.workflow, row.id, NOW + 10, &seen), E_NOT_FOUND);
}

DB_TEST(conversations_are_forgotten_in_time_and_on_demand)
{
    struct chat_row old = {
        .id = id_new(), .tenant = id_new(), .workflow = id_new(), .keep_until = NOW + 10};
    struct chat_row young = old, seen;
    ChatTurns turns;
    int n;

    young.id = id_new();
    young.keep_until = NOW + 20;
    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(say(db, &old, 1));
    t_expect_ok(say(db, &young, 1));
    t_expect_ok(store_chat_expire(db, t_arena(), NOW + 9, 10, &n));
    t_expect_int(n, 0);
    t_expect_err(store_chat_get(db, t_arena(), old.workflow, old.id, NOW + 10, &seen), E_NOT_FOUND);
    t_expect_ok(store_chat_expire(db, t_arena(), NOW + 10, 10, &n));
    t_expect_int(n, 1);
    t_expect_ok(store_chat_turns(db, t_arena(), old.workflow, old.id, 10, &turns));
    t_expect_int(turns.n, 0);
    t_expect_ok(store_chat_get(db, t_arena(), young.workflow, young.id, NOW + 10, &seen));
    t_expect_err(store_chat_delete(db, t_arena(), id_new(), young.id), E_NOT_FOUND);
    t_expect_ok(store_chat_delete(db, t_arena(), young.workflow, young.id));
    t_expect_ok(store_chat_turns(db, t_arena(), young.workflow, young.id, 10, &turns));
    t_expect_int(turns.n, 0);
}
