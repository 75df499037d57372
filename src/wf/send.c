/* src/wf/send.c - events from outside, on their way to the runs that wait for them.
 *
 * An event is kept for a day first, so that a wait that begins in the same moment finds it, and
 * then put beside each wait there is. Whoever asks again with the same idempotency key repeats the
 * second part, which does nothing twice.
 */
#include "base/crypto.h"
#include "wf/engine_private.h"

enum { WAITS_AT_ONCE = 256, BYTES_AT_ONCE = 8 << 20 };

static Str hash_of(struct arena *a, Str text)
{
    uint8_t hash[CRYPTO_HASH_SIZE];

    crypto_blake2b(text, hash);
    return str_dup(a, str_from((char *)hash, sizeof hash));
}

static Err event_row(struct arena *a, const struct wf_send *s, struct event_row *ret_row)
{
    struct json *data = s->data ? (struct json *)(uintptr_t)s->data : json_null(a);
    Id id = id_new();
    struct json *body =
        json_obj(a, "id", json_id(a, id), "name", json_str(a, s->name), "key", json_str(a, s->key),
                 "data", data, "at", json_time(a, time_wall()), NULL);
    AUTO_BUF(sense, MIB(4));

    *ret_row = (struct event_row){.id = id,
                                  .tenant = s->tenant,
                                  .topic = store_event_topic(a, s->name, s->key),
                                  .body = json_text(a, body)};
    if (!s->idempotency.n)
        return OK;
    json_write_canonical(&sense, data);
    TRY(buf_ok(&sense));
    ret_row->key = hash_of(a, s->idempotency);
    ret_row->fingerprint =
        hash_of(a, str_fmt(a, "%.*s%.*s", P(ret_row->topic), P(buf_str(&sense))));
    return OK;
}

/* Put the event beside the waits for it. @until 0: all; else those that had begun by then. */
static Err deliver(struct wf_engine *e, const struct event_row *row, Usec until, int64_t *ret_n)
{
    Id after = ID_NONE;
    int page = (int)(BYTES_AT_ONCE / (row->body.n + 1));
    EventWaits waits = {0};

    page = page < 1 ? 1 : page > WAITS_AT_ONCE ? WAITS_AT_ONCE : page;
    *ret_n = 0;
    do {
        AUTO(arena) *a = arena_new(MIB(64));
        TRY(store_event_waits(e->db, a, row->tenant, row->topic, after, page, &waits));
        struct db_tx *tx = db_begin(e->db, a);
        vec_each(&waits, w) {
            after = w->id;
            if (until && w->created_at > until)
                continue;
            struct answer_row answer = {w->id, w->run, str_from((const char *)row->id.b, 16),
                                        row->body};
            store_answer_put(tx, &answer, time_wall());
            ++*ret_n;
        }
        if (db_tx_count(tx))
            TRY(db_commit(tx));
        waits.at = NULL; /* of the arena */
    } while (waits.n == (size_t)page);
    return OK;
}

Err wf_event_send(struct wf_engine *e, struct arena *a, const struct wf_send *s,
                  struct wf_sent *ret_sent)
{
    struct event_row row;
    struct wf_sent sent = {0};
    Usec until = 0;

    TRY(event_row(a, s, &row));
    Err err = store_event_insert(e->db, a, &row);
    if (err == E_EXISTS && row.key.n) {
        Str fingerprint = row.fingerprint;
        TRY(store_event_by_key(e->db, a, s->tenant, row.key, &row));
        if (!str_eq(fingerprint, row.fingerprint))
            return err_detail(E_EXISTS, "This idempotency key was used with another event.");
        sent.duplicate = true;
        until = id_time(row.id);
        err = OK;
    }
    TRY(err);
    sent.id = row.id;
    TRY(deliver(e, &row, until, &sent.delivered));
    *ret_sent = sent;
    if (sent.delivered)
        engine_answered(e);
    return OK;
}
