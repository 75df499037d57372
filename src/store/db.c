/* src/store/db.c - the door: transactions that are built before they are sent, cursors over blocks
 * of rows, and the choice of the database. */
#include "store/db.h"

#include "base/utf8.h"
#include "rt/inject.h"
#include "store/db_private.h"

#include <math.h>
#include <stdlib.h>

static const Usec TIMEOUT = 10 * USEC_S;

/* ---- errors that cross threads ---- */

struct err_record *db_error_take(Err e)
{
    if (err_record()->code != e)
        return NULL;
    struct err_record *copy = malloc(sizeof *copy);
    if (copy)
        *copy = *err_record();
    return copy;
}

Err db_error_give(Err e, struct err_record *record)
{
    if (record)
        *err_record() = *record;
    free(record);
    return e;
}

/* ---- opening ---- */

static Str sqlite_path(Str url)
{
    if (str_starts(url, S("sqlite://")))
        return str_skip(url, 9);
    if (str_starts(url, S("sqlite:")))
        return str_skip(url, 7);
    return url;
}

Err db_open(const struct db_options *options, struct db **ret_db)
{
    struct db_options o = *options;
    Str scheme = str_head(o.url, o.url.n);

    if (!o.timeout)
        o.timeout = TIMEOUT;
    if (str_starts(o.url, S("postgres://")) || str_starts(o.url, S("postgresql://")))
        return db_postgres_open(&o, ret_db);
    Str path = sqlite_path(o.url);
    size_t colon = str_find(scheme, S("://"));
    if (path.p == o.url.p && colon != SIZE_MAX)
        return err_detail(
            E_INVALID,
            "The database address begins with \"%.*s\". Use sqlite:///path/heddle.db, a "
            "plain path, or postgres://user@host/name.",
            P(str_head(o.url, colon + 3)));
    if (str_is_empty(path) || path.n > 4000 || memchr(path.p, 0, path.n))
        return err_detail(E_INVALID, "The database address is not a path.");
    return db_sqlite_open(&o, path, ret_db);
}

void db_close(struct db *db)
{
    if (db)
        db->ops->close(db);
}

enum db_kind db_kind(const struct db *db)
{
    return db->kind;
}

bool db_is_up(const struct db *db)
{
    return atomic_load_explicit(&db->up, memory_order_relaxed);
}

Err db_ping(struct db *db, Usec deadline)
{
    AUTO(arena) *a = arena_new(KIB(64));
    AUTO(db_cursor) *c = NULL;
    Usec former = fiber_deadline();

    (void)fiber_deadline_set(usec_min(former, deadline));
    Err e = db_query(db, a, db->ops->ping_sql, DB_NO_ARGS, &c);
    if (e == OK) {
        while (db_next(c))
            ;
        e = db_finish(c);
    }
    (void)fiber_deadline_set(former);
    return e;
}

void db_stats(const struct db *db, struct db_stats *ret_stats)
{
    *ret_stats = (struct db_stats){
        .bytes = db->ops->bytes(db),
        .commits = atomic_load_explicit(&db->commits, memory_order_relaxed),
        .transactions = atomic_load_explicit(&db->transactions, memory_order_relaxed),
        .statements = atomic_load_explicit(&db->statements, memory_order_relaxed),
        .queued = atomic_load_explicit(&db->queued, memory_order_relaxed),
    };
}

/* ---- values ---- */

/* What is wrong with @v for both databases alike; NULL if nothing. */
static const char *value_problem(const struct db_value *v)
{
    switch (v->type) {
    case DB_REAL:
        return isnan(v->d) ? "a number that is none (NaN) cannot be stored" : NULL;
    case DB_TEXT:
        if (v->s.n > INT32_MAX)
            return "a text is too large";
        if (v->s.n && memchr(v->s.p, 0, v->s.n))
            return "a text with a NUL byte cannot be stored";
        return utf8_valid(v->s) ? NULL : "a text that is not UTF-8 cannot be stored";
    case DB_BYTES:
        return v->s.n > INT32_MAX ? "a value is too large" : NULL;
    case DB_NULL:
    case DB_INT:
    case DB_ID:
        return NULL;
    }
    return "a parameter has no type";
}

static const char *args_problem(struct db_args args)
{
    for (size_t i = 0; i < args.n; i++) {
        const char *problem = value_problem(&args.at[i]);
        if (problem)
            return problem;
    }
    return NULL;
}

/* ---- reading ---- */

