/* src/store/migrate_test.c */
#include "store/test_store.h"

#include <sys/stat.h>

static const struct migration one[] = {
    {1, "first",
     "CREATE TABLE a (id {id} PRIMARY KEY, t {text} NOT NULL) {clustered};\n"
     "CREATE INDEX a_t ON a (t)"},
    {0},
};
static const struct migration three[] = {
    {1, "first",
     "CREATE TABLE a (id {id} PRIMARY KEY, t {text} NOT NULL) {clustered};\n"
     "CREATE INDEX a_t ON a (t)"},
    {2, "second", "CREATE TABLE b (n {int} PRIMARY KEY);\nINSERT INTO b (n) VALUES (1);\n"},
    {3, "third", "ALTER TABLE b ADD COLUMN m {int} NOT NULL DEFAULT 5;\nUPDATE b SET m = 6"},
    {0},
};

static bool copy_is_there(struct db *db, const char *ending)
{
    struct stat st;
    Str path = str_fmt(t_arena(), "%.*s%s", P(t_db_url()), ending);
    return db_kind(db) == DB_SQLITE && stat(str_dup_c(t_arena(), path), &st) == 0;
}

DB_TEST(a_fresh_database_is_brought_to_the_newest_version)
{
    int version = -1;
    t_expect_ok(db_schema_version(db, &version));
    t_expect_int(version, 0);
    t_expect_ok(db_migrate(db, three));
    t_expect_ok(db_schema_version(db, &version));
    t_expect_int(version, 3);
    t_expect_int(t_db_int(db, "SELECT m FROM b", DB_NO_ARGS), 6);
    t_expect_ok(db_migrate(db, three));
    t_expect_int(t_db_int(db, "SELECT count(*) FROM b", DB_NO_ARGS), 1);
    t_expect(!copy_is_there(db, ".before-0001") && !copy_is_there(db, ".before-0002"));
}

DB_TEST(an_older_database_is_migrated_and_on_sqlite_copied_before)
{
    int version = -1;
    Id id = id_new();

    t_expect_ok(db_migrate(db, one));
    t_expect_ok(t_db_exec(db, "INSERT INTO a (id, t) VALUES (?1, ?2)",
                          DB_ARGS(D_ID(id), D_TEXT(S("kept")))));
    t_expect_ok(db_migrate(db, three));
    t_expect_int(t_db_int(db, "SELECT count(*) FROM a WHERE t = 'kept'", DB_NO_ARGS), 1);
    if (db_kind(db) == DB_SQLITE) {
        AUTO(arena) *a = arena_new(KIB(16));
        struct db *copy = NULL;
        t_expect(copy_is_there(db, ".before-0002") && !copy_is_there(db, ".before-0003"));
        Str path = str_fmt(a, "%.*s.before-0002", P(t_db_url()));
        t_expect_ok(db_open(&(struct db_options){.url = path, .read_only = true}, &copy));
        Err e = db_schema_version(copy, &version);
        int64_t rows = t_db_int(copy, "SELECT count(*) FROM a WHERE t = 'kept'", DB_NO_ARGS);
        t_expect_err(db_migrate(copy, three), E_READ_ONLY);
        db_close(copy);
        t_expect_ok(e);
        t_expect(version == 1 && rows == 1);
    }
}

DB_TEST(a_database_newer_than_the_program_is_refused)
{
    int version = -1;
    t_expect_ok(db_migrate(db, three));
    t_expect_err(db_migrate(db, one), E_VERSION);
    t_expect(strstr(err_client_text(E_VERSION), "newer") != NULL);
    t_expect_ok(db_schema_version(db, &version));
    t_expect_int(version, 3);
}

DB_TEST(a_migration_that_was_edited_later_is_refused)
{
    static const struct migration edited[] = {
        {1, "first", "CREATE TABLE a (id {id} PRIMARY KEY, t {text})"}, {0}};
    t_expect_ok(db_migrate(db, one));
    t_expect_err(db_migrate(db, edited), E_VERSION);
}

DB_TEST(a_migration_that_fails_leaves_nothing)
{
    static const struct migration bad[] = {
        {1, "first",
         "CREATE TABLE a (id {id} PRIMARY KEY, t {text} NOT NULL) {clustered};\n"
         "CREATE INDEX a_t ON a (t)"},
        {2, "second",
         "CREATE TABLE b (n {int} PRIMARY KEY);\nINSERT INTO b (n) VALUES (1);\n"
         "INSERT INTO b (n) VALUES (1)"},
        {0},
    };
    int version = -1;

    t_expect_ok(db_migrate(db, one));
    t_expect(db_migrate(db, bad) != OK);
    t_expect_ok(db_schema_version(db, &version));
    t_expect_int(version, 1);
    t_expect_err(t_db_exec(db, "INSERT INTO b (n) VALUES (1)", DB_NO_ARGS), E_INTERNAL);
    t_expect_ok(db_migrate(db, three));
    t_expect_int(t_db_int(db, "SELECT n + m FROM b", DB_NO_ARGS), 7);
}

DB_TEST(a_list_of_migrations_with_a_gap_is_refused)
{
    static const struct migration gap[] = {{1, "a", "SELECT 1"}, {3, "c", "SELECT 1"}, {0}};
    t_expect_err(db_migrate(db, gap), E_INTERNAL);
}

/* ---- several nodes ---- */

static struct node {
    _Atomic int left, failed;
    struct shard *home;
    struct wait *wait;
} nodes;

static Err migrate_as_a_node(void *arg)
{
    struct db *db = NULL;
    (void)arg;
    Err e = db_open(&(struct db_options){.url = t_db_url()}, &db);
    if (e == OK)
        e = db_migrate(db, three);
    if (e != OK) {
        t_fail(__FILE__, __LINE__, "a node: %s", err_text(e));
        nodes.failed++;
    }
    db_close(db);
    if (--nodes.left == 0)
        wait_end_from(nodes.home, nodes.wait, OK);
    return OK;
}

DB_TEST_ON(2, several_nodes_may_migrate_at_once)
{
    struct wait w;
    wait_init(&w);
    nodes = (struct node){.left = 6, .home = shard_self(), .wait = &w};
    for (unsigned i = 0; i < 6; i++)
        shard_start(shard_at(i % 2), "node", migrate_as_a_node, NULL);
    t_expect_ok(wait_for(&w, usec_in(USEC_MIN)));
    t_expect_int(nodes.failed, 0);
    t_expect_int(t_db_int(db, "SELECT n + m FROM b", DB_NO_ARGS), 7);
    t_expect_int(t_db_int(db, "SELECT count(*) FROM schema_migration", DB_NO_ARGS), 3);
}
