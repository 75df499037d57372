/* src/store/store_model_response.c - see store_model_response.h. */
#include "store/store_model_response.h"

#include "store/store_payload.h"

enum { EXPIRE_PAYLOADS = 2000 }; /* deleted by one transaction */

#define COLUMNS                                                                                    \
    "r.id, r.tenant_id, r.key_id, r.conversation_id, r.previous_id, r.depth, r.bytes, "            \
    "r.created_at"

static void read_row(const struct db_cursor *c, struct model_response_row *r)
{
    *r = (struct model_response_row){.id = db_id(c, 0),
                                     .tenant = db_id(c, 1),
                                     .key = db_id(c, 2),
                                     .conversation = db_id(c, 3),
                                     .previous = db_id(c, 4),
                                     .depth = db_int(c, 5),
                                     .bytes = db_int(c, 6),
                                     .created_at = db_usec(c, 7)};
}

static Err not_there(void)
{
    return err_detail(E_NOT_FOUND, "There is no such response.");
}

Err store_model_response_add(struct db *db, struct arena *a, const struct model_response_row *row,
                             Usec keep_until)
{
    static const char add[] =
        "INSERT INTO model_response (id, tenant_id, key_id, conversation_id, previous_id, depth,"
        " bytes, body, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    static const char keep[] =
        "INSERT INTO model_conversation (id, keep_until) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE"
        " SET keep_until = excluded.keep_until WHERE model_conversation.keep_until <"
        " excluded.keep_until";
    AUTO(piece_book) *book = NULL;
    struct journal_batch batch;

    TRY(store_payload_pack(db, a, row->id, false, &book, row->body, &batch));
    struct db_tx *tx = db_begin(db, a);
    db_exec(tx, add,
            DB_ARGS(D_ID(row->id), D_ID(row->tenant), D_ID(row->key), D_ID(row->conversation),
                    D_ID_OPT(row->previous), D_INT(row->depth), D_INT(row->bytes),
                    D_BYTES(batch.stored), D_INT(row->created_at)));
    db_exec(tx, keep, DB_ARGS(D_ID(row->conversation), D_INT(keep_until)));
    store_payload_put(tx, row->tenant, row->id, &batch);
    return db_commit(tx);
}

Err store_model_response_head(struct db *db, struct arena *a, Id tenant, Id key, Id id,
                              struct model_response_row *ret_row)
{
    static const char sql[] = "SELECT " COLUMNS " FROM model_response r WHERE r.id = ?1"
                              " AND r.tenant_id = ?2 AND r.key_id = ?3";
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(id), D_ID(tenant), D_ID(key)), &c));
    bool found = db_next(c);
    if (found)
        read_row(c, ret_row);
    TRY(db_finish(c));
    return found ? OK : not_there();
}

/* The stored text of a row becomes what was stored. */
static Err unpack(struct db *db, struct arena *a, struct model_response_row *row, Str stored)
{
    AUTO(payload_reader) *reader = payload_reader_new(db, row->id);
    Str text;

    row->body = stored;
    if (!pieces_is_sheet(stored))
        return OK;
    Err e = payload_read(reader, stored, &text);
    if (e != OK)
        return err_add(e, "a response that was kept");
    char *to = arena_try(a, text.n);
    if (!to)
        return err_set(E_TOO_LARGE, "a response of %zu bytes", text.n);
    row->body = str_from(memcpy(to, text.n ? text.p : "", text.n), text.n);
    return OK;
}

Err store_model_response_body(struct db *db, struct arena *a, struct model_response_row *row)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT body FROM model_response WHERE id = ?1", DB_ARGS(D_ID(row->id)),
                 &c));
    bool found = db_next(c);
    Str stored = found ? db_bytes(c, 0) : S("");
    TRY(db_finish(c));
    return found ? unpack(db, a, row, stored) : not_there();
}

Err store_model_response_chain(struct db *db, struct arena *a,
                               const struct model_response_row *head, size_t max,
                               ModelResponseRows *ret_rows)
{
    static const char sql[] =
        "WITH RECURSIVE chain (id, previous_id) AS (SELECT id, previous_id FROM model_response"
        " WHERE id = ?1 AND tenant_id = ?2 AND key_id = ?3 UNION ALL"
        " SELECT p.id, p.previous_id FROM model_response p JOIN chain c ON p.id = c.previous_id"
        " WHERE p.tenant_id = ?2 AND p.key_id = ?3)"
        " SELECT " COLUMNS
        ", r.body FROM chain c JOIN model_response r ON r.id = c.id ORDER BY r.depth"
        " LIMIT ?4";
    AUTO(db_cursor) *c = NULL;
    ModelResponseRows rows = {0};

    if (head->bytes < 0 || (uint64_t)head->bytes > max || head->depth > STORE_RESPONSE_DEPTH_MAX)
        return err_detail(E_TOO_LARGE, "The conversation before passes %zu MiB or %d turns.",
                          max >> 20, STORE_RESPONSE_DEPTH_MAX);
    TRY(db_query(db, a, sql,
                 DB_ARGS(D_ID(head->id), D_ID(head->tenant), D_ID(head->key),
                         D_INT(STORE_RESPONSE_DEPTH_MAX)),
                 &c));
    while (db_next(c)) {
        struct model_response_row *r = vec_add(a, &rows);
        read_row(c, r);
        r->body = db_bytes(c, 8);
    }
    TRY(db_finish(c));
    if ((int64_t)rows.n != head->depth)
        return not_there();
    vec_each(&rows, r)
        TRY(unpack(db, a, r, r->body));
    *ret_rows = rows;
    return OK;
}

