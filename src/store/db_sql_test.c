/* src/store/db_sql_test.c */
#include "base/test.h"
#include "store/db_private.h"

static Str dollars(const char *sql, unsigned *n)
{
    struct buf b = BUF(KIB(4));
    Err e = db_sql_dollars(sql, &b, n);
    Str s = e == OK ? str_dup(t_arena(), buf_str(&b)) : str_c(err_name(e));
    buf_done(&b);
    return s;
}

TEST(sql_parameters_are_numbered_with_dollars)
{
    unsigned n = 0;
    t_expect_str(dollars("SELECT ?1, ?12 WHERE a=?1", &n), S("SELECT $1, $12 WHERE a=$1"));
    t_expect_int(n, 12);
    t_expect_str(dollars("SELECT 1", &n), S("SELECT 1"));
    t_expect_int(n, 0);
    t_expect_str(dollars("SELECT ?", &n), S("E_SYNTAX"));
    t_expect_str(dollars("SELECT ?0", &n), S("E_SYNTAX"));
    t_expect_str(dollars("SELECT ?99999999999", &n), S("E_SYNTAX"));
    t_expect_int(db_sql_params("SELECT ?2 + ?1, '?9' -- ?8"), 2);
}

TEST(sql_quotes_and_comments_stay_as_they_are)
{
    unsigned n = 0;
    t_expect_str(dollars("SELECT '?1 '' ?2', \"?3\", ?4 -- ?5\n + ?6 /* ?7 */", &n),
                 S("SELECT '?1 '' ?2', \"?3\", $4 -- ?5\n + $6 /* ?7 */"));
    t_expect_int(n, 6);
    t_expect_str(dollars("SELECT $$ ?1 $$, 'not closed ?2", &n),
                 S("SELECT $$ ?1 $$, 'not closed ?2"));
    t_expect_int(n, 0);
}

static Str words(enum db_kind kind, const char *sql)
{
    struct buf b = BUF(KIB(4));
    Err e = db_sql_types(kind, sql, &b);
    Str s = e == OK ? str_dup(t_arena(), buf_str(&b)) : str_c(err_name(e));
    buf_done(&b);
    return s;
}

TEST(sql_types_of_migrations_are_written_for_each_database)
{
    static const char sql[] =
        "CREATE TABLE a (b {id}, c {int} DEFAULT 1, d {real}, e {text} DEFAULT '{int}',"
        " f {bytes}) {clustered}";
    t_expect_str(words(DB_SQLITE, sql),
                 S("CREATE TABLE a (b BLOB, c INTEGER DEFAULT 1, d REAL, e TEXT DEFAULT "
                   "'{int}', f BLOB) WITHOUT ROWID"));
    t_expect_str(words(DB_POSTGRES, sql), S("CREATE TABLE a (b uuid, c bigint DEFAULT 1, d double "
                                            "precision, e text COLLATE \"C\" DEFAULT "
                                            "'{int}', f bytea) "));
    t_expect_str(words(DB_SQLITE, "CREATE TABLE a (b {uuid})"), S("E_SYNTAX"));
}
