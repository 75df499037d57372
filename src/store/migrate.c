/* src/store/migrate.c - brings a schema up to date, forward only, the same way on both databases.
 *
 * Each step is a transaction of its own that holds a lock no other node can hold, looks what was
 * done, does the next migration and records it. So nodes that start together do the work once, and
 * a step that fails leaves nothing. What was applied is known by number and checksum: a migration
 * that was edited later is refused, as is a database that is newer than the program.
 */
#include "store/migrate.h"

#include "base/crypto.h"
#include "rt/log.h"
#include "store/db_private.h"

#include <stdlib.h>

enum { SQL_MAX = 4 << 20 };

static const char table_sql[] =
    "CREATE TABLE IF NOT EXISTS schema_migration (number {int} PRIMARY KEY,"
    " name {text} NOT NULL, checksum {text} NOT NULL, applied_at {int} NOT NULL)";

static int list_count(const struct migration *list)
{
    int n = 0;
    while (list[n].sql)
        n++;
    return n;
}

static Err check_list(const struct migration *list)
{
    for (int i = 0; list[i].sql; i++) {
        const char *name = list[i].name;
        if (list[i].number != i + 1)
            return err_set(E_INTERNAL, "migration %d stands in place %d", list[i].number, i + 1);
        if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(name))
            return err_set(E_INTERNAL, "the name of migration %d is not plain", list[i].number);
    }
    return OK;
}

static Str checksum(struct arena *a, const struct migration *m)
{
    uint8_t hash[32];
    crypto_sha256(str_c(m->sql), hash);
    return crypto_hex(a, hash, sizeof hash);
}

/* Compare what was applied with the list; *ret_done is the number of the last one. */
static Err check_applied(struct arena *a, const struct db_rows *rows, const struct migration *list,
                         int *ret_done)
{
    int n = list_count(list);

    for (size_t i = 0; i < rows->n_rows; i++) {
        const struct db_cell *cell = &rows->cells[i * 2];
        int64_t number = cell[0].i;
        if (number > n)
            return err_detail(
                E_VERSION,
                "The database is at migration %lld and this program knows %d: it was used by "
                "a newer version. Start that version, or restore an older backup.",
                (long long)number, n);
        if (number != (int64_t)i + 1)
            return err_detail(E_CORRUPT, "The record of migrations has a gap before number %lld.",
                              (long long)number);
        if (!str_eq(checksum(a, &list[i]), str_from(rows->bytes + cell[1].at, cell[1].n)))
            return err_detail(
                E_VERSION,
                "Migration %lld (%s) was applied with another content than this program has. "
                "The database belongs to another build.",
                (long long)number, list[i].name);
    }
    *ret_done = (int)rows->n_rows;
    return OK;
}

static Err run_in_words(const struct db_migrator *m, const char *sql)
{
    AUTO_BUF(text, SQL_MAX);

    TRY(db_sql_types(m->kind, sql, &text));
    buf_add_char(&text, 0);
    TRY(buf_ok(&text));
    return m->run(m->conn, text.p);
}

static Err apply(const struct db_migrator *m, struct arena *a, const struct migration *next)
{
    Str record = str_fmt(a,
                         "INSERT INTO schema_migration (number, name, checksum, applied_at) VALUES"
                         " (%d, '%s', '%.*s', %lld)",
                         next->number, next->name, P(checksum(a, next)), (long long)time_wall());

    Err e = run_in_words(m, next->sql);
    if (e == OK)
        e = m->run(m->conn, str_dup_c(a, record));
    return e == OK ? OK : err_add(e, "migration %04d_%s", next->number, next->name);
}

/* Inside of the transaction: the next migration, if there is one. */
static Err step(const struct db_migrator *m, struct arena *a, const struct migration *list,
                bool *kept, bool *ret_more)
{
    struct db_rows rows = {0};
    int done = 0;

    TRY(run_in_words(m, table_sql));
    Err e = m->applied(m->conn, &rows);
    if (e == OK)
        e = check_applied(a, &rows, list, &done);
    db_rows_done(&rows);
    TRY(e);
    *ret_more = done < list_count(list);
    if (!*ret_more)
        return OK;
    if (done && !*kept && m->keep) {
        e = m->keep(m->conn, list[done].number);
        if (e != OK)
            return err_add(e, "copy before migration %d", list[done].number);
    }
    *kept = true;
    TRY(apply(m, a, &list[done]));
    LOG_INFO("the database was migrated", L_INT("number", list[done].number),
             L_CSTR("name", list[done].name));
    return OK;
}

Err db_migrate_with(const struct db_migrator *m, const struct migration *list)
{
    bool more = true, kept = false;

    TRY(check_list(list));
    while (more) {
        AUTO(arena) *a = arena_new(MIB(1));
        TRY(m->run(m->conn, m->begin));
        Err e = step(m, a, list, &kept, &more);
        if (e == OK)
            e = m->run(m->conn, "COMMIT");
        if (e != OK) {
            struct err_record record = *err_record();
            (void)m->run(m->conn, "ROLLBACK"); /* the first error is the one to tell */
            *err_record() = record;
            return e;
        }
    }
    return OK;
}
