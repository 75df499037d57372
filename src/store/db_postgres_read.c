/* src/store/db_postgres_read.c - the readers of a shard: queries pipelined over a few connections.
 *
 * A query is sent as soon as a connection has room; its rows arrive one by one and are put into a
 * block. When the block is full and its cursor has not asked for it, the connection is not read any
 * further: the server waits. Then nobody else may wait behind it, so a connection whose first query
 * gives more than one block, or takes long, is its alone ("exclusive"): queries sent after it are
 * sent once more elsewhere, and if every connection is taken like that, a few more are opened.
 *
 * Reading changes nothing, so a query may always be sent again as long as its cursor has seen none
 * of its rows: a broken connection is not noticed by most.
 */
#include "rt/log.h"
#include "store/db_postgres.h"

#include <stdlib.h>

enum { FLIGHTS_MAX = 16, ATTEMPTS_MAX = 4, DRAIN_BYTES = 1 << 20 };
static const Usec SLOW = 20 * USEC_MS, ABANDON_AFTER = 300 * USEC_MS, EXTRA_IDLE = 30 * USEC_S;

/* What a cursor waits for. Belongs to the cursor's fiber; a flight that carries it points to it. */
struct pg_query {
    struct pg_query *next;
    struct pg_flight *flight; /* NULL: in the queue, or ended */
    const char *sql;
    struct db_args
        args; /* borrowed from a fiber that waits; unused once it was sent and answered */
    struct db_rows rows; /* the block being filled */
    struct wait *waiter;
    Err result;
    struct err_record *record;
    unsigned attempts;
    bool queued, given, ended; /* given: the cursor has seen rows */
};

/* A query on its way on a connection; its results come in order. */
struct pg_flight {
    struct pg_flight *next;
    struct pg_query *query; /* NULL: nobody waits for it any more */
    struct pg_stmt *stmt;
    Usec since;
    size_t drained;
    bool preparing, executing,
        row_mode; /* which results are still to come; then the synchronisation */
};

/* ---- queue ---- */

static void wake_query(struct pg_query *q)
{
    if (q->waiter)
        wait_end(q->waiter, OK);
}

static void queue_add(struct pg_shard *s, struct pg_query *q, bool front)
{
    q->flight = NULL;
    q->queued = true;
    q->next = front ? s->query_first : NULL;
    if (front)
        s->query_first = q;
    else if (s->query_last)
        s->query_last->next = q;
    else
        s->query_first = q;
    if (!front || !s->query_last)
        s->query_last = q;
    s->n_queries++;
}

static void queue_remove(struct pg_shard *s, struct pg_query *q)
{
    struct pg_query *before = NULL;
    for (struct pg_query *k = s->query_first; k != q; k = k->next)
        before = k;
    if (before)
        before->next = q->next;
    else
        s->query_first = q->next;
    if (s->query_last == q)
        s->query_last = before;
    q->queued = false;
    s->n_queries--;
}

static bool has_room(const struct pg_conn *c)
{
    return c->pg && !c->exclusive && c->n_flights < FLIGHTS_MAX;
}

static void add_extra(struct pg_shard *s)
{
    struct pg_conn *c = calloc(1, sizeof *c);
    if (!c)
        DIE("out of memory");
    c->shard = s;
    c->role = PG_READER;
    c->extra = true;
    c->next = s->readers;
    s->readers = c;
    s->n_readers++;
    s->running++;
    fiber_start("postgres reader", pg_reader_main, c);
}

/* Let somebody look at the queue: an idle connection, one that is not open yet, the one with the
 * least to do. */
static void wake_reader(struct pg_shard *s)
{
    struct pg_conn *best = NULL;
    bool all_exclusive = true;

    for (struct pg_conn *c = s->readers; c; c = c->next) {
        all_exclusive &= c->pg && c->exclusive;
        if (c->woken && !c->exclusive)
            continue; /* it will look */
        bool better = !best || c->n_flights < best->n_flights ||
                      (c->n_flights == best->n_flights && c->pg && !best->pg);
        if ((c->idle || has_room(c)) && better)
            best = c;
    }
    if (best)
        pg_conn_wake(best);
    else if (all_exclusive && s->n_readers < s->db->n_readers + PG_EXTRA_READERS)
        add_extra(s);
}

/* ---- endings ---- */