Err db_query(struct db *db, struct arena *a, const char *sql, struct db_args args,
             struct db_cursor **ret_cursor)
{
    const char *problem = args_problem(args);
    if (problem)
        return err_set(E_INVALID, "%s", problem);
    struct db_cursor *c = calloc(1, sizeof *c);
    if (!c)
        DIE("out of memory");
    c->db = db;
    c->arena = a;
    Err e = INJECT("store.query");
    if (e == OK)
        e = db->ops->query(c, sql, args);
    if (e != OK) {
        db_cursor_free(c);
        return err_add(e, "query \"%.80s\"", sql);
    }
    *ret_cursor = c;
    return OK;
}

static void cursor_fail(struct db_cursor *c, Err e)
{
    free(c->record);
    c->error = e;
    c->record = db_error_take(e);
}

bool db_next(struct db_cursor *c)
{
    while (c->error == OK) {
        if (c->row < c->rows.n_rows) {
            c->row++;
            return true;
        }
        if (!c->more) {
            c->row = c->rows.n_rows + 1; /* past the end: no present row */
            return false;
        }
        c->row = 0;
        Err e = c->db->ops->fetch(c);
        if (e != OK)
            cursor_fail(c, e);
    }
    return false;
}

Err db_finish(struct db_cursor *c)
{
    if (c->error == OK)
        return OK;
    if (c->record)
        *err_record() = *c->record;
    return c->error;
}

void db_cursor_free(struct db_cursor *c)
{
    if (!c)
        return;
    if (c->more || c->source)
        c->db->ops->release(c);
    db_rows_done(&c->rows);
    free(c->record);
    free(c);
}

static const struct db_cell *cell_at(const struct db_cursor *c, int column)
{
    static const struct db_cell null = {.type = DB_NULL};
    if (c->row == 0 || c->row > c->rows.n_rows || column < 0 || column >= c->rows.columns)
        return &null;
    return &c->rows.cells[(c->row - 1) * (size_t)c->rows.columns + (size_t)column];
}

bool db_is_null(const struct db_cursor *c, int col)
{
    return cell_at(c, col)->type == DB_NULL;
}

int64_t db_int(const struct db_cursor *c, int col)
{
    const struct db_cell *v = cell_at(c, col);
    if (v->type == DB_INT)
        return v->i;
    return v->type == DB_REAL && v->d >= -0x1p63 && v->d < 0x1p63 ? (int64_t)v->d : 0;
}

double db_real(const struct db_cursor *c, int col)
{
    const struct db_cell *v = cell_at(c, col);
    return v->type == DB_REAL ? v->d : v->type == DB_INT ? (double)v->i : 0;
}

static Str view(const struct db_cursor *c, int col)
{
    const struct db_cell *v = cell_at(c, col);
    if ((v->type != DB_TEXT && v->type != DB_BYTES && v->type != DB_ID) || v->n == 0)
        return S("");
    return str_from(c->rows.bytes + v->at, v->n);
}

static Str keep(const struct db_cursor *c, Str s)
{
    if (s.n == 0)
        return s;
    char *copy = arena_try(c->arena, s.n);
    if (!copy) {
        /* A cursor is never a constant object: const says here that the row stays the same. */
        struct db_cursor *full = (struct db_cursor *)(uintptr_t)c;
        cursor_fail(
            full, err_set(E_TOO_LARGE, "the rows do not fit into %zu bytes", arena_max(c->arena)));
        return S("");
    }
    memcpy(copy, s.p, s.n);
    return str_from(copy, s.n);
}

Str db_text_view(const struct db_cursor *c, int col)
{
    return view(c, col);
}

Str db_bytes_view(const struct db_cursor *c, int col)
{
    return view(c, col);
}

Str db_text(const struct db_cursor *c, int col)
{
    return keep(c, view(c, col));
}

Str db_bytes(const struct db_cursor *c, int col)
{
    return keep(c, view(c, col));
}

Id db_id(const struct db_cursor *c, int col)
{
    Str s = view(c, col);
    Id id = ID_NONE;
    if (s.n == sizeof id.b)
        memcpy(id.b, s.p, sizeof id.b);
    return id;
}

/* ---- writing ---- */

struct db_tx *db_begin(struct db *db, struct arena *a)
{
    struct db_tx *tx = arena_new_of(a, struct db_tx);
    tx->db = db;
    tx->arena = a;
    return tx;
}

static struct db_stmt *add(struct db_tx *tx, const char *sql, struct db_args args)
{
    struct db_stmt *s = arena_alloc(tx->arena, sizeof *s + args.n * sizeof *args.at);
    const char *problem = args_problem(args);