/* ---- letting go ---- */

static Err drop(struct db *db, struct arena *a, struct db_tx *tx, Id tenant, Id id,
                size_t *ret_payloads)
{
    PayloadHashes hashes;

    TRY(store_payload_of(db, a, id, &hashes));
    store_payload_drop(tx, tenant, id, &hashes);
    *ret_payloads += hashes.n;
    return OK;
}

Err store_model_response_delete(struct db *db, struct arena *a, Id tenant, Id key, Id id)
{
    struct db_tx *tx = db_begin(db, a);
    size_t payloads = 0;

    db_exec_expect(tx, 1,
                   "DELETE FROM model_response WHERE id = ?1 AND tenant_id = ?2 AND key_id = ?3",
                   DB_ARGS(D_ID(id), D_ID(tenant), D_ID(key)));
    TRY(drop(db, a, tx, tenant, id, &payloads));
    Err e = db_commit(tx);
    return e == E_CONFLICT ? not_there() : e;
}

struct old {
    Id id, tenant, conversation;
};

/* Those of one conversation, and it itself if none is left. It may be used again meanwhile: the
 * transaction says that it was not. */
static Err expire_some(struct db *db, struct arena *a, const struct old *of, size_t n, bool all,
                       Usec now)
{
    struct db_tx *tx = db_begin(db, a);
    size_t payloads = 0;

    db_exec_expect(tx, 1,
                   "UPDATE model_conversation SET keep_until = keep_until WHERE id = ?1 AND"
                   " keep_until <= ?2",
                   DB_ARGS(D_ID(of->conversation), D_INT(now)));
    for (size_t i = 0; i < n && payloads < EXPIRE_PAYLOADS; i++) {
        TRY(drop(db, a, tx, of[i].tenant, of[i].id, &payloads));
        db_exec(tx, "DELETE FROM model_response WHERE id = ?1", DB_ARGS(D_ID(of[i].id)));
        all = all && (i + 1 == n || payloads < EXPIRE_PAYLOADS);
    }
    if (all)
        db_exec(tx,
                "DELETE FROM model_conversation WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM"
                " model_response r WHERE r.conversation_id = ?1)",
                DB_ARGS(D_ID(of->conversation)));
    Err e = db_commit(tx);
    return e == E_CONFLICT ? OK : e;
}

/* Conversations of which every response was deleted. */
static Err expire_empty(struct db *db, struct arena *a, Usec now)
{
    struct db_tx *tx = db_begin(db, a);

    db_exec(tx,
            "DELETE FROM model_conversation WHERE keep_until <= ?1 AND NOT EXISTS (SELECT 1 FROM"
            " model_response r WHERE r.conversation_id = model_conversation.id)",
            DB_ARGS(D_INT(now)));
    return db_commit(tx);
}

Err store_model_response_expire(struct db *db, struct arena *a, Usec now, int limit, int *ret_n)
{
    static const char sql[] =
        "SELECT r.id, r.tenant_id, r.conversation_id FROM model_conversation v JOIN model_response"
        " r ON r.conversation_id = v.id WHERE v.keep_until <= ?1 ORDER BY v.keep_until, v.id"
        " LIMIT ?2";
    AUTO(db_cursor) *c = NULL;
    VEC(struct old) old = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_INT(now), D_INT(limit)), &c));
    while (db_next(c))
        vec_push(a, &old, ((struct old){db_id(c, 0), db_id(c, 1), db_id(c, 2)}));
    TRY(db_finish(c));
    *ret_n = (int)old.n;
    for (size_t i = 0, n; i < old.n; i += n) {
        for (n = 1; i + n < old.n && id_eq(old.at[i + n].conversation, old.at[i].conversation);)
            n++;
        bool all = i + n < old.n || (int)old.n < limit;
        TRY(expire_some(db, a, old.at + i, n, all, now));
    }
    return old.n ? OK : expire_empty(db, a, now);
}