static void end_query(struct pg_query *q, Err e)
{
    if (q->flight)
        q->flight->query = NULL;
    q->flight = NULL;
    q->result = e;
    if (e != OK) {
        free(q->record);
        q->record = db_error_take(e);
    }
    q->ended = true;
    wake_query(q);
}

/* Send it elsewhere, unless it has been tried too often or its cursor has seen rows. */
static void send_again(struct pg_shard *s, struct pg_query *q, Err e)
{
    if (q->given || ++q->attempts > ATTEMPTS_MAX) {
        end_query(q, e);
        return;
    }
    if (q->flight)
        q->flight->query = NULL;
    db_rows_reset(&q->rows, 0);
    queue_add(s, q, true);
}

/* What was sent behind the first query goes elsewhere. */
static void make_exclusive(struct pg_conn *c)
{
    struct pg_shard *s = c->shard;
    struct pg_query *moved[FLIGHTS_MAX];
    size_t n = 0;

    c->exclusive = true;
    for (struct pg_flight *f = c->first->next; f; f = f->next)
        if (f->query)
            moved[n++] = f->query;
    while (n > 0) { /* the last one first, as each is put in front */
        struct pg_query *q = moved[--n];
        q->flight->query = NULL;
        queue_add(s, q, true);
    }
    if (s->query_first)
        wake_reader(s);
}

static void drop_flights(struct pg_conn *c, Err e)
{
    struct err_record record = *err_record();
    struct pg_flight *f = c->first;

    c->first = c->last = NULL;
    c->n_flights = 0;
    c->exclusive = false;
    for (struct pg_flight *next; f; f = next) {
        next = f->next;
        *err_record() = record;
        if (f->query)
            send_again(c->shard, f->query, e);
        free(f);
    }
}

static void lose(struct pg_conn *c, Err e, bool stop)
{
    if (e == E_CLOSED || e == E_TIMEOUT || e == E_CANCELLED)
        e = err_add(E_UNAVAILABLE, "%s", err_text(e));
    if (!stop)
        atomic_store_explicit(&c->shard->db->db.up, false, memory_order_relaxed);
    pg_conn_close(c);
    drop_flights(c, e);
    if (c->shard->query_first)
        wake_reader(c->shard);
}

/* ---- sending ---- */

static Err send_query(struct pg_conn *c, struct pg_query *q)
{
    struct pg_stmt *stmt = NULL;

    Err e = pg_conn_stmt(c, q->sql, -1, q->args.at, q->args.n, &stmt);
    if (e != OK) {
        end_query(q, e);
        return OK;
    }
    struct pg_flight *f = calloc(1, sizeof *f);
    if (!f)
        DIE("out of memory");
    *f = (struct pg_flight){.query = q, .stmt = stmt, .since = time_mono(), .executing = true};
    q->flight = f;
    if (c->last)
        c->last->next = f;
    else
        c->first = f;
    c->last = f;
    c->n_flights++;
    if (!stmt->prepared) {
        TRY(pg_send_prepare(c, stmt));
        f->preparing = true;
        stmt->prepared = true;
    }
    TRY(pg_send_stmt(c, stmt, q->args.at));
    return pg_send_sync(c);
}

/* Take what waits; where others could help, only a share of it. */
static Err send_queries(struct pg_conn *c)
{
    struct pg_shard *s = c->shard;
    unsigned others = 1;

    for (struct pg_conn *o = s->readers; o; o = o->next)
        others += o != c && has_room(o);
    unsigned share = (s->n_queries + others - 1) / others;
    for (; share && s->query_first && has_room(c); share--) {
        struct pg_query *q = s->query_first;
        queue_remove(s, q);
        TRY(send_query(c, q));
    }
    if (s->query_first)
        wake_reader(s);
    return OK;
}

/* ---- receiving ---- */

static bool is_stale(const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    return state && (strcmp(state, "26000") == 0 ||
                     (strcmp(state, "0A000") == 0 && message && strstr(message, "cached plan")));
}

static Err note_row(struct pg_flight *f, const PGresult *r, int row)
{
    struct pg_query *q = f->query;

    if (!q) {
        for (int i = 0; i < PQnfields(r); i++)
            f->drained += (size_t)PQgetlength(r, row, i);
        return f->drained > DRAIN_BYTES ? err_set(E_CANCELLED, "a result nobody reads is too long")
                                        : OK;
    }
    Err e = pg_row(r, row, &q->rows);
    if (e != OK)
        end_query(q, e);
    else if (db_rows_full(&q->rows))
        wake_query(q);
    return OK;
}

