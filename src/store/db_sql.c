/* src/store/db_sql.c - statement texts: the shared subset of SQL in the words of each database.
 *
 * The only thing understood of SQL here is where text is quoted or a comment, so that a question
 * mark or a brace inside of it stays what it is.
 */
#include "store/db_private.h"

static size_t until(const char *p, const char *end)
{
    const char *at = strstr(p, end);
    return at ? (size_t)(at - p) + strlen(end) : strlen(p);
}

size_t db_sql_quoted(const char *p)
{
    if (*p == '\'' || *p == '"') {
        const char *q = p + 1;
        /* A doubled quote stands for itself. */
        while (*q && (*q != *p || q[1] == *p))
            q += *q == *p ? 2 : 1;
        return (size_t)(q - p) + (*q != 0);
    }
    if (p[0] == '-' && p[1] == '-')
        return until(p, "\n");
    if (p[0] == '/' && p[1] == '*')
        return 2 + until(p + 2, "*/");
    if (p[0] == '$' && p[1] == '$')
        return 2 + until(p + 2, "$$");
    return 0;
}

/* The next byte of @p that is @c outside of quotes, or the end. */
static const char *find_bare(const char *p, char c)
{
    while (*p && *p != c) {
        size_t quoted = db_sql_quoted(p);
        p += quoted ? quoted : 1;
    }
    return p;
}

static unsigned number_at(const char **p)
{
    unsigned n = 0;
    for (; **p >= '0' && **p <= '9' && n < 100000; (*p)++)
        n = n * 10 + (unsigned)(**p - '0');
    return n;
}

Err db_sql_dollars(const char *sql, struct buf *out, unsigned *ret_params)
{
    unsigned highest = 0;

    for (const char *p = sql;;) {
        const char *mark = find_bare(p, '?');
        buf_add(out, str_from(p, (size_t)(mark - p)));
        if (!*mark)
            break;
        p = mark + 1;
        unsigned n = number_at(&p);
        if (n == 0 || n > 65535)
            return err_set(E_SYNTAX, "a parameter without number (?1, ?2, ...) in: %.200s", sql);
        buf_add_fmt(out, "$%u", n);
        highest = n > highest ? n : highest;
    }
    *ret_params = highest;
    return buf_ok(out);
}

unsigned db_sql_params(const char *sql)
{
    unsigned highest = 0;
    for (const char *p = find_bare(sql, '?'); *p; p = find_bare(p, '?')) {
        p++;
        unsigned n = number_at(&p);
        highest = n > highest ? n : highest;
    }
    return highest;
}

static const struct {
    const char *token;
    const char *words[2]; /* by enum db_kind */
} types[] = {
    {"{id}", {[DB_SQLITE] = "BLOB", [DB_POSTGRES] = "uuid"}},
    {"{int}", {[DB_SQLITE] = "INTEGER", [DB_POSTGRES] = "bigint"}},
    {"{real}", {[DB_SQLITE] = "REAL", [DB_POSTGRES] = "double precision"}},
    /* By bytes, as SQLite compares, whatever the locale of the server. */
    {"{text}", {[DB_SQLITE] = "TEXT", [DB_POSTGRES] = "text COLLATE \"C\""}},
    {"{bytes}", {[DB_SQLITE] = "BLOB", [DB_POSTGRES] = "bytea"}},
    {"{clustered}", {[DB_SQLITE] = "WITHOUT ROWID", [DB_POSTGRES] = ""}},
};

Err db_sql_types(enum db_kind kind, const char *sql, struct buf *out)
{
    for (const char *p = sql;;) {
        const char *brace = find_bare(p, '{');
        buf_add(out, str_from(p, (size_t)(brace - p)));
        if (!*brace)
            break;
        p = NULL;
        for (size_t i = 0; i < ARRAY_LEN(types) && !p; i++) {
            size_t n = strlen(types[i].token);
            if (strncmp(brace, types[i].token, n) == 0) {
                buf_add_c(out, types[i].words[kind]);
                p = brace + n;
            }
        }
        if (!p)
            return err_set(E_SYNTAX, "unknown type at \"%.20s\" in a migration", brace);
    }
    return buf_ok(out);
}
