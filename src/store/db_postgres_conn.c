/* src/store/db_postgres_conn.c - one connection to PostgreSQL on a loop: its socket, its
 * statements.
 *
 * libpq is in non-blocking pipeline mode: what is sent goes to its buffer, and whoever waits for a
 * result keeps flushing while it reads, so neither side can block the other. Sessions are opened
 * and given up by another thread, as that blocks: names are looked up, TLS is negotiated, passwords
 * are hashed.
 */
#include "store/db_postgres.h"

#include "base/crypto.h"
#include "rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const Usec BACKOFF_FIRST = 20 * USEC_MS, BACKOFF_MAX = USEC_S;

static Err broken(struct pg_conn *c)
{
    return err_set(E_CLOSED, "the connection to PostgreSQL broke: %s", PQerrorMessage(c->pg));
}

/* ---- waiting ---- */

void pg_conn_wake(struct pg_conn *c)
{
    c->woken = true;
    if (c->wait)
        wait_end(c->wait, OK);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct pg_conn *c = poll->data;

    (void)events; /* reading tells what is wrong */
    if (status < 0) {
        c->armed = 0; /* after an error libuv has stopped by itself */
    } else if (!c->wait) {
        /* Nobody wants to know: stop, or the loop spins until somebody does. */
        uv_poll_stop(poll);
        c->armed = 0;
    }
    pg_conn_wake(c);
}

Err pg_conn_sleep(struct pg_conn *c, int events, Usec deadline)
{
    struct wait w;

    if (c->pg && PQstatus(c->pg) == CONNECTION_BAD)
        return broken(c); /* noticed while sending: no event will come */
    if (c->poll && events != c->armed) {
        int status = events ? uv_poll_start(c->poll, events, on_poll) : uv_poll_stop(c->poll);
        if (status != 0)
            return err_set(E_CLOSED, "cannot poll the connection: %s", uv_strerror(status));
        c->armed = events;
    }
    if (c->woken) {
        c->woken = false;
        return OK;
    }
    wait_init(&w);
    c->wait = &w;
    Err e = wait_for(&w, deadline);
    c->wait = NULL;
    c->woken = false;
    return e;
}

/* ---- results ---- */

Err pg_conn_result(struct pg_conn *c, Usec deadline, PGresult **ret_result)
{
    while (PQisBusy(c->pg)) {
        int unsent = PQflush(c->pg);
        if (unsent < 0)
            return broken(c);
        TRY(pg_conn_sleep(c, UV_READABLE | (unsent ? UV_WRITABLE : 0), deadline));
        if (!PQconsumeInput(c->pg))
            return broken(c);
    }
    *ret_result = PQgetResult(c->pg);
    if (PQstatus(c->pg) == CONNECTION_BAD) {
        PQclear(*ret_result);
        return broken(c);
    }
    return OK;
}

/* ---- statements ---- */

static unsigned slot_of(const char *sql, int64_t expect)
{
    uint64_t h = ((uint64_t)(uintptr_t)sql ^ (uint64_t)(expect + 1) << 48) * 0x9E3779B97F4A7C15ull;
    return (unsigned)(h >> 32) % PG_STMT_SLOTS;
}

static void forget_statements(struct pg_conn *c)
{
    for (size_t i = 0; i < PG_STMT_SLOTS; i++) {
        for (struct pg_stmt *s = c->stmts[i], *next; s; s = next) {
            next = s->next;
            free(s->copy);
            buf_done(&s->text);
            free(s);
        }
        c->stmts[i] = NULL;
    }
    c->n_stmts = 0;
}