/* One result of the first flight. */
static Err note(struct pg_conn *c, struct pg_flight *f, const PGresult *r)
{
    switch (PQresultStatus(r)) {
    case PGRES_SINGLE_TUPLE:
        return note_row(f, r, 0);
    case PGRES_TUPLES_OK:
        for (int i = 0; i < PQntuples(r); i++)
            TRY(note_row(f, r, i));
        return OK;
    case PGRES_COMMAND_OK:
    case PGRES_PIPELINE_ABORTED:
        return OK;
    default:
        break;
    }
    if (f->preparing)
        f->stmt->prepared = false;
    Err e = pg_error(c->pg, r, f->query ? f->query->sql : "query");
    if (!PQresultErrorField(r, PG_DIAG_SQLSTATE))
        return E_CLOSED;
    if (is_stale(r))
        return err_add(E_CLOSED, "stale statement");
    if (e == E_UNAVAILABLE) /* it is being stopped */
        return err_add(E_CLOSED, "PostgreSQL ends the session");
    if (f->query)
        end_query(f->query, e);
    return OK;
}

static void land(struct pg_conn *c)
{
    struct pg_flight *f = c->first;

    c->first = f->next;
    if (!c->first)
        c->last = NULL;
    c->n_flights--;
    c->exclusive = false;
    if (f->query)
        end_query(f->query, OK);
    free(f);
    if (c->first)
        c->first->since = time_mono(); /* its turn begins now */
}

/* Whether the first query's block is full and its cursor has not come for it. */
static bool is_parked(const struct pg_conn *c)
{
    return c->first && c->first->query && db_rows_full(&c->first->query->rows);
}

/* Take in what has arrived. */
static Err receive(struct pg_conn *c)
{
    while (c->first && !is_parked(c)) {
        struct pg_flight *f = c->first;
        if (f->executing && !f->preparing && !f->row_mode)
            f->row_mode = PQsetSingleRowMode(c->pg) == 1;
        if (PQisBusy(c->pg))
            return OK;
        PGresult *r = PQgetResult(c->pg);
        if (PQstatus(c->pg) == CONNECTION_BAD) {
            PQclear(r);
            return err_set(E_CLOSED, "the connection to PostgreSQL broke: %s",
                           PQerrorMessage(c->pg));
        }
        if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
            PQclear(r);
            land(c);
        } else if (!r) {
            /* The end of one of its results; then the next one's can be asked for row by row. */
            f->executing &= f->preparing;
            f->preparing = false;
        } else {
            Err e = note(c, f, r);
            PQclear(r);
            TRY(e);
        }
    }
    if (is_parked(c) && !c->exclusive)
        make_exclusive(c);
    return OK;
}

/* ---- the fiber ---- */

static Usec next_look(const struct pg_conn *c)
{
    if (!c->first)
        return c->extra ? usec_in(EXTRA_IDLE) : USEC_NEVER;
    if (!c->first->query)
        return c->first->since + ABANDON_AFTER;
    return c->exclusive ? USEC_NEVER : c->first->since + SLOW;
}

/* One round: send, read, wait. */
static Err serve(struct pg_conn *c)
{
    TRY(send_queries(c));
    int unsent = PQflush(c->pg);
    if (unsent < 0)
        return err_set(E_CLOSED, "the connection to PostgreSQL broke: %s", PQerrorMessage(c->pg));
    TRY(receive(c));
    bool parked = is_parked(c);
    if (has_room(c) && c->shard->query_first && !c->woken)
        return OK; /* a place became free */
    c->idle = !c->first;
    Err e = pg_conn_sleep(c, (parked ? 0 : UV_READABLE) | (unsent ? UV_WRITABLE : 0), next_look(c));
    c->idle = false;
    if (e == E_TIMEOUT && c->first && !c->first->query)
        return err_set(E_CANCELLED, "a query nobody waits for takes too long");
    if (e == E_TIMEOUT && c->first && !c->exclusive)
        make_exclusive(c);
    if (e == E_TIMEOUT && !c->first)
        return e; /* not needed any more */
    if (e != OK && e != E_TIMEOUT)
        return e;
    if (!is_parked(c) && !PQconsumeInput(c->pg))
        return err_set(E_CLOSED, "the connection to PostgreSQL broke: %s", PQerrorMessage(c->pg));
    return OK;
}

