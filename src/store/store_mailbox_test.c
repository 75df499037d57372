/* src/store/store_mailbox_test.c - who reads a folder of mails, and how far, on both databases. */
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_mailbox.h"
#include "store/test_store.h"

static const Usec NOW = 1700000000 * USEC_S;

static Err put(struct db *db, Id workflow, Id tenant, int version, Str spec)
{
    struct mailbox_row row = {.tenant = tenant,
                              .version = version,
                              .hash = S("01234567890123456789012345678901"),
                              .spec = spec};
    struct db_tx *tx = db_begin(db, t_arena());
    store_mailbox_put(tx, workflow, spec.n ? &row : NULL);
    return db_commit(tx);
}

static Err started(struct db *db, const struct mailbox_row *row, int64_t uid)
{
    struct db_tx *tx = db_begin(db, t_arena());
    store_mailbox_started(tx, row, uid, true, NOW);
    return db_commit(tx);
}

static Err keep(struct db *db, const struct mailbox_row *row)
{
    struct db_tx *tx = db_begin(db, t_arena());
    store_mailbox_keep(tx, row);
    return db_commit(tx);
}

static size_t taken(struct db *db, Usec now, struct mailbox_row *ret_row)
{
    MailboxRows rows;
    if (store_mailbox_take(db, t_arena(), id_new(), now, now + USEC_MIN, 10, &rows) != OK)
        DIE("the store is away");
    if (rows.n)
        *ret_row = rows.at[0];
    return rows.n;
}

DB_TEST(a_folder_is_read_by_one_and_each_message_starts_once)
{
    Id workflow = id_new(), tenant = id_new();
    struct mailbox_row row, other;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put(db, workflow, tenant, 1, S("a")));
    t_expect_int(taken(db, NOW, &row), 1);
    t_expect_int(taken(db, NOW, &other), 0);
    row.uidvalidity = 7;
    row.next_at = NOW + USEC_MIN;
    t_expect_ok(keep(db, &row));
    t_expect_ok(started(db, &row, 5));
    t_expect_err(started(db, &row, 5), E_CONFLICT);
    t_expect_ok(keep(db, &row)); /* what it knew before does not count */
    t_expect_ok(store_mailbox_get(db, t_arena(), tenant, workflow, &other));
    t_expect_int(other.last_uid, 5);
    t_expect_int(other.started, 1);
    t_expect_err(store_mailbox_get(db, t_arena(), id_new(), workflow, &other), E_NOT_FOUND);
    /* Somebody else has it after its time. */
    t_expect_int(taken(db, NOW + 2 * USEC_MIN, &other), 1);
    t_expect_err(started(db, &row, 6), E_CONFLICT);
    t_expect_err(keep(db, &row), E_CONFLICT);
    t_expect_ok(started(db, &other, 6));
    other.last_uid = 6;
    other.next_at = 0;
    t_expect_ok(store_mailbox_leave(db, t_arena(), &other));
    t_expect_err(started(db, &other, 7), E_CONFLICT);
    t_expect_int(taken(db, NOW, &row), 1);
    t_expect_ok(store_mailbox_free(db, t_arena(), row.taken_by));
    t_expect_int(taken(db, NOW, &row), 1);
}

DB_TEST(a_version_that_reads_the_same_folder_goes_on_and_another_begins_anew)
{
    Id workflow = id_new(), tenant = id_new();
    struct mailbox_row row, next;

    t_expect_ok(db_migrate(db, migrations));
    t_expect_ok(put(db, workflow, tenant, 1, S("a")));
    t_expect_int(taken(db, NOW, &row), 1);
    row.uidvalidity = 7;
    row.last_uid = 9;
    t_expect_ok(keep(db, &row));
    t_expect_ok(put(db, workflow, tenant, 2, S("a")));
    t_expect_err(keep(db, &row), E_CONFLICT);
    t_expect_int(taken(db, NOW, &next), 1);
    t_expect_int(next.version, 2);
    t_expect_int(next.last_uid, 9);
    t_expect_ok(put(db, workflow, tenant, 3, S("b")));
    t_expect_err(keep(db, &next), E_CONFLICT);
    t_expect_int(taken(db, NOW, &next), 1);
    t_expect_int(next.last_uid, 0);
    t_expect_int(next.uidvalidity, 0);
    t_expect_ok(put(db, workflow, tenant, 4, S("")));
    t_expect_int(taken(db, NOW + USEC_DAY, &next), 0);
}

DB_TEST(a_tenant_with_very_many_folders_leaves_places_to_others)
{
    Id many = id_new(), few = id_new();
    MailboxRows rows;
    int n = 0;

    t_expect_ok(db_migrate(db, migrations));
    struct db_tx *tx = db_begin(db, t_arena());
    for (int i = 0; i <= STORE_MAILBOX_TENANT_MAX + 5; i++) {
        struct mailbox_row row = {.tenant = i <= STORE_MAILBOX_TENANT_MAX + 4 ? many : few,
                                  .hash = S("01234567890123456789012345678901"),
                                  .spec = S("a")};
        store_mailbox_put(tx, id_new(), &row);
    }
    t_expect_ok(db_commit(tx));
    t_expect_ok(store_mailbox_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 10000, &rows));
    t_expect_int(rows.n, STORE_MAILBOX_TENANT_MAX + 1);
    vec_each(&rows, row)
        n += id_eq(row->tenant, few);
    t_expect_int(n, 1);
    t_expect_ok(store_mailbox_take(db, t_arena(), id_new(), NOW, NOW + USEC_MIN, 10000, &rows));
    t_expect_int(rows.n, 0);
}