    s->sql = sql;
    s->args = args.n ? memcpy(s + 1, args.at, args.n * sizeof *args.at) : NULL;
    s->n_args = args.n;
    s->expect = -1;
    for (size_t i = 0; i < args.n; i++)
        if (args.at[i].type == DB_TEXT || args.at[i].type == DB_BYTES)
            tx->bytes += args.at[i].s.n;
    if (problem && !tx->bad)
        tx->bad = problem;
    if (tx->last)
        tx->last->next = s;
    else
        tx->first = s;
    tx->last = s;
    tx->n++;
    return s;
}

void db_exec(struct db_tx *tx, const char *sql, struct db_args args)
{
    (void)add(tx, sql, args);
}

void db_exec_expect(struct db_tx *tx, int64_t rows, const char *sql, struct db_args args)
{
    add(tx, sql, args)->expect = rows;
}

void db_exec_returning(struct db_tx *tx, const char *sql, struct db_args args,
                       struct db_cursor **ret_cursor)
{
    add(tx, sql, args)->ret_cursor = ret_cursor;
}

size_t db_tx_count(const struct db_tx *tx)
{
    return tx->n;
}

int64_t db_tx_changes(const struct db_tx *tx, size_t i)
{
    const struct db_stmt *s = tx->first;
    for (; s && i; i--)
        s = s->next;
    return s ? s->changes : 0;
}

void db_tx_clear(struct db_tx *tx)
{
    tx->result = OK;
    tx->raced = false;
    free(tx->record);
    tx->record = NULL;
    for (struct db_stmt *s = tx->first; s; s = s->next) {
        s->changes = 0;
        s->known = false;
        if (s->rows) {
            db_rows_done(s->rows);
            free(s->rows);
            s->rows = NULL;
        }
    }
}

void db_tx_fail(struct db_tx *tx, Err e)
{
    db_tx_clear(tx);
    tx->result = e;
    tx->record = db_error_take(e);
}

static void hand_over_cursors(struct db_tx *tx)
{
    for (struct db_stmt *s = tx->first; s; s = s->next) {
        if (!s->ret_cursor)
            continue;
        struct db_cursor *c = calloc(1, sizeof *c);
        if (!c)
            DIE("out of memory");
        c->db = tx->db;
        c->arena = tx->arena;
        if (s->rows) {
            c->rows = *s->rows;
            free(s->rows);
            s->rows = NULL;
        }
        *s->ret_cursor = c;
    }
}

Err db_commit(struct db_tx *tx)
{
    if (tx->sent)
        return err_set(E_INTERNAL, "a transaction was committed twice");
    if (tx->bad)
        return err_set(E_INVALID, "%s", tx->bad);
    if (tx->bytes > DB_TX_BYTES)
        return err_set(E_TOO_LARGE, "a transaction of %zu bytes passes %d", tx->bytes, DB_TX_BYTES);
    if (tx->db->read_only)
        return err_set(E_READ_ONLY, "the database was opened for reading only");
    tx->sent = true;
    TRY(INJECT("store.commit.before"));
    if (tx->n) {
        Err e = tx->db->ops->commit(tx);
        if (e != OK)
            return e;
        hand_over_cursors(tx);
    }
    return INJECT("store.commit.after");
}

/* ---- upkeep ---- */

Err db_migrate(struct db *db, const struct migration *list)
{
    if (db->read_only)
        return err_set(E_READ_ONLY, "the database was opened for reading only");
    return db->ops->migrate(db, list);
}

Err db_schema_version(struct db *db, int *ret_number)
{
    static const char sql[] = "SELECT max(number) FROM schema_migration";
    AUTO(arena) *a = arena_new(KIB(64));
    AUTO(db_cursor) *c = NULL;
    int number = 0;

    AUTO(db_cursor) *has = NULL;
    bool migrated = false;

    TRY(db_query(db, a, db->ops->migrated_sql, DB_NO_ARGS, &has));
    while (db_next(has))
        migrated = db_int(has, 0) != 0;
    TRY(db_finish(has));
    if (migrated) {
        TRY(db_query(db, a, sql, DB_NO_ARGS, &c));
        while (db_next(c))
            number = (int)db_int(c, 0);
        TRY(db_finish(c));
    }
    *ret_number = number;
    return OK;
}

Err db_backup(struct db *db, Str path)
{
    return db->ops->backup(db, path);
}

Err db_vacuum_some(struct db *db, unsigned pages)
{
    return db->read_only ? OK : db->ops->vacuum_some(db, pages);
}

Err db_check(struct db *db)
{
    return db->ops->check(db);
}

Err db_check_quick(struct db *db, Usec span)
{
    return db->ops->check_quick ? db->ops->check_quick(db, span) : db->ops->check(db);
}

Err db_explain(const struct db *db, Err e)
{
    return e != OK && db->ops->explain ? db->ops->explain(db, e) : e;
}