static void wait_for_work(struct pg_conn *c)
{
    c->idle = true;
    (void)pg_conn_sleep(c, 0, USEC_NEVER);
    c->idle = false;
}

static void leave(struct pg_conn *c)
{
    struct pg_shard *s = c->shard;
    struct pg_conn **p = &s->readers;

    while (*p != c)
        p = &(*p)->next;
    *p = c->next;
    s->n_readers--;
    pg_conn_free(c);
    pg_fiber_ended(s);
}

Err pg_reader_main(void *conn)
{
    struct pg_conn *c = conn;
    struct pg_shard *s = c->shard;
    bool used = c->extra;

    fiber_shield();
    while (!s->closing) {
        used |= c->woken || s->query_first;
        if (!used) {
            wait_for_work(c);
            continue;
        }
        Err e = c->pg ? OK : pg_conn_open(c);
        if (e != OK)
            continue; /* it has waited a little; those in the queue have their own patience */
        e = serve(c);
        if (e == E_TIMEOUT && !c->first)
            break;
        if (e != OK)
            lose(c, e, e == E_CANCELLED);
    }
    if (c->first)
        lose(c, err_set(E_CLOSED, "the database is being closed"), true);
    fiber_unshield();
    leave(c);
    return OK;
}

/* ---- on the fiber that reads ---- */

static void free_query(struct pg_query *q)
{
    db_rows_done(&q->rows);
    free(q->record);
    free(q);
}

/* Nobody waits for @q any more. */
static void abandon(struct pg_shard *s, struct pg_query *q)
{
    if (q->queued)
        queue_remove(s, q);
    if (q->flight) {
        q->flight->query = NULL;
        q->flight->since = time_mono();
        for (struct pg_conn *c = s->readers; c; c = c->next)
            if (c->first == q->flight)
                pg_conn_wake(c); /* it may have been parked */
    }
    free_query(q);
}

/* Wait until @q has a block or has ended, and move it into the cursor. */
static Err take_block(struct pg_shard *s, struct db_cursor *c, struct pg_query *q)
{
    Usec timeout = s->db->db.timeout, deadline = usec_in(timeout);
    Err e = OK;

    while (!q->ended && !db_rows_full(&q->rows) && e == OK) {
        struct wait w;
        wait_init(&w);
        q->waiter = &w;
        e = wait_for(&w, deadline);
        q->waiter = NULL;
        bool own = e == E_TIMEOUT && time_mono() < fiber_deadline();
        if (own && q->queued)
            e = err_set(db_is_up(&s->db->db) ? E_OVERLOADED : E_UNAVAILABLE,
                        "no connection to PostgreSQL was free for %lld ms",
                        (long long)(timeout / USEC_MS));
        else if (own) { /* it is on its way: only the fiber's own deadline counts */
            deadline = usec_in(USEC_S);
            e = OK;
        }
    }
    if (e == OK)
        e = q->result;
    if (e != OK) {
        if (q->ended)
            e = db_error_give(e, q->record);
        q->record = q->ended ? NULL : q->record;
        c->more = false;
        c->source = NULL;
        abandon(s, q);
        return e;
    }
    struct db_rows taken = c->rows;
    c->rows = q->rows;
    q->rows = taken;
    db_rows_reset(&q->rows, 0);
    q->given = true;
    c->more = !q->ended;
    c->source = c->more ? q : NULL;
    if (c->more)
        for (struct pg_conn *r = s->readers; r; r = r->next)
            if (r->first == q->flight)
                pg_conn_wake(r);
    if (!c->more)
        free_query(q);
    return OK;
}

Err pg_query(struct db_cursor *c, const char *sql, struct db_args args)
{
    struct pg_shard *s = pg_shard_here(c->db);
    struct pg_query *q = calloc(1, sizeof *q);

    if (!q)
        DIE("out of memory");
    q->sql = sql;
    q->args = args;
    queue_add(s, q, false);
    wake_reader(s);
    return take_block(s, c, q);
}

Err pg_fetch(struct db_cursor *c)
{
    return take_block(pg_shard_here(c->db), c, c->source);
}

void pg_release(struct db_cursor *c)
{
    abandon(pg_shard_here(c->db), c->source);
}
