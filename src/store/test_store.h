/* src/store/test_store.h - DB_TEST: one test body that runs on SQLite and on PostgreSQL. */
#ifndef STORE_TEST_STORE_H
#define STORE_TEST_STORE_H

#include "rt/test_rt.h"
#include "store/db.h"

/* Run @body in a fiber with a fresh, empty database: a file in t_dir(), or a schema of its own on
 * the server that the environment variable HEDDLE_TEST_PG names (skipped without it). */
void t_db_run(enum db_kind kind, unsigned shards, void (*body)(struct db *db));

/* The same outside of any fiber and without opening it: @run does what it wants with t_db_url(). */
void t_db_run_with(enum db_kind kind, void (*run)(enum db_kind kind));

#define DB_TEST(id) DB_TEST_ON(1, id)
#define DB_TEST_ON(shards, id)                                                                     \
    static void db_body_##id(struct db *db);                                                       \
    TEST(id##_on_sqlite)                                                                           \
    {                                                                                              \
        t_db_run(DB_SQLITE, (shards), db_body_##id);                                               \
    }                                                                                              \
    TEST(id##_on_postgres)                                                                         \
    {                                                                                              \
        t_db_run(DB_POSTGRES, (shards), db_body_##id);                                             \
    }                                                                                              \
    static void db_body_##id(struct db *db)

/* The address of the fresh database of the running test, to open it once more. */
Str t_db_url(void);
/* Make the tables of a test: @sql as in a migration. */
Err t_db_tables(struct db *db, const char *sql) YIELDS;
/* One statement in a transaction. */
Err t_db_exec(struct db *db, const char *sql, struct db_args args) YIELDS;
/* The first column of the only row of @sql; -1 on failure. */
int64_t t_db_int(struct db *db, const char *sql, struct db_args args) YIELDS;
/* A new, empty schema on the PostgreSQL server; NULL if there is no server. The address lives in
 * t_arena(). */
const char *t_pg_fresh(void);
/* Run @sql on the server by a connection of its own. */
void t_pg_admin(const char *sql);
/* Sanitizers keep freed memory and shadows of all of it: sizes say less there. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define T_SANITIZED true
#elif defined(__has_feature)
#define T_SANITIZED (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define T_SANITIZED false
#endif

/* Resident memory of this process in bytes. */
size_t t_resident(void);

#endif
