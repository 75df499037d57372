/* src/store/store_wait.c - waits for events, answers to waits, and events. */
#include "store/store_wait.h"

#include "base/buf.h"
#include "base/crypto.h"

Str store_event_topic(struct arena *a, Str name, Str key)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    AUTO_BUF(text, KIB(64));

    /* Byte by byte: a key may hold a NUL. */
    buf_add_fmt(&text, "%zu:", name.n);
    buf_add(&text, name);
    buf_add(&text, key);
    crypto_blake2b(buf_str(&text), hash);
    return str_dup(a, str_from((char *)hash, sizeof hash));
}

/* ---- waits ---- */

void store_event_wait_insert(struct db_tx *tx, const struct event_wait *w)
{
    db_exec(tx,
            "INSERT INTO event_wait (id, tenant_id, topic, run_id, created_at) VALUES (?1, ?2, ?3,"
            " ?4, ?5)",
            DB_ARGS(D_ID(w->id), D_ID(w->tenant), D_BYTES(w->topic), D_ID(w->run),
                    D_INT(w->created_at)));
}

void store_wait_end(struct db_tx *tx, Id wait)
{
    db_exec(tx, "DELETE FROM event_wait WHERE id = ?1", DB_ARGS(D_ID(wait)));
    db_exec(tx, "DELETE FROM answer WHERE wait_id = ?1", DB_ARGS(D_ID(wait)));
}

void store_wait_end_run(struct db_tx *tx, Id run)
{
    db_exec(tx, "DELETE FROM event_wait WHERE run_id = ?1", DB_ARGS(D_ID(run)));
    db_exec(tx, "DELETE FROM answer WHERE run_id = ?1", DB_ARGS(D_ID(run)));
}

Err store_event_waits(struct db *db, struct arena *a, Id tenant, Str topic, Id after, int limit,
                      EventWaits *ret_waits)
{
    static const char sql[] = "SELECT id, run_id, created_at FROM event_wait WHERE tenant_id = ?1"
                              " AND topic = ?2 AND id > ?3 ORDER BY id LIMIT ?4";
    AUTO(db_cursor) *c = NULL;
    EventWaits waits = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant), D_BYTES(topic), D_ID(after), D_INT(limit)), &c));
    while (db_next(c)) {
        struct event_wait *w = vec_add(a, &waits);
        *w = (struct event_wait){db_id(c, 0), tenant, topic, db_id(c, 1), db_usec(c, 2)};
    }
    TRY(db_finish(c));
    *ret_waits = waits;
    return OK;
}

/* ---- answers ---- */

void store_mail_put(struct db_tx *tx, Id run)
{
    /* Always, and the row whatever it holds: a run that is being put away at this moment is seen,
     * or sees this. */
    static const char mark[] =
        "UPDATE run SET mail = mail + 1, wake_at = CASE WHEN wake_at IS NULL THEN NULL ELSE 0 END"
        " WHERE id = ?1 AND finished_at IS NULL";

    db_exec(tx, mark, DB_ARGS(D_ID(run)));
}

void store_answer_put(struct db_tx *tx, const struct answer_row *row, Usec now)
{
    static const char put[] =
        "INSERT INTO answer (wait_id, source, run_id, body, created_at) SELECT ?1, ?2, ?3, ?4, ?5"
        " FROM event_wait WHERE id = ?1 ON CONFLICT (wait_id, source) DO NOTHING";

    db_exec(tx, put,
            DB_ARGS(D_ID(row->wait), D_BYTES(row->source), D_ID(row->run), D_BYTES(row->body),
                    D_INT(now)));
    store_mail_put(tx, row->run);
}

void store_answer_post(struct db_tx *tx, const struct answer_row *row, Usec now)
{
    static const char post[] = "INSERT INTO answer (wait_id, source, run_id, body, created_at)"
                               " VALUES (?1, ?2, ?3, ?4, ?5)";

    db_exec(tx, post,
            DB_ARGS(D_ID(row->wait), D_BYTES(row->source), D_ID(row->run), D_BYTES(row->body),
                    D_INT(now)));
    store_mail_put(tx, row->run);
}