static bool fits(const struct pg_stmt *s, const char *sql, int64_t expect,
                 const struct db_value *args, size_t n)
{
    if (s->sql != sql || s->expect != expect || s->n != n || strcmp(s->copy, sql) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (args[i].type != DB_NULL && s->types[i] != pg_type_of(args[i].type))
            return false;
    return true;
}

/* An expectation is checked by the server, inside of the transaction: a count that differs is
 * turned into an error by a cast that fails, whose message brings the count back. */
static Err make_text(struct pg_stmt *s)
{
    unsigned params = 0;

    buf_init(&s->text, MIB(4));
    if (s->expect >= 0)
        buf_add_c(&s->text, "WITH heddle_changed AS (");
    if (db_sql_dollars(s->copy, &s->text, &params) != OK)
        return E_INTERNAL;
    if (params != s->n)
        return err_set(E_INTERNAL, "%u arguments for %u parameters: %.100s", s->n, params, s->copy);
    if (s->expect >= 0)
        buf_add_fmt(&s->text,
                    " RETURNING 1) SELECT CASE WHEN count(*) = %lld THEN count(*) ELSE"
                    " ('heddle_expect ' || count(*))::bigint END FROM heddle_changed",
                    (long long)s->expect);
    buf_add_char(&s->text, 0);
    return buf_ok(&s->text) == OK ? OK : E_INTERNAL;
}

static struct pg_stmt *add_statement(struct pg_conn *c, const char *sql, int64_t expect,
                                     const struct db_value *args, size_t n,
                                     const struct pg_stmt *like)
{
    struct pg_stmt **slot = &c->stmts[slot_of(sql, expect)];
    struct pg_stmt *s = calloc(1, sizeof *s + n * sizeof *s->types);

    if (!s || !(s->copy = strdup(sql)))
        DIE("out of memory");
    s->sql = sql;
    s->expect = expect;
    s->n = (unsigned)n;
    snprintf(s->name, sizeof s->name, "h%u", c->n_names++);
    /* A NULL has the type it would have otherwise, else the one it had another time. */
    for (size_t i = 0; i < n; i++) {
        s->types[i] = pg_type_of(args[i].type == DB_NULL ? args[i].hint : args[i].type);
        if (!s->types[i] && like)
            s->types[i] = like->types[i];
    }
    s->error = make_text(s);
    s->next = *slot;
    *slot = s;
    c->n_stmts++;
    return s;
}

Err pg_conn_stmt(struct pg_conn *c, const char *sql, int64_t expect, const struct db_value *args,
                 size_t n, struct pg_stmt **ret_stmt)
{
    struct pg_stmt *s = c->stmts[slot_of(sql, expect)], *like = NULL;

    for (; s && !fits(s, sql, expect, args, n); s = s->next)
        if (!like && s->sql == sql && s->n == n)
            like = s;
    if (!s)
        s = add_statement(c, sql, expect, args, n, like);
    if (s->error != OK)
        return err_set(s->error, "%zu arguments do not fit, or the text is no statement: %.100s", n,
                       sql);
    *ret_stmt = s;
    return OK;
}

Err pg_send_prepare(struct pg_conn *c, struct pg_stmt *s)
{
    return PQsendPrepare(c->pg, s->name, s->text.p, (int)s->n, s->types) ? OK : broken(c);
}

Err pg_send_stmt(struct pg_conn *c, const struct pg_stmt *s, const struct db_value *args)
{
    enum { FEW = 32 };
    struct arg {
        const char *values[FEW];
        int lengths[FEW], formats[FEW];
        char scratch[FEW][8];
    } few, *many = NULL;
    const char **values = few.values;
    int *lengths = few.lengths, *formats = few.formats;
    char(*scratch)[8] = few.scratch;

    if (s->n > FEW) {
        size_t blocks = (s->n + FEW - 1) / FEW;
        many = calloc(blocks, sizeof *many);
        if (!many)
            DIE("out of memory");
        /* Four arrays behind each other in one piece. */
        values = (const char **)many;
        scratch = (char(*)[8])(values + blocks * FEW);
        lengths = (int *)(scratch + blocks * FEW);
        formats = lengths + blocks * FEW;
    }
    for (unsigned i = 0; i < s->n; i++) {
        values[i] = pg_encode(&args[i], scratch[i], &lengths[i]);
        formats[i] = 1;
    }
    int sent = PQsendQueryPrepared(c->pg, s->name, (int)s->n, values, lengths, formats, 1);
    free(many);
    return sent ? OK : broken(c);
}

Err pg_send_sync(struct pg_conn *c)
{
    return PQpipelineSync(c->pg) ? OK : broken(c);
}

/* ---- life ---- */

/* libpq closes its socket by itself when the connection breaks; the loop polls a descriptor of its
 * own, so that it never has one that is closed, or has become somebody else's. */
static Err attach(struct pg_conn *c)
{
    c->fd = fcntl(PQsocket(c->pg), F_DUPFD_CLOEXEC, 0);
    if (c->fd < 0)
        return err_set(err_from_errno(errno), "cannot poll the connection: %s", strerror(errno));
    c->poll = calloc(1, sizeof *c->poll);
    if (!c->poll)
        DIE("out of memory");
    int status = uv_poll_init(shard_loop(), c->poll, c->fd);
    if (status != 0) {
        free(c->poll);
        c->poll = NULL;
        close(c->fd);
        return err_set(E_IO, "cannot poll the connection: %s", uv_strerror(status));
    }
    c->poll->data = c;
    c->armed = 0;
    if (PQsetnonblocking(c->pg, 1) != 0 || !PQenterPipelineMode(c->pg))
        return broken(c);
    return OK;
}

Err pg_conn_open(struct pg_conn *c)
{
    struct pg_db *db = c->shard->db;

    if (c->backoff) {
        /* Nobody's failure but the database's: all come back, but not at the same moment. */
        Usec pause = c->backoff / 2 + (Usec)(crypto_random_u64() % (uint64_t)c->backoff);
        Usec end = usec_in(pause);
        while (!c->shard->closing && pg_conn_sleep(c, 0, end) == OK)
            ;
    }
    /* Several tries within the patience of whoever waits. */
    Usec most = usec_max(BACKOFF_FIRST, usec_min(BACKOFF_MAX, db->db.timeout / 8));
    c->backoff = c->backoff ? usec_min(c->backoff * 2, most) : BACKOFF_FIRST;
    if (c->shard->closing)
        return err_set(E_CLOSED, "the database is being closed");
    Err e = pg_session_ask(db, c->role, &c->pg);
    if (e == OK && (e = attach(c)) != OK)
        pg_conn_close(c);
    if (e == OK)
        c->backoff = 0;
    atomic_store_explicit(&db->db.up, e == OK, memory_order_relaxed);
    return e;
}

static void free_poll(uv_handle_t *handle)
{
    free(handle);
}

void pg_conn_close(struct pg_conn *c)
{
    if (c->poll) {
        uv_close((uv_handle_t *)c->poll, free_poll); /* stops polling at once */
        close(c->fd);
    }
    c->poll = NULL;
    c->armed = 0;
    PQfinish(c->pg);
    c->pg = NULL;
    forget_statements(c);
}

void pg_conn_free(struct pg_conn *c)
{
    if (!c)
        return;
    pg_conn_close(c);
    free(c->expected);
    free(c);
}
