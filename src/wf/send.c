/* src/wf/send.c - events from outside, on their way to the runs that wait for them.
 *
 * An event is kept for a day first, so that a wait that begins in the same moment finds it, and
 * then put beside each wait there is. When that is interrupted - a crash, a database that is away -
 * it is done again by the upkeep, or by whoever asks again with the same idempotency key; an answer
 * is put beside a wait once.
 */
#include "base/crypto.h"
#include "wf/event_start.h"
#include "wf/nodes/trigger_event.h"

static const Usec LEFT_AFTER = 10 * USEC_S;
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
    buf_add(&sense, ret_row->topic); /* of a fixed length */
    TRY(buf_ok(&sense));
    ret_row->fingerprint = hash_of(a, buf_str(&sense));
    return OK;
}

/* Put the event beside the waits for it, and note that this is done. */
static Err deliver(struct wf_engine *e, const struct event_row *row, int64_t *ret_n)
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
            struct answer_row answer = {w->id, w->run, str_from((const char *)row->id.b, 16),
                                        row->body};
            store_answer_put(tx, &answer, time_wall());
            ++*ret_n;
        }
        if (waits.n < (size_t)page)
            store_event_delivered(tx, row->id, *ret_n);
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

    if (trigger_event_is_own(s->name))
        return err_detail(E_INVALID,
                          "\"%.*s\" is an event of the platform itself: take another "
                          "name.",
                          P(s->name));
    TRY(event_row(a, s, &row));
    struct db_tx *tx = db_begin(e->db, a);
    store_event_put(tx, &row);
    event_sent_put(e, a, tx, &row, s);
    Err err = db_commit(tx);
    if (err == OK)
        event_starts_moved(e->event_starts);
    if (err == E_EXISTS && row.key.n) {
        Str fingerprint = row.fingerprint;
        TRY(store_event_by_key(e->db, a, s->tenant, row.key, &row));
        if (!str_eq(fingerprint, row.fingerprint))
            return err_detail(E_EXISTS, "This idempotency key was used with another event.");
        sent.duplicate = true;
        err = OK;
    }
    TRY(err);
    sent.id = row.id;
    /* The second time nothing is left to do, unless the first was interrupted. */
    if (!sent.duplicate || !row.is_delivered)
        TRY(deliver(e, &row, &sent.delivered));
    *ret_sent = sent;
    if (sent.delivered)
        engine_answered(e);
    return OK;
}

Err engine_deliver_left(struct wf_engine *e)
{
    enum { LEFT_AT_ONCE = 64 };
    AUTO(arena) *a = arena_new(MIB(256));
    EventRows rows = {0};
    int64_t n, all = 0;

    TRY(store_events_undelivered(e->db, a, id_floor(time_wall() - LEFT_AFTER), LEFT_AT_ONCE,
                                 &rows));
    vec_each(&rows, row) {
        TRY(deliver(e, row, &n));
        all += n;
    }
    if (all)
        engine_answered(e);
    return OK;
}