Err store_answers_of(struct db *db, struct arena *a, Id run, int limit, int64_t *ret_mail,
                     AnswerRows *ret_rows)
{
    static const char sql[] =
        "SELECT r.mail, a.wait_id, a.source, a.body FROM run r LEFT JOIN answer a ON a.run_id = "
        "r.id"
        " WHERE r.id = ?1 ORDER BY a.created_at, a.wait_id, a.source LIMIT ?2";
    AUTO(db_cursor) *c = NULL;
    AnswerRows rows = {0};

    *ret_mail = 0;
    TRY(db_query(db, a, sql, DB_ARGS(D_ID(run), D_INT(limit)), &c));
    while (db_next(c)) {
        *ret_mail = db_int(c, 0);
        Str body = db_bytes(c, 3);
        if (body.n == 0)
            continue; /* none */
        struct answer_row *r = vec_add(a, &rows);
        *r = (struct answer_row){db_id(c, 1), run, db_bytes(c, 2), body};
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

void store_answer_taken(struct db_tx *tx, const struct answer_row *row)
{
    db_exec(tx, "DELETE FROM answer WHERE wait_id = ?1 AND source = ?2",
            DB_ARGS(D_ID(row->wait), D_BYTES(row->source)));
}

void store_mail_seen(struct db_tx *tx, Id run, int64_t epoch, int64_t mail)
{
    db_exec_expect(tx, 1,
                   "UPDATE run SET mail = CASE WHEN mail = ?3 THEN 0 ELSE mail END WHERE id = ?1"
                   " AND lease_epoch = ?2",
                   DB_ARGS(D_ID(run), D_INT(epoch), D_INT(mail)));
}

Err store_runs_with_mail(struct db *db, struct arena *a, Id node, struct run_ids *ret_ids)
{
    AUTO(db_cursor) *c = NULL;

    ret_ids->n = 0;
    TRY(db_query(db, a,
                 "SELECT id FROM run WHERE lease_node = ?1 AND mail > 0 AND finished_at IS NULL"
                 " LIMIT 1000",
                 DB_ARGS(D_ID(node)), &c));
    while (db_next(c))
        ret_ids->at[ret_ids->n++] = db_id(c, 0);
    return db_finish(c);
}

/* ---- events ---- */

void store_event_put(struct db_tx *tx, const struct event_row *row)
{
    db_exec(tx, "INSERT INTO event (id, tenant_id, topic, body) VALUES (?1, ?2, ?3, ?4)",
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_BYTES(row->topic), D_BYTES(row->body)));
    if (row->key.n)
        db_exec(tx,
                "INSERT INTO event_key (tenant_id, key, fingerprint, event_id) VALUES (?1, ?2, ?3,"
                " ?4)",
                DB_ARGS(D_ID(row->tenant), D_BYTES(row->key), D_BYTES(row->fingerprint),
                        D_ID(row->id)));
}

Err store_event_by_key(struct db *db, struct arena *a, Id tenant, Str key,
                       struct event_row *ret_row)
{
    static const char sql[] = "SELECT e.id, e.topic, e.body, k.fingerprint, e.delivered FROM "
                              "event_key k JOIN"
                              " event e ON e.id = k.event_id WHERE k.tenant_id = ?1 AND k.key = ?2";
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant), D_BYTES(key)), &c));
    bool found = db_next(c);
    if (found)
        *ret_row = (struct event_row){.id = db_id(c, 0),
                                      .tenant = tenant,
                                      .topic = db_bytes(c, 1),
                                      .body = db_bytes(c, 2),
                                      .key = key,
                                      .fingerprint = db_bytes(c, 3),
                                      .is_delivered = !db_is_null(c, 4)};
    TRY(db_finish(c));
    return found ? OK : err_set(E_NOT_FOUND, "the idempotency key is new");
}

void store_event_delivered(struct db_tx *tx, Id event, int64_t n)
{
    db_exec(tx, "UPDATE event SET delivered = ?2 WHERE id = ?1", DB_ARGS(D_ID(event), D_INT(n)));
}

Err store_events_undelivered(struct db *db, struct arena *a, Id before, int limit,
                             EventRows *ret_rows)
{
    static const char sql[] = "SELECT id, tenant_id, topic, body FROM event WHERE delivered IS NULL"
                              " AND id < ?1 ORDER BY id LIMIT ?2";
    AUTO(db_cursor) *c = NULL;
    EventRows rows = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(before), D_INT(limit)), &c));
    while (db_next(c)) {
        struct event_row *r = vec_add(a, &rows);
        *r = (struct event_row){.id = db_id(c, 0),
                                .tenant = db_id(c, 1),
                                .topic = db_bytes(c, 2),
                                .body = db_bytes(c, 3)};
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_events_since(struct db *db, struct arena *a, Id tenant, Str topic, Id after, int limit,
                       EventRows *ret_rows)
{
    static const char sql[] = "SELECT id, body FROM event WHERE tenant_id = ?1 AND topic = ?2 AND"
                              " id > ?3 ORDER BY id LIMIT ?4";
    AUTO(db_cursor) *c = NULL;
    EventRows rows = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant), D_BYTES(topic), D_ID(after), D_INT(limit)), &c));
    while (db_next(c)) {
        struct event_row *r = vec_add(a, &rows);
        *r = (struct event_row){.id = db_id(c, 0), .tenant = tenant, .body = db_bytes(c, 1)};
    }
    TRY(db_finish(c));
    *ret_rows = rows;
    return OK;
}

Err store_events_expire(struct db *db, struct arena *a, Usec now, int limit, int *ret_n)
{
    static const char find[] = "SELECT id FROM event WHERE id < ?1 ORDER BY id LIMIT ?2";
    AUTO(db_cursor) *c = NULL;
    VEC(Id) ids = {0};
    Id before = id_floor(now - STORE_EVENT_KEPT);

    TRY(db_query(db, a, find, DB_ARGS(D_ID(before), D_INT(limit)), &c));
    while (db_next(c))
        vec_push(a, &ids, db_id(c, 0));
    TRY(db_finish(c));
    *ret_n = (int)ids.n;
    struct db_tx *tx = db_begin(db, a);
    vec_each(&ids, id) {
        db_exec(tx, "DELETE FROM event_key WHERE event_id = ?1", DB_ARGS(D_ID(*id)));
        db_exec(tx, "DELETE FROM event WHERE id = ?1", DB_ARGS(D_ID(*id)));
    }
    /* An answer that was on its way when its run ended. */
    db_exec(tx,
            "DELETE FROM answer WHERE created_at < ?1 AND NOT EXISTS (SELECT 1 FROM run WHERE"
            " run.id = answer.run_id AND run.finished_at IS NULL)",
            DB_ARGS(D_INT(now - STORE_EVENT_KEPT)));
    return db_commit(tx);
}
