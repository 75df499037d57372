/* src/store/store_model_pin_test.c - who made a response, on both databases. */
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_model_pin.h"
#include "store/test_store.h"

DB_TEST(a_pin_is_of_its_tenant_and_forgotten_in_time)
{
    Id me = id_new(), other = id_new(), provider = id_new(), second = id_new();
    struct model_pin_row rows[] = {
        {me, provider, S_INIT("resp_1"), S_INIT("m")},
        {me, provider, S_INIT("odd \xff\0 bytes"), S_INIT("\xfe")},
        {me, second, S_INIT("resp_1"), S_INIT("n")},
        {other, provider, S_INIT("resp_1"), S_INIT("o")},
    };
    struct model_pin_row seen;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(store_model_pin_put(db, t_arena(), rows, ARRAY_LEN(rows), 10));
    t_expect_ok(store_model_pin_get(db, t_arena(), me, S("resp_1"), &seen));
    t_expect(id_eq(seen.provider, second));
    t_expect_str(seen.model, S("n"));
    t_expect_ok(store_model_pin_get(db, t_arena(), me, rows[1].response, &seen));
    t_expect_str(seen.model, S("\xfe"));
    t_expect_ok(store_model_pin_get(db, t_arena(), other, S("resp_1"), &seen));
    t_expect_str(seen.model, S("o"));
    t_expect_err(store_model_pin_get(db, t_arena(), other, S("resp_2"), &seen), E_NOT_FOUND);
    t_expect_ok(store_model_pin_put(db, t_arena(), rows + 3, 1, 20));
    t_expect_ok(store_model_pin_expire(db, t_arena(), 10));
    t_expect_err(store_model_pin_get(db, t_arena(), me, S("resp_1"), &seen), E_NOT_FOUND);
    t_expect_ok(store_model_pin_get(db, t_arena(), other, S("resp_1"), &seen));
}
