/* src/store/store_model_response_test.c - responses that are kept, on both databases. */
#include "base/buf.h"
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_model_response.h"
#include "store/test_store.h"

static const Usec NOW = 1700000000 * USEC_S;

static int64_t count(struct db *db, int what)
{
    static const char rows[] = "SELECT COUNT(*) FROM model_response";
    static const char talks[] = "SELECT COUNT(*) FROM model_conversation";
    static const char values[] = "SELECT COUNT(*) FROM payload";
    static const char refs[] = "SELECT COUNT(*) FROM run_payload";
    return t_db_int(db,
                    what == 0   ? rows
                    : what == 1 ? talks
                    : what == 2 ? values
                                : refs,
                    DB_NO_ARGS);
}

/* A response behind @before, or the first of a conversation. */
static struct model_response_row next(const struct model_response_row *before, Id tenant, Id key,
                                      Str body)
{
    struct model_response_row row = {.id = id_new(),
                                     .tenant = tenant,
                                     .key = key,
                                     .depth = before ? before->depth + 1 : 1,
                                     .bytes = (before ? before->bytes : 0) + (int64_t)body.n,
                                     .body = body,
                                     .created_at = NOW};

    row.conversation = before ? before->conversation : row.id;
    row.previous = before ? before->id : ID_NONE;
    return row;
}

static Str long_body(uint64_t seed)
{
    AUTO_BUF(b, MIB(1));

    buf_add_c(&b, "{\"input\":\"");
    while (b.n < 50000) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        buf_add_fmt(&b, "%llx ", (unsigned long long)seed);
    }
    buf_add_c(&b, "\"}");
    return str_dup(t_arena(), buf_str(&b));
}

DB_TEST(a_conversation_is_read_whole_by_its_key_alone_and_its_forks_share_it)
{
    Id tenant = id_new(), key = id_new();
    struct model_response_row a = next(NULL, tenant, key, S("{\"n\":1}")),
                              b = next(&a, tenant, key, long_body(1)),
                              c = next(&b, tenant, key, S("{\"n\":3}")),
                              fork = next(&b, tenant, key, S("{\"n\":4}")), seen;
    const struct model_response_row *all[] = {&a, &b, &c, &fork};
    ModelResponseRows rows;

    t_expect_ok(db_migrate(db, migrations));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        t_expect_ok(store_model_response_add(db, t_arena(), all[i], NOW + 10));
    t_expect_ok(store_model_response_head(db, t_arena(), tenant, key, fork.id, &seen));
    t_expect_int(seen.depth, 3);
    t_expect_ok(store_model_response_chain(db, t_arena(), &seen, MIB(1), &rows));
    t_expect_int(rows.n, 3);
    for (size_t i = 0; i < rows.n && i < 3; i++)
        t_expect_str(rows.at[i].body, i < 2 ? all[i]->body : fork.body);
    t_expect_err(store_model_response_head(db, t_arena(), tenant, id_new(), a.id, &seen),
                 E_NOT_FOUND);
    t_expect_err(store_model_response_head(db, t_arena(), id_new(), key, a.id, &seen), E_NOT_FOUND);
    t_expect_err(store_model_response_chain(db, t_arena(), &c, 100, &rows), E_TOO_LARGE);
    c.depth = STORE_RESPONSE_DEPTH_MAX + 1;
    t_expect_err(store_model_response_chain(db, t_arena(), &c, MIB(1), &rows), E_TOO_LARGE);
    /* What was said in the middle and deleted is nowhere any more. */
    t_expect_err(store_model_response_delete(db, t_arena(), tenant, id_new(), b.id), E_NOT_FOUND);
    t_expect(count(db, 2) > 0);
    t_expect_ok(store_model_response_delete(db, t_arena(), tenant, key, b.id));
    t_expect_int(count(db, 2) + count(db, 3), 0);
    t_expect_err(store_model_response_chain(db, t_arena(), &fork, MIB(1), &rows), E_NOT_FOUND);
    t_expect_err(store_model_response_delete(db, t_arena(), tenant, key, b.id), E_NOT_FOUND);
}

DB_TEST(a_conversation_is_forgotten_some_time_after_its_last_response)
{
    Id tenant = id_new(), key = id_new();
    struct model_response_row old = next(NULL, tenant, key, long_body(2)),
                              used = next(NULL, tenant, key, long_body(2)),
                              more = next(&used, tenant, key, S("{}")), seen;
    int n = 0;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(store_model_response_add(db, t_arena(), &old, NOW + 10));
    for (int i = 0; i < 5; i++) {
        struct model_response_row row = next(&old, tenant, key, S("{}"));
        t_expect_ok(store_model_response_add(db, t_arena(), &row, NOW + 10));
    }
    t_expect_ok(store_model_response_add(db, t_arena(), &used, NOW + 10));
    t_expect_ok(store_model_response_add(db, t_arena(), &more, NOW + 50));
    t_expect_ok(store_model_response_expire(db, t_arena(), NOW, 100, &n));
    t_expect_int(n, 0);
    int64_t values = count(db, 2);
    t_expect(values > 0);
    t_expect_ok(store_model_response_expire(db, t_arena(), NOW + 10, 4, &n));
    t_expect_int(n, 4);
    t_expect_int(count(db, 1), 2);
    t_expect_ok(store_model_response_expire(db, t_arena(), NOW + 10, 4, &n));
    t_expect_int(n, 2);
    t_expect_int(count(db, 0), 2);
    t_expect_int(count(db, 1), 1);
    t_expect_int(count(db, 2), values); /* it is the other's, too */
    t_expect_ok(store_model_response_head(db, t_arena(), tenant, key, used.id, &seen));
    t_expect_ok(store_model_response_expire(db, t_arena(), NOW + 50, 100, &n));
    t_expect_int(count(db, 0) + count(db, 1) + count(db, 2) + count(db, 3), 0);
    /* One of which every response was deleted. */
    t_expect_ok(store_model_response_add(db, t_arena(), &old, NOW + 60));
    t_expect_ok(store_model_response_delete(db, t_arena(), tenant, key, old.id));
    t_expect_ok(store_model_response_expire(db, t_arena(), NOW + 60, 100, &n));
    t_expect_int(count(db, 1), 0);
}
